"""Accuracy profiles against their published formula and against the share of results that they really hold."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pat.core.types import Array, IntArray
from pat.errors import InputError
from pat.validation.accuracy_profile import AccuracyProfile, accuracy_profile, content_levels


def profile_of(errors: Array, series: IntArray, level: IntArray | None = None, **asked: Any) -> AccuracyProfile:
    reference = 10.0 if level is None else 8.0 + 2.0 * level
    y = reference + np.zeros(errors.size)
    level = np.zeros(errors.size, dtype=np.int64) if level is None else level
    return accuracy_profile(y, y + errors, series, level, **({"limit": 1.0} | asked))


@pytest.mark.requirement("URS-22")
def test_the_published_formula() -> None:
    """Hubert et al. 2007: R, B and nu, written out from the sums of squares of 4 series of 3."""
    rng = np.random.default_rng(3)
    table = rng.normal(0.2, 0.5, (4, 1)) + rng.normal(0, 0.3, (4, 3))
    p, n = table.shape
    ms_between, ms_within = n * table.mean(axis=1).var(ddof=1), table.var(axis=1, ddof=1).mean()
    assert ms_between > ms_within
    ratio = (ms_between / ms_within - 1) / n
    s_ip = math.sqrt(ms_within * (1 + ratio))
    b2 = (ratio + 1) / (n * ratio + 1)
    nu = (ratio + 1) ** 2 / ((ratio + 1 / n) ** 2 / (p - 1) + (1 - 1 / n) / (p * n))
    half = stats.t.ppf(0.975, nu) * s_ip * math.sqrt(1 + 1 / (p * n * b2))
    level = profile_of(table.ravel(), np.repeat(np.arange(4), 3)).levels[0]
    assert (level.intermediate_sd, level.df) == pytest.approx((s_ip, nu))
    assert (level.lower, level.upper) == pytest.approx((table.mean() - half, table.mean() + half))


def test_series_that_do_not_differ() -> None:
    """R = 0: nu = 1 / ((1/9)/3 + (2/3)/12), B = 1."""
    errors = np.tile([-0.1, 0.0, 0.1], 4)
    level = profile_of(errors, np.repeat(np.arange(4), 3)).levels[0]
    nu = 1.0 / ((1 / 9) / 3 + (2 / 3) / 12)
    assert level.df == pytest.approx(nu)
    assert level.upper == pytest.approx(stats.t.ppf(0.975, nu) * 0.1 * math.sqrt(1 + 1 / 12))


def test_single_results_are_the_prediction_interval_of_a_textbook() -> None:
    """One result a series: mean +- t s sqrt(1 + 1/n), n - 1 degrees of freedom."""
    errors = np.array([0.1, -0.2, 0.3, 0.0, 0.15])
    level = profile_of(errors, np.arange(5)).levels[0]
    half = stats.t.ppf(0.975, 4) * errors.std(ddof=1) * math.sqrt(1.2)
    assert (level.lower, level.upper) == pytest.approx((errors.mean() - half, errors.mean() + half))


def content(ratio: float, sizes: list[int], n_trials: int, rng: np.random.Generator) -> float:
    """Mean share of future results within the limits, total SD 1, bias 0.4."""
    codes = np.repeat(np.arange(len(sizes)), sizes)
    between, within = math.sqrt(ratio / (1 + ratio)), math.sqrt(1 / (1 + ratio))
    held = []
    for _ in range(n_trials):
        errors = 0.4 + between * rng.standard_normal(len(sizes))[codes] + within * rng.standard_normal(codes.size)
        level = profile_of(errors, codes).levels[0]
        held.append(stats.norm.cdf(level.upper, 0.4) - stats.norm.cdf(level.lower, 0.4))
    return float(np.mean(held))


@pytest.mark.requirement("URS-22")
@pytest.mark.parametrize(("ratio", "measured"), [(0.0, 0.958), (1.0, 0.948), (4.0, 0.944), (25.0, 0.947)])
def test_share_held_on_average(ratio: float, measured: float) -> None:
    """The docstring's figures for 6 series of 4, from 60,000 profiles of an independent program (bare numpy)."""
    assert content(ratio, [4] * 6, 500, np.random.default_rng(5)) == pytest.approx(measured, abs=0.009)


@pytest.mark.requirement("URS-22")
@pytest.mark.parametrize("ratio", [0.0, 1.0, 4.0])
def test_share_held_by_unequal_series(ratio: float) -> None:
    """Nominal 95 %: series of 2 to 8 results hold 93 % and more."""
    assert 0.93 <= content(ratio, [2, 3, 4, 6, 8, 8], 400, np.random.default_rng(6)) <= 0.97


def test_pooling_lends_degrees_of_freedom() -> None:
    rng = np.random.default_rng(8)
    level, series = np.repeat(np.arange(3), 12), np.tile(np.repeat(np.arange(3), 4), 3)
    errors = rng.normal(0, 0.3, 9)[level * 3 + series] + rng.normal(0, 0.1, 36)
    apart, together = profile_of(errors, series, level), profile_of(errors, series, level, pooled=True)
    assert len({found.intermediate_sd for found in together.levels}) == 1
    assert min(found.df for found in together.levels) > min(found.df for found in apart.levels)
    assert [found.bias for found in together.levels] == [found.bias for found in apart.levels]
    # A level of one series has a profile only where it borrows.
    rows = (level > 0) | (series == 0)
    assert profile_of(errors[rows], series[rows], level[rows], pooled=True).levels[0].n_series == 1
    with pytest.raises(InputError, match="at least 2 series, level 0 has 1"):
        profile_of(errors[rows], series[rows], level[rows])


def test_share_held_where_levels_are_pooled() -> None:
    """Three levels of 3 series of 3, each with its bias, R = 1: alone .948 (docstring), with borrowed freedom too."""
    rng = np.random.default_rng(9)
    level, series = np.repeat(np.arange(3), 9), np.tile(np.repeat(np.arange(3), 3), 3)
    bias = np.array([-0.5, 0.0, 0.5])
    held, df = [], []
    for _ in range(300):
        errors = bias[level] + rng.normal(0, 0.5**0.5, 9)[level * 3 + series] + rng.normal(0, 0.5**0.5, 27)
        for part, true in zip(profile_of(errors, series, level, pooled=True).levels, bias, strict=True):
            held.append(stats.norm.cdf(part.upper, true) - stats.norm.cdf(part.lower, true))
            df.append(part.df)
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)
    assert np.mean(df) > 8.0


def test_relative_errors_are_percent_of_the_reference() -> None:
    reference = np.repeat([5.0, 20.0], 6)
    error = np.tile([0.01, -0.01, 0.03, 0.01, -0.02, 0.0], 2)
    series, level = np.tile([0, 0, 1, 1, 2, 2], 2), np.repeat(["half", "double"], 6)
    plain = accuracy_profile(reference, reference + error, series, level, limit=0.5)
    percent = accuracy_profile(reference, reference + error, series, level, limit=5.0, relative=True)
    assert [found.level for found in percent.levels] == ["half", "double"]
    for a, b in zip(plain.levels, percent.levels, strict=True):
        assert b.upper == pytest.approx(100.0 * a.upper / a.content)


def test_the_range_is_where_the_profile_holds() -> None:
    level = np.repeat(np.arange(4), 6)
    errors = np.tile([0.01, -0.01, 0.02, -0.02, 0.015, -0.015], 4) + np.where(level == 1, 2.0, 0.0)
    found = profile_of(errors, np.tile(np.repeat(np.arange(3), 2), 4), level)
    assert [part.passed for part in found.levels] == [True, False, True, True]
    assert (found.passed, found.valid_range) == (False, (12.0, 14.0))
    document = found.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert profile_of(errors[6:12], np.repeat(np.arange(3), 2)).valid_range is None


def test_levels_of_a_validation_set() -> None:
    """12 contents in fours; two batches of one content are never set apart; what is left over joins the last."""
    batch = np.repeat(np.arange(12), 2)
    levels = content_levels(np.linspace(8.5, 11.5, 12)[batch], batch, least_batches=4)
    assert levels.tolist() == np.repeat([0, 1, 2], 8).tolist()
    equal = content_levels(np.array([8.0, 9.0, 9.0, 9.0, 11.0, 12.0]), np.arange(6), least_batches=2)
    assert equal.tolist() == [0, 0, 0, 0, 1, 1]
    mixed = content_levels(np.array([12.0, 8.0, 9.0, 10.0, 11.0]), np.arange(5), least_batches=2)
    assert mixed.tolist() == [1, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limit": 0.0}, "`limit` must be positive"),
        ({"beta": 95.0}, "`beta` lie between 0 and 1, got 1.0 and 95"),
    ],
)
def test_impossible_requests(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        profile_of(np.array([0.1, 0.2, 0.1, 0.3]), np.array([0, 0, 1, 1]), **change)


def test_wrong_input_is_named() -> None:
    one = np.array([1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="1 are not, the first is 1"):
        accuracy_profile(one, np.array([1.0, np.nan, 3.0]), [0, 1, 2], [0, 0, 0], limit=1.0)
    with pytest.raises(InputError, match=r"levels must have the shape \(3,\) of the values, got \(2,\)"):
        accuracy_profile(one, one, [0, 1, 2], [0, 0], limit=1.0)
    with pytest.raises(InputError, match="positive reference values, got 0"):
        accuracy_profile(one - 1.0, one, [0, 1, 2], [0, 0, 0], limit=1.0, relative=True)
    with pytest.raises(InputError, match="at least 3 batches"):
        content_levels(one, [0, 0, 1])
