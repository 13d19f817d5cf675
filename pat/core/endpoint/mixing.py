"""The blend while it is mixed: the evidence, the verdicts, and what they make of its state.

No single statistic decides. A blend is uniform when it is *steady* (moving F), *homogeneous* (a likelihood-ratio
CUSUM of the predictions), *free of pockets*, *on target* (mean), spectrally as quiet as accepted batches
(*spectral*, MBSD), *in scope* (T2, Q) and *moving*: a sensor that sees powder at rest, or repeats itself, is quieter
than any blend. Each has its own verdict. What cannot be judged is NO_DECISION, and any reading that is not a good one
starts the evidence again.
"""

from __future__ import annotations

import math
import operator
from types import MappingProxyType
from typing import Any

import numpy as np

from pat.core.blocks import BlockStatistics, Ring
from pat.core.endpoint.decision import Finding
from pat.core.endpoint.health import NO_DRIFT, Drift, drift_compared
from pat.core.endpoint.watch import Watch
from pat.core.endpoint.words import (
    GOOD,
    NO_ORDER,
    SENSOR_CAUSES,
    Cause,
    State,
    Status,
    Verdict,
    Verdicts,
    fault_in_words,
    in_words,
)
from pat.core.evidence import Gathered, Rule, clean_step, homogeneity_cusum, quiet_step, standardised

# What says that powder passes the sensor, in the order in which it is compared.
_MOVES = ("level_step", "contrast_step", "novelty", "mbsd", "sd")


def _verdict(passed: bool) -> Verdict:
    return Verdict.PASS if passed else Verdict.FAIL


class Mixing:
    """Follows a blend that is being mixed, reading by reading.

    Parameters
    ----------
    rule : Rule
        Constants of the rule.
    """

    # Why the blend, once uniform, no longer is.
    _ALARMS = MappingProxyType(
        {
            Cause.WIDER_SPREAD: "since the end-point the spread is wider than that of accepted batches",
            Cause.OUTLYING_READING: "an outlying reading after the end-point",
            Cause.WIDER_BLOCK: "since the end-point a block is wider than the quietest one allows",
            Cause.MEAN_DRIFT: "the mean has moved away since the end-point",
        }
    )
    # Everything that a snapshot must carry; all of it plain numbers, flags and short lists.
    _FIELDS = (
        "_last", "_run", "_judged", "_clean", "_quiet", "_cusum", "_held", "_endpoint", "_alarm", "_fault",
        "_missing", "_duplicates",
        "_sensor_run", "_foreign_run", "_scope_run", "_still_run", "_known_run", "_known", "_age",
    )  # fmt: skip

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._least = tuple(getattr(rule, f"least_{name}") for name in _MOVES)
        self._evidence = homogeneity_cusum(rule)
        self._values = Ring(max(rule.centre_size, rule.pocket_window, rule.block_size), 1)
        self._last: int | None = None
        self._run = 0  # good readings in a row, without a missing revolution
        self._judged = 0  # of these, how many could be compared with enough preceding ones
        self._clean = 0  # of these, how many in a row were not outlying
        self._quiet = 0  # and the count of those near enough to be no pocket of a blend at the limit
        self._cusum = [0.0] * len(rule.ratios)
        self._watch = Watch(rule)
        self._held = False  # declared uniform, and uninterrupted since
        self._endpoint: int | None = None
        self._alarm = ""  # the cause why the blend, once uniform, no longer is
        self._age = 0  # readings since the end-point was last declared
        self._fault = ""  # the state that a run of bad readings has made
        self._sensor_run = self._foreign_run = self._scope_run = self._still_run = self._known_run = 0
        self._known = False  # spectra of this batch have been recognised by Q
        self._verdicts = Verdicts()
        self._block, self._rsd_upper, self._drift = BlockStatistics(), math.nan, NO_DRIFT
        self._missing = self._duplicates = 0

    @property
    def missing(self) -> int:
        """Revolutions that were left out so far."""
        return self._missing

    @property
    def duplicates(self) -> int:
        """Readings of a revolution that had been read."""
        return self._duplicates

    @property
    def last_revolution(self) -> int | None:
        """Revolution of the last reading that was in order."""
        return self._last

    @property
    def endpoint(self) -> int | None:
        """Revolution at which the blend was first declared uniform."""
        return self._endpoint

    @property
    def verdicts(self) -> Verdicts:
        """What the last reading gave."""
        return self._verdicts

    @property
    def uniform(self) -> bool:
        """Whether the blend is uniform as of the last reading."""
        return self._held and not self._fault and self._verdicts.all_pass()

    @property
    def gathered(self) -> Gathered:
        """What has been gathered of the blend since the evidence last began."""
        return Gathered(np.array(self._cusum), self._clean, self._quiet, self._run)

    def apart(self, value: float) -> bool:
        """Whether a prediction lies where a pocket would, far from the last readings of the blend."""
        centre = self._mean_of(self._rule.centre_size)
        return abs(standardised(self._rule, value, centre)) > self._rule.pocket_sd

    def _mean_of(self, n: int) -> float:
        """Mean of the last `n` predictions, or of what there is of them."""
        last = self._values.tail(min(n, len(self._values)))[:, 0]
        return float(np.add.reduce(last) / last.size)

    def observe(
        self,
        status: Status,
        revolution: int,
        value: float,
        q_in: bool,
        block: BlockStatistics,
        rsd_upper: float,
        drift: Drift,
    ) -> Finding:
        """Take one reading into account; parameters as of `Endpoint.observe`."""
        good = status in GOOD and math.isfinite(value)
        missing = self._count_turns(status, revolution)
        if not good or missing:
            self.restart()
        if good:
            self._gather(value, block)
        moving = self._moving(block)
        verdicts = self._judge(block, rsd_upper, moving) if good else self._judge_bad(status)
        self._count_faults(status, q_in, moving)
        self._declare(verdicts, revolution)
        self._verdicts, self._block, self._rsd_upper, self._drift = verdicts, block, rsd_upper, drift
        if moving is Verdict.FAIL:
            self._forget()
        return self._found(status, verdicts, missing)

    def _count_turns(self, status: Status, revolution: int) -> int:
        """Return how many revolutions are missing before this reading."""
        self._duplicates += status is Status.DUPLICATE
        if status in NO_ORDER:
            return 0
        missing = 0 if self._last is None else revolution - self._last - 1
        self._missing += missing
        self._last = revolution
        return missing

    def restart(self) -> None:
        """Begin the evidence again: the run was interrupted."""
        self._forget()
        self._run = 0
        self._held = False

    def _forget(self) -> None:
        """Begin the evidence again: readings of powder at rest say nothing of the blend."""
        self._judged = self._clean = self._quiet = 0
        self._cusum = [0.0] * len(self._cusum)
        self._watch.forget()

    def _gather(self, value: float, block: BlockStatistics) -> None:
        rule = self._rule
        self._run += 1
        if len(self._values) >= rule.centre_size:
            z = standardised(rule, value, self._mean_of(rule.centre_size))
            size = abs(z)
            self._judged += 1
            # Once uniform, a long quiet run must not outweigh the first pockets of a blend that de-mixes.
            quiet = min(self._quiet, rule.quiet_window) if self._held else self._quiet
            self._clean = clean_step(rule, self._clean, size)
            self._quiet = quiet_step(rule, quiet, size)
            self._cusum = self._evidence.step_of_one(self._cusum, z)
            if self._held:
                self._watch.step(z, value)
            # Readings of powder at rest, or before an interruption, make no quiet block.
            if self._judged >= rule.block_size:
                self._watch.block(block.sd)
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

    def _judge(self, block: BlockStatistics, rsd_upper: float, moving: Verdict) -> Verdicts:
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
            spectral=Verdict.NO_DECISION if math.isnan(block.mbsd) else _verdict(block.mbsd <= rule.mbsd_limit),
            in_scope=Verdict.PASS,
            moving=moving,
        )

    def _pocket_free(self) -> Verdict:
        """Whether no reading lay where a pocket would, far or near, for as long as each of the two guards asks."""
        free = self._clean >= self._rule.pocket_window and self._quiet >= self._rule.quiet_window
        return _verdict(free) if free or self._quiet < self._judged else Verdict.NO_DECISION

    def _moving(self, block: BlockStatistics) -> Verdict:
        """Whether powder passes the sensor; one number below its least is enough to say that it does not."""
        found = block.level_step, block.contrast_step, block.novelty, block.mbsd, block.sd
        if any(map(operator.lt, found, self._least)):
            return Verdict.FAIL
        return Verdict.NO_DECISION if any(map(math.isnan, found)) else Verdict.PASS

    def _homogeneous(self, rsd_upper: float) -> Verdict:
        """Whether the evidence suffices, and neither the last block nor the watch speaks against it.

        The evidence is of the whole run, and the spread may have grown since; the blend is not called homogeneous
        while the upper bound of its RSD lies above the limit, or the watch is uneasy.
        """
        if not self._judged or math.isnan(rsd_upper):
            return Verdict.NO_DECISION
        rule = self._rule
        quiet = rsd_upper <= rule.max_rsd and not self._watch.uneasy
        return _verdict(bool(quiet and max(self._cusum) >= rule.threshold))

    def _deviation(self) -> float:
        """Deviation (% of target) of the mean of this run's readings, the last `pocket_window` at the most."""
        return 100.0 * (self._mean_of(min(self._run, self._rule.pocket_window)) / self._rule.target - 1.0)

    def _declare(self, verdicts: Verdicts, revolution: int) -> None:
        rule = self._rule
        if self._held:
            self._age += 1
            self._alarm = self._alarm or self._segregation()
            self._held = not self._alarm
        elif not self._alarm and not self._fault and verdicts.all_pass():
            self._held, self._age = rule.min_revolutions <= revolution <= rule.max_revolutions, 0
            # The mean of the last few readings: those before are of a blend that was still being mixed.
            self._watch.begin(self._mean_of(rule.centre_size))
            if self._held and self._endpoint is None:
                self._endpoint = revolution

    def _segregation(self) -> str:
        cause = self._watch.alarm or (Cause.OUTLYING_READING if self._clean == 0 else None)
        return cause.value if cause else ""

    def compared(self) -> dict[str, float]:
        """Return what was compared at the last reading, and with what; NaN where there was no number."""
        rule, block = self._rule, self._block
        return {
            "blend_rsd_upper": self._rsd_upper,
            "blend_rsd_limit": rule.max_rsd,
            "evidence": max(self._cusum),
            "evidence_least": rule.threshold,
            "clean_readings": self._clean,
            "clean_readings_least": rule.pocket_window,
            "quiet_readings": self._quiet,
            "quiet_readings_least": rule.quiet_window,
            "mean_deviation": self._deviation() if self._run else math.nan,
            "mean_deviation_limit": rule.max_mean_deviation,
            "moving_f": block.moving_f,
            "mbsd_limit": rule.mbsd_limit,
            **self._watch.compared(),
            **drift_compared(rule, self._drift),
            "missing_revolutions": self._missing,
            "duplicate_revolutions": self._duplicates,
            "bad_readings": max(self._sensor_run, self._scope_run),
            "bad_readings_limit": rule.fault_run,
            **{name: getattr(block, name) for name in _MOVES},
            **{f"{name}_least": least for name, least in zip(_MOVES, self._least, strict=True)},
        }

    def _found(self, status: Status, verdicts: Verdicts, missing: int) -> Finding:
        rule = self._rule
        if self._fault:
            return self._fault_found(status)
        if self._alarm:
            cause = Cause(self._alarm)
            return Finding(State.OVERMIXED, cause, self._ALARMS[cause], self._age)
        if self._last is not None and self._last > rule.max_revolutions:
            reason = f"no more than {rule.max_revolutions} revolutions are registered"
            return Finding(State.TIMEOUT, Cause.MOST_REVOLUTIONS, reason)
        if self._held and verdicts.all_pass():
            return Finding(State.UNIFORM, Cause.ALL_VERDICTS, "every verdict passed", self._run)
        if status not in GOOD:
            reason = f"reading {in_words(status)}: the evidence starts again"
            return Finding(State.MIXING, Cause.BAD_READING, reason)
        if missing:
            reason = f"missing revolutions ({missing}): the evidence starts again"
            return Finding(State.MIXING, Cause.MISSING_REVOLUTIONS, reason)
        return self._open(verdicts)

    def _open(self, verdicts: Verdicts) -> Finding:
        questions = ", ".join(verdicts.open_questions())
        if self._held:
            reason = f"once uniform, now open: {questions}"
        else:
            reason = f"waiting until it is {questions}" if questions else "waiting for the least revolutions"
        if verdicts.steady is Verdict.PASS:
            return Finding(State.STEADY, Cause.STEADY, reason, 2 * self._rule.block_size)
        return Finding(State.MIXING, Cause.OPEN_VERDICTS, reason, min(self._run, 2 * self._rule.block_size))

    def _fault_found(self, status: Status) -> Finding:
        state, waiting = State(self._fault), "waiting for a block of good readings"
        if self._at_rest() and self._sensor_run < self._rule.fault_run:
            reason = "the powder does not move past the window, or the sensor repeats itself"
            return Finding(state, Cause.AT_REST, reason, self._still_run + self._rule.block_size - 1)
        # A reading that ends a fault is a good one; what the fault rested on stays told.
        if state is State.OUT_OF_SCOPE:
            reason = waiting if status in GOOD else "spectra outside what the method knows"
            return Finding(state, Cause.UNKNOWN_SPECTRA, reason, max(self._foreign_run, self._scope_run, 1))
        if status in GOOD:
            return Finding(state, Cause.BAD_READINGS, waiting)
        unlike = status is Status.OUT_OF_SCOPE
        reason = "spectra unlike those before" if unlike else fault_in_words(status)
        cause = Cause.UNLIKE_BEFORE if unlike else SENSOR_CAUSES.get(status, Cause.BAD_READINGS)
        return Finding(state, cause, reason, self._sensor_run)

    @property
    def evidence(self) -> float:
        """Share (0 to 1) of the evidence for homogeneity that has been gathered."""
        rule = self._rule
        gathered = max(self._cusum) / rule.threshold, self._clean / rule.pocket_window, self._quiet / rule.quiet_window
        return min(1.0, *gathered)

    def snapshot(self) -> dict[str, Any]:
        """Return all that was gathered as plain JSON values."""
        state = {name.lstrip("_"): getattr(self, name) for name in self._FIELDS}
        state["watch"] = self._watch.snapshot()
        state["values"] = [row[0] for row in self._values.to_list()]
        state["verdicts"] = [verdict.value for verdict in vars(self._verdicts).values()]
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Carry on from a snapshot.

        Raises
        ------
        KeyError, ValueError
            If something is missing from it, or is none of its words.
        """
        for name in self._FIELDS:
            setattr(self, name, state[name.lstrip("_")])
        self._cusum = list(map(float, state["cusum"]))
        self._watch.restore(state["watch"])
        self._values.refill(state["values"])
        self._verdicts = Verdicts(*(Verdict(value) for value in state["verdicts"]))
