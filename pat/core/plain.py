"""Numbers as plain JSON has them: it knows no NaN and no infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from pat.errors import InputError

T = TypeVar("T")


def finite_or_none(number: float) -> float | None:
    """Return a number, or None where it is not finite."""
    return number if math.isfinite(number) else None


def finite_numbers(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with None in the place of numbers at its top that are not finite."""
    return {key: finite_or_none(value) if isinstance(value, float) else value for key, value in document.items()}


def not_negative(kind: type[T], document: Mapping[str, Any], what: str) -> tuple[T, bool]:
    """Return plain numbers as an object of a kind, and whether none of them is negative or infinite.

    Raises
    ------
    InputError
        If keys are missing or unknown, or a value is no number; the message says of what.
    """
    try:
        found = kind(**document)
        good = all(math.isfinite(value) and value >= 0 for value in document.values())
    except TypeError as error:
        raise InputError(f"{what}: {error}") from error
    return found, good


def number_or_nan(plain: float | None) -> float:
    """Return a number that `finite_or_none` wrote, NaN for None."""
    return math.nan if plain is None else float(plain)
