"""The line's import: load an artefact, score spectra, follow a batch while it is being mixed (numpy alone).

>>> from pat.scorer import Scorer                                             # doctest: +SKIP
>>> scorer = Scorer.load("models/demo/artefact", allow_unreleased=True)       # doctest: +SKIP
>>> blend = scorer.start("B-0042")                                            # doctest: +SKIP
>>> reading = blend.update(absorbance, revolution=17)                         # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from pat import artefact
from pat.artefact import Content
from pat.core import blocks, diagnostics
from pat.core.endpoint import Decision, Endpoint, State, Status, Verdict, Verdicts
from pat.core.evidence import Rule, blend_rsd_upper
from pat.core.preprocess import Treatment
from pat.core.types import Array, BoolArray
from pat.errors import ArtefactError, InputError
from pat.files import canonical_json

__all__ = ["Blend", "Prediction", "Reading", "Scorer", "State", "Status", "Verdict", "Verdicts"]

# Another CPU kernel moves the last digits; a model that answers further off is another model.
_KNOWN_ANSWER_TOLERANCE = 1e-9
_SNAPSHOT_FORMAT = 1


@dataclass(frozen=True)
class Prediction:
    """What the model says of spectra, one by one.

    Attributes
    ----------
    value : ndarray of shape (n,)
        Predicted content (analyte units); NaN for a spectrum that is not finite.
    hotelling_t2, q_residuals : ndarray of shape (n,)
        Distance inside and outside the model.
    in_scope : ndarray of bool, shape (n,)
        Finite, below saturation, and inside the limits of T2 and Q. A value out of scope is not a result.
    """

    value: Array
    hotelling_t2: Array
    q_residuals: Array
    in_scope: BoolArray


@dataclass(frozen=True)
class Reading:
    """Everything that is known after one spectrum of a batch.

    Attributes
    ----------
    batch : str
    index : int
        Number of this reading in the batch, from 1, bad ones included.
    revolution : int
        Revolution that was given, or the next one.
    status : Status
        What this spectrum is worth.
    state : State
        What is known of the batch.
    value : float
        Predicted content (analyte units).
    hotelling_t2, q_residuals : float
    in_scope : bool
    mbsd, moving_f : float
        Over the last block, and over the last two.
    block_mean : float
        Mean of the last block's predictions (analyte units).
    block_rsd, block_rsd_upper : float
        RSD of the last block's predictions (%) and its upper confidence bound; the method's own noise included.
    blend_rsd_upper : float
        The same bound for the blend itself: the method's repeatability removed and the slope allowed for (%).
    evidence : float
        Share (0 to 1) of the evidence for homogeneity gathered so far.
    verdicts : Verdicts
    endpoint : int or None
        Revolution at which the blend was first declared uniform.
    reason : str
        Why the state is what it is.
    artefact : str
        Content digest of the artefact that scored it.
    unreleased : bool
        The artefact has not been released: the reading is for exploration alone.

    Notes
    -----
    A number that does not exist yet is NaN here, and null in `to_dict`.
    """

    batch: str
    index: int
    revolution: int
    status: Status
    state: State
    value: float
    hotelling_t2: float
    q_residuals: float
    in_scope: bool
    mbsd: float
    moving_f: float
    block_mean: float
    block_rsd: float
    block_rsd_upper: float
    blend_rsd_upper: float
    evidence: float
    verdicts: Verdicts
    endpoint: int | None
    reason: str
    artefact: str
    unreleased: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the reading as plain JSON values."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, Verdicts):
        return {name: verdict.value for name, verdict in vars(value).items()}
    if isinstance(value, StrEnum):
        return value.value
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Scorer:
    """A method as the line uses it.

    Parameters
    ----------
    content : Content
        Content of an artefact; `Scorer.load` reads and verifies one.
    unreleased : bool, default True
        Mark every reading as not released.

    Attributes
    ----------
    digest : str
        Content digest.
    document : dict
        The artefact's document: method, limits, rule, claim.
    wavelength : ndarray of shape (p,)
        Axis (nm) that spectra must come on.

    Raises
    ------
    ArtefactError
        If the content does not hold together.
    """

    def __init__(self, content: Content, *, unreleased: bool = True) -> None:
        document = content.document
        self.digest = content.digest
        self.document = document
        self.unreleased = unreleased
        try:
            self.wavelength = content.wavelength
            self._model = content.model()
            self._treat = Treatment(content.wavelength, document["ranges"], document["steps"])
            self._t2_limit = float(document["limits"]["hotelling_t2"])
            self._q_limit = float(document["limits"]["q_residuals"])
            saturation = document["saturation"]
            self._saturation = math.inf if saturation is None else float(saturation)
            self.rule = Rule.from_dict(document["rule"]) if document["rule"] else None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"the artefact's content does not hold together: {error!r}") from error
        if self._treat.wavelength.size != self._model.x_mean.size:
            raise ArtefactError(
                f"the treated axis has {self._treat.wavelength.size} wavelengths, the model {self._model.x_mean.size}"
            )

    @classmethod
    def load(cls, path: str | Path, *, allow_unreleased: bool = False) -> Scorer:
        """Read and verify an artefact, and prove that it still gives its known answers.

        Parameters
        ----------
        path : path
            The artefact's folder.
        allow_unreleased : bool, default False
            Accept an artefact that nobody has released, to explore; every reading then says so.

        Raises
        ------
        ArtefactError
            If it is damaged, altered, not released, or computes other numbers here than in the laboratory.
        """
        found = artefact.read(path)
        if not allow_unreleased:
            raise ArtefactError(
                f"{path} has not been released; to explore with it, pass allow_unreleased=True (on the command "
                "line --allow-unreleased): every reading will carry that"
            )
        if found.validation.get("passed") is not True:
            raise ArtefactError(f"{path}: its validation did not pass")
        scorer = cls(found.content, unreleased=True)
        scorer._prove(path, found.known_answers)
        return scorer

    def _prove(self, path: str | Path, known: artefact.Arrays) -> None:
        try:
            got = self.predict(known["absorbance"])
        except ValueError as error:  # spectra of another axis, or arrays of the model that do not fit together
            raise ArtefactError(f"{path}: known answers cannot be computed: {error}") from error
        if not got.value.size:
            raise ArtefactError(f"{path}: at least 1 known answer is needed, got 0")
        for name in ("value", "hotelling_t2", "q_residuals"):
            off = _relative_error(getattr(got, name), known[name])
            if not off <= _KNOWN_ANSWER_TOLERANCE:
                raise ArtefactError(
                    f"{path}: known answers for {name} must come out within {_KNOWN_ANSWER_TOLERANCE:g} relative, "
                    f"got {off:.3g}"
                )

    def predict(self, absorbance: Any) -> Prediction:
        """Predict the content of spectra, each for itself.

        Parameters
        ----------
        absorbance : array_like of shape (n, p) or (p,)
            Raw spectra (AU) on the native axis.

        Returns
        -------
        Prediction
            Arrays of shape (n,); n is 1 for a single spectrum.

        Raises
        ------
        InputError
            If the spectra do not have p wavelengths.
        """
        try:
            x = np.atleast_2d(np.asarray(absorbance, dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise InputError(f"spectra must be numbers of shape (n, {self.wavelength.size}): {error}") from error
        if x.ndim != 2 or x.shape[1] != self.wavelength.size:
            raise InputError(
                f"spectra must have shape (n, {self.wavelength.size}) or ({self.wavelength.size},), got {x.shape}"
            )
        finite = np.isfinite(x).all(axis=1)
        out = np.full((3, x.shape[0]), np.nan)
        if finite.any():
            with np.errstate(over="ignore", invalid="ignore"):
                out[:, finite] = diagnostics.evaluate(self._model, self._treat(x[finite]))
        value, t2, q = out
        below = np.where(finite, np.abs(x).max(axis=1), np.inf) < self._saturation
        return Prediction(value, t2, q, below & self._within(t2, q))

    def _within(self, t2: Array, q: Array) -> BoolArray:
        # NaN compares false: what could not be computed is out of scope.
        return np.asarray((t2 <= self._t2_limit) & (q <= self._q_limit))

    def require_rule(self) -> Rule:
        """Return the end-point rule.

        Raises
        ------
        InputError
            If the method has none.
        """
        if self.rule is None:
            raise InputError("this artefact has no homogeneity rule: it predicts, but follows no blend")
        return self.rule

    def start(self, batch: str) -> Blend:
        """Begin to follow a batch.

        Raises
        ------
        InputError
            If the method has no homogeneity rule, or the batch no name.
        """
        return Blend(self, batch)

    def resume(self, state: dict[str, Any]) -> Blend:
        """Carry on with a batch from `Blend.snapshot`, bit for bit.

        Raises
        ------
        InputError
            If the snapshot is incomplete, altered, or of another artefact.
        """
        found = state.get("format") if isinstance(state, dict) else None
        if found != _SNAPSHOT_FORMAT:
            raise InputError(f"snapshot format must be {_SNAPSHOT_FORMAT}, got {found!r}")
        if state.get("artefact") != self.digest:
            raise InputError(f"the snapshot was made with artefact {state.get('artefact')}, this one is {self.digest}")
        if state.get("sha256") != _snapshot_hash(state):
            raise InputError("the snapshot is incomplete or was altered: its SHA-256 does not hold")
        blend = Blend(self, state["batch"])
        blend._restore(state)
        return blend


def _relative_error(found: Array, expected: Array) -> float:
    """Largest relative error; infinite where the two cannot be compared."""
    if expected.shape != found.shape or expected.dtype.kind != "f":
        return math.inf
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.max(np.abs(found - expected) / np.abs(expected)))


def _snapshot_hash(state: dict[str, Any]) -> str | None:
    """SHA-256 of all that a snapshot says; None where that is not plain JSON."""
    try:
        said = canonical_json({key: value for key, value in state.items() if key != "sha256"})
    except (TypeError, ValueError):
        return None
    return hashlib.sha256(said).hexdigest()


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

    def __init__(self, scorer: Scorer, batch: str) -> None:
        if not isinstance(batch, str) or not batch:
            raise InputError(f"`batch` must be a name, got {batch!r}")
        self.batch = batch
        self._scorer, self._rule = scorer, scorer.require_rule()
        n = self._rule.block_size
        self._treated = blocks.Ring(2 * n, scorer._treat.wavelength.size)
        self._values = blocks.Ring(n, 1)
        self._endpoint = Endpoint(self._rule)
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
        if turn is None or (last is not None and turn <= last):
            measured = _Measured(Status.OUT_OF_ORDER)
            turn = last if turn is None and last is not None else (turn or 0)
        else:
            measured = self._measure(absorbance)
        return self._reading(turn, measured)

    def _measure(self, absorbance: Any) -> _Measured:
        x = _numbers(absorbance)
        if x is None:
            return _Measured(Status.NOT_FINITE)
        if x.shape != self._scorer.wavelength.shape:
            return _Measured(Status.WRONG_LENGTH)
        if not np.isfinite(x).all():
            return _Measured(Status.NOT_FINITE)
        frozen = self._previous is not None and np.array_equal(x, self._previous)
        self._previous = x
        if frozen:
            return _Measured(Status.FROZEN)
        treated = self._scorer._treat(x)
        if not np.isfinite(treated).all():
            return _Measured(Status.NOT_FINITE)
        return self._score(x, treated)

    def _score(self, x: Array, treated: Array) -> _Measured:
        scorer = self._scorer
        value, t2, q = diagnostics.evaluate(scorer._model, treated[None, :])
        if not np.isfinite([value, t2, q]).all():
            return _Measured(Status.NOT_FINITE)
        self._treated.push(treated)
        self._values.push(value)
        if np.abs(x).max() >= scorer._saturation:
            status = Status.SATURATED
        elif not scorer._within(t2, q)[0]:
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
        q_in = bool(measured.q_residuals <= self._scorer._q_limit)
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
            artefact=self._scorer.digest,
            unreleased=self._scorer.unreleased,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain JSON values (no NaN), for `Scorer.resume`."""
        state = {
            "format": _SNAPSHOT_FORMAT,
            "artefact": self._scorer.digest,
            "batch": self.batch,
            "index": self._index,
            "previous": None if self._previous is None else self._previous.tolist(),
            "treated": self._treated.to_list(),
            "values": [row[0] for row in self._values.to_list()],
            "endpoint": self._endpoint.snapshot(),
        }
        return state | {"sha256": _snapshot_hash(state)}

    def _restore(self, state: dict[str, Any]) -> None:
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
