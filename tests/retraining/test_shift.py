"""Location of scores and rates beyond a limit: against other forms of the same test, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pat.core.types import Array, BoolArray, IntArray
from pat.retraining.shift import apart_from_prediction, exceedance, location

pytestmark = pytest.mark.requirement("URS-72")


def batches(m: int, n: int, a: int, move: float, seed: int) -> tuple[Array, Array, Array, Array]:
    """Mean scores that follow content along one direction; the new ones at other levels, and moved along another."""
    rng = np.random.default_rng(seed)
    content = [rng.uniform(8.0, 12.0, m), rng.uniform(10.0, 13.0, n)]
    mixing = rng.normal(size=(a, a))
    along, across = rng.normal(size=a), rng.normal(size=a)
    before, after = (np.outer(c, along) + rng.normal(size=(c.size, a)) @ mixing for c in content)
    return before, after + move * across, content[0], content[1]


def test_the_statistic_is_that_of_wilks_with_one_degree_of_freedom():
    # For one contrast T2 / nu = |E + H| / |E| - 1, with E and H the residual sums of products without and with the
    # shift in the model: another route to the same number (Rencher and Christensen 2012, 6.1.7).
    before, after, c0, c1 = batches(9, 5, 3, 1.0, 1)
    y, c = np.vstack([before, after]), np.append(c0, c1)
    full = np.column_stack([np.ones(14), c, np.arange(14) >= 9])
    determinants = []
    for design in (full, full[:, :2]):
        residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        determinants.append(np.linalg.det(residual.T @ residual))
    found = location(before, after, c0, c1)
    wilks = determinants[0] / determinants[1]
    assert found.t2 == pytest.approx(11 * (1.0 / wilks - 1.0), rel=1e-8)
    assert found.f == pytest.approx((1.0 / wilks - 1.0) * 9 / 3, rel=1e-8)
    assert found.p_value == pytest.approx(stats.f.sf(found.f, 3, 9), rel=1e-10)


def test_one_direction_is_the_t_test_of_an_analysis_of_covariance():
    before, after, c0, c1 = batches(6, 4, 1, 0.5, 2)
    design = np.column_stack([np.ones(10), np.append(c0, c1), np.arange(10) >= 6])
    y = np.vstack([before, after])[:, 0]
    beta = np.linalg.solve(design.T @ design, design.T @ y)
    s2 = ((y - design @ beta) ** 2).sum() / 7
    t = beta[2] / math.sqrt(s2 * np.linalg.inv(design.T @ design)[2, 2])
    assert location(before, after, c0, c1).p_value == pytest.approx(2.0 * stats.t.sf(abs(t), 7), rel=1e-8)


def test_other_levels_of_content_are_no_shift_and_a_shift_is_found():
    p_values = np.array([location(*batches(12, 6, 3, 0.0, seed)).p_value for seed in range(1000)])
    # Exact for normal means: 5 of 100, SE 0.7.
    assert np.mean(p_values < 0.05) == pytest.approx(0.05, abs=0.025)
    moved = [location(*batches(12, 6, 3, 4.0, seed)).p_value < 0.05 for seed in range(200)]
    assert np.mean(moved) > 0.8


def test_too_few_batches_for_so_many_directions_test_nothing():
    assert math.isnan(location(*batches(4, 1, 3, 0.0, 3)).p_value)
    assert math.isfinite(location(*batches(4, 2, 3, 0.0, 3)).p_value)
    before, after, c0, c1 = batches(6, 4, 2, 0.0, 4)
    assert math.isnan(location(before, after, np.full(6, 10.0), np.full(4, 10.0)).p_value)


def test_directions_apart_from_the_prediction_change_none():
    loadings = np.random.default_rng(5).normal(size=4)
    apart = apart_from_prediction(loadings)
    assert apart.shape == (4, 3)
    np.testing.assert_allclose(loadings @ apart, 0.0, atol=1e-14)
    np.testing.assert_allclose(apart.T @ apart, np.eye(3), atol=1e-14)
    assert apart_from_prediction(loadings[:1]).shape == (1, 0)


def campaign(rng: np.random.Generator, n_batches: int, rate: float, together: float) -> tuple[BoolArray, IntArray]:
    """20 spectra a batch, whose chance of lying beyond differs from batch to batch so that they correlate."""
    chance = np.full(n_batches, rate)
    if together > 0.0:
        chance = rng.beta(rate * (1.0 / together - 1.0), (1.0 - rate) * (1.0 / together - 1.0), n_batches)
    return (rng.random((n_batches, 20)) < chance[:, None]).ravel(), np.repeat(np.arange(n_batches), 20)


@pytest.mark.parametrize("n_batches", [3, 12])
@pytest.mark.parametrize("together", [0.0, 0.3])
@pytest.mark.parametrize("rate", [0.001, 0.05])
def test_a_rate_at_the_nominal_one_is_seldom_called_raised(n_batches, together, rate):
    rng = np.random.default_rng(6)
    raised = np.mean([exceedance(*campaign(rng, n_batches, rate, together), rate).raised for _ in range(400)])
    # Level 2.5 %, SE 0.8.
    assert raised <= 0.045


def test_independent_trials_would_be_fooled_by_batches():
    # Why batches are asked: Clopper and Pearson's interval for independent spectra calls as many campaigns raised as
    # this one must not.
    rng = np.random.default_rng(7)
    naive = 0.0
    for _ in range(300):
        beyond, _codes = campaign(rng, 12, 0.05, 0.3)
        naive += float(stats.binomtest(int(beyond.sum()), beyond.size).proportion_ci(0.95).low > 0.05)
    assert naive / 300 > 0.15


def test_a_raised_rate_is_found():
    rng = np.random.default_rng(8)
    raised = [exceedance(*campaign(rng, 6, 0.2, 0.1), 1e-4).raised for _ in range(200)]
    assert np.mean(raised) > 0.95


def test_none_beyond_says_what_so_many_batches_say():
    codes = np.repeat(np.arange(3), 20)
    found = exceedance(np.zeros(60, dtype=bool), codes, 0.01)
    # Clopper and Pearson for 0 of 3: 1 - 0.025^(1/3).
    assert (found.rate, found.lower) == (0.0, 0.0)
    assert found.upper == pytest.approx(1.0 - 0.025 ** (1.0 / 3.0), rel=1e-9)
    assert not found.raised
    # A whole batch beyond a limit that one spectrum in 10,000 may pass is no chance.
    beyond = codes == 1
    assert exceedance(beyond, codes, 1e-4).raised
    assert not exceedance(np.ones(20, dtype=bool), np.zeros(20, dtype=np.int64), 0.05).raised
