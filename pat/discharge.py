"""Discharge in the laboratory: what a whole discharge says."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pat.core.discharge import (
    Contrast,
    Contrasts,
    PseudoDoses,
    Variogram,
    contrasts,
    contributions,
    pseudo_doses,
    variogram,
)
from pat.core.types import Array


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
        p = {
            key: f"p {self.p_values[key]:.3g}, with autocorrelation {self.p_corrected[key]:.3g}"
            for key in self.p_values
        }
        return [
            ("readings", f"{self.values.size}, of which {int(np.isnan(self.values).sum())} were not good"),
            *self.variogram.rows(),
            *self.contrasts.rows(p),
            *(self.doses.rows() if self.doses is not None else []),
        ]


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
