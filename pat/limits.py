"""Statistical limits: quantiles and factors, computed once in the laboratory and stored as plain numbers."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from pat.core.types import Array
from pat.errors import InputError


def _require(met: bool, message: str) -> None:
    if not met:
        raise InputError(message)


def _require_share(name: str, value: float) -> None:
    _require(0.0 < value < 1.0, f"`{name}` must lie between 0 and 1, got {value}")


def f_quantile(p: float, d1: float, d2: float) -> float:
    """Quantile of the F distribution at probability `p`; the degrees of freedom may be fractions.

    Examples
    --------
    >>> round(f_quantile(0.95, 9, 9), 3)
    3.179
    """
    _require_share("p", p)
    _require(d1 > 0 and d2 > 0, f"degrees of freedom must be positive, got {d1} and {d2}")
    return float(stats.f.ppf(p, d1, d2))


def hotelling_t2_limit(n: int, n_components: int, confidence: float) -> float:
    r"""Limit of Hotelling's T2 for a new spectrum under a model of `n` independent calibration spectra.

    Notes
    -----
    .. math:: T^2_{lim} = \frac{A (n^2 - 1)}{n (n - A)} F_{A, n - A}(confidence)

    References
    ----------
    Tracy, Young and Mason, *J. Qual. Technol.* 24 (1992) 88.
    """
    _require(1 <= n_components < n, f"`n_components` must be from 1 to n - 1 = {n - 1}, got {n_components}")
    factor = n_components * (n**2 - 1) / (n * (n - n_components))
    return factor * f_quantile(confidence, n_components, n - n_components)


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
    _require_share("confidence", confidence)
    _require(values.size >= 3, f"a limit needs at least 3 values, got {values.size}")
    usable = np.isfinite(values) & (values >= 0.0)
    _require(bool(usable.all()), f"values must be finite and not negative; {(~usable).sum()} are not")
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    _require(variance > 0.0, f"a limit needs values that vary, got {values.size} equal to {mean:g}")
    return variance / (2.0 * mean) * float(stats.chi2.ppf(confidence, 2.0 * mean**2 / variance))


def sd_upper_factor(n: int, alpha: float) -> float:
    r"""Factor that takes the sample SD of `n` normal values to its one-sided upper 1 - `alpha` bound.

    Notes
    -----
    .. math:: \sqrt{(n - 1) / \chi^2_{\alpha, n - 1}}
    """
    _require(n >= 2, f"`n` must be at least 2, got {n}")
    _require_share("alpha", alpha)
    return math.sqrt((n - 1) / stats.chi2.ppf(alpha, n - 1))


def sd_lower_factor(n: int, alpha: float) -> float:
    """Factor that takes the sample SD of `n` normal values to its one-sided lower 1 - `alpha` bound."""
    return sd_upper_factor(n, 1.0 - alpha)


def normal_tolerance_factor(n: int, coverage: float, confidence: float) -> float:
    """Factor k of a one-sided normal tolerance bound: mean + k s covers `coverage` with `confidence`.

    Notes
    -----
    k is the `confidence` quantile of a noncentral t with n - 1 degrees of freedom and noncentrality
    z sqrt(n), over sqrt(n), where z is the `coverage` quantile of the normal.

    References
    ----------
    Owen, *Technometrics* 10 (1968) 445.
    """
    _require(n >= 2, f"`n` must be at least 2, got {n}")
    _require_share("coverage", coverage)
    _require_share("confidence", confidence)
    noncentrality = stats.norm.ppf(coverage) * math.sqrt(n)
    return float(stats.nct.ppf(confidence, n - 1, noncentrality)) / math.sqrt(n)


def bias_critical(n: int, alpha: float) -> float:
    r"""Largest mean of `n` independent errors that is not significant, in units of their SD.

    Notes
    -----
    .. math:: t_{1 - \alpha / 2, n - 1} / \sqrt{n}
    """
    _require(n >= 2, f"`n` must be at least 2, got {n}")
    _require_share("alpha", alpha)
    return float(stats.t.ppf(1.0 - alpha / 2.0, n - 1)) / math.sqrt(n)


def t_quantile(p: float, df: float) -> float:
    """Quantile of Student's t at probability `p`."""
    _require_share("p", p)
    _require(df > 0, f"degrees of freedom must be positive, got {df}")
    return float(stats.t.ppf(p, df))


def t_two_sided_p(t: float, df: float) -> float:
    """Two-sided p value of Student's t."""
    _require(df > 0, f"degrees of freedom must be positive, got {df}")
    return float(2.0 * stats.t.sf(abs(t), df))
