"""Linearity against scipy, classical tables and simulations with known truth."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import optimize, stats

from pat.errors import InputError
from pat.validation.linearity import Linearity, linearity


def of_batches(x, y, **asked) -> Linearity:
    return linearity(np.asarray(x, dtype=float), np.asarray(y, dtype=float), np.arange(len(x)), **asked)


@pytest.mark.requirement("URS-24")
def test_line_against_scipy() -> None:
    rng = np.random.default_rng(1)
    batch = np.repeat(np.arange(9), 4)
    reference = np.linspace(8, 12, 9)[batch]
    predicted = 0.5 + 0.95 * reference + rng.normal(0, 0.2, 9)[batch] + rng.normal(0, 0.1, 36)
    found = linearity(reference, predicted, [f"B{code}" for code in batch])
    x, y = reference[::4], predicted.reshape(9, 4).mean(axis=1)
    other = stats.linregress(x, y)
    half = stats.t.ppf(0.975, 7) * np.array([other.stderr, other.intercept_stderr])
    assert (found.slope.value, found.slope.lower) == pytest.approx((other.slope, other.slope - half[0]))
    assert (found.intercept.value, found.intercept.upper) == pytest.approx((other.intercept, other.intercept + half[1]))
    assert found.residual_sd == pytest.approx(math.sqrt(((y - other.intercept - other.slope * x) ** 2).sum() / 7))
    assert (found.n_batches, found.low) == (9, 8.0)
    assert found.high == pytest.approx(12.0)
    # A quadratic by numpy: its F is the square of its t, 1 and 6 degrees of freedom.
    rest = ((y - np.polyval(np.polyfit(x, y, 2), x)) ** 2).sum()
    line = ((y - np.polyval(np.polyfit(x, y, 1), x)) ** 2).sum()
    assert found.curvature.f == pytest.approx((line - rest) / (rest / 6))
    assert found.curvature.df == (1, 6)
    assert found.curvature.p == pytest.approx(stats.f.sf(found.curvature.f, 1, 6))


def test_lack_of_fit_is_the_classical_test_where_contents_repeat() -> None:
    """Draper and Smith: pure error from repeats, lack of fit from the levels' means about the line."""
    rng = np.random.default_rng(2)
    level = np.repeat(np.arange(4), [3, 2, 4, 3])
    x = np.array([8.0, 9.0, 11.0, 13.0])[level]
    y = 1.0 + 0.9 * x + rng.normal(0, 0.3, 12)
    pure = sum(((y[level == k] - y[level == k].mean()) ** 2).sum() for k in range(4))
    residual = ((y - np.polyval(np.polyfit(x, y, 1), x)) ** 2).sum()
    found = of_batches(x, y, level=level).lack_of_fit
    assert found.f == pytest.approx((residual - pure) / 2 / (pure / 8))
    assert found.df == (2, 8)
    assert found.p == pytest.approx(stats.f.sf(found.f, 2, 8))


@pytest.mark.requirement("URS-24")
def test_size_of_lack_of_fit_where_the_reference_errs() -> None:
    """20 batches in levels of 4 neighbours, an SEL as large as the method's error: 5 % of straight lines fail.

    A test that lets the line run through the contents within levels fails 20 % of them: error in x bends nothing, but
    it flattens the line within levels more than between them.
    """
    rng = np.random.default_rng(3)
    truth, failed = np.linspace(8, 12, 20), 0
    for _ in range(500):
        x, y = truth + rng.normal(0, 0.2, 20), truth + rng.normal(0, 0.2, 20)
        failed += of_batches(x, y, level=np.arange(20) // 4).lack_of_fit.p < 0.05
    assert failed / 500 == pytest.approx(0.05, abs=0.03)


@pytest.mark.requirement("URS-24")
def test_a_bent_answer_is_seen() -> None:
    rng = np.random.default_rng(4)
    x = np.repeat([8.0, 9.0, 10.0, 11.0, 12.0], 3)
    found = of_batches(x, x + 0.15 * (x - 10.0) ** 2 + rng.normal(0, 0.05, 15), level=x)
    assert found.lack_of_fit.p < 1e-3
    assert found.curvature.p < 1e-3


def test_corrected_line_is_the_deming_line_of_the_ratio_that_it_implies() -> None:
    """Deming's slope from its closed form; the ratio of variances from the same moments."""
    rng = np.random.default_rng(5)
    truth = np.linspace(8, 12, 12)
    x, y = truth + rng.normal(0, 0.3, 12), 0.2 + 0.97 * truth + rng.normal(0, 0.3, 12)
    found = of_batches(x, y, sel=0.25)
    (sxx, sxy), (_, syy) = np.cov(x, y)
    slope = found.corrected_slope.value
    ratio = (syy - slope * sxy) / 0.25**2
    deming = (syy - ratio * sxx + math.sqrt((syy - ratio * sxx) ** 2 + 4 * ratio * sxy**2)) / (2 * sxy)
    assert slope == pytest.approx(deming)
    assert found.attenuation == pytest.approx(1 - 0.25**2 / sxx)
    assert found.slope.value == pytest.approx(slope * found.attenuation)
    assert found.corrected_intercept.value == pytest.approx(y.mean() - slope * x.mean())
    # The closed form is itself the minimum of the weighted distances.
    centred = (x - x.mean(), y - y.mean())
    lost = optimize.minimize_scalar(
        lambda b: ((centred[1] - b * centred[0]) ** 2).sum() / (ratio + b**2), bounds=(0.5, 1.5), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    assert slope == pytest.approx(lost.x, abs=1e-6)


def test_no_error_of_the_reference_changes_nothing() -> None:
    x = np.linspace(8, 12, 7)
    y = x + np.array([0.1, -0.1, 0.0, 0.2, -0.2, 0.1, 0.0])
    found = of_batches(x, y, sel=0.0)
    assert found.attenuation == 1.0
    assert found.corrected_slope.to_dict() == pytest.approx(found.slope.to_dict())
    assert found.corrected_intercept.to_dict() == pytest.approx(found.intercept.to_dict())


def test_cover_of_the_corrected_slope() -> None:
    """SEL .4 over contents 8 to 12: least squares flattens by a tenth; nominal 95 %, 400 sets of 20 batches."""
    rng = np.random.default_rng(6)
    truth, plain, corrected, slopes = np.linspace(8, 12, 20), 0, 0, []
    for _ in range(400):
        found = of_batches(truth + rng.normal(0, 0.4, 20), truth + rng.normal(0, 0.2, 20), sel=0.4)
        plain += found.slope.lower <= 1.0 <= found.slope.upper
        corrected += found.corrected_slope.lower <= 1.0 <= found.corrected_slope.upper
        slopes.append(found.corrected_slope.value)
    assert corrected / 400 >= 0.92
    assert plain / 400 < 0.88
    assert np.nanmean(slopes) == pytest.approx(1.0, abs=0.02)


def test_an_impossible_sel_gives_no_line() -> None:
    """Larger than the spread of contents, or than the scatter about the line can come from."""
    x = np.linspace(8, 12, 9)
    y = x + 0.01 * np.array([1, -1, 0, 1, -1, 1, 0, -1, 0])
    assert of_batches(x, y, sel=2.0).to_dict()["corrected_slope"] == {"value": None, "lower": None, "upper": None}
    assert of_batches(x, y, sel=2.0).attenuation == 0.0
    assert math.isnan(of_batches(x, y, sel=0.5).corrected_slope.value)


def test_what_cannot_be_tested_is_null() -> None:
    """Three batches: no level has two, and a quadratic fits exactly."""
    found = of_batches([8, 10, 12], [8.1, 9.9, 12.1]).to_dict()
    assert found["lack_of_fit"]["p"] is None
    assert found["curvature"]["p"] is None
    assert found["sel"] is None
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError, match="at least 3 batches of different content, got 2 from 8 to 9"):
        of_batches([8, 9], [8, 9])
    with pytest.raises(InputError, match="at least 3 batches of different content, got 4 from 9 to 9"):
        of_batches([9, 9, 9, 9], [8, 9, 8, 9])
    with pytest.raises(InputError, match="1 of 3 are not"):
        of_batches([8, 9, 10], [8, np.nan, 9])
    with pytest.raises(InputError, match="one level of content"):
        linearity(np.arange(4.0), np.arange(4.0), [0, 0, 1, 2], level=[0, 1, 1, 1])
    with pytest.raises(InputError, match="`sel` must be at least 0, got -1"):
        of_batches([8, 9, 10], [8, 9, 10.5], sel=-1.0)
