"""Quantiles and factors of the t, F, chi-square and normal distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from pat.core.diagnostics import PredictionError
from pat.core.types import Array
from pat.errors import InputError


def require(met: bool, message: str) -> None:
    """Raise an `InputError` with this message unless the condition is met."""
    if not met:
        raise InputError(message)


def require_share(name: str, value: float) -> None:
    """Raise an `InputError` unless the value lies strictly between 0 and 1."""
    require(0.0 < value < 1.0, f"`{name}` must lie between 0 and 1, got {value}")


def f_quantile(p: float, d1: float, d2: float) -> float:
    """Quantile of the F distribution at probability `p`; the degrees of freedom may be fractions, or infinite.

    Examples
    --------
    >>> round(f_quantile(0.95, 9, 9), 3)
    3.179
    """
    require_share("p", p)
    require(d1 > 0 and d2 > 0, f"degrees of freedom must be positive, got {d1} and {d2}")
    if math.isinf(d1):
        return 1.0 if math.isinf(d2) else d2 / chi2_quantile(1.0 - p, d2)
    return chi2_quantile(p, d1) / d1 if math.isinf(d2) else float(stats.f.ppf(p, d1, d2))


def f_upper_p(f: float, d1: float, d2: float) -> float:
    """Chance that an F statistic with `d1` and `d2` degrees of freedom exceeds `f`."""
    require(d1 > 0 and d2 > 0, f"degrees of freedom must be positive, got {d1} and {d2}")
    return float(stats.f.sf(f, d1, d2))


def chi2_quantile(p: float, df: float) -> float:
    """Quantile of chi-square at probability `p`; the degrees of freedom may be a fraction."""
    require_share("p", p)
    require(df > 0, f"degrees of freedom must be positive, got {df}")
    return float(stats.chi2.ppf(p, df))


def prediction_half_width(error: PredictionError, leverage: Array, confidence: float) -> Array:
    """Half the width (n,) of the prediction intervals of spectra of a new batch, in content units.

    Parameters
    ----------
    error : PredictionError
        From cross-validation that leaves whole batches out.
    leverage : ndarray of shape (n,)
        Leverages of the spectra; see `pat.core.diagnostics.leverage`.
    confidence : float
        Share of reference values within prediction plus and minus the half width.
    """
    require_share("confidence", confidence)
    t = t_quantile((1.0 + confidence) / 2.0, error.degrees_of_freedom)
    return np.asarray(t * error.standard_error(leverage))


def sd_upper_factor(n: int, alpha: float) -> float:
    r"""Factor that takes the sample SD of `n` normal values to its one-sided upper 1 - `alpha` bound.

    Notes
    -----
    .. math:: \sqrt{(n - 1) / \chi^2_{\alpha, n - 1}}
    """
    require(n >= 2, f"`n` must be at least 2, got {n}")
    require_share("alpha", alpha)
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
    require(n >= 2, f"`n` must be at least 2, got {n}")
    require_share("coverage", coverage)
    require_share("confidence", confidence)
    noncentrality = stats.norm.ppf(coverage) * math.sqrt(n)
    return float(stats.nct.ppf(confidence, n - 1, noncentrality)) / math.sqrt(n)


def tolerance_limit(values: Array, coverage: float, confidence: float, least_sd: float = 0.0) -> float:
    """One-sided upper tolerance limit of normal values: it covers `coverage` of their like with `confidence`.

    Parameters
    ----------
    values : ndarray of shape (n,)
    coverage, confidence : float
    least_sd : float
        What their standard deviation is not believed to be below.
    """
    factor = normal_tolerance_factor(values.size, coverage, confidence)
    return float(values.mean() + factor * max(values.std(ddof=1), least_sd))


def log_tolerance_limit(values: Sequence[float] | Array, coverage: float, confidence: float) -> float:
    """`tolerance_limit` on a log scale, of values from 0; above zero where they are all 0."""
    logs = np.log(np.maximum(values, np.finfo(np.float64).tiny))
    return float(np.exp(tolerance_limit(logs, coverage, confidence)))


def lower_log_tolerance_limit(values: Sequence[float] | Array, coverage: float, confidence: float) -> float:
    """One-sided lower tolerance limit on a log scale, of positive values."""
    return float(np.exp(-tolerance_limit(-np.log(values), coverage, confidence)))


def bias_critical(n: int, alpha: float) -> float:
    r"""Largest mean of `n` independent errors that is not significant, in units of their SD.

    Notes
    -----
    .. math:: t_{1 - \alpha / 2, n - 1} / \sqrt{n}
    """
    require(n >= 2, f"`n` must be at least 2, got {n}")
    require_share("alpha", alpha)
    return float(stats.t.ppf(1.0 - alpha / 2.0, n - 1)) / math.sqrt(n)


def binomial_interval(count: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided interval of a chance of which `count` of `n` trials are known.

    Parameters
    ----------
    count, n : float
        Fractions where trials depend on each other and `n` is their effective number.
    confidence : float

    References
    ----------
    Clopper and Pearson, *Biometrika* 26 (1934) 404.
    """
    require_share("confidence", confidence)
    require(n >= 1 and 0 <= count <= n, f"a count must lie within 0 and at least 1 trial, got {count} of {n}")
    out = (1.0 - confidence) / 2.0
    low = float(stats.beta.ppf(out, count, n - count + 1)) if count else 0.0
    return low, float(stats.beta.ppf(1.0 - out, count + 1, n - count)) if count < n else 1.0


def t_quantile(p: float, df: float) -> float:
    """Quantile of Student's t at probability `p`."""
    require_share("p", p)
    require(df > 0, f"degrees of freedom must be positive, got {df}")
    return float(stats.t.ppf(p, df))


def t_two_sided_p(t: float, df: float) -> float:
    """Two-sided p value of Student's t."""
    require(df > 0, f"degrees of freedom must be positive, got {df}")
    return float(2.0 * stats.t.sf(abs(t), df))


def t_upper_p(t: float, df: float) -> float:
    """Chance that Student's t exceeds `t`."""
    require(df > 0, f"degrees of freedom must be positive, got {df}")
    return float(stats.t.sf(t, df))
