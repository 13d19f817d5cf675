"""One batch while it is being mixed: what each spectrum is worth, its block statistics, and its snapshot."""

from __future__ import annotations

import math
from collections import OrderedDict
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pat.core import blocks
from pat.core.blocks import Apart, BlockStatistics, Constants, Window
from pat.core.endpoint import GOOD, Decision, Endpoint, Phase, State, Status, Transition
from pat.core.endpoint.health import NO_DRIFT, Drift, DriftWatch
from pat.core.evidence import Rule, block_bound
from pat.core.forecast import Forecast
from pat.core.types import Array
from pat.errors import InputError
from pat.scorer.compiled import Measured
from pat.scorer.course import Course
from pat.scorer.predictor import Predictor, fingerprint, numbers
from pat.scorer.reading import Reading
from pat.scorer.snapshots import require_whole, sealed

if TYPE_CHECKING:
    from pat.audit import Run

_SNAPSHOT_FORMAT = 5


class _Measured(NamedTuple):
    """What one spectrum gave, and whether it belongs into the blocks."""

    status: Status
    value: float = math.nan
    hotelling_t2: float = math.nan
    q_residuals: float = math.nan
    drift: Drift = NO_DRIFT
    entered: bool = False


class Blend:
    """One batch while it is being mixed; made by `Scorer.start`.

    Notes
    -----
    Spectra that came in their order and gave finite numbers enter the moving blocks, saturated ones and those out
    of scope too, so that the block statistics are what a direct computation over the last n such spectra gives.
    A frozen spectrum is no new one and does not enter: one with the very numbers of another of this batch, or nearer to
    one of the last two blocks than new spectra ever are to each other. Only good ones count as evidence.

    Where the scorer has an audit trail, every change of state is in it before the reading that made it is returned. As
    a context manager a blend ends with its block: it is closed, or aborted where the block raises.
    """

    def __init__(
        self,
        predictor: Predictor,
        rule: Rule,
        batch: str,
        *,
        artefact: str,
        constants: Constants,
        unreleased: bool = True,
    ) -> None:
        if not isinstance(batch, str) or not batch:
            raise InputError(f"`batch` must be a name, got {batch!r}")
        self.batch = batch
        self._predictor, self._rule = predictor, rule
        self._single = predictor.single()
        self._artefact, self._unreleased = artefact, unreleased
        self._window = Window(rule.block_size, predictor.treat.wavelength.size, constants)
        self._drift = DriftWatch(rule.block_size, predictor.axis_direction)
        self._endpoint = Endpoint(rule)
        self._course = Course(rule)
        # Hashes of spectra, oldest first: whatever comes again within a run is known, and the memory is bounded.
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._index = 0
        self._run: Run | None = None
        self._recorded_before: dict[str, int] | None = None

    @property
    def state(self) -> State:
        """State as of the last spectrum, or of what the line did since: LOADED before the first."""
        return self._endpoint.state

    @property
    def unreleased(self) -> bool:
        """Whether its artefact has not been released: all that it says is for exploration alone."""
        return self._unreleased

    @property
    def confirmed(self) -> bool:
        """Whether the readings after the stop have confirmed the blend."""
        return self._endpoint.confirmed

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """Every change of state so far, oldest first."""
        return self._endpoint.transitions

    def stop(self) -> Transition | None:
        """Say that the blender stands; see `pat.core.endpoint.Endpoint.stop`."""
        return self._noted(self._endpoint.stop())

    def mix_on(self) -> Transition | None:
        """Say that the blender turns again; see `pat.core.endpoint.Endpoint.mix_on`."""
        began = self._endpoint.mix_on()
        self._drift.restart()
        return self._noted(began)

    def discharge(self) -> Transition | None:
        """Say that the blender is being emptied; see `pat.core.endpoint.Endpoint.discharge`."""
        return self._noted(self._endpoint.discharge())

    def close(self, reason: str = "") -> Transition | None:
        """End the batch; see `pat.core.endpoint.Endpoint.close`."""
        ended = self._noted(self._endpoint.close(reason))
        if self._run is not None:
            self._run.close(reason or "discharged")
        return ended

    def abort(self, reason: str) -> Transition | None:
        """End the batch because it is given up; as `close`, but the audit trail says that it was aborted."""
        ended = self._noted(self._endpoint.close(reason))
        if self._run is not None:
            self._run.abort(reason)
        return ended

    def __enter__(self) -> Blend:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from pat.audit.runs import END, because

        if self._endpoint.phase is not Phase.DONE:
            self.close(END) if kind is None else self.abort(because(kind, error))

    def record_in(self, run: Run) -> None:
        """Record every change of state in a run of an audit trail, those included that are not in it yet.

        Raises
        ------
        TrailError
            If one cannot be recorded.
        """
        self._run = run
        self._noted(None)

    def _noted(self, transition: Transition | None) -> Transition | None:
        """Record what is not in the trail yet, and return what was given."""
        if (run := self._run) is not None:
            run.change(t.to_dict() for t in self._endpoint.transitions if t.number > run.recorded)
        return transition

    def forecast(self) -> Forecast:
        """Forecast how many revolutions remain until the blend is declared uniform; takes a few milliseconds."""
        return self._course.forecast(self._endpoint.state, self._endpoint.gathered)

    def update(self, absorbance: Any, revolution: int | None = None) -> Reading:
        """Take one spectrum; never raises for what a sensor may send.

        Parameters
        ----------
        absorbance : array_like of shape (p,)
            Raw spectrum (AU) on the native axis.
        revolution : int, optional
            Its revolution; the next one where none is given.

        Returns
        -------
        Reading

        Raises
        ------
        TrailError
            If the state changed and that cannot be recorded in the scorer's audit trail; what is missing there is
            recorded with the next reading.
        """
        # What overflows is infinite, in scope of nothing and above every limit: an answer, not a warning.
        with np.errstate(over="ignore", invalid="ignore"):
            return self._update(absorbance, revolution)

    def _update(self, absorbance: Any, revolution: int | None) -> Reading:
        self._index += 1
        last, turns = self._endpoint.last_revolution, self._endpoint.phase is Phase.MIXING
        turn = _revolution(revolution, last if turns else None, 1 if turns else last or 0)
        # A counter that jumps by more than a run is a glitch: taken at its word, no later reading would be in order.
        # While the blender stands the counter does, and it need not be given.
        after = last if last is None or turns else last - 1
        if turn is None or (after is not None and not after < turn <= after + self._rule.max_revolutions):
            again = turn is not None and turn == last
            measured = _Measured(Status.DUPLICATE if again else Status.OUT_OF_ORDER)
            turn = last if turn is None and last is not None else (turn or 0)
        else:
            measured = self._measure(absorbance)
        reading = self._reading(turn, measured)
        if self._run is not None:
            self._noted(reading.transition)
        return reading

    def _measure(self, absorbance: Any) -> _Measured:
        x = numbers(absorbance)
        if x is None:
            return _Measured(Status.NOT_FINITE)
        if x.shape != self._predictor.wavelength.shape:
            return _Measured(Status.WRONG_LENGTH)
        peak = self._single.peak(x)
        if not math.isfinite(peak):
            return _Measured(Status.NOT_FINITE)
        if self._repeats(x):
            return _Measured(Status.FROZEN)
        found = self._single.measure(x)
        if not found.finite:
            return _Measured(Status.NOT_FINITE)
        apart = self._window.apart(found.treated)
        if self._endpoint.phase is Phase.MIXING and apart.nearest < self._rule.repeat_distance:
            return _Measured(Status.FROZEN)
        return self._score(peak, found, apart)

    def _repeats(self, x: Array) -> bool:
        """Whether a spectrum (p,) has come before in this batch, number for number; it counts as seen from now on."""
        name = fingerprint(x)
        if name in self._seen:
            return True
        self._seen[name] = None
        if len(self._seen) > self._rule.max_revolutions:
            self._seen.popitem(last=False)
        return False

    def _score(self, peak: float, found: Measured, apart: Apart) -> _Measured:
        value, t2, q = found.value, found.hotelling_t2, found.q_residuals
        self._window.push(found.treated, value, found.presentation, (t2, q), apart)
        drift = NO_DRIFT
        if (bad := self._bad(peak, found)) is not None:
            self._drift.interrupt()
        elif self._endpoint.phase is Phase.MIXING:
            drift = self._drift.take(found.residual, found.presentation)
            bad = self._drift.fault(self._rule, drift)
        status = bad or (Status.OK if self._window.full else Status.WARM_UP)
        return _Measured(status, value, t2, q, drift, entered=True)

    def _bad(self, peak: float, found: Measured) -> Status | None:
        """Return what is wrong with a spectrum alone, of a largest absolute reading; None where nothing is."""
        if peak >= self._predictor.saturation:
            return Status.SATURATED
        # SNV turns the noise of an empty window into a spectrum of the usual size.
        if found.presentation[1] < self._rule.least_contrast:
            return Status.EMPTY
        known = self._predictor.within(found.value, found.hotelling_t2, found.q_residuals)
        return None if known else Status.OUT_OF_SCOPE

    def _reading(self, revolution: int, measured: _Measured) -> Reading:
        block, upper = BlockStatistics(), math.nan
        if measured.entered and self._window.full:
            block = self._window.statistics()
            upper = block_bound(self._rule, block.sd, block.mean)
        q_in = bool(measured.q_residuals <= self._predictor.q_limit)
        known = measured.status in GOOD or (measured.status is Status.OUT_OF_SCOPE and q_in)
        if known and self._endpoint.phase is Phase.MIXING:
            self._course.push(revolution, measured.value)
        decision = self._endpoint.observe(
            measured.status, revolution, measured.value, q_in, block, upper, measured.drift
        )
        return self._assemble(revolution, measured, block, upper, decision)

    def _assemble(
        self, revolution: int, measured: _Measured, block: BlockStatistics, upper: float, decision: Decision
    ) -> Reading:
        return Reading(
            batch=self.batch,
            index=self._index,
            revolution=revolution,
            status=measured.status,
            state=decision.state,
            value=measured.value,
            hotelling_t2=measured.hotelling_t2,
            q_residuals=measured.q_residuals,
            in_scope=measured.status in GOOD,
            mbsd=block.mbsd,
            moving_f=block.moving_f,
            block_mean=block.mean,
            block_rsd=blocks.relative(block.sd, block.mean),
            block_rsd_upper=blocks.relative(block.sd * self._rule.upper_factor, block.mean),
            blend_rsd_upper=upper,
            level_step=block.level_step,
            contrast_step=block.contrast_step,
            novelty=block.novelty,
            residual_drift=measured.drift.residual,
            axis_shift=measured.drift.axis,
            level_drift=measured.drift.level,
            contrast_drift=measured.drift.contrast,
            missing_revolutions=decision.missing,
            duplicate_revolutions=decision.duplicates,
            evidence=decision.evidence,
            verdicts=decision.verdicts,
            endpoint=decision.endpoint,
            reason=decision.reason,
            transition=decision.transition,
            artefact=self._artefact,
            unreleased=self._unreleased,
        )

    def statistics(self) -> dict[str, float]:
        """Return every published statistic of the last block that the artefact has the constants for, by name.

        They are those of `pat.core.blocks.STATISTICS`, NaN where there are not enough spectra. The last block is that
        of the spectra that entered the moving blocks, so a bad reading changes nothing here. What they are in accepted
        batches says `Scorer.statistic_limits`. They bear witness: no verdict rests on them but on what a `Reading` has.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            return self._window.published()

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain JSON values (no NaN), for `Scorer.resume`."""
        state = {
            "format": _SNAPSHOT_FORMAT,
            "artefact": self._artefact,
            "unreleased": self._unreleased,
            "batch": self.batch,
            "index": self._index,
            "seen": list(self._seen),
            "window": self._window.snapshot(),
            "drift": self._drift.snapshot(),
            "endpoint": self._endpoint.snapshot(),
            "course": self._course.snapshot(),
            "run": self._recorded_before if self._run is None else self._run.snapshot(),
        }
        return sealed(state)

    def restore(self, state: dict[str, Any]) -> None:
        """Carry on from a snapshot that `batch_of` has checked."""
        # What was explored before stays exploration, whoever carries on.
        self._unreleased = self._unreleased or bool(state["unreleased"])
        self._recorded_before = state["run"]
        self._index = int(state["index"])
        self._seen = OrderedDict.fromkeys(state["seen"])
        self._window.restore(state["window"])
        self._drift.restore(state["drift"])
        self._endpoint.restore(state["endpoint"])
        self._course.restore(state["course"])


def _revolution(given: Any, last: int | None, first: int) -> int | None:
    """Return the revolution as a whole number from 0; None where what was given is none.

    Where nothing was given it is the one after the last, or the first.
    """
    if given is None:
        return first if last is None else last + 1
    try:
        turn = int(given)
    except (TypeError, ValueError, OverflowError):
        return None
    return turn if turn == given and turn >= 0 else None


def batch_of(state: dict[str, Any], artefact: str) -> str:
    """Check a snapshot and return the name of its batch.

    Parameters
    ----------
    state : dict
        What `Blend.snapshot` returned.
    artefact : str
        Content digest of the artefact that is to carry on.

    Raises
    ------
    InputError
        If it is incomplete, altered, or of another artefact.
    """
    require_whole(state, _SNAPSHOT_FORMAT, artefact)
    return str(state["batch"])
