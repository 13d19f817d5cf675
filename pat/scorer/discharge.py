"""One batch while it is emptied: every reading, the segregation alarm, and the series that the discharge leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pat.core.discharge import PseudoDoses, pseudo_doses
from pat.core.endpoint import Status, in_words
from pat.core.evidence import Rule
from pat.core.plain import finite_or_none, number_or_nan
from pat.core.segregation import Alarm, Before, mean_step, spread_cusum
from pat.core.types import Array
from pat.errors import InputError
from pat.scorer.predictor import Predictor, fingerprint, numbers
from pat.scorer.snapshots import require_whole, sealed

_SNAPSHOT_FORMAT = 2


@dataclass(frozen=True)
class DischargeReading:
    """What is known after one spectrum of a discharge.

    Attributes
    ----------
    batch : str
    index : int
        Number of this reading in the discharge, from 1, bad ones included.
    status : Status
        What this spectrum is worth: OK, or why it is no reading.
    value : float
        Predicted content (analyte units); NaN where there is none.
    dose : float
        Mean of the pseudo-dose that this reading completes (analyte units); NaN otherwise, or where a reading of it was
        not good.
    mean_sum, spread_sum : float
        Sums of the alarm; NaN without one, and while the start is gathered.
    segregated : bool
        Whether the alarm has been raised; it stays so.
    fault : bool
        Whether as many bad readings in a row have come as make a fault: nothing is known of what passes.
    reason : str
        Why, in a few words for the operator.
    artefact : str
        Content digest of the artefact that scored it.
    unreleased : bool
        The artefact has not been released: the reading is for exploration alone.
    """

    batch: str
    index: int
    status: Status
    value: float
    dose: float
    mean_sum: float
    spread_sum: float
    segregated: bool
    fault: bool
    reason: str
    artefact: str
    unreleased: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the reading as plain JSON values."""
        plain = {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in vars(self).items()}
        return plain | {"status": self.status.value}


class SegregationWatch:
    """Compares each reading of a discharge with all before it.

    Parameters
    ----------
    alarm : Alarm
        Constants, from `pat.homogeneity.segregation.make_alarm`.
    """

    def __init__(self, alarm: Alarm) -> None:
        self._alarm, self._cusum = alarm, spread_cusum(alarm)
        self._before = Before()
        self._sides, self._spread = np.zeros(2), np.zeros(1)
        self._reason = ""

    @property
    def reason(self) -> str:
        """Why the alarm was raised; empty while it was not."""
        return self._reason

    @property
    def sums(self) -> tuple[float, float]:
        """Sums of the mean and of the spread; NaN while the start is gathered."""
        if self._before.count <= self._alarm.reference:
            return math.nan, math.nan
        return float(self._sides.max()), float(self._spread[0])

    def take(self, value: float) -> None:
        """Take a good reading (analyte units) into account."""
        if self._before.count >= self._alarm.reference:
            # Far enough for any alarm; a snapshot has no infinity.
            z = np.clip(self._before.away(np.asarray(value)), -1e6, 1e6)
            self._sides, self._spread = mean_step(self._alarm, self._sides, z), self._cusum.step(self._spread, z)
            self._reason = self._reason or self._found()
        self._before.take(np.asarray(value))

    def _found(self) -> str:
        if self._sides.max() >= self._alarm.mean_threshold:
            side = "above" if self._sides[0] > self._sides[1] else "below"
            return f"the content has moved {side} what it was"
        if self._spread[0] >= self._alarm.spread_threshold:
            return "the spread is wider than it was"
        return ""

    def snapshot(self) -> dict[str, Any]:
        """Return all that was gathered as plain JSON values."""
        before = [self._before.count, float(self._before.mean), float(self._before.squares)]
        sums = {"sides": self._sides.tolist(), "spread": self._spread.tolist()}
        return {"before": before, "reason": self._reason} | sums

    def restore(self, state: dict[str, Any]) -> None:
        """Carry on from a snapshot."""
        self._before, self._reason = Before(*state["before"]), str(state["reason"])
        self._sides, self._spread = np.array(state["sides"]), np.array(state["spread"])


class Discharge:
    """One batch while it is emptied, past a sensor in the chute or the feed frame; made by `Scorer.start_discharge`.

    Notes
    -----
    All contents are kept for `values`. A spectrum that is not finite, of another length, out of scope, saturated or
    equal to the last one is no reading: it keeps its place in the series as NaN, and several in a row are a fault. A
    content out of range in a spectrum that the model knows (Q) is what segregation makes, and the alarm takes it.
    """

    def __init__(
        self,
        predictor: Predictor,
        rule: Rule,
        batch: str,
        *,
        artefact: str,
        dose: int | None,
        alarm: Alarm | None,
        unreleased: bool = True,
    ) -> None:
        if not isinstance(batch, str) or not batch:
            raise InputError(f"`batch` must be a name, got {batch!r}")
        self.batch, self._artefact, self._unreleased = batch, artefact, unreleased
        self._predictor, self._rule, self._dose, self._alarm = predictor, rule, dose, alarm
        self._watch = SegregationWatch(alarm) if alarm else None
        self._values: list[float] = []
        self._last, self._bad_run = "", 0

    @property
    def values(self) -> Array:
        """Contents so far (analyte units), NaN where a reading was not good; for `pat.discharge.summarise`."""
        return np.array(self._values, dtype=np.float64)

    def doses(self) -> PseudoDoses:
        """Return the pseudo-doses so far.

        Raises
        ------
        InputError
            If the method names no unit dose, or there are not two whole ones yet.
        """
        if self._dose is None:
            raise InputError("pseudo-doses need the mass of a unit dose, and the method names none")
        return pseudo_doses(self.values, self._dose, self._rule.repeatability, self._rule.slope)

    def update(self, absorbance: Any) -> DischargeReading:
        """Take the next spectrum (AU, shape (p,), on the native axis); never raises for what a sensor may send."""
        status, value, known = self._measure(absorbance)
        self._values.append(value if status is Status.OK else math.nan)
        self._bad_run = 0 if status is Status.OK else self._bad_run + 1
        if self._watch is not None and known:
            self._watch.take(value)
        sums = self._watch.sums if self._watch is not None else (math.nan, math.nan)
        return DischargeReading(
            batch=self.batch,
            index=len(self._values),
            status=status,
            value=value,
            dose=self._completed(),
            mean_sum=sums[0],
            spread_sum=sums[1],
            segregated=bool(self._watch and self._watch.reason),
            fault=self._bad_run >= self._rule.fault_run,
            reason=self._reason(status),
            artefact=self._artefact,
            unreleased=self._unreleased,
        )

    def _measure(self, absorbance: Any) -> tuple[Status, float, bool]:
        """Return what a spectrum is worth, its content, and whether the alarm takes that."""
        x = numbers(absorbance)
        if x is None:
            return Status.NOT_FINITE, math.nan, False
        if x.shape != self._predictor.wavelength.shape:
            return Status.WRONG_LENGTH, math.nan, False
        name = fingerprint(x)
        repeated, self._last = name == self._last, name
        if repeated:
            return Status.FROZEN, math.nan, False
        found = self._predictor.predict(x)
        value = float(found.value[0])
        if not math.isfinite(value):
            return Status.NOT_FINITE, math.nan, False
        known = bool(found.q_residuals[0] <= self._predictor.q_limit)
        return (Status.OK if found.in_scope[0] else Status.OUT_OF_SCOPE), value, known

    def _completed(self) -> float:
        if self._dose is None or len(self._values) % self._dose:
            return math.nan
        return float(np.mean(self._values[-self._dose :]))

    def _reason(self, status: Status) -> str:
        if self._bad_run >= self._rule.fault_run:
            return f"{self._bad_run} readings in a row are bad, the last one {in_words(status)}"
        if self._alarm is None or self._watch is None:
            return "no segregation alarm was chosen"
        if self._watch.reason:
            return self._watch.reason
        if len(self._values) > self._alarm.readings:
            return f"the alarm was made for {self._alarm.readings} readings at the most"
        gathering = math.isnan(self._watch.sums[0])
        return "gathering the start" if gathering else "as at the start"

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain JSON values (no NaN), for `Scorer.resume_discharge`."""
        state = {
            "format": _SNAPSHOT_FORMAT,
            "artefact": self._artefact,
            "unreleased": self._unreleased,
            "batch": self.batch,
            "dose": self._dose,
            "alarm": self._alarm.to_dict() if self._alarm else None,
            "last": self._last,
            "bad_run": self._bad_run,
            "values": [finite_or_none(value) for value in self._values],
            "watch": self._watch.snapshot() if self._watch else None,
        }
        return sealed(state)

    def restore(self, state: dict[str, Any]) -> None:
        """Carry on from a snapshot that `checked` has let through."""
        # What was explored before stays exploration, whoever carries on.
        self._unreleased = self._unreleased or bool(state["unreleased"])
        self._last, self._bad_run = state["last"], int(state["bad_run"])
        self._values = [number_or_nan(value) for value in state["values"]]
        if self._watch is not None:
            self._watch.restore(state["watch"])


def checked(state: Any, artefact: str) -> dict[str, Any]:
    """Return the snapshot of a discharge, if it is whole and of this artefact (its content digest).

    Raises
    ------
    InputError
        If it is incomplete, altered, or of another artefact.
    """
    require_whole(state, _SNAPSHOT_FORMAT, artefact, "discharge snapshot")
    return dict(state)
