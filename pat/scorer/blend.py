"""One batch while it is being mixed: what each spectrum is worth, its block statistics, and its snapshot."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pat.core import blocks
from pat.core.endpoint import Decision, Endpoint, Status
from pat.core.evidence import Rule, blend_rsd_upper
from pat.core.types import Array
from pat.errors import InputError
from pat.files import canonical_json
from pat.scorer.predictor import Predictor
from pat.scorer.reading import Reading

_SNAPSHOT_FORMAT = 1


@dataclass(frozen=True)
class _Measured:
    """What one spectrum gave, and whether it belongs into the blocks."""

    status: Status
    value: float = math.nan
    hotelling_t2: float = math.nan
    q_residuals: float = math.nan
    treated: Array | None = None


class Blend:
    """One batch while it is being mixed; made by `Scorer.start`.

    Notes
    -----
    Spectra that came in their order and gave finite numbers enter the moving blocks, saturated ones and those out
    of scope too, so that the block statistics are what a direct computation over the last n such spectra gives.
    A frozen spectrum is no new one and does not enter. Only good ones count as evidence.
    """

    def __init__(self, predictor: Predictor, rule: Rule, batch: str, *, artefact: str, unreleased: bool) -> None:
        if not isinstance(batch, str) or not batch:
            raise InputError(f"`batch` must be a name, got {batch!r}")
        self.batch = batch
        self._predictor, self._rule = predictor, rule
        self._artefact, self._unreleased = artefact, unreleased
        n = rule.block_size
        self._treated = blocks.Ring(2 * n, predictor.treat.wavelength.size)
        self._values = blocks.Ring(n, 1)
        self._endpoint = Endpoint(rule)
        self._previous: Array | None = None
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
        frozen = self._previous is not None and np.array_equal(x, self._previous)
        self._previous = x
        if frozen:
            return _Measured(Status.FROZEN)
        treated = self._predictor.treat(x)
        if not np.isfinite(treated).all():
            return _Measured(Status.NOT_FINITE)
        return self._score(x, treated)

    def _score(self, x: Array, treated: Array) -> _Measured:
        value, t2, q = self._predictor.evaluate(treated[None, :])
        if not np.isfinite([value, t2, q]).all():
            return _Measured(Status.NOT_FINITE)
        self._treated.push(treated)
        self._values.push(value)
        if np.abs(x).max() >= self._predictor.saturation:
            status = Status.SATURATED
        elif not self._predictor.within(value, t2, q)[0]:
            status = Status.OUT_OF_SCOPE
        else:
            status = Status.OK if len(self._treated) >= self._rule.block_size else Status.WARM_UP
        return _Measured(status, float(value[0]), float(t2[0]), float(q[0]), treated)

    def _reading(self, revolution: int, measured: _Measured) -> Reading:
        n = self._rule.block_size
        entered = measured.treated is not None
        full = entered and len(self._treated) >= n
        mbsd = float(blocks.mbsd(self._treated.last(n))) if full else math.nan
        ratio = math.nan
        if entered and len(self._treated) >= 2 * n:
            ratio = float(blocks.moving_f(self._treated.last(n, skip=n), self._treated.last(n)))
        q_in = bool(measured.q_residuals <= self._predictor.q_limit)
        spread = self._spread() if full else (math.nan,) * 4
        decision = self._endpoint.observe(measured.status, revolution, measured.value, q_in, mbsd, ratio, spread[3])
        return self._assemble(revolution, measured, mbsd, ratio, spread, decision)

    def _spread(self) -> tuple[float, ...]:
        """Mean, RSD, its upper bound, and the bound of the blend alone, of the last block's predictions."""
        values = self._values.last(self._rule.block_size)[:, 0]
        mean, sd = blocks.block_mean(values), blocks.block_sd(values)
        rsd = (blocks.relative(sd, mean), blocks.relative(sd * self._rule.upper_factor, mean))
        return float(mean), float(rsd[0]), float(rsd[1]), float(blend_rsd_upper(self._rule, values))

    def _assemble(
        self,
        revolution: int,
        measured: _Measured,
        mbsd: float,
        ratio: float,
        spread: tuple[float, ...],
        decision: Decision,
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
            in_scope=measured.status in (Status.OK, Status.WARM_UP),
            mbsd=mbsd,
            moving_f=ratio,
            block_mean=spread[0],
            block_rsd=spread[1],
            block_rsd_upper=spread[2],
            blend_rsd_upper=spread[3],
            evidence=decision.evidence,
            verdicts=decision.verdicts,
            endpoint=decision.endpoint,
            reason=decision.reason,
            artefact=self._artefact,
            unreleased=self._unreleased,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain JSON values (no NaN), for `Scorer.resume`."""
        state = {
            "format": _SNAPSHOT_FORMAT,
            "artefact": self._artefact,
            "batch": self.batch,
            "index": self._index,
            "previous": None if self._previous is None else self._previous.tolist(),
            "treated": self._treated.to_list(),
            "values": [row[0] for row in self._values.to_list()],
            "endpoint": self._endpoint.snapshot(),
        }
        return state | {"sha256": _snapshot_hash(state)}

    def restore(self, state: dict[str, Any]) -> None:
        """Carry on from a snapshot that `batch_of` has checked."""
        previous = state["previous"]
        self._index = int(state["index"])
        self._previous = None if previous is None else np.array(previous, dtype=np.float64)
        self._treated.refill(state["treated"])
        self._values.refill(state["values"])
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
    """Return a new array of what was given; None where that is not real numbers."""
    try:
        found = np.array(given)
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
