"""The segregation alarm: its sums by hand and by brute force, and that no wrong constant gets into it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pat.core.segregation import Alarm, Before, mean_step
from pat.errors import InputError

ALARM = Alarm(0.05, 300, 10, 0.0, 1.0, 1.5, 5.0, 5.0)


def test_a_step_of_the_alarm_by_hand():
    # One SD above ten before is 1 / sqrt(11 / 10) of an SD of what is compared; half of an SD is the allowance.
    z = Before(10, 10.0, 9.0 * 0.1**2).away(np.asarray(10.1))
    assert float(z) == pytest.approx(1.0 / math.sqrt(1.1))
    np.testing.assert_allclose(mean_step(ALARM, np.array([0.2, 0.1]), z), [0.2 + float(z) - 0.5, 0.0])
    still = Before(10, np.full(3, 10.0), np.zeros(3)).away(np.array([10.0, 10.1, 9.9]))
    np.testing.assert_array_equal(still, [0.0, np.inf, -np.inf])


@given(st.lists(st.floats(-50.0, 50.0), min_size=2, max_size=40))
@settings(max_examples=30, deadline=None)
def test_what_was_before_is_numpys_mean_and_spread(values):
    before = Before()
    for value in values:
        before.take(np.asarray(value))
    assert before.count == len(values)
    assert float(before.mean) == pytest.approx(np.mean(values), abs=1e-12)
    assert float(before.squares) == pytest.approx(np.var(values) * len(values), rel=1e-9, abs=1e-9)


def test_the_sums_are_the_largest_over_every_start():
    z = np.random.default_rng(5).standard_normal(40)
    sums = np.zeros(2)
    for i, value in enumerate(z):
        sums = mean_step(ALARM, sums, np.asarray(value))
        for side, sign in enumerate((1.0, -1.0)):
            expected = max(0.0, *(float((sign * z[k : i + 1] - 0.5).sum()) for k in range(i + 1)))
            assert sums[side] == pytest.approx(expected, abs=1e-12)


def test_constants_come_back_from_plain_json() -> None:
    assert Alarm.from_dict(ALARM.to_dict()) == ALARM


@pytest.mark.parametrize(
    "wrong",
    [{"phi": 1.0}, {"ratio": 1.0}, {"mean_threshold": math.inf}, {"shift": -1.0}, {"risk": "0.05"}, {"more": 1.0}],
)
def test_wrong_constants_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="segregation alarm"):
        Alarm.from_dict(ALARM.to_dict() | wrong)
