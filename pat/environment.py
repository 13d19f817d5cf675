"""Code and versions that a piece of work was done with, as an auditor would ask for them."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from pat import __version__
from pat.files import canonical_json

_PACKAGES = ("mlflow", "numpy", "pybaselines", "scikit-learn", "scipy", "xarray", "zarr")
_PACKAGE = Path(__file__).parent


def described() -> dict[str, str]:
    """Return hash of the code, versions of Python and of the packages, and the commit where there is one."""
    versions = {name: metadata.version(name) for name in _PACKAGES}
    versions |= {"pat": __version__, "python": platform.python_version()}
    return {"code_sha256": code_sha256(), **{f"version.{k}": v for k, v in versions.items()}, **git()}


def code_sha256() -> str:
    """SHA-256 over the source files of this package, their paths included."""
    files = sorted(_PACKAGE.rglob("*.py"), key=lambda path: path.relative_to(_PACKAGE).as_posix())
    found = [[path.relative_to(_PACKAGE).as_posix(), _sha256(path.read_bytes())] for path in files]
    return _sha256(canonical_json(found))


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


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
