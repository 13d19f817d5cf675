"""Precision: repeatability, intermediate precision, and what days, operators and instruments add to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pat.core.plain import finite_numbers
from pat.core.types import Array
from pat.errors import InputError
from pat.validation.nested import REPEAT, NestedVariance, chi2_interval, nested_variance


@dataclass(frozen=True)
class Deviation:
    """A standard deviation with its two-sided confidence interval (analyte units).

    Attributes
    ----------
    name : str
        What varies: a factor, ``repeat`` or ``intermediate``.
    sd, lower, upper : float
    df : float
        Degrees of freedom: of its mean square, or Satterthwaite's of a sum; infinite where it does not vary.
    below_zero : bool
        Whether the variance was estimated below zero, and 0 stands for it.
    """

    name: str
    sd: float
    lower: float
    upper: float
    df: float
    below_zero: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, null for what is not finite."""
        return finite_numbers(asdict(self))


@dataclass(frozen=True)
class Precision:
    """Precision of a method at one level of content, or over all levels.

    Attributes
    ----------
    level : str or None
        None where it holds for all levels together.
    n : int
        Number of values.
    mean : float
        Mean of the values.
    groups : dict of str to int
        Number of groups of each factor.
    repeatability : Deviation
        Of repeats under the same conditions.
    factors : tuple of Deviation
        What each factor adds, the outermost first.
    intermediate : Deviation
        Of one value under new conditions of every factor: intermediate precision.
    balanced : bool
        Whether the intervals rest on a balanced design; in others they are approximations.
    confidence : float
        Of every interval.
    """

    level: str | None
    n: int
    mean: float
    groups: dict[str, int]
    repeatability: Deviation
    factors: tuple[Deviation, ...]
    intermediate: Deviation
    balanced: bool
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Return the precision as plain data, null for what is not finite."""
        parts = {"repeatability": self.repeatability.to_dict(), "intermediate": self.intermediate.to_dict()}
        return asdict(self) | parts | {"factors": [factor.to_dict() for factor in self.factors]}


def precision(values: Array, factors: Mapping[str, Any], *, level: Any = None, confidence: float = 0.95) -> Precision:
    """Estimate repeatability and intermediate precision.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Predictions of one material, or prediction errors where materials differ: then the reference method's error is
        in the component of whatever shares a reference value.
    factors : mapping of str to array_like of shape (n,)
        What was varied, from the outermost to the innermost, each within those before it: for instance ``instrument``,
        ``operator``, ``day``. Factors that cross (every operator on every day) are taken as nested all the same: the
        intermediate precision stays right, what belongs to both is counted with the inner one.
    level : array_like of shape (n,), optional
        Level of content of each value: each level has a mean of its own, and all have the same components.
    confidence : float
        Of the two-sided intervals.

    Raises
    ------
    InputError
        As `pat.validation.nested.nested_variance`, and for a confidence outside 0 to 1.

    Notes
    -----
    The interval of the repeatability is exact (chi-square); those of a factor (Ting et al.) and of the intermediate
    precision (Graybill and Wang) are modified large-sample intervals. Simulated at nominal 95 % (2000 designs each, 4
    days of 3 repeats, 8 of 2, 4 of 8; variance between days 0 to 25 times that of repeats), the former covered 94.2 to
    98.2 %, the latter 94.6 to 96.2 %. With days of 2, 3, 6 and 8 repeats both covered 93 % and more; with days of 1, 1,
    1, 10 and 10 they fall to 88 % where days dominate: spread repeats evenly.

    References
    ----------
    ISO 5725-3 (1994) for intermediate precision; Graybill and Wang, *J. Am. Stat. Assoc.* 75 (1980) 869.

    Examples
    --------
    >>> found = precision(np.array([9.9, 10.1, 10.4, 10.6]), {"day": [1, 1, 2, 2]})
    >>> round(found.repeatability.sd, 3), round(found.intermediate.sd, 3)
    (0.141, 0.367)
    """
    if not 0.0 < confidence < 1.0:
        raise InputError(f"`confidence` must lie between 0 and 1, got {confidence}")
    found = nested_variance(values, factors, level)
    total_df, total = found.total_df, found.total
    low, high = found.total_interval(confidence)
    return Precision(
        level=None,
        n=values.size,
        mean=float(values.mean()),
        groups=dict(zip(found.names[:-1], found.sizes.tolist(), strict=False)),
        repeatability=_repeatability(found, confidence),
        factors=tuple(_factor(found, j, confidence) for j in range(len(found.names) - 1)),
        intermediate=Deviation("intermediate", math.sqrt(total), math.sqrt(low), math.sqrt(high), total_df),
        balanced=found.balanced,
        confidence=confidence,
    )


def _repeatability(found: NestedVariance, confidence: float) -> Deviation:
    variance, df = float(found.mean_squares[-1]), float(found.df[-1])
    low, high = chi2_interval(variance, df, confidence)
    return Deviation(REPEAT, math.sqrt(variance), math.sqrt(low), math.sqrt(high), df)


def _factor(found: NestedVariance, j: int, confidence: float) -> Deviation:
    low, high = found.interval(j, confidence)
    estimate = float(found.estimates[j])
    sd = math.sqrt(max(estimate, 0.0))
    return Deviation(found.names[j], sd, math.sqrt(low), math.sqrt(high), float(found.df[j]), estimate < 0.0)


def precision_by_level(
    values: Array, factors: Mapping[str, Any], level: Any, *, confidence: float = 0.95
) -> tuple[Precision, ...]:
    """Estimate the precision at each level of content, in ascending order of the levels.

    Parameters
    ----------
    values, factors, confidence
        As in `precision`.
    level : array_like of shape (n,)
        Level of each value: names or numbers.

    Raises
    ------
    InputError
        As `precision`; the message names the level.
    """
    labels = np.asarray(level)
    if labels.shape != values.shape:
        raise InputError(f"values and levels must have one shape (n,), got {values.shape} and {labels.shape}")
    return tuple(_at_level(values, factors, name, labels == name, confidence) for name in np.unique(labels))


def _at_level(values: Array, factors: Mapping[str, Any], name: Any, rows: Any, confidence: float) -> Precision:
    try:
        part = {factor: np.asarray(labels)[rows] for factor, labels in factors.items()}
        found = precision(values[rows], part, confidence=confidence)
    except (InputError, IndexError) as error:
        raise InputError(f"level {name}: {error}") from error
    return Precision(**(vars(found) | {"level": str(name)}))
