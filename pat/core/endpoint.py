"""The end-point: when a blend counts as uniform, and when it no longer does. One place decides.

No single statistic does. A blend is uniform when it is *steady* (moving F), *homogeneous* (a likelihood-ratio
CUSUM of the predictions), *free of pockets*, *on target* (mean), spectrally as quiet as accepted batches
(*spectral*, MBSD), *in scope* (T2, Q) and *moving*: a sensor that sees powder at rest, or repeats itself, is quieter
than any blend. Each has its own verdict. What cannot be judged is NO_DECISION, and any reading that is not a good one
starts the evidence again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from pat.core.blocks import BlockStatistics, Ring
from pat.core.evidence import Rule, homogeneity_cusum, standardised, watch_cusum


class Status(StrEnum):
    """What a single reading is worth."""

    OK = "OK"
    WARM_UP = "WARM_UP"
    NOT_FINITE = "NOT_FINITE"
    WRONG_LENGTH = "WRONG_LENGTH"
    FROZEN = "FROZEN"
    SATURATED = "SATURATED"
    OUT_OF_ORDER = "OUT_OF_ORDER"
    OUT_OF_SCOPE = "OUT_OF_SCOPE"


class State(StrEnum):
    """What is known of the batch."""

    LOADED = "LOADED"
    MIXING = "MIXING"
    STEADY = "STEADY"
    UNIFORM = "UNIFORM"
    OVERMIXED = "OVERMIXED"
    OUT_OF_SCOPE = "OUT_OF_SCOPE"
    SENSOR_FAULT = "SENSOR_FAULT"
    TIMEOUT = "TIMEOUT"


class Verdict(StrEnum):
    """Answer to one question about the blend."""

    PASS = "PASS"
    FAIL = "FAIL"
    NO_DECISION = "NO_DECISION"


GOOD = frozenset({Status.OK, Status.WARM_UP})


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
        return all(verdict is Verdict.PASS for verdict in vars(self).values())

    def open_questions(self) -> list[str]:
        """Verdicts that are not PASS, in words for people."""
        return [IN_WORDS[name] for name, verdict in vars(self).items() if verdict is not Verdict.PASS]


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


@dataclass(frozen=True)
class Decision:
    """What is decided after a reading.

    Attributes
    ----------
    state : State
    verdicts : Verdicts
    evidence : float
        Share (0 to 1) of the evidence for homogeneity that has been gathered.
    endpoint : int or None
        Revolution at which the blend was first declared uniform.
    reason : str
        Why the state is what it is, in a few words for the operator.
    """

    state: State
    verdicts: Verdicts
    evidence: float
    endpoint: int | None
    reason: str


def _verdict(passed: bool) -> Verdict:
    return Verdict.PASS if passed else Verdict.FAIL


class Endpoint:
    """Follows one batch, reading by reading, and decides its state.

    Parameters
    ----------
    rule : Rule
        Constants of the rule.
    """

    # Everything that a snapshot must carry; all of it plain numbers, flags and short lists.
    _FIELDS = (
        "_last", "_run", "_judged", "_clean", "_quiet", "_cusum", "_watch", "_held", "_endpoint", "_alarm", "_fault",
        "_sensor_run", "_foreign_run", "_scope_run", "_still_run", "_known_run", "_known",
    )  # fmt: skip

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._evidence, self._watcher = homogeneity_cusum(rule), watch_cusum(rule)
        self._values = Ring(max(rule.centre_size, rule.pocket_window, rule.block_size), 1)
        self._last: int | None = None
        self._run = 0  # good readings in a row, without a missing revolution
        self._judged = 0  # of these, how many could be compared with enough preceding ones
        self._clean = 0  # of these, how many in a row were not outlying
        self._quiet = 0  # and how many lay near enough to be no pocket of a blend at the limit
        self._cusum = np.zeros(len(rule.ratios))
        self._watch = np.zeros(1)
        self._held = False  # declared uniform, and uninterrupted since
        self._endpoint: int | None = None
        self._alarm = ""  # why the blend, once uniform, no longer is
        self._fault = ""  # the state that a run of bad readings has made
        self._sensor_run = self._foreign_run = self._scope_run = self._still_run = self._known_run = 0
        self._known = False  # spectra of this batch have been recognised by Q

    @property
    def last_revolution(self) -> int | None:
        """Revolution of the last reading that was in order."""
        return self._last

    def observe(
        self, status: Status, revolution: int, value: float, q_in: bool, block: BlockStatistics, rsd_upper: float
    ) -> Decision:
        """Take one reading into account.

        Parameters
        ----------
        status : Status
            What the reading is worth.
        revolution : int
            Its revolution; ignored where the status is OUT_OF_ORDER.
        value : float
            Predicted content (analyte units).
        q_in : bool
            Whether the spectrum lies inside the limit of Q.
        block : BlockStatistics
            Of the block that ends at this reading.
        rsd_upper : float
            Upper bound of the blend's RSD (%) over that block; NaN where there are not enough spectra.
        """
        good = status in GOOD and bool(np.isfinite(value))
        missing = self._last is not None and revolution > self._last + 1
        if not good or missing:
            self._restart()
        if status is not Status.OUT_OF_ORDER:
            self._last = revolution
        if good:
            self._gather(value)
        verdicts, moving = self._judge(block, rsd_upper) if good else self._judge_bad(status), self._moving(block)
        self._count_faults(status, q_in, moving)
        self._declare(verdicts, revolution)
        if moving is Verdict.FAIL:
            self._forget()
        state, reason = self._state(status, verdicts, missing)
        return Decision(state, verdicts, self._share(), self._endpoint, reason)

    def _restart(self) -> None:
        self._forget()
        self._run = 0
        self._held = False

    def _forget(self) -> None:
        """Begin the evidence again: readings of powder at rest say nothing of the blend."""
        self._judged = self._clean = self._quiet = 0
        self._cusum, self._watch = np.zeros_like(self._cusum), np.zeros_like(self._watch)

    def _gather(self, value: float) -> None:
        rule = self._rule
        self._run += 1
        if len(self._values) >= rule.centre_size:
            centre = self._values.last(rule.centre_size).mean()
            z = standardised(rule, np.asarray(value), np.asarray(centre))
            self._judged += 1
            self._clean = self._clean + 1 if abs(z) <= rule.pocket_sd else 0
            self._quiet = self._quiet + 1 if abs(z) <= rule.quiet_sd else 0
            self._cusum = self._evidence.step(self._cusum, z)
            if self._held:
                self._watch = self._watcher.step(self._watch, z)
        self._values.push(value)

    def _count_faults(self, status: Status, q_in: bool, moving: Verdict) -> None:
        """Make single bad readings in a row a fault, and a block of good ones its end.

        A spectrum that Q does not recognise is foreign powder where Q never recognised this batch, and a fouled
        window or a failing instrument where it did before. Powder that has been at rest for a block is a fault until
        it moves again.
        """
        rule = self._rule
        outside = status is Status.OUT_OF_SCOPE
        foreign = outside and not q_in
        self._known_run = self._known_run + 1 if q_in else 0
        self._known = self._known or self._known_run >= rule.fault_run
        self._scope_run = self._scope_run + 1 if outside else 0
        self._foreign_run = self._foreign_run + 1 if foreign and not self._known else 0
        broken = status not in GOOD and (not outside or (foreign and self._known))
        self._sensor_run = self._sensor_run + 1 if broken else 0
        if moving is not Verdict.NO_DECISION:
            self._still_run = 0 if moving is Verdict.PASS else self._still_run + 1
        if self._sensor_run >= rule.fault_run or self._at_rest():
            self._fault = State.SENSOR_FAULT.value
        elif self._foreign_run >= rule.fault_run or self._scope_run >= rule.block_size:
            self._fault = self._fault or State.OUT_OF_SCOPE.value
        elif self._run >= rule.block_size:
            self._fault = ""

    def _at_rest(self) -> bool:
        return self._still_run >= self._rule.block_size

    def _judge_bad(self, status: Status) -> Verdicts:
        return Verdicts(in_scope=Verdict.FAIL) if status is Status.OUT_OF_SCOPE else Verdicts()

    def _judge(self, block: BlockStatistics, rsd_upper: float) -> Verdicts:
        rule, n = self._rule, self._rule.block_size
        if self._run < n:
            return Verdicts()
        steady = Verdict.NO_DECISION
        if self._run >= 2 * n and block.moving_f > 0.0:
            steady = _verdict(max(block.moving_f, 1.0 / block.moving_f) * rule.f_quantile <= rule.steady_ratio)
        return Verdicts(
            steady=steady,
            homogeneous=self._homogeneous(rsd_upper),
            pocket_free=self._pocket_free(),
            on_target=_verdict(abs(self._deviation()) <= rule.max_mean_deviation),
            spectral=Verdict.NO_DECISION if np.isnan(block.mbsd) else _verdict(block.mbsd <= rule.mbsd_limit),
            in_scope=Verdict.PASS,
            moving=self._moving(block),
        )

    def _pocket_free(self) -> Verdict:
        """Whether no reading lay where a pocket would, far or near, for as long as each of the two guards asks."""
        free = self._clean >= self._rule.pocket_window and self._quiet >= self._rule.quiet_window
        return _verdict(free) if free or self._quiet < self._judged else Verdict.NO_DECISION

    def _moving(self, block: BlockStatistics) -> Verdict:
        """Whether powder passes the sensor; one number below its least is enough to say that it does not."""
        rule = self._rule
        found = np.array([block.level_step, block.contrast_step, block.novelty, block.mbsd, block.sd])
        least = (rule.least_level_step, rule.least_contrast_step, rule.least_novelty, rule.least_mbsd, rule.least_sd)
        if (found < least).any():
            return Verdict.FAIL
        return Verdict.NO_DECISION if np.isnan(found).any() else Verdict.PASS

    def _homogeneous(self, rsd_upper: float) -> Verdict:
        """Whether the evidence suffices, and neither the last block nor the watch speaks against it.

        The evidence is of the whole run, and the spread may have grown since; the blend is not called homogeneous
        while the upper bound of its RSD lies above the limit, or the watch is half way to its alarm.
        """
        if not self._judged or np.isnan(rsd_upper):
            return Verdict.NO_DECISION
        rule = self._rule
        quiet = rsd_upper <= rule.max_rsd and self._watch[0] < rule.watch_threshold / 2.0
        return _verdict(bool(quiet and self._cusum.max() >= rule.threshold))

    def _deviation(self) -> float:
        """Deviation (% of target) of the mean of this run's readings, the last `pocket_window` at the most."""
        mean = self._values.last(min(self._run, self._rule.pocket_window, len(self._values))).mean()
        return 100.0 * (float(mean) / self._rule.target - 1.0)

    def _declare(self, verdicts: Verdicts, revolution: int) -> None:
        rule = self._rule
        if self._held:
            self._alarm = self._alarm or self._segregation(verdicts)
            self._held = not self._alarm
        elif not self._alarm and not self._fault and verdicts.all_pass():
            self._held = rule.min_revolutions <= revolution <= rule.max_revolutions
            if self._held and self._endpoint is None:
                self._endpoint = revolution

    def _segregation(self, verdicts: Verdicts) -> str:
        if self._watch[0] >= self._rule.watch_threshold:
            return "since the end-point the spread is wider than that of accepted batches"
        if self._clean == 0:
            return "an outlying reading after the end-point"
        if verdicts.on_target is Verdict.FAIL:
            return "the mean has left its range since the end-point"
        return ""

    def _state(self, status: Status, verdicts: Verdicts, missing: bool) -> tuple[State, str]:
        if self._fault:
            return State(self._fault), self._fault_reason(status)
        if self._alarm:
            return State.OVERMIXED, self._alarm
        if self._last is not None and self._last > self._rule.max_revolutions:
            return State.TIMEOUT, f"no more than {self._rule.max_revolutions} revolutions are registered"
        if self._held and verdicts.all_pass():
            return State.UNIFORM, "every verdict passed"
        if status not in GOOD:
            return State.MIXING, f"reading {in_words(status)}: the evidence starts again"
        if missing:
            return State.MIXING, "missing revolutions: the evidence starts again"
        state = State.STEADY if verdicts.steady is Verdict.PASS else State.MIXING
        questions = ", ".join(verdicts.open_questions())
        if self._held:
            return state, f"once uniform, now open: {questions}"
        return state, f"waiting until it is {questions}" if questions else "waiting for the least revolutions"

    def _fault_reason(self, status: Status) -> str:
        if self._at_rest() and self._sensor_run < self._rule.fault_run:
            return "the powder does not move past the window, or the sensor repeats itself"
        if status in GOOD:
            return "waiting for a block of good readings"
        if self._fault == State.OUT_OF_SCOPE:
            return "spectra outside what the method knows"
        return "spectra unlike those before" if status is Status.OUT_OF_SCOPE else f"readings {in_words(status)}"

    def _share(self) -> float:
        gathered = min(
            float(self._cusum.max()) / self._rule.threshold,
            self._clean / self._rule.pocket_window,
            self._quiet / self._rule.quiet_window,
        )
        return min(1.0, gathered)

    def snapshot(self) -> dict[str, Any]:
        """Return all that was gathered as plain JSON values."""
        state = {name.lstrip("_"): getattr(self, name) for name in self._FIELDS}
        state["cusum"], state["watch"] = self._cusum.tolist(), self._watch.tolist()
        state["values"] = [row[0] for row in self._values.to_list()]
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Carry on from a snapshot.

        Raises
        ------
        KeyError
            If something is missing from it.
        """
        for name in self._FIELDS:
            setattr(self, name, state[name.lstrip("_")])
        self._cusum = np.array(state["cusum"], dtype=np.float64)
        self._watch = np.array(state["watch"], dtype=np.float64)
        self._values.refill(state["values"])
