"""Moving-block statistics of predicted contents."""

from __future__ import annotations

import numpy as np

from pat.core.blocks.spectral import sample_variance
from pat.core.elementwise import N, at_least, choose, ratio, sqrt
from pat.core.types import Array
from pat.errors import InputError


def block_mean(values: Array) -> Array:
    """Mean of a block of predictions (..., n)."""
    return np.asarray(np.add.reduce(values, axis=-1) / values.shape[-1])


def block_sd(values: Array) -> Array:
    """Sample standard deviation (n - 1) of a block of predictions (..., n)."""
    return np.asarray(np.sqrt(sample_variance(values)))


def block_median(values: Array) -> Array:
    """Median of a block of finite values (..., n), NaN where there is one; `numpy.median` takes three times as long."""
    ordered, n = np.sort(values, axis=-1), values.shape[-1]
    at = (n - 1) // 2, n // 2, n - 1
    low, high, last = [ordered[k] for k in at] if ordered.ndim == 1 else [ordered[..., k] for k in at]
    # NaN is sorted to the end, and makes the median NaN.
    return np.asarray(0.5 * (low + high) + 0.0 * last)


def relative(sd: N, mean: N) -> N:
    """Relative standard deviation (%); NaN where the mean is not positive and a share of it means nothing.

    References
    ----------
    El-Hagrasy and Drennen, *J. Pharm. Sci.* 95 (2006) 422; Sulub et al., *J. Pharm. Biomed. Anal.* 49 (2009) 48.
    """
    share: N = choose(mean > 0.0, mean, np.nan)
    return ratio(100.0 * sd, share)


def rsd_upper(sd: N, mean: N, upper_factor: float, repeatability: float = 0.0, slope: float = 1.0) -> N:
    r"""Upper confidence bound (%) of the RSD of blocks of predictions, or of the blend's own RSD.

    Parameters
    ----------
    sd, mean : ndarray of shape (...), or float
        Sample SD and mean of blocks of n predictions (analyte units).
    upper_factor : float
        Square root of (n - 1) over the lower quantile of chi-square with n - 1 degrees of freedom.
    repeatability : float
        Lower confidence limit of the method's within-run standard deviation (analyte units), which is removed; 0
        leaves the method's own noise in.
    slope : float
        Lower confidence bound of the slope of predicted on true content.

    Raises
    ------
    InputError
        For a factor that is not positive, a negative repeatability, or a slope that is not positive.

    Notes
    -----
    .. math:: \frac{100}{m \, b} \sqrt{\max(u^2 s^2 - s_{rep}^2, 0)}

    The method's variance is removed *after* the bound is taken, with its own lower limit; removed before, a blend at
    the limit would be accepted two to three times as often. The slope's lower bound then widens what is left.
    """
    if not (upper_factor > 0.0 and repeatability >= 0.0 and slope > 0.0):
        raise InputError(
            "`upper_factor` and `slope` must be positive and `repeatability` not negative, "
            f"got {upper_factor}, {slope} and {repeatability}"
        )
    bound = upper_factor * sd
    own = at_least(bound * bound - repeatability * repeatability, 0.0)
    return relative(sqrt(own) / slope, mean)


def successive_sd(values: Array) -> Array:
    """Return the standard deviation of blocks (..., n) from the differences of successive values.

    Notes
    -----
    The square root of the sum of squared differences over 2 (n - 1). A drift hardly adds to it, and a single step adds
    little: it says how far values jump from one to the next.

    References
    ----------
    Von Neumann, Kent, Bellinson and Hart, *Ann. Math. Statist.* 12 (1941) 153.
    """
    steps = values[..., 1:] - values[..., :-1]
    return np.asarray(np.sqrt(np.vecdot(steps, steps) / (2.0 * (values.shape[-1] - 1))))


def rmsnv(contents: Array, targets: Array) -> Array:
    r"""Root mean square from the nominal values, over all components of a formulation.

    Parameters
    ----------
    contents : ndarray of shape (..., K)
        Predicted contents of the K components (analyte units).
    targets : ndarray of shape (K,)
        Nominal contents.

    Returns
    -------
    ndarray of shape (...)
        Analyte units; NaN where a prediction is.

    Raises
    ------
    InputError
        If there are not as many targets as components.

    Notes
    -----
    .. math:: \sqrt{\frac{1}{K} \sum_k (c_k - c_k^*)^2}

    References
    ----------
    Shi, Cogdill, Short and Anderson, *J. Pharm. Biomed. Anal.* 47 (2008) 738.
    """
    targets = np.asarray(targets, dtype=np.float64)
    if targets.shape != contents.shape[-1:]:
        raise InputError(f"`targets` must have shape {contents.shape[-1:]}, one a component, got {targets.shape}")
    apart = contents - targets
    return np.asarray(np.sqrt(np.add.reduce(apart * apart, axis=-1) / targets.size))


def student_t(means: tuple[N, N], variances: tuple[N, N], n: int) -> N:
    """Student's t of the difference in mean of two blocks of `n` values, equal variances assumed.

    Parameters
    ----------
    means, variances : pair of ndarray of shape (...), or of float
        Of the earlier and the later block; sample variances (n - 1).
    n : int

    Returns
    -------
    ndarray of shape (...)
        With 2 (n - 1) degrees of freedom, positive where the earlier mean is higher; infinite where neither block
        varies, NaN where their means are equal besides.

    Raises
    ------
    InputError
        If `n` is below 2.

    References
    ----------
    Student, *Biometrika* 6 (1908) 1; between blocks of RMSNV, Shi et al. (2008), see `rmsnv`.
    """
    if n < 2:
        raise InputError(f"a block must hold at least 2 readings, got {n}")
    return ratio(means[0] - means[1], sqrt((variances[0] + variances[1]) / n))


def brown_forsythe(blocks: Array) -> Array:
    r"""Brown-Forsythe statistic: whether separate blocks of predictions have one variance.

    Parameters
    ----------
    blocks : ndarray of shape (..., k, n)
        Predictions of k blocks that do not overlap.

    Returns
    -------
    ndarray of shape (...)
        F with k - 1 and k (n - 1) degrees of freedom where the variances are equal; NaN where no block varies.

    Raises
    ------
    InputError
        For fewer than 2 blocks, or blocks of fewer than 2 readings.

    Notes
    -----
    With deviations z_ij = abs(x_ij - median_i), their means z_i in each block and z over all,

    .. math:: W = \frac{k (n - 1)}{k - 1} \frac{n \sum_i (z_i - z)^2}{\sum_{ij} (z_{ij} - z_i)^2}

    Medians, unlike the means of Levene's own test, keep the size right for predictions that are not normal.

    References
    ----------
    Brown and Forsythe, *J. Am. Stat. Assoc.* 69 (1974) 364.
    """
    k, n = blocks.shape[-2:]
    if k < 2 or n < 2:
        raise InputError(f"expected at least 2 separate blocks of at least 2 readings, got {k} of {n}")
    z = np.abs(blocks - block_median(blocks)[..., None])
    means = block_mean(z)
    # Of blocks of one size, the variance of the means holds the sum of squares between them, over k - 1.
    within = np.add.reduce(sample_variance(z), axis=-1) / k
    return ratio(n * sample_variance(means), within)
