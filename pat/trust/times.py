"""Times as records hold them: UTC, ISO 8601, with a "Z"."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pat.errors import InputError, TrustError

_WHOLE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def now() -> str:
    """Return the time by this machine's clock, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: object) -> datetime:
    """Return the moment that a time in a record means.

    Raises
    ------
    InputError
        If it is not written as records have it.

    Examples
    --------
    >>> parse("2026-11-24T08:00:00Z").isoformat()
    '2026-11-24T08:00:00+00:00'
    """
    if isinstance(text, str) and _WHOLE.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:  # the 31st of a month that has none
            pass
    raise InputError(f"a time must be UTC as in 2026-11-24T08:00:00Z, got {text!r}")


def signed_moment(text: object, where: object) -> datetime:
    """Return the moment that a time in a signed document means.

    Raises
    ------
    TrustError
        If it is not written as records have it.
    """
    try:
        return parse(text)
    except InputError as error:
        raise TrustError(f"{where}: {error}") from error


def from_user(text: str) -> str:
    """Return a time that a user typed as records have it; a date alone means its first second (UTC).

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> from_user("2027-11-24")
    '2027-11-24T00:00:00Z'
    """
    whole = f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text
    parse(whole)
    return whole
