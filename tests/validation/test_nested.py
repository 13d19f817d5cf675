"""Nested components of variance against published analyses, matrix algebra and simulations with known truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pat.core.types import Array
from pat.core.variance import variance_components
from pat.errors import InputError
from pat.validation.nested import NestedVariance, chi2_interval, difference_interval, nested_variance

# Yield of dyestuff (g), 6 batches of 5 samples: Davies and Goldsmith, Statistical Methods in Research and Production
# (1972), table 6.1; Box and Tiao (1973), 5.1.2.
DYESTUFF = np.array([1545, 1440, 1440, 1520, 1580, 1540, 1555, 1490, 1560, 1495, 1595, 1550, 1605, 1510, 1560,
                     1445, 1440, 1595, 1465, 1545, 1595, 1630, 1515, 1635, 1625, 1520, 1455, 1450, 1480, 1445],
                    dtype=np.float64)  # fmt: skip
# Strength of pastes, 10 deliveries of 3 casks of 2 tests: Davies and Goldsmith (1972), table 6.3; data set Pastes of
# the R package lme4.
PASTES = np.array([62.8, 62.6, 60.1, 62.3, 62.7, 63.1, 60.0, 61.4, 57.5, 56.9, 61.1, 58.9, 58.7, 57.5, 63.9, 63.1, 65.4,
                   63.7, 57.1, 56.4, 56.9, 58.6, 64.7, 64.5, 55.1, 55.1, 54.7, 54.2, 58.8, 57.5, 63.4, 64.9, 59.3, 58.1,
                   60.5, 60.0, 62.5, 62.6, 61.0, 58.7, 56.9, 57.7, 59.2, 59.4, 65.2, 66.0, 64.8, 64.1, 54.8, 54.8, 64.0,
                   64.0, 57.7, 56.8, 58.3, 59.3, 59.2, 59.2, 58.9, 56.6])  # fmt: skip


def pastes() -> NestedVariance:
    return nested_variance(PASTES, {"batch": np.repeat(np.arange(10), 6), "cask": np.tile([0, 0, 1, 1, 2, 2], 10)})


@pytest.mark.requirement("URS-23")
def test_dyestuff() -> None:
    """Published: mean squares 11271.5 and 2451.25, components 1764.05 and 2451.25 (Box and Tiao 1973)."""
    found = nested_variance(DYESTUFF, {"batch": np.repeat(np.arange(6), 5)})
    assert found.mean_squares == pytest.approx([11271.5, 2451.25])
    assert found.estimates == pytest.approx([1764.05, 2451.25])
    assert (found.df.tolist(), found.sizes.tolist(), found.balanced) == ([5, 24], [6, 30], True)


@pytest.mark.requirement("URS-23")
def test_pastes() -> None:
    """Published: SDs 1.2874 (delivery), 2.9041 (cask) and 0.8234 (test), by REML, which is this where balanced.

    Bates et al., J. Stat. Softw. 67 (2015) and the examples of lme4.
    """
    assert np.sqrt(pastes().components) == pytest.approx([1.2874, 2.9041, 0.8234], abs=5e-5)


def test_one_factor_is_what_the_core_has() -> None:
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(6), [2, 5, 3, 7, 1, 4])
    values = rng.normal(0, 2, 6)[codes] + rng.standard_normal(codes.size)
    found, core = nested_variance(values, {"batch": codes}), variance_components(values, codes)
    assert found.components == pytest.approx([core.between, core.within])
    assert found.total_df == pytest.approx(core.total_df)
    assert not found.balanced


def test_expectations_by_matrix_algebra() -> None:
    """E(y'Ay) = trace(A V), with the projections of an unbalanced design written out as matrices."""
    instrument = np.repeat([0, 1, 2], [5, 9, 4])
    day = np.array([0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 2, 2, 3, 0, 1, 1, 1])
    found = nested_variance(np.random.default_rng(1).standard_normal(18), {"instrument": instrument, "day": day})
    both = instrument * 10 + day

    def membership(codes: Array) -> Any:
        return (codes[:, None] == np.unique(codes)).astype(float)

    stages = [np.ones((18, 1)), membership(instrument), membership(both), np.eye(18)]
    hats = [z @ np.linalg.pinv(z) for z in stages]
    for i in range(3):
        for j in range(3):
            z = stages[j + 1]
            expected = np.trace((hats[i + 1] - hats[i]) @ z @ z.T) / found.df[i]
            assert found.expected[i, j] == pytest.approx(expected, abs=1e-9)


def test_levels_take_up_their_means() -> None:
    """Offsets between levels change nothing; the degrees of freedom are those that are left."""
    rng = np.random.default_rng(6)
    level, day = np.repeat([0, 1, 2], 12), np.tile(np.repeat(np.arange(4), 3), 3)
    values = rng.standard_normal(36)
    base = nested_variance(values, {"day": day}, level)
    moved = nested_variance(values + np.array([0.0, 50.0, -20.0])[level], {"day": day}, level)
    assert base.df.tolist() == [9, 24]
    assert moved.estimates == pytest.approx(base.estimates)


def test_intervals_by_the_published_formula() -> None:
    """Ting et al. and Graybill-Wang written out from the tables' own symbols (Burdick and Graybill 1992, 3.2)."""
    found = nested_variance(DYESTUFF, {"batch": np.repeat(np.arange(6), 5)})
    s1, s2, n1, n2, n = 11271.5, 2451.25, 5, 24, 5
    g1, g2 = (1 - k / stats.chi2.ppf(0.975, k) for k in (n1, n2))
    h1, h2 = (k / stats.chi2.ppf(0.025, k) - 1 for k in (n1, n2))
    f_up, f_low = stats.f.ppf(0.975, n1, n2), stats.f.ppf(0.025, n1, n2)
    g12 = ((f_up - 1) ** 2 - g1**2 * f_up**2 - h2**2) / f_up
    h12 = ((1 - f_low) ** 2 - h1**2 * f_low**2 - g2**2) / f_low
    lower = (s1 - s2 - math.sqrt(g1**2 * s1**2 + h2**2 * s2**2 + g12 * s1 * s2)) / n
    upper = (s1 - s2 + math.sqrt(h1**2 * s1**2 + g2**2 * s2**2 + h12 * s1 * s2)) / n
    assert found.interval(0, 0.95) == pytest.approx((lower, upper))
    assert found.interval(1, 0.95) == pytest.approx(chi2_interval(s2, n2, 0.95))
    total = s1 / n + (1 - 1 / n) * s2
    lower = total - math.sqrt((g1 * s1 / n) ** 2 + (g2 * (1 - 1 / n) * s2) ** 2)
    upper = total + math.sqrt((h1 * s1 / n) ** 2 + (h2 * (1 - 1 / n) * s2) ** 2)
    assert found.total_interval(0.95) == pytest.approx((lower, upper))


def test_a_known_variance_is_the_limit_of_many_degrees_of_freedom() -> None:
    assert difference_interval(4.0, 9, 1.0, math.inf, 0.95) == pytest.approx(
        difference_interval(4.0, 9, 1.0, 1e7, 0.95), rel=1e-3
    )


@pytest.mark.requirement("URS-23")
def test_cover_of_three_stages() -> None:
    """400 designs of 5 instruments, 4 days, 3 repeats: nominal 95 %; four binomial SDs are 4.4 %."""
    rng = np.random.default_rng(11)
    instrument, day = np.repeat(np.arange(5), 12), np.tile(np.repeat(np.arange(4), 3), 5)
    truth = np.array([0.5, 1.0, 0.25])
    hits = np.zeros(4)
    for _ in range(400):
        z = [math.sqrt(v) * rng.standard_normal(n) for v, n in zip(truth, (5, 20, 60), strict=True)]
        found = nested_variance(z[0][instrument] + z[1][instrument * 4 + day] + z[2], {"i": instrument, "d": day})
        intervals = [*(found.interval(j, 0.95) for j in range(3)), found.total_interval(0.95)]
        hits += [low <= true <= high for (low, high), true in zip(intervals, [*truth, truth.sum()], strict=True)]
    assert (hits / 400 >= 0.95 - 0.044).all(), hits / 400


def test_total_is_still_covered_where_days_add_nothing() -> None:
    """8 pairs, no variance between them: with negative estimates set to 0 the interval would cover 87 %."""
    rng = np.random.default_rng(12)
    hits = 0
    for _ in range(600):
        low, high = nested_variance(rng.standard_normal(16), {"d": np.repeat(np.arange(8), 2)}).total_interval(0.95)
        hits += low <= 1.0 <= high
    assert hits / 600 >= 0.92


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"day": [1, 1, 1, 1]}, "component of 'day' needs several of it within some one of 'the whole', got 1 groups"),
        ({"day": [1, 2, 3, 4]}, "component of 'repeat' needs several of it within some one of 'day', got 4 groups"),
        ({"day": [1, 1, 2, 2], "run": [1, 1, 2, 2]}, "component of 'run' needs several"),
        ({"day": [1, 2]}, r"one shape \(n,\), got \(4,\) and \{'day': \(2,\)\}"),
    ],
)
def test_what_cannot_be_told_apart_is_named(factors: dict[str, list[int]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        nested_variance(np.array([1.0, 2.0, 3.0, 5.0]), factors)


def test_values_must_be_finite() -> None:
    with pytest.raises(InputError, match="1 of 3 are not"):
        nested_variance(np.array([1.0, np.nan, 2.0]), {})
