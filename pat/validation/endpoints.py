"""End-point verdicts: what the rule said over a whole run, against what the blend really was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    EARLY = "too_early"
    """Declared of a blend that became uniform more than the tolerance later."""
    FALSE = "was_not_uniform"
    """Declared of a blend that never became uniform, no longer was, or could not be seen."""
    MISSED = "missed"
    """Not declared of a blend that became uniform."""
    NONE_DUE = "rightly_not_declared"
    """Rightly not declared."""

    @property
    def words(self) -> str:
        """The outcome in words for people."""
        return self.value.replace("_", " ")


@dataclass(frozen=True)
class EndpointCase:
    """One blend, judged over its whole run.

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
        Readings in state UNIFORM of a blend that was not, or that could not be seen; the time that a rule takes
        to notice de-mixing shows here.
    uniform_too_long : bool
        Whether these are more than the tolerance.
    fault_seen : bool or None
        Whether the state was SENSOR_FAULT at some time behind every film that stood for more than the tolerance;
        None where there was no such film.
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
    uniform_too_long: bool
    fault_seen: bool | None
    states: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """What became of the blend, in words for people."""
        more = ["called uniform for too long"] * self.uniform_too_long + ["fault not seen"] * (self.fault_seen is False)
        return "; ".join([self.outcome.words, *more])

    @property
    def right(self) -> bool:
        """Whether nothing speaks against the rule in the whole run."""
        in_time = self.outcome in (Outcome.ON_TIME, Outcome.NONE_DUE)
        return in_time and not self.uniform_too_long and self.fault_seen is not False

    def to_dict(self) -> dict[str, Any]:
        """Return the case as plain data."""
        return {**asdict(self), "outcome": self.outcome.value, "states": list(self.states)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> EndpointCase:
        """Return the case that `to_dict` wrote."""
        parts = {"outcome": Outcome(document["outcome"]), "states": tuple(document["states"])}
        return cls(**{**document, **parts})


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

    def films(self, last: int) -> list[tuple[int, int]]:
        """First and last revolution of each film on the window, up to the last revolution that was read."""
        read = self.revolution <= last
        fouled, turn = self.fouled[read].astype(np.int64), self.revolution[read]
        edges = np.diff(fouled, prepend=0, append=0)
        return list(zip(turn[edges[:-1] == 1].tolist(), turn[edges[1:] == -1].tolist(), strict=True))


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
        Revolutions before the truth that still count as on time, for which UNIFORM may stand while the blend is
        not, and for which a film may lie on the window unseen.

    Raises
    ------
    InputError
        If nothing was read, the truth is of no blend or of several, or it is not what `checked_truth` asks for.
    """
    said, names = list(readings), truth["batch"].unique()
    if len(names) != 1:
        raise InputError(f"the truth must be of one blend, got {len(names)}: {', '.join(map(str, names))}")
    if not said:
        raise InputError(f"batch {str(names[0])!r}: expected at least one reading to judge, got none")
    turns = [reading.revolution for reading in said]
    table = _truth(checked_truth(truth, str(names[0]), turns))
    true = table.first_uniform()
    found = next((reading.endpoint for reading in said if reading.endpoint is not None), None)
    wrong = sum(reading.state == State.UNIFORM and not table.holds(reading.revolution, 0) for reading in said)
    return EndpointCase(
        batch=str(names[0]),
        kind=kind,
        true_endpoint=true,
        found_endpoint=found,
        outcome=_outcome(table, true, found, tolerance, max(turns)),
        delay=None if true is None or found is None else found - true,
        uniform_while_not=wrong,
        uniform_too_long=wrong > tolerance,
        fault_seen=_fault_seen(said, table.films(max(turns)), tolerance),
        states=tuple(dict.fromkeys(State(reading.state).value for reading in said)),
    )


def checked_truth(truth: pd.DataFrame, batch: str, revolutions: Iterable[int]) -> pd.DataFrame:
    """Return the truth of one blend, by revolution in order, once it is one to judge by.

    Parameters
    ----------
    truth : DataFrame
        Columns `revolution`, `uniform` and `state` of this blend, in any order of rows.
    batch : str
        Its name, for messages.
    revolutions : iterable of int
        Revolutions that were read.

    Raises
    ------
    InputError
        If a column is missing, a revolution is not a whole number or stands there twice, `uniform` is not 0 or 1,
        `state` is empty, or a revolution that was read has no truth.
    """
    where = f"truth of batch {batch!r}"
    if lacking := [name for name in ("revolution", "uniform", "state") if name not in truth]:
        raise InputError(f"{where}: expected the column `{lacking[0]}`, got {', '.join(map(str, truth.columns))}")
    turn = pd.to_numeric(truth["revolution"], errors="coerce").to_numpy(dtype=np.float64)
    if (wrong := np.flatnonzero(~(np.isfinite(turn) & (turn == np.round(turn))))).size:
        raise InputError(f"{where}: expected a whole revolution in every row, got {truth['revolution'].iloc[wrong[0]]}")
    table = truth.assign(revolution=turn.astype(np.int64)).sort_values("revolution", kind="stable")
    number = table["revolution"].to_numpy()
    _require(np.diff(number, prepend=number[:1] - 1) > 0, number, f"{where}: expected each revolution once, got twice")
    flags = pd.to_numeric(table["uniform"], errors="coerce").isin([0, 1]).to_numpy()
    _require(flags, number, f"{where}: expected `uniform` to be 0 or 1, got something else at revolution")
    states = (table["state"].notna() & (table["state"].astype(str).str.strip() != "")).to_numpy()
    _require(states, number, f"{where}: expected a `state` everywhere, got none at revolution")
    read = np.unique(np.fromiter(revolutions, dtype=np.int64))
    _require(np.isin(read, number), read, f"{where}: expected every revolution that was read, got none of")
    return table


def _require(good: BoolArray, revolution: IntArray, message: str) -> None:
    """Raise with the revolutions (n,), as ranges, at which something is not good (n,)."""
    bad = revolution[~good]
    if bad.size:
        runs = np.split(bad, np.flatnonzero(np.diff(bad) > 1) + 1)
        names = [str(run[0]) if run.size == 1 else f"{run[0]} to {run[-1]}" for run in runs]
        raise InputError(f"{message} {', '.join(names[:5])}" + (f" and {len(names) - 5} more" * (len(names) > 5)))


def _truth(table: pd.DataFrame) -> _Truth:
    return _Truth(
        revolution=table["revolution"].to_numpy(dtype=np.int64),
        uniform=pd.to_numeric(table["uniform"]).to_numpy(dtype=np.float64) > 0.5,
        fouled=np.asarray(table["state"].astype(str).str.strip().str.lower() == FOULED, dtype=np.bool_),
    )


def _outcome(table: _Truth, true: int | None, found: int | None, tolerance: int, last: int) -> Outcome:
    if found is not None:
        if table.holds(found, tolerance):
            return Outcome.ON_TIME
        return Outcome.EARLY if true is not None and found < true else Outcome.FALSE
    if true is None or true > last:
        return Outcome.NONE_DUE
    # The sensor cannot know of powder behind a film; whether the film was noticed is judged by itself.
    return Outcome.NONE_DUE if table.fouled[table.revolution >= true].any() else Outcome.MISSED


def _fault_seen(said: Sequence[EndpointReading], films: list[tuple[int, int]], tolerance: int) -> bool | None:
    faults = [reading.revolution for reading in said if reading.state == State.SENSOR_FAULT]
    owed = [(first, last) for first, last in films if last - first + 1 > tolerance]
    return all(any(first <= fault <= last for fault in faults) for first, last in owed) if owed else None
