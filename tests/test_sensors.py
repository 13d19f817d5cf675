"""Two sensors on one batch: the policy, the risk and power of the alarm by simulation, a snapshot bit for bit."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pat.core.agreement import Agreement, widest
from pat.errors import InputError, Refusal
from pat.homogeneity.agreement import make_agreement
from pat.scorer import Scorer, Sensors, State
from tests import simulated
from tests.simulated import RULE

PHI = 0.4
N = RULE.block_size
# Constants that raise no alarm for small sensors' differences, and one for large ones.
CALM = Agreement(0.01, 2, RULE.max_revolutions, N, 0.0, 0.0, 6.0, 60.0)


# What is compared


def test_the_difference_is_that_of_welchs_test_and_the_ratio_that_of_variances():
    rng = np.random.default_rng(81)
    a, b = rng.normal(10.0, 0.1, N), rng.normal(10.1, 0.2, N)
    mean, sd = np.array([a.mean(), b.mean()]), np.array([a.std(ddof=1), b.std(ddof=1)])
    apart, ratio = widest(CALM, mean, sd)
    assert float(apart) == pytest.approx(abs(stats.ttest_ind(a, b, equal_var=False).statistic))
    assert float(ratio) == pytest.approx((sd.max() / sd.min()) ** 2)
    # phi 0.6: the variance of a mean is 4 times as large; 0.05 of the difference is allowed.
    dependent = Agreement(0.01, 2, 200, N, 0.6, 0.05, 6.0, 9.0)
    expected = (abs(mean[0] - mean[1]) - 0.05) / (2.0 * math.hypot(*sd) / math.sqrt(N))
    assert float(widest(dependent, mean, sd)[0]) == pytest.approx(expected)


def test_of_three_sensors_the_two_that_differ_most_count():
    rng = np.random.default_rng(82)
    mean, sd = 10.0 + rng.standard_normal((5, 3)), rng.uniform(0.5, 1.0, (5, 3))
    found = widest(CALM, mean, sd)
    for i in range(5):
        pairs = [widest(CALM, mean[i, list(p)], sd[i, list(p)]) for p in itertools.combinations(range(3), 2)]
        assert float(found[0][i]) == max(float(apart) for apart, _ in pairs)
        assert float(found[1][i]) == max(float(ratio) for _, ratio in pairs)


def test_blocks_that_do_not_vary():
    apart, ratio = widest(CALM, np.array([[10.0, 10.0], [10.0, 10.1]]), np.array([[0.0, 0.0], [0.0, 0.1]]))
    assert apart.tolist() == [0.0, pytest.approx(0.1 / (0.1 / math.sqrt(N)))]
    assert ratio.tolist() == [1.0, math.inf]


# The risk


@pytest.fixture(scope="module")
def agreement() -> Agreement:
    return make_agreement(RULE, 0.05, phi=PHI, n=4000)


def pair(seed: int, n: int = RULE.max_revolutions, phi: float = PHI, sd: float = 0.15) -> np.ndarray:
    """Simulated predictions (n, 2) of two sensors on one mixed blend: AR(1), independent of each other."""
    shocks = np.random.default_rng([seed, 83]).standard_normal((n, 2))
    shocks[1:] *= math.sqrt(1.0 - phi**2)
    for t in range(1, n):
        shocks[t] += phi * shocks[t - 1]
    return 10.0 + sd * shocks


def raised(agreement: Agreement, values: np.ndarray) -> int | None:
    """Revolution at which the blocks of two sensors first disagree."""
    for t in range(N, len(values) + 1):
        block = values[t - N : t]
        apart, ratio = widest(agreement, block.mean(axis=0), block.std(axis=0, ddof=1))
        if apart > agreement.mean_threshold or ratio > agreement.ratio_threshold:
            return t
    return None


def test_the_alarm_keeps_its_risk_over_the_run(agreement):
    # 400 blends simulated apart from those of the constants; 5 %, and what 400 allow for (binomial, 1 in 1,000).
    false = sum(raised(agreement, pair(seed)) is not None for seed in range(400))
    assert false <= stats.binom.ppf(0.999, 400, 0.05)
    assert false >= 4


def test_a_layered_bed_is_found_and_soon(agreement):
    # From revolution 60 on the powder at one sensor is 8 % richer than at the other, 1.5 % RSD at each.
    found = []
    for seed in range(60):
        values = pair(500 + seed)
        values[60:, 1] += 0.8
        found.append(raised(agreement, values))
    late = [t - 60 for t in found if t is not None and t > 60]
    assert len(late) >= 55
    assert np.median(late) <= 2 * N


def test_a_smaller_risk_and_more_sensors_ask_for_more(agreement):
    for other in (make_agreement(RULE, 0.01, phi=PHI, n=4000), make_agreement(RULE, 0.05, phi=PHI, sensors=4, n=4000)):
        assert other.mean_threshold > agreement.mean_threshold
        assert other.ratio_threshold > agreement.ratio_threshold


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"risk": 0.0}, "`risk` must lie between"),
        ({"phi": 1.0}, "`phi` be at least 0"),
        ({"sensors": 1}, "`sensors` must be at least 2"),
        ({"allowed": -0.1}, "`allowed` at least 0"),
        ({"allowed": math.inf}, "`allowed` at least 0"),
    ],
)
def test_bad_agreements_are_refused(changed, words):
    given: dict[str, Any] = {"risk": 0.05, "phi": 0.3} | changed
    with pytest.raises(InputError, match=words):
        make_agreement(RULE, given.pop("risk"), **given, n=100)


def test_a_risk_that_simulation_cannot_show_is_refused():
    with pytest.raises(Refusal, match="100 simulated blends"):
        make_agreement(RULE, 0.01, phi=0.0, n=100)


def test_an_agreement_comes_back_from_plain_numbers(agreement):
    assert Agreement.from_dict(json.loads(json.dumps(agreement.to_dict()))) == agreement
    odd: dict[str, Any]
    for odd in ({}, agreement.to_dict() | {"phi": 1.0}, agreement.to_dict() | {"risk": math.nan}):
        with pytest.raises(InputError, match="agreement of sensors"):
            Agreement.from_dict(odd)


# One batch


def both(scorer: Scorer, agreement: Agreement | None = CALM) -> Sensors:
    return Sensors({"lid": scorer, "axis": scorer}, "B-1", agreement)


def feed(sensors: Sensors, lid: np.ndarray, axis: np.ndarray, first: int = 1) -> list[Any]:
    """Give both sensors their spectra, revolution by revolution; everything that comes back."""
    found = []
    for turn, (x, y) in enumerate(zip(lid, axis, strict=True), start=first):
        found += [sensors.update("lid", x, turn), sensors.update("axis", y, turn)]
    return found


def test_each_sensor_reads_as_if_it_were_alone(scorer):
    lid, axis = simulated.settled(40, 84), simulated.settled(40, 85)
    found = feed(both(scorer), lid, axis)
    for name, spectra in (("lid", lid), ("axis", axis)):
        blend = scorer.start("B-1")
        alone = [blend.update(x, turn).to_dict() for turn, x in enumerate(spectra, start=1)]
        assert [f.reading.to_dict() for f in found if f.sensor == name] == alone


def test_the_batch_is_uniform_where_every_sensor_says_so(scorer):
    found = feed(both(scorer), simulated.settled(60, 86), simulated.blending(60, 87))
    for f in found:
        if f.state is State.UNIFORM:
            assert f.reading.state is State.UNIFORM
    ends = {name: next(f.reading.endpoint for f in reversed(found) if f.sensor == name) for name in ("lid", "axis")}
    assert ends["lid"] < ends["axis"]
    assert found[-1].endpoint == ends["axis"]
    first = next(f for f in found if f.state is State.UNIFORM)
    assert first.sensor == "axis"
    assert first.reason == "uniform by lid, axis"


def test_a_fault_of_one_sensor_is_never_a_pass(scorer):
    sensors = both(scorer)
    feed(sensors, simulated.settled(40, 88), simulated.settled(40, 89))
    fresh = simulated.settled(12, 90)
    for turn, x in enumerate(fresh, start=41):
        sensors.update("lid", x, turn)
        found = sensors.update("axis", np.ones(3), turn)
    assert sensors.blends["lid"].state is State.UNIFORM
    assert found.state is State.SENSOR_FAULT
    assert found.reason == "sensor fault by axis"
    # Taken out by a person, with a reason, the other one decides.
    sensors.take_out("axis", "window broken")
    assert sensors.out_of_service == {"axis": "window broken"}
    assert sensors.update("lid", simulated.settled(1, 91)[0], 53).state is State.UNIFORM
    sensors.put_back("axis")
    assert sensors.update("lid", simulated.settled(1, 92)[0], 54).state is State.SENSOR_FAULT


def test_a_silent_sensor_is_a_fault(scorer):
    sensors = both(scorer)
    feed(sensors, simulated.settled(40, 93), simulated.settled(40, 94))
    found = [sensors.update("lid", x, 41 + i) for i, x in enumerate(simulated.settled(RULE.fault_run, 95))]
    assert [f.state for f in found[:-1]] == [State.UNIFORM] * (RULE.fault_run - 1)
    assert found[-1].state is State.SENSOR_FAULT
    assert found[-1].reason == f"axis has been silent for {RULE.fault_run} revolutions"
    never = both(scorer)
    alone = [never.update("lid", x) for x in simulated.settled(40, 96)]
    assert alone[-1].reading.state is State.UNIFORM
    assert alone[-1].state is State.SENSOR_FAULT


def test_sensors_that_disagree_are_not_uniform(scorer):
    # Both uniform on target by themselves, 4 % apart: each within 4 % of the target.
    lid, axis = (simulated.settled(80, 97 + i, mean=10.0 + side, rsd=0.5) for i, side in enumerate((-0.25, 0.25)))
    found = feed(both(scorer), lid, axis)
    assert {f.reading.state for f in found[-20:]} == {State.UNIFORM}
    assert all(f.disagree for f in found[-20:])
    assert {f.state for f in found[-20:]} == {State.STEADY}
    assert found[-1].reason == "the sensors disagree"
    assert found[-1].endpoint is None
    block = [[f.reading for f in found if f.sensor == name][-1] for name in ("lid", "axis")]
    expected = widest(
        CALM, np.array([r.block_mean for r in block]), np.array([r.block_rsd * r.block_mean / 100 for r in block])
    )
    assert found[-1].apart == pytest.approx(float(expected[0]))
    # What is allowed between them, or no agreement: the same batch is uniform.
    for other in (Agreement(0.01, 2, 200, N, 0.0, 0.6, 6.0, 60.0), None):
        assert feed(both(scorer, other), lid, axis)[-1].state is State.UNIFORM


def test_nothing_is_compared_before_both_are_steady(scorer):
    found = feed(both(scorer), simulated.blending(30, 99), simulated.blending(30, 100))
    assert all(math.isnan(f.apart) for f in found[: 4 * N - 2])
    assert not any(f.disagree for f in found[: 4 * N - 2])
    json.dumps([f.to_dict() for f in found], allow_nan=False)


def test_stop_confirm_and_discharge_are_of_all_sensors(scorer):
    sensors = both(scorer)
    feed(sensors, simulated.settled(40, 101), simulated.settled(40, 102))
    sensors.stop()
    after = simulated.settled(2 * RULE.confirm_run, 103)
    for x in after[: RULE.confirm_run]:
        found = sensors.update("lid", x)
    assert found.state is State.HOLD
    with pytest.raises(Refusal, match="axis has not"):
        sensors.discharge()
    for x in after[RULE.confirm_run :]:
        found = sensors.update("axis", x)
    assert found.state is State.CONFIRM
    sensors.discharge()
    assert {blend.state for blend in sensors.blends.values()} == {State.DISCHARGE}
    sensors.close()
    assert {blend.state for blend in sensors.blends.values()} == {State.DONE}


def test_a_sensor_out_of_service_is_closed_for_that_reason(scorer):
    sensors = both(scorer)
    feed(sensors, simulated.settled(40, 110), simulated.settled(40, 111))
    sensors.take_out("axis", "window broken")
    sensors.stop()
    for x in simulated.settled(RULE.confirm_run, 112):
        sensors.update("lid", x)
    sensors.discharge()
    sensors.close()
    assert sensors.blends["axis"].transitions[-1].reason == "window broken"
    assert sensors.blends["lid"].transitions[-1].reason == "discharged"


def test_mixing_on_begins_again(scorer):
    sensors = both(scorer)
    feed(sensors, simulated.settled(40, 104), simulated.settled(40, 105))
    sensors.take_out("axis", "cleaning")
    sensors.stop()
    sensors.put_back("axis")
    sensors.mix_on()
    found = feed(sensors, simulated.settled(2, 106), simulated.settled(2, 107), first=41)
    assert found[-1].state is State.MIXING


@pytest.mark.parametrize("at", [0, 7, 45])
def test_a_snapshot_carries_on_bit_for_bit(scorer, at):
    lid, axis = simulated.settled(60, 108), simulated.settled(60, 109)
    whole, first = both(scorer), both(scorer)
    expected = [json.dumps(f.to_dict()) for f in feed(whole, lid, axis)]
    feed(first, lid[:at], axis[:at])
    state = json.loads(json.dumps(first.snapshot(), allow_nan=False))
    again = Sensors.resume({"lid": scorer, "axis": scorer}, state)
    found = [json.dumps(f.to_dict()) for f in feed(again, lid[at:], axis[at:], first=at + 1)]
    assert found == expected[2 * at :]
    assert again.snapshot() == whole.snapshot()


def test_an_altered_snapshot_is_refused(scorer):
    sensors = both(scorer)
    sensors.take_out("axis", "cleaning")
    state, scorers = sensors.snapshot(), {"lid": scorer, "axis": scorer}
    assert Sensors.resume(scorers, state).out_of_service == {"axis": "cleaning"}
    for changed, words in (({"format": 9}, "format must be 1, got 9"), ({"out": {}}, "SHA-256 does not hold")):
        with pytest.raises(InputError, match=words):
            Sensors.resume(scorers, state | changed)
    with pytest.raises(InputError, match="the snapshot is of lid, axis, got scorers of lid, chute"):
        Sensors.resume({"lid": scorer, "chute": scorer}, state)
    with pytest.raises(InputError, match="format must be 1"):
        Sensors.resume(scorers, [])  # type: ignore[arg-type]


def test_what_cannot_be_followed_is_refused(scorer):
    with pytest.raises(InputError, match="at least 2 sensors with names"):
        Sensors({"lid": scorer}, "B-1")
    with pytest.raises(InputError, match="at least 2 sensors with names"):
        Sensors({"lid": scorer, "": scorer}, "B-1")
    with pytest.raises(InputError, match="to agree are 3"):
        Sensors({"a": scorer, "b": scorer, "c": scorer}, "B-1", CALM)
    with pytest.raises(InputError, match="to agree are 2"):
        both(scorer, Agreement(0.01, 2, RULE.max_revolutions, N + 1, 0.0, 0.0, 6.0, 9.0))
    with pytest.raises(InputError, match="to agree are 2"):
        both(scorer, Agreement(0.01, 2, 10, N, 0.0, 0.0, 6.0, 9.0))
    sensors = both(scorer)
    with pytest.raises(InputError, match="must be one of lid, axis, got 'chute'"):
        sensors.update("chute", np.ones(3))
    with pytest.raises(InputError, match="a reason are needed"):
        sensors.take_out("axis", " ")
    with pytest.raises(InputError, match="one of lid, axis and a reason"):
        sensors.take_out("chute", "broken")
    with pytest.raises(InputError, match="out of service, got 'lid'"):
        sensors.put_back("lid")
    sensors.take_out("axis", "cleaning")
    with pytest.raises(Refusal, match="last sensor in service"):
        sensors.take_out("lid", "cleaning")
