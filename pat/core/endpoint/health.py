"""Is the sensor still what it was? Slow faults, far below what one spectrum shows, seen in running means.

A film on the window, a shifted wavelength axis and a drifting lamp all change the *mean* spectrum, while scatter,
noise and what the powder varies by average out. SNV hides the last of them from every other number.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pat.core.blocks.spectral import ewma_weight
from pat.core.endpoint.words import Status
from pat.core.evidence import Rule
from pat.core.pls import PLSModel
from pat.core.preprocess.axis import segments
from pat.core.types import Array

# An axis shift explains at least this share of the mean's residual; less of it is a film.
_EXPLAINED = 0.5


class Drift(NamedTuple):
    """How far the running means of a batch are from where they should be; NaN where there are not enough spectra.

    Attributes
    ----------
    residual : float
        Q residuals of the mean treated spectrum (squared treated absorbance).
    axis : float
        Shift of the wavelength axis (nm), positive where bands are read at too long a wavelength.
    level, contrast : float
        Mean raw level and contrast less those of the batch's first block (AU).
    """

    residual: float = math.nan
    axis: float = math.nan
    level: float = math.nan
    contrast: float = math.nan


NO_DRIFT = Drift()
"""What is known of the means before there are enough spectra."""


def axis_direction(model: PLSModel, wavelength: Array) -> Array:
    """Return what an axis that reads bands 1 nm too far right leaves in the residual of the mean spectrum, shape (p,).

    Parameters
    ----------
    model : PLSModel
    wavelength : ndarray of shape (p,)
        Treated axis (nm); it may have gaps.

    Notes
    -----
    To the first order a shift by d nm turns the mean m into m - d m'; of m' only the part outside the model is seen.
    """
    slope = np.zeros(wavelength.size)
    for part in segments(wavelength):
        if wavelength[part].size > 1:
            slope[part] = np.gradient(model.x_mean[part], wavelength[part])
    return np.asarray((slope @ model.rotations) @ model.loadings.T - slope)


class DriftWatch:
    """Running means of one batch, of what a model leaves of its spectra, and of their level and contrast.

    Parameters
    ----------
    block_size : int
        Spectra in a block, n: the means weigh as n spectra do, and are judged from the second block on.
    direction : ndarray of shape (p,)
        From `axis_direction`.

    Notes
    -----
    The residual r of a spectrum is linear in it, so the exponentially weighted mean of residuals is the residual of the
    mean spectrum, and the least-squares shift of that is its product with the direction g over g'g.

    References
    ----------
    Roberts, *Technometrics* 1 (1959) 239; Lowry, Woodall, Champ and Rigdon, *Technometrics* 34 (1992) 46.
    """

    def __init__(self, block_size: int, direction: Array) -> None:
        self._n, self._weight, self._direction = block_size, ewma_weight(block_size), direction
        self._size = float(direction @ direction) or math.inf
        self._mean, self._step = np.empty(direction.size), np.empty(direction.size)
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._mean[:] = 0.0
        self._count = self._row = 0  # spectra in the means, and in a row
        self._at = self._first = (0.0, 0.0)  # mean level and contrast, and those of the first block

    def interrupt(self) -> None:
        """Take note of a spectrum that says nothing of the sensor: out of scope, saturated, of an empty window."""
        self._row = 0

    def take(self, residual: Array, presentation: Array | tuple[float, float]) -> Drift:
        """Take a spectrum in scope into account.

        Parameters
        ----------
        residual : ndarray of shape (p,)
            What the model leaves of the treated spectrum.
        presentation : ndarray of shape (2,), or (float, float)
            Its level and contrast (AU).
        """
        self._count += 1
        self._row += 1
        weight = max(self._weight, 1.0 / self._count)
        np.subtract(residual, self._mean, out=self._step)
        np.multiply(self._step, weight, out=self._step)
        np.add(self._mean, self._step, out=self._mean)
        (level, contrast), now = self._at, presentation
        self._at = level + weight * (float(now[0]) - level), contrast + weight * (float(now[1]) - contrast)
        if self._count <= self._n:
            self._first = self._at
        return self._drift()

    def _drift(self) -> Drift:
        if self._row < self._n or self._count < 2 * self._n:
            return NO_DRIFT
        mean, (level, contrast), (first_level, first_contrast) = self._mean, self._at, self._first
        shift = float(mean.dot(self._direction)) / self._size
        return Drift(float(mean.dot(mean)), shift, level - first_level, contrast - first_contrast)

    def fault(self, rule: Rule, drift: Drift) -> Status | None:
        """Return the status of a spectrum whose running means lie beyond the rule's limits; None for all others."""
        shifted = abs(drift.axis) > rule.axis_shift_limit
        if drift.residual > rule.residual_drift_limit:
            explained = drift.axis**2 * self._size >= _EXPLAINED * drift.residual
            return Status.AXIS_SHIFT if shifted and explained else Status.FOULED
        if shifted:
            return Status.AXIS_SHIFT
        if abs(drift.level) > rule.level_drift_limit or abs(drift.contrast) > rule.contrast_drift_limit:
            return Status.LAMP_DRIFT
        return None

    def snapshot(self) -> dict[str, Any]:
        """Return what was gathered as plain JSON values."""
        counts = {"count": self._count, "row": self._row}
        return {"mean": self._mean.tolist(), "at": list(self._at), "first": list(self._first)} | counts

    def restore(self, state: dict[str, Any]) -> None:
        """Carry on from a snapshot."""
        self._mean[:] = state["mean"]
        self._at, self._first = tuple(state["at"]), tuple(state["first"])
        self._count, self._row = int(state["count"]), int(state["row"])


def drift_compared(rule: Rule, drift: Drift) -> dict[str, float]:
    """Return what a drift was compared with, and what it was."""
    names = ("residual_drift", "axis_shift", "level_drift", "contrast_drift")
    found = dict(zip(names, drift, strict=True))
    return found | {f"{name}_limit": getattr(rule, f"{name}_limit") for name in names}
