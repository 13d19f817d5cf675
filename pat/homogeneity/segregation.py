"""Constants of the segregation alarm of a discharge, from a chosen risk, by simulating discharges of even blends."""

from __future__ import annotations

import itertools
import math

import numpy as np

from pat.core.discharge import LEAST_READINGS
from pat.core.segregation import Alarm, Before, mean_step, spread_cusum
from pat.core.types import Array
from pat.errors import InputError
from pat.homogeneity.risk import BLENDS, autoregressive, exceeded, require_risk

_SEED = 20262
# Changes that are looked for: a mean that moves by an SD of a reading, and a spread half as wide again.
_SHIFT, _RATIO = 1.0, 1.5


def _largest_sums(alarm: Alarm, n: int) -> Array:
    """Largest sums (n, 2), of the mean and of the spread, that discharges of a blend that does not segregate reach."""
    rng = np.random.default_rng(_SEED)
    before = Before(0, np.zeros(n), np.zeros(n))
    cusum, sides, spread = spread_cusum(alarm), np.zeros((n, 2)), np.zeros((n, 1))
    largest = np.zeros((n, 2))
    for i, value in enumerate(itertools.islice(autoregressive(n, alarm.phi, rng), alarm.readings)):
        if i >= alarm.reference:
            z = before.away(value)
            sides, spread = mean_step(alarm, sides, z), cusum.step(spread, z)
            np.maximum(largest, np.column_stack([sides.max(axis=1), spread[:, 0]]), out=largest)
        before.take(value)
    return largest


def make_alarm(risk: float, readings: int, *, phi: float, reference: int = 30, n: int = BLENDS) -> Alarm:
    """Return the segregation alarm that a discharge without segregation raises at a chosen risk.

    Parameters
    ----------
    risk : float
        Chance of a false alarm in the whole discharge, between 0 and 1.
    readings : int
        Most readings of a discharge, 60 at least.
    phi : float
        Upper limit of the autocorrelation of readings of accepted blends, from 0 to below 1.
    reference : int
        Readings at the start that are only compared with, 10 at least.
    n : int
        Discharges simulated.

    Raises
    ------
    InputError
        If a number is out of its range.
    Refusal
        If the risk is too small for so many discharges to show it.

    Notes
    -----
    Two sums, of the mean and of the spread, each at half of the risk. Each reading is compared with all before it, in
    simulation as on the line, so that what a short start does not know is part of the risk.
    """
    require_risk(risk, phi)
    if reference < 10 or readings < max(LEAST_READINGS, reference + 1):
        raise InputError(
            f"`reference` must be at least 10, and `readings` at least {LEAST_READINGS} and more than `reference`, got "
            f"{reference} and {readings}"
        )
    bare = Alarm(risk, readings, reference, phi, _SHIFT, _RATIO, math.inf, math.inf)
    largest = _largest_sums(bare, n)
    mean, spread = (exceeded(largest[:, i], risk / 2.0) for i in range(2))
    return Alarm(risk, readings, reference, phi, _SHIFT, _RATIO, mean, spread)
