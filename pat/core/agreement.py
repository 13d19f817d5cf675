"""Do several sensors on one blend say the same? Their block means and block spreads, against each other."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pat.core.plain import not_negative
from pat.core.types import Array
from pat.errors import InputError


@dataclass(frozen=True)
class Agreement:
    """Constants of the alarm that sensors disagree, as plain numbers.

    Attributes
    ----------
    risk : float
        Chance of a false alarm in the whole run.
    sensors, revolutions, block_size : int
        Sensors, most revolutions, and readings in a block that the risk holds for.
    phi : float
        Autocorrelation of the readings of one sensor that the risk holds for.
    allowed : float
        Difference of two sensors' means that is none (analyte units): the bias that the method may have between them.
    mean_threshold : float
        Largest difference of two block means beyond `allowed`, in its standard errors.
    ratio_threshold : float
        Largest ratio of two block variances.
    """

    risk: float
    sensors: int
    revolutions: int
    block_size: int
    phi: float
    allowed: float
    mean_threshold: float
    ratio_threshold: float

    def to_dict(self) -> dict[str, Any]:
        """Return the constants as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Agreement:
        """Return the constants that `to_dict` wrote.

        Raises
        ------
        InputError
            If keys are missing or unknown, or a value cannot be such a constant.
        """
        found, good = not_negative(cls, document, "agreement of sensors")
        if not good or found.sensors < 2 or not found.phi < 1.0 or found.block_size < 3:
            raise InputError(f"agreement of sensors: constants must be positive numbers, got {document}")
        return found


def widest(agreement: Agreement, mean: Array, sd: Array) -> tuple[Array, Array]:
    """Return how far apart the two sensors are that differ most.

    Parameters
    ----------
    agreement : Agreement
    mean, sd : ndarray of shape (..., k)
        Of the last block of each of k sensors (analyte units).

    Returns
    -------
    apart, ratio : ndarray of shape (...)
        Largest difference of two means beyond what is allowed, in its standard errors; largest ratio of two variances.
        Infinite where blocks do not vary.

    Notes
    -----
    The standard error of a difference is sqrt((s_1^2 + s_2^2) / n (1 + phi) / (1 - phi)): the mean of n autocorrelated
    readings varies more than that of independent ones.

    References
    ----------
    Shi et al., *J. Pharm. Biomed. Anal.* 47 (2008) 738: two positions on one blender ended at different times.
    """
    first, second = np.array(list(itertools.combinations(range(mean.shape[-1]), 2))).T
    a, b = sd[..., first] ** 2, sd[..., second] ** 2
    inflation = (1.0 + agreement.phi) / (1.0 - agreement.phi)
    beyond = np.maximum(np.abs(mean[..., first] - mean[..., second]) - agreement.allowed, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(beyond > 0.0, beyond / np.sqrt((a + b) / agreement.block_size * inflation), 0.0)
        ratio = np.where(a == b, 1.0, np.maximum(a, b) / np.minimum(a, b))
    return np.asarray(apart.max(axis=-1)), np.asarray(ratio.max(axis=-1))
