"""Code and versions that a piece of work was done with, as an auditor would ask for them."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from pat import __version__
from pat.audit.origin import code_sha256 as code_sha256  # one hash of the code, in records and in the trail
from pat.files import sha256

_PACKAGES = ("mlflow", "numpy", "pybaselines", "scikit-learn", "scipy", "xarray", "zarr")
_PACKAGE = Path(__file__).parent
PINS = "requirements/dev.txt"
"""What the project pins, from the checkout's top."""


def described() -> dict[str, str]:
    """Return hash of the code, versions of Python and of the packages, and the commit where there is one."""
    versions = {name: metadata.version(name) for name in _PACKAGES}
    versions |= {"pat": __version__, "python": platform.python_version()}
    return {"code_sha256": code_sha256(), **{f"version.{k}": v for k, v in versions.items()}, **git()}


def source(method: Path | None = None) -> dict[str, str]:
    """Return what an artefact must be rebuilt from, as `pat reproduce` reads it in a release.

    Parameters
    ----------
    method : Path, optional
        The method document in the checkout.

    Returns
    -------
    dict of str to str
        ``code_sha256`` and ``kernel`` always; ``git_commit`` and ``git_dirty`` in a checkout; there, as well,
        ``requirements_sha256`` (of the pins) and ``method`` (its path from the checkout's top).
    """
    found = {"code_sha256": code_sha256(), "kernel": kernel(), **git()}
    top = _PACKAGE.parent
    if "git_commit" in found and (pins := top / PINS).is_file():
        found["requirements_sha256"] = sha256(pins.read_bytes())
    if "git_commit" in found and method is not None and method.resolve().is_relative_to(top):
        found["method"] = method.resolve().relative_to(top).as_posix()
    return found


def kernel() -> str:
    """Return the instruction sets that numpy and BLAS compute with in this process, as text that can be compared.

    Equal text stands for equal bits (decision on numbers that repeat): `pat.kernels` pins it for the laboratory.
    """
    import numpy as np
    from threadpoolctl import threadpool_info

    blas = sorted({str(pool.get("architecture")) for pool in threadpool_info() if pool["user_api"] == "blas"})
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return f"{platform.machine()}; BLAS {' '.join(blas)}; numpy {' '.join([*simd['baseline'], *simd.get('found', [])])}"


def git() -> dict[str, str]:
    """Commit of the source and whether files differ from it; nothing where the package is in no checkout."""

    def run(*arguments: str) -> str:
        command = ["git", "-C", str(_PACKAGE), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # An installed package may lie inside the checkout of something else.
        run("ls-files", "--error-unmatch", Path(__file__).name)
        return {"git_commit": run("rev-parse", "HEAD"), "git_dirty": str(bool(run("status", "--porcelain"))).lower()}
    except (OSError, subprocess.CalledProcessError):
        return {}
