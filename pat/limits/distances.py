"""Limits of Hotelling's T2, Q residuals and the full distance from their values."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize, stats

from pat.core.diagnostics import full_distance
from pat.core.types import Array, IntArray
from pat.core.variance import variance_components
from pat.limits.factors import f_quantile, require, require_share

# Degrees of freedom that quartiles are looked up between.
_LEAST_H, _MOST_H = 0.2, 1e6


def hotelling_t2_limit(n: int, n_components: int, confidence: float) -> float:
    r"""Limit of Hotelling's T2 for a new spectrum under a model of `n` independent calibration spectra.

    Notes
    -----
    .. math:: T^2_{lim} = \frac{A (n^2 - 1)}{n (n - A)} F_{A, n - A}(confidence)

    References
    ----------
    Tracy, Young and Mason, *J. Qual. Technol.* 24 (1992) 88.
    """
    require(1 <= n_components < n, f"`n_components` must be from 1 to n - 1 = {n - 1}, got {n_components}")
    factor = n_components * (n**2 - 1) / (n * (n - n_components))
    return factor * f_quantile(confidence, n_components, n - n_components)


def hotelling_t2_calibration_limit(n: int, n_components: int, confidence: float) -> float:
    r"""Limit of Hotelling's T2 for one of the `n` independent calibration spectra themselves.

    Notes
    -----
    A spectrum that helped to estimate mean and variance cannot lie as far from them as a new one; T2 stays below
    (n - 1)^2 / n whatever it is.

    .. math:: T^2_{lim} = \frac{(n - 1)^2}{n} B_{A / 2, (n - A - 1) / 2}(confidence)

    References
    ----------
    Tracy, Young and Mason, *J. Qual. Technol.* 24 (1992) 88.
    """
    require(1 <= n_components < n - 1, f"`n_components` must be from 1 to n - 2 = {n - 2}, got {n_components}")
    require_share("confidence", confidence)
    beta = stats.beta.ppf(confidence, n_components / 2.0, (n - n_components - 1) / 2.0)
    return float((n - 1) ** 2 / n * beta)


def scaled_chi2_limit(values: Array, confidence: float) -> float:
    """Limit of a sum of squares (Q, or held-out T2) by a scaled chi-square with the values' own moments.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Values of spectra that the model did not see; those it was fitted to are too small.
    confidence : float
        Share of such values below the limit.

    Raises
    ------
    InputError
        For fewer than 3 values, values that are not finite and positive, or values that are all equal.

    Notes
    -----
    With mean m and variance v, the values follow g times chi-square of h degrees of freedom, g = v / 2m and
    h = 2 m^2 / v.

    References
    ----------
    Box, *Ann. Math. Stat.* 25 (1954) 290; Nomikos and MacGregor, *Technometrics* 37 (1995) 41.
    """
    require_share("confidence", confidence)
    _require_usable(values)
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    return variance / (2.0 * mean) * float(stats.chi2.ppf(confidence, 2.0 * mean**2 / variance))


def quartile_limit(values: Array, confidence: float) -> float:
    """Limit of a sum of squares (Q or held-out T2) that outliers among the values do not raise.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Values of spectra that the model did not see, up to a quarter of which may be anything.
    confidence : float
        Share of ordinary values below the limit.

    Raises
    ------
    InputError
        As `scaled_chi2_limit`, and for quartiles that no scaled chi-square has.

    Notes
    -----
    As `scaled_chi2_limit`, with scale and degrees of freedom from the median and the distance between the quartiles.

    References
    ----------
    Pomerantsev and Rodionova, *J. Chemometrics* 28 (2014) 429, on robust degrees of freedom.
    """
    require_share("confidence", confidence)
    _require_usable(values)
    lower, median, upper = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    require(upper > lower, f"a limit needs quartiles that differ, got {lower:g} for both")

    def excess(log_h: float) -> float:
        low, middle, high = (float(stats.chi2.ppf(p, math.exp(log_h))) for p in (0.25, 0.5, 0.75))
        return (high - low) / middle - (upper - lower) / median

    least, most = math.log(_LEAST_H), math.log(_MOST_H)
    found = f"{lower:g}, {median:g} and {upper:g}"
    require(excess(least) > 0.0, f"no scaled chi-square has the quartiles {found}")
    h = math.exp(optimize.brentq(excess, least, most)) if excess(most) < 0.0 else _MOST_H
    return float(median * stats.chi2.ppf(confidence, h) / stats.chi2.ppf(0.5, h))


def scaled_f_limit(values: Array, codes: IntArray, confidence: float) -> float:
    """Limit of a sum of squares (Q, held-out T2 or full distance) from the values of a few batches.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Values of spectra that the model did not see.
    codes : ndarray of int, shape (n,)
        Batch of each, 0 to B - 1: what was left out together.
    confidence : float
        Share of such values, in new batches, below the limit.

    Raises
    ------
    InputError
        As `scaled_chi2_limit`, and for fewer than 2 batches.

    Notes
    -----
    `scaled_chi2_limit` takes the two moments for known. Here the variance is that of a value in a new batch, and the
    mean m is the mean of few batches: if the values follow m times chi-square(h) / h, and their mean m times
    chi-square(nu) / nu, their ratio follows F with h and nu degrees of freedom. With h = 2 m^2 / variance of a value
    and nu = 2 m^2 / variance of the mean, both from the components of variance between and within batches, the limit
    is m times a quantile of F. It nears the scaled chi-square as batches become many.

    References
    ----------
    Box, *Ann. Math. Stat.* 25 (1954) 290; Satterthwaite, *Biometrics Bulletin* 2 (1946) 110.
    """
    require_share("confidence", confidence)
    _require_usable(values)
    return _f_limit(values, codes, confidence)


def _f_limit(values: Array, codes: IntArray, confidence: float) -> float:
    found = variance_components(values, codes)
    twice = 2.0 * found.mean**2
    return found.mean * f_quantile(confidence, twice / found.total, twice / found.mean_variance)


def _require_usable(values: Array) -> None:
    require(values.size >= 3, f"a limit needs at least 3 values, got {values.size}")
    usable = np.isfinite(values) & (values >= 0.0)
    require(bool(usable.all()), f"values must be finite and not negative; {(~usable).sum()} are not")
    require(bool(np.ptp(values) > 0.0), f"a limit needs values that vary, got {values.size} equal to {values[0]:g}")


def full_distance_limit(t2: Array, q: Array, codes: IntArray, confidence: float) -> tuple[float, float, float]:
    """Scales and limit of the full distance of `pat.core.diagnostics.full_distance`.

    Parameters
    ----------
    t2, q : ndarray of shape (n,)
        Hotelling's T2 and Q residuals of spectra that the model did not see.
    codes : ndarray of int, shape (n,)
        Batch of each, 0 to B - 1.
    confidence : float

    Returns
    -------
    t2_scale, q_scale, limit : float

    Raises
    ------
    InputError
        As `scaled_f_limit`.

    Notes
    -----
    Both are scaled to follow a chi-square as nearly as two moments can make them (g = variance / 2 mean). The limit is
    that of `scaled_f_limit` for their sum's own values, so that it holds where T2 and Q go together.

    References
    ----------
    Pomerantsev and Rodionova, *J. Chemometrics* 28 (2014) 429.
    """
    require_share("confidence", confidence)
    scales = []
    for values in (t2, q):
        _require_usable(values)
        found = variance_components(values, codes)
        scales.append(found.total / (2.0 * found.mean))
    return scales[0], scales[1], _f_limit(full_distance(t2, q, scales[0], scales[1]), codes, confidence)
