"""What the line does with a batch, and the record of every change of state."""

import math
from dataclasses import replace

import pytest

from pat.core.endpoint import Cause, Endpoint, Phase, State, Status, Transition
from pat.core.evidence import Rule
from pat.errors import Refusal
from tests.core.test_endpoint import RULE, SPREAD, Event, bad, good, observe

# RULE confirms by three readings, makes a fault of three bad ones, and declares good readings at the eighth.
FIRST = 8


def mixed(n: int = 10, rule: Rule = RULE) -> Endpoint:
    endpoint = Endpoint(rule)
    for revolution, event in enumerate(good(n), start=1):
        observe(endpoint, event, revolution)
    return endpoint


def told(transition: Transition | None) -> Transition:
    assert transition is not None
    return transition


def after_stop(endpoint: Endpoint, events: list[Event]) -> list[State]:
    return [observe(endpoint, event, endpoint.last_revolution or 0).state for event in events]


def test_a_batch_is_loaded_before_its_first_reading():
    endpoint = Endpoint(RULE)
    assert (endpoint.state, endpoint.phase, endpoint.transitions) == (State.LOADED, Phase.MIXING, ())


def test_a_good_blend_is_stopped_confirmed_discharged_and_done():
    endpoint = mixed()
    assert told(endpoint.stop()).after is State.HOLD
    # Powder at rest: the blocks fall quiet, and no verdict on motion is asked for any more.
    assert after_stop(endpoint, good(3, level_step=0.0, novelty=0.0, mbsd=1e-9)) == [State.HOLD] * 2 + [State.CONFIRM]
    assert endpoint.confirmed
    assert told(endpoint.discharge()).after is State.DISCHARGE
    assert after_stop(endpoint, good(4)) == [State.DISCHARGE] * 4
    assert told(endpoint.close()).after is State.DONE
    assert after_stop(endpoint, good(1)) == [State.DONE]
    assert [t.after for t in endpoint.transitions] == [
        State.MIXING, State.STEADY, State.UNIFORM, State.HOLD, State.CONFIRM, State.DISCHARGE, State.DONE,
    ]  # fmt: skip
    assert [t.number for t in endpoint.transitions] == list(range(1, 8))
    assert [t.before for t in endpoint.transitions] == [State.LOADED, *[t.after for t in endpoint.transitions[:-1]]]


def test_a_blend_that_is_not_uniform_when_it_is_stopped_is_never_confirmed():
    endpoint = mixed(FIRST - 1)
    assert told(endpoint.stop()).reason == "stopped while it was not uniform: it must be mixed on"
    assert after_stop(endpoint, good(20)) == [State.HOLD] * 20
    assert not endpoint.confirmed
    with pytest.raises(
        Refusal, match="must be confirmed before it is discharged, got stopped while it was not uniform"
    ):
        endpoint.discharge()


def test_a_blend_that_was_uniform_and_no_longer_is_when_it_is_stopped_is_not_confirmed():
    endpoint = mixed(10)
    observe(endpoint, Event(value=10.0 + 4.0 * SPREAD), 11)
    endpoint.stop()
    assert after_stop(endpoint, good(5)) == [State.HOLD] * 5


def test_a_reading_apart_after_the_stop_is_over_mixing_for_good():
    endpoint = mixed()
    endpoint.stop()
    near, far = Event(value=10.0 + 2.9 * SPREAD), Event(value=10.0 + 3.1 * SPREAD)
    assert after_stop(endpoint, [near, far, *good(5)]) == [State.HOLD] + [State.OVERMIXED] * 6
    assert not endpoint.confirmed
    assert endpoint.transitions[-1].cause is Cause.APART_AFTER_STOP


def test_bad_readings_after_the_stop_start_the_confirmation_again_and_in_a_row_are_a_fault():
    endpoint = mixed()
    endpoint.stop()
    events = [*good(2), *bad(Status.NOT_FINITE), *good(2)]
    assert after_stop(endpoint, events) == [State.HOLD] * 5
    assert after_stop(endpoint, bad(Status.FROZEN, 3)) == [State.HOLD] * 2 + [State.SENSOR_FAULT]
    assert after_stop(endpoint, bad(Status.OUT_OF_SCOPE, 1)) == [State.OUT_OF_SCOPE]
    assert after_stop(endpoint, good(3)) == [State.HOLD] * 2 + [State.CONFIRM]


def test_a_fault_during_the_discharge_is_told():
    endpoint = mixed()
    endpoint.stop()
    after_stop(endpoint, good(3))
    endpoint.discharge()
    assert after_stop(endpoint, bad(Status.NOT_FINITE, 3))[-1] is State.SENSOR_FAULT
    assert after_stop(endpoint, good(1)) == [State.DISCHARGE]


def test_mixing_on_starts_the_evidence_again_and_keeps_the_end_point():
    endpoint = mixed()
    endpoint.stop()
    assert told(endpoint.mix_on()).cause is Cause.MIXED_ON
    decisions = [observe(endpoint, event, 11 + i) for i, event in enumerate(good(12))]
    assert decisions[0].evidence < 0.5
    # The last values of before are still known, so that the first of the new readings is compared already; two blocks
    # of three make six readings.
    assert [d.state for d in decisions[:5]] == [State.MIXING] * 5
    assert decisions[5].state is State.UNIFORM
    assert decisions[-1].endpoint == FIRST


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        ("mix_on", "to mix on, the batch must be stopped, got mixing"),
        ("discharge", "to discharge, the batch must be stopped, got mixing"),
        ("close", "to close without a reason, the batch must be discharging, got mixing"),
    ],
)
def test_an_act_out_of_turn_is_refused(act, expected):
    with pytest.raises(Refusal, match=expected):
        getattr(mixed(), act)()


def test_a_batch_is_stopped_once_and_closed_once():
    endpoint = mixed()
    endpoint.stop()
    with pytest.raises(Refusal, match="to stop, the batch must be mixing, got stopped"):
        endpoint.stop()
    endpoint.close("rejected by the operator")
    assert endpoint.transitions[-1].reason == "rejected by the operator"
    with pytest.raises(Refusal, match="got done"):
        endpoint.close("again")


# What a transition carries


def test_the_end_point_carries_its_numbers_and_the_readings_it_rests_on():
    endpoint = mixed()
    uniform = endpoint.transitions[2]
    assert (uniform.cause, uniform.revolution) == (Cause.ALL_VERDICTS, FIRST)
    # All eight readings of the run, none of which was bad.
    assert (uniform.first_reading, uniform.last_reading) == (1, FIRST)
    numbers = {name: math.nan if n is None else n for name, n in uniform.numbers.items()}
    # Each judged reading lies at the centre and adds ln 2 (the SDs' ratio in RULE): five of them.
    assert numbers["evidence"] == pytest.approx(5 * math.log(2.0))
    assert numbers["evidence"] >= numbers["evidence_least"] == RULE.threshold
    assert numbers["clean_readings"] == 5 >= numbers["clean_readings_least"] == RULE.pocket_window
    assert numbers["blend_rsd_upper"] == 1.0 <= numbers["blend_rsd_limit"] == RULE.max_rsd
    assert numbers["mean_deviation"] == pytest.approx(0.0, abs=1e-12)


def test_a_fault_carries_the_bad_readings_and_numbers_that_do_not_exist_are_none():
    endpoint = mixed()
    for revolution, event in enumerate(bad(Status.NOT_FINITE, 3), start=11):
        observe(endpoint, event, revolution)
    fault = endpoint.transitions[-1]
    assert (fault.after, fault.cause) == (State.SENSOR_FAULT, Cause.BAD_READINGS)
    assert (fault.first_reading, fault.last_reading) == (11, 13)
    assert fault.numbers["bad_readings"] == 3 == fault.numbers["bad_readings_limit"]
    assert fault.numbers["mbsd"] is None


def test_over_mixing_rests_on_the_readings_since_the_end_point():
    endpoint = mixed(rule=replace(RULE, watch_threshold=1e6))
    decision = observe(endpoint, Event(value=10.0 + 3.01 * SPREAD), 11)
    assert decision.transition == endpoint.transitions[-1]
    assert decision.transition.cause is Cause.OUTLYING_READING
    assert (decision.transition.first_reading, decision.transition.last_reading) == (FIRST + 1, 11)


def test_a_batch_that_flickers_for_ever_keeps_its_last_transitions():
    endpoint = Endpoint(replace(RULE, max_revolutions=30))
    for revolution in range(1, 200):
        observe(endpoint, (good(1) if revolution % 7 else bad(Status.SATURATED))[0], revolution)
    assert len(endpoint.transitions) <= 30
    numbers = [t.number for t in endpoint.transitions]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_snapshot_at_every_step_carries_on_with_acts_too():
    def steps(endpoint: Endpoint):
        for revolution, event in enumerate(good(10), start=1):
            yield lambda e, ev=event, r=revolution: observe(e, ev, r)
        yield lambda e: e.stop()
        for event in good(3):
            yield lambda e, ev=event: observe(e, ev, 10)
        yield lambda e: e.discharge()
        yield lambda e: observe(e, Event(), 10)
        yield lambda e: e.close()

    whole, resumed = Endpoint(RULE), Endpoint(RULE)
    for step in steps(whole):
        again = Endpoint(RULE)
        again.restore(resumed.snapshot())
        assert step(again) == step(whole)
        assert again.snapshot() == whole.snapshot()
        resumed = again
