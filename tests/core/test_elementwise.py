"""Formulas give floats what they give arrays, to the bit, NaN and infinity included."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pat.core import elementwise, evidence
from pat.core.blocks import relative, rsd_upper, student_t
from tests.simulated import RULE

ODD = st.one_of(
    st.floats(-1e3, 1e3), st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1e200, -1e200, 5e-324])
)


def same(one: Any, many: Any) -> bool:
    assert isinstance(one, float)
    assert isinstance(many, np.ndarray)
    return one == float(many[0]) or (math.isnan(one) and math.isnan(float(many[0])))


@given(ODD, ODD)
@settings(max_examples=300, deadline=None)
def test_a_float_gets_what_an_array_gets(x, y):
    a, b = np.array([x]), np.array([y])
    with np.errstate(all="ignore"):
        assert same(elementwise.sqrt(x), elementwise.sqrt(a))
        assert same(elementwise.at_least(x, 0.0), elementwise.at_least(a, 0.0))
        assert same(elementwise.at_most(x, 1.0), elementwise.at_most(a, 1.0))
        # Over zero the sign of the zero says nothing: no variance is below it.
        assert same(elementwise.ratio(x, abs(y)), elementwise.ratio(a, np.abs(b)))
        assert same(relative(abs(x), y), relative(np.abs(a), b))
        assert same(rsd_upper(abs(x), y, 1.7, 0.1, 0.9), rsd_upper(np.abs(a), b, 1.7, 0.1, 0.9))
        assert same(student_t((x, y), (abs(x), abs(y)), 5), student_t((a, b), (np.abs(a), np.abs(b)), 5))


@given(ODD, ODD)
@settings(max_examples=300, deadline=None)
def test_the_rules_arithmetic_is_the_same_for_one_blend_and_for_many(value, centre):
    with np.errstate(all="ignore"):
        assert same(evidence.limit_sd(RULE, centre), evidence.limit_sd(RULE, np.array([centre])))
        z = evidence.standardised(RULE, value, centre)
        many = evidence.standardised(RULE, np.array([value]), np.array([centre]))
        assert same(z, many)
        size = abs(z)
        for k in (0, 3, 100):
            assert evidence.clean_step(RULE, k, size) == evidence.clean_step(RULE, np.array([k]), np.array([size]))[0]
            assert evidence.quiet_step(RULE, k, size) == evidence.quiet_step(RULE, np.array([k]), np.array([size]))[0]
        for cusum in (evidence.homogeneity_cusum(RULE), evidence.watch_cusum(RULE)):
            total = [0.3 * i for i in range(cusum.step(np.zeros(1), np.zeros(1)).size)]
            one, several = cusum.step_of_one(total, z), cusum.step(np.array(total), np.array([z]))
            np.testing.assert_array_equal([one], several)
        sums = np.array([0.2, 0.1])
        np.testing.assert_array_equal(
            [evidence.mean_watch_step(RULE, sums, z)], evidence.mean_watch_step(RULE, sums, np.array([z]))
        )


def test_a_method_without_any_spread_takes_every_move_for_infinite():
    still = replace(RULE, repeatability=0.0)
    assert evidence.standardised(still, 1.0, 0.0) == math.inf
    assert evidence.standardised(still, np.array([1.0]), np.array([0.0])).tolist() == [math.inf]


@pytest.mark.parametrize("above", [1.0, 0.0, math.nan])
def test_over_zero_there_is_infinity_or_no_number(above):
    found = elementwise.ratio(above, 0.0)
    assert found == math.inf if above == 1.0 else math.isnan(found)
