"""The scorer: stream equals batch, nothing a sensor sends stops it or passes, and a snapshot carries on bit for bit."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import math
import statistics
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from pat import artefact
from pat.artefact import Content
from pat.core import blocks
from pat.core.endpoint import GOOD, IN_WORDS
from pat.errors import ArtefactError, InputError
from pat.scorer import Cause, Scorer, State, Status, Verdict
from pat.scorer.predictor import fingerprint
from tests import simulated
from tests.simulated import RULE, STEPS, WAVELENGTH

P = WAVELENGTH.size
N = RULE.block_size


def _treated(x: np.ndarray) -> np.ndarray:
    """SNV (statistics module) and scipy's derivative over each of the two ranges."""
    kept = (WAVELENGTH >= 1004.0) & (WAVELENGTH <= 1116.0), (WAVELENGTH >= 1128.0) & (WAVELENGTH <= 1232.0)
    row = x[kept[0] | kept[1]]
    row = (row - statistics.fmean(row)) / statistics.stdev(row)
    cut = int(kept[0].sum())
    parts = [savgol_filter(part, 7, 2, deriv=1, delta=4.0, mode="interp") for part in (row[:cut], row[cut:])]
    return np.concatenate(parts)


def _direct(content: Content, x: np.ndarray) -> tuple[float, float, float]:
    """Prediction, T2 and Q of one raw spectrum, written out."""
    a = content.arrays
    centred = _treated(x) - a["x_mean"]
    t = centred @ a["rotations"]
    value = float(a["y_mean"]) + float(centred @ a["coefficients"][-1])
    return value, float(sum(t**2 / a["score_variance"])), float(((centred - a["loadings"] @ t) ** 2).sum())


def _near(found: float, expected: float, relative: float = 1e-9) -> None:
    if math.isnan(expected):
        assert math.isnan(found)
    else:
        assert found == pytest.approx(expected, rel=relative)


# Predictions


def test_predictions_equal_a_direct_computation(content, scorer):
    x = simulated.spectra(np.linspace(7.0, 13.0, 15), 5)
    found = scorer.predict(x)
    for i, row in enumerate(x):
        value, t2, q = _direct(content, row)
        _near(found.value[i], value)
        _near(found.hotelling_t2[i], t2)
        _near(found.q_residuals[i], q, 1e-8)
    assert found.in_scope.all()
    # The simulated truth comes back: the calibration is a real one.
    np.testing.assert_allclose(found.value, np.linspace(7.0, 13.0, 15), atol=0.3)


def test_predict_takes_one_spectrum_many_none_lists_and_other_number_types(scorer):
    x = simulated.settled(5, 6)
    whole = scorer.predict(x)
    for i, row in enumerate(x):
        one = scorer.predict(row)
        assert one.value.shape == one.hotelling_t2.shape == one.q_residuals.shape == one.in_scope.shape == (1,)
        # A product fed another shape differs in the last bits.
        np.testing.assert_allclose(one.value, whole.value[i], rtol=1e-12)
    np.testing.assert_array_equal(scorer.predict(x.tolist()).value, whole.value)
    np.testing.assert_array_equal(scorer.predict(np.asfortranarray(x)).value, whole.value)
    single = x.astype(np.float32)
    np.testing.assert_array_equal(scorer.predict(single).value, scorer.predict(single.astype(np.float64)).value)
    empty = scorer.predict(np.zeros((0, P)))
    assert empty.value.shape == empty.in_scope.shape == (0,)


def test_a_row_that_is_not_finite_is_nan_and_disturbs_no_other(scorer):
    x = simulated.settled(6, 7)
    expected = scorer.predict(x[[0, 2, 5]])
    x[1, 3], x[3, 0], x[4, :] = np.nan, np.inf, 0.25
    found = scorer.predict(x)
    for name in ("value", "hotelling_t2", "q_residuals"):
        np.testing.assert_allclose(getattr(found, name)[[0, 2, 5]], getattr(expected, name), rtol=1e-12)
        assert np.isnan(getattr(found, name)[[1, 3, 4]]).all()  # NaN, infinite, and flat
    np.testing.assert_array_equal(found.in_scope, [True, False, True, False, False, True])


def test_saturated_and_foreign_spectra_are_out_of_scope(scorer):
    x = simulated.settled(4, 8)
    x[1, 5] = 2.5
    x[2] += 0.2 * np.sin(WAVELENGTH / 9.0)
    x[3, 5] = 1e200
    found = scorer.predict(x)
    np.testing.assert_array_equal(found.in_scope, [True, False, False, False])


@pytest.mark.parametrize("shape", [(P - 1,), (3, P + 1), (P, 3), (2, 2, P), (), (0,)])
def test_predict_refuses_another_shape_and_names_both(scorer, shape):
    with pytest.raises(InputError, match=rf"shape \(n, {P}\) or \({P},\), got"):
        scorer.predict(np.ones(shape))


@pytest.mark.parametrize("given_", ["text", None, [["a"] * P], [[1.0, 2.0], [3.0]], {"a": 1}])
def test_predict_refuses_what_are_no_spectra(scorer, given_):
    with pytest.raises(InputError, match="spectra must"):
        scorer.predict(given_)


def test_predicting_leaves_the_spectra_as_they_were(scorer):
    x = simulated.settled(3, 9)
    kept = x.copy()
    x.flags.writeable = False
    scorer.predict(x)
    blend = scorer.start("B-1")
    for row in x:
        blend.update(row)
    np.testing.assert_array_equal(x, kept)


# Stream equals batch


class _Blocks:
    """Everything that a reading says of blocks, computed anew from all spectra that entered."""

    def __init__(self, content: Content) -> None:
        self._content, self._treated, self._values = content, [], []  # type: ignore[var-annotated]
        self._raw: list[tuple[float, float]] = []
        self._novelty: list[float] = []

    def numbers(self, x: np.ndarray) -> dict[str, float]:
        value, t2, q = _direct(self._content, x)
        self._treated.append(_treated(x))
        self._values.append(value)
        kept = x[((WAVELENGTH >= 1004.0) & (WAVELENGTH <= 1116.0)) | ((WAVELENGTH >= 1128.0) & (WAVELENGTH <= 1232.0))]
        raw = (statistics.fmean(kept), statistics.stdev(kept))
        if len(self._raw) >= 2 * N:
            self._novelty.append(min(math.dist(raw, other) for other in self._raw[-2 * N :]))
        self._raw.append(raw)
        numbers = {"value": value, "hotelling_t2": t2, "q_residuals": q}
        return numbers | self._spectral() | self._of_values() | self._of_raw()

    def _of_raw(self) -> dict[str, float]:
        found = dict.fromkeys(("level_step", "contrast_step", "novelty"), math.nan)
        if len(self._raw) >= N:
            for name, column in zip(("level_step", "contrast_step"), zip(*self._raw[-N:], strict=True), strict=True):
                jumps = [(b - a) ** 2 for a, b in itertools.pairwise(column)]
                found[name] = math.sqrt(sum(jumps) / (2.0 * (N - 1)))
        if len(self._novelty) >= N:
            found["novelty"] = statistics.median(self._novelty[-N:])
        return found

    def _spectral(self) -> dict[str, float]:
        block = np.array(self._treated[-N:])
        mbsd = ratio = math.nan
        if len(self._treated) >= N:
            mbsd = float(np.std(block, axis=0, ddof=1).mean())
        if len(self._treated) >= 2 * N:
            before = np.array(self._treated[-2 * N : -N])
            ratio = float(before.var(axis=0, ddof=1).sum() / block.var(axis=0, ddof=1).sum())
        return {"mbsd": mbsd, "moving_f": ratio}

    def _of_values(self) -> dict[str, float]:
        names = ("block_mean", "block_rsd", "block_rsd_upper", "blend_rsd_upper")
        if len(self._values) < N:
            return dict.fromkeys(names, math.nan)
        mean, sd = statistics.fmean(self._values[-N:]), statistics.stdev(self._values[-N:])
        upper = sd * RULE.upper_factor
        blend = math.sqrt(max(upper**2 - RULE.repeatability**2, 0.0)) / RULE.slope
        shares = (sd, upper, blend) if mean > 0.0 else (math.nan,) * 3
        return dict(zip(names, (mean, *(100.0 * s / mean for s in shares)), strict=True))


@pytest.mark.parametrize("saturation", [2.5, None], ids=["saturated", "no saturation limit"])
def test_every_number_at_every_spectrum_is_what_the_block_gives_a_spike_included(saturation):
    content = simulated.make_content(saturation=saturation)
    blend, direct = Scorer(content).start("B-1"), _Blocks(content)
    x = simulated.blending(90, 10)
    x[40, 17] += 1e6  # one detector element, for one spectrum
    for i, row in enumerate(x):
        reading = blend.update(row)
        expected = direct.numbers(row)
        for name, number in expected.items():
            # Q is a small difference of larger numbers; 1e-8 of it is still 1e-12 of the spectrum.
            # So are the distances between raw levels, of which a mean over 1e6 has lost the last digits.
            _near(getattr(reading, name), number, 1e-8 if name in ("q_residuals", "novelty") else 1e-9)
        assert reading.index == reading.revolution == i + 1
    spiked = Scorer(content).start("B-2")
    readings = [spiked.update(row) for row in x]
    assert readings[40].status is (Status.SATURATED if saturation else Status.OUT_OF_SCOPE)
    assert readings[40 + N - 1].mbsd > 2.0 * readings[40 + N].mbsd  # in the block until it has left


def test_a_spike_leaves_the_readings_of_a_run_without_it():
    # Once both blocks have passed it, the block numbers are those of the same run with a harmless spectrum there.
    content = simulated.make_content()
    x = simulated.blending(80, 11)
    y = x.copy()
    y[30] *= 1e6
    clean, spiked = Scorer(content).start("clean"), Scorer(content).start("spiked")
    for i, (a, b) in enumerate(zip(x, y, strict=True)):
        one, other = clean.update(a), spiked.update(b)
        if i >= 30 + 2 * N:
            for name in ("value", "mbsd", "moving_f", "block_mean", "block_rsd", "blend_rsd_upper"):
                _near(getattr(other, name), getattr(one, name))


def test_a_good_run_ends_and_a_low_one_does_not(scorer):
    blend = scorer.start("good")
    readings = [blend.update(x) for x in simulated.blending(120, 12)]
    assert readings[-1].endpoint is not None
    assert readings[readings[-1].endpoint - 1].state is State.UNIFORM
    assert readings[readings[-1].endpoint - 1].verdicts.all_pass()
    low = scorer.start("low")
    assert State.UNIFORM not in {low.update(x).state for x in simulated.settled(190, 13, mean=9.0)}


# What a sensor may send


def _started(scorer: Scorer, n: int) -> Any:
    blend = scorer.start("B-1")
    for x in simulated.settled(n, 20):
        blend.update(x)
    return blend


SPECTRUM = simulated.settled(1, 21)[0]
STRANGE: dict[str, tuple[Any, Status]] = {
    "NaN": (np.where(np.arange(P) == 7, np.nan, SPECTRUM), Status.NOT_FINITE),
    "infinite": (np.where(np.arange(P) == 7, -np.inf, SPECTRUM), Status.NOT_FINITE),
    "too short": (SPECTRUM[:-1], Status.WRONG_LENGTH),
    "too long": (np.append(SPECTRUM, 0.5), Status.WRONG_LENGTH),
    "a row of a table": (SPECTRUM[None, :], Status.WRONG_LENGTH),
    "a number": (0.5, Status.WRONG_LENGTH),
    "empty": ([], Status.WRONG_LENGTH),
    "None": (None, Status.NOT_FINITE),
    "text": ("0.5", Status.NOT_FINITE),
    "bytes": (b"\x00" * P, Status.NOT_FINITE),
    "numbers as text": ([str(v) for v in SPECTRUM], Status.NOT_FINITE),
    "a gap": ([None, *SPECTRUM[1:]], Status.NOT_FINITE),
    "ragged": ([[0.5], [0.5, 0.6]], Status.NOT_FINITE),
    "complex": (SPECTRUM + 1j, Status.NOT_FINITE),
    "true and false": ([True] * P, Status.NOT_FINITE),
    "a mapping": ({"x": 1}, Status.NOT_FINITE),
    "an object": (object(), Status.NOT_FINITE),
    "numbers beyond any float": ([10**400] * P, Status.NOT_FINITE),
    "flat": (np.full(P, 0.37), Status.NOT_FINITE),
    "all zero": (np.zeros(P), Status.NOT_FINITE),
    "overflowing": (SPECTRUM * 1e300, Status.NOT_FINITE),
    "saturated": (np.where(np.arange(P) == 7, 2.5, SPECTRUM), Status.SATURATED),
    "saturated downwards": (SPECTRUM - 4.0, Status.SATURATED),
    "foreign": (SPECTRUM + 0.2 * np.sin(WAVELENGTH / 9.0), Status.OUT_OF_SCOPE),
}


@pytest.mark.requirement("URS-42")
@pytest.mark.parametrize(("sent", "status"), STRANGE.values(), ids=STRANGE.keys())
@pytest.mark.parametrize("before", [0, 3, 45], ids=["at the start", "warming up", "uniform"])
def test_whatever_a_sensor_sends_has_a_status_and_is_never_a_pass(scorer, sent, status, before):
    blend = _started(scorer, before)
    reading = blend.update(sent)
    assert reading.status is status
    assert not reading.in_scope
    assert reading.state is State.MIXING
    assert Verdict.PASS not in vars(reading.verdicts).values()
    assert reading.evidence == 0.0
    assert (reading.index, reading.revolution) == (before + 1, before + 1)
    json.dumps(reading.to_dict(), allow_nan=False)
    json.dumps(blend.snapshot(), allow_nan=False)
    # The next good spectrum begins the evidence anew.
    after = blend.update(simulated.settled(1, 22)[0])
    assert after.status in GOOD
    assert after.state is State.MIXING


@pytest.mark.parametrize(("sent", "status"), STRANGE.values(), ids=STRANGE.keys())
def test_bad_spectra_in_a_row_are_a_fault_and_a_block_of_good_ones_ends_it(scorer, sent, status):
    blend = _started(scorer, 45)
    wiggle = 1e-7 * np.random.default_rng(1).standard_normal((6, P))
    for i in range(6):
        again = sent + wiggle[i] if status in (Status.SATURATED, Status.OUT_OF_SCOPE) else sent
        last = blend.update(again)
    assert last.state is State.SENSOR_FAULT
    states = [blend.update(x).state for x in simulated.settled(60, 23)]
    assert set(states[: N - 1]) == {State.SENSOR_FAULT}
    assert states[N - 1] is not State.SENSOR_FAULT
    assert State.UNIFORM in states


def test_a_method_without_saturation_or_snv_survives_huge_numbers():
    content = simulated.make_content(steps=[], saturation=None)
    blend = Scorer(content).start("B-1")
    for factor, status in ((1.0, Status.WARM_UP), (1e150, Status.OUT_OF_SCOPE), (1e200, Status.NOT_FINITE),
                           (1.5e308, Status.NOT_FINITE), (1.01, Status.WARM_UP)):  # fmt: skip
        reading = blend.update(SPECTRUM * factor)
        assert reading.status is status
        json.dumps(reading.to_dict(), allow_nan=False)
        json.dumps(blend.snapshot(), allow_nan=False)


def test_a_baseline_step_survives_strange_spectra_too():
    steps = [{"step": "baseline", "method": "asls", "parameters": {"lam": 1e5}}, *STEPS]
    blend = Scorer(simulated.make_content(steps=steps)).start("B-1")
    assert blend.update(SPECTRUM).status is Status.WARM_UP
    for sent, _ in STRANGE.values():
        assert blend.update(sent).status not in GOOD


def test_a_frozen_spectrum_has_its_status_and_does_not_enter_the_blocks(scorer):
    x = simulated.settled(30, 24)
    straight, stuttering = scorer.start("A"), scorer.start("B")
    for row in x:
        one, other = straight.update(row), stuttering.update(row)
        assert stuttering.update(row).status is Status.FROZEN
        for name in ("value", "mbsd", "moving_f", "block_rsd"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    # Something else in between does not hide that the spectrum is the old one, nor does a little noise.
    stuttering.update(None)
    assert stuttering.update(x[-1]).status is Status.FROZEN
    assert stuttering.update(x[-1] + 1e-6 * np.sin(WAVELENGTH)).status is Status.FROZEN
    assert stuttering.update(simulated.settled(1, 25)[0]).status is Status.OK


# A window that is stuck, and powder at rest

# Noise of the simulated instrument: a twentieth of it is what a stuck reading may have in its last digits.
NOISE = 5e-5


def _stuck(case: str, n: int = 120) -> np.ndarray:
    rng, some = np.random.default_rng(27), simulated.settled(12, 28)
    turn = np.arange(n)
    fresh = NOISE * rng.standard_normal((n, P))
    cases = {
        "one spectrum": some[0 * turn],
        "one spectrum, last digits": some[0 * turn] + 0.05 * fresh,
        "two in turn": some[turn % 2],
        "two in turn, last digits": some[turn % 2] + 0.05 * fresh,
        "a loop of 12, last digits": some[turn % 12] + 0.05 * fresh,
        "a loop longer than two blocks": simulated.settled(20, 29)[turn % 20],
        "each spectrum three times": np.repeat(simulated.settled(n, 29), 6, axis=0)[:n],
        "at rest": some[0 * turn] + fresh,
        "at rest, with a drift": some[0 * turn] + fresh + 1e-3 * turn[:, None],
        "at rest, under a lamp that flickers": some[0 * turn] + fresh + 0.03 * rng.standard_normal((n, 1)),
        "sticking and slipping": some[turn // 12] + fresh,
        "two in turn, fresh noise": some[turn % 2] + fresh,
        "a loop of 12, fresh noise": some[turn % 12] + fresh,
    }
    return np.asarray(cases[case])


STUCK = {
    "one spectrum": (Status.FROZEN, 5),
    "one spectrum, last digits": (Status.FROZEN, 5),
    "two in turn": (Status.FROZEN, 6),
    "two in turn, last digits": (Status.FROZEN, 6),
    "a loop of 12, last digits": (Status.FROZEN, 16),
    "a loop longer than two blocks": (Status.FROZEN, 24),
    "each spectrum three times": (Status.FROZEN, 5),
    "at rest": (Status.OK, 15),
    "at rest, with a drift": (Status.OK, 15),
    "at rest, under a lamp that flickers": (Status.OK, 15),
    "sticking and slipping": (Status.OK, 40),
    "two in turn, fresh noise": (Status.OK, 31),
    "a loop of 12, fresh noise": (Status.OK, 31),
}


@pytest.mark.requirement("URS-42")
@pytest.mark.parametrize(("case", "status", "turn"), [(case, *found) for case, found in STUCK.items()], ids=STUCK)
def test_a_sensor_that_sees_nothing_new_is_a_fault_and_never_uniform(scorer, case, status, turn):
    blend = scorer.start("stuck")
    readings = [blend.update(x) for x in _stuck(case)]
    assert State.UNIFORM not in {r.state for r in readings}
    assert readings[-1].endpoint is None
    # Four frozen readings in a row, or a block that has been quiet for a block.
    assert next(r.revolution for r in readings if r.state is State.SENSOR_FAULT) <= turn
    assert readings[turn - 1].status is status
    if status is Status.OK:
        assert Verdict.FAIL in {r.verdicts.moving for r in readings[: turn + 1]}
        faults = [r for r in readings if r.state is State.SENSOR_FAULT and r.status is Status.OK]
        assert {r.reason for r in faults} <= {
            "the powder does not move past the window, or the sensor repeats itself",
            "waiting for a block of good readings",
        }


def test_a_blend_is_stopped_confirmed_and_discharged_with_every_change_of_state_told(scorer):
    blend = scorer.start("A")
    assert blend.state is State.LOADED
    readings = [blend.update(x) for x in simulated.settled(40, 30)]
    assert readings[-1].state is State.UNIFORM
    blend.stop()
    # The same powder again and again, with the noise of the instrument alone, which is a fault while the blender turns.
    rng, at_rest = np.random.default_rng(31), simulated.settled(1, 32)[0]
    standing = [blend.update(at_rest + 0.05 * NOISE * rng.standard_normal(P)) for _ in range(4)]
    assert [r.state for r in standing] == [State.HOLD] * 3 + [State.CONFIRM]
    assert {r.revolution for r in standing} == {readings[-1].revolution}
    assert blend.update(at_rest, revolution=39).status is Status.OUT_OF_ORDER
    blend.discharge()
    # What the spectra are worth is told during the discharge too, and an exact repeat is none of the powder's.
    flowing = simulated.settled(2, 33)
    assert [blend.update(x).status for x in (*flowing, flowing[-1])] == [Status.OK, Status.OK, Status.FROZEN]
    blend.close()
    told = [r.transition for r in (*readings, *standing) if r.transition is not None]
    assert [t for t in blend.transitions if t.cause not in {Cause.STOPPED, Cause.DISCHARGED, Cause.CLOSED}] == told
    assert [t.after for t in blend.transitions][-4:] == [State.HOLD, State.CONFIRM, State.DISCHARGE, State.DONE]
    json.dumps([r.to_dict() for r in readings], allow_nan=False)


def test_powder_that_comes_to_rest_is_no_longer_uniform_and_moves_again(scorer):
    blend, rng = scorer.start("rest"), np.random.default_rng(30)
    moving = [blend.update(x) for x in simulated.settled(45, 31)]
    assert moving[-1].state is State.UNIFORM
    still = [blend.update(x) for x in simulated.settled(1, 32) + NOISE * rng.standard_normal((25, P))]
    assert still[-1].state is State.SENSOR_FAULT
    assert State.OVERMIXED not in {r.state for r in still}
    again = [blend.update(x) for x in simulated.settled(60, 33)]
    assert again[-1].state is State.UNIFORM
    assert again[-1].endpoint == moving[-1].endpoint


def test_blends_that_move_pass_the_question_in_every_block(scorer):
    # 3 N spectra until the last of the numbers exists. No block of 40 runs fails.
    for seed in range(40):
        blend = scorer.start("moving")
        readings = [blend.update(x) for x in simulated.blending(100, 100 + seed)]
        assert Status.FROZEN not in {r.status for r in readings}
        judged = [r for r in readings if r.status in GOOD]
        assert Verdict.FAIL not in {r.verdicts.moving for r in judged}
        assert {r.verdicts.moving for r in judged[-20:]} == {Verdict.PASS}


def test_memory_and_snapshots_are_bounded(scorer):
    blend, rule = scorer.start("long"), scorer.require_rule()
    for x in simulated.settled(rule.max_revolutions + 60, 34):
        blend.update(x)
    state = blend.snapshot()
    assert len(state["seen"]) == rule.max_revolutions
    assert {name: len(rows) for name, rows in state["window"].items()} == {
        "treated": 2 * N, "marks": 5 * N, "so_far": 2,
    }  # fmt: skip


def test_statistics_on_demand_are_those_of_the_whole_run(scorer, content):
    blend, spectra = scorer.start("all"), simulated.blending(60, 36)
    spectra[30] = spectra[29]  # a repeat, which does not enter the blocks
    found = []
    for x in spectra:
        reading = blend.update(x)
        if reading.status is not Status.FROZEN:
            found.append(blend.statistics())
    assert len(found) == 59
    new = np.delete(spectra, 30, axis=0)
    value, t2, q = np.transpose([_direct(content, x) for x in new])
    run = blocks.RunReadings(value, np.array([_treated(x) for x in new]), t2, q)
    rule = scorer.require_rule()
    constants = blocks.Constants(
        upper_factor=rule.upper_factor,
        repeatability=rule.repeatability,
        slope=rule.slope,
        f_quantile=rule.f_quantile,
        t2_limit=float(content.document["limits"]["hotelling_t2"]),
        q_limit=float(content.document["limits"]["q_residuals"]),
        targets=np.array([rule.target]),
    )
    expected = blocks.every_series(run, N, constants)
    assert set(found[0]) == set(expected)
    for name in found[0]:
        np.testing.assert_allclose([f[name] for f in found], expected[name], rtol=1e-7, err_msg=name)


def test_a_reason_has_no_names_from_the_program(scorer):
    reasons = {scorer.start("x").update(sent).reason for sent, _ in STRANGE.values()}
    reasons |= {r.reason for r in map(scorer.start("y").update, simulated.blending(60, 35))}
    assert not [reason for reason in reasons if "_" in reason]
    assert any(IN_WORDS["pocket_free"] in reason for reason in reasons)


@pytest.mark.parametrize("masked", [[3], [0, 59], list(range(P))])
def test_what_is_masked_is_no_number(scorer, masked):
    x = np.ma.masked_array(SPECTRUM, mask=np.isin(np.arange(P), masked))
    assert scorer.start("B-1").update(x).status is Status.NOT_FINITE
    found = scorer.predict(np.ma.stack([x, np.ma.masked_array(SPECTRUM)]))
    np.testing.assert_array_equal(np.isnan(found.value), [True, False])
    np.testing.assert_array_equal(found.in_scope, [False, True])
    whole = np.ma.masked_array(np.round(1000.0 * SPECTRUM).astype(np.int64))
    assert scorer.start("B-1").update(whole).status is Status.SATURATED  # integers are numbers, a mask or not
    whole[3] = np.ma.masked
    assert scorer.start("B-1").update(whole).status is Status.NOT_FINITE


@pytest.mark.requirement("URS-42")
@pytest.mark.parametrize(
    "revolution",
    [40, 0, -1, 45.5, math.nan, math.inf, -math.inf, "46", "", [46], 1j, object(), np.nan, 10**400 * -1],
)
def test_a_revolution_that_is_none_or_not_later_is_out_of_order(scorer, revolution):
    blend = _started(scorer, 45)
    reading = blend.update(SPECTRUM, revolution=revolution)
    assert reading.status is Status.OUT_OF_ORDER
    assert Verdict.PASS not in vars(reading.verdicts).values()
    assert math.isnan(reading.value)
    assert type(reading.revolution) is int
    json.dumps(reading.to_dict(), allow_nan=False)
    json.dumps(blend.snapshot(), allow_nan=False)
    following = blend.update(SPECTRUM)
    assert (following.revolution, following.status) == (46, Status.OK)


def test_a_revolution_that_was_read_already_is_a_duplicate_and_a_gap_is_counted(scorer):
    blend = _started(scorer, 45)
    reading = blend.update(SPECTRUM, revolution=45)
    assert (reading.status, reading.revolution) == (Status.DUPLICATE, 45)
    assert (reading.duplicate_revolutions, reading.missing_revolutions) == (1, 0)
    assert reading.reason == "reading duplicate: the evidence starts again"
    assert reading.transition is not None  # from UNIFORM to MIXING
    assert reading.transition.numbers["duplicate_revolutions"] == 1
    # 46 to 48 are missing; a counter that jumps, or goes back, leaves none out.
    assert blend.update(SPECTRUM, revolution=10_000).missing_revolutions == 0
    gap = blend.update(SPECTRUM, revolution=49)
    assert (gap.missing_revolutions, gap.duplicate_revolutions) == (3, 1)
    assert gap.reason == "missing revolutions (3): the evidence starts again"
    assert blend.update(simulated.settled(1, 25)[0]).missing_revolutions == 3


@pytest.mark.parametrize("revolution", [-5, -0.5, "x", math.nan])
def test_a_first_revolution_that_is_none_is_out_of_order(scorer, revolution):
    blend = scorer.start("B-1")
    assert blend.update(SPECTRUM, revolution=revolution).status is Status.OUT_OF_ORDER
    assert blend.update(SPECTRUM).revolution == 1


@pytest.mark.parametrize("revolution", [46, 46.0, np.int64(46), np.float32(46.0), None])
def test_the_next_revolution_may_be_any_whole_number_or_left_out(scorer, revolution):
    reading = _started(scorer, 45).update(SPECTRUM, revolution=revolution)
    assert (reading.revolution, reading.status) == (46, Status.OK)
    assert type(reading.revolution) is int


def test_a_missing_revolution_breaks_the_run(scorer):
    blend = _started(scorer, 45)
    reading = blend.update(SPECTRUM, revolution=48)
    assert (reading.status, reading.state) == (Status.OK, State.MIXING)
    assert reading.evidence <= 1.0 / RULE.pocket_window  # that of this one reading
    assert blend.update(simulated.settled(1, 25)[0]).revolution == 49


def test_readings_warm_up_until_a_block_is_full(scorer):
    blend = scorer.start("B-1")
    readings = [blend.update(x) for x in simulated.settled(2 * N, 26)]
    assert [r.status for r in readings] == [Status.WARM_UP] * (N - 1) + [Status.OK] * (N + 1)
    assert all(math.isnan(r.mbsd) and math.isnan(r.block_mean) for r in readings[: N - 1])
    assert all(math.isnan(r.moving_f) for r in readings[: 2 * N - 1])
    assert math.isfinite(readings[N - 1].mbsd)
    assert math.isfinite(readings[2 * N - 1].moving_f)
    first = readings[0].to_dict()
    assert first["mbsd"] is first["endpoint"] is None
    assert (first["status"], first["state"]) == ("WARM_UP", "MIXING")
    assert set(first["verdicts"].values()) == {"NO_DECISION"}


JUNK = st.one_of(
    st.none(),
    st.text(max_size=5),
    st.floats(allow_nan=True),
    st.lists(st.floats(allow_nan=True) | st.none() | st.text(max_size=2), max_size=P + 1),
    st.lists(st.floats(width=32), min_size=P, max_size=P),
    st.sampled_from([SPECTRUM, SPECTRUM[::-1], SPECTRUM * 1e5, -SPECTRUM]),
)


@given(sent=st.lists(st.tuples(JUNK, st.none() | JUNK | st.integers(-5, 300)), max_size=12))
@settings(max_examples=40, deadline=None)
def test_no_junk_stops_a_batch(scorer, sent):
    blend = scorer.start("B-1")
    for spectrum, revolution in sent:
        reading = blend.update(spectrum, revolution=revolution)
        assert reading.state is not State.UNIFORM
        json.dumps(reading.to_dict(), allow_nan=False)
    json.dumps(blend.snapshot(), allow_nan=False)
    assert blend.update(SPECTRUM + 1e-6).index == len(sent) + 1


# Batches side by side


def test_two_blends_in_turn_do_not_disturb_each_other(scorer):
    runs = [simulated.blending(60, 30), simulated.settled(60, 31, mean=9.0)]
    alone = []
    for name, run in zip("AB", runs, strict=True):
        blend = scorer.start(name)
        alone.append([blend.update(x).to_dict() for x in run])
    a, b = scorer.start("A"), scorer.start("B")
    turns = [(a.update(x).to_dict(), b.update(y).to_dict()) for x, y in zip(*runs, strict=True)]
    assert [one for one, _ in turns] == alone[0]
    assert [other for _, other in turns] == alone[1]


def test_blends_in_threads_do_not_disturb_each_other(scorer):
    runs = [simulated.blending(50, seed) for seed in range(40, 46)]

    def follow(run: np.ndarray) -> list[dict[str, Any]]:
        blend = scorer.start("B-1")
        return [blend.update(x).to_dict() for x in run]

    expected = [follow(run) for run in runs]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(follow, runs)) == expected


def test_a_batch_needs_a_name_and_a_rule(content):
    for name in ("", None, 7):
        with pytest.raises(InputError, match="`batch` must be a name"):
            Scorer(content).start(name)  # type: ignore[arg-type]
    bare = Scorer(simulated.make_content(rule=None))
    assert bare.predict(SPECTRUM).in_scope.all()
    with pytest.raises(InputError, match="predicts, but follows no blend"):
        bare.start("B-1")


# Snapshots


def _eventful() -> list[tuple[Any, int | None]]:
    """Return a run with every kind of reading in it: over-mixed in the end."""
    x = list(simulated.blending(75, 50))
    run: list[tuple[Any, int | None]] = [(row, None) for row in x]
    run[5] = (np.full(P, np.nan), None)
    run[6] = (x[4], None)
    run[10] = (x[10] + 3.0, None)
    run[12] = (x[12], 2)
    run[13] = (x[13][:-1], None)
    run[14] = (x[14] + 0.2 * np.sin(WAVELENGTH / 9.0), None)
    run[20] = (x[20], 24)
    run[21] = (x[20], None)  # frozen
    run[22] = (x[22], 25)  # read already
    run += [(row, None) for row in simulated.settled(10, 51, mean=11.5)]
    run += [("text", None)] * 6 + [(row, None) for row in simulated.settled(12, 52)]
    run += [(0.02 * row, None) for row in simulated.settled(2, 53)]  # hardly any powder
    run += [(row, None) for row in simulated.settled(20, 54, shift=0.04)]
    run += [(row, None) for row in simulated.settled(24, 55)]
    run += [(row + 1.5e-4 * np.sin(WAVELENGTH / 9.0), None) for row in simulated.settled(24, 56)]
    run += [(row + 0.3, None) for row in simulated.settled(30, 57)]
    return run


@pytest.mark.requirement("URS-44")
def test_a_snapshot_taken_at_every_step_carries_on_bit_for_bit(scorer):
    run = _eventful()
    straight, relay = scorer.start("B-1"), scorer.start("B-1")
    seen = set()
    for spectrum, revolution in run:
        text = json.dumps(relay.snapshot(), allow_nan=False)
        relay = scorer.resume(json.loads(text))
        expected, found = straight.update(spectrum, revolution), relay.update(spectrum, revolution)
        assert repr(found) == repr(expected)
        assert json.dumps(relay.snapshot()) == json.dumps(straight.snapshot())
        seen |= {expected.status, expected.state}
    assert set(Status) <= seen
    assert {State.MIXING, State.STEADY, State.UNIFORM, State.OVERMIXED, State.SENSOR_FAULT} <= seen


def test_taking_a_snapshot_changes_nothing_and_it_stays_as_it_was(scorer):
    blend = _started(scorer, 20)
    state = blend.snapshot()
    kept = copy.deepcopy(state)
    assert blend.snapshot() == kept
    blend.update(SPECTRUM)
    assert state == kept
    again = scorer.resume(state)
    again.update(SPECTRUM)
    assert state == kept


def test_another_process_resumes_from_the_artefact_itself(demo_artefact, scorer):
    blend = _started(scorer, 20)
    other = Scorer.load(demo_artefact, allow_unreleased=True).resume(json.loads(json.dumps(blend.snapshot())))
    assert repr(other.update(SPECTRUM)) == repr(blend.update(SPECTRUM))


@pytest.mark.parametrize("state", [None, [], "text", {}, {"format": 1}, {"format": "2"}])
def test_what_is_no_snapshot_is_refused(scorer, state):
    with pytest.raises(InputError, match="snapshot format must be 5, got"):
        scorer.resume(state)


def test_a_snapshot_of_another_artefact_is_refused_with_both_digests(scorer):
    other = Scorer(simulated.make_content(saturation=2.4))
    with pytest.raises(InputError, match=f"made with artefact {other.digest}, this one is {scorer.digest}"):
        scorer.resume(other.start("B-1").snapshot())


def _places(state: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(state, dict):
        return [place for key, value in state.items() for place in _places(value, (*at, key))]
    if isinstance(state, list) and state:
        return [at, *_places(state[0], (*at, 0)), *_places(state[-1], (*at, len(state) - 1))]
    return [at]


@pytest.mark.requirement("URS-44")
def test_a_snapshot_damaged_anywhere_is_refused(scorer):
    whole = json.loads(json.dumps(_started(scorer, 20).snapshot()))
    places = [place for place in _places(whole) if place not in {("format",), ("artefact",)}]
    assert len(places) > 25
    for *path, key in places:
        damages: list[Any] = ["gone", None, "text", 7.25, [], math.nan]
        for damage in damages:
            state = copy.deepcopy(whole)
            inner = state
            for step in path:
                inner = inner[step]
            if damage == "gone":
                del inner[key]
            elif inner[key] == damage:
                continue
            else:
                inner[key] = damage
            with pytest.raises(InputError, match="incomplete or was altered"):
                scorer.resume(state)
    with pytest.raises(InputError, match="incomplete or was altered"):
        scorer.resume(whole | {"more": 1})


# Loading


def test_loading_verifies_and_gives_the_same_scorer(demo_artefact, scorer):
    loaded = Scorer.load(str(demo_artefact), allow_unreleased=True)
    assert loaded.digest == scorer.digest
    x = simulated.settled(9, 60)
    np.testing.assert_array_equal(loaded.predict(x).value, scorer.predict(x).value)
    assert loaded.start("B-1").update(x[0]).unreleased
    assert loaded.start("B-1").update(x[0]).artefact == scorer.digest


@pytest.mark.requirement("URS-55", "URS-57")
def test_what_nobody_released_is_refused_unless_asked_for(demo_artefact):
    with pytest.raises(ArtefactError, match=r"has not been released.*allow_unreleased=True"):
        Scorer.load(demo_artefact)


@pytest.mark.parametrize("validation", [{"passed": False}, {}, {"passed": "true"}, {"passed": 1}, {"passed": None}])
def test_a_validation_that_did_not_pass_is_refused(content, tmp_path, validation):
    simulated.write_artefact(tmp_path / "a", content, validation=validation)
    with pytest.raises(ArtefactError, match="its validation did not pass"):
        Scorer.load(tmp_path / "a", allow_unreleased=True)


ARRAYS = ["x_mean", "rotations", "loadings", "score_variance", "coefficients", "y_mean"]


@pytest.mark.requirement("URS-45")
@pytest.mark.parametrize("name", ARRAYS)
def test_a_changed_model_with_every_hash_made_anew_fails_its_known_answers(content, tmp_path, name):
    # Whoever writes all hashes again cannot be caught by hashes; a model that answers otherwise is.
    array = np.array(content.arrays[name])
    array.flat[0] = array.flat[0] * (1.0 + 1e-5) + 1e-9
    array.flat[-1] = array.flat[-1] * (1.0 + 1e-5) + 1e-9
    changed = Content(content.arrays | {name: array}, content.document)
    simulated.write_artefact(tmp_path / "a", changed, known_answers=simulated.known_answers(content))
    with pytest.raises(ArtefactError, match="known answers for .* must come out within 1e-09 relative, got"):
        Scorer.load(tmp_path / "a", allow_unreleased=True)


@pytest.mark.parametrize("step", [{"step": "savitzky_golay", "window": 9, "polyorder": 2, "deriv": 1}, {"step": "snv"}])
def test_changed_steps_fail_the_known_answers(content, tmp_path, step):
    changed = Content(content.arrays, content.document | {"steps": [STEPS[0], step]})
    simulated.write_artefact(tmp_path / "a", changed, known_answers=simulated.known_answers(content))
    with pytest.raises(ArtefactError, match="known answers"):
        Scorer.load(tmp_path / "a", allow_unreleased=True)


@pytest.mark.parametrize(
    "change",
    [
        {"value": np.full(6, np.nan)},
        {"value": np.zeros(5)},
        {"value": np.zeros((6, 1))},
        {"hotelling_t2": np.array(["a"] * 6)},
        {"absorbance": np.ones((6, P - 1))},
        {"absorbance": np.array([["a"] * P] * 6)},
        {"absorbance": np.full((6, P), np.nan)},
        {
            "absorbance": np.zeros((0, P)), "value": np.zeros(0), "hotelling_t2": np.zeros(0),
            "q_residuals": np.zeros(0),
        },
    ],
)  # fmt: skip
def test_known_answers_that_prove_nothing_are_refused(content, tmp_path, change):
    simulated.write_artefact(tmp_path / "a", content, known_answers=simulated.known_answers(content) | change)
    with pytest.raises(ArtefactError, match="known answer"):
        Scorer.load(tmp_path / "a", allow_unreleased=True)


@pytest.mark.parametrize("missing", sorted({"wavelength", "y_mean", "n_samples", *ARRAYS}))
def test_content_without_one_of_its_arrays_is_refused(content, missing):
    arrays = {name: array for name, array in content.arrays.items() if name != missing}
    with pytest.raises(ArtefactError, match="does not hold together"):
        Scorer(Content(arrays, content.document))


DOCUMENTS: list[dict[str, Any]] = [
    {"steps": [{"step": "no such step"}]},
    {"steps": "snv"},
    {"steps": [STEPS[0], STEPS[1] | {"window": 8}]},
    {"ranges": [[10.0, 20.0]]},
    {"ranges": [[1004.0, 1100.0]]},
    {"limits": {}},
    {"limits": {"hotelling_t2": "high", "q_residuals": 1.0}},
    {"limits": None},
    {"saturation": "high"},
    {"saturation": [2.5]},
    {"rule": {"block_size": 8}},
    {"rule": replace(RULE, threshold=0.0).to_dict()},
    {"rule": [1, 2]},
    {"rule": 1},
]


@pytest.mark.parametrize("change", DOCUMENTS, ids=[next(iter(d)) for d in DOCUMENTS])
def test_a_document_that_does_not_hold_together_is_refused(content, change):
    with pytest.raises(ArtefactError):
        Scorer(Content(content.arrays, content.document | change))


def test_an_axis_that_does_not_increase_is_refused(content):
    with pytest.raises(ArtefactError, match="strictly increasing"):
        Scorer(Content(content.arrays | {"wavelength": WAVELENGTH[::-1].copy()}, content.document))


def test_reading_an_artefact_changes_nothing_in_it(demo_artefact):
    before = {path.name: path.read_bytes() for path in demo_artefact.iterdir()}
    _started(Scorer.load(demo_artefact, allow_unreleased=True), 5)
    assert {path.name: path.read_bytes() for path in demo_artefact.iterdir()} == before
    assert artefact.read(demo_artefact).manifest["format"] == artefact.FORMAT


def test_a_counter_that_jumps_by_more_than_a_run_does_not_end_the_batch(scorer: Scorer) -> None:
    blend, spectra = scorer.start("jump"), simulated.spectra(np.full(6, 10.0), 8)
    jump = scorer.require_rule().max_revolutions + 10
    turns = [1, 2, 2 + jump, 3, 4, 5]
    statuses = [blend.update(x, turn).status for x, turn in zip(spectra, turns, strict=True)]
    assert statuses == [Status.WARM_UP, Status.WARM_UP, Status.OUT_OF_ORDER, *[Status.WARM_UP] * 3]


def test_the_hash_of_a_spectrum_is_of_all_its_bits_and_the_same_on_every_machine():
    x = np.linspace(0.1, 1.0, 5)
    # By hand, with Python's whole numbers: odd factors from SHA-256, sums modulo 2^64.
    words = b"".join(hashlib.sha256(f"fingerprint {i}".encode()).digest() for i in range(3))
    factors = [int.from_bytes(words[8 * k : 8 * k + 8], "little") | 1 for k in range(10)]
    bits = [int.from_bytes(struct.pack("<d", value), "little") for value in x]
    sums = [sum(f * b for f, b in zip(factors[5 * k : 5 * k + 5], bits, strict=True)) % 2**64 for k in range(2)]
    assert fingerprint(x) == f"{sums[0]:016x}{sums[1]:016x}"
    # The last bit of any number, the sign of zero and the order all count.
    others = [np.where(np.arange(5) == k, np.nextafter(x, 2.0), x) for k in range(5)]
    others += [x[::-1].copy(), np.zeros(5), -np.zeros(5), np.float32(x).astype(float), x]
    assert len({fingerprint(other) for other in others}) == len(others)
