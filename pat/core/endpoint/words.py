"""The words of the end-point: what a reading is worth, what is known of a batch, and what each verdict answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What a single reading is worth."""

    OK = "OK"
    WARM_UP = "WARM_UP"
    NOT_FINITE = "NOT_FINITE"
    WRONG_LENGTH = "WRONG_LENGTH"
    FROZEN = "FROZEN"
    SATURATED = "SATURATED"
    OUT_OF_ORDER = "OUT_OF_ORDER"
    DUPLICATE = "DUPLICATE"
    EMPTY = "EMPTY"
    OUT_OF_SCOPE = "OUT_OF_SCOPE"
    FOULED = "FOULED"
    AXIS_SHIFT = "AXIS_SHIFT"
    LAMP_DRIFT = "LAMP_DRIFT"


class State(StrEnum):
    """What is known of the batch."""

    LOADED = "LOADED"
    MIXING = "MIXING"
    STEADY = "STEADY"
    UNIFORM = "UNIFORM"
    HOLD = "HOLD"
    CONFIRM = "CONFIRM"
    DISCHARGE = "DISCHARGE"
    DONE = "DONE"
    OVERMIXED = "OVERMIXED"
    OUT_OF_SCOPE = "OUT_OF_SCOPE"
    SENSOR_FAULT = "SENSOR_FAULT"
    TIMEOUT = "TIMEOUT"


class Phase(StrEnum):
    """What the line does with the batch; told by whoever runs it, never guessed from spectra."""

    MIXING = "MIXING"
    STOPPED = "STOPPED"
    DISCHARGING = "DISCHARGING"
    DONE = "DONE"


class Cause(StrEnum):
    """Why a state began: the part of the rule that said so, or an act of the line."""

    FIRST_READING = "FIRST_READING"
    STEADY = "STEADY"
    OPEN_VERDICTS = "OPEN_VERDICTS"
    ALL_VERDICTS = "ALL_VERDICTS"
    BAD_READING = "BAD_READING"
    MISSING_REVOLUTIONS = "MISSING_REVOLUTIONS"
    WIDER_SPREAD = "WIDER_SPREAD"
    WIDER_BLOCK = "WIDER_BLOCK"
    OUTLYING_READING = "OUTLYING_READING"
    MEAN_DRIFT = "MEAN_DRIFT"
    APART_AFTER_STOP = "APART_AFTER_STOP"
    BAD_READINGS = "BAD_READINGS"
    EMPTY_WINDOW = "EMPTY_WINDOW"
    FOULED_WINDOW = "FOULED_WINDOW"
    AXIS_SHIFT = "AXIS_SHIFT"
    LAMP_DRIFT = "LAMP_DRIFT"
    UNLIKE_BEFORE = "UNLIKE_BEFORE"
    AT_REST = "AT_REST"
    UNKNOWN_SPECTRA = "UNKNOWN_SPECTRA"
    MOST_REVOLUTIONS = "MOST_REVOLUTIONS"
    STOPPED = "STOPPED"
    CONFIRMED = "CONFIRMED"
    MIXED_ON = "MIXED_ON"
    DISCHARGED = "DISCHARGED"
    CLOSED = "CLOSED"


class Verdict(StrEnum):
    """Answer to one question about the blend."""

    PASS = "PASS"
    FAIL = "FAIL"
    NO_DECISION = "NO_DECISION"


GOOD = frozenset({Status.OK, Status.WARM_UP})

NO_ORDER = frozenset({Status.OUT_OF_ORDER, Status.DUPLICATE})
"""Readings whose revolution is not a later one: it is not taken as the last."""

SENSOR_CAUSES = {
    Status.EMPTY: Cause.EMPTY_WINDOW,
    Status.FOULED: Cause.FOULED_WINDOW,
    Status.AXIS_SHIFT: Cause.AXIS_SHIFT,
    Status.LAMP_DRIFT: Cause.LAMP_DRIFT,
}
"""What readings in a row say that is wrong with the sensor, where they say more than that they are bad."""

_SENSOR_FAULTS = {
    Status.EMPTY: "hardly any powder before the window",
    Status.FOULED: "the mean spectrum drifts away from what the method knows, as behind a film on the window",
    Status.AXIS_SHIFT: "the wavelength axis has shifted",
    Status.LAMP_DRIFT: "level or contrast of the raw spectra has drifted since the first block, as with a failing lamp",
}


@dataclass(frozen=True)
class Verdicts:
    """One answer for each question; a blend is uniform when all of them are PASS.

    Attributes
    ----------
    steady : Verdict
        Adjoining blocks have the same spectral variance (moving F, upper bound).
    homogeneous : Verdict
        The evidence for a spread well below the limit has reached the threshold, and the last block's upper bound
        lies below the limit.
    pocket_free : Verdict
        No reading lay where a pocket would, far from the others or near, in as many revolutions as the smallest
        registered pocket asks for.
    on_target : Verdict
        The mean is as near the target as the method allows.
    spectral : Verdict
        MBSD is not above that of accepted batches.
    in_scope : Verdict
        A whole block of spectra lies inside the limits of T2 and Q, with contents in the validated range.
    moving : Verdict
        Powder passes the sensor: raw and treated spectra and predictions vary at least as much as in the quietest block
        of accepted batches, and do not come back to where they were.
    """

    steady: Verdict = Verdict.NO_DECISION
    homogeneous: Verdict = Verdict.NO_DECISION
    pocket_free: Verdict = Verdict.NO_DECISION
    on_target: Verdict = Verdict.NO_DECISION
    spectral: Verdict = Verdict.NO_DECISION
    in_scope: Verdict = Verdict.NO_DECISION
    moving: Verdict = Verdict.NO_DECISION

    def all_pass(self) -> bool:
        """Whether every verdict is PASS."""
        return tuple(vars(self).values()) == _ALL_PASS

    def open_questions(self) -> list[str]:
        """Verdicts that are not PASS, in words for people."""
        return [IN_WORDS[name] for name, verdict in vars(self).items() if verdict is not Verdict.PASS]


_ALL_PASS = (Verdict.PASS,) * 7

IN_WORDS = {
    "steady": "steady",
    "homogeneous": "homogeneous",
    "pocket_free": "free of pockets",
    "on_target": "on target",
    "spectral": "spectrally quiet",
    "in_scope": "in scope",
    "moving": "moving",
}
"""What each verdict says of a blend that passes it, in words for people."""


def in_words(code: str) -> str:
    """Return a status, a state or any other code in words."""
    return code.lower().replace("_", " ")


def fault_in_words(status: Status) -> str:
    """Return what is wrong where readings of a status come in a row."""
    return _SENSOR_FAULTS.get(status, f"readings {in_words(status)}")
