"""Statistics of predicted contents: by hand, by plain loops, and by scipy."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from pat.core import blocks
from pat.errors import InputError


def _values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng([seed, 61]).normal(10.0, 0.3, shape))


def test_the_upper_bound_by_hand():
    # SD .2 about 10: bound 1.5 x .2 = .3, that is 3 %; less .18 in quadrature .24, that is 2.4 %; over slope .8, 3 %.
    sd, mean = np.array(0.2), np.array(10.0)
    assert float(blocks.rsd_upper(sd, mean, 1.5)) == pytest.approx(3.0)
    assert float(blocks.rsd_upper(sd, mean, 1.5, 0.18)) == pytest.approx(2.4)
    assert float(blocks.rsd_upper(sd, mean, 1.5, 0.18, 0.8)) == pytest.approx(3.0)
    assert float(blocks.rsd_upper(sd, mean, 1.5, 0.4)) == 0.0  # nothing is left beside the method's noise
    assert math.isnan(float(blocks.rsd_upper(sd, np.array(-1.0), 1.5)))


def test_the_upper_bound_covers_as_often_as_it_says():
    # scipy's quantile and simulated truth: the 95 % bound lies below a true RSD of 3 % in 5 % of the blocks.
    x = 10.0 + 0.3 * np.random.default_rng(62).standard_normal((40_000, 15))
    factor = math.sqrt(14 / stats.chi2.ppf(0.05, 14))
    found = blocks.rsd_upper(blocks.block_sd(x), blocks.block_mean(x), factor)
    assert float((found < 3.0).mean()) == pytest.approx(0.05, abs=0.004)


@pytest.mark.parametrize(("factor", "noise", "slope"), [(0.0, 0.1, 1.0), (1.5, -0.1, 1.0), (1.5, 0.1, 0.0)])
def test_the_upper_bound_refuses(factor, noise, slope):
    with pytest.raises(InputError, match=f"not negative, got {factor}, {slope} and {noise}"):
        blocks.rsd_upper(np.array(0.2), np.array(10.0), factor, noise, slope)


def test_rmsnv_by_hand_and_by_brute_force():
    # Off by 3, 0 and 4: sqrt(25 / 3).
    assert float(blocks.rmsnv(np.array([13.0, 50.0, 34.0]), np.array([10.0, 50.0, 38.0]))) == pytest.approx(
        math.sqrt(25.0 / 3.0)
    )
    x, targets = _values(2, 5, 3), np.array([10.0, 9.5, 10.5])
    found = blocks.rmsnv(x, targets)
    for i in np.ndindex(2, 5):
        assert found[i] == pytest.approx(math.sqrt(statistics.fmean((x[i] - targets) ** 2)), rel=1e-12)
    assert np.isnan(blocks.rmsnv(np.array([[1.0, np.nan], [1.0, 2.0]]), np.ones(2))).tolist() == [True, False]
    with pytest.raises(InputError, match=r"must have shape \(3,\), one a component, got \(2,\)"):
        blocks.rmsnv(x, np.ones(2))


def test_students_t_by_hand_and_by_scipy():
    # Means 2 and 5, variances 1 and 1, n 3: -3 / sqrt(2 / 3).
    one = (np.array(2.0), np.array(5.0)), (np.array(1.0), np.array(1.0))
    assert float(blocks.student_t(*one, 3)) == pytest.approx(-3.0 / math.sqrt(2.0 / 3.0))
    a, b = _values(4, 12, seed=1), _values(4, 12, seed=2)
    means = blocks.block_mean(a), blocks.block_mean(b)
    found = blocks.student_t(means, (blocks.block_sd(a) ** 2, blocks.block_sd(b) ** 2), 12)
    np.testing.assert_allclose(found, stats.ttest_ind(a, b, axis=1).statistic, rtol=1e-10)
    zero = np.zeros(2)
    still = blocks.student_t((np.array([1.0, 1.0]), np.array([0.0, 1.0])), (zero, zero), 3)
    np.testing.assert_array_equal(still, [np.inf, np.nan])
    with pytest.raises(InputError, match="at least 2 readings, got 1"):
        blocks.student_t(*one, 1)


def test_brown_forsythe_by_hand():
    # Medians 2 and 4; deviations 1, 0, 1 and 3, 0, 3; means 2/3 and 2; 3 x (8/9) between, over 2/3 + 6 within 4.
    found = float(blocks.brown_forsythe(np.array([[1.0, 2.0, 3.0], [1.0, 4.0, 7.0]])))
    assert found == pytest.approx((3.0 * 8.0 / 9.0) / ((2.0 / 3.0 + 6.0) / 4.0))


@pytest.mark.parametrize(("k", "n"), [(2, 3), (3, 10), (5, 15)])
def test_brown_forsythe_by_scipy(k, n):
    x = _values(7, k, n, seed=k) * np.linspace(1.0, 1.4, k)[:, None]
    expected = [stats.levene(*x[i], center="median").statistic for i in range(7)]
    np.testing.assert_allclose(blocks.brown_forsythe(x), expected, rtol=1e-10)


def test_brown_forsythe_where_nothing_varies_and_where_a_number_is_missing():
    assert math.isnan(float(blocks.brown_forsythe(np.ones((3, 4)))))
    x = _values(3, 4)
    x[1, 2] = np.nan
    assert math.isnan(float(blocks.brown_forsythe(x)))


@pytest.mark.parametrize("shape", [(1, 5), (3, 1)])
def test_brown_forsythe_refuses(shape):
    with pytest.raises(InputError, match=f"at least 2 readings, got {shape[0]} of {shape[1]}"):
        blocks.brown_forsythe(np.ones(shape))


@pytest.mark.parametrize("n", [1, 2, 7, 10])
def test_the_median_is_numpys(n):
    x = _values(6, n)
    np.testing.assert_array_equal(blocks.block_median(x), np.median(x, axis=-1))
    x[2, 0] = np.nan
    assert np.isnan(blocks.block_median(x)).tolist() == [False, False, True, False, False, False]


def test_a_block_of_one_has_no_spread():
    with pytest.raises(InputError, match="at least 2 readings, got 1"):
        blocks.block_sd(np.ones(1))
    with pytest.raises(InputError, match="at least 2 readings, got 1"):
        blocks.mbsd(np.ones((1, 4)))
