"""The comparison of end-point rules: its blends are what they say, its statistics those of other programs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks import published
from benchmarks.blends import ACTIVE, FILLER, KINDS, PREDICTOR, Blends, Condition, Kind, simulate
from benchmarks.bound import Course, missed_at_best
from benchmarks.comparison import BLENDS, Found, campaign, judge, row, table, upper
from pat.core import blocks
from tests.simulated import RULE

GOOD = KINDS[0]
REFERENCE = published.Reference(1.0, 2.0)


def _kind(name: str) -> Kind:
    return next(kind for kind in KINDS if kind.name == name)


@pytest.fixture(scope="module")
def good() -> Blends:
    return simulate(GOOD, Condition(), 60, 0)


def test_there_are_as_many_blends_as_the_promise_needs() -> None:
    # 19 of 2,000 have an upper 95 % limit below 1.5 %; that of scipy's exact test.
    assert BLENDS >= 2000
    exact = stats.binomtest(19, 2000, alternative="less").proportion_ci(0.95, method="exact").high
    assert upper(19, 2000) == pytest.approx(exact)
    assert upper(19, 2000) < 0.015


@pytest.mark.parametrize("condition", [Condition(), Condition(phi=0.6, repeatability=0.02), Condition(slope=0.95)])
def test_blends_have_the_spread_that_the_truth_says(condition: Condition) -> None:
    blends = simulate(_kind("floor 2.2 %"), condition, 400, 1)
    late = blends.value[200:] - blends.value[200:].mean(axis=0)
    # 100 readings about their own mean: the autocorrelation takes (1 + phi) / (1 - phi) / 100 of the variance away.
    kept = 1.0 - (1.0 + condition.phi) / (1.0 - condition.phi) / 100.0
    expected = (condition.slope * 0.22) ** 2 * kept + (10.0 * condition.repeatability) ** 2 * 0.99
    assert late.var() == pytest.approx(expected, rel=0.02)
    assert blends.rsd[-1] == pytest.approx(np.full(400, 2.2), abs=0.01)


def test_pockets_and_low_assay_are_never_uniform_and_good_blends_are(good: Blends) -> None:
    assert (good.true_endpoint > 50).all()
    # 1 % floor and 15 % of the readings 40 % away: 15.5 % RSD; a third of them 9.0 %.
    assert simulate(_kind("dead zone .15"), Condition(), 5, 2).rsd[-1] == pytest.approx([15.5] * 5, abs=0.1)
    for name in ("dead zone .15", "dead zone .05", "floor 3.15 %", "assay 90 %", "strength 80 %"):
        assert not simulate(_kind(name), Condition(), 20, 3).uniform.any()


def test_a_film_is_seen_in_the_residual_and_good_spectra_have_none(good: Blends) -> None:
    assert good.known.all()
    fouled = simulate(_kind("fouled window"), Condition(), 40, 4)
    assert (~fouled.known).any(axis=0).all()
    # The film hides the spread: what is left of it under 60 % of film.
    assert fouled.value[-20:].std(axis=0).mean() < 0.6 * good.value[-20:].std(axis=0).mean()


def test_moving_statistics_are_those_of_the_package_and_of_scipy(good: Blends) -> None:
    run = good.channels[:80, :3]
    windows = np.lib.stride_tricks.sliding_window_view(run, 10, axis=0)
    expected = blocks.mbsd(np.moveaxis(windows, -1, -2))
    np.testing.assert_allclose(published.mbsd(run, 10)[9:], expected, rtol=1e-9)
    # Brown-Forsythe of the last three blocks of 15 is scipy's Levene test about the median.
    short = Blends(good.value[:45], run[:45], good.known[:45], good.uniform[:45], good.rsd[:45])
    found = published._brown_forsythe_good(short, REFERENCE)[-1]
    parts = [good.value[i * 15 : (i + 1) * 15] for i in range(3)]
    p = [stats.levene(*(part[:, k] for part in parts), center="median").pvalue for k in range(60)]
    np.testing.assert_array_equal(found, np.array(p) > 0.05)
    assert 0 < found.sum() < 60


def test_a_published_rule_waits_for_its_blocks_in_a_row() -> None:
    good = np.zeros((60, 3), dtype=bool)
    good[[42, 43, 44], 0] = True  # three in a row
    good[[42, 44, 45], 1] = True  # a gap
    good[:10, 2] = True  # before any rule declares
    rule = published.Rule("any", lambda blends, reference: good, 3, judges_mean=False)
    declared, alarm = published.follow(rule, simulate(GOOD, Condition(), 3, 5), REFERENCE)
    np.testing.assert_array_equal(declared, [45.0, np.nan, np.nan])
    np.testing.assert_array_equal(alarm, [48.0, np.nan, np.nan])


def test_an_end_point_is_held_against_the_truth() -> None:
    uniform = np.zeros((10, 5), dtype=bool)
    uniform[4:, :4] = True
    uniform[8:, 3] = False  # de-mixes at revolution 9
    blends = Blends(np.zeros((10, 5)), np.zeros((10, 5, 8)), uniform, uniform, np.zeros((10, 5)))
    nan = math.nan
    found = Found(np.array([7.0, 3.0, nan, 6.0, 5.0]), np.array([nan, nan, nan, 10.0, nan]))
    got = row("any", GOOD, blends, found)
    assert (got.blends, got.declared, got.false, got.missed) == (5, 4, 2, 1)
    assert got.delays.tolist() == [2.0, 1.0]
    assert (got.left, got.found, got.late.tolist(), got.alarms) == (1, 1, [1.0], 0)


def test_every_rule_stands_in_the_table() -> None:
    contenders, phi, reference = campaign(RULE, Condition())
    assert 0.3 < phi < 0.7
    assert contenders[0].rule.repeatability == pytest.approx(0.113, abs=0.01)  # lower limit of 0.12
    rows = [r for number in range(len(KINDS)) for r in judge(contenders[:1], reference, 20, (Condition(), number))]
    lines = table(rows).splitlines()
    assert len(lines) == 2 + 1 + len(list(published.rules()))
    assert lines[2].startswith("this rule")


def test_the_best_test_misses_what_chi_squared_says() -> None:
    # Steady, independent readings: the best test is that of the sum of squares, chi-squared with 300 degrees.
    steady = {"phi": 0.0, "noise": 0.1, "slope": 1.0}
    true, limit = (Course(floor, start=floor, **steady) for floor in (0.028, 0.03))
    ratio = (0.3**2 + 0.1**2) / (0.28**2 + 0.1**2)
    expected = stats.chi2.sf(stats.chi2.ppf(0.01, 300) * ratio, 300)
    assert missed_at_best(true, limit, 0.01) == pytest.approx(expected, abs=0.02)


def test_the_likelihood_of_a_blend_is_that_of_its_covariance() -> None:
    course = Course(0.02, 0.4, 0.1, 0.97)
    value = course.draw(2, 7)
    lag = np.abs(np.subtract.outer(np.arange(300), np.arange(300)))
    covariance = np.outer(course.spread, course.spread) * 0.4**lag + 0.01 * np.eye(300)
    expected = stats.multivariate_normal(cov=covariance).logpdf(value.T) + 150.0 * math.log(2.0 * math.pi)
    np.testing.assert_allclose(course.log_likelihood(value), expected, rtol=1e-8)


def test_the_predictor_has_slope_one_and_is_blind_to_the_filler() -> None:
    assert PREDICTOR @ ACTIVE == pytest.approx(1.0)
    assert PREDICTOR @ FILLER == pytest.approx(0.0, abs=1e-12)
