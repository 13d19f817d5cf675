"""The highest numbers of a site's lists that this user has seen: somebody who puts back an old list is found out.

They are kept apart from the lists, in ``$XDG_STATE_HOME/pat`` (``~/.local/state/pat``), so that an old folder that is
put in the place of the new one does not bring its memory along. Where nothing can be written there, nothing is
remembered; every release still names the numbers that it was made under.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pat.errors import InputError, TrustError
from pat.files import locked, readable_json, write_bytes


def _file(root_id: str) -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "pat" / f"trust-{root_id}.json"


def refuse_older(root_id: str, numbers: Mapping[str, int]) -> None:
    """Refuse lists with a lower number than one that was seen, and remember theirs.

    Parameters
    ----------
    root_id : str
        Id of the root key.
    numbers : mapping of str to int
        Number of each list, by its file's name.

    Raises
    ------
    TrustError
        If one is lower, or the memory is damaged.
    """
    path = _file(root_id)
    seen = _seen(path)
    for name, number in numbers.items():
        if number < seen.get(name, 0):
            raise TrustError(f"{name}: number {number} is older than number {seen[name]}, which was seen here before")
    if any(number > seen.get(name, 0) for name, number in numbers.items()):
        # Best effort: a line's user may have no place to write, and needs none.
        with suppress(OSError, InputError, ImportError):
            _remember(path, numbers)


def _remember(path: Path, numbers: Mapping[str, int]) -> None:
    with locked(path):
        seen = _seen(path)
        highest = {name: max(number, seen.get(name, 0)) for name, number in numbers.items()}
        write_bytes(path, readable_json(seen | highest).encode())


def _seen(path: Path) -> dict[str, int]:
    try:
        found = json.loads(path.read_bytes())
    except OSError:
        return {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(type(number) is int for number in found.values()):
        raise TrustError(f"{path}: which lists were seen here cannot be read; find out why before it is removed")
    return found
