"""Constants of the rule from the risks that the user chooses, by simulating blends that stay at the limit.

A level per block is not a risk per batch, and no table knows a method's autocorrelation and repeatability. So
many blends that sit exactly at the limit are simulated, reading by reading, through the very functions that
follow a blend live: blends that vary normally, and blends that pockets of unmixed powder bring to the limit. Each
constant is the value that all but the allowed share of them stay below whenever the rest of the rule would let them
pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import stats

from pat.core.evidence import Rule, blend_rsd_upper, blend_sd, homogeneity_cusum, standardised, watch_cusum
from pat.core.types import Array, BoolArray
from pat.errors import Refusal

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


def _readings(rule: Rule, blend: SteadyBlend, seed: int, n: int) -> Iterator[Array]:
    """Predictions (n,) of one revolution after another, of `n` blends of one kind."""
    rng = np.random.default_rng([_SEED, seed])
    limit = float(blend_sd(rule, np.asarray(rule.target)))
    fresh = np.sqrt(1.0 - blend.phi**2)
    powder, pockets = rng.standard_normal(n), _pockets(blend, n, rng)
    for _ in range(rule.max_revolutions):
        yield rule.target + limit * (blend.powder * powder + pockets) + rule.repeatability * rng.standard_normal(n)
        powder = blend.phi * powder + fresh * rng.standard_normal(n)
        stay = rng.random(n) < blend.pocket_phi
        pockets = np.where(stay, pockets, _pockets(blend, n, rng))


def _followed(rule: Rule, blend: SteadyBlend, seed: int, n: int) -> Iterator[tuple[Array, Array]]:
    """Standardised deviations (n,) of each revolution, and all the readings (revolutions, n) up to it."""
    run = np.empty((rule.max_revolutions, n))
    for i, value in enumerate(_readings(rule, blend, seed, n)):
        run[i] = value
        if i >= rule.centre_size:
            yield standardised(rule, value, run[i - rule.centre_size : i].mean(axis=0)), run[: i + 1]


class _Gathered(NamedTuple):
    """What a revolution has brought each of n blends: evidence, and readings in a row inside both guards."""

    evidence: Array
    clean: Array
    quiet: Array
    run: Array

    def block_passes(self, rule: Rule, candidates: BoolArray) -> BoolArray:
        """Which of the candidates have a last block whose upper bound lies below the limit."""
        passes = candidates.copy()
        blocks = self.run[-rule.block_size :, candidates].T
        passes[candidates] = blend_rsd_upper(rule, blocks) <= rule.max_rsd
        return passes


def _gathered(rule: Rule, blend: SteadyBlend, seed: int, n: int) -> Iterator[_Gathered]:
    cusum = homogeneity_cusum(rule)
    total: Array = np.zeros(1)
    clean, quiet = np.zeros(n), np.zeros(n)
    for z, run in _followed(rule, blend, seed, n):
        total, size = cusum.step(total, z), np.abs(z)
        clean = np.where(size <= rule.pocket_sd, clean + 1, 0)
        quiet = np.where(size <= rule.quiet_sd, quiet + 1, 0)
        yield _Gathered(total.max(axis=-1), clean, quiet, run)


def _largest_evidence(rule: Rule, blend: SteadyBlend, seed: int, n: int) -> Array:
    """Largest evidence that each blend has while it is free of pockets and its last block looks good."""
    largest = np.zeros(n)
    for now in _gathered(rule, blend, seed, n):
        free = (now.clean >= rule.pocket_window) & (now.quiet >= rule.quiet_window)
        higher = now.block_passes(rule, free & (now.evidence > largest))
        largest[higher] = now.evidence[higher]
    return largest


def _longest_quiet(rule: Rule, blend: SteadyBlend, seed: int, n: int) -> Array:
    """Most readings in a row inside `quiet_sd` that each blend has while all else would let it pass."""
    longest = np.zeros(n)
    for now in _gathered(rule, blend, seed, n):
        free = (now.clean >= rule.pocket_window) & (now.evidence >= rule.threshold)
        longer = now.block_passes(rule, free & (now.quiet > longest))
        longest[longer] = now.quiet[longer]
    return longest


def _largest_alarm(rule: Rule, phi: float, seed: int) -> Array:
    """Largest sum of the watch that each blend with the spread of accepted batches reaches."""
    cusum = watch_cusum(rule)
    total: Array = np.zeros(1)
    largest = np.zeros(BLENDS)
    for z, _ in _followed(rule, SteadyBlend(rule.watch_ratios[0], phi), seed, BLENDS):
        total = cusum.step(total, z)
        largest = np.maximum(largest, total[..., 0])
    return largest


def _exceeded(largest: Array, risk: float) -> float:
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


def homogeneity_threshold(rule: Rule, phi: float, risk: float) -> float:
    """Return the evidence that a normal blend at the limit reaches, within the most revolutions, at `risk`.

    Parameters
    ----------
    rule : Rule
        Its `threshold` is not used.
    phi : float
        Lag-1 autocorrelation of the blend at the limit.
    risk : float
        Chance per batch.

    Raises
    ------
    Refusal
        If the risk is too small for so many blends to show it.

    Notes
    -----
    It is never below ln(1 / risk), which a likelihood ratio needs from a single start (Wald, *Sequential Analysis*,
    1947), however little the other verdicts let pass.
    """
    largest = _largest_evidence(rule, SteadyBlend(phi=phi), 1, BLENDS)
    return max(_exceeded(largest, risk), float(-np.log(risk)))


def quiet_window(rule: Rule, blends: Iterable[SteadyBlend], risk: float) -> int:
    """Return the readings in a row inside `quiet_sd` that no kind of blend shows, with all else passing, at `risk`.

    Parameters
    ----------
    rule : Rule
        Its `quiet_window` is not used.
    blends : iterable of SteadyBlend
        Kinds of blends at the limit.
    risk : float
        Chance per batch, of the worst kind.

    Raises
    ------
    Refusal
        If the risk is too small for so many blends to show it.
    """
    n = blends_for(risk)
    return 1 + int(max(_exceeded(_longest_quiet(rule, blend, 4, n), risk) for blend in blends))


def guarded(rule: Rule, phi: float, blends: Iterable[SteadyBlend], risk: float, pocket_risk: float) -> Rule:
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
    rule = replace(rule, threshold=homogeneity_threshold(rule, phi, risk))
    rule = replace(rule, quiet_window=quiet_window(rule, kinds, pocket_risk))
    rule = replace(rule, threshold=homogeneity_threshold(rule, phi, risk))
    window = max(rule.quiet_window, quiet_window(rule, kinds, pocket_risk))
    return replace(rule, quiet_window=window)


def watch_threshold(rule: Rule, phi: float, risk: float) -> float:
    """Return the sum at which the watch over a blend like the accepted ones raises a false alarm at `risk`."""
    return _exceeded(_largest_alarm(rule, phi, 2), risk)


def false_endpoint_risk(rule: Rule, blend: SteadyBlend, n: int = BLENDS) -> float:
    """Return the share of `n` blends of a kind that the rule declares; fresh blends, not those it was made from."""
    return float((_largest_evidence(rule, blend, 3, n) >= rule.threshold).mean())
