"""Constants of the rule from the risk that the user chooses, by simulating blends that stay at the limit.

A level per block is not a risk per batch, and no table knows a method's autocorrelation and repeatability. So
many blends that sit exactly at the limit are simulated, reading by reading, through the very functions that
follow a blend live, and the threshold is the value that all but the allowed share of them stay below whenever the
rest of the rule would let them pass.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pat.core.evidence import Rule, blend_rsd_upper, homogeneity_cusum, standardised, watch_cusum
from pat.core.types import Array

_BLENDS = 20_000
_SEED = 20260
_Z95 = 1.6449


def _readings(rule: Rule, ratio: float, phi: float, seed: int) -> Iterator[Array]:
    """Predictions (blends,) of one revolution after another, for blends at `ratio` times the limit.

    The blend's own part is a stationary AR(1) process, the method's noise independent.
    """
    rng = np.random.default_rng([_SEED, seed])
    blend_sd = rule.slope * ratio * rule.max_rsd / 100.0 * rule.target
    fresh = np.sqrt(1.0 - phi**2)
    u = rng.standard_normal(_BLENDS)
    for _ in range(rule.max_revolutions):
        yield rule.target + blend_sd * u + rule.repeatability * rng.standard_normal(_BLENDS)
        u = phi * u + fresh * rng.standard_normal(_BLENDS)


def _followed(rule: Rule, ratio: float, phi: float, seed: int) -> Iterator[tuple[Array, Array]]:
    """Standardised deviations (blends,) of each revolution, and the last readings (rows, blends) up to it."""
    rows = max(rule.centre_size, rule.block_size - 1)
    history = np.zeros((0, _BLENDS))
    for value in _readings(rule, ratio, phi, seed):
        history = np.concatenate([history[-rows:], value[None]])
        if len(history) > rule.centre_size:
            yield standardised(rule, value, history[-rule.centre_size - 1 : -1].mean(axis=0)), history


def _largest_evidence(rule: Rule, phi: float, seed: int) -> Array:
    """Largest evidence that each blend at the limit has while it is free of pockets and its last block looks good."""
    cusum = homogeneity_cusum(rule)
    total: Array = np.zeros(1)
    clean, largest = np.zeros(_BLENDS), np.zeros(_BLENDS)
    for z, history in _followed(rule, 1.0, phi, seed):
        total = cusum.step(total, z)
        clean = np.where(np.abs(z) <= rule.pocket_sd, clean + 1, 0)
        upper = blend_rsd_upper(rule, history[-rule.block_size :].T)
        could_pass = (clean >= rule.pocket_window) & (upper <= rule.max_rsd)
        largest = np.where(could_pass, np.maximum(largest, total.max(axis=-1)), largest)
    return largest


def _largest_alarm(rule: Rule, phi: float, seed: int) -> Array:
    """Largest sum of the watch that each blend with the spread of accepted batches reaches."""
    cusum = watch_cusum(rule)
    total: Array = np.zeros(1)
    largest = np.zeros(_BLENDS)
    for z, _ in _followed(rule, rule.watch_ratios[0], phi, seed):
        total = cusum.step(total, z)
        largest = np.maximum(largest, total[..., 0])
    return largest


def _threshold(largest: Array, risk: float) -> float:
    """Return the value that a share of `risk` exceeds, with 95 % confidence in view of the blends simulated."""
    share = risk - _Z95 * np.sqrt(risk * (1.0 - risk) / largest.size)
    return float(np.quantile(largest, 1.0 - max(share, 1.0 / largest.size)))


def homogeneity_threshold(rule: Rule, phi: float, risk: float) -> float:
    """Return the evidence that a blend at the limit reaches, within the most revolutions, at `risk`.

    Parameters
    ----------
    rule : Rule
        Its `threshold` is not used.
    phi : float
        Lag-1 autocorrelation of the blend at the limit.
    risk : float
        Chance per batch.
    """
    return _threshold(_largest_evidence(rule, phi, 1), risk)


def watch_threshold(rule: Rule, phi: float, risk: float) -> float:
    """Return the sum at which the watch over a blend like the accepted ones raises a false alarm at `risk`."""
    return _threshold(_largest_alarm(rule, phi, 2), risk)


def false_endpoint_risk(rule: Rule, phi: float) -> float:
    """Return the share of blends at the limit that the rule declares; fresh blends, not those it was made from."""
    return float((_largest_evidence(rule, phi, 3) >= rule.threshold).mean())
