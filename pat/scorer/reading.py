"""What is known after one spectrum of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from pat.core.endpoint import State, Status, Transition, Verdicts


@dataclass(frozen=True)
class Reading:
    """Everything that is known after one spectrum of a batch.

    Attributes
    ----------
    batch : str
    index : int
        Number of this reading in the batch, from 1, bad ones included.
    revolution : int
        Revolution that was given, or the next one.
    status : Status
        What this spectrum is worth.
    state : State
        What is known of the batch.
    value : float
        Predicted content (analyte units).
    hotelling_t2, q_residuals : float
    in_scope : bool
    mbsd, moving_f : float
        Over the last block, and over the last two.
    block_mean : float
        Mean of the last block's predictions (analyte units).
    block_rsd, block_rsd_upper : float
        RSD of the last block's predictions (%) and its upper confidence bound; the method's own noise included.
    blend_rsd_upper : float
        The same bound for the blend itself: the method's repeatability removed and the slope allowed for (%).
    level_step, contrast_step, novelty : float
        How far the raw mean (level) and SD (contrast) jump from one spectrum of the last block to the next, and how far
        they are from the nearest of those before (AU): powder at rest has next to none of these.
    residual_drift, axis_shift, level_drift, contrast_drift : float
        How far the batch's running means are from where they should be: Q residuals of the mean spectrum, shift of the
        axis (nm), raw level and contrast less those of the first block (AU). See `pat.core.endpoint.health.Drift`.
    missing_revolutions, duplicate_revolutions : int
        How many revolutions of the batch have been left out so far, and how many readings were of one already read.
    evidence : float
        Share (0 to 1) of the evidence for homogeneity gathered so far.
    verdicts : Verdicts
    endpoint : int or None
        Revolution at which the blend was first declared uniform.
    reason : str
        Why the state is what it is.
    transition : Transition or None
        The change of state that this spectrum caused, with the part of the rule, the numbers and the readings behind.
    artefact : str
        Content digest of the artefact that scored it.
    unreleased : bool
        The artefact has not been released: the reading is for exploration alone.

    Notes
    -----
    A number that does not exist yet is NaN here, and null in `to_dict`.
    """

    batch: str
    index: int
    revolution: int
    status: Status
    state: State
    value: float
    hotelling_t2: float
    q_residuals: float
    in_scope: bool
    mbsd: float
    moving_f: float
    block_mean: float
    block_rsd: float
    block_rsd_upper: float
    blend_rsd_upper: float
    level_step: float
    contrast_step: float
    novelty: float
    residual_drift: float
    axis_shift: float
    level_drift: float
    contrast_drift: float
    missing_revolutions: int
    duplicate_revolutions: int
    evidence: float
    verdicts: Verdicts
    endpoint: int | None
    reason: str
    transition: Transition | None
    artefact: str
    unreleased: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the reading as plain JSON values."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, Transition):
        return value.to_dict()
    if isinstance(value, Verdicts):
        return {name: verdict.value for name, verdict in vars(value).items()}
    if isinstance(value, StrEnum):
        return value.value
    return None if isinstance(value, float) and not math.isfinite(value) else value
