"""What repeat readings and the plateaus of accepted batches say: repeatability, autocorrelation, quietness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pat.core import blocks
from pat.core.types import Array, BoolArray, IntArray
from pat.errors import Refusal
from pat.limits import lower_log_tolerance_limit, sd_upper_factor, tolerance_limit

# Limits learnt from accepted batches cover this share of such batches, with this confidence.
_COVERAGE, _CONFIDENCE = 0.95, 0.95
# A lower limit that a good blend falls below in any block costs its end-point; what must stay below it, powder at rest,
# is quieter by a factor of hundreds. So these limits cover more.
_LEAST_COVERAGE = 0.999
# Bad readings that a batch may have, as a share of those that count.
_LARGEST_BAD_SHARE = 0.02
# A batch that is this many times quieter than its like is none of them: its powder was at rest, its spectra repeat.
_QUIETER = 4.0
# One-sided normal quantile of an upper 95 % limit.
_Z95 = 1.6449
# Where repeat readings explain nearly all of a plateau's variance, its autocorrelation cannot be told; this is
# the upper end of what blends are reported to have, and the claim says that it is assumed.
_USUAL_PHI = 0.6
_LARGEST_PHI = 0.95
LEAST_BLEND_SHARE = 0.1
"""Share of a plateau's variance that must be the blend's own for its autocorrelation to be told."""


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
class Readings:
    """The good readings of a batch that count, in their order.

    Attributes
    ----------
    batch : str
    values : ndarray of shape (m,)
        Predictions (analyte units).
    treated : ndarray of shape (m, p)
        Treated spectra.
    presentation : ndarray of shape (m, 2)
        Level and contrast: raw mean and SD (AU).
    novelty, distance : ndarray of shape (m,)
        Distance of these two (AU), and of the treated spectrum, from the nearest of the two blocks before.
    segment : ndarray of int, shape (m,)
        Number of the uninterrupted run that a reading belongs to: one that is left out is a break.
    left_out : int
        Bad readings among those that would have counted.
    """

    batch: str
    values: Array
    treated: Array
    presentation: Array
    novelty: Array
    distance: Array
    segment: IntArray
    left_out: int = 0

    def in_blocks(self, series: Array, size: int) -> Array:
        """Every block (k, size, ...) of a series (m, ...) that has no break in it."""
        cuts = np.flatnonzero(np.diff(self.segment)) + 1
        whole = [blocks.sliding(part, size) for part in np.split(series, cuts) if len(part) >= size]
        if not whole:
            raise Refusal(f"batch {self.batch}: expected a block of {size} good readings in a row, got none")
        return np.concatenate(whole)


@dataclass(frozen=True)
class Plateau:
    """What the plateaus of accepted batches have in common.

    Attributes
    ----------
    n_batches, n_spectra : int
    phi : float
        Lag-1 autocorrelation of the blend's own variation, the method's repeatability removed.
    phi_upper : float
        Its upper 95 % limit, which the rule is calibrated at; assumed where `blend_share` is below 0.1.
    blend_share : float
        Share of the plateaus' variance that is the blends' own and not the method's.
    mbsd_limit : float
        Upper tolerance limit (95 % of batches, 95 % confidence) of a batch's largest MBSD.
    mbsd_largest : tuple of float
        Each batch's largest MBSD.
    least_level_step, least_contrast_step, least_novelty, least_mbsd : float
        Lower tolerance limits (99.9 % of batches, 95 % confidence, on a log scale) of a batch's smallest block.
    repeat_distance : float
        The same of the smallest distance between treated spectra of accepted batches and of static material.
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
    blend_share: float
    mbsd_limit: float
    mbsd_largest: tuple[float, ...]
    least_level_step: float
    least_contrast_step: float
    least_novelty: float
    least_mbsd: float
    repeat_distance: float
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


def plateau_start(count: int, block_size: int, batch: str) -> int:
    """Return where the plateau of an accepted batch of `count` readings begins: its last half, rounded up.

    Raises
    ------
    Refusal
        If that is less than three blocks.
    """
    start = count // 2
    if count - start < 3 * block_size:
        raise Refusal(
            f"accepted batch {batch}: its last half must hold at least {3 * block_size} spectra "
            f"(3 blocks of {block_size}), got {count - start}"
        )
    return start


def good_readings(
    batch: str, values: Array, treated: Array, presentation: Array, good: BoolArray, block_size: int, start: int = 0
) -> Readings:
    """Leave out the bad readings of a batch, and those before `start`.

    Parameters
    ----------
    batch : str
    values : ndarray of shape (m,)
        Predictions (analyte units).
    treated : ndarray of shape (m, p)
        Treated spectra.
    presentation : ndarray of shape (m, 2)
        Level and contrast (AU).
    good : ndarray of bool, shape (m,)
        Finite, below saturation, in scope; one that repeats an earlier spectrum number for number is bad as well.
    block_size : int
        Spectra in a block, n.
    start : int
        First reading that counts.

    Raises
    ------
    Refusal
        If more than 2 % of the readings that count are bad.
    """
    good = good & not_repeated(np.column_stack([treated, presentation]))
    count, left_out = good.size - start, int((~good[start:]).sum())
    if left_out > _LARGEST_BAD_SHARE * count:
        raise Refusal(
            f"batch {batch}: at most {100.0 * _LARGEST_BAD_SHARE:g} % of its readings may be bad (saturated, out of "
            f"scope, repeated), got {left_out} of {count}: give it another role"
        )
    kept = good & (np.arange(good.size) >= start)
    counts = kept[good]
    return Readings(
        batch=batch,
        values=values[kept],
        treated=treated[kept],
        presentation=presentation[kept],
        novelty=blocks.novelty(presentation[good], 2 * block_size)[counts],
        distance=blocks.novelty(treated[good], 2 * block_size)[counts],
        segment=np.cumsum(~good, dtype=np.int64)[kept],
        left_out=left_out,
    )


def not_repeated(rows: Array) -> BoolArray:
    """Whether each row (m, p) is the first of its kind."""
    first = {row.tobytes(): i for i, row in reversed(list(enumerate(rows)))}
    return np.isin(np.arange(len(rows)), list(first.values()))


def _autocorrelation(runs: Sequence[Readings], noise_variance: float) -> tuple[float, float, float]:
    """Lag-1 autocorrelation of what is not noise, its upper 95 % limit, and the share of that, pooled over runs.

    Centring each of the runs, of m readings, on its own mean pulls the autocorrelation r down by (1 + 3 r) / m
    (Kendall, *Biometrika* 41 (1954) 403), which is put back.
    """
    centred = [run.values - run.values.mean() for run in runs]
    joined = [np.diff(run.segment) == 0 for run in runs]
    n, pairs = sum(c.size for c in centred), sum(int(j.sum()) for j in joined)
    variance = sum(float(c @ c) for c in centred) / (n - len(centred))
    products = sum(float(c[1:][j] @ c[:-1][j]) for c, j in zip(centred, joined, strict=True)) / pairs
    per_run = len(centred) / n
    r1 = max((products / variance + per_run) / (1.0 - 3.0 * per_run), 0.0)
    share = 1.0 - noise_variance / variance
    if share < LEAST_BLEND_SHARE:
        return min(r1, _USUAL_PHI), _USUAL_PHI, max(share, 0.0)
    upper = (r1 + _Z95 / np.sqrt(n)) / share
    return min(r1 / share, _LARGEST_PHI), float(min(upper, _LARGEST_PHI)), share


def _blend_sd_upper(values: Sequence[Array], noise_variance: float) -> float:
    """Upper limit of the pooled standard deviation, and the noise removed after it."""
    df = sum(v.size - 1 for v in values)
    variance = sum(float(((v - v.mean()) ** 2).sum()) for v in values) / df
    return float(np.sqrt(max(variance * sd_upper_factor(df + 1, 1.0 - _CONFIDENCE) ** 2 - noise_variance, 0.0)))


def _least(smallest: Sequence[float]) -> float:
    """Lower tolerance limit, on a log scale, of what each batch has at the least."""
    return lower_log_tolerance_limit(smallest, _LEAST_COVERAGE, _CONFIDENCE)


def _alike(runs: Sequence[Readings], smallest: Sequence[float], what: str) -> list[float]:
    """Return the smallest value of each batch, once none is far below that of the others."""
    usual = float(np.median(smallest)) if runs else 0.0
    for run, value in zip(runs, smallest, strict=True):
        if value < usual / _QUIETER or not value > 0.0:
            raise Refusal(
                f"batch {run.batch}: the smallest {what} must be at least {usual / _QUIETER:.2g}, a quarter of that of "
                f"its like, got {value:.2g}: powder at rest, or spectra that repeat; give the batch another role"
            )
    return list(smallest)


def _smallest_step(run: Readings, column: int, block_size: int) -> float:
    """Smallest successive-difference SD (AU) of the level (column 0) or the contrast (1) in any block."""
    return float(blocks.successive_sd(run.in_blocks(run.presentation[:, column], block_size)).min())


def _distances(runs: Sequence[Readings]) -> list[float]:
    """Smallest distance between treated spectra of each batch of one role."""
    return _alike(runs, [float(run.distance.min()) for run in runs], "distance between treated spectra")


def describe_plateaus(
    accepted: Sequence[Readings], static: Sequence[Readings], block_size: int, noise_variance: float
) -> Plateau:
    """Describe the plateaus of accepted batches.

    Parameters
    ----------
    accepted : sequence of Readings
        Plateau of each batch.
    static : sequence of Readings
        Readings of each piece of static material.
    block_size : int
        Spectra in a block, n.
    noise_variance : float
        Variance of the method's repeatability (squared analyte units).

    Raises
    ------
    Refusal
        With fewer than 3 batches, one without a whole block, or one whose powder was at rest or whose spectra repeat.
    """
    if len(accepted) < 3:
        raise Refusal(f"limits need at least 3 accepted batches, got {len(accepted)}")
    values, treated = [run.values for run in accepted], [run.treated for run in accepted]
    mbsd = [blocks.mbsd(run.in_blocks(run.treated, block_size)) for run in accepted]
    largest = np.array([m.max() for m in mbsd])
    level, contrast = ([_smallest_step(run, k, block_size) for run in accepted] for k in (0, 1))
    novelty = [float(np.median(run.in_blocks(run.novelty, block_size), axis=-1).min()) for run in accepted]
    phi, upper, share = _autocorrelation(accepted, noise_variance)
    return Plateau(
        n_batches=len(values),
        n_spectra=sum(v.size for v in values),
        phi=phi,
        phi_upper=upper,
        blend_share=share,
        mbsd_limit=tolerance_limit(largest, _COVERAGE, _CONFIDENCE),
        mbsd_largest=tuple(float(m) for m in largest),
        least_level_step=_least(_alike(accepted, level, "step of the raw mean in a block (AU)")),
        least_contrast_step=_least(_alike(accepted, contrast, "step of the raw SD in a block (AU)")),
        least_novelty=_least(_alike(accepted, novelty, "novelty of the raw spectra in a block (AU)")),
        least_mbsd=_least([float(m.min()) for m in mbsd]),
        repeat_distance=_least([*_distances(accepted), *_distances(static)]),
        degrees_of_freedom=blocks.effective_df(treated, block_size),
        rsd=tuple(float(100.0 * v.std(ddof=1) / v.mean()) for v in values),
        blend_sd_upper=_blend_sd_upper(values, noise_variance),
    )
