"""Statistical limits against published constants, and against simulations of what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from pat import limits
from pat.core.diagnostics import hotelling_t2
from pat.errors import InputError


@pytest.mark.parametrize(("n", "expected"), [(10, 3.179), (15, 2.484), (20, 2.168), (30, 1.861)])
def test_f_quantile(n: int, expected: float) -> None:
    """F(0.95; n - 1, n - 1) as in published tables (Box, Hunter and Hunter, table D)."""
    assert limits.f_quantile(0.95, n - 1, n - 1) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("n", "coverage", "confidence", "expected"),
    [(10, 0.95, 0.95, 2.911), (10, 0.90, 0.95, 2.355), (20, 0.95, 0.95, 2.396), (30, 0.99, 0.95, 3.064)],
)
def test_normal_tolerance_factor(n: int, coverage: float, confidence: float, expected: float) -> None:
    """One-sided factors published by Natrella, *Experimental Statistics*, NBS Handbook 91, table A-7."""
    assert limits.normal_tolerance_factor(n, coverage, confidence) == pytest.approx(expected, abs=1.5e-3)


def test_sd_factors() -> None:
    """By hand: chi-square(9) has the 5 % point 3.3251 and the 95 % point 16.9190 in every table."""
    assert limits.sd_upper_factor(10, 0.05) == pytest.approx(np.sqrt(9 / 3.3251), rel=1e-5)
    assert limits.sd_lower_factor(10, 0.05) == pytest.approx(np.sqrt(9 / 16.9190), rel=1e-5)


def test_t_based_constants() -> None:
    """t(0.975; 7) = 2.3646 and t(0.95; 6) = 1.9432 in every table."""
    assert limits.bias_critical(8, 0.05) == pytest.approx(2.3646 / np.sqrt(8), rel=1e-4)
    assert limits.t_quantile(0.95, 6) == pytest.approx(1.9432, abs=5e-5)
    assert limits.t_two_sided_p(2.3646, 7) == pytest.approx(0.05, abs=1e-5)


def test_hotelling_t2_limit_by_hand() -> None:
    """A = 2, n = 20: 2 (400 - 1) / (20 * 18) times F(0.95; 2, 18) = 3.5546."""
    assert limits.hotelling_t2_limit(20, 2, 0.95) == pytest.approx(2 * 399 / 360 * 3.5546, rel=1e-4)


def test_hotelling_t2_limit_covers_new_observations() -> None:
    """Simulated: of new normal observations, 95 % and 99 % lie below (standard error 0.0011 and 0.0005)."""
    rng = np.random.default_rng(11)
    n, n_components, runs = 15, 3, 40_000
    seen = rng.standard_normal((runs, n, n_components))
    new = rng.standard_normal((runs, n_components)) - seen.mean(axis=1)
    centred = seen - seen.mean(axis=1, keepdims=True)
    covariance = np.einsum("rij,rik->rjk", centred, centred) / (n - 1)
    t2 = np.einsum("ri,ri->r", new, np.linalg.solve(covariance, new[..., None])[..., 0])
    for confidence in (0.95, 0.99):
        limit = limits.hotelling_t2_limit(n, n_components, confidence)
        assert np.mean(t2 <= limit) == pytest.approx(confidence, abs=4 * np.sqrt(0.05 * 0.95 / runs))


def test_scaled_chi2_limit_is_exact_for_a_scaled_chi_square() -> None:
    """Values made to have the mean and variance of 3 times chi-square(8), whose 95 % point is 3 * 15.5073."""
    values = np.linspace(-1.0, 1.0, 50)
    values = 3 * 8.0 + 3 * 4.0 * values / values.std(ddof=1)
    assert limits.scaled_chi2_limit(values, 0.95) == pytest.approx(3 * 15.5073, rel=1e-5)


@pytest.mark.parametrize("confidence", [0.95, 0.99, 0.999])
def test_scaled_chi2_limit_covers_q_residuals(confidence: float) -> None:
    """Simulated: sums of squares of 40 residuals with unequal variances, limits from 400 of them.

    Box's approximation is not exact and the moments are estimates: far out, at 0.999, the share above comes out
    near 1.6 times the nominal one. What is held is that it is never twice that.
    """
    rng = np.random.default_rng(5)
    scale = np.linspace(1.0, 0.1, 40) ** 2
    q = (scale * rng.standard_normal((100_000, 40)) ** 2).sum(axis=1)
    above = [np.mean(q > limits.scaled_chi2_limit(q[i * 400 : (i + 1) * 400], confidence)) for i in range(100)]
    assert 0.6 * (1 - confidence) < np.mean(above) < 2.0 * (1 - confidence)


def test_scaled_chi2_limit_covers_held_out_t2() -> None:
    """Simulated: T2 of spectra that the model of 60 others did not see; nominal 5 % above."""
    rng = np.random.default_rng(7)
    above = []
    for _ in range(200):
        train, held_out, new = (rng.standard_normal((size, 4)) for size in (60, 60, 500))
        variance = train.var(axis=0, ddof=1)
        limit = limits.scaled_chi2_limit(hotelling_t2(held_out - train.mean(axis=0), variance), 0.95)
        above.append(np.mean(hotelling_t2(new - train.mean(axis=0), variance) > limit))
    assert 0.035 < np.mean(above) < 0.065


def test_upper_bound_of_the_sd_holds_as_often_as_it_says() -> None:
    """Simulated: 95 % of the upper bounds from 15 values lie above the true SD of 1."""
    s = np.random.default_rng(3).standard_normal((40_000, 15)).std(axis=1, ddof=1)
    assert np.mean(s * limits.sd_upper_factor(15, 0.05) >= 1.0) == pytest.approx(0.95, abs=0.005)
    assert np.mean(s * limits.sd_lower_factor(15, 0.05) <= 1.0) == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: limits.hotelling_t2_limit(5, 5, 0.95), "`n_components` must be from 1 to n - 1 = 4, got 5"),
        (lambda: limits.scaled_chi2_limit(np.ones(2), 0.95), "at least 3 values, got 2"),
        (lambda: limits.scaled_chi2_limit(np.array([1.0, -1.0, 2.0]), 0.95), "not negative; 1 are not"),
        (lambda: limits.scaled_chi2_limit(np.array([1.0, np.nan, 2.0]), 0.95), "finite"),
        (lambda: limits.scaled_chi2_limit(np.ones(5), 0.95), "5 equal to 1"),
        (lambda: limits.sd_upper_factor(1, 0.05), "`n` must be at least 2, got 1"),
        (lambda: limits.normal_tolerance_factor(10, 1.0, 0.95), "`coverage` must lie between 0 and 1, got 1.0"),
        (lambda: limits.f_quantile(0.95, 0, 3), "degrees of freedom must be positive, got 0 and 3"),
    ],
)
def test_what_cannot_be_computed_is_said(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(InputError, match=message):
        call()
