"""One batch while it is being mixed: what each spectrum is worth, its block statistics, and its snapshot."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from pat.core import blocks
from pat.core.blocks import BlockStatistics, Window
from pat.core.endpoint import Decision, Endpoint, Status
from pat.core.evidence import Rule, blend_rsd_upper
from pat.core.preprocess import saturated
from pat.core.types import Array
from pat.errors import InputError
from pat.files import canonical_json
from pat.scorer.predictor import Predictor, unmasked
from pat.scorer.reading import Reading

_SNAPSHOT_FORMAT = 2


@dataclass(frozen=True)
class _Measured:
    """What one spectrum gave, and whether it belongs into the blocks."""

    status: Status
    value: float = math.nan
    hotelling_t2: float = math.nan
    q_residuals: float = math.nan
    entered: bool = False


class Blend:
    """One batch while it is being mixed; made by `Scorer.start`.

    Notes
    -----
    Spectra that came in their order and gave finite numbers enter the moving blocks, saturated ones and those out
    of scope too, so that the block statistics are what a direct computation over the last n such spectra gives.
    A frozen spectrum is no new one and does not enter: one with the very numbers of another of this batch, or nearer to
    one of the last two blocks than new spectra ever are to each other. Only good ones count as evidence.
    """

    def __init__(self, predictor: Predictor, rule: Rule, batch: str, *, artefact: str) -> None:
        if not isinstance(batch, str) or not batch:
            raise InputError(f"`batch` must be a name, got {batch!r}")
        self.batch = batch
        self._predictor, self._rule = predictor, rule
        self._artefact = artefact
        self._window = Window(rule.block_size, predictor.treat.wavelength.size)
        self._endpoint = Endpoint(rule)
        # Hashes of spectra: whatever comes again within a run is known, and the memory is bounded.
        self._seen: deque[str] = deque(maxlen=rule.max_revolutions)
        self._index = 0

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
        """
        # What overflows is infinite, in scope of nothing and above every limit: an answer, not a warning.
        with np.errstate(over="ignore", invalid="ignore"):
            return self._update(absorbance, revolution)

    def _update(self, absorbance: Any, revolution: int | None) -> Reading:
        self._index += 1
        last = self._endpoint.last_revolution
        turn = _revolution(revolution, last)
        # A counter that jumps by more than a run is a glitch: taken at its word, no later reading would be in order.
        if turn is None or (last is not None and not last < turn <= last + self._rule.max_revolutions):
            measured = _Measured(Status.OUT_OF_ORDER)
            turn = last if turn is None and last is not None else (turn or 0)
        else:
            measured = self._measure(absorbance)
        return self._reading(turn, measured)

    def _measure(self, absorbance: Any) -> _Measured:
        x = _numbers(absorbance)
        if x is None:
            return _Measured(Status.NOT_FINITE)
        if x.shape != self._predictor.wavelength.shape:
            return _Measured(Status.WRONG_LENGTH)
        if not np.isfinite(x).all():
            return _Measured(Status.NOT_FINITE)
        if self._repeats(x):
            return _Measured(Status.FROZEN)
        treated, presentation = self._predictor.treat(x), self._predictor.treat.presentation(x)
        if not (np.isfinite(treated).all() and np.isfinite(presentation).all()):
            return _Measured(Status.NOT_FINITE)
        if self._window.distance(treated) < self._rule.repeat_distance:
            return _Measured(Status.FROZEN)
        return self._score(x, treated, presentation)

    def _repeats(self, x: Array) -> bool:
        """Whether a spectrum (p,) has come before in this batch, number for number; it counts as seen from now on."""
        name = hashlib.blake2b(x.tobytes(), digest_size=16).hexdigest()
        known = name in self._seen
        if not known:
            self._seen.append(name)
        return known

    def _score(self, x: Array, treated: Array, presentation: Array) -> _Measured:
        value, t2, q = self._predictor.evaluate(treated[None, :])
        if not np.isfinite([value, t2, q]).all():
            return _Measured(Status.NOT_FINITE)
        self._window.push(treated, float(value[0]), presentation)
        if saturated(x, self._predictor.saturation):
            status = Status.SATURATED
        elif not self._predictor.within(value, t2, q)[0]:
            status = Status.OUT_OF_SCOPE
        else:
            status = Status.OK if self._window.full else Status.WARM_UP
        return _Measured(status, float(value[0]), float(t2[0]), float(q[0]), entered=True)

    def _reading(self, revolution: int, measured: _Measured) -> Reading:
        block, upper = BlockStatistics(), math.nan
        if measured.entered and self._window.full:
            block, upper = self._window.statistics(), float(blend_rsd_upper(self._rule, self._window.values))
        q_in = bool(measured.q_residuals <= self._predictor.q_limit)
        decision = self._endpoint.observe(measured.status, revolution, measured.value, q_in, block, upper)
        return self._assemble(revolution, measured, block, upper, decision)

    def _assemble(
        self, revolution: int, measured: _Measured, block: BlockStatistics, upper: float, decision: Decision
    ) -> Reading:
        mean, sd = np.asarray(block.mean), np.asarray(block.sd)
        return Reading(
            batch=self.batch,
            index=self._index,
            revolution=revolution,
            status=measured.status,
            state=decision.state,
            value=measured.value,
            hotelling_t2=measured.hotelling_t2,
            q_residuals=measured.q_residuals,
            in_scope=measured.status in (Status.OK, Status.WARM_UP),
            mbsd=block.mbsd,
            moving_f=block.moving_f,
            block_mean=block.mean,
            block_rsd=float(blocks.relative(sd, mean)),
            block_rsd_upper=float(blocks.relative(sd * self._rule.upper_factor, mean)),
            blend_rsd_upper=upper,
            level_step=block.level_step,
            contrast_step=block.contrast_step,
            novelty=block.novelty,
            evidence=decision.evidence,
            verdicts=decision.verdicts,
            endpoint=decision.endpoint,
            reason=decision.reason,
            artefact=self._artefact,
            unreleased=True,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain JSON values (no NaN), for `Scorer.resume`."""
        state = {
            "format": _SNAPSHOT_FORMAT,
            "artefact": self._artefact,
            "batch": self.batch,
            "index": self._index,
            "seen": list(self._seen),
            "window": self._window.snapshot(),
            "endpoint": self._endpoint.snapshot(),
        }
        return state | {"sha256": _snapshot_hash(state)}

    def restore(self, state: dict[str, Any]) -> None:
        """Carry on from a snapshot that `batch_of` has checked."""
        self._index = int(state["index"])
        self._seen.clear()
        self._seen.extend(state["seen"])
        self._window.restore(state["window"])
        self._endpoint.restore(state["endpoint"])


def _revolution(given: Any, last: int | None) -> int | None:
    """Return the revolution as a whole number from 0; None where what was given is none."""
    if given is None:
        return 1 if last is None else last + 1
    try:
        turn = int(given)
    except (TypeError, ValueError, OverflowError):
        return None
    return turn if turn == given and turn >= 0 else None


def _numbers(given: Any) -> Array | None:
    """Return a new array of what was given, NaN where it is masked; None where that is not real numbers."""
    try:
        found = np.array(unmasked(given))
    except (TypeError, ValueError, OverflowError):
        return None
    return found.astype(np.float64, copy=False) if found.dtype.kind in "iuf" else None


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
    found = state.get("format") if isinstance(state, dict) else None
    if found != _SNAPSHOT_FORMAT:
        raise InputError(f"snapshot format must be {_SNAPSHOT_FORMAT}, got {found!r}")
    if state.get("artefact") != artefact:
        raise InputError(f"the snapshot was made with artefact {state.get('artefact')}, this one is {artefact}")
    if state.get("sha256") != _snapshot_hash(state):
        raise InputError("the snapshot is incomplete or was altered: its SHA-256 does not hold")
    return str(state["batch"])


def _snapshot_hash(state: dict[str, Any]) -> str | None:
    """SHA-256 of all that a snapshot says; None where that is not plain JSON."""
    try:
        said = canonical_json({key: value for key, value in state.items() if key != "sha256"})
    except (TypeError, ValueError):
        return None
    return hashlib.sha256(said).hexdigest()
