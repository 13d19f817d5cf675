"""Moving-block statistics of treated spectra alone: they need no calibration."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from pat.core.elementwise import N, ratio
from pat.core.types import Array
from pat.errors import InputError


def sample_variance(x: Array) -> Array:
    """Sample variance (n - 1), shape (...), of at least 2 values (..., n).

    Raises
    ------
    InputError
        For fewer than 2 values.
    """
    return mean_and_variance(x)[1]


def mean_and_variance(x: Array) -> tuple[Array, Array]:
    """Return the mean and the `sample_variance` (...) of values (..., n)."""
    n = x.shape[-1]
    if n < 2:
        raise InputError(f"a block must hold at least 2 readings, got {n}")
    mean = np.add.reduce(x, axis=-1) / n
    centred = x - mean[..., None]
    return np.asarray(mean), np.asarray(np.vecdot(centred, centred) / (n - 1))


def wavelength_variance(block: Array) -> Array:
    """Sample variance (n - 1) at each wavelength of a block of shape (..., n, p); returns (..., p).

    Raises
    ------
    InputError
        For fewer than 2 spectra.
    """
    if block.shape[-2] < 2:
        raise InputError(f"a block must hold at least 2 readings, got {block.shape[-2]}")
    return _variance_about(block[..., :-1, :] - block[..., -1:, :])


def _variance_about(apart: Array) -> Array:
    """Sample variance (..., p) of n spectra from the differences (..., n - 1, p) of the others from one of them.

    Notes
    -----
    With differences d the variance is (sum of d^2 - (sum of d)^2 / n) / (n - 1). About any other number the subtraction
    could lose every digit; about one of the n it loses a factor of n at the most, however far that one lies off: the
    sum of squares about the mean is at least (sum of d^2) / n.

    References
    ----------
    Chan, Golub and LeVeque, *Am. Stat.* 37 (1983) 242.
    """
    n = apart.shape[-2] + 1
    root, inverse = _shares(n)
    variance = np.matmul(inverse, apart * apart)
    total = np.matmul(root, apart)
    total *= total
    # A sum of squares that overflows is infinite and stays so; infinity less infinity would not.
    np.minimum(total, sys.float_info.max, out=total)
    variance -= total
    return np.asarray(np.maximum(variance, 0.0, out=variance))


@cache
def _shares(n: int) -> tuple[Array, Array]:
    """Weights (n - 1,) that make of differences what is squared for the mean's share, and of squares the others'."""
    return np.full(n - 1, 1.0 / math.sqrt(n * (n - 1.0))), np.full(n - 1, 1.0 / (n - 1.0))


def spread(block: Array) -> tuple[Array, Array]:
    """Return the MBSD and the spectral variance of blocks (..., n, p), both of shape (...), in one pass.

    See `mbsd` and `spectral_variance`.
    """
    return _spread_of(wavelength_variance(block))


def spread_about(apart: Array) -> tuple[Array, Array]:
    """`spread` of blocks of n spectra, from the differences (..., n - 1, p) of the others from one of them."""
    return _spread_of(_variance_about(apart))


def _spread_of(variance: Array) -> tuple[Array, Array]:
    p = variance.shape[-1]
    return np.asarray(np.add.reduce(np.sqrt(variance), axis=-1) / p), np.asarray(np.add.reduce(variance, axis=-1))


def mbsd(block: Array) -> Array:
    """Moving-block standard deviation: the mean over the wavelengths of a block's standard deviations.

    Parameters
    ----------
    block : ndarray of shape (..., n, p)
        Treated spectra.

    Returns
    -------
    ndarray of shape (...)
        In units of the treated spectra; NaN where a spectrum has one.

    References
    ----------
    Sekulic et al., *Anal. Chem.* 68 (1996) 509.
    """
    return spread(block)[0]


def spectral_variance(block: Array) -> Array:
    """Sum over the wavelengths of a block's variances (n - 1), shape (...), of blocks (..., n, p)."""
    return spread(block)[1]


def moving_f(earlier: Array, later: Array) -> Array:
    """Ratio of the spectral variances, summed over the wavelengths, of two adjoining blocks (..., n, p).

    Returns
    -------
    ndarray of shape (...)
        Infinite where the later block does not vary, NaN where neither does.

    Notes
    -----
    Both variances have the degrees of freedom of `effective_df`, not (n - 1) p: neighbouring wavelengths vary
    together. A ratio near 1 says that the blend no longer changes, not that it is uniform.

    References
    ----------
    Besseling et al., *J. Pharm. Biomed. Anal.* 114 (2015) 471.
    """
    return ratio(spectral_variance(earlier), spectral_variance(later))


def effective_df(runs: Sequence[Array], block_size: int) -> float:
    r"""Effective degrees of freedom of the spectral variance of a block.

    Parameters
    ----------
    runs : sequence of ndarray of shape (m_i, p)
        Treated spectra of plateaus, each centred on its own mean.
    block_size : int
        Spectra in a block, n.

    Raises
    ------
    InputError
        For a block of fewer than 2 spectra, or with fewer than 2 degrees of freedom in the runs.

    Notes
    -----
    .. math:: \nu = (n - 1) \frac{(\sum_k \lambda_k)^2}{\sum_k \lambda_k^2}

    with the eigenvalues of the spectra's covariance: the sum of weighted chi-squares has the mean and variance of one
    scaled chi-square with so many. The sum of squared eigenvalues of a covariance estimated with f degrees of freedom
    is too large by (sum of eigenvalues)^2 / f, which is taken off; left in, 5.4 degrees of freedom read 4.1.

    References
    ----------
    Box, *Ann. Math. Statist.* 25 (1954) 290.
    """
    df = sum(len(run) for run in runs) - len(runs)
    if block_size < 2 or df < 2:
        raise InputError(f"expected `block_size` and degrees of freedom of at least 2, got {block_size} and {df}")
    centred = np.concatenate([run - run.mean(axis=0) for run in runs])
    covariance = centred.T @ centred / df
    first, second = float(np.trace(covariance)), float((covariance * covariance).sum())
    second = (second - first**2 / df) * df / (df + 1.0)
    return float((block_size - 1) * first**2 / second)


def mean_square_difference(squared: N, width: int) -> N:
    r"""Mean over the wavelengths of the squared difference of successive spectra.

    Parameters
    ----------
    squared : ndarray of shape (...), or float
        Squared Euclidean distance of each spectrum from the one before (squared units of the treated spectra).
    width : int
        Wavelengths p.

    Raises
    ------
    InputError
        If `width` is below 1.

    Notes
    -----
    .. math:: \frac{1}{p} \sum_l (x_{i+1,l} - x_{i,l})^2

    From two spectra alone, and so very noisy: see `ewma`.

    References
    ----------
    Blanco, Gonzalez Bano and Bertran, *Talanta* 56 (2002) 203.
    """
    if width < 1:
        raise InputError(f"`width` must be at least 1, got {width}")
    return ratio(squared, float(width))


def ewma_step(before: float, value: float, weight: float) -> float:
    """Return the exponentially weighted mean after one more value; it starts anew after one that is not finite."""
    return before + weight * (value - before) if math.isfinite(before) else value


def ewma_weight(block_size: int) -> float:
    """Weight 2 / (n + 1) of the newest value: the mean then varies as much as that of n independent values."""
    return 2.0 / (block_size + 1.0)


def ewma(series: Iterable[float], weight: float) -> Array:
    """Exponentially weighted moving mean of a series (m,): e_i = e_{i-1} + w (x_i - e_{i-1}), beginning with x_1.

    A value that is not finite is passed on, and the mean begins anew after it.

    Raises
    ------
    InputError
        If the weight is not above 0 and at most 1.

    References
    ----------
    Roberts, *Technometrics* 1 (1959) 239.
    """
    if not 0.0 < weight <= 1.0:
        raise InputError(f"`weight` must be above 0 and at most 1, got {weight}")
    out, mean = [], math.nan
    for value in series:
        mean = ewma_step(mean, float(value), weight)
        out.append(mean)
    return np.array(out)


def static_ratio(variance: N, static_variance: float) -> N:
    """Ratio of the spectral variance of blocks (...) to that of a static probe looking at static powder.

    Parameters
    ----------
    variance : ndarray of shape (...), or float
        See `spectral_variance`.
    static_variance : float
        The same of repeat spectra of static material: what varies when nothing but the instrument does.

    Raises
    ------
    InputError
        If the latter is not positive.

    Notes
    -----
    An F ratio with effective degrees of freedom (`effective_df`) above and below; 1 where only noise is left.

    References
    ----------
    Momose, Imai, Yokota, Yonemochi and Terada, *Powder Technol.* 210 (2011) 122, on methods without a calibration.
    """
    if not static_variance > 0.0:
        raise InputError(f"`static_variance` must be positive, got {static_variance}")
    return ratio(variance, static_variance)
