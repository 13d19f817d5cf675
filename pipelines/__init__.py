"""The pipeline's stages: thin scripts that parse, call `pat`, and write.

Importing this package pins the instruction sets before numpy is loaded: the stages keep to what every x86-64 machine
with AVX2 has, so that the same inputs give the same bits, hence the same content digest, on all of them. Settings that
are already there win; and where numpy is loaded already it is too late, and the processes that this one starts shall
compute as it does.
"""

import os
import platform
import sys

if platform.machine() in ("x86_64", "AMD64") and "numpy" not in sys.modules:
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
    os.environ.setdefault("NPY_DISABLE_CPU_FEATURES", "X86_V4 AVX512_ICL AVX512_SPR")
