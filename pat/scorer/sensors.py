"""Several sensors on one batch: a state for each, one for all, and an alarm where they disagree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pat.core.agreement import Agreement, widest
from pat.core.endpoint import GOOD, State, in_words
from pat.core.plain import finite_or_none, number_or_nan
from pat.errors import InputError, Refusal
from pat.scorer.blend import Blend
from pat.scorer.reading import Reading
from pat.scorer.scorer import Scorer
from pat.scorer.snapshots import require_whole, sealed

_SNAPSHOT_FORMAT = 1
# What one sensor says stands for all, the first of these first: faults and alarms before progress, the least first.
_ORDER = (
    State.SENSOR_FAULT,
    State.OVERMIXED,
    State.OUT_OF_SCOPE,
    State.TIMEOUT,
    State.LOADED,
    State.MIXING,
    State.STEADY,
    State.UNIFORM,
    State.HOLD,
    State.CONFIRM,
    State.DISCHARGE,
    State.DONE,
)
_COMPARED = (State.STEADY, State.UNIFORM)


@dataclass(frozen=True)
class SensorReading:
    """What is known after one spectrum of one of several sensors.

    Attributes
    ----------
    sensor : str
        Name of the sensor that it came from.
    reading : Reading
        What is known by this sensor alone.
    state : State
        What is known of the batch by all sensors in service: UNIFORM where each of them says so and they agree.
    reason : str
        Why.
    endpoint : int or None
        Revolution at which the batch was first UNIFORM by all.
    apart, ratio : float
        Largest difference of two block means (standard errors) and largest ratio of two block variances; NaN while not
        every sensor in service is steady, or where no agreement was chosen.
    disagree : bool
        Whether one of them is beyond its limit.
    unreleased : bool
        An artefact of one of the sensors has not been released: the reading is for exploration alone.
    """

    sensor: str
    reading: Reading
    state: State
    reason: str
    endpoint: int | None
    apart: float
    ratio: float
    disagree: bool
    unreleased: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values, the reading within."""
        plain = {name: finite_or_none(getattr(self, name)) for name in ("apart", "ratio")}
        own = {name: getattr(self, name) for name in ("sensor", "reason", "endpoint", "disagree", "unreleased")}
        return own | plain | {"state": self.state.value, "reading": self.reading.to_dict()}


def _held_by_all(scorers: Mapping[str, Scorer]) -> Agreement | None:
    """Return the agreement that every artefact holds; None where they hold none, or not the same."""
    first, *others = (scorer.agreement for scorer in scorers.values())
    return first if all(other == first for other in others) else None


@dataclass
class _Last:
    """The last that one sensor said."""

    state: State = State.LOADED
    revolution: int = 0
    good: bool = False
    mean: float = math.nan
    sd: float = math.nan


class Sensors:
    """One batch that several sensors follow, each by a method of its own or all by the same.

    Parameters
    ----------
    scorers : mapping of str to Scorer
        The scorer of each sensor by its name; two sensors at least.
    batch : str
        Name of the batch.
    agreement : Agreement, optional
        Alarm for sensors that disagree, from `pat.homogeneity.agreement.make_agreement`; that of the artefacts where
        none is given and all of them hold the same.

    Raises
    ------
    InputError
        If there are fewer than two sensors, or the agreement was made for fewer or for other blocks.

    Notes
    -----
    The policy: the batch is UNIFORM where *every* sensor in service says so and none disagrees. Of several states the
    worst stands for all: a fault, an alarm, then the least advanced. A sensor that has been silent for as many
    revolutions as make a fault is one. No fault is ever passed over: a person takes a sensor out of service, with a
    reason, and the last one in service cannot be taken out.
    """

    def __init__(self, scorers: Mapping[str, Scorer], batch: str, agreement: Agreement | None = None) -> None:
        if len(scorers) < 2 or not all(isinstance(name, str) and name for name in scorers):
            raise InputError(f"at least 2 sensors with names are needed, got {list(scorers)}")
        self._prepare(scorers, batch, _held_by_all(scorers) if agreement is None else agreement)
        # Last, because a batch that is opened stands in the audit trail.
        self._blends = {name: scorer.start(batch) for name, scorer in scorers.items()}

    def _prepare(self, scorers: Mapping[str, Scorer], batch: str, agreement: Agreement | None) -> None:
        self.batch = batch
        rules = [scorer.require_rule() for scorer in scorers.values()]
        self._silent = min(rule.fault_run for rule in rules)
        self._agreement = agreement
        if agreement is not None:
            longest = max(rule.max_revolutions for rule in rules)
            sizes = {rule.block_size for rule in rules}
            if agreement.sensors < len(scorers) or sizes != {agreement.block_size} or agreement.revolutions < longest:
                raise InputError(
                    f"the agreement is of {agreement.sensors} sensors, blocks of {agreement.block_size} and "
                    f"{agreement.revolutions} revolutions, to agree are {len(scorers)}, {sorted(sizes)} and {longest}"
                )
        self._last = {name: _Last() for name in scorers}
        self._out: dict[str, str] = {}
        self._endpoint: int | None = None

    @property
    def blends(self) -> Mapping[str, Blend]:
        """What each sensor follows, by its name."""
        return dict(self._blends)

    @property
    def in_service(self) -> list[str]:
        """Names of the sensors that are in service."""
        return [name for name in self._blends if name not in self._out]

    @property
    def out_of_service(self) -> dict[str, str]:
        """Why sensors were taken out of service, by their name."""
        return dict(self._out)

    def take_out(self, sensor: str, reason: str) -> None:
        """Take a sensor out of service: what it says no longer counts for the batch.

        Raises
        ------
        InputError
            If there is no such sensor in service, or no reason is given.
        Refusal
            If it is the last one in service.
        """
        if sensor not in self.in_service or not reason.strip():
            raise InputError(
                f"one of {', '.join(self.in_service)} and a reason are needed, got {sensor!r} and {reason!r}"
            )
        if len(self.in_service) == 1:
            raise Refusal(f"{sensor} is the last sensor in service: without one nothing is known of the batch")
        self._out[sensor] = reason

    def put_back(self, sensor: str) -> None:
        """Put a sensor back into service; raises `InputError` if it was not out of it."""
        if sensor not in self._out:
            raise InputError(f"expected a sensor that is out of service, got {sensor!r}")
        del self._out[sensor]

    def update(self, sensor: str, absorbance: Any, revolution: int | None = None) -> SensorReading:
        """Take one spectrum of one sensor; as `Blend.update`.

        Raises
        ------
        InputError
            If there is no such sensor.
        """
        reading = self._blend(sensor).update(absorbance, revolution)
        self._last[sensor] = _Last(
            reading.state,
            reading.revolution,
            reading.status in GOOD,
            reading.block_mean,
            reading.block_rsd / 100.0 * reading.block_mean,
        )
        apart, ratio = self._compared()
        disagree = self._disagree(apart, ratio)
        state, reason = self._state(disagree)
        if state is State.UNIFORM and self._endpoint is None:
            self._endpoint = max(self._last[name].revolution for name in self.in_service)
        unreleased = any(blend.unreleased for blend in self._blends.values())
        return SensorReading(sensor, reading, state, reason, self._endpoint, apart, ratio, disagree, unreleased)

    def _blend(self, sensor: str) -> Blend:
        if sensor not in self._blends:
            raise InputError(f"`sensor` must be one of {', '.join(self._blends)}, got {sensor!r}")
        return self._blends[sensor]

    def _compared(self) -> tuple[float, float]:
        """Return how far apart the sensors in service are; NaN where that cannot be said."""
        last = [self._last[name] for name in self.in_service]
        steady = all(found.good and found.state in _COMPARED and math.isfinite(found.sd) for found in last)
        if self._agreement is None or len(last) < 2 or not steady:
            return math.nan, math.nan
        mean, sd = np.array([[found.mean, found.sd] for found in last]).T
        apart, ratio = widest(self._agreement, mean, sd)
        return float(apart), float(ratio)

    def _disagree(self, apart: float, ratio: float) -> bool:
        agreement = self._agreement
        return agreement is not None and (apart > agreement.mean_threshold or ratio > agreement.ratio_threshold)

    def _state(self, disagree: bool) -> tuple[State, str]:
        newest = max(self._last[name].revolution for name in self.in_service)
        states = {name: self._blends[name].state for name in self.in_service}
        for name in self.in_service:
            behind = newest - self._last[name].revolution
            if behind >= self._silent:
                return State.SENSOR_FAULT, f"{name} has been silent for {behind} revolutions"
        worst = min(states.values(), key=_ORDER.index)
        if worst is State.UNIFORM and disagree:
            return State.STEADY, "the sensors disagree"
        by = ", ".join(name for name, state in states.items() if state is worst)
        return worst, f"{in_words(worst)} by {by}"

    def stop(self) -> None:
        """Say that the blender stands; as `Blend.stop`, for every sensor, in service or not."""
        for blend in self._blends.values():
            blend.stop()

    def mix_on(self) -> None:
        """Say that the blender turns again; as `Blend.mix_on`, for every sensor, in service or not."""
        for blend in self._blends.values():
            blend.mix_on()

    def discharge(self) -> None:
        """Say that the blender is being emptied; as `Blend.discharge`, for every sensor in service.

        Raises
        ------
        Refusal
            If one of them has not confirmed the blend.
        """
        if open_ := [name for name in self.in_service if not self._blends[name].confirmed]:
            raise Refusal(f"every sensor in service must have confirmed the blend, {', '.join(open_)} has not")
        for name in self.in_service:
            self._blends[name].discharge()

    def close(self, reason: str = "") -> None:
        """End the batch; as `Blend.close`, for every sensor. Those out of service are closed for that reason."""
        for name, blend in self._blends.items():
            blend.close(self._out.get(name, reason))

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain JSON values (no NaN), for `resume`."""
        state = {
            "format": _SNAPSHOT_FORMAT,
            "batch": self.batch,
            "agreement": self._agreement.to_dict() if self._agreement else None,
            "out": dict(self._out),
            "endpoint": self._endpoint,
            "last": {name: _plain(last) for name, last in self._last.items()},
            "blends": {name: blend.snapshot() for name, blend in self._blends.items()},
        }
        return sealed(state)

    @classmethod
    def resume(cls, scorers: Mapping[str, Scorer], state: dict[str, Any]) -> Sensors:
        """Carry on with a batch from `snapshot`, bit for bit.

        Parameters
        ----------
        scorers : mapping of str to Scorer
            The same as when it was started.
        state : dict
            What `snapshot` returned.

        Raises
        ------
        InputError
            If it is incomplete, altered, or of other sensors or artefacts.
        """
        require_whole(state, _SNAPSHOT_FORMAT, what="several sensors' snapshot")
        if set(state["blends"]) != set(scorers):
            raise InputError(f"the snapshot is of {', '.join(state['blends'])}, got scorers of {', '.join(scorers)}")
        agreement = Agreement.from_dict(state["agreement"]) if state["agreement"] else None
        sensors = cls.__new__(cls)  # no batch is opened here: it is carried on
        sensors._prepare(scorers, state["batch"], agreement)
        sensors._blends = {name: scorers[name].resume(state["blends"][name]) for name in scorers}
        sensors._last = {name: _restored(state["last"][name]) for name in scorers}
        sensors._out, sensors._endpoint = dict(state["out"]), state["endpoint"]
        return sensors


def _plain(last: _Last) -> list[Any]:
    return [last.state.value, last.revolution, last.good, finite_or_none(last.mean), finite_or_none(last.sd)]


def _restored(state: list[Any]) -> _Last:
    return _Last(State(state[0]), int(state[1]), bool(state[2]), *map(number_or_nan, state[3:]))
