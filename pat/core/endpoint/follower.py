"""One batch from loading to discharge: what the line does with it, its state, and a record of every change of state."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from pat.core.blocks import BlockStatistics
from pat.core.endpoint.decision import Decision, Finding, Transition
from pat.core.endpoint.health import NO_DRIFT, Drift
from pat.core.endpoint.mixing import Mixing
from pat.core.endpoint.words import (
    GOOD,
    SENSOR_CAUSES,
    Cause,
    Phase,
    State,
    Status,
    Verdict,
    Verdicts,
    fault_in_words,
    in_words,
)
from pat.core.evidence import Gathered, Rule
from pat.core.plain import finite_or_none
from pat.errors import Refusal


def _in_scope(status: Status) -> Verdict:
    if status in GOOD:
        return Verdict.PASS
    return Verdict.FAIL if status is Status.OUT_OF_SCOPE else Verdict.NO_DECISION


class Endpoint:
    """Follows one batch, reading by reading, and decides its state.

    Parameters
    ----------
    rule : Rule
        Constants of the rule.

    Notes
    -----
    While the blender turns, the readings decide (`pat.core.endpoint.mixing`). The line says when it stops the blender
    (`stop`: HOLD, and CONFIRM as soon as `confirm_run` good readings in a row lie with the blend), starts it again
    (`mix_on`), empties it (`discharge`) and ends the batch (`close`). A blend that was not uniform when it was stopped,
    or that has a reading apart from it after the stop, is never confirmed.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule, self._mixing = rule, Mixing(rule)
        self._phase, self._state = Phase.MIXING, State.LOADED
        self._stopped_uniform = self._apart = False
        self._confirming = 0  # good readings in a row since the stop, none of them apart from the blend
        self._bad_run = 0  # bad readings in a row since the stop
        self._observed = self._number = 0
        # A batch changes its state a few times; one that flickers for ever shall not fill the memory.
        self._transitions: deque[Transition] = deque(maxlen=rule.max_revolutions)

    @property
    def phase(self) -> Phase:
        """What the line does with the batch."""
        return self._phase

    @property
    def state(self) -> State:
        """State as of the last reading or act."""
        return self._state

    @property
    def last_revolution(self) -> int | None:
        """Revolution of the last reading that was in order."""
        return self._mixing.last_revolution

    @property
    def confirmed(self) -> bool:
        """Whether the readings after the stop have confirmed a blend that was uniform when it was stopped."""
        return self._stopped_uniform and not self._apart and self._confirming >= self._rule.confirm_run

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """Changes of state, oldest first; the last `max_revolutions` of them where there were more."""
        return tuple(self._transitions)

    @property
    def gathered(self) -> Gathered:
        """What has been gathered of the blend since the evidence last began."""
        return self._mixing.gathered

    def observe(
        self,
        status: Status,
        revolution: int,
        value: float,
        q_in: bool,
        block: BlockStatistics,
        rsd_upper: float,
        drift: Drift = NO_DRIFT,
    ) -> Decision:
        """Take one reading into account.

        Parameters
        ----------
        status : Status
            What the reading is worth.
        revolution : int
            Its revolution; ignored where the status is OUT_OF_ORDER or DUPLICATE, and while the blender is stopped.
        value : float
            Predicted content (analyte units).
        q_in : bool
            Whether the spectrum lies inside the limit of Q.
        block : BlockStatistics
            Of the block that ends at this reading.
        rsd_upper : float
            Upper bound of the blend's RSD (%) over that block; NaN where there are not enough spectra.
        drift : Drift
            How far the running means of the batch are from where they should be; for the record, the status judges.
        """
        self._observed += 1
        if self._phase is Phase.MIXING:
            found = self._mixing.observe(status, revolution, value, q_in, block, rsd_upper, drift)
            return self._decision(found, self._mixing.verdicts)
        return self._decision(self._after_stop(status, value), Verdicts(in_scope=_in_scope(status)))

    def _after_stop(self, status: Status, value: float) -> Finding:
        good = status in GOOD and math.isfinite(value)
        self._bad_run = 0 if good else self._bad_run + 1
        if self._phase is Phase.DONE:
            return Finding(State.DONE, Cause.CLOSED, "the batch is closed")
        if self._phase is Phase.STOPPED:
            self._apart = self._apart or (good and self._mixing.apart(value))
            # What has been confirmed stays so: a bad reading more says nothing against it.
            self._confirming = self._confirming + 1 if good or self.confirmed else 0
        if self._bad_run >= self._rule.fault_run:
            state = State.OUT_OF_SCOPE if status is Status.OUT_OF_SCOPE else State.SENSOR_FAULT
            cause = SENSOR_CAUSES.get(status, Cause.BAD_READINGS)
            return Finding(state, cause, fault_in_words(status), self._bad_run)
        if self._phase is Phase.DISCHARGING:
            return Finding(State.DISCHARGE, Cause.DISCHARGED, "the blender is being emptied")
        return self._standing()

    def _standing(self) -> Finding:
        """Return what is known of a blend while the blender stands."""
        if not self._stopped_uniform:
            return Finding(State.HOLD, Cause.STOPPED, "stopped while it was not uniform: it must be mixed on")
        if self._apart:
            reason = "a reading after the stop lies apart from the blend"
            return Finding(State.OVERMIXED, Cause.APART_AFTER_STOP, reason)
        least = self._rule.confirm_run
        if self._confirming >= least:
            return Finding(State.CONFIRM, Cause.CONFIRMED, "confirmed after the stop", self._confirming)
        return Finding(State.HOLD, Cause.STOPPED, f"{self._confirming} of {least} good readings after the stop")

    def stop(self) -> Transition | None:
        """Take note that the blender stands.

        Raises
        ------
        Refusal
            If it was not turning.
        """
        self._require("stop", Phase.MIXING)
        self._phase, self._confirming, self._bad_run, self._apart = Phase.STOPPED, 0, 0, False
        self._stopped_uniform = self._mixing.uniform
        return self._changed(self._standing(), {})

    def mix_on(self) -> Transition | None:
        """Take note that the blender turns again: the evidence starts anew.

        Raises
        ------
        Refusal
            If it did not stand.
        """
        self._require("mix on", Phase.STOPPED)
        self._phase = Phase.MIXING
        self._mixing.restart()
        return self._changed(Finding(State.MIXING, Cause.MIXED_ON, "mixed on: the evidence starts again"), {})

    def discharge(self) -> Transition | None:
        """Take note that the blender is being emptied.

        Raises
        ------
        Refusal
            If the blend has not been confirmed after the stop.
        """
        self._require("discharge", Phase.STOPPED)
        if not self.confirmed:
            raise Refusal(f"the blend must be confirmed before it is discharged, got {self._standing().reason}")
        self._phase = Phase.DISCHARGING
        return self._changed(Finding(State.DISCHARGE, Cause.DISCHARGED, "the blender is being emptied"), {})

    def close(self, reason: str = "") -> Transition | None:
        """End the batch.

        Parameters
        ----------
        reason : str
            Why it is ended before it was discharged.

        Raises
        ------
        Refusal
            If it is closed already, or ended before its discharge without a reason.
        """
        if self._phase is Phase.DONE or (self._phase is not Phase.DISCHARGING and not reason.strip()):
            self._require("close without a reason", Phase.DISCHARGING)
        self._phase = Phase.DONE
        return self._changed(Finding(State.DONE, Cause.CLOSED, reason or "discharged"), {})

    def _require(self, act: str, phase: Phase) -> None:
        if self._phase is not phase:
            raise Refusal(f"to {act}, the batch must be {in_words(phase)}, got {in_words(self._phase)}")

    def _decision(self, found: Finding, verdicts: Verdicts) -> Decision:
        changed = self._changed(found, None)
        mixing = self._mixing
        return Decision(
            state=found.state,
            verdicts=verdicts,
            evidence=mixing.evidence,
            endpoint=mixing.endpoint,
            reason=found.reason,
            transition=changed,
            missing=mixing.missing,
            duplicates=mixing.duplicates,
        )

    def _changed(self, found: Finding, numbers: dict[str, float] | None) -> Transition | None:
        """Record a change of state, if there is one; an act of the line compares no numbers."""
        before, self._state = self._state, found.state
        if found.state is before:
            return None
        self._number += 1
        compared = self._mixing.compared() if numbers is None and self._phase is Phase.MIXING else numbers or {}
        transition = Transition(
            number=self._number,
            revolution=self.last_revolution,
            before=before,
            after=found.state,
            cause=Cause.FIRST_READING if before is State.LOADED and found.state is State.MIXING else found.cause,
            reason=found.reason,
            first_reading=max(1, self._observed - found.readings + 1) if self._observed else 0,
            last_reading=self._observed,
            numbers={name: finite_or_none(float(n)) for name, n in compared.items()},
        )
        self._transitions.append(transition)
        return transition

    def snapshot(self) -> dict[str, Any]:
        """Return all that was gathered as plain JSON values."""
        return {
            "phase": self._phase.value,
            "state": self._state.value,
            "stopped_uniform": self._stopped_uniform,
            "apart": self._apart,
            "confirming": self._confirming,
            "bad_run": self._bad_run,
            "observed": self._observed,
            "number": self._number,
            "transitions": [transition.to_dict() for transition in self._transitions],
            "mixing": self._mixing.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Carry on from a snapshot.

        Raises
        ------
        KeyError, ValueError, TypeError
            If something is missing from it, or is not what `snapshot` wrote.
        """
        self._phase, self._state = Phase(state["phase"]), State(state["state"])
        self._stopped_uniform, self._apart = state["stopped_uniform"], state["apart"]
        self._confirming, self._bad_run = state["confirming"], state["bad_run"]
        self._observed, self._number = state["observed"], state["number"]
        self._transitions.clear()
        self._transitions.extend(Transition.from_dict(document) for document in state["transitions"])
        self._mixing.restore(state["mixing"])
