"""Kinetics of mixing: what the readings so far say of the course of a blend's variance.

It decays to a floor, s^2(N) = s_inf^2 + (s_0^2 - s_inf^2) exp(-k N), with the method's own variance added.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pat.core.evidence import Rule, limit_sd
from pat.core.types import Array

# Points of the grid along each of its axes.
_POINTS = 16
# What is thought possible before the first reading: rate of the variance (1/revolution), start over floor (variances),
# and the largest floor (variance, in limit variances).
_RATES, _STARTS, _HIGHEST_FLOOR = (0.004, 0.4), (0.05, 2e4), 36.0
# The lowest floor (variance, in limit variances) where the method has no noise of its own.
_LOWEST_FLOOR = 0.01
# The floor is thought to lie where that of accepted batches does, within this factor (half width of a Cauchy
# distribution of the logarithm of its SD): its tails are heavy, so that readings which say otherwise are believed.
_FLOOR_SCALE = 0.8
# Blends that tumble mostly have about this rate, within this factor's logarithm (half width of a Cauchy distribution).
_RATE, _RATE_SCALE = 0.08, 2.0
# Share of its information that an estimate of the variance keeps where readings have an autocorrelation of 0.58, about
# the highest that a rule is shown for: (1 - phi^2) / (1 + phi^2).
_INFORMATION = 0.5
# Readings that are only compared with, at the beginning.
_FIRST = 4
# Share of the target below which the unit no longer falls: the limit is a share of the mean, and might be none.
_LEAST_CENTRE = 0.1
LEAST = 12
"""Readings without which nothing is said of a course."""
# Log likelihood below the highest at which a point of the grid no longer matters.
_NEGLIGIBLE = 9.0


class Curves(NamedTuple):
    """Courses of the variance of the readings, in limit variances, each of shape (m,).

    floor (1 + start exp(-rate t)) after t revolutions since the first reading; the method's own noise is part of it.
    """

    rate: Array
    start: Array
    floor: Array

    def variance(self, since: Array) -> Array:
        """Return the variances (m, n) after `since` (n,) revolutions."""
        return np.asarray(self.floor[:, None] * (1.0 + self.start[:, None] * np.exp(-np.outer(self.rate, since))))


def noise_share(rule: Rule) -> float:
    """Share of the method's own variance in that of readings of a blend exactly at the limit."""
    return float(rule.repeatability**2 / limit_sd(rule, np.asarray(rule.target)) ** 2)


def unit_sd(rule: Rule, centre: Array) -> Array:
    """Return the limit SD about `centre`, that of a tenth of the target where there is less."""
    return limit_sd(rule, np.maximum(centre, _LEAST_CENTRE * rule.target))


class _Deviations(NamedTuple):
    """Squared deviations (n,) from the mean of the readings before, in limit variances, and how many those were."""

    square: Array
    size: Array


def _deviations(rule: Rule, value: Array) -> _Deviations:
    total = sums(value)
    index = np.arange(_FIRST, value.size)
    size = np.minimum(index, rule.centre_size)
    centre = (total[index] - total[index - size]) / size
    square = ((value[index] - centre) / unit_sd(rule, centre)) ** 2 / (1.0 + 1.0 / size)
    return _Deviations(square, size)


def _weights(rate: Array, since: Array, size: Array) -> Array:
    """Decay (k, n) of the variance of a deviation: that of the reading, and of the mean it is compared with."""
    decay = np.exp(-np.outer(rate, since))
    total = sums(decay)
    index = np.arange(_FIRST, since.size)
    centre = (total[:, index] - total[:, index - size]) / size**2
    return np.asarray((decay[:, index] + centre) / (1.0 + 1.0 / size))


def log_likelihood(axes: Curves, deviations: _Deviations, weights: Array) -> Array:
    """Return the log likelihood on the grid of three axes, shape (rates, starts, floors).

    Notes
    -----
    A squared deviation over its variance is chi-squared with one degree of freedom: -1/2 sum (ln w + d^2 / w), with
    w = floor (1 + start e). The floor is a common factor, so that only the sums of ln(1 + start e) and of
    d^2 / (1 + start e) need the readings.
    """
    shape = 1.0 + axes.start[None, :, None] * weights[:, None, :]
    n = deviations.square.size
    # The logarithm of a product of a few: none of them exceeds 2e4, so that eight stay far from overflow.
    logs = np.log(np.multiply.reduceat(shape, np.arange(0, n, 8), axis=2)).sum(axis=2)
    np.reciprocal(shape, out=shape)
    squares = shape @ deviations.square
    return np.asarray(
        -0.5 * _INFORMATION * (n * np.log(axes.floor) + logs[..., None] + squares[..., None] / axes.floor)
    )


def _floor_prior(rule: Rule, floor: Array) -> Array:
    """Log density (k,) of what is thought of the floor before the first reading, on a logarithmic scale."""
    noise = noise_share(rule)
    accepted = rule.watch_ratios[0] ** 2 * (1.0 - noise)
    away = 0.5 * np.log(np.maximum(floor - noise, 1e-3 * accepted) / accepted) / _FLOOR_SCALE
    return _cauchy(away)


def _cauchy(away: Array) -> Array:
    return np.asarray(-np.log1p(away**2))


def _spaced(low: float, high: float) -> Array:
    return np.asarray(np.geomspace(low, high, _POINTS))


def _narrowed(axes: Curves, found: Array) -> Curves:
    """Return axes that span what matters of a grid."""
    matters = found > found.max() - _NEGLIGIBLE
    narrow = []
    for i, axis in enumerate(axes):
        inside = np.flatnonzero(matters.any(axis=tuple(j for j in range(3) if j != i)))
        narrow.append(_spaced(axis[max(inside[0] - 1, 0)], axis[min(inside[-1] + 1, axis.size - 1)]))
    return Curves(*narrow)


def draw_curves(rule: Rule, revolution: Array, value: Array, places: Array) -> Curves:
    """Draw courses of the variance from what the readings say of them.

    Parameters
    ----------
    rule : Rule
    revolution, value : ndarray of shape (n,)
        Revolutions and predictions (analyte units) of the good readings so far, `LEAST` of them or more.
    places : ndarray of shape (3, m)
        Where in its cell of the grid each drawn course lies, from -0.5 to 0.5.

    Returns
    -------
    Curves
        m of them, each as likely as any other.

    Notes
    -----
    The posterior on a coarse grid, and then on one that spans what matters of it. What is thought beforehand: the rate
    is about that of tumbling blends, the floor about that of accepted batches (`Rule.watch_ratios`), both with heavy
    tails; the start may be anything.

    References
    ----------
    Rose, *Trans. Inst. Chem. Eng.* 37 (1959) 47.
    """
    since = revolution - revolution[0]
    deviations = _deviations(rule, value)
    lowest = max(noise_share(rule), _LOWEST_FLOOR)
    axes = Curves(_spaced(*_RATES), _spaced(*_STARTS), _spaced(lowest, _HIGHEST_FLOOR))
    for narrow in (True, False):
        found = log_likelihood(axes, deviations, _weights(axes.rate, since, deviations.size))
        found += _floor_prior(rule, axes.floor) + _cauchy(np.log(axes.rate / _RATE) / _RATE_SCALE)[:, None, None]
        axes = _narrowed(axes, found) if narrow else axes
    weight = np.exp(found - found.max()).ravel().cumsum()
    m = places.shape[1]
    cells = np.unravel_index(np.searchsorted(weight, (np.arange(m) + 0.5) / m * weight[-1]), found.shape)
    drawn = [
        np.clip(axis[cell] * (axis[1] / axis[0]) ** move, axis[0], axis[-1])
        for axis, cell, move in zip(axes, cells, places, strict=True)
    ]
    return Curves(*drawn)


def sums(series: Array) -> Array:
    """Return the sums of the first 0, 1, 2... values along the last axis (..., n + 1)."""
    found = np.zeros((*series.shape[:-1], series.shape[-1] + 1))
    np.cumsum(series, axis=-1, out=found[..., 1:])
    return found
