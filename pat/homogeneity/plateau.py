"""What repeat readings and the plateaus of accepted batches say: repeatability, autocorrelation, quietness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pat.core import blocks
from pat.core.types import Array
from pat.errors import Refusal
from pat.limits import normal_tolerance_factor, sd_upper_factor

# Limits learnt from accepted batches cover this share of such batches, with this confidence.
_COVERAGE, _CONFIDENCE = 0.95, 0.95
# One-sided normal quantile of an upper 95 % limit.
_Z95 = 1.6449
# Where repeat readings explain nearly all of a plateau's variance, its autocorrelation cannot be told; this is
# the upper end of what blends are reported to have. It bounds what is uncertain, never what the readings show.
_USUAL_PHI = 0.6
_LARGEST_PHI = 0.95
_LEAST_BLEND_SHARE = 0.1


@dataclass(frozen=True)
class Repeatability:
    """Random error of one prediction within a run.

    Attributes
    ----------
    sd : float
        Pooled standard deviation of repeat readings (analyte units).
    lower : float
        Its one-sided 95 % lower confidence limit, which the rule uses.
    degrees_of_freedom : int
    """

    sd: float
    lower: float
    degrees_of_freedom: int


@dataclass(frozen=True)
class Plateau:
    """What the plateaus of accepted batches have in common.

    Attributes
    ----------
    n_batches, n_spectra : int
    phi : float
        Lag-1 autocorrelation of the blend's own variation, the method's repeatability removed.
    phi_upper : float
        Its upper 95 % limit, which the rule is calibrated at.
    mbsd_limit : float
        Upper tolerance limit (95 % of batches, 95 % confidence) of a batch's largest MBSD.
    mbsd_largest : tuple of float
        Each batch's largest MBSD.
    degrees_of_freedom : float
        Effective degrees of freedom of a block's spectral variance.
    rsd : tuple of float
        Each batch's plateau RSD of predictions (%), the method's noise included.
    blend_sd_upper : float
        Upper 95 % limit of the blends' own standard deviation (analyte units), pooled over the batches.
    """

    n_batches: int
    n_spectra: int
    phi: float
    phi_upper: float
    mbsd_limit: float
    mbsd_largest: tuple[float, ...]
    degrees_of_freedom: float
    rsd: tuple[float, ...]
    blend_sd_upper: float


def repeatability(groups: Sequence[Array]) -> Repeatability:
    """Pool repeat readings of static, uniform material.

    Parameters
    ----------
    groups : sequence of ndarray of shape (n_i,)
        Predictions (analyte units) of each piece of material.

    Raises
    ------
    Refusal
        With fewer than 10 degrees of freedom, which would make the limit a guess.
    """
    df = sum(g.size - 1 for g in groups)
    if df < 10:
        raise Refusal(f"repeatability needs at least 10 degrees of freedom of repeat readings, got {df}")
    pooled = float(np.sqrt(sum(((g - g.mean()) ** 2).sum() for g in groups) / df))
    # The factor for n values has n - 1 degrees of freedom.
    return Repeatability(sd=pooled, lower=pooled * sd_upper_factor(df + 1, 0.95), degrees_of_freedom=df)


def last_half(run: Array, block_size: int, batch: str) -> Array:
    """Return the plateau of an accepted batch: the last half of its readings, rounded up.

    Raises
    ------
    Refusal
        If that is less than three blocks.
    """
    plateau = run[run.shape[0] // 2 :]
    if plateau.shape[0] < 3 * block_size:
        raise Refusal(
            f"accepted batch {batch}: its last half must hold at least {3 * block_size} spectra "
            f"(3 blocks of {block_size}), got {plateau.shape[0]}"
        )
    return plateau


def _autocorrelation(values: Sequence[Array], noise_variance: float) -> tuple[float, float]:
    """Lag-1 autocorrelation of what is not noise, and its upper 95 % limit, pooled over runs.

    Centring each of the runs, of m readings, on its own mean pulls the autocorrelation r down by (1 + 3 r) / m
    (Kendall, *Biometrika* 41 (1954) 403), which is put back.
    """
    centred = [v - v.mean() for v in values]
    n = sum(c.size for c in centred)
    variance = sum(float(c @ c) for c in centred) / (n - len(centred))
    products = sum(float(c[1:] @ c[:-1]) for c in centred) / (n - len(centred))
    per_run = len(centred) / n
    r1 = max((products / variance + per_run) / (1.0 - 3.0 * per_run), 0.0)
    share = 1.0 - noise_variance / variance
    if share < _LEAST_BLEND_SHARE:
        return min(r1, _USUAL_PHI), _USUAL_PHI
    phi, upper = min(r1 / share, _LARGEST_PHI), (r1 + _Z95 / np.sqrt(n)) / share
    return phi, float(min(upper, _USUAL_PHI if phi <= _USUAL_PHI else _LARGEST_PHI))


def _blend_sd_upper(values: Sequence[Array], noise_variance: float) -> float:
    """Upper limit of the pooled standard deviation, and the noise removed after it."""
    df = sum(v.size - 1 for v in values)
    variance = sum(float(((v - v.mean()) ** 2).sum()) for v in values) / df
    return float(np.sqrt(max(variance * sd_upper_factor(df + 1, 1.0 - _CONFIDENCE) ** 2 - noise_variance, 0.0)))


def _effective_df(treated: Sequence[Array], block_size: int) -> float:
    """(n - 1) (sum of eigenvalues)^2 / sum of squared eigenvalues of the plateau's covariance.

    The plug-in sum of squares is too large by (sum of eigenvalues)^2 / degrees of freedom, which is taken off.
    """
    centred = np.concatenate([t - t.mean(axis=0) for t in treated])
    df = centred.shape[0] - len(treated)
    covariance = centred.T @ centred / df
    first, second = float(np.trace(covariance)), float((covariance * covariance).sum())
    second = (second - first**2 / df) * df / (df + 1.0)
    return float((block_size - 1) * first**2 / second)


def describe_plateaus(
    values: Sequence[Array], treated: Sequence[Array], block_size: int, noise_variance: float
) -> Plateau:
    """Describe the plateaus of accepted batches.

    Parameters
    ----------
    values : sequence of ndarray of shape (m_i,)
        Predictions (analyte units) of each batch's plateau.
    treated : sequence of ndarray of shape (m_i, p)
        Treated spectra of the same readings.
    block_size : int
        Spectra in a block, n.
    noise_variance : float
        Variance of the method's repeatability (squared analyte units).

    Raises
    ------
    Refusal
        With fewer than 3 batches.
    """
    if len(values) < 3:
        raise Refusal(f"limits need at least 3 accepted batches, got {len(values)}")
    largest = np.array([blocks.mbsd(blocks.sliding(t, block_size)).max() for t in treated])
    phi, upper = _autocorrelation(values, noise_variance)
    k = normal_tolerance_factor(largest.size, _COVERAGE, _CONFIDENCE)
    return Plateau(
        n_batches=len(values),
        n_spectra=sum(v.size for v in values),
        phi=phi,
        phi_upper=upper,
        mbsd_limit=float(largest.mean() + k * largest.std(ddof=1)),
        mbsd_largest=tuple(float(m) for m in largest),
        degrees_of_freedom=_effective_df(treated, block_size),
        rsd=tuple(float(100.0 * v.std(ddof=1) / v.mean()) for v in values),
        blend_sd_upper=_blend_sd_upper(values, noise_variance),
    )
