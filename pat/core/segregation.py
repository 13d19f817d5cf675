"""The segregation alarm of a discharge: its constants, and what it sums.

The same functions calibrate the alarm by simulation, over many discharges at once, and follow one on the line.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pat.core.evidence import Cusum, two_sided_step
from pat.core.plain import not_negative
from pat.core.types import Array
from pat.errors import InputError


@dataclass(frozen=True)
class Alarm:
    """Constants of the segregation alarm, as plain numbers.

    Attributes
    ----------
    risk : float
        Chance of a false alarm in the whole discharge.
    readings : int
        Most readings of a discharge that the risk holds for.
    reference : int
        Readings at the start that are only compared with.
    phi : float
        Autocorrelation of the readings that the risk holds for.
    shift : float
        Change of the mean that is looked for, in SDs of a reading; half of it is the allowance of the sum.
    ratio : float
        SD that is looked for, over that of the start.
    mean_threshold, spread_threshold : float
        Sums that raise the alarm.
    """

    risk: float
    readings: int
    reference: int
    phi: float
    shift: float
    ratio: float
    mean_threshold: float
    spread_threshold: float

    def to_dict(self) -> dict[str, Any]:
        """Return the constants as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Alarm:
        """Return the constants that `to_dict` wrote.

        Raises
        ------
        InputError
            If keys are missing or unknown, or a value cannot be such a constant.
        """
        found, good = not_negative(cls, document, "segregation alarm")
        if not good or not found.phi < 1.0 or not found.ratio > 1.0 or found.reference < 2:
            raise InputError(
                "segregation alarm: constants must not be negative, `phi` must be below 1, `ratio` above 1 and "
                f"`reference` at least 2, got {document}"
            )
        return found


class Before:
    """Mean and spread of all readings so far, of one discharge or of m at once.

    Parameters
    ----------
    count : int
        Readings that it holds.
    mean, squares : ndarray of shape (m,) or ()
        Their mean, and the sum of their squared deviations from it.
    """

    def __init__(self, count: int = 0, mean: Array | float = 0.0, squares: Array | float = 0.0) -> None:
        self.count, self.mean, self.squares = count, np.asarray(mean, dtype=np.float64), np.asarray(squares)

    def away(self, values: Array) -> Array:
        """Return how far readings (m,) lie from the mean of those before, in SDs; infinite where these are constant.

        References
        ----------
        Hawkins, *The Statistician* 36 (1987) 299: self-starting sums, which no error of a short start leads astray.
        """
        apart = values - self.mean
        spread = np.sqrt(self.squares / (self.count - 1) * (1.0 + 1.0 / self.count))
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(spread > 0.0, apart / spread, np.copysign(np.inf, apart))
        return np.where(apart == 0.0, 0.0, found)

    def take(self, values: Array) -> None:
        """Add readings (m,).

        References
        ----------
        Welford, *Technometrics* 4 (1962) 419.
        """
        self.count += 1
        apart = values - self.mean
        self.mean = np.asarray(self.mean + apart / self.count)
        self.squares = np.asarray(self.squares + apart * (values - self.mean))


def mean_step(alarm: Alarm, sums: Array, z: Array) -> Array:
    """Return the two sums (..., 2) that look for a mean that rises, and one that falls, after deviations z (...)."""
    return two_sided_step(sums, z, alarm.shift / 2.0)


def spread_cusum(alarm: Alarm) -> Cusum:
    """Return the CUSUM that looks for a spread that grows."""
    return Cusum(np.ones(1), np.array([alarm.ratio]))
