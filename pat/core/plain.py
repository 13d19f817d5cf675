"""Numbers as plain JSON has them: it knows no NaN and no infinity."""

from __future__ import annotations

import math


def finite_or_none(number: float) -> float | None:
    """Return a number, or None where it is not finite."""
    return number if math.isfinite(number) else None


def number_or_nan(plain: float | None) -> float:
    """Return a number that `finite_or_none` wrote, NaN for None."""
    return math.nan if plain is None else float(plain)
