"""The rule's constants by hand and by brute force, and the CUSUM against all its starting points at once."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pat.core import evidence
from pat.core.evidence import Cusum, Rule
from pat.errors import InputError
from tests.simulated import RULE

# Limit 3 % of 10 % w/w and nothing else: the limit SD is 0.3 % w/w.
BARE = replace(RULE, repeatability=0.0, slope=1.0, centre_size=20)


# The likelihood-ratio sum


def _largest_over_starts(z: np.ndarray, before: float, after: float) -> float:
    """Largest sum of log likelihood ratios over every starting point, an empty run included."""
    ratios = stats.norm.logpdf(z, scale=after) - stats.norm.logpdf(z, scale=before)
    return max(0.0, *(float(ratios[start:].sum()) for start in range(z.size)))


@given(
    z=st.lists(st.floats(-6.0, 6.0), min_size=1, max_size=40),
    ratios=st.lists(st.floats(0.2, 0.95), min_size=1, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_the_sum_is_the_largest_over_every_starting_point(z, ratios):
    after = np.array(ratios)
    cusum, total = Cusum(np.ones_like(after), after), np.zeros(after.size)
    for i, value in enumerate(z):
        total = cusum.step(total, np.asarray(value))
        expected = [_largest_over_starts(np.array(z[: i + 1]), 1.0, a) for a in ratios]
        np.testing.assert_allclose(total, expected, rtol=1e-9, atol=1e-9)


def test_the_increment_by_hand():
    # -ln(rho) - z^2 (1 / rho^2 - 1) / 2 with rho = 0.6 and z = 0.5.
    cusum = Cusum(np.array([1.0]), np.array([0.6]))
    expected = -math.log(0.6) - 0.25 * (1.0 / 0.36 - 1.0) / 2.0
    assert float(cusum.step(np.zeros(1), np.asarray(0.5))[0]) == pytest.approx(expected, rel=1e-14)


def test_many_blends_at_once_are_each_blend_alone():
    z = np.random.default_rng(51).standard_normal((30, 7))
    cusum = evidence.homogeneity_cusum(RULE)
    together, alone = np.zeros(1), [np.zeros(len(RULE.ratios)) for _ in range(7)]
    for row in z:
        together = cusum.step(together, row)
        alone = [cusum.step(total, value) for total, value in zip(alone, row, strict=True)]
    np.testing.assert_array_equal(together, np.array(alone))


def test_the_watch_over_the_mean_adds_what_goes_beyond_its_step_on_either_side():
    rule, sums = replace(RULE, watch_mean_step=0.3), np.zeros((2, 2))
    # Two blends at once: 1.0, -0.5, 1.0 upwards gives .7, 0, .7 and downwards 0, .2, 0; the other is its mirror image.
    for away, expected in ((1.0, [0.7, 0.0]), (-0.5, [0.0, 0.2]), (1.0, [0.7, 0.0])):
        sums = evidence.mean_watch_step(rule, sums, np.array([away, -away]))
        np.testing.assert_allclose(sums, [expected, expected[::-1]], atol=1e-15)


def test_the_watch_looks_for_a_spread_that_grows():
    cusum, total = evidence.watch_cusum(RULE), np.zeros(1)
    for _ in range(20):
        total = cusum.step(total, np.asarray(0.1))
    assert total[0] == 0.0
    assert cusum.step(total, np.asarray(3.0))[0] > 0.0


# What a deviation is measured with


def test_the_limit_holds_the_blends_part_and_the_methods():
    # 3 % of 10 times slope 0.9 is 0.27; with a repeatability of 0.36 the whole is 0.45.
    rule = replace(RULE, slope=0.9, repeatability=0.36)
    found = evidence.limit_sd(rule, np.array([10.0, 5.0, 12.0, 0.0, -3.0]))
    expected = [0.45, math.hypot(0.135, 0.36), 0.45, 0.36, 0.36]  # a share of the mean, of the target at most
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_the_blends_own_part_is_that_of_a_blend_at_the_limit():
    # 3 % of 10 times slope 0.9, of a lower mean, and never of more than the target.
    found = evidence.blend_sd(replace(RULE, slope=0.9, repeatability=0.36), np.array([10.0, 5.0, 12.0, -1.0]))
    np.testing.assert_allclose(found, [0.27, 0.135, 0.27, 0.0], rtol=1e-14)


def test_a_deviation_counts_the_error_of_the_mean_it_is_taken_from():
    # With 20 preceding readings z^2 is divided by 1.05.
    found = evidence.standardised(BARE, np.array([10.6, 9.4]), np.array([10.0, 10.0]))
    np.testing.assert_allclose(found, np.array([2.0, -2.0]) / math.sqrt(1.05), rtol=1e-12)


def test_deviations_of_a_blend_at_the_limit_have_unit_variance():
    rule = replace(RULE, repeatability=0.2, slope=0.95)
    rng = np.random.default_rng(52)
    sd = math.hypot(0.95 * 0.3, 0.2)
    values = 10.0 + sd * rng.standard_normal((60_000, rule.centre_size + 1))
    z = evidence.standardised(rule, values[:, -1], values[:, :-1].mean(axis=1))
    # The centre's own wobble in the limit SD adds a little; sampling error of the SD is 0.003.
    assert z.std() == pytest.approx(1.0, abs=0.012)


def test_without_any_spread_every_deviation_is_outlying():
    with np.errstate(all="raise"):
        found = evidence.standardised(BARE, np.array([0.1, 0.0]), np.array([0.0, -1.0]))
    np.testing.assert_array_equal(found, [np.inf, np.inf])


def test_the_ratio_of_totals_keeps_the_repeatability_in_both():
    # Blend 0.3 at the limit, noise 0.4: limit 0.5; at half the limit sqrt(0.15^2 + 0.4^2) = 0.4272.
    rule = replace(RULE, slope=1.0, repeatability=0.4)
    expected = [math.hypot(0.15, 0.4) / 0.5, 1.0, 0.8]
    np.testing.assert_allclose(evidence.total_ratio(rule, np.array([0.5, 1.0, 0.0])), expected, rtol=1e-14)
    np.testing.assert_allclose(evidence.total_ratio(BARE, np.array(RULE.ratios)), RULE.ratios, rtol=1e-14)


def test_repeatability_is_removed_after_the_bound_is_taken():
    # Two readings 0.3 sqrt(2) apart have an SD of 0.3: times 1.5 it is 0.45, sqrt(0.45^2 - 0.27^2) = 0.36, over a
    # slope of 0.9 that is 0.4, which is 4 % of 10. Removed before, it would be 1.5 sqrt(0.3^2 - 0.27^2) = 0.196.
    rule = replace(RULE, upper_factor=1.5, repeatability=0.27, slope=0.9)
    half = 0.3 / math.sqrt(2.0)
    block = np.array([10.0 - half, 10.0 + half])
    assert float(evidence.blend_rsd_upper(rule, block)) == pytest.approx(4.0, rel=1e-12)
    assert float(evidence.blend_rsd_upper(replace(rule, slope=1.0), block)) == pytest.approx(3.6, rel=1e-12)
    many = evidence.blend_rsd_upper(rule, np.array([block, 10.0 + (block - 10.0) / 5.0, -block, [0.0, 0.0]]))
    np.testing.assert_allclose(many, [4.0, 0.0, np.nan, np.nan], rtol=1e-12)


@pytest.mark.parametrize("n", [10, 20])
def test_the_upper_bound_holds_about_19_times_in_20(n):
    # A blend of 3 % and a method of 0.1 % w/w, both known. The block's mean is in the share too, and adds little.
    rule = replace(RULE, upper_factor=math.sqrt((n - 1) / stats.chi2.ppf(0.05, n - 1)), repeatability=0.1, slope=1.0)
    values = 10.0 + math.hypot(0.3, 0.1) * np.random.default_rng(54).standard_normal((20_000, n))
    assert (evidence.blend_rsd_upper(rule, values) >= 3.0).mean() == pytest.approx(0.95, abs=0.012)


# Pockets


def test_the_pocket_window_by_hand():
    # ln(N q / risk) / -ln(1 - q): 51.8 and 142.6.
    assert evidence.pocket_window(300, 0.15, 0.01) == 52
    assert evidence.pocket_window(300, 0.05, 0.01) == 143


@pytest.mark.parametrize(("share", "risk"), [(0.15, 0.01), (0.3, 0.02)])
def test_the_pocket_window_keeps_its_risk_for_a_blend_with_pockets(share, risk):
    # Brute force: readings that hit a pocket with probability `share`; how often do K of 300 in a row miss it?
    window = evidence.pocket_window(300, share, risk)
    clean = np.random.default_rng(53).random((20_000, 300)) >= share
    run, longest = np.zeros(20_000, dtype=int), np.zeros(20_000, dtype=int)
    for column in clean.T:
        run = np.where(column, run + 1, 0)
        longest = np.maximum(longest, run)
    found = (longest >= window).mean()
    assert found <= risk + 3.0 * math.sqrt(risk / 20_000)
    assert found >= risk / 3.0  # no longer than it must be


def test_a_weighted_sum_is_the_sum_times_its_weight():
    z = np.random.default_rng(54).standard_normal(200)
    rule = replace(RULE, ratios=(0.5, 0.5, 0.8), weights=(1.0, 1.3, 2.0))
    total, plain = np.zeros(3), np.zeros(3)
    weighted, single = evidence.homogeneity_cusum(rule), evidence.homogeneity_cusum(replace(rule, weights=(1.0,) * 3))
    for value in z:
        total, plain = weighted.step(total, value), single.step(plain, value)
        np.testing.assert_allclose(total, plain * np.array(rule.weights), atol=1e-12)


def test_a_near_reading_takes_revolutions_back_and_never_more_than_there_are():
    rule = replace(RULE, pocket_sd=3.0, quiet_sd=1.8, quiet_cost=5)
    size = np.array([1.79, 1.81, 1.81, 3.1])
    np.testing.assert_array_equal(evidence.quiet_step(rule, np.array([7, 7, 3, 20]), size), [8, 2, 0, 15])
    np.testing.assert_array_equal(evidence.clean_step(rule, np.array([7, 7, 3, 20]), size), [8, 8, 4, 0])


# The rule as a document


def test_a_rule_survives_json():
    document = json.loads(json.dumps(RULE.to_dict(), allow_nan=False))
    assert Rule.from_dict(document) == RULE


@pytest.mark.parametrize("name", sorted(RULE.to_dict()))
@pytest.mark.parametrize("value", [None, "20", float("nan"), float("inf"), -1, True, [], [1.0, "x"], {}])
def test_a_constant_that_is_none_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=f"`{name}` must be a positive"):
        Rule.from_dict(RULE.to_dict() | {name: value})


@pytest.mark.parametrize("name", ["block_size", "centre_size", "pocket_window", "threshold", "target", "slope"])
def test_nothing_is_divided_by_a_zero(name):
    with pytest.raises(InputError, match=f"`{name}` must be a positive .*, got 0"):
        Rule.from_dict(RULE.to_dict() | {name: 0})


def test_whole_numbers_stay_whole_and_pairs_pairs():
    wrong = {"block_size": 8.5, "max_revolutions": 200.0, "watch_ratios": [0.5, 0.9, 1.2], "ratios": 0.5}
    for name, value in wrong.items():
        with pytest.raises(InputError, match=name):
            Rule.from_dict(RULE.to_dict() | {name: value})
    assert Rule.from_dict(RULE.to_dict() | {"repeatability": 0, "target": 10}).repeatability == 0


OUT_OF_RANGE: list[tuple[dict[str, Any], str]] = [
    ({"block_size": 2}, "`block_size` must be at least 3, got 2"),
    ({"max_rsd": 100.0}, "`max_rsd` must be below 100, got 100.0"),
    ({"max_mean_deviation": 250.0}, "`max_mean_deviation` must be below 100, got 250.0"),
    ({"slope": 1.01}, "`slope` must be at most 1, got 1.01"),
    ({"ratios": [0.35, 1.0]}, r"`ratios` must lie between 0 and 1, got \[0.35, 1.0\]"),
    ({"weights": [1.0, 1.0]}, "`ratios`, `weights` must be as many"),
    ({"watch_ratios": [0.9, 0.5]}, r"`watch_ratios` must rise, got \[0.9, 0.5\]"),
    ({"watch_block_ratio": 1.0}, "`watch_block_ratio` must be above 1, got 1.0"),
    ({"steady_ratio": 1.0}, "`steady_ratio` must be above 1, got 1.0"),
    ({"f_quantile": 0.9}, "`f_quantile` must be above 1, got 0.9"),
    ({"upper_factor": 0.5}, "`upper_factor` must be above 1, got 0.5"),
    ({"quiet_sd": 3.5}, "`quiet_sd`, `pocket_sd` must not fall, got 3.5, 3.0"),
    ({"min_revolutions": 200}, "`min_revolutions`, `max_revolutions` must rise, got 200, 200"),
    ({"quiet_window": 191}, "must leave room for the windows, .* got 10, 15, 191, 200"),
    ({"pocket_window": 191}, "must leave room for the windows, .* got 10, 191, 1, 200"),
]


@pytest.mark.parametrize(("changed", "message"), OUT_OF_RANGE)
def test_a_constant_that_makes_no_rule_is_refused_with_what_it_must_be(changed, message):
    with pytest.raises(InputError, match=message):
        Rule.from_dict(RULE.to_dict() | changed)


def test_constants_at_the_ends_of_their_ranges_make_a_rule():
    ends = {"block_size": 3, "slope": 1.0, "quiet_sd": 3.0, "quiet_window": 190, "pocket_window": 190}
    assert Rule.from_dict(RULE.to_dict() | ends).quiet_window == 190


def test_missing_and_unknown_keys_are_named():
    document = RULE.to_dict()
    del document["slope"]
    with pytest.raises(InputError, match="missing or unknown keys magic, slope"):
        Rule.from_dict(document | {"magic": 1.0})
