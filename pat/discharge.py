"""Discharge in the laboratory: the alarm's constants from a chosen risk, and what a whole discharge says."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pat.core.discharge import (
    LEAST_READINGS,
    Alarm,
    Before,
    Contrast,
    Contrasts,
    PseudoDoses,
    Variogram,
    contrasts,
    contributions,
    mean_step,
    pseudo_doses,
    spread_cusum,
    variogram,
)
from pat.core.types import Array
from pat.errors import InputError
from pat.homogeneity.risk import BLENDS, autoregressive, exceeded

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
    if not 0.0 < risk < 1.0 or not 0.0 <= phi < 1.0:
        raise InputError(f"`risk` must lie between 0 and 1, and `phi` be at least 0 and below 1, got {risk}, {phi}")
    if reference < 10 or readings < max(LEAST_READINGS, reference + 1):
        raise InputError(
            f"`reference` must be at least 10, and `readings` at least {LEAST_READINGS} and more than `reference`, got "
            f"{reference} and {readings}"
        )
    bare = Alarm(risk, readings, reference, phi, _SHIFT, _RATIO, math.inf, math.inf)
    largest = _largest_sums(bare, n)
    mean, spread = (exceeded(largest[:, i], risk / 2.0) for i in range(2))
    return Alarm(risk, readings, reference, phi, _SHIFT, _RATIO, mean, spread)


@dataclass(frozen=True)
class DischargeSummary:
    """What a whole discharge says.

    Attributes
    ----------
    values : ndarray of shape (Q,)
        Contents (analyte units) in their order; NaN where a reading was not good.
    variogram : Variogram
    contrasts : Contrasts
    p_values : dict of str to float
        Of ``thirds``, ``trend`` and ``tail``, for independent readings.
    p_corrected : dict of str to float
        The same with the autocorrelation of the readings allowed for.
    doses : PseudoDoses or None
        None where no unit dose was given.
    """

    values: Array
    variogram: Variogram
    contrasts: Contrasts
    p_values: dict[str, float]
    p_corrected: dict[str, float]
    doses: PseudoDoses | None

    def table(self) -> list[tuple[str, str]]:
        """Return what was found, as rows of a name and a text for people."""
        found, c = self.variogram, self.contrasts
        rows = [
            ("readings", f"{self.values.size}, of which {int(np.isnan(self.values).sum())} were not good"),
            ("nugget", f"{found.nugget_rsd:.2f} % RSD"),
            ("sill", f"{100.0 * math.sqrt(found.sill):.2f} % RSD"),
            ("range", "not reached" if found.range is None else f"{found.range} readings"),
            ("percent nugget", f"{found.percent_nugget:.0f} % (told, nothing is decided by it)"),
        ]
        names = {"thirds": "SD between thirds", "trend": "change from start to end", "tail": "last 5 % less the rest"}
        for key, words in names.items():
            size = getattr(c, key).size
            p = f"p {self.p_values[key]:.3g}, with autocorrelation {self.p_corrected[key]:.3g}"
            rows.append((words, f"{size:{'' if key == 'thirds' else '+'}.2f} % of the mean ({p})"))
        if self.doses is not None:
            spread = (
                f"RSD {self.doses.rsd:.2f} % as read, {self.doses.blend_rsd:.2f} % without the method's repeatability"
            )
            rows.append((f"{len(self.doses.contents)} pseudo-doses of {self.doses.readings} readings", spread))
        return rows


def _p(contrast: Contrast, inflation: float) -> float:
    """Two-sided p value of Student's t, or that of F, of the statistic without what autocorrelation adds to it."""
    if len(contrast.degrees) == 2:
        return float(stats.f.sf(contrast.statistic / inflation, *contrast.degrees))
    return float(2.0 * stats.t.sf(abs(contrast.statistic) / math.sqrt(inflation), contrast.degrees[0]))


def summarise(
    values: Array,
    masses: Array | None = None,
    *,
    readings_in_dose: int | None = None,
    repeatability: float = 0.0,
    slope: float = 1.0,
) -> DischargeSummary:
    """Summarise a discharge.

    Parameters
    ----------
    values : ndarray of shape (Q,)
        Contents (analyte units) in their order, 60 at least; NaN where a reading was not good, 10 % at the most.
    masses : ndarray of shape (Q,), optional
        Masses that the readings stand for; equal where not given.
    readings_in_dose : int, optional
        Readings that see as much powder as a unit dose holds, for pseudo-doses.
    repeatability, slope : float
        As for `pat.core.discharge.pseudo_doses`.

    Raises
    ------
    InputError
        If there are too few readings, too many are not good, or their mean is not positive.
    """
    found = contrasts(values)
    parts = {"thirds": found.thirds, "trend": found.trend, "tail": found.tail}
    doses = None if readings_in_dose is None else pseudo_doses(values, readings_in_dose, repeatability, slope)
    return DischargeSummary(
        values=values,
        variogram=variogram(contributions(values, masses)),
        contrasts=found,
        p_values={key: _p(part, 1.0) for key, part in parts.items()},
        p_corrected={key: _p(part, found.inflation) for key, part in parts.items()},
        doses=doses,
    )
