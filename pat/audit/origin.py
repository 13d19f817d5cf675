"""Who writes an entry, and with what software."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path
from typing import Any

from pat import __version__
from pat.files import canonical_json, sha256

_PACKAGE = Path(__file__).parents[1]


def who(person: str | None = None) -> dict[str, Any]:
    """Return who does something here: the user whom the system knows, not one that a variable names.

    Parameters
    ----------
    person : str, optional
        Unique id of the person, where one has shown who it is, by a signature for example.
    """
    return {"host": socket.gethostname(), "person": person, "user": _user()}


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except ImportError:  # no such list on this system
        return os.getlogin()
    except KeyError:  # a user without a name, as in many containers
        return str(os.geteuid())


@functools.cache
def software() -> dict[str, str]:
    """Return version and code of this package, as they were when it was first asked."""
    return {"code_sha256": code_sha256(), "version": __version__}


def code_sha256(package: Path = _PACKAGE) -> str:
    """SHA-256 over the source files of this package, or of a copy of it, their paths included."""
    files = sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).as_posix())
    found = [[path.relative_to(package).as_posix(), sha256(path.read_bytes())] for path in files]
    return sha256(canonical_json(found))
