"""Numbered lists that the root signs: what those of keys and of revocations have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pat.errors import TrustError
from pat.trust import signed, times


def read(path: Path, root: str, form: str, fields: tuple[str, ...], entries: str) -> dict[str, Any]:
    """Read a numbered list.

    Parameters
    ----------
    path : Path
    root : str
        Public key of the root, 64 hexadecimal digits.
    form : str
        Format that it must have.
    fields : tuple of str
        Fields that it must have, `number` and `time` among them.
    entries : str
        The field that holds its entries.

    Raises
    ------
    TrustError
        If it is not what the root has signed, its number is no whole number from 1, its time is none, or its entries
        are no list.
    """
    found = signed.read(path)
    signed.check(found, root)
    signed.require_format(found.document, form, path)
    said = signed.require_fields(found.document, fields, path)
    if type(said["number"]) is not int or said["number"] < 1:
        raise TrustError(f"{path}: `number` must be a whole number from 1, got {said['number']!r}")
    times.signed_moment(said["time"], path)
    if not isinstance(said[entries], list):
        raise TrustError(f"{path}: expected a list of {entries}, got {type(said[entries]).__name__}")
    return said
