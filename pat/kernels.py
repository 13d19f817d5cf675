"""The instruction sets that the laboratory computes with, pinned before numpy is loaded (standard library only).

What every x86-64 machine with AVX2 has gives the same bits, hence the same content digest, on all of them. The line is
not pinned: it takes the fastest kernels of its machine, and known answers prove that they give the same numbers.
"""

from __future__ import annotations

import os
import platform
import sys

_PINS = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}


def pin() -> None:
    """Pin the instruction sets of this process and of those that it starts.

    Settings that are already there win. Where numpy is loaded it is too late, and nothing is set: the processes that
    this one starts shall compute as it does.
    """
    if platform.machine() in ("x86_64", "AMD64") and "numpy" not in sys.modules:
        for name, value in _PINS.items():
            os.environ.setdefault(name, value)
