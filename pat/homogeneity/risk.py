"""Constants of the rule from the risks that the user chooses, by simulating blends that stay at the limit.

A level per block is not a risk per batch, and no table knows a method's autocorrelation and repeatability. So
many blends that sit exactly at the limit are simulated, reading by reading, through the very functions that
follow a blend live: blends that vary normally, and blends that pockets of unmixed powder bring to the limit. Each
constant is the value that all but the allowed share of them stay below whenever the rest of the rule would let them
pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from pat.core import blocks
from pat.core.evidence import Rule, blend_sd, limit_sd, mean_watch_step, watch_cusum
from pat.core.types import Array
from pat.errors import InputError, Refusal
from pat.homogeneity.follow import Evidence, Score, deviations, follow

BLENDS = 20_000
"""Blends simulated for a constant, or for a share that is to be 1 % or so."""
_SEED = 20260
_CONFIDENCE = 0.95
# A chance is shown well enough where so many of the blends are expected to have it; a larger one needs fewer blends.
_EXPECTED = 400


@dataclass(frozen=True)
class SteadyBlend:
    """A blend that no longer changes; with pockets, one exactly at the limit.

    Attributes
    ----------
    powder : float
        SD of the blend between its pockets, as a share of the limit; of the whole blend where there are none. Normal,
        and AR(1) from one revolution to the next.
    phi : float
        Autocorrelation of the powder.
    share : float
        Share of the readings that see a pocket.
    side : int
        Pockets are all richer (1) or poorer (-1) than the powder, or one half each (0). They are as far from it as
        brings the SD of the blend to the limit.
    pocket_phi : float
        Autocorrelation of seeing a pocket; at 0 each revolution sees one independently of the last.
    """

    powder: float = 1.0
    phi: float = 0.0
    share: float = 0.0
    side: int = 0
    pocket_phi: float = 0.0


def _pockets(blend: SteadyBlend, n: int, rng: np.random.Generator) -> Array:
    """Deviations (n,) that pockets make, in limit SDs: mean 0, and what the powder leaves of the limit's variance."""
    if not blend.share:
        return np.zeros(n)
    seen = rng.random(n) < blend.share
    room = np.sqrt(1.0 - blend.powder**2)
    if blend.side:
        return np.asarray(blend.side * (seen - blend.share) * room / np.sqrt(blend.share * (1.0 - blend.share)))
    return np.asarray(seen * rng.choice([-1.0, 1.0], n) * room / np.sqrt(blend.share))


def autoregressive(shape: int | tuple[int, ...], phi: float, rng: np.random.Generator) -> Iterator[Array]:
    """Return standard normal values of one revolution after another, without end: AR(1), autocorrelation `phi`."""
    value, fresh = rng.standard_normal(shape), math.sqrt(1.0 - phi**2)
    while True:
        yield value
        value = phi * value + fresh * rng.standard_normal(shape)


def _readings(rule: Rule, blend: SteadyBlend, seed: int, n: int) -> Iterator[Array]:
    """Predictions (n,) of one revolution after another, of `n` blends of one kind."""
    rng = np.random.default_rng([_SEED, seed])
    limit = float(blend_sd(rule, np.asarray(rule.target)))
    course = autoregressive(n, blend.phi, rng)
    powder, pockets = next(course), _pockets(blend, n, rng)
    for _ in range(rule.max_revolutions):
        yield rule.target + limit * (blend.powder * powder + pockets) + rule.repeatability * rng.standard_normal(n)
        powder = next(course)
        stay = rng.random(n) < blend.pocket_phi
        pockets = np.where(stay, pockets, _pockets(blend, n, rng))


def _largest_score(rule: Rule, blend: SteadyBlend, seed: int, n: int, score: Score | None) -> Array:
    """Largest score that each blend has while it is free of pockets and its last block looks good."""
    largest = np.full(n, -np.inf)
    for now in follow(rule, _readings(rule, blend, seed, n), score):
        higher = now.block_passes(rule, now.pocket_free(rule) & (now.score > largest))
        largest[higher] = now.score[higher]
    return largest


def _longest_quiet(rule: Rule, blend: SteadyBlend, seed: int, n: int, score: Score | None) -> Array:
    """Largest count of readings inside `quiet_sd` that each blend has while all else would let it pass."""
    longest = np.zeros(n)
    for now in follow(rule, _readings(rule, blend, seed, n), score):
        free = (now.clean >= rule.pocket_window) & (now.score >= rule.threshold)
        longer = now.block_passes(rule, free & (now.quiet > longest))
        longest[longer] = now.quiet[longer]
    return longest


def _largest_alarms(rule: Rule, phi: float, seed: int) -> Array:
    """Largest of each of the three watches (3, n) that blends with the spread of accepted batches reach.

    They watch from the first reading that they can: longer than they ever watch a blend that had to be mixed.
    """
    cusum, n = watch_cusum(rule), rule.block_size
    spread, mean, largest = np.zeros(1), np.zeros(2), np.zeros((3, BLENDS))
    quietest = np.full(BLENDS, np.inf)
    for z, run in deviations(rule, _readings(rule, SteadyBlend(rule.watch_ratios[0], phi), seed, BLENDS)):
        spread = cusum.step(spread, z)
        now = np.zeros_like(largest)
        now[0] = spread[..., 0]
        if len(run) >= rule.centre_size + n:
            sd = blocks.block_sd(run[-n:].T)
            quietest = np.minimum(quietest, sd)
            now[1] = (sd / quietest) ** 2
        centre = run[: rule.centre_size].mean(axis=0)
        mean = mean_watch_step(rule, mean, (run[-1] - centre) / limit_sd(rule, centre))
        now[2] = mean.max(axis=-1)
        np.maximum(largest, now, out=largest)
    return largest


def require_risk(risk: float, phi: float) -> None:
    """Refuse a risk, or an autocorrelation, for which no alarm can be made."""
    if not 0.0 < risk < 1.0 or not 0.0 <= phi < 1.0:
        raise InputError(f"`risk` must lie between 0 and 1, and `phi` be at least 0 and below 1, got {risk}, {phi}")


def exceeded(largest: Array, risk: float) -> float:
    """Return the value that a share of at most `risk` exceeds, with 95 % confidence in view of the blends simulated.

    Notes
    -----
    An order statistic: the (k + 1)-th largest, with the most k for which a binomial count of n at `risk` is k or less
    with a chance of at most 5 %.
    """
    n = largest.size
    beyond = int(stats.binom.ppf(1.0 - _CONFIDENCE, n, risk)) + 1
    while beyond >= 0 and stats.binom.cdf(beyond, n, risk) > 1.0 - _CONFIDENCE:
        beyond -= 1
    if beyond < 0:
        least = -np.expm1(np.log1p(-_CONFIDENCE) / n)
        raise Refusal(f"no rule can be made: {n} simulated blends show a risk of at least {least:.2g}, not {risk:g}")
    return float(np.sort(largest)[-beyond - 1])


def blends_for(risk: float) -> int:
    """Return how many blends show a chance of `risk` well enough: fewer where it is large, 20,000 at the most."""
    return min(BLENDS, int(_EXPECTED / risk))


def homogeneity_threshold(rule: Rule, phi: float, risk: float, score: Score | None = None) -> float:
    """Return the score that a normal blend at the limit reaches, within the most revolutions, at `risk`.

    Parameters
    ----------
    rule : Rule
        Its `threshold` is not used.
    phi : float
        Lag-1 autocorrelation of the blend at the limit.
    risk : float
        Chance per batch.
    score : Score, optional
        What the rule sums up; its evidence by default.

    Raises
    ------
    Refusal
        If the risk is too small for so many blends to show it.
    """
    score = score or Evidence()
    largest = _largest_score(rule, SteadyBlend(phi=phi), 1, BLENDS, score)
    return max(exceeded(largest, risk), score.least(rule, risk))


def quiet_window(rule: Rule, blends: Iterable[SteadyBlend], risk: float, score: Score | None = None) -> int:
    """Return the count of readings inside `quiet_sd` that no kind of blend shows, with all else passing, at `risk`.

    Parameters
    ----------
    rule : Rule
        Its `quiet_window` is not used.
    blends : iterable of SteadyBlend
        Kinds of blends at the limit.
    risk : float
        Chance per batch, of the worst kind.
    score : Score, optional
        What the rule sums up; its evidence by default.

    Raises
    ------
    Refusal
        If the risk is too small for so many blends to show it.
    """
    n = blends_for(risk)
    return 1 + int(max(exceeded(_longest_quiet(rule, blend, 4, n, score), risk) for blend in blends))


def guarded(
    rule: Rule,
    phi: float,
    blends: Iterable[SteadyBlend],
    risk: float,
    pocket_risk: float,
    score: Score | None = None,
) -> Rule:
    """Return the rule with the threshold and the quiet window that keep both risks.

    Parameters
    ----------
    rule : Rule
        Its `threshold` and `quiet_window` are not used.
    phi : float
        Lag-1 autocorrelation of normal blends at the limit.
    blends : iterable of SteadyBlend
        Kinds of blends that pockets bring to the limit.
    risk, pocket_risk : float
        Chances per batch that a normal blend, and one of the worst of these kinds, is called uniform.
    score : Score, optional
        What the rule sums up; its evidence by default.

    Raises
    ------
    Refusal
        If a risk is too small to be shown, or the run is too short for the pockets to be ruled out.

    Notes
    -----
    Each constant makes up for the other: a longer window lets less evidence do, which lets more pockets pass. The
    threshold is that of a first window, and the window that of this threshold, never shorter than the first.
    """
    kinds = tuple(blends)
    rule = replace(rule, quiet_window=1)
    rule = replace(rule, threshold=homogeneity_threshold(rule, phi, risk, score))
    rule = replace(rule, quiet_window=quiet_window(rule, kinds, pocket_risk, score))
    rule = replace(rule, threshold=homogeneity_threshold(rule, phi, risk, score))
    window = max(rule.quiet_window, quiet_window(rule, kinds, pocket_risk, score))
    return replace(rule, quiet_window=window)


def watched(rule: Rule, phi: float, risk: float) -> Rule:
    """Return the rule with the limits of its watches, at which a blend like the accepted ones raises a false alarm.

    Parameters
    ----------
    rule : Rule
        Its `watch_threshold`, `watch_block_ratio` and `watch_mean_threshold` are not used.
    phi : float
        Lag-1 autocorrelation of the blend.
    risk : float
        Chance per batch that any of the watches raises one.

    Raises
    ------
    Refusal
        If the risk is too small for so many blends to show it.

    Notes
    -----
    All three have the same chance, found on the blends that they share; as they agree at times it is above a third.
    The quietest block is the smallest of as many as the run has; the limit of the ratio allows for that choice.
    """
    largest = _largest_alarms(rule, phi, 2)
    # The rank of a blend's largest alarm, in the watch where it is highest: a union at equal shares.
    ranks = largest.argsort(axis=1).argsort(axis=1).max(axis=0)
    spread, block, mean = np.sort(largest, axis=1)[:, int(exceeded(ranks, risk))].tolist()
    return replace(rule, watch_threshold=spread, watch_block_ratio=block, watch_mean_threshold=mean)


def false_endpoint_risk(rule: Rule, blend: SteadyBlend, n: int = BLENDS) -> float:
    """Return the share of `n` blends of a kind that the rule declares; fresh blends, not those it was made from."""
    return float((_largest_score(rule, blend, 3, n, None) >= rule.threshold).mean())
