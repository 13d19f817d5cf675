"""Components of variance: by hand, by simulation with known ones, and what their mean does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pat.core.variance import variance_components
from pat.errors import InputError


def test_components_by_hand() -> None:
    # Batches (1, 3) and (5, 7): means 2 and 6 about 4; MS between 2 (4 + 4) / 1 = 16, MS within (2 + 2) / 2 = 2.
    found = variance_components(np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 1, 1]))
    assert (found.mean, found.ms_between, found.ms_within, found.batch_size) == (4.0, 16.0, 2.0, 2.0)
    assert (found.between, found.within, found.total) == (7.0, 2.0, 9.0)
    # Satterthwaite: 9^2 / (8^2 / 1 + 1^2 / 2); Kish: 1 + (2 - 1) 7 / 9; the mean's variance is 16 / 4.
    assert found.total_df == pytest.approx(81.0 / 64.5)
    assert found.design_effect == pytest.approx(16.0 / 9.0)
    assert found.mean_variance == pytest.approx(4.0)


def test_about_a_given_centre_by_hand() -> None:
    # The same about 0: MS between 2 (4 + 36) / 2 = 40 with 2 degrees of freedom.
    found = variance_components(np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 1, 1]), 0.0)
    assert (found.ms_between, found.df_between, found.between) == (40.0, 2, 19.0)


@pytest.mark.parametrize("centre", [None, 0.0])
def test_unequal_batches_are_estimated_without_bias(centre: float | None) -> None:
    """Simulated: variance between 2, within 1, batches of 1 to 9; means over 4000 data sets."""
    rng = np.random.default_rng(12)
    codes = np.repeat(np.arange(7), [1, 2, 2, 3, 5, 6, 9])
    raw, within = [], []
    for _ in range(4000):
        values = np.sqrt(2.0) * rng.standard_normal(7)[codes] + rng.standard_normal(codes.size)
        found = variance_components(values, codes, centre)
        raw.append((found.ms_between - found.ms_within) / found.batch_size)
        within.append(found.within)
    assert np.mean(raw) == pytest.approx(2.0, abs=0.08)
    assert np.mean(within) == pytest.approx(1.0, abs=0.02)


def test_variance_of_the_mean_with_known_components() -> None:
    """Simulated: batches of 4, variance between 2 and within 1; the mean of 20 batches varies by (2 + 1 / 4) / 20."""
    rng = np.random.default_rng(13)
    codes = np.repeat(np.arange(20), 4)
    found = [
        variance_components(np.sqrt(2.0) * rng.standard_normal(20)[codes] + rng.standard_normal(80), codes)
        for _ in range(3000)
    ]
    assert np.mean([f.mean_variance for f in found]) == pytest.approx(2.25 / 20, rel=0.03)
    assert np.var([f.mean for f in found]) == pytest.approx(2.25 / 20, rel=0.08)


def test_batches_that_differ_less_than_their_spectra_have_no_variance_between_them() -> None:
    found = variance_components(np.array([0.0, 2.0, 0.0, 2.0]), np.array([0, 0, 1, 1]))
    assert (found.between, found.total, found.total_df, found.design_effect) == (0.0, 2.0, 3.0, 1.0)


def test_single_spectra_are_their_own_batches() -> None:
    values = np.array([1.0, 2.0, 4.0, 9.0])
    found = variance_components(values, np.arange(4))
    assert (found.total, found.within, found.total_df) == (values.var(ddof=1), 0.0, 3.0)
    assert found.mean_variance == pytest.approx(values.var(ddof=1) / 4)


def test_values_without_variance_have_none() -> None:
    found = variance_components(np.ones(4), np.array([0, 0, 1, 1]))
    assert (found.total, found.design_effect) == (0.0, 1.0)
    assert math.isinf(found.total_df)


@pytest.mark.parametrize(
    ("values", "codes", "message"),
    [([1.0, 2.0], [0, 0], "at least 2 batches, got 1"), ([1.0, np.nan], [0, 1], "finite; 1 are not"),
     ([1.0, 2.0], [0, 2], "at least 2 batches, got 3 for 2 values")],
)  # fmt: skip
def test_what_cannot_be_computed_is_said(values: list[float], codes: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        variance_components(np.array(values), np.array(codes))
