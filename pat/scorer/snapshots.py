"""Snapshots of what is followed: plain JSON under its own SHA-256, so that nothing carries on from half of one."""

from __future__ import annotations

import hashlib
from typing import Any

from pat.errors import InputError
from pat.files import canonical_json


def sealed(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state with the SHA-256 of all that it says."""
    return state | {"sha256": _hash(state)}


def require_whole(state: Any, expected: int, artefact: str | None = None, what: str = "snapshot") -> None:
    """Refuse what is no whole snapshot.

    Parameters
    ----------
    state : Any
    expected : int
        Its format number.
    artefact : str, optional
        Content digest of the artefact that must have made it.
    what : str
        What it is called in messages.

    Raises
    ------
    InputError
        If it has another format, was made with another artefact, or is incomplete or altered.
    """
    found = state.get("format") if isinstance(state, dict) else None
    if found != expected:
        raise InputError(f"{what} format must be {expected}, got {found!r}")
    if artefact is not None and state.get("artefact") != artefact:
        raise InputError(f"the snapshot was made with artefact {state.get('artefact')}, this one is {artefact}")
    if state.get("sha256") != _hash(state):
        raise InputError("the snapshot is incomplete or was altered: its SHA-256 does not hold")


def _hash(state: dict[str, Any]) -> str | None:
    """SHA-256 of all that a snapshot says; None where that is not plain JSON."""
    try:
        said = canonical_json({key: value for key, value in state.items() if key != "sha256"})
    except (TypeError, ValueError):
        return None
    return hashlib.sha256(said).hexdigest()
