"""Discharge: by hand, by brute force, by scipy, and on series whose variogram is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pat.core import discharge
from pat.errors import InputError


def noise(n: int, seed: int, sd: float = 0.1) -> np.ndarray:
    return np.asarray(10.0 + sd * np.random.default_rng([seed, 61]).standard_normal(n))


# Contributions and variogram


def test_contributions_by_hand():
    # Mean (8 + 12) / 2 = 10; with masses 1 and 3 it is (8 + 36) / 4 = 11, and the mean mass is 2.
    np.testing.assert_allclose(discharge.contributions(np.array([8.0, 12.0])), [-0.2, 0.2])
    found = discharge.contributions(np.array([8.0, 12.0]), np.array([1.0, 3.0]))
    np.testing.assert_allclose(found, [-3.0 / 11.0 * 0.5, 1.0 / 11.0 * 1.5])
    assert found.sum() == pytest.approx(0.0, abs=1e-15)


def test_a_missing_reading_stays_missing_and_disturbs_no_other():
    found = discharge.contributions(np.array([8.0, np.nan, 12.0]))
    np.testing.assert_allclose(found, [-0.2, np.nan, 0.2])


@given(st.lists(st.floats(-0.5, 0.5), min_size=60, max_size=90), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_the_variogram_is_that_of_a_double_loop(values, missing):
    h = np.array(values)
    h[:missing] = np.nan
    found = discharge.variogram(h)
    assert len(found.v) == h.size // 2
    for j in range(1, h.size // 2 + 1):
        squares = [(h[q + j] - h[q]) ** 2 for q in range(h.size - j) if not math.isnan(h[q + j] + h[q])]
        assert found.v[j - 1] == pytest.approx(sum(squares) / (2.0 * len(squares)), rel=1e-12, abs=1e-15)


def test_a_straight_line_by_hand():
    # h = a q: every pair at lag j is a j apart, v(j) = a^2 j^2 / 2, and through lags 1 to 5 of j^2 the straight line
    # 6 j - 7 passes, so that the nugget would be below zero. The variance of 0..n-1 is n (n + 1) / 12.
    a, n = 1e-3, 100
    found = discharge.variogram(a * np.arange(n, dtype=np.float64))
    np.testing.assert_allclose(found.v, a**2 * np.arange(1, 51) ** 2 / 2.0, rtol=1e-9)
    assert found.nugget == 0.0
    assert found.sill == pytest.approx(a**2 * n * (n + 1) / 12.0)
    assert found.range == math.ceil(math.sqrt(0.95 * n * (n + 1) / 6.0))
    assert found.percent_nugget == 0.0


def test_the_nugget_is_scipys_intercept():
    h = np.asarray(noise(200, 1, 0.05) + 0.05 * np.sin(np.arange(200) / 30.0) - 10.0, dtype=np.float64)
    found = discharge.variogram(h)
    assert found.nugget == pytest.approx(stats.linregress(np.arange(1, 6), found.v[:5]).intercept, rel=1e-9)
    assert found.nugget_rsd == pytest.approx(100.0 * math.sqrt(found.nugget))


def test_a_mixed_lot_is_nothing_but_nugget():
    # 200 simulated lots of independent readings: the nugget is the variance, whatever RSV says of good and bad.
    found = [discharge.variogram(discharge.contributions(noise(300, seed))) for seed in range(200)]
    assert np.mean([f.nugget for f in found]) == pytest.approx(1e-4, rel=0.03)
    assert np.median([f.percent_nugget for f in found]) == pytest.approx(100.0, abs=5.0)
    assert np.median([f.range or math.inf for f in found]) <= 3


def test_a_periodic_lot_comes_back_to_its_nugget():
    # v of a sine of amplitude A and period T is A^2 / 2 (1 - cos(2 pi j / T)): 0 at every period, A^2 half way.
    h = 0.02 * np.sin(2.0 * np.pi * np.arange(400) / 20.0)
    found = discharge.variogram(h)
    lags = np.arange(1, 201)
    # To 2 % of its top: pairs do not fill whole periods at every lag.
    np.testing.assert_allclose(found.v, 2e-4 * (1.0 - np.cos(2.0 * np.pi * lags / 20.0)), atol=8e-6)
    assert found.v[19] < 1e-12 < found.v[9]
    assert found.sill == pytest.approx(2e-4, rel=0.01)


def test_a_lot_without_variance_has_no_percent_nugget():
    found = discharge.variogram(np.zeros(60))
    assert (found.nugget, found.sill, found.range) == (0.0, 0.0, 1)
    assert math.isnan(found.percent_nugget)


# Contrasts


@pytest.mark.parametrize("missing", [0, 7])
def test_contrasts_are_scipys(missing):
    values = noise(181, 2) + np.linspace(0.0, 0.05, 181)
    values[10 : 10 + missing] = np.nan
    found, known = discharge.contrasts(values), ~np.isnan(values)
    parts = [part[~np.isnan(part)] for part in np.array_split(values, 3)]
    assert found.thirds.statistic == pytest.approx(stats.f_oneway(*parts).statistic)
    assert found.thirds.degrees == (2.0, known.sum() - 3.0)
    assert found.thirds.size == pytest.approx(
        100.0 * np.std([part.mean() for part in parts], ddof=1) / values[known].mean()
    )
    line = stats.linregress(np.flatnonzero(known), values[known])
    assert found.trend.statistic == pytest.approx(line.slope / line.stderr)
    assert found.trend.size == pytest.approx(100.0 * line.slope * 180 / values[known].mean())
    # The last 5 % of 181 are 10 readings.
    body, tail = values[:171], values[171:]
    welch = stats.ttest_ind(tail, body[~np.isnan(body)], equal_var=False)
    assert found.tail.statistic == pytest.approx(welch.statistic)
    assert found.tail.degrees[0] == pytest.approx(welch.df)


def test_inflation_is_that_of_the_autocorrelation():
    # AR(1) with phi 0.6: the variance of a mean is (1 + 0.6) / (1 - 0.6) = 4 times that of independent readings.
    rng, x = np.random.default_rng(3), np.zeros(20_000)
    for t in range(1, x.size):
        x[t] = 0.6 * x[t - 1] + 0.8 * rng.standard_normal()
    assert discharge.contrasts(10.0 + x).inflation == pytest.approx(4.0, rel=0.05)
    assert discharge.contrasts(10.0 + np.tile([0.1, -0.1], 100)).inflation == 1.0


def test_readings_that_do_not_vary_have_no_statistics():
    found = discharge.contrasts(np.full(60, 10.0))
    assert math.isnan(found.thirds.statistic)
    assert math.isnan(found.trend.statistic)
    assert math.isnan(found.tail.statistic)
    assert found.inflation == 1.0


# Pseudo-doses


def test_pseudo_doses_by_hand():
    # Doses of 2: 9, 11 and 10 (the seventh reading is left); SD 1. Without a repeatability of 1.2, 1 - 0.72 = 0.28.
    values = np.array([8.0, 10.0, 11.0, 11.0, 9.0, 11.0, 50.0])
    found = discharge.pseudo_doses(values, 2, 1.2, 0.9)
    assert found.contents == (9.0, 11.0, 10.0)
    assert found.mean == 10.0
    assert found.rsd == pytest.approx(10.0)
    assert found.blend_rsd == pytest.approx(10.0 * math.sqrt(0.28) / 0.9)
    assert discharge.pseudo_doses(values, 2, 5.0).blend_rsd == 0.0
    values[3] = np.nan
    assert discharge.pseudo_doses(values, 2, 0.0).contents == (9.0, 10.0)


def test_doses_average_independent_readings_and_the_methods_noise():
    # 4,000 doses of 8: powder 2 % and noise 1.2 % of independent readings; as read sqrt((2^2 + 1.2^2) / 8).
    rng = np.random.default_rng(4)
    values = 10.0 + 0.2 * rng.standard_normal(32_000) + 0.12 * rng.standard_normal(32_000)
    found = discharge.pseudo_doses(values, 8, 0.12)
    assert found.rsd == pytest.approx(math.sqrt(5.44 / 8.0), rel=0.04)
    assert found.blend_rsd == pytest.approx(math.sqrt(4.0 / 8.0), rel=0.05)


# What is refused


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: discharge.variogram(np.zeros(59)), "at least 60 readings, got 59"),
        (lambda: discharge.contrasts(np.zeros(10)), "at least 60 readings, got 10"),
        (lambda: discharge.variogram(np.r_[np.zeros(53), [np.nan] * 7]), "at most 10% .* got 7 of 60"),
        (lambda: discharge.contributions(np.zeros(3)), "must be positive, got 0"),
        (lambda: discharge.contributions(np.full(3, np.nan)), "must be positive, got nan"),
        (lambda: discharge.contributions(np.ones(3), np.ones(2)), "3 positive numbers, got 2"),
        (lambda: discharge.contributions(np.ones(2), np.array([1.0, 0.0])), "2 positive numbers"),
        (lambda: discharge.pseudo_doses(np.ones(7), 4, 0.1), "at least 2 whole ones, got 1"),
    ],
)
def test_bad_series_are_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()
