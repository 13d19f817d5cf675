"""What accepted batches say of the sensor: how far their running means drift, and how little contrast powder has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pat.core import pls
from pat.core.endpoint.health import Drift, DriftWatch, axis_direction
from pat.core.pls import PLSModel
from pat.core.types import Array, BoolArray
from pat.errors import Refusal
from pat.limits import log_tolerance_limit, lower_log_tolerance_limit

COVERAGE = 0.99
"""Share of good batches that each limit leaves in peace, with 95 % confidence."""
_CONFIDENCE = 0.95
# A single spectrum below its least contrast costs the evidence; an empty window is below it by far.
_LEAST_COVERAGE = 0.999


@dataclass(frozen=True)
class BatchHealth:
    """What one accepted batch shows.

    Attributes
    ----------
    batch : str
    drift : Drift
        Largest of each running mean, without its sign; NaN where the batch has too few spectra in a row.
    least_contrast : float
        Smallest raw SD (AU) of any of its spectra.
    """

    batch: str
    drift: Drift
    least_contrast: float


@dataclass(frozen=True)
class Health:
    """Limits of what is normal for a sensor, from accepted batches.

    Attributes
    ----------
    n_batches : int
    coverage : float
        Share of good batches that each of the four limits of drift leaves in peace, with 95 % confidence.
    residual_drift_limit, axis_shift_limit, level_drift_limit, contrast_drift_limit : float
        Upper tolerance limits, on a log scale, of a batch's largest drift: see `pat.core.endpoint.health.Drift`.
    least_contrast : float
        Lower tolerance limit (99.9 % of batches, 95 % confidence, on a log scale) of a batch's smallest raw SD (AU).
    """

    n_batches: int
    coverage: float
    residual_drift_limit: float
    axis_shift_limit: float
    level_drift_limit: float
    contrast_drift_limit: float
    least_contrast: float


def batch_health(
    batch: str,
    model: PLSModel,
    wavelength: Array,
    treated: Array,
    presentation: Array,
    good: BoolArray,
    block_size: int,
) -> BatchHealth:
    """Follow an accepted batch by the running means that a batch is followed by on the line.

    Parameters
    ----------
    batch : str
    model : PLSModel
    wavelength : ndarray of shape (p,)
        Treated axis (nm).
    treated : ndarray of shape (m, p)
        Treated spectra, from the first revolution on.
    presentation : ndarray of shape (m, 2)
        Level and contrast (AU).
    good : ndarray of bool, shape (m,)
        In scope, below saturation.
    block_size : int
        Spectra in a block, n.
    """
    watch = DriftWatch(block_size, axis_direction(model, wavelength))
    residual = treated - model.x_mean - pls.scores(model, treated) @ model.loadings.T
    found = np.full((len(treated), len(Drift._fields)), np.nan)
    for i, is_good in enumerate(good.tolist()):
        if is_good:
            found[i] = watch.take(residual[i], presentation[i])
        else:
            watch.interrupt()
    return BatchHealth(batch, Drift(*np.fmax.reduce(np.abs(found)).tolist()), float(presentation[:, 1].min()))


def describe_health(accepted: Sequence[BatchHealth], static: Sequence[BatchHealth]) -> Health:
    """Return the limits that batches like the accepted ones keep.

    Parameters
    ----------
    accepted, static : sequence of BatchHealth
        Of accepted batches, and of static material, which has a contrast, too.

    Raises
    ------
    Refusal
        With fewer than 3 accepted batches, or one without a block of good readings in a row after its first block.
    """
    if len(accepted) < 3:
        raise Refusal(f"limits need at least 3 accepted batches, got {len(accepted)}")
    for one in accepted:
        if np.isnan(one.drift).any():
            raise Refusal(f"batch {one.batch}: expected a block of good readings in a row after its first, got none")
    # Above zero where an axis direction lies all inside the model.
    drifts = zip(*(one.drift for one in accepted), strict=True)
    limits = Drift(*(log_tolerance_limit(values, COVERAGE, _CONFIDENCE) for values in drifts))
    contrast = [one.least_contrast for one in (*accepted, *static)]
    return Health(
        n_batches=len(accepted),
        coverage=COVERAGE,
        residual_drift_limit=limits.residual,
        axis_shift_limit=limits.axis,
        level_drift_limit=limits.level,
        contrast_drift_limit=limits.contrast,
        least_contrast=lower_log_tolerance_limit(contrast, _LEAST_COVERAGE, _CONFIDENCE),
    )
