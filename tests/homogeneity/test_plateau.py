"""What accepted batches say, against hand computation and simulated batches of known autocorrelation and spread."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from pat.errors import Refusal
from pat.homogeneity import Plateau, describe_plateaus, repeatability
from pat.homogeneity.plateau import last_half

N = 10


def _blend(runs: int, m: int, phi: float, noise: float, seed: int) -> list[np.ndarray]:
    """Predictions of simulated runs: an AR(1) blend of SD 1 about 10, and independent noise."""
    rng = np.random.default_rng([seed, 61])
    u = rng.standard_normal(runs)
    columns = []
    for _ in range(m):
        columns.append(10.0 + u + noise * rng.standard_normal(runs))
        u = phi * u + math.sqrt(1.0 - phi**2) * rng.standard_normal(runs)
    return list(np.array(columns).T)


def _describe(values: list[np.ndarray], noise: float) -> Plateau:
    rng = np.random.default_rng(62)
    return describe_plateaus(values, [rng.standard_normal((v.size, 4)) for v in values], N, noise**2)


# Repeatability


def test_repeatability_by_hand():
    # Sums of squares 2 and 40 (deviations of 1 and of 2), with 2 and 10 degrees of freedom.
    groups = [np.array([9.0, 10.0, 11.0]), np.array([8.0] * 5 + [10.0] + [12.0] * 5)]
    found = repeatability(groups)
    assert found.degrees_of_freedom == 12
    assert found.sd == pytest.approx(math.sqrt((2.0 + 40.0) / 12.0), rel=1e-14)
    # Lower 95 % limit: s sqrt(df / chi-square of 0.95 at df).
    assert found.lower == pytest.approx(found.sd * math.sqrt(12.0 / stats.chi2.ppf(0.95, 12)), rel=1e-12)


def test_repeatability_is_pooled_within_the_pieces_and_not_over_them():
    rng = np.random.default_rng(63)
    groups = [level + 0.12 * rng.standard_normal(20) for level in (8.0, 10.0, 12.0)]
    pooled = math.sqrt(statistics.fmean(statistics.variance(g) for g in groups))
    assert repeatability(groups).sd == pytest.approx(pooled, rel=1e-12)


def test_the_lower_limit_lies_below_the_truth_19_times_in_20():
    rng = np.random.default_rng(64)
    found = [repeatability(list(0.12 * rng.standard_normal((3, 12)))).lower <= 0.12 for _ in range(3000)]
    assert np.mean(found) == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize(("groups", "df"), [([np.zeros(10)], 9), ([], 0), ([np.zeros(1)] * 20, 0)])
def test_too_few_repeat_readings_are_refused(groups, df):
    with pytest.raises(Refusal, match=f"at least 10 degrees of freedom of repeat readings, got {df}"):
        repeatability(groups)


# The plateau


def test_the_plateau_is_the_last_half():
    run = np.arange(80.0)
    np.testing.assert_array_equal(last_half(run, N, "A"), np.arange(40.0, 80.0))
    np.testing.assert_array_equal(last_half(run[:61], N, "A"), np.arange(30.0, 61.0))
    assert last_half(np.zeros((80, 3)), N, "A").shape == (40, 3)
    with pytest.raises(Refusal, match=r"batch A: its last half must hold at least 30 spectra .* got 29"):
        last_half(run[:58], N, "A")


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("phi", [0.0, 0.3, 0.5, 0.6, 0.8])
def test_autocorrelation_is_recovered_and_its_upper_limit_covers_it(phi, noise):
    found = [_describe(_blend(5, 80, phi, noise, seed), noise) for seed in range(250)]
    # An estimate below zero counts as zero, so at zero the mean is a little above it.
    assert np.mean([p.phi for p in found]) == pytest.approx(phi, abs=0.06 if phi == 0.0 else 0.02)
    assert all(0.0 <= p.phi <= p.phi_upper < 1.0 for p in found)
    # 95 % of 250 has a standard error of 1.4 %. What is bounded by 0.95 covers 0.8 a little less often.
    assert np.mean([p.phi_upper >= phi for p in found]) >= 0.91
    # And it is a limit of use, not a bound that always holds.
    assert np.mean([p.phi_upper for p in found]) <= phi + 0.28


def test_many_readings_narrow_the_upper_limit():
    few, many = (_describe(_blend(5, m, 0.4, 0.5, 3), 0.5) for m in (60, 3000))
    assert many.phi_upper - many.phi < 0.3 * (few.phi_upper - few.phi)
    assert many.phi == pytest.approx(0.4, abs=0.05)


def test_an_autocorrelation_that_the_readings_show_is_never_cut_down():
    found = _describe(_blend(6, 400, 0.8, 0.3, 4), 0.3)
    assert found.phi_upper > 0.8


def test_where_noise_hides_the_blend_the_usual_upper_end_is_taken():
    rng = np.random.default_rng(65)
    values = list(10.0 + rng.standard_normal((5, 80)))
    assert _describe(values, 1.0).phi_upper == 0.6
    assert 0.0 <= _describe(values, 1.0).phi <= 0.6
    assert _describe(values, 2.0).phi_upper == 0.6  # repeat readings that vary more than the blend


# Spectral limits


def test_the_mbsd_limit_is_the_tolerance_bound_of_the_batches_largest():
    rng = np.random.default_rng(66)
    treated = [rng.standard_normal((40, 6)) * (1.0 + 0.1 * i) for i in range(5)]
    values = _blend(5, 40, 0.3, 0.5, 5)
    found = describe_plateaus(values, treated, N, 0.25)
    largest = [
        max(np.std(t[i : i + N], axis=0, ddof=1).mean() for i in range(40 - N + 1)) for t in treated
    ]  # fmt: skip
    np.testing.assert_allclose(found.mbsd_largest, largest, rtol=1e-12)
    # Noncentral t, as tabulated for one-sided tolerance limits: k = 4.203 for n = 5 (Owen 1968, ISO 16269-6).
    expected = statistics.fmean(largest) + 4.203 * statistics.stdev(largest)
    assert found.mbsd_limit == pytest.approx(expected, rel=2e-4)


def test_the_mbsd_limit_covers_95_percent_of_batches_with_95_percent_confidence():
    rng = np.random.default_rng(67)
    covered = []
    for _ in range(250):
        scales = rng.normal(1.0, 0.05, 5)
        treated = [scale * rng.standard_normal((30, 3)) for scale in scales]
        found = describe_plateaus([t[:, 0] + 10.0 for t in treated], treated, N, 0.01)
        mean, sd = statistics.fmean(found.mbsd_largest), statistics.stdev(found.mbsd_largest)
        covered.append((mean, sd, found.mbsd_limit))
    # The batches' largest values are nearly normal; their true 95 % quantile is taken from all 1,250 of them.
    within = np.mean([s for _, s, _ in covered])
    truth = np.mean([m for m, _, _ in covered]) + 1.6449 * within / 0.94  # c4 of 5 is 0.940
    assert np.mean([limit >= truth for *_, limit in covered]) == pytest.approx(0.95, abs=0.045)


@pytest.mark.parametrize(
    "eigenvalues", [np.ones(6), np.array([5.0, 2.0, 1.0, 0.5, *[0.02] * 40]), np.array([1.0, 1e-6])]
)
def test_effective_degrees_of_freedom_are_those_of_the_covariance(eigenvalues):
    # (n - 1) (sum)^2 / sum of squares. The plug-in value would be 7 % too low with 6 equal ones and 87 degrees of
    # freedom: E[tr S^2] = 6 (1 + 1/87) + 36/87. A ratio of estimates keeps a bias of a few percent.
    expected = (N - 1) * eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    rng = np.random.default_rng(68)
    found = []
    for _ in range(120):
        treated = [rng.standard_normal((30, eigenvalues.size)) * np.sqrt(eigenvalues) + k for k in range(3)]
        found.append(describe_plateaus([t[:, 0] + 10.0 for t in treated], treated, N, 0.01).degrees_of_freedom)
    assert np.mean(found) == pytest.approx(expected, rel=0.045)


def test_the_block_variance_has_those_degrees_of_freedom():
    # Chi-square of nu degrees of freedom: variance of S^2 over the square of its mean is 2 / nu.
    eigenvalues = np.array([3.0, 1.0, 0.5, 0.1])
    rng = np.random.default_rng(69)
    blocks = rng.standard_normal((20_000, N, 4)) * np.sqrt(eigenvalues)
    totals = blocks.var(axis=1, ddof=1).sum(axis=1)
    treated = [rng.standard_normal((300, 4)) * np.sqrt(eigenvalues) for _ in range(3)]
    found = describe_plateaus([t[:, 0] + 10.0 for t in treated], treated, N, 0.01)
    assert found.degrees_of_freedom == pytest.approx(2.0 * totals.mean() ** 2 / totals.var(), rel=0.08)


def test_what_is_described_is_counted_and_plain():
    values = _blend(4, 50, 0.3, 0.5, 6)
    found = _describe(values, 0.5)
    assert (found.n_batches, found.n_spectra) == (4, 200)
    expected = [100.0 * statistics.stdev(v) / statistics.fmean(v) for v in values]
    np.testing.assert_allclose(found.rsd, expected, rtol=1e-12)
    numbers = [n for v in asdict(found).values() for n in (v if isinstance(v, tuple) else [v])]
    assert {type(n) for n in numbers} == {int, float}


def test_the_spread_of_accepted_batches_has_its_upper_limit():
    # Pooled variance 1.25 of blend and noise: upper 95 % limit by chi-square, the noise's 0.25 removed after it.
    rng = np.random.default_rng(70)
    found = []
    for _ in range(400):
        values = list(10.0 + math.sqrt(1.25) * rng.standard_normal((4, 50)))
        found.append(_describe(values, 0.5).blend_sd_upper)
        pooled = statistics.fmean(statistics.variance(v) for v in values)
        expected = math.sqrt(pooled * 196.0 / stats.chi2.ppf(0.05, 196) - 0.25)
        assert found[-1] == pytest.approx(expected, rel=1e-9)
    assert np.mean(np.array(found) >= 1.0) == pytest.approx(0.95, abs=0.035)
    assert _describe(list(10.0 + 0.1 * rng.standard_normal((4, 50))), 0.5).blend_sd_upper == 0.0


def test_too_few_batches_are_refused():
    with pytest.raises(Refusal, match="at least 3 accepted batches, got 2"):
        _describe(_blend(2, 50, 0.3, 0.5, 7), 0.5)
