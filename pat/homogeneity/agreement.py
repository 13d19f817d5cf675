"""Constants of the alarm that sensors disagree, from a chosen risk, by simulating sensors that see the same blend."""

from __future__ import annotations

import itertools
import math

import numpy as np

from pat.core.agreement import Agreement, widest
from pat.core.evidence import Rule
from pat.core.types import Array
from pat.errors import InputError
from pat.homogeneity.risk import BLENDS, autoregressive, exceeded, require_risk

_SEED = 20263


def _largest(agreement: Agreement, n: int) -> Array:
    """Largest difference and ratio (n, 2) that the sensors of `n` blends reach while nothing differs."""
    rng = np.random.default_rng(_SEED)
    shape, size = (n, agreement.sensors), agreement.block_size
    block, largest = np.empty((size, *shape)), np.zeros((n, 2))
    course = autoregressive(shape, agreement.phi, rng)
    for i, value in enumerate(itertools.islice(course, agreement.revolutions)):
        block[i % size] = value
        if i + 1 >= size:
            apart, ratio = widest(agreement, block.mean(axis=0), block.std(axis=0, ddof=1))
            np.maximum(largest, np.column_stack([apart, ratio]), out=largest)
    return largest


def make_agreement(
    rule: Rule, risk: float, *, phi: float, sensors: int = 2, allowed: float = 0.0, n: int = BLENDS // 4
) -> Agreement:
    """Return the alarm that sensors on one blend raise at a chosen risk although they see the same.

    Parameters
    ----------
    rule : Rule
        Gives the block and the most revolutions.
    risk : float
        Chance of a false alarm in the whole run, between 0 and 1.
    phi : float
        Upper limit of the autocorrelation of accepted blends (`autocorrelation_upper` of the claim).
    sensors : int
        How many there are, 2 at least.
    allowed : float
        Difference of two sensors' means that is none (analyte units); see `Agreement`.
    n : int
        Blends simulated.

    Raises
    ------
    InputError
        If a number is out of its range.
    Refusal
        If the risk is too small for so many blends to show it.

    Notes
    -----
    Two statistics, each at half of the risk, over every block of a run that is steady from its first revolution. What
    is allowed is not simulated: sensors that differ by less raise fewer alarms.
    """
    require_risk(risk, phi)
    if sensors < 2 or not 0.0 <= allowed < math.inf:
        raise InputError(f"`sensors` must be at least 2 and `allowed` at least 0, got {sensors}, {allowed}")
    turns, size = rule.max_revolutions, rule.block_size
    largest = _largest(Agreement(risk, sensors, turns, size, phi, 0.0, math.inf, math.inf), n)
    mean, ratio = (exceeded(largest[:, i], risk / 2.0) for i in range(2))
    return Agreement(risk, sensors, turns, size, phi, allowed, mean, ratio)
