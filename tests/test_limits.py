"""Statistical limits against published constants, and against simulations of what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pat import limits
from pat.core.diagnostics import PredictionError, full_distance, hotelling_t2
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
    assert limits.t_upper_p(2.3646, 7) == pytest.approx(0.025, abs=1e-5)
    assert limits.t_upper_p(-2.3646, 7) == pytest.approx(0.975, abs=1e-5)


def test_hotelling_t2_limit_by_hand() -> None:
    """A = 2, n = 20: 2 (400 - 1) / (20 * 18) times F(0.95; 2, 18) = 3.5546."""
    assert limits.hotelling_t2_limit(20, 2, 0.95) == pytest.approx(2 * 399 / 360 * 3.5546, rel=1e-4)


@pytest.mark.requirement("URS-15")
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


@pytest.mark.requirement("URS-15")
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


def test_hotelling_t2_calibration_limit_covers_the_calibration_itself() -> None:
    """Simulated: of 15 normal observations under their own mean and covariance, 95 % and 99 % lie below."""
    rng = np.random.default_rng(21)
    n, n_components, runs = 15, 3, 8_000
    seen = rng.standard_normal((runs, n, n_components))
    centred = seen - seen.mean(axis=1, keepdims=True)
    inverse = np.linalg.inv(np.einsum("rij,rik->rjk", centred, centred) / (n - 1))
    t2 = np.einsum("rij,rjk,rik->ri", centred, inverse, centred)
    assert t2.max() < (n - 1) ** 2 / n
    for confidence in (0.95, 0.99):
        limit = limits.hotelling_t2_calibration_limit(n, n_components, confidence)
        # Values of one data set go together, and against each other: 8,000 data sets count as so many values at least.
        assert np.mean(t2 <= limit) == pytest.approx(confidence, abs=4 * np.sqrt(0.05 * 0.95 / runs))


def test_scaled_f_limit_by_hand() -> None:
    """Batches (1, 3) and (5, 7): mean 4, variance of a value 9 and of the mean 4, so h = 32 / 9 and nu = 8."""
    values, codes = np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 1, 1])
    assert limits.scaled_f_limit(values, codes, 0.95) == pytest.approx(4.0 * limits.f_quantile(0.95, 32 / 9, 8.0))


def test_scaled_f_limit_is_the_scaled_chi_square_of_many_values() -> None:
    values = np.random.default_rng(22).chisquare(6.0, 200_000)
    found = limits.scaled_f_limit(values, np.arange(values.size), 0.99)
    assert found == pytest.approx(limits.scaled_chi2_limit(values, 0.99), rel=1e-3)


def test_scaled_f_limit_allows_for_few_batches() -> None:
    """Simulated: T2-like values of 8 batches of 4 whose spectra share half their variance, nominal 1 % of new batches.

    The scaled chi-square, which takes the moments of so few for known, lets a third more pass.
    """
    rng = np.random.default_rng(23)
    codes = np.repeat(np.arange(8), 4)

    def draw(batch: np.ndarray) -> np.ndarray:
        shared = rng.standard_normal((batch.max() + 1, 6))[batch]
        return np.asarray(((shared + rng.standard_normal((batch.size, 6))) ** 2).sum(axis=1))

    new = draw(np.arange(200_000))
    seen = [draw(codes) for _ in range(300)]
    ours = np.mean([np.mean(new > limits.scaled_f_limit(values, codes, 0.99)) for values in seen])
    plain = np.mean([np.mean(new > limits.scaled_chi2_limit(values, 0.99)) for values in seen])
    assert 0.007 < ours < 0.018
    assert plain > 1.25 * ours


def test_quartile_limit_by_hand() -> None:
    """Values at the quartiles of 3 times chi-square(8), from any table: 5.0706, 7.3441 and 10.2189."""
    values = 3.0 * np.array([1.0, 5.0706, 7.3441, 10.2189, 500.0])
    assert limits.quartile_limit(values, 0.95) == pytest.approx(3.0 * 15.5073, rel=1e-3)


def test_outliers_do_not_raise_the_quartile_limit() -> None:
    """Simulated: 300 values of chi-square(5), 15 of them made a hundred times larger."""
    values = np.random.default_rng(24).chisquare(5.0, 300)
    spoiled = np.where(np.arange(300) < 15, 100.0 * values, values)
    clean = limits.quartile_limit(values, 0.99)
    assert clean == pytest.approx(15.086, rel=0.15)
    assert limits.quartile_limit(spoiled, 0.99) == pytest.approx(clean, rel=0.25)
    assert limits.scaled_chi2_limit(spoiled, 0.99) > 10.0 * clean


EIGENVALUES = {
    "alike": [1.0] * 6,
    "falling": [1.0, 0.5, 0.3, 0.2, 0.1],
    "one before many": [1.0] + [0.01] * 100,
}


def _theta(eigenvalues: list[float]) -> tuple[float, float, float]:
    lam = np.array(eigenvalues)
    return float(lam.sum()), float((lam**2).sum()), float((lam**3).sum())


@pytest.mark.parametrize("name", EIGENVALUES)
def test_quantiles_of_q_with_known_covariance(name: str) -> None:
    """Against simulation: 400,000 sums of weighted chi-squares; three moments stay within 5 % up to 99.9 %."""
    lam = np.array(EIGENVALUES[name])
    rng = np.random.default_rng(25)
    q = sum(weight * rng.chisquare(1.0, 400_000) for weight in lam)
    for confidence in (0.9, 0.95, 0.99, 0.999):
        exact = float(np.quantile(q, confidence))
        assert limits.three_moment_quantile(_theta(EIGENVALUES[name]), confidence) == pytest.approx(exact, rel=0.05)
        if name == "alike":
            found = limits.jackson_mudholkar_quantile(_theta(EIGENVALUES[name]), confidence)
            assert found == pytest.approx(exact, rel=0.02)


def test_jackson_mudholkar_by_hand() -> None:
    """Eigenvalues 3, 2 and 1: h0 = 1 - 2 * 6 * 36 / (3 * 14^2) = 0.26531; z(0.95) = 1.64485.

    6 (1 + 1.64485 * 0.26531 sqrt(28) / 6 + 14 * 0.26531 (0.26531 - 1) / 36)^(1 / 0.26531) = 15.083.
    """
    h0 = 1.0 - 432.0 / 588.0
    expected = 6.0 * (1.0 + 1.644854 * h0 * np.sqrt(28.0) / 6.0 + 14.0 * h0 * (h0 - 1.0) / 36.0) ** (1.0 / h0)
    assert limits.jackson_mudholkar_quantile((6.0, 14.0, 36.0), 0.95) == pytest.approx(expected, rel=1e-6)


def test_a_negative_h0_keeps_the_upper_tail() -> None:
    """One eigenvalue before many: h0 = -0.31. Simulated 95 % point 4.86; the lower tail, by |h0|, would be near 1."""
    theta = _theta(EIGENVALUES["one before many"])
    assert 1.0 - 2.0 * theta[0] * theta[2] / (3.0 * theta[1] ** 2) < -0.3
    rng = np.random.default_rng(26)
    exact = np.quantile(rng.chisquare(1.0, 400_000) + 0.01 * rng.chisquare(100.0, 400_000), 0.95)
    found = limits.jackson_mudholkar_quantile(theta, 0.95)
    assert found == pytest.approx(exact, rel=0.12)
    assert found > limits.jackson_mudholkar_quantile(theta, 0.9) > theta[0]


def test_jackson_mudholkar_has_no_jump_where_h0_is_zero() -> None:
    """h0 = 0 at theta_3 = 3 theta_2^2 / (2 theta_1)."""
    quantiles = [limits.jackson_mudholkar_quantile((6.0, 14.0, 49.0 + d), 0.99) for d in (-1e-3, 0.0, 1e-3)]
    assert quantiles[1] == pytest.approx((quantiles[0] + quantiles[2]) / 2.0, rel=1e-6)


def test_residual_moments_are_without_bias() -> None:
    """Simulated: 12 batches of 3 that share half their variance; eigenvalues 3, 1, .5, .5; means over 3,000 sets."""
    lam = np.array([3.0, 1.0, 0.5, 0.5])
    rng = np.random.default_rng(27)
    codes = np.repeat(np.arange(12), 3)
    found = []
    for _ in range(3000):
        z = (rng.standard_normal((12, 4))[codes] + rng.standard_normal((36, 4))) / np.sqrt(2.0)
        found.append(limits.residual_moments(z * np.sqrt(lam), codes))
    expected = _theta(lam.tolist())
    # The plug-in values would be 12 % and 40 % too high; bringing the third to what eigenvalues can have costs 2 %.
    np.testing.assert_allclose(np.mean(found, axis=0), expected, rtol=0.05)


def test_residual_moments_by_every_pair_and_triple() -> None:
    rng = np.random.default_rng(28)
    codes = np.repeat(np.arange(5), [10, 20, 30, 20, 40])
    u = rng.standard_normal((120, 3)) * np.array([2.0, 1.0, 0.4])
    rows = [u[codes == b] for b in range(5)]
    cov = [part.T @ part / len(part) for part in rows]
    pairs = [np.trace(cov[a] @ cov[b]) for a in range(5) for b in range(5) if a != b]
    triples = [
        np.trace(cov[a] @ cov[b] @ cov[c]) for a in range(5) for b in range(5) for c in range(5) if len({a, b, c}) == 3
    ]
    expected = [np.mean([np.trace(c) for c in cov]), np.mean(pairs), np.mean(triples)]
    assert expected[1] ** 2 / expected[0] < expected[2] < expected[1] ** 1.5
    np.testing.assert_allclose(limits.residual_moments(u, codes), expected, rtol=1e-10)


def test_limits_of_residuals_are_their_quantiles_for_many_batches() -> None:
    rng = np.random.default_rng(29)
    u = rng.standard_normal((20_000, 4)) * np.sqrt([1.0, 0.5, 0.3, 0.2])
    theta = _theta([1.0, 0.5, 0.3, 0.2])
    codes = np.arange(20_000)
    known = limits.three_moment_quantile(theta, 0.99), limits.jackson_mudholkar_quantile(theta, 0.99)
    assert limits.three_moment_limit(u, codes, 0.99) == pytest.approx(known[0], rel=0.03)
    assert limits.jackson_mudholkar_limit(u, codes, 0.99) == pytest.approx(known[1], rel=0.03)


def test_full_distance_limit_covers_new_spectra() -> None:
    """Simulated: T2 of 4 and Q of 10 residuals, independent, limits from 100 values each: 4-6 % and 0.6-1.5 %."""
    rng = np.random.default_rng(30)
    t2, q = rng.chisquare(4.0, (300, 100)), 0.2 * rng.chisquare(10.0, (300, 100))
    new_t2, new_q = rng.chisquare(4.0, 50_000), 0.2 * rng.chisquare(10.0, 50_000)
    for confidence, low, high in ((0.95, 0.04, 0.06), (0.99, 0.006, 0.015)):
        beyond = []
        for i in range(300):
            t2_scale, q_scale, limit = limits.full_distance_limit(t2[i], q[i], np.arange(100), confidence)
            beyond.append(np.mean(full_distance(new_t2, new_q, t2_scale, q_scale) > limit))
        assert low < np.mean(beyond) < high


def test_prediction_half_width_by_hand() -> None:
    """t(0.975; 10) = 2.2281; the standard error is sqrt(4 (1 + 2.5 * 0.5)) = 3."""
    error = PredictionError(3.0, 1.0, 2.5, 10.0)
    assert limits.prediction_half_width(error, np.array([0.5]), 0.95)[0] == pytest.approx(2.2281 * 3.0, rel=1e-4)


@pytest.mark.parametrize(("count", "n"), [(0, 50), (1, 2000), (19, 2000), (50, 50)])
def test_the_interval_of_a_chance_is_scipys_exact_one(count: int, n: int) -> None:
    expected = stats.binomtest(count, n).proportion_ci(0.95, method="exact")
    assert limits.binomial_interval(count, n) == pytest.approx((expected.low, expected.high))


def test_chi2_and_f_from_tables() -> None:
    """Chi-square .95, 5: 11.0705; F .95, 4 and 10: 3.478; with infinite freedom F is chi-square over its own."""
    assert limits.chi2_quantile(0.95, 5) == pytest.approx(11.0705, abs=1e-4)
    assert limits.f_upper_p(3.478, 4, 10) == pytest.approx(0.05, abs=1e-4)
    assert limits.f_quantile(0.95, 5, math.inf) == pytest.approx(11.0705 / 5, abs=1e-4)
    assert limits.f_quantile(0.05, math.inf, 5) == pytest.approx(5 / 11.0705, abs=1e-4)
    assert limits.f_quantile(0.95, math.inf, math.inf) == 1.0
    assert limits.f_quantile(0.9, 7, math.inf) == pytest.approx(limits.f_quantile(0.9, 7, 1e7), rel=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: limits.hotelling_t2_limit(5, 5, 0.95), "`n_components` must be from 1 to n - 1 = 4, got 5"),
        (lambda: limits.scaled_chi2_limit(np.ones(2), 0.95), "at least 3 values, got 2"),
        (lambda: limits.scaled_chi2_limit(np.array([1.0, -1.0, 2.0]), 0.95), "not negative; 1 are not"),
        (lambda: limits.scaled_chi2_limit(np.array([1.0, np.nan, 2.0]), 0.95), "finite"),
        (lambda: limits.scaled_chi2_limit(np.ones(5), 0.95), "5 equal to 1"),
        (lambda: limits.scaled_f_limit(np.ones(5), np.arange(5), 0.95), "5 equal to 1"),
        (lambda: limits.scaled_f_limit(np.arange(5.0), np.zeros(5, dtype=int), 0.95), "at least 2 batches, got 1"),
        (lambda: limits.quartile_limit(np.array([1.0, 2.0, 2.0, 2.0, 5.0]), 0.95), "quartiles that differ, got 2"),
        (lambda: limits.quartile_limit(np.array([0.0, 0.0, 1e-9, 1.0, 1.0]), 0.95), "no scaled chi-square has"),
        (lambda: limits.hotelling_t2_calibration_limit(5, 4, 0.95), "from 1 to n - 2 = 3, got 4"),
        (lambda: limits.residual_moments(np.ones((4, 2)), np.array([0, 0, 1, 1])), "at least 3 batches, got 2"),
        (lambda: limits.residual_moments(np.zeros((3, 2)), np.arange(3)), "must not all be zero"),
        (lambda: limits.three_moment_quantile((1.0, 1.0, 0.0), 0.95), "must be positive, got 1, 1, 0"),
        (lambda: limits.jackson_mudholkar_quantile((3.0, 1.02, 1.0), 0.9999), "h0 = -0.922.* no quantile at 0.9999"),
        (lambda: limits.sd_upper_factor(1, 0.05), "`n` must be at least 2, got 1"),
        (lambda: limits.normal_tolerance_factor(10, 1.0, 0.95), "`coverage` must lie between 0 and 1, got 1.0"),
        (lambda: limits.binomial_interval(4, 3), "a count must lie within 0 and at least 1 trial, got 4 of 3"),
        (lambda: limits.f_quantile(0.95, 0, 3), "degrees of freedom must be positive, got 0 and 3"),
    ],
)
def test_what_cannot_be_computed_is_said(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(InputError, match=message):
        call()
