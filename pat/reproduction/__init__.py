"""Rebuilding an artefact from its recorded inputs, in a clean checkout, to say whether it comes out the same.

::

    from pat.reproduction import reproduce

    result = reproduce("models/demo/artefact")
    result.verdict, result.promise, result.held

The inputs are hashed before and after the stages run, because DVC's lock file hashes them only when a command has
ended: an edit in between would falsify the link from code to output (dvc #11058).
"""

from __future__ import annotations

from pat.reproduction.comparing import Difference
from pat.reproduction.rebuilding import reproduce
from pat.reproduction.result import Reproduction

__all__ = ["Difference", "Reproduction", "reproduce"]
