"""Functions of one number and of arrays alike, so that a formula stands in one place.

Over many blends at once a formula is computed with arrays. For one blend live it is computed with floats: an array of
one value costs ten times the arithmetic. Both give the same bits. A NaN stays one.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np

from pat.core.types import Array

N = TypeVar("N", float, Array)
"""A float, or an array; what a function returns is what it was given."""


def sqrt(x: N) -> N:
    """Square root; NaN of a negative number."""
    if isinstance(x, float):
        return math.sqrt(x) if x >= 0.0 else math.nan
    return np.asarray(np.sqrt(x))


def choose(condition: Any, yes: Any, no: Any) -> Any:
    """Return `yes` where a condition holds, elsewhere `no`."""
    return np.where(condition, yes, no) if isinstance(condition, np.ndarray) else yes if condition else no


def at_least(x: N, low: float) -> N:
    """Return the larger of a number and `low`."""
    return max(x, low) if isinstance(x, float) else np.asarray(np.maximum(x, low))


def at_most(x: N, high: float) -> N:
    """Return the smaller of a number and `high`."""
    return min(x, high) if isinstance(x, float) else np.asarray(np.minimum(x, high))


def ratio(above: N, below: N | float) -> N:
    """Ratio of two numbers; infinite over 0, and NaN for 0 over 0."""
    if isinstance(above, float):
        if below:
            return float(above / below)
        return math.copysign(math.inf, above) if above and not math.isnan(above) else math.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(above, below))
