"""Figures of merit against hand computation, scipy, and simulations of the tests' size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from pat.core.types import Array, IntArray
from pat.errors import InputError
from pat.validation.figures import Figures, figures_of_merit, regress, within_strength


@pytest.fixture
def clustered() -> tuple[Array, Array, IntArray]:
    """Nine batches of unequal size at three levels, each with its own bias."""
    rng = np.random.default_rng(8)
    batch = np.repeat(np.arange(9), rng.integers(3, 9, 9))
    reference = np.array([8.0, 10.0, 12.0])[np.arange(9) % 3][batch]
    predicted = 0.5 + 0.95 * reference + rng.normal(0, 0.2, 9)[batch] + rng.normal(0, 0.1, batch.size)
    return reference, predicted, batch


def means(values: Array, batch: IntArray) -> Array:
    return np.array([values[batch == code].mean() for code in np.unique(batch)])


@pytest.mark.requirement("URS-21")
def test_by_hand() -> None:
    """Errors 0.1, -0.1, 0.3, 0.1: bias 0.1, sum of squares 0.12, squares about the bias 0.08."""
    reference = np.array([8.0, 9.0, 10.0, 13.0])
    figures = figures_of_merit(reference, reference + [0.1, -0.1, 0.3, 0.1], ["a", "b", "c", "d"])
    assert figures.bias == pytest.approx(0.1)
    assert figures.rmsep == pytest.approx(math.sqrt(0.03))
    assert figures.sep == pytest.approx(math.sqrt(0.08 / 3))
    # t = 0.1 / (SEP / 2) with 3 degrees of freedom; t(0.975; 3) = 3.18245 in every table.
    assert figures.bias_critical == pytest.approx(3.18245 * math.sqrt(0.08 / 3) / 2, rel=1e-5)
    assert figures.bias_p == pytest.approx(stats.ttest_1samp([0.1, -0.1, 0.3, 0.1], 0.0).pvalue)
    # Reference values: mean 10, squares about it 4 + 1 + 0 + 9 = 14.
    assert figures.r2 == pytest.approx(1 - 0.12 / 14)
    assert figures.rpd == pytest.approx(math.sqrt(14 / 3) / math.sqrt(0.08 / 3))
    assert figures.rer == pytest.approx(5.0 / math.sqrt(0.08 / 3))
    assert (figures.n, figures.n_batches, figures.n_missing) == (4, 4, 0)


@pytest.mark.requirement("URS-21")
def test_against_other_programs(clustered: tuple[Array, Array, IntArray]) -> None:
    reference, predicted, batch = clustered
    figures = figures_of_merit(reference, predicted, batch)
    y, p = means(reference, batch), means(predicted, batch)
    assert figures.r2 == pytest.approx(r2_score(reference, predicted))
    assert figures.bias_p == pytest.approx(stats.ttest_rel(p, y).pvalue)
    line, response = stats.linregress(p, y), stats.linregress(y, p)
    assert (figures.slope, figures.intercept) == pytest.approx((line.slope, line.intercept))
    assert figures.intercept_p == pytest.approx(2 * stats.t.sf(abs(line.intercept / line.intercept_stderr), 7))
    assert figures.response_slope == pytest.approx(response.slope)
    lower = response.slope - stats.t.ppf(0.95, 7) * response.stderr
    assert figures.response_slope_lower == pytest.approx(lower)


@pytest.mark.requirement("URS-21")
def test_slope_test_is_the_one_of_iso_12099(clustered: tuple[Array, Array, IntArray]) -> None:
    """By its formula: t = |b - 1| sqrt(s_predicted^2 (n - 1) / s_residual^2), n - 2 degrees of freedom."""
    reference, predicted, batch = clustered
    y, p = means(reference, batch), means(predicted, batch)
    slope, intercept = np.polyfit(p, y, 1)
    residual_variance = ((y - intercept - slope * p) ** 2).sum() / 7
    t = abs(slope - 1.0) * math.sqrt(p.var(ddof=1) * 8 / residual_variance)
    assert figures_of_merit(reference, predicted, batch).slope_p == pytest.approx(2 * stats.t.sf(t, 7))


def test_rmsep_is_made_of_bias_and_sep(clustered: tuple[Array, Array, IntArray]) -> None:
    figures = figures_of_merit(*clustered)
    n = figures.n
    assert figures.rmsep**2 == pytest.approx(figures.bias**2 + figures.sep**2 * (n - 1) / n)


def test_order_and_names_of_batches_do_not_matter(clustered: tuple[Array, Array, IntArray]) -> None:
    reference, predicted, batch = clustered
    names = np.array([f"batch {code}" for code in batch], dtype=np.dtypes.StringDType())
    turn = np.random.default_rng(2).permutation(batch.size)
    turned = figures_of_merit(reference[turn], predicted[turn], names[turn]).to_dict()
    assert turned == pytest.approx(figures_of_merit(reference, predicted, batch).to_dict(), rel=1e-9)


def test_spectra_without_reference_are_counted_and_left_out(clustered: tuple[Array, Array, IntArray]) -> None:
    reference, predicted, batch = clustered
    holed, blind = reference.copy(), predicted.copy()
    holed[[0, 5]] = np.nan
    blind[5] = np.nan
    keep = ~np.isnan(holed)
    expected = figures_of_merit(reference[keep], predicted[keep], batch[keep]).to_dict()
    found = figures_of_merit(holed, blind, batch).to_dict()
    assert found == {**expected, "n_missing": 2}


def test_what_cannot_be_had_is_nan() -> None:
    one_level = figures_of_merit(np.full(6, 10.0), np.array([9.9, 10.0, 10.1, 10.0, 10.2, 9.8]), [0, 0, 1, 1, 2, 2])
    for name in ("response_slope", "response_slope_lower", "r2"):
        assert math.isnan(getattr(one_level, name))
        assert one_level.to_dict()[name] is None
    assert one_level.rmsep == pytest.approx(math.sqrt(0.10 / 6))
    one_batch = figures_of_merit(np.array([9.0, 10.0]), np.array([9.1, 10.3]), [0, 0])
    assert math.isnan(one_batch.bias_p)
    assert math.isnan(one_batch.slope)


def test_equal_references_that_rounding_sets_apart_give_no_slope() -> None:
    assert math.isnan(regress(10.0 + 1e-14 * np.arange(5.0), np.arange(5.0)).slope)


def test_perfect_predictions() -> None:
    figures = figures_of_merit(np.arange(1.0, 6.0), np.arange(1.0, 6.0), range(5))
    assert (figures.rmsep, figures.bias, figures.slope, figures.r2) == (0.0, 0.0, 1.0, 1.0)
    assert math.isnan(figures.rpd)


@pytest.mark.parametrize(
    ("reference", "predicted", "batch", "message"),
    [
        ([1.0, 2.0], [1.0], [0, 1], r"one shape \(n,\), got \(2,\), \(1,\) and \(2,\)"),
        ([np.nan, np.nan], [1.0, 2.0], [0, 1], "none of the 2 spectra"),
        ([1.0, 2.0], [1.0, np.inf], [0, 1], "1 predictions are not finite, the first in row 1"),
    ],
)
def test_wrong_input_is_named(reference: list[float], predicted: list[float], batch: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        figures_of_merit(np.array(reference), np.array(predicted), batch)


def simulated_validation(rng: np.random.Generator, slope: float = 1.0) -> Figures:
    """Eight batches of 20 spectra, batch bias SD 0.18, repeatability 0.12: the method is unbiased."""
    batch = np.repeat(np.arange(8), 20)
    reference = np.linspace(8.0, 12.0, 8)[batch]
    predicted = 10.0 + slope * (reference - 10.0) + rng.normal(0, 0.18, 8)[batch] + rng.normal(0, 0.12, 160)
    return figures_of_merit(reference, predicted, batch)


@pytest.mark.requirement("URS-21")
def test_size_of_the_bias_test() -> None:
    """Over batch means 5 % of unbiased methods are called biased; over spectra more than half would be."""
    rng = np.random.default_rng(20)
    runs = [simulated_validation(rng) for _ in range(2000)]
    assert np.mean([run.bias_p < 0.05 for run in runs]) == pytest.approx(0.05, abs=0.015)
    assert np.mean([abs(run.batch_bias) > run.bias_critical for run in runs]) == pytest.approx(0.05, abs=0.015)
    by_spectra = [abs(run.bias) > stats.t.ppf(0.975, 159) * run.sep / math.sqrt(160) for run in runs]
    assert np.mean(by_spectra) > 0.5


def test_bound_of_the_response_slope_holds_as_often_as_it_says() -> None:
    """Simulated: the lower 95 % bound lies below the true slope of 0.93 in 95 % of validations."""
    rng = np.random.default_rng(21)
    below = [simulated_validation(rng, slope=0.93).response_slope_lower <= 0.93 for _ in range(2000)]
    assert np.mean(below) == pytest.approx(0.95, abs=0.015)


def test_within_strength_by_hand() -> None:
    """Errors of strength a: 0.1, 0.3 (mean 0.2); of b: -0.2, 0.0, 0.2 (mean 0): squares within 0.02 + 0.08."""
    reference = np.array([5.0, 5.2, 8.0, 8.2, 8.4])
    found = within_strength(
        reference,
        reference + [0.1, 0.3, -0.2, 0.0, 0.2],
        ["a", "a", "b", "b", "b"],
        np.array([5.0, 5.4, 8.1, 9.0]),
        ["a", "a", "b", "c"],
    )
    assert found.sep == pytest.approx(math.sqrt(0.10 / 3))
    assert found.bias == pytest.approx({"a": 0.2, "b": 0.0})
    # The guess is 5.2 for a and 8.1 for b.
    assert found.baseline_rmsep == pytest.approx(math.sqrt((0.2**2 + 0 + 0.1**2 + 0.1**2 + 0.3**2) / 5))


def test_a_strength_that_calibration_never_saw() -> None:
    with pytest.raises(InputError, match="must repeat and occur"):
        within_strength(np.ones(3), np.ones(3), ["a", "a", "b"], np.ones(2), ["a", "a"])
