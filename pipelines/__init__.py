"""The pipeline's stages: thin scripts that parse, call `pat`, and write.

Importing this package pins the instruction sets before numpy is loaded; see `pat.kernels`.
"""

from pat import kernels

kernels.pin()
