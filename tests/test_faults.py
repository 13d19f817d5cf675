"""Sensor faults through the real scorer: each has its name, none passes, and good blends raise none. All simulated."""

from __future__ import annotations

import numpy as np
import pytest

from pat.errors import InputError
from pat.scorer import Cause, Reading, Scorer, State, Status
from pat.simulation import (
    MICRONIR,
    pure_spectra,
    simulate_axis_shift,
    simulate_run,
    with_empty_window,
    with_film,
    with_lamp_drift,
)
from tests import simulated
from tests.simulated import RULE, WAVELENGTH

# The fault begins when the blend has been UNIFORM for some readings.
ONSET = 60
RUN = simulated.settled(140, 201)
RAMP = np.clip((np.arange(140) - ONSET + 1) / 40.0, 0.0, 1.0)[:, None]


def _follow(scorer: Scorer, x: np.ndarray) -> list[Reading]:
    blend = scorer.start("B-1")
    return [blend.update(row) for row in x]


def _fault(readings: list[Reading]) -> Reading:
    """Return the reading that made the fault."""
    return next(r for r in readings if r.transition is not None and r.state is State.SENSOR_FAULT)


def _film(amount: float) -> np.ndarray:
    """A film with a pattern of its own, that covers `amount` of the window in the end."""
    film = 0.6 + 0.3 * np.sin(WAVELENGTH / 9.0)
    return np.asarray((1.0 - amount * RAMP) * RUN + amount * RAMP * film)


FAULTS = {
    "a film": (_film(1e-3), Status.FOULED, Cause.FOULED_WINDOW),
    "an axis that shifts": (
        np.vstack([RUN[:ONSET], simulated.settled(140, 201, shift=0.03)[ONSET:]]),
        Status.AXIS_SHIFT,
        Cause.AXIS_SHIFT,
    ),
    "an axis that shifts back": (
        np.vstack([RUN[:ONSET], simulated.settled(140, 201, shift=-0.03)[ONSET:]]),
        Status.AXIS_SHIFT,
        Cause.AXIS_SHIFT,
    ),
    "a lamp that grows dim": (RUN + 0.3 * RAMP, Status.LAMP_DRIFT, Cause.LAMP_DRIFT),
    "a gain that grows": (RUN * (1.0 + 0.5 * RAMP), Status.LAMP_DRIFT, Cause.LAMP_DRIFT),
    "an empty window": (
        np.vstack([RUN[:ONSET], 1e-3 * np.random.default_rng(202).standard_normal((80, WAVELENGTH.size))]),
        Status.EMPTY,
        Cause.EMPTY_WINDOW,
    ),
}


@pytest.mark.requirement("URS-42")
@pytest.mark.parametrize(("x", "status", "cause"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_says_which_it_is_and_is_never_a_pass(scorer, x, status, cause):
    readings = _follow(scorer, x)
    assert State.UNIFORM in {r.state for r in readings[:ONSET]}
    first = next(r for r in readings if r.status is status)
    assert first.index > ONSET
    assert first.state is not State.UNIFORM
    assert not first.in_scope
    assert first.evidence == 0.0
    fault = _fault(readings)
    assert fault.transition is not None
    assert (fault.status, fault.transition.cause) == (status, cause)
    # The first of a row, unless it followed spectra out of scope; within two blocks of the fault at its full size.
    assert first.index <= fault.index < first.index + RULE.fault_run
    assert fault.index <= ONSET + 40 + 2 * RULE.block_size
    assert State.UNIFORM not in {r.state for r in readings[first.index - 1 :]}


def test_the_numbers_behind_a_shift_stand_in_the_reading_and_the_transition(scorer):
    fault = _fault(_follow(scorer, FAULTS["an axis that shifts"][0]))
    assert fault.transition is not None
    numbers = fault.transition.numbers
    assert (numbers["axis_shift"], numbers["axis_shift_limit"]) == (fault.axis_shift, RULE.axis_shift_limit)
    assert fault.axis_shift > RULE.axis_shift_limit
    # The mean of exponential weights 2/9 that has seen k shifted spectra is 1 - (7/9)^k of the way to 0.03 nm.
    seen = 1.0 - (7.0 / 9.0) ** (fault.index - ONSET)
    assert fault.axis_shift == pytest.approx(0.03 * seen, abs=0.007)


def test_a_drift_that_ends_lets_the_batch_go_on(scorer):
    x = np.vstack([RUN[:ONSET], RUN[ONSET:80] + 0.3, simulated.settled(60, 203)])
    readings = _follow(scorer, x)
    assert _fault(readings).status is Status.LAMP_DRIFT
    assert readings[-1].state is State.UNIFORM


def test_good_and_slow_blends_raise_no_fault(scorer):
    for seed in range(20):
        x = simulated.blending(150, 300 + seed) if seed % 2 else simulated.settled(150, 300 + seed)
        statuses = {r.status for r in _follow(scorer, x)}
        assert statuses <= {Status.OK, Status.WARM_UP, Status.OUT_OF_SCOPE}


def test_powder_that_stands_is_not_followed_for_drift(scorer):
    blend = scorer.start("B-1")
    for row in RUN[:ONSET]:
        blend.update(row)
    blend.stop()
    still = RUN[0] + 5e-5 * np.random.default_rng(204).standard_normal((30, WAVELENGTH.size))
    for row in still:
        reading = blend.update(row)
        assert np.isnan(reading.level_drift)
        assert reading.status is Status.OK
    blend.mix_on()
    after = [blend.update(row) for row in RUN[ONSET:100]]
    # The means begin anew: two blocks pass before there is a number.
    assert [np.isnan(r.axis_shift) for r in after] == [True] * (2 * RULE.block_size - 1) + [False] * (41 - 16)


# The generator of such faults


def test_faults_of_the_generator_are_what_they_say():
    run = simulate_run("good", 5, n_revolutions=40)
    empty = with_empty_window(run, 10, 5, 1)
    others = np.delete(np.arange(40), np.s_[10:15])
    np.testing.assert_array_equal(empty.absorbance[others], run.absorbance[others])
    assert np.abs(empty.absorbance[10:15]).max() < 6.0 * MICRONIR.noise
    lamp = with_lamp_drift(run, 20, 10, offset=0.1, gain=0.2)
    np.testing.assert_array_equal(lamp.absorbance[:20], run.absorbance[:20])
    np.testing.assert_allclose(lamp.absorbance[24], 1.1 * run.absorbance[24] + 0.05)  # revolution 25 is half way
    np.testing.assert_allclose(lamp.absorbance[30:], 1.2 * run.absorbance[30:] + 0.1)
    film = pure_spectra(MICRONIR)[3]
    fouled = with_film(run, film, 20, 10, 0.6)
    np.testing.assert_allclose(fouled.absorbance[-1], 0.4 * run.absorbance[-1] + 0.6 * film)
    np.testing.assert_allclose(fouled.truth.film[[19, 24, 39]], [0.0, 0.3, 0.6])
    shifted = simulate_axis_shift("good", 5, 20, 1.0, n_revolutions=40)
    np.testing.assert_array_equal(shifted.absorbance[:20], run.absorbance[:20])
    # The same powder and noise, a channel of 5.65 nm pitch read 1 nm off: the change is the slope's.
    change, slope = shifted.absorbance[30] - run.absorbance[30], np.gradient(run.absorbance[30], run.wavelength)
    assert np.corrcoef(change, -slope)[0, 1] > 0.9
    for first, count in ((-1, 2), (38, 3)):
        with pytest.raises(InputError, match="empty readings must be among 40"):
            with_empty_window(run, first, count, 1)
