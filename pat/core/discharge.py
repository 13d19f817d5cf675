"""Discharge of a blend as a one-dimensional lot: variogram, contrasts along it, and pseudo-doses.

Readings come in the order of discharge; one that was not good is NaN, and keeps its place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pat.core.blocks import relative
from pat.core.types import Array
from pat.errors import InputError

LEAST_READINGS = 60
"""Readings without which no variogram is made."""
# Largest share of readings that may be missing from a series, so that it still stands for the discharge.
_MOST_MISSING = 0.10
# Lags through which the nugget is extrapolated, and share of the sill at which the range ends.
_NUGGET_LAGS, _REACHED = 5, 0.95
# Share of the readings at the end of the discharge: the last tote.
_TAIL = 0.05
# Highest autocorrelation that contrasts are corrected for.
_HIGHEST_PHI = 0.95


def contributions(values: Array, masses: Array | None = None) -> Array:
    """Return the heterogeneity contributions of readings, relative to their mean.

    Parameters
    ----------
    values : ndarray of shape (Q,)
        Contents (analyte units); NaN where a reading is missing.
    masses : ndarray of shape (Q,), optional
        Masses of what each reading stands for, in any unit; equal where not given.

    Returns
    -------
    ndarray of shape (Q,)

    Raises
    ------
    InputError
        If masses are not positive and as many, or the mean content is not positive.

    Notes
    -----
    h = (a - a_L) / a_L * M / mean(M), with the mean content a_L weighted by mass.

    References
    ----------
    Gy, *Sampling of Particulate Materials* (1979); Esbensen and Wagner, *TrAC* 57 (2014) 93.
    """
    known = ~np.isnan(values)
    mass = np.ones(values.shape) if masses is None else masses
    if mass.shape != values.shape or not (np.isfinite(mass) & (mass > 0.0)).all():
        raise InputError(f"`masses` must be {values.size} positive numbers, got {mass.size}, the least {mass.min():g}")
    mean = float((values[known] * mass[known]).sum() / mass[known].sum()) if known.any() else math.nan
    if not mean > 0.0:
        raise InputError(f"heterogeneity is relative to the mean content, which must be positive, got {mean:g}")
    return np.asarray((values - mean) / mean * mass / mass[known].mean())


@dataclass(frozen=True)
class Variogram:
    """How contributions that lie j readings apart differ.

    Attributes
    ----------
    v : tuple of float
        v(j) for the lags j = 1 to Q/2 (relative variance).
    nugget : float
        v(0), extrapolated back: sampling and analysis alone, however near two readings are (relative variance).
    sill : float
        Variance of the contributions: where v settles.
    range : int or None
        First lag at which v reaches 95 % of the sill; None if it never does.
    """

    v: tuple[float, ...]
    nugget: float
    sill: float
    range: int | None

    @property
    def percent_nugget(self) -> float:
        """Nugget as a share of the sill (%); NaN for a lot without any variance.

        A small one says that the lot changes along the discharge, a large one that there is nothing but noise: a
        perfectly mixed lot has 100 %. It is told, and nothing is decided by it.
        """
        return 100.0 * self.nugget / self.sill if self.sill > 0.0 else math.nan

    @property
    def nugget_rsd(self) -> float:
        """Relative standard deviation (%) of two readings next to each other, to be compared with the allowed RSD."""
        return 100.0 * math.sqrt(self.nugget)

    def rows(self) -> list[tuple[str, str]]:
        """Return its figures, as rows of a name and a text for people."""
        return [
            ("nugget", f"{self.nugget_rsd:.2f} % RSD"),
            ("sill", f"{100.0 * math.sqrt(self.sill):.2f} % RSD"),
            ("range", "not reached" if self.range is None else f"{self.range} readings"),
            ("percent nugget", f"{self.percent_nugget:.0f} % (told, nothing is decided by it)"),
        ]


def variogram(h: Array) -> Variogram:
    """Return the variogram of contributions.

    Parameters
    ----------
    h : ndarray of shape (Q,)
        Contributions in their order, 60 at least; NaN where one is missing, 10 % at the most.

    Raises
    ------
    InputError
        If there are too few, or too many are missing.

    Notes
    -----
    v(j) = sum (h_{q+j} - h_q)^2 / (2 m) over the m pairs that are j apart, Q - j of them where none is missing. The
    nugget is the intercept of a straight line through the first five, and not below 0.

    References
    ----------
    Gy, *Sampling of Particulate Materials* (1979); DS 3077 (2013).
    """
    require_series(h)
    v = np.empty(h.size // 2)
    for j in range(1, v.size + 1):
        apart = h[j:] - h[:-j]
        v[j - 1] = np.nanmean(apart * apart) / 2.0
    lags = np.arange(1.0, _NUGGET_LAGS + 1.0)
    nugget = max(0.0, float(np.polynomial.polynomial.polyfit(lags, v[:_NUGGET_LAGS], 1)[0]))
    sill = float(np.nanvar(h, ddof=1))
    reached = np.flatnonzero(v >= _REACHED * sill)
    return Variogram(tuple(v.tolist()), nugget, sill, int(reached[0]) + 1 if reached.size else None)


def require_series(values: Array) -> None:
    """Refuse a series that is too short, or of which too much is missing; raises `InputError`."""
    if values.ndim != 1 or values.size < LEAST_READINGS:
        raise InputError(f"a discharge needs at least {LEAST_READINGS} readings, got {values.size}")
    missing = int(np.isnan(values).sum())
    if missing > _MOST_MISSING * values.size:
        raise InputError(f"at most {_MOST_MISSING:.0%} of the readings may be missing, got {missing} of {values.size}")


@dataclass(frozen=True)
class Contrast:
    """A statistic of readings along the discharge.

    Attributes
    ----------
    size : float
        What was found (% of the mean): SD of the means of the thirds, change from start to end, or last tote less the
        rest.
    statistic : float
        Fisher's F for the thirds, Student's t for the others; NaN for readings that do not vary.
    degrees : tuple of float
        Its degrees of freedom.
    """

    size: float
    statistic: float
    degrees: tuple[float, ...]


@dataclass(frozen=True)
class Contrasts:
    """Start, middle and end of a discharge.

    Attributes
    ----------
    thirds, trend, tail : Contrast
        Analysis of variance between thirds; slope of a straight line; the last 5 % against the rest (Welch).
    inflation : float
        How many times the variance of a mean exceeds that of independent readings: (1 + phi) / (1 - phi), at least 1,
        with the autocorrelation phi of what the straight line leaves. The statistics do not allow for it.
    """

    thirds: Contrast
    trend: Contrast
    tail: Contrast
    inflation: float

    def rows(self, said: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return their sizes, as rows of a name and a text for people, with what is `said` of each."""
        sizes = {key: getattr(self, key).size for key in CONTRASTS}
        return [
            (words, f"{sizes[key]:{'' if key == 'thirds' else '+'}.2f} % of the mean ({said[key]})")
            for key, words in CONTRASTS.items()
        ]


CONTRASTS = {"thirds": "SD between thirds", "trend": "change from start to end", "tail": "last 5 % less the rest"}
"""What each contrast is the size of, in words for people."""


def contrasts(values: Array) -> Contrasts:
    """Compare start, middle and end of a discharge.

    Parameters
    ----------
    values : ndarray of shape (Q,)
        As for `contributions`; 60 at least.

    Raises
    ------
    InputError
        If there are too few readings, or too many are missing.
    """
    require_series(values)
    mean = float(np.nanmean(values))
    trend, residual = _trend(values, mean)
    return Contrasts(_thirds(values, mean), trend, _tail(values, mean), _inflation(residual))


def _ratio(over: float, under: float) -> float:
    return over / under if under > 0.0 else math.nan


def thirds_of(values: Array) -> list[Array]:
    """Return the good readings of each third of a discharge."""
    return [part[~np.isnan(part)] for part in np.array_split(values, 3)]


def _thirds(values: Array, mean: float) -> Contrast:
    parts = thirds_of(values)
    n, means = sum(part.size for part in parts), np.array([part.mean() for part in parts])
    between = sum(part.size * (m - mean) ** 2 for part, m in zip(parts, means, strict=True)) / 2.0
    within = sum(float(((part - m) ** 2).sum()) for part, m in zip(parts, means, strict=True)) / (n - 3)
    return Contrast(float(100.0 * means.std(ddof=1) / mean), _ratio(between, within), (2.0, n - 3.0))


def _trend(values: Array, mean: float) -> tuple[Contrast, Array]:
    """Return the straight line through the readings, and what it leaves of them."""
    known = ~np.isnan(values)
    at, y = np.flatnonzero(known).astype(np.float64), values[known] - mean
    at_mean = at.mean()
    square = float(((at - at_mean) ** 2).sum())
    slope = float(((at - at_mean) * y).sum()) / square
    residual = values - mean - slope * (np.arange(values.size) - at_mean)
    error = math.sqrt(float(np.nansum(residual**2)) / (y.size - 2) / square)
    return Contrast(100.0 * slope * (values.size - 1) / mean, _ratio(slope, error), (y.size - 2.0,)), residual


def _tail(values: Array, mean: float) -> Contrast:
    cut = values.size - math.ceil(_TAIL * values.size)
    body, tail = (part[~np.isnan(part)] for part in (values[:cut], values[cut:]))
    if tail.size < 2:
        return Contrast(math.nan, math.nan, (math.nan,))
    a, b = float(tail.var(ddof=1)) / tail.size, float(body.var(ddof=1)) / body.size
    apart = float(tail.mean() - body.mean())
    degrees = _ratio((a + b) ** 2, a**2 / (tail.size - 1) + b**2 / (body.size - 1))
    return Contrast(100.0 * apart / mean, _ratio(apart, math.sqrt(a + b)), (degrees,))


def _inflation(residual: Array) -> float:
    pairs = residual[1:] * residual[:-1]
    spread = float(np.nanmean(residual**2))
    phi = min(float(np.nanmean(pairs)) / spread, _HIGHEST_PHI) if spread > 0.0 else 0.0
    return max(1.0, (1.0 + phi) / (1.0 - phi))


@dataclass(frozen=True)
class PseudoDoses:
    """Readings averaged until they stand for a unit dose.

    Attributes
    ----------
    contents : tuple of float
        Content of each (analyte units); doses with a missing reading are left out.
    readings : int
        Readings in a dose.
    mean : float
        Analyte units.
    rsd : float
        RSD of the doses as read (%).
    blend_rsd : float
        The same without the method's repeatability, and with the slope allowed for (%).
    """

    contents: tuple[float, ...]
    readings: int
    mean: float
    rsd: float
    blend_rsd: float

    def rows(self) -> list[tuple[str, str]]:
        """Return their figures, as rows of a name and a text for people."""
        spread = f"{self.rsd:.2f} % as read, {self.blend_rsd:.2f} % without repeatability"
        return [
            ("pseudo-doses", f"{len(self.contents)} of {self.readings} readings"),
            ("RSD of pseudo-doses", spread),
        ]


def pseudo_doses(values: Array, readings: int, repeatability: float, slope: float = 1.0) -> PseudoDoses:
    """Average readings, one dose after the other, to the mass of a unit dose.

    Parameters
    ----------
    values : ndarray of shape (Q,)
        Contents (analyte units) in their order; NaN where one is missing.
    readings : int
        Readings in a dose, as many as see so much independent powder.
    repeatability : float
        Lower confidence limit of the method's standard deviation (analyte units).
    slope : float
        Lower confidence bound of the slope of predicted on true content.

    Raises
    ------
    InputError
        If there are not two whole doses.

    Notes
    -----
    The mean of n readings has the method's variance over n; it is taken off the variance of the doses, not below 0.
    """
    whole = values[: values.size // readings * readings].reshape(-1, readings).mean(axis=1)
    contents = whole[~np.isnan(whole)]
    if contents.size < 2:
        raise InputError(f"pseudo-doses of {readings} readings need at least 2 whole ones, got {contents.size}")
    mean, variance = contents.mean(), contents.var(ddof=1)
    own = math.sqrt(max(float(variance) - repeatability**2 / readings, 0.0)) / slope
    rsd, blend = (float(relative(np.asarray(sd), mean)) for sd in (math.sqrt(variance), own))
    return PseudoDoses(tuple(contents.tolist()), readings, float(mean), rsd, blend)
