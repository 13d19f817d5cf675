"""The paired test: its size, what it finds, and the margin, against scipy, published figures and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pat.core.types import Array
from pat.retraining import compare
from pat.retraining.paired import detectable, non_inferiority, noncentrality, paired_difference

pytestmark = pytest.mark.requirement("URS-71")

# Standard errors of a share of 1500 campaigns: 0.6 points at 5 %, 1.0 at 80 %.
CAMPAIGNS = 1500


def campaigns(n_batches: int, ratio: float, seed: int, campaigns: int = CAMPAIGNS) -> tuple[Array, Array]:
    """Mean squared errors of batches of 8 spectra, half of whose variance a batch shares; (campaigns, batches)."""
    rng = np.random.default_rng(seed)
    sides = []
    for size in (1.0, ratio):
        shared = rng.normal(0.0, 0.1 * size, (campaigns, n_batches, 1))
        sides.append(((shared + rng.normal(0.0, 0.1 * size, (campaigns, n_batches, 8))) ** 2).mean(axis=-1))
    return sides[0], sides[1]


def found(before: Array, after: Array) -> float:
    """Share of campaigns in which a difference is called one."""
    return float(np.mean([paired_difference(d).p_value < 0.05 for d in after - before]))


def test_the_difference_and_its_interval_are_those_of_scipy():
    before, after = (side[0] for side in campaigns(12, 1.2, 1, 1))
    ours, theirs = paired_difference(after - before), stats.ttest_rel(after, before)
    interval = theirs.confidence_interval(0.95)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-10)
    assert (ours.lower, ours.upper) == pytest.approx((interval.low, interval.high), rel=1e-10)


def test_the_noncentrality_is_that_of_published_sample_sizes():
    # Cohen (1988), and G*Power's manual: a standardised paired difference of 0.5 is found with 80 % power from 34 pairs
    # on, and with 90 % from 44 on (level 0.05, two-sided).
    for power, n in ((0.8, 34), (0.9, 44)):
        assert noncentrality(n - 1, power) <= 0.5 * math.sqrt(n)
        assert noncentrality(n - 2, power) > 0.5 * math.sqrt(n - 1)


@pytest.mark.requirement("URS-71")
@pytest.mark.parametrize("n_batches", [4, 12])
def test_equal_models_are_called_different_no_more_often_than_the_level_says(n_batches):
    assert 0.01 <= found(*campaigns(n_batches, 1.0, 2)) <= 0.06


@pytest.mark.requirement("URS-71")
@pytest.mark.parametrize("power", [0.8, 0.9])
def test_a_shared_difference_of_the_stated_size_is_found_with_the_stated_power(power):
    before, after = campaigns(12, 1.0, 3)
    true_error = float((after - before).std()) / math.sqrt(12)
    shares = found(before, after + noncentrality(11, power) * true_error)
    assert shares == pytest.approx(power, abs=0.035)


def test_larger_errors_of_the_stated_ratio_are_found_with_the_stated_power_at_least():
    many = [side.ravel() for side in campaigns(48, 1.0, 4, 200)]
    # The spread of 9600 batches stands for the true one: `detectable` takes their number from what it is given,
    # so the true (co)variances are put on 48 batches.
    before, after = standing_for(many[0], many[1], 48)
    stated = detectable(before, after, 0.8).rmsep_ratio
    assert 1.2 < stated < 1.4
    assert 0.78 <= found(*campaigns(48, stated, 5, 600)) <= 0.92


def standing_for(a: Array, c: Array, n: int) -> tuple[Array, Array]:
    """Return n pairs with exactly the means and (co)variances of many."""
    z = np.random.default_rng(0).normal(size=(n, 2))
    z -= z.mean(axis=0)
    z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T)).T)
    made = z @ np.linalg.cholesky(np.cov(a, c)).T + (a.mean(), c.mean())
    return made[:, 0], made[:, 1]


def test_taking_the_spread_for_constant_would_promise_too_much():
    # The reason for the other form: at the ratio that a constant spread gives, half are missed.
    before, after = campaigns(12, 1.0, 6)
    true_error = float((after - before).std()) / math.sqrt(12)
    naive = math.sqrt(1.0 + noncentrality(11, 0.8) * true_error / float(before.mean()))
    assert found(*campaigns(12, naive, 7)) < 0.6
    assert detectable(*standing_for(before.ravel(), after.ravel(), 12), 0.8).rmsep_ratio > naive


def test_with_few_batches_no_ratio_however_large_is_found():
    before, after = campaigns(4, 1.0, 8)
    stated = [detectable(a, c, 0.8) for a, c in zip(before[:200], after[:200], strict=True)]
    assert np.mean([math.isinf(d.rmsep_ratio) for d in stated]) > 0.5
    # Indeed: four batches find a challenger whose errors are ten times as large in less than 80 of 100 campaigns.
    assert found(*campaigns(4, 10.0, 9)) < 0.8


@pytest.mark.parametrize("n_batches", [4, 12])
def test_a_challenger_at_the_margin_is_passed_as_seldom_as_the_level_says(n_batches):
    shown = [non_inferiority(a, c, 1.1).verdict == "shown" for a, c in zip(*campaigns(n_batches, 1.1, 10), strict=True)]
    assert 0.01 <= np.mean(shown) <= 0.066


def test_the_bound_covers_the_true_ratio_and_the_power_is_what_was_said():
    judged = [non_inferiority(a, c, 1.1) for a, c in zip(*campaigns(12, 1.0, 11), strict=True)]
    assert np.mean([q.upper >= 1.0 for q in judged]) >= 0.93
    shown = np.mean([q.verdict == "shown" for q in judged])
    assert shown == pytest.approx(np.mean([q.power_if_equal for q in judged]), abs=0.05)


def test_the_bound_is_the_margin_that_the_test_just_does_not_reject():
    before, after = (side[0] for side in campaigns(12, 1.0, 12, 1))
    upper = non_inferiority(before, after, 1.1).upper
    on_the_bound = stats.ttest_1samp(after - upper**2 * before, 0.0, alternative="less")
    assert on_the_bound.pvalue == pytest.approx(0.05, rel=1e-9)
    assert non_inferiority(before, after, upper).p_value == pytest.approx(0.05, rel=1e-9)
    wide = non_inferiority(before, after, upper * 1.001)
    assert wide.verdict == "shown"
    assert wide.ratio == pytest.approx(math.sqrt(after.mean() / before.mean()))


def test_no_difference_is_no_equality():
    """Few batches: nothing is shown, neither that one is worse nor that it is not."""
    y = np.repeat([8.0, 9.0, 10.0, 11.0], 4)
    rng = np.random.default_rng(13)
    batch = np.repeat([0, 1, 2, 3], 4)
    shared = rng.normal(0.0, 0.2, (2, 4))[:, batch]
    found = compare(y, y + shared[0], y + shared[1], batch)
    assert found.verdict == "no difference shown"
    assert found.non_inferiority.verdict == "not shown"
    assert found.non_inferiority.power_if_equal < 0.5
    document = found.to_dict()
    assert [d["power"] for d in document["detectable"]] == [0.8, 0.9]
    assert document["non_inferiority"]["margin"] == 1.1


def test_one_batch_shows_nothing_and_a_model_is_no_worse_than_itself():
    one = np.array([0.01])
    assert math.isnan(detectable(one, one, 0.8).difference)
    judged = non_inferiority(one, one, 1.1)
    assert (judged.verdict, judged.to_dict()["upper"]) == ("not shown", None)
    before = campaigns(12, 1.0, 14, 1)[0][0]
    same = non_inferiority(before, before, 1.1)
    assert same.verdict == "shown"
    assert (same.ratio, same.upper) == pytest.approx((1.0, 1.0))
    assert math.isnan(paired_difference(before - before).p_value)
