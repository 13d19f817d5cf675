"""The state machine: every transition, verdict and status from a table, and what no sequence may ever do.

The rule is so small that every number is known beforehand: with a blend of 10.0 exactly, each deviation is zero
and each judged reading adds ln 2 = 0.693 to the evidence, which is enough from the fifth on.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pat.core.blocks import BlockStatistics
from pat.core.endpoint import GOOD, IN_WORDS, Cause, Decision, Endpoint, State, Status, Verdict, Verdicts, in_words
from pat.core.endpoint.words import SENSOR_CAUSES, fault_in_words
from pat.core.evidence import Rule

RULE = Rule(
    block_size=3,
    target=10.0,
    max_rsd=3.0,
    max_mean_deviation=4.0,
    repeatability=0.0,
    slope=1.0,
    ratios=(0.5,),
    weights=(1.0,),
    threshold=3.0,
    centre_size=3,
    pocket_sd=3.0,
    pocket_window=5,
    quiet_sd=3.0,
    quiet_window=1,
    quiet_cost=1000,
    steady_ratio=2.0,
    f_quantile=1.5,
    mbsd_limit=1.0,
    least_level_step=0.01,
    least_contrast_step=0.002,
    least_novelty=0.001,
    least_mbsd=0.1,
    least_sd=0.0,
    least_contrast=1e-9,
    residual_drift_limit=1e9,
    axis_shift_limit=1e9,
    level_drift_limit=1e9,
    contrast_drift_limit=1e9,
    repeat_distance=1e-6,
    upper_factor=1.7,
    watch_ratios=(0.5, 2.0),
    watch_threshold=4.0,
    watch_block_ratio=1e9,
    watch_mean_step=0.3,
    watch_mean_threshold=1e9,
    fault_run=3,
    confirm_run=3,
    min_revolutions=1,
    max_revolutions=30,
)
# The limit SD of a reading about the mean of three: 0.3 sqrt(4 / 3) = 0.346.
SPREAD = 0.3 * math.sqrt(4.0 / 3.0)
# Three readings to compare with, then five that are compared.
FIRST = 8
BAD = [status for status in Status if status not in GOOD]


@dataclass(frozen=True)
class Event:
    """One reading; `turn` is how many revolutions after the one before."""

    status: Status = Status.OK
    value: float = 10.0
    q_in: bool = True
    mbsd: float = 0.5
    moving_f: float = 1.0
    rsd_upper: float = 1.0
    level_step: float = 0.03
    contrast_step: float = 0.005
    novelty: float = 0.003
    sd: float = 0.1
    turn: int = 1


def good(n: int, **changed: Any) -> list[Event]:
    return [replace(Event(), **changed)] * n


def bad(status: Status, n: int = 1, *, q_in: bool = False) -> list[Event]:
    value = 10.0 if status is Status.OUT_OF_SCOPE else math.nan
    nan = math.nan
    return [Event(status, value, q_in, nan, nan, nan, level_step=nan, contrast_step=nan, novelty=nan, sd=nan)] * n


def observe(endpoint: Endpoint, event: Event, revolution: int) -> Decision:
    block = BlockStatistics(
        event.mbsd, event.moving_f, 10.0, event.sd, event.level_step, event.contrast_step, event.novelty
    )
    return endpoint.observe(event.status, revolution, event.value, event.q_in, block, event.rsd_upper)


def follow(events: list[Event], rule: Rule = RULE, start: int = 0) -> list[Decision]:
    endpoint, revolution, decisions = Endpoint(rule), start, []
    for event in events:
        turn = revolution if event.status is Status.OUT_OF_ORDER else revolution + event.turn
        revolution = turn
        decisions.append(observe(endpoint, event, turn))
    return decisions


def states(events: list[Event], rule: Rule = RULE) -> str:
    """Return the states as one letter each."""
    letters = {
        State.MIXING: "m", State.STEADY: "s", State.UNIFORM: "U", State.OVERMIXED: "X", State.OUT_OF_SCOPE: "o",
        State.SENSOR_FAULT: "f", State.TIMEOUT: "t",
    }  # fmt: skip
    return "".join(letters[decision.state] for decision in follow(events, rule))


# From loading to the end-point


def test_a_good_blend_goes_from_mixing_through_steady_to_uniform():
    found = follow(good(12))
    # Six readings are two blocks: steady. The eighth is the fifth that was judged: uniform.
    assert states(good(12)) == "mmmmm" + "ss" + "UUUUU"
    assert [d.endpoint for d in found] == [None] * (FIRST - 1) + [FIRST] * 5
    assert found[FIRST - 1].reason == "every verdict passed"


def test_the_evidence_grows_to_one_and_is_limited_by_what_is_slowest():
    shares = [d.evidence for d in follow(good(9))]
    # Pocket-free readings, k of 5, are slower here than the sums, k ln 2 of 3.
    np.testing.assert_allclose(shares, [0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0], rtol=1e-12)
    slow = [d.evidence for d in follow(good(9), replace(RULE, threshold=6.0))]
    np.testing.assert_allclose(slow[3:], [k * math.log(2.0) / 6.0 for k in range(1, 7)], rtol=1e-12)


@pytest.mark.parametrize(("least", "endpoint"), [(1, FIRST), (FIRST, FIRST), (9, 9), (20, 20)])
def test_never_uniform_before_the_least_revolutions(least, endpoint):
    found = follow(good(25), replace(RULE, min_revolutions=least))
    assert found[-1].endpoint == endpoint
    for revolution, decision in enumerate(found, start=1):
        assert (decision.state is State.UNIFORM) == (revolution >= endpoint)
        if FIRST <= revolution < endpoint:
            assert (decision.state, decision.reason) == (State.STEADY, "waiting for the least revolutions")


def test_after_the_most_revolutions_it_is_a_timeout_uniform_or_not():
    assert states(good(33))[27:] == "UUUttt"
    late = [*good(25, value=11.0), *good(20)]  # on target too late
    assert "U" not in states(late)
    assert set(states(late)[30:]) == {"t"}
    assert follow(late)[-1].endpoint is None
    assert follow(good(33))[-1].endpoint == FIRST


def test_a_batch_that_is_joined_late_is_not_declared_after_the_most_revolutions():
    found = follow(good(30), start=20)
    assert [d.state for d in found[7:10]] == [State.UNIFORM] * 3
    late = follow(good(30), start=25)
    assert {d.state for d in late[5:]} == {State.TIMEOUT}
    assert late[-1].endpoint is None


# Verdicts


def _last(events: list[Event], rule: Rule = RULE) -> dict[str, Verdict]:
    return dict(vars(follow(events, rule)[-1].verdicts))


def test_there_is_no_verdict_before_a_block_is_full():
    assert set(_last(good(2)).values()) == {Verdict.NO_DECISION}


def test_each_verdict_comes_when_it_can_be_given():
    first = [
        {name for name, v in vars(d.verdicts).items() if v is not Verdict.NO_DECISION} for d in follow(good(FIRST))
    ]
    at_block = {"on_target", "spectral", "in_scope", "moving"}
    assert first[:2] == [set(), set()]
    assert first[2] == at_block
    assert first[3] == first[4] == at_block | {"homogeneous"}
    assert first[5] == first[6] == at_block | {"homogeneous", "steady"}
    assert first[7] == at_block | {"homogeneous", "steady", "pocket_free"}


@pytest.mark.requirement("URS-41")
@pytest.mark.parametrize(
    ("verdict", "events"),
    [
        ("steady", good(12, moving_f=1.4)),  # times the quantile of 1.5 above 2
        ("steady", good(12, moving_f=1.0 / 1.4)),  # growing is not steady either
        ("steady", good(12, moving_f=math.inf)),
        ("homogeneous", [Event(value=10.0 + 0.25 * (-1) ** i) for i in range(12)]),
        ("homogeneous", good(12, rsd_upper=3.01)),  # the last block itself, however much evidence there is
        ("homogeneous", good(12, rsd_upper=math.inf)),
        ("pocket_free", [*good(9, value=10.0), *good(1, value=11.1), *good(2)]),
        ("on_target", good(12, value=10.41)),
        ("on_target", good(12, value=9.59)),
        ("spectral", good(12, mbsd=1.01)),
        ("spectral", good(12, mbsd=math.inf)),
        ("moving", good(12, level_step=0.0099)),
        ("moving", good(12, contrast_step=0.00199)),
        ("moving", good(12, novelty=0.00099)),
        ("moving", good(12, novelty=math.nan, level_step=0.0099)),  # one number below its least is enough
        ("moving", good(12, mbsd=0.099)),
        ("moving", good(12, sd=0.0099)),
    ],
)
def test_each_verdict_can_fail_and_none_is_overruled(verdict, events):
    rule = replace(RULE, min_revolutions=12, least_sd=0.01)
    assert _last(events, rule)[verdict] is Verdict.FAIL
    decision = follow(events, rule)[-1]
    if verdict == "moving":  # for a whole block and longer: a fault, with its own words
        assert decision.state is State.SENSOR_FAULT
        return
    assert decision.state in (State.MIXING, State.STEADY)
    assert IN_WORDS[verdict] in decision.reason
    assert decision.endpoint is None


@pytest.mark.requirement("URS-41")
@pytest.mark.parametrize(
    ("verdict", "event"),
    [
        ("steady", Event(moving_f=math.nan)),
        ("steady", Event(moving_f=0.0)),
        ("spectral", Event(mbsd=math.nan)),
        ("homogeneous", Event(rsd_upper=math.nan)),
        ("moving", Event(novelty=math.nan)),
    ],
)
def test_what_cannot_be_judged_is_no_decision_and_never_a_pass(verdict, event):
    rule = replace(RULE, min_revolutions=12)
    decision = follow([*good(11), event], rule)[-1]
    assert getattr(decision.verdicts, verdict) is Verdict.NO_DECISION
    assert decision.state is not State.UNIFORM
    assert decision.endpoint is None


def test_a_value_that_is_no_number_is_never_clean():
    decisions = follow([*good(7), *good(20, value=math.nan), *good(4)])
    assert all(d.state is not State.UNIFORM and d.evidence == 0.0 for d in decisions[7:27])
    assert all(Verdict.PASS not in vars(d.verdicts).values() for d in decisions[7:27])
    assert math.isfinite(decisions[-1].evidence)


@pytest.mark.parametrize(("value", "verdict"), [(10.4, "PASS"), (9.6, "PASS"), (10.4001, "FAIL"), (9.5999, "FAIL")])
def test_the_mean_may_deviate_by_four_percent_of_target(value, verdict):
    assert _last(good(3, value=value), replace(RULE, max_mean_deviation=4.0 + 1e-9))["on_target"].value == verdict


def test_the_mean_is_of_this_run_alone():
    # Readings before a fault do not help the mean of those after it.
    events = [*good(6), *bad(Status.NOT_FINITE), *good(3, value=10.41)]
    assert _last(events)["on_target"] is Verdict.FAIL


# What starts the evidence again


@pytest.mark.parametrize("status", BAD)
def test_a_bad_reading_is_no_pass_and_starts_the_evidence_again(status):
    found = follow([*good(7), *bad(status), *good(12)])
    broken = found[7]
    assert broken.state is State.MIXING
    assert broken.reason == f"reading {in_words(status)}: the evidence starts again"
    assert broken.evidence == 0.0
    assert Verdict.PASS not in vars(broken.verdicts).values()
    expected = Verdict.FAIL if status is Status.OUT_OF_SCOPE else Verdict.NO_DECISION
    assert broken.verdicts.in_scope is expected
    # Six readings make two blocks again; the readings before still serve as the centre.
    after = [d.state for d in found[8:]]
    assert after == [State.MIXING] * 5 + [State.UNIFORM] * 7
    assert found[-1].endpoint == (14 if status is not Status.OUT_OF_ORDER else 13)


@pytest.mark.parametrize("status", BAD)
def test_a_bad_reading_ends_uniform_and_the_end_point_number_is_kept(status):
    found = follow([*good(9), *bad(status), *good(10)])
    assert [d.state for d in found[7:10]] == [State.UNIFORM, State.UNIFORM, State.MIXING]
    assert found[-1].state is State.UNIFORM
    assert {d.endpoint for d in found[7:]} == {FIRST}


def test_a_missing_revolution_starts_the_evidence_again():
    found = follow([*good(7), Event(turn=2), *good(10)])
    assert found[7].state is State.MIXING
    assert found[7].reason == "missing revolutions (1): the evidence starts again"
    assert set(vars(found[7].verdicts).values()) == {Verdict.NO_DECISION}
    # The reading itself is good and the first of the new run.
    assert [d.state for d in found[7:]].index(State.UNIFORM) == 5
    held = follow([*good(9), Event(turn=2)])
    assert [d.state for d in held[8:]] == [State.UNIFORM, State.MIXING]


def test_an_outlying_reading_before_the_end_point_starts_the_pocket_count_again():
    # A little within 3 limit SDs counts as clean, a little outside does not.
    for beyond, verdict in ((2.99, Verdict.PASS), (3.01, Verdict.FAIL)):
        for side in (-1, 1):
            found = follow([*good(7), Event(value=10.0 + side * beyond * SPREAD)])
            assert found[-1].verdicts.pocket_free is verdict


def test_a_near_reading_starts_the_nearer_guard_again_and_that_alone():
    rule = replace(RULE, quiet_sd=1.5, quiet_window=4, threshold=0.1)
    near, nearer = (Event(value=10.0 + beyond * SPREAD) for beyond in (1.51, 1.49))
    assert follow([*good(7), nearer], rule)[-1].verdicts.pocket_free is Verdict.PASS
    found = follow([*good(7), near, *good(6)], rule)
    # Its five clean readings are there; four quiet ones come three readings after it has left the mean.
    assert [d.verdicts.pocket_free is Verdict.PASS for d in found[7:]] == [False] * 4 + [True] * 3
    assert found[7].evidence == 0.0
    assert found[9].evidence == pytest.approx(0.5)


def test_a_near_reading_takes_only_its_cost_from_the_nearer_guard():
    rule = replace(RULE, quiet_sd=1.5, quiet_window=4, quiet_cost=2, threshold=0.1, min_revolutions=25)
    near = Event(value=10.0 + 1.51 * SPREAD)
    # Five quiet readings less two are three; the three after it, about whose mean it lies, are quiet as well.
    found = follow([*good(8), near, *good(3)], rule)
    assert [d.verdicts.pocket_free is Verdict.PASS for d in found[7:]] == [True, False, True, True, True]


def test_a_long_quiet_run_does_not_outweigh_a_near_reading_after_the_end_point():
    rule = replace(RULE, quiet_sd=1.5, quiet_window=4, quiet_cost=2, threshold=0.1, watch_threshold=1e6)
    found = follow([*good(22), Event(value=10.0 + 1.51 * SPREAD), *good(3)], rule)
    assert [d.state is State.UNIFORM for d in found[21:]] == [True, False, False, True, True]


def test_before_either_guard_could_pass_there_is_no_verdict_on_pockets():
    rule = replace(RULE, quiet_window=8)
    verdicts = [d.verdicts.pocket_free for d in follow(good(12), rule)]
    assert verdicts == [Verdict.NO_DECISION] * 10 + [Verdict.PASS] * 2


# After the end-point


def test_a_near_reading_after_the_end_point_takes_uniform_away_until_it_is_quiet_again():
    rule = replace(RULE, quiet_sd=1.5, quiet_window=4, threshold=0.1, watch_threshold=1e6)
    found = follow([*good(10), Event(value=10.0 + 1.6 * SPREAD), *good(6)], rule)
    assert [d.state is State.UNIFORM for d in found[9:]] == [True] + [False] * 4 + [True] * 3
    assert found[10].reason == "once uniform, now open: free of pockets"


def _reason(events: list[Event], rule: Rule = RULE) -> tuple[State, str]:
    decision = follow(events, rule)[-1]
    return decision.state, decision.reason


def test_an_outlying_reading_after_the_end_point_is_over_mixing():
    found = _reason([*good(10), Event(value=10.0 + 3.01 * SPREAD)], replace(RULE, watch_threshold=1e6))
    assert found == (State.OVERMIXED, "an outlying reading after the end-point")


@pytest.mark.requirement("URS-43")
def test_a_spread_that_grows_after_the_end_point_is_over_mixing():
    # Deviations of about 1.7 limit SDs, none outlying: ln(1/4) + z^2 (4 - 1/4) / 2 adds 4.0 for z = 1.7.
    swings = [Event(value=10.0 + 1.7 * SPREAD * (-1) ** i) for i in range(3)]
    found = _reason([*good(10), *swings], replace(RULE, max_mean_deviation=50.0))
    assert found == (State.OVERMIXED, "since the end-point the spread is wider than that of accepted batches")


def test_a_mean_that_drifts_away_after_the_end_point_is_over_mixing():
    # 0.6 % a reading: no single one is far from those before it.
    # In limit SDs of 0.3 about the mean at the end-point, less 0.3 each time: -0.1, 0.1, 0.3 ... so the sums are 0,
    # 0.1, 0.4, 0.9, 1.6, 2.5, 3.6, 4.9, and the mean of the last five is within 4 % still.
    drift = [Event(value=10.0 + 0.06 * i) for i in range(1, 9)]
    rule = replace(RULE, watch_threshold=1e6, watch_mean_threshold=4.8)
    assert _reason([*good(10), *drift], rule) == (State.OVERMIXED, "the mean has moved away since the end-point")
    assert _reason([*good(10), *drift[:7]], rule)[0] is State.UNIFORM
    down = [replace(event, value=20.0 - event.value) for event in drift]
    assert _reason([*good(10), *down], rule)[0] is State.OVERMIXED


def test_a_mean_out_of_its_range_that_has_not_moved_takes_uniform_away_but_is_no_over_mixing():
    # A blend near the edge of its range crosses it by chance; 4.1 % is not even half a limit SD from 3.9 %.
    found = follow([*good(10, value=10.39), *good(9, value=10.41)])
    assert [d.state for d in found[9:]] == [State.UNIFORM] * 3 + [State.STEADY] * 7
    assert found[-1].reason == "once uniform, now open: on target"


def test_a_block_wider_than_the_quietest_one_allows_is_over_mixing():
    rule = replace(RULE, watch_threshold=1e6, watch_block_ratio=4.0)
    # 0.1 is the quietest block; 0.2 is four times its variance, and no more.
    assert _reason([*good(10), *good(1, sd=0.2)], rule)[0] is State.UNIFORM
    found = _reason([*good(10), *good(1, sd=0.201)], rule)
    assert found == (State.OVERMIXED, "since the end-point a block is wider than the quietest one allows")
    # A block before the end-point counts as the quietest one, too, but not one from before an interruption.
    assert _reason([*good(7, sd=0.09), *good(3), *good(1, sd=0.19)], rule)[0] is State.OVERMIXED
    broken = [*good(7, sd=0.02), *bad(Status.NOT_FINITE), *good(12)]
    assert follow(broken, rule)[-1].state is State.UNIFORM


def test_an_over_mixed_blend_stays_over_mixed_and_keeps_its_end_point():
    found = follow([*good(10), Event(value=12.0), *good(10), *bad(Status.NOT_FINITE), *good(4), *good(10)])
    assert {d.state for d in found[10:]} == {State.OVERMIXED}
    assert found[-1].endpoint == FIRST


def test_an_over_mixed_blend_may_still_have_a_sensor_fault():
    found = states([*good(10), Event(value=12.0), *bad(Status.NOT_FINITE, 3), *good(2), *good(2)])
    assert found[10:] == "X" * 3 + "f" + "ff" + "XX"


def test_a_block_that_speaks_against_it_takes_uniform_away_until_it_has_passed():
    found = follow([*good(9), *good(2, rsd_upper=3.01), *good(2)])
    assert [d.state for d in found[8:]] == [State.UNIFORM, State.STEADY, State.STEADY, State.UNIFORM, State.UNIFORM]
    assert found[9].reason == "once uniform, now open: homogeneous"
    assert {d.endpoint for d in found[8:]} == {FIRST}


def test_a_watch_that_is_a_quarter_of_the_way_to_its_alarm_takes_uniform_away_until_it_is_quiet():
    # z = 1.5 adds ln(1/4) + 1.5^2 (4 - 1/4) / 2 = 2.83 of 4; the next two, z = -0.5, take 0.92 off each.
    found = follow([*good(14), Event(value=10.0 + 1.5 * SPREAD), *good(3)])
    assert [d.state for d in found[13:]] == [State.UNIFORM] + [State.STEADY] * 2 + [State.UNIFORM] * 2
    assert found[14].reason == "once uniform, now open: homogeneous"
    assert found[14].verdicts.homogeneous is Verdict.FAIL


def test_uniform_never_stands_beside_a_verdict_that_does_not_pass():
    found = follow([*good(9), Event(moving_f=1.5), *good(1)])
    assert [d.state for d in found[8:]] == [State.UNIFORM, State.MIXING, State.UNIFORM]
    assert found[9].verdicts.steady is Verdict.FAIL
    assert found[9].reason == "once uniform, now open: steady"
    assert {d.endpoint for d in found[8:]} == {FIRST}


# Powder at rest


def test_powder_that_never_moved_is_a_sensor_fault_after_a_block_of_it():
    unknown = {"level_step": math.nan, "contrast_step": math.nan, "novelty": math.nan}
    still = follow([*good(2, **unknown), *good(10, level_step=1e-4)])
    # The first block is full at the third reading, and quiet for a block at the fifth.
    assert [d.state for d in still[:5]] == [State.MIXING] * 4 + [State.SENSOR_FAULT]
    assert {d.state for d in still[4:]} == {State.SENSOR_FAULT}
    assert still[-1].reason == "the powder does not move past the window, or the sensor repeats itself"
    assert all(d.evidence <= 0.2 for d in still)
    assert still[-1].endpoint is None


def test_readings_of_powder_at_rest_are_no_evidence_for_the_blend_that_moves_on():
    quiet = good(7, level_step=1e-4)
    found = follow([*quiet, *good(12)])
    # Moving again ends the fault at once; the evidence and the pocket count begin with the first moving block.
    assert [d.state for d in found[5:8]] == [State.SENSOR_FAULT, State.SENSOR_FAULT, State.STEADY]
    np.testing.assert_allclose([d.evidence for d in found[7:12]], [0.2, 0.4, 0.6, 0.8, 1.0], rtol=1e-12)
    assert found[-1].endpoint == 12


def test_powder_that_stops_after_the_end_point_is_no_longer_uniform_and_then_a_fault():
    found = follow([*good(9), *good(4, novelty=1e-5), *good(6)])
    assert [d.state for d in found[8:13]] == [State.UNIFORM] + [State.STEADY] * 2 + [State.SENSOR_FAULT] * 2
    assert found[9].reason == "once uniform, now open: moving"
    assert found[9].verdicts.moving is Verdict.FAIL
    # Moving again, it is uniform once five readings of moving powder have shown so anew; nothing was over-mixed.
    assert [d.state for d in found[13:]] == [State.STEADY] * 4 + [State.UNIFORM] * 2
    assert {d.endpoint for d in found[8:]} == {FIRST}


def test_a_block_that_cannot_yet_be_compared_neither_makes_a_fault_nor_ends_one():
    unknown = good(4, novelty=math.nan)
    assert "f" not in states([*unknown, *good(8)])
    assert states([*good(5, level_step=1e-4), *unknown, *good(1)])[4:] == "f" + "ffff" + "U"


def test_every_verdict_has_words_for_people():
    assert list(IN_WORDS) == list(vars(Verdicts()))
    assert not any("_" in words for words in IN_WORDS.values())
    assert in_words(Status.OUT_OF_ORDER) == "out of order"
    assert follow(good(2))[-1].reason == (
        "waiting until it is steady, homogeneous, free of pockets, on target, spectrally quiet, in scope, moving"
    )


# Faults


@pytest.mark.parametrize("status", [s for s in BAD if s is not Status.OUT_OF_SCOPE])
def test_bad_readings_in_a_row_are_a_sensor_fault_until_a_block_of_good_ones(status):
    assert states([*good(4), *bad(status, 4), *good(9)]) == "mmmm" + "mmff" + "ff" + "mmm" + "UUUU"
    found = follow([*good(4), *bad(status, 3), *good(1)])
    assert found[6].reason == fault_in_words(status)
    assert found[6].transition is not None
    assert found[6].transition.cause is SENSOR_CAUSES.get(status, Cause.BAD_READINGS)
    assert found[7].reason == "waiting for a block of good readings"


def test_different_bad_readings_in_a_row_are_a_sensor_fault_too():
    mixed = [*bad(Status.NOT_FINITE), *bad(Status.FROZEN), *bad(Status.SATURATED)]
    assert states([*good(4), *mixed])[-1] == "f"


def test_a_good_reading_between_bad_ones_makes_no_fault():
    assert "f" not in states([*good(4), *([*bad(Status.FROZEN, 2), *good(1)] * 6)])


def test_spectra_unlike_those_before_are_a_sensor_fault():
    # Q recognised this batch before: the window fouled or the instrument fails.
    found = follow([*good(4), *bad(Status.OUT_OF_SCOPE, 3)])
    assert [d.state for d in found[4:]] == [State.MIXING, State.MIXING, State.SENSOR_FAULT]
    assert found[-1].reason == "spectra unlike those before"


def test_spectra_that_were_never_recognised_are_out_of_scope():
    found = follow(bad(Status.OUT_OF_SCOPE, 4))
    assert [d.state for d in found] == [State.MIXING, State.MIXING, State.OUT_OF_SCOPE, State.OUT_OF_SCOPE]
    assert found[-1].reason == "spectra outside what the method knows"
    # Two recognised spectra are too few to say that the batch was known.
    assert states([*good(2), *bad(Status.OUT_OF_SCOPE, 3)]) == "mmmmo"


def test_contents_far_outside_the_method_are_out_of_scope_after_a_block():
    # Q recognises the powder, T2 does not like its content.
    for size in (3, 5):
        rule = replace(RULE, block_size=size)
        found = states([*good(9), *bad(Status.OUT_OF_SCOPE, size + 1, q_in=True)], rule)
        assert found[9:] == "m" * (size - 1) + "oo"


def test_a_sensor_fault_outranks_out_of_scope_and_both_end_with_a_block_of_good_readings():
    foreign = bad(Status.OUT_OF_SCOPE, 3)
    assert states([*foreign, *bad(Status.NOT_FINITE, 3), *good(4)]) == "mmo" + "oof" + "ffmm"
    assert states([*foreign, *good(4)]) == "mmo" + "oomm"


def test_nothing_is_uniform_while_a_fault_stands():
    rule = replace(RULE, block_size=12, fault_run=2)
    found = follow([*good(5), *bad(Status.FROZEN, 2), *good(11)], rule)
    assert {d.state for d in found[6:]} == {State.SENSOR_FAULT}


def test_a_fault_after_the_most_revolutions_is_still_a_fault():
    assert states([*good(31), *bad(Status.FROZEN, 3), *good(3)])[30:] == "t" + "ttf" + "fft"


# Snapshots


def test_a_snapshot_is_plain_json_and_carries_on_the_same():
    events = [*good(9), *bad(Status.FROZEN, 3), *good(8), Event(value=10.2), Event(turn=3), *good(9), Event(value=14.0)]
    whole, endpoint, revolution = follow(events), Endpoint(RULE), 0
    for event, expected in zip(events, whole, strict=True):
        state = json.loads(json.dumps(endpoint.snapshot(), allow_nan=False))
        endpoint = Endpoint(RULE)
        endpoint.restore(state)
        revolution += event.turn
        assert observe(endpoint, event, revolution) == expected


# Whatever happens

EVENTS = st.lists(
    st.builds(
        Event,
        status=st.sampled_from([*[Status.OK] * 25, *[Status.WARM_UP] * 3, *Status]),
        value=st.sampled_from([*[10.0] * 10, 10.1, 9.95, 10.3, 9.7, 11.5, 8.0, 0.0, -5.0, 1e6, math.nan]),
        q_in=st.booleans(),
        mbsd=st.sampled_from([*[0.5] * 8, 2.0, math.nan]),
        moving_f=st.sampled_from([*[1.0] * 8, 1.5, 0.5, 0.0, math.inf, math.nan]),
        rsd_upper=st.sampled_from([*[1.0] * 8, 3.0, 3.01, math.nan]),
        level_step=st.sampled_from([*[0.03] * 8, 0.01, 0.0099, math.nan]),
        novelty=st.sampled_from([*[0.003] * 8, 1e-5, math.nan]),
        turn=st.sampled_from([*[1] * 20, 2, 5]),
    ),
    max_size=45,
)
# Long stretches of good readings, which chance alone would hardly give.
STRETCHES = st.lists(st.one_of(st.integers(1, 14).map(good), EVENTS), max_size=5).map(lambda parts: sum(parts, []))


def _is_good(event: Event) -> bool:
    return event.status in GOOD and math.isfinite(event.value)


def _deviations(events: list[Event]) -> list[float]:
    """Deviation of each good reading from the mean of the three good ones before it, by hand; NaN where none."""
    seen: list[float] = []
    found = []
    for event in events:
        z = math.nan
        if _is_good(event):
            if len(seen) >= 3:
                centre = sum(seen[-3:]) / 3.0
                spread = 0.03 * min(max(centre, 0.0), 10.0) * math.sqrt(4.0 / 3.0)
                z = abs(event.value - centre) / spread if spread > 0.0 else math.inf
            seen.append(event.value)
        found.append(z)
    return found


@pytest.mark.requirement("URS-41")
@given(events=STRETCHES, least=st.sampled_from([1, 12]))
@settings(max_examples=150, deadline=None)
def test_uniform_is_never_said_without_its_grounds(events, least):
    rule = replace(RULE, min_revolutions=least)
    decisions, z, window = follow(events, rule), _deviations(events), RULE.pocket_window
    revolution, endpoint, revolutions = 0, None, []
    for i, (event, decision) in enumerate(zip(events, decisions, strict=True)):
        revolution += 0 if event.status is Status.OUT_OF_ORDER else event.turn
        revolutions.append(revolution)
        assert 0.0 <= decision.evidence <= 1.0
        if decision.state is State.UNIFORM:
            last = range(i - window + 1, i + 1)
            assert last[0] >= 0
            assert all(_is_good(events[k]) for k in last)
            assert all(events[k].turn == 1 for k in last[1:])
            assert all(z[k] <= RULE.pocket_sd * (1 + 1e-9) for k in last)
            assert least <= revolution <= rule.max_revolutions
            mean = np.mean([events[k].value for k in last])
            assert abs(mean / 10.0 - 1.0) <= 0.04 * (1 + 1e-9)
            assert event.rsd_upper <= rule.max_rsd
            assert event.level_step >= rule.least_level_step
            assert event.novelty >= rule.least_novelty
            # Nor was any of the readings that count as evidence one of powder at rest.
            assert not any(events[k].level_step < rule.least_level_step for k in last)
            assert decision.verdicts.homogeneous is Verdict.PASS
            endpoint = endpoint or revolution
        assert decision.endpoint == endpoint
        if not _is_good(event):
            assert Verdict.PASS not in vars(decision.verdicts).values()


@given(events=EVENTS)
@settings(max_examples=100, deadline=None)
def test_an_over_mixed_blend_is_never_uniform_again(events):
    found = states([*good(10), Event(value=20.0), *events])
    assert found[10] == "X"
    assert not set(found[10:]) & set("Umst")
