"""Studentised residuals of a regression, against refitting it without each spectrum in turn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pat.core.diagnostics import deleted_residuals, studentised_residuals
from pat.core.types import Array
from pat.errors import InputError


def regression(n: int, a: int, seed: int) -> tuple[Array, Array, Array, Array]:
    """Scores with the constant (n, A + 1), response, residuals and leverages of a least squares fit."""
    rng = np.random.default_rng(seed)
    t = np.column_stack([np.ones(n), rng.standard_normal((n, a))])
    y = t @ rng.standard_normal(a + 1) + rng.standard_normal(n)
    hat = t @ np.linalg.pinv(t)
    return t, y, y - hat @ y, np.diag(hat)


def test_deleted_residuals_are_those_of_a_fit_without_the_spectrum() -> None:
    t, y, e, h = regression(14, 3, 1)
    expected = np.empty(14)
    for i in range(14):
        others = np.arange(14) != i
        b = np.linalg.lstsq(t[others], y[others], rcond=None)[0]
        left = y[others] - t[others] @ b
        variance = left @ left / (13 - 4)
        spread = t[i] @ np.linalg.inv(t[others].T @ t[others]) @ t[i]
        expected[i] = (y[i] - t[i] @ b) / np.sqrt(variance * (1.0 + spread))
    np.testing.assert_allclose(deleted_residuals(e, h, 3), expected, rtol=1e-9)


def test_studentised_residuals_by_hand() -> None:
    # y = 0, 1, 5 on x = -1, 0, 1: slope 2.5, mean 2, residuals 0.5, -1, 0.5; s^2 = 1.5 / 1; h = 5/6, 1/3, 5/6.
    found = studentised_residuals(np.array([0.5, -1.0, 0.5]), np.array([5.0, 2.0, 5.0]) / 6.0, 1)
    np.testing.assert_allclose(found, [1.0, -1.0, 1.0], rtol=1e-12)


def test_deleted_residuals_follow_students_t() -> None:
    # Simulated: of 2000 regressions the first residual; Kolmogorov and Smirnov find no difference from t(14 - 3 - 2).
    found = []
    for seed in range(2000):
        _, _, e, h = regression(14, 3, seed)
        found.append(deleted_residuals(e, h, 3)[0])
    assert stats.kstest(found, stats.t(9).cdf).pvalue > 0.01


def test_a_spectrum_that_alone_does_not_fit_is_infinitely_far() -> None:
    # Four points on a line, one beside it.
    t = np.column_stack([np.ones(5), np.arange(5.0)])
    y = np.array([0.0, 1.0, 2.0, 3.0, 9.0])
    hat = t @ np.linalg.pinv(t)
    found = deleted_residuals(y - hat @ y, np.diag(hat), 1)
    assert abs(found[4]) > 1e6


@pytest.mark.parametrize(
    ("n", "leverage", "message"),
    [(4, 0.5, "at least 5 spectra, got 4"), (9, 1.0, "leverages must be below 1, got 1")],
)
def test_what_cannot_be_computed_is_said(n: int, leverage: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        studentised_residuals(np.ones(n), np.full(n, leverage), 3)
    with pytest.raises(InputError):
        deleted_residuals(np.ones(n), np.full(n, leverage), 3)
