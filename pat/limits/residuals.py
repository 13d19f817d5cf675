"""Limits of Q residuals from the covariance of the residuals."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from pat.core.types import Array, IntArray
from pat.core.variance import variance_components
from pat.limits.factors import f_quantile, require, require_share

Moments = tuple[float, float, float]
# Below this |h0| the power of Jackson and Mudholkar is the logarithm, to nine digits.
_LOGARITHM = 1e-6


def residual_moments(residuals: Array, codes: IntArray) -> Moments:
    """Estimate the sums of the first three powers of the eigenvalues of the residuals' covariance in new batches.

    Parameters
    ----------
    residuals : ndarray of shape (n, p)
        What the components leave of spectra that the model did not see.
    codes : ndarray of int, shape (n,)
        Batch of each, 0 to B - 1.

    Returns
    -------
    theta_1, theta_2, theta_3 : float

    Raises
    ------
    InputError
        For fewer than 3 batches, or residuals that are not finite or all zero.

    Notes
    -----
    For residuals u, v and w of three batches, E(u'u), E((u'v)^2) and E(u'v v'w w'u) are the traces of the covariance,
    its square and its cube. Averages over spectra of different batches are therefore without bias, which powers of
    estimated eigenvalues are not; what few batches estimate is brought to what eigenvalues can have. With S_b the mean
    of uu' in batch b and S their sum, the sums over different batches are tr(SS) - sum tr(S_b S_b) and
    tr(SSS) - 3 sum tr(S S_b S_b) + 2 sum tr(S_b S_b S_b).
    """
    sizes = np.bincount(codes)
    b = sizes.size
    require(b >= 3, f"moments of residuals need at least 3 batches, got {b}")
    require(bool(np.isfinite(residuals).all()), "residuals must be finite")
    require(bool(residuals.any()), "residuals must not all be zero")
    u = residuals / np.sqrt(sizes[codes])[:, None]
    total = u.T @ u
    square, with_total, cube = 0.0, 0.0, 0.0
    for i in range(b):
        rows = u[codes == i]
        gram = rows @ rows.T
        square += float((gram * gram).sum())
        with_total += float(((rows @ total @ rows.T) * gram).sum())
        cube += float(((gram @ gram) * gram).sum())
    second, third = float((total * total).sum()), float(((total @ total) * total).sum())
    return _possible(
        float(np.trace(total)) / b,
        (second - square) / (b * (b - 1)),
        (third - 3.0 * with_total + 2.0 * cube) / (b * (b - 1) * (b - 2)),
    )


def _possible(first: float, second: float, third: float) -> Moments:
    """Bring estimates to the nearest moments that eigenvalues, none of them negative, can have."""
    second = min(second, first**2)
    return first, second, min(max(third, second**2 / first), second**1.5)


def three_moment_quantile(theta: Moments, confidence: float) -> float:
    r"""Quantile of Q residuals with known covariance, by a shifted and scaled chi-square with their three moments.

    Parameters
    ----------
    theta : (float, float, float)
        Sums of the first three powers of the eigenvalues of the residuals' covariance.
    confidence : float

    Raises
    ------
    InputError
        For moments that no covariance has.

    Notes
    -----
    Q is a sum of chi-squares weighted by the eigenvalues; it has mean theta_1, variance 2 theta_2 and third central
    moment 8 theta_3. With h = theta_2^3 / theta_3^2,

    .. math:: Q = \theta_1 + \sqrt{\theta_2 / h} \, (\chi^2_h - h)

    References
    ----------
    Pearson, *Biometrika* 46 (1959) 364; Imhof, *Biometrika* 48 (1961) 419.
    """
    require_share("confidence", confidence)
    _require_positive(theta)
    first, second, third = theta
    h = second**3 / third**2
    return first + math.sqrt(second / h) * (float(stats.chi2.ppf(confidence, h)) - h)


def three_moment_limit(residuals: Array, codes: IntArray, confidence: float) -> float:
    """Limit of Q residuals of new batches by `three_moment_quantile`, with allowance for few batches.

    Parameters
    ----------
    residuals : ndarray of shape (n, p)
        What the components leave of spectra that the model did not see.
    codes : ndarray of int, shape (n,)
        Batch of each, 0 to B - 1: what was left out together.
    confidence : float
        Share of Q residuals, in new batches, below the limit.

    Raises
    ------
    InputError
        As `residual_moments`.

    Notes
    -----
    The quantile for a known covariance, times the ratio of F(h, nu) to chi-square(h) / h at the same confidence, by
    which `pat.limits.scaled_f_limit` allows for few batches: h = theta_1^2 / theta_2, and nu = 2 m^2 / variance of the
    mean m of Q. Moments of the covariance know the tail far better than the values of Q do, of which few lie there.
    """
    theta = residual_moments(residuals, codes)
    return _few_batches(theta, residuals, codes, confidence) * three_moment_quantile(theta, confidence)


def jackson_mudholkar_quantile(theta: Moments, confidence: float) -> float:
    r"""Quantile of Q residuals with known covariance: a power of Q is nearly normal.

    Parameters
    ----------
    theta : (float, float, float)
        Sums of the first three powers of the eigenvalues of the residuals' covariance.
    confidence : float

    Raises
    ------
    InputError
        For moments that no covariance has, or so far out that the power is not defined there.

    Notes
    -----
    With h0 = 1 - 2 theta_1 theta_3 / (3 theta_2^2) and z the quantile of the normal,

    .. math:: Q = \theta_1 \left(1 + \frac{z h_0 \sqrt{2 \theta_2}}{\theta_1}
        + \frac{\theta_2 h_0 (h_0 - 1)}{\theta_1^2}\right)^{1 / h_0}

    The sign of h0 stays with z: for a negative h0 the power decreases, and the upper tail of Q is the lower tail of
    its power. (A root of h0^2 in the formula, often seen, loses it and gives the lower tail of Q instead.)

    Good where h0 is near 1/3, all eigenvalues being alike. Where one large eigenvalue stands before many small ones, h0
    is negative and the quantile far too high: for eigenvalues 1 and 200 times 0.01, 14 % at 95 %, 124 % at 99 %, and
    none at 99.9 %. `three_moment_quantile` needs the same and stays within some percent.

    References
    ----------
    Jackson and Mudholkar, *Technometrics* 21 (1979) 341; Jensen and Solomon, *J. Am. Stat. Assoc.* 67 (1972) 898.
    """
    require_share("confidence", confidence)
    first, second, third = theta
    _require_positive(theta)
    h0 = 1.0 - 2.0 * first * third / (3.0 * second**2)
    spread = float(stats.norm.ppf(confidence)) * math.sqrt(2.0 * second) / first
    relative = second / first**2
    if abs(h0) < _LOGARITHM:
        return first * math.exp(spread - relative)
    power = 1.0 + spread * h0 + relative * h0 * (h0 - 1.0)
    require(power > 0.0, f"Jackson and Mudholkar's power (h0 = {h0:.3g}) has no quantile at {confidence:g}")
    return float(first * power ** (1.0 / h0))


def jackson_mudholkar_limit(residuals: Array, codes: IntArray, confidence: float) -> float:
    """Limit of Q residuals of new batches by `jackson_mudholkar_quantile`, with allowance for few batches.

    Parameters
    ----------
    residuals : ndarray of shape (n, p)
        What the components leave of spectra that the model did not see.
    codes : ndarray of int, shape (n,)
        Batch of each, 0 to B - 1: what was left out together.
    confidence : float
        Share of Q residuals, in new batches, below the limit.

    Raises
    ------
    InputError
        As `residual_moments` and `jackson_mudholkar_quantile`.

    Notes
    -----
    As for `three_moment_limit`, whose Notes say more.
    """
    theta = residual_moments(residuals, codes)
    return _few_batches(theta, residuals, codes, confidence) * jackson_mudholkar_quantile(theta, confidence)


def _few_batches(theta: Moments, residuals: Array, codes: IntArray, confidence: float) -> float:
    """Ratio of the quantile of F with few degrees of freedom below to that with infinitely many."""
    found = variance_components((residuals * residuals).sum(axis=1), codes)
    h, nu = theta[0] ** 2 / theta[1], 2.0 * found.mean**2 / found.mean_variance
    return f_quantile(confidence, h, nu) * h / float(stats.chi2.ppf(confidence, h))


def _require_positive(theta: Moments) -> None:
    found = ", ".join(f"{value:g}" for value in theta)
    require(min(theta) > 0.0, f"the moments of a covariance must be positive, got {found}")
