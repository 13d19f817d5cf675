"""Two models on the same batches: the paired test by hand, by simulation, and where there is nothing to show."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pat.retraining import compare

pytestmark = pytest.mark.requirement("URS-71")

# Errors of three batches of 2, 2 and 4 spectra; their mean squared errors differ by -1, -1 and -4.
CHAMPION = np.array([1.0, 1.0, 2.0, 0.0, 2.0, 2.0, 2.0, 2.0])
CHALLENGER = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
BATCH = np.repeat(["A", "B", "C"], [2, 2, 4])
REFERENCE = np.linspace(9.0, 11.0, 8)


def test_the_paired_test_is_what_the_hand_computes():
    found = compare(REFERENCE, REFERENCE + CHAMPION, REFERENCE + CHALLENGER, BATCH)
    # Mean (-1 - 1 - 4) / 3 = -2, sum of squares 1 + 1 + 4, SD sqrt(3), standard error 1, t = -2 with 2 degrees of
    # freedom, where p = 1 - |t| / sqrt(t^2 + 2). The 97.5 % quantile is 4.302653 (any table).
    assert found.difference == pytest.approx(-2.0, rel=1e-12)
    assert found.standard_error == pytest.approx(1.0, rel=1e-12)
    assert found.p_value == pytest.approx(1.0 - 2.0 / math.sqrt(6.0), rel=1e-9)
    assert (found.lower, found.upper) == pytest.approx((-6.302653, 2.302653), abs=1e-6)
    assert found.verdict == "no difference shown"
    # sqrt(mean of squares): champion 22 / 8, challenger 2 / 8.
    assert found.champion.rmsep == pytest.approx(math.sqrt(2.75))
    assert found.challenger.rmsep == pytest.approx(0.5)


def test_more_spectra_of_the_same_batches_are_no_more_evidence():
    once = compare(REFERENCE, REFERENCE + CHAMPION, REFERENCE + CHALLENGER, BATCH)
    reference, champion, challenger, batch = (
        np.tile(part, 50) for part in (REFERENCE, REFERENCE + CHAMPION, REFERENCE + CHALLENGER, BATCH)
    )
    many = compare(reference, champion, challenger, batch)
    assert (many.difference, many.lower, many.p_value) == pytest.approx((once.difference, once.lower, once.p_value))


@pytest.mark.parametrize(("sign", "verdict"), [(1.0, "worse"), (-1.0, "better")])
def test_a_difference_that_every_batch_shows_is_called_by_its_name(sign, verdict):
    squares = np.repeat([4.0 + 1.0 * sign, 4.0 + 1.1 * sign, 4.0 + 0.9 * sign], [2, 2, 4])
    found = compare(REFERENCE, REFERENCE + 2.0, REFERENCE + np.sqrt(squares), BATCH)
    assert found.verdict == verdict


def test_the_test_errs_as_often_as_its_level_says():
    # Two equally good models whose errors are shared within a batch: a test over spectra would call one of them
    # better far more often than in 5 of 100 comparisons.
    rng = np.random.default_rng(5)
    batch = np.repeat(np.arange(12), 8)
    reference = np.linspace(8.5, 11.5, 12)[batch]
    called = 0
    for _ in range(600):
        shared = rng.normal(0.0, 0.18, (2, 12))[:, batch]
        errors = shared + rng.normal(0.0, 0.1, shared.shape)
        called += (
            compare(reference, reference + errors[0], reference + errors[1], batch).verdict != "no difference shown"
        )
    # Binomial with n = 600 and p = 0.05: 30, SD 5.3; squares are skewed, which makes a t-test a little cautious.
    assert 10 <= called <= 48


def test_spectra_without_a_reference_value_are_left_out_and_one_batch_proves_nothing():
    reference = np.where(BATCH == "A", REFERENCE, np.nan)
    found = compare(reference, REFERENCE + CHAMPION, REFERENCE + CHALLENGER, BATCH)
    assert (found.difference, found.challenger.n) == (-1.0, 2)
    assert found.verdict == "no difference shown"
    assert found.to_dict()["squared_error_difference"] == {
        "difference": -1.0,
        "standard_error": None,
        "lower": None,
        "upper": None,
        "p_value": None,
    }
