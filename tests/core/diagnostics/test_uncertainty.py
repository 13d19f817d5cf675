"""Prediction error: its components by simulation with known ones, and its two ends by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pat.core.diagnostics import PredictionError, prediction_error
from pat.errors import InputError


def test_components_that_made_the_errors_are_found() -> None:
    # Simulated: errors of 300 batches of 6, variance between 4 and within 1, times 1 + d h with
    # d = 1 + (6 - 1) * 0.8 = 5.
    rng = np.random.default_rng(8)
    codes = np.repeat(np.arange(300), 6)
    h = np.repeat(rng.uniform(0.01, 0.3, 300), 6)
    e = 2.0 * rng.standard_normal(300)[codes] + rng.standard_normal(1800)
    found = prediction_error(e * np.sqrt(1.0 + 5.0 * h), h, codes)
    assert found.between == pytest.approx(4.0, rel=0.2)
    assert found.within == pytest.approx(1.0, rel=0.1)
    assert found.design_effect == pytest.approx(5.0, rel=0.05)


def test_independent_spectra_give_the_published_form() -> None:
    # One spectrum a batch: s sqrt(1 + h), with s^2 the mean of e^2 / (1 + h) and as many degrees of freedom as spectra.
    rng = np.random.default_rng(9)
    e, h = rng.standard_normal(40), rng.uniform(0.02, 0.4, 40)
    found = prediction_error(e, h, np.arange(40))
    s = np.sqrt(np.mean(e**2 / (1.0 + h)))
    np.testing.assert_allclose(found.standard_error(h), s * np.sqrt(1.0 + h), rtol=1e-12)
    assert found.design_effect == 1.0
    assert found.degrees_of_freedom == pytest.approx(40.0)


def test_a_bias_that_all_batches_share_counts() -> None:
    rng = np.random.default_rng(10)
    codes = np.repeat(np.arange(50), 4)
    e = 3.0 + 0.1 * rng.standard_normal(200)
    assert prediction_error(e, np.full(200, 1e-9), codes).between == pytest.approx(9.0, rel=0.05)


def test_standard_error_by_hand() -> None:
    np.testing.assert_allclose(
        PredictionError(3.0, 1.0, 2.5, 10.0).standard_error(np.array([0.0, 0.5])), [2.0, 3.0], rtol=1e-12
    )


def test_one_batch_says_nothing_of_new_ones() -> None:
    with pytest.raises(InputError, match="at least 2 batches, got 1"):
        prediction_error(np.ones(5), np.ones(5), np.zeros(5, dtype=np.int64))
