"""What is known after one spectrum of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from pat.core.endpoint import State, Status, Verdicts


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
    evidence : float
        Share (0 to 1) of the evidence for homogeneity gathered so far.
    verdicts : Verdicts
    endpoint : int or None
        Revolution at which the blend was first declared uniform.
    reason : str
        Why the state is what it is.
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
    evidence: float
    verdicts: Verdicts
    endpoint: int | None
    reason: str
    artefact: str
    unreleased: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the reading as plain JSON values."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, Verdicts):
        return {name: verdict.value for name, verdict in vars(value).items()}
    if isinstance(value, StrEnum):
        return value.value
    return None if isinstance(value, float) and not math.isfinite(value) else value
