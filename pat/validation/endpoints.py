"""End-point verdicts: what the rule declared, against what the blend really was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import pandas as pd

from pat.core.endpoint import State
from pat.core.types import BoolArray, IntArray
from pat.errors import InputError

FOULED = "fouled"
"""State of the truth in which the sensor does not see the powder."""


class EndpointReading(Protocol):
    """What is needed of a scorer's reading."""

    @property
    def revolution(self) -> int:
        """Revolution of the reading."""

    @property
    def state(self) -> str:
        """State of the blend after it, a `State`."""

    @property
    def endpoint(self) -> int | None:
        """Revolution at which the blend was declared uniform, if it was."""


class Outcome(StrEnum):
    """How an end-point compares with the truth."""

    ON_TIME = "on_time"
    """Declared of a uniform blend, at most the tolerance before it became so."""
    EARLY = "early"
    """Declared of a blend that became uniform more than the tolerance later."""
    FALSE = "false"
    """Declared of a blend that never became uniform, no longer was, or could not be seen."""
    MISSED = "missed"
    """Not declared of a blend that became uniform."""
    NONE_DUE = "none_due"
    """Rightly not declared."""
    FAULT_UNSEEN = "fault_unseen"
    """Not declared, but a fouled window was not called a sensor fault either."""


@dataclass(frozen=True)
class EndpointCase:
    """One blend, judged.

    Attributes
    ----------
    batch, kind : str
        Name of the blend, and what kind of blend it is, in words.
    true_endpoint, found_endpoint : int or None
        First revolution at which the blend was uniform, and the one at which it was declared so.
    outcome : Outcome
    delay : int or None
        Revolutions from the true to the declared end-point, where both exist.
    uniform_while_not : int
        Readings in state UNIFORM, of a blend that was not, other than within the tolerance before it became
        so; the time that a rule takes to notice de-mixing shows here.
    states : tuple of str
        States that the blend went through, in order of appearance.
    """

    batch: str
    kind: str
    true_endpoint: int | None
    found_endpoint: int | None
    outcome: Outcome
    delay: int | None
    uniform_while_not: int
    states: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the case as plain data."""
        return {**asdict(self), "outcome": self.outcome.value, "states": list(self.states)}


@dataclass(frozen=True)
class _Truth:
    """The truth of one blend by revolution, in order."""

    revolution: IntArray
    uniform: BoolArray
    fouled: BoolArray

    def first_uniform(self) -> int | None:
        return int(self.revolution[np.argmax(self.uniform)]) if self.uniform.any() else None

    def holds(self, revolution: int, tolerance: int) -> bool:
        """Whether the blend is uniform and seen at a revolution, or becomes so within the tolerance."""
        near = (self.revolution >= revolution) & (self.revolution <= revolution + tolerance)
        return bool((self.uniform & ~self.fouled)[near].any())


def judge_endpoint(
    readings: Iterable[EndpointReading], truth: pd.DataFrame, *, kind: str = "", tolerance: int = 5
) -> EndpointCase:
    """Judge the readings of one blend against its truth.

    Parameters
    ----------
    readings : iterable of readings
        What the scorer said, in order.
    truth : DataFrame
        Columns `batch`, `revolution`, `uniform` (0 or 1) and `state` of this blend.
    kind : str
        What kind of blend it is, for the report.
    tolerance : int
        Revolutions before the truth that still count as on time.

    Raises
    ------
    InputError
        If the truth is of no blend or of several.
    """
    names = truth["batch"].unique()
    if len(names) != 1:
        raise InputError(f"the truth must be of one blend, got {len(names)}: {', '.join(map(str, names))}")
    table, said = _by_revolution(truth), list(readings)
    states = tuple(dict.fromkeys(State(reading.state).value for reading in said))
    found = next((reading.endpoint for reading in said if reading.endpoint is not None), None)
    true = table.first_uniform()
    wrong = [
        reading.revolution
        for reading in said
        if reading.state == State.UNIFORM and not table.holds(reading.revolution, tolerance)
    ]
    return EndpointCase(
        batch=str(names[0]),
        kind=kind,
        true_endpoint=true,
        found_endpoint=found,
        outcome=_outcome(table, true, found, tolerance, State.SENSOR_FAULT.value in states),
        delay=None if true is None or found is None else found - true,
        uniform_while_not=len(wrong),
        states=states,
    )


def _by_revolution(truth: pd.DataFrame) -> _Truth:
    ordered = truth.sort_values("revolution", kind="stable")
    return _Truth(
        revolution=ordered["revolution"].to_numpy(dtype=np.int64),
        uniform=ordered["uniform"].to_numpy(dtype=np.float64) > 0.5,
        fouled=np.asarray(ordered["state"].astype(str).str.lower() == FOULED, dtype=np.bool_),
    )


def _outcome(table: _Truth, true: int | None, found: int | None, tolerance: int, fault_seen: bool) -> Outcome:
    if found is not None:
        if table.holds(found, tolerance):
            return Outcome.ON_TIME
        return Outcome.EARLY if true is not None and found < true else Outcome.FALSE
    if table.fouled.any():
        # A blend behind a fouled window owes no end-point, but the operator must hear of the window.
        return Outcome.NONE_DUE if fault_seen else Outcome.FAULT_UNSEEN
    return Outcome.NONE_DUE if true is None else Outcome.MISSED
