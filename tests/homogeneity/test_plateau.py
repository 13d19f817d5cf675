"""What accepted batches say, against hand computation and simulated batches of known autocorrelation and spread."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import stats

from pat.errors import Refusal
from pat.homogeneity import Plateau, describe_plateaus, repeatability
from pat.homogeneity.plateau import LEAST_BLEND_SHARE, Readings, _autocorrelation, good_readings, plateau_start

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


def _run(name: str, values: np.ndarray, treated: np.ndarray, segment: np.ndarray | None = None) -> Readings:
    """Readings without a bad one; beside them a raw level and contrast that move."""
    m = values.size
    presentation = np.random.default_rng(60).normal([0.5, 0.2], [0.02, 0.01], (m, 2))
    segment = np.zeros(m, dtype=np.int64) if segment is None else segment
    return Readings(name, values, treated, presentation, np.full(m, 0.003), np.ones(m), segment)


def _describe(values: list[np.ndarray], noise: float) -> Plateau:
    rng = np.random.default_rng(62)
    return _described(values, [rng.standard_normal((v.size, 4)) for v in values], noise**2)


def _described(values: list[np.ndarray], treated: list[np.ndarray], noise_variance: float) -> Plateau:
    runs = [_run(f"A{i}", v, t) for i, (v, t) in enumerate(zip(values, treated, strict=True))]
    return describe_plateaus(runs, [], N, noise_variance)


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
    assert plateau_start(80, N, "A") == 40
    assert plateau_start(61, N, "A") == 30
    with pytest.raises(Refusal, match=r"batch A: its last half must hold at least 30 spectra .* got 29"):
        plateau_start(58, N, "A")


# Bad readings


def _batch(m: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions, treated spectra, raw level and contrast of a simulated batch."""
    rng = np.random.default_rng([seed, 72])
    return rng.normal(10.0, 0.1, m), rng.normal(0.0, 0.01, (m, 5)), rng.normal([0.5, 0.2], [0.02, 0.01], (m, 2))


def test_good_readings_are_those_that_count_with_a_break_where_one_is_left_out():
    values, treated, raw = _batch(120, 1)
    good = np.ones(120, dtype=bool)
    good[[5, 6, 80]] = False
    found = good_readings("A", values, treated, raw, good, N, start=60)
    kept = [*range(60, 80), *range(81, 120)]
    np.testing.assert_array_equal(found.values, values[kept])
    np.testing.assert_array_equal(found.treated, treated[kept])
    np.testing.assert_array_equal(found.presentation, raw[kept])
    assert found.left_out == 1  # those before the plateau do not count
    assert np.flatnonzero(np.diff(found.segment)).tolist() == [19]
    # Distances reach back over the break, to the last 2 N good readings, those before the plateau included.
    before = [*range(60 - 1, 60 - 1 - 2 * N, -1)]
    assert found.distance[0] == pytest.approx(min(math.dist(treated[60], treated[i]) for i in before), rel=1e-12)
    before = [i for i in range(81 - 2 * N - 1, 81) if i != 80]
    assert found.novelty[20] == pytest.approx(min(math.dist(raw[81], raw[i]) for i in before), rel=1e-12)
    # A block has no break in it: 20 - N + 1 blocks before, 39 - N + 1 after.
    windows = found.in_blocks(found.values, N)
    assert len(windows) == 11 + 30
    assert not any(values[79] in block and values[81] in block for block in windows.tolist())


def test_a_reading_that_repeats_another_number_for_number_is_bad():
    values, treated, raw = _batch(120, 2)
    treated[100], raw[100] = treated[70], raw[70]
    found = good_readings("A", values, treated, raw, np.ones(120, dtype=bool), N)
    assert (found.left_out, found.values.size) == (1, 119)
    assert values[100] not in found.values
    raw[100] += 0.01  # another spectrum, with another scatter
    assert good_readings("A", values, treated, raw, np.ones(120, dtype=bool), N).left_out == 0


@pytest.mark.parametrize(("bad", "refused"), [(2, False), (3, True)])
def test_a_batch_with_more_than_two_percent_bad_readings_is_refused(bad, refused):
    values, treated, raw = _batch(200, 3)
    good = np.ones(200, dtype=bool)
    good[120 : 120 + 7 * bad : 7] = False
    good[:50] = False  # not among the 100 that count
    if refused:
        with pytest.raises(Refusal, match=r"batch A7: at most 2 % of its readings may be bad .*, got 3 of 100"):
            good_readings("A7", values, treated, raw, good, N, start=100)
    else:
        assert good_readings("A7", values, treated, raw, good, N, start=100).left_out == bad


def test_a_batch_without_a_whole_block_is_refused():
    values, treated, _ = _batch(30, 4)
    run = _run("A3", values, treated, np.arange(30) // (N - 1))
    with pytest.raises(Refusal, match="batch A3: expected a block of 10 good readings in a row, got none"):
        run.in_blocks(values, N)


def test_autocorrelation_does_not_reach_over_a_break():
    # By hand: pairs of neighbours within 1 2 | 4 1 | 3 1 about their mean of 2 give 0, -2 and -1.
    values = np.array([1.0, 2.0, 4.0, 1.0, 3.0, 1.0])
    whole = [_run(str(i), values, np.zeros((6, 1)), np.array([0, 0, 1, 1, 2, 2])) for i in range(3)]
    # Variance 3 x 8 / 15; r1 = (-3 / 3) / 1.6 below zero counts as zero.
    assert _autocorrelation(whole, 0.0)[0] == 0.0
    rising = np.array([1.0, 1.0, 3.0, 3.0, 2.0, 2.0])
    whole = [replace(run, values=rising) for run in whole]
    # Products 1 + 1 + 0 over 3 pairs, variance 3 x 4 / 15 = 0.8, per run 1/6: (0.8333 + 0.1667) / 0.5, at most 0.95.
    assert _autocorrelation(whole, 0.0)[0] == 0.95
    alone = [replace(run, values=np.array([1.0, 1.0, 3.0, 2.0, 2.0, 3.0])) for run in whole]
    # Products 1 + 0 + 0 over 3 pairs and the same variance: (0.4167 + 0.1667) / 0.5 = 1.1667, or 0.95; with noise of
    # 0.1 of the variance it cannot be more either.
    assert _autocorrelation(alone, 0.08)[0] == 0.95


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("phi", [0.0, 0.3, 0.5, 0.6, 0.7, 0.8])
def test_autocorrelation_is_recovered_and_its_upper_limit_covers_it(phi, noise):
    found = [_describe(_blend(5, 80, phi, noise, seed), noise) for seed in range(250)]
    # An estimate below zero counts as zero, so at zero the mean is a little above it.
    assert np.mean([p.phi for p in found]) == pytest.approx(phi, abs=0.06 if phi == 0.0 else 0.02)
    assert all(0.0 <= p.phi <= p.phi_upper < 1.0 for p in found)
    # 95 % of 250 has a standard error of 1.4 %. What is bounded by 0.95 covers 0.8 a little less often.
    assert np.mean([p.phi_upper >= phi for p in found]) >= 0.91
    # And it is a limit of use, not a bound that always holds.
    assert np.mean([p.phi_upper for p in found]) <= phi + 0.28


def test_an_upper_limit_is_not_cut_down_to_what_is_usual():
    # A true 0.7 whose estimate comes out at 0.6 or below: a limit cut down to 0.6 covered it half of the time.
    found = [_describe(_blend(5, 80, 0.7, 1.0, seed), 1.0) for seed in range(400)]
    low = [p for p in found if p.phi <= 0.6]
    assert len(low) > 20
    assert np.mean([p.phi_upper >= 0.7 for p in low]) > 0.5
    assert np.mean([p.phi_upper >= 0.7 for p in found]) == pytest.approx(0.95, abs=0.035)


@pytest.mark.parametrize(("noise", "share"), [(0.5, 0.8), (1.0, 0.5), (2.0, 0.2)])
def test_the_blends_share_is_what_the_noise_leaves_of_the_variance(noise, share):
    found = [_describe(_blend(8, 400, 0.3, noise, seed), noise).blend_share for seed in range(20)]
    assert np.mean(found) == pytest.approx(share, abs=0.03)


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
    assert _describe(values, 2.0).blend_share == 0.0
    assert _describe(values, 1.0).blend_share < LEAST_BLEND_SHARE


# Spectral limits


def test_the_mbsd_limit_is_the_tolerance_bound_of_the_batches_largest():
    rng = np.random.default_rng(66)
    treated = [rng.standard_normal((40, 6)) * (1.0 + 0.1 * i) for i in range(5)]
    values = _blend(5, 40, 0.3, 0.5, 5)
    found = _described(values, treated, 0.25)
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
        found = _described([t[:, 0] + 10.0 for t in treated], treated, 0.01)
        mean, sd = statistics.fmean(found.mbsd_largest), statistics.stdev(found.mbsd_largest)
        covered.append((mean, sd, found.mbsd_limit))
    # The batches' largest values are nearly normal; their true 95 % quantile is taken from all 1,250 of them.
    within = np.mean([s for _, s, _ in covered])
    truth = np.mean([m for m, _, _ in covered]) + 1.6449 * within / 0.94  # c4 of 5 is 0.940
    assert np.mean([limit >= truth for *_, limit in covered]) == pytest.approx(0.95, abs=0.045)


# Least movement


def _moving(batches: int, m: int = 60) -> list[Readings]:
    found = []
    for i in range(batches):
        values, treated, raw = _batch(m, 10 + i)
        found.append(good_readings(f"A{i}", values, treated, raw, np.ones(m, dtype=bool), N))
    return found


def _lower_limit(smallest: list[float], k: float) -> float:
    logs = [math.log(value) for value in smallest]
    return math.exp(statistics.fmean(logs) - k * statistics.stdev(logs))


def test_the_least_movement_is_the_lower_tolerance_limit_of_the_batches_smallest():
    runs, static = _moving(5), _moving(2, 30)
    found = describe_plateaus(runs, static, N, 0.0)
    # One-sided tolerance factors for 99.9 % at 95 % confidence, from the definition, by scipy's noncentral t.
    factors = {n: stats.nct.ppf(0.95, n - 1, stats.norm.ppf(0.999) * math.sqrt(n)) / math.sqrt(n) for n in (5, 7)}
    steps: dict[int, list[float]] = {0: [], 1: []}
    mbsd, novelty, distance = [], [], []
    for run in runs:
        starts = range(60 - N + 1)
        for k, smallest in steps.items():
            column = run.presentation[:, k]
            jumps = [sum((column[i + j + 1] - column[i + j]) ** 2 for j in range(N - 1)) for i in starts]
            smallest.append(math.sqrt(min(jumps) / (2 * (N - 1))))
        mbsd.append(min(np.std(run.treated[i : i + N], axis=0, ddof=1).mean() for i in starts))
        novelty.append(min(statistics.median(run.novelty[i : i + N]) for i in starts))
    for run in [*runs, *static]:
        pairs = [(i, j) for i in range(len(run.values)) for j in range(max(0, i - 2 * N), i)]
        distance.append(min(math.dist(run.treated[i], run.treated[j]) for i, j in pairs))
    assert found.least_level_step == pytest.approx(_lower_limit(steps[0], factors[5]), rel=1e-9)
    assert found.least_contrast_step == pytest.approx(_lower_limit(steps[1], factors[5]), rel=1e-9)
    assert found.least_mbsd == pytest.approx(_lower_limit(mbsd, factors[5]), rel=1e-9)
    assert found.least_novelty == pytest.approx(_lower_limit(novelty, factors[5]), rel=1e-9)
    assert found.repeat_distance == pytest.approx(_lower_limit(distance, factors[7]), rel=1e-9)


def test_an_accepted_batch_whose_powder_was_at_rest_is_refused():
    runs = _moving(5)
    still = runs[2].presentation.copy()
    still[40:] = still[40] + 1e-5 * np.random.default_rng(5).standard_normal((20, 2))
    runs[2] = replace(runs[2], presentation=still)
    with pytest.raises(Refusal, match=r"batch A2: the smallest step of the raw mean in a block .* powder at rest"):
        describe_plateaus(runs, [], N, 0.0)


@pytest.mark.parametrize("role", ["accepted", "static"])
def test_a_batch_whose_spectra_nearly_repeat_is_refused(role):
    runs, static = _moving(5), _moving(4, 30)
    batch = {"accepted": runs, "static": static}[role]
    batch[1] = replace(batch[1], distance=np.append(batch[1].distance[:-1], 1e-7))
    with pytest.raises(Refusal, match=r"batch A1: the smallest distance between treated spectra .* got 1e-07"):
        describe_plateaus(runs, static, N, 0.0)


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
        found.append(_described([t[:, 0] + 10.0 for t in treated], treated, 0.01).degrees_of_freedom)
    assert np.mean(found) == pytest.approx(expected, rel=0.045)


def test_the_block_variance_has_those_degrees_of_freedom():
    # Chi-square of nu degrees of freedom: variance of S^2 over the square of its mean is 2 / nu.
    eigenvalues = np.array([3.0, 1.0, 0.5, 0.1])
    rng = np.random.default_rng(69)
    blocks = rng.standard_normal((20_000, N, 4)) * np.sqrt(eigenvalues)
    totals = blocks.var(axis=1, ddof=1).sum(axis=1)
    treated = [rng.standard_normal((300, 4)) * np.sqrt(eigenvalues) for _ in range(3)]
    found = _described([t[:, 0] + 10.0 for t in treated], treated, 0.01)
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
