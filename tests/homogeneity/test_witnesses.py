"""Limits of the published statistics, against scipy's tolerance factors and against what new batches do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pat.core import blocks
from pat.core.blocks import STATISTICS, RunReadings
from pat.core.types import Array
from pat.core.witnesses import Witnesses, constants_of
from pat.homogeneity.plateau import Readings
from pat.homogeneity.witnesses import Course, course, with_limits, witnesses_before_limits
from tests.simulated import RULE

N = RULE.block_size


def readings(treated: Array) -> Readings:
    m = len(treated)
    nothing = np.zeros(m)
    return Readings("A", nothing, treated, np.zeros((m, 2)), nothing, nothing, np.zeros(m, dtype=np.int64))


def batch(seed: int, m: int = 8 * N, p: int = 12) -> tuple[RunReadings, Array]:
    """A batch of nothing but noise about a spectrum, and its treated spectra."""
    rng = np.random.default_rng(seed)
    treated = np.sin(np.arange(p)) + 0.01 * rng.standard_normal((m, p))
    value = RULE.target * (1.0 + 0.01 * rng.standard_normal(m))
    return RunReadings(value, treated, rng.chisquare(3, m), rng.chisquare(5, m)), treated


def learnt(*treated: Array) -> Witnesses:
    runs = [readings(one) for one in treated]
    return witnesses_before_limits(runs, runs, N)


def test_reference_and_static_variance_are_those_of_the_spectra() -> None:
    first, second = (batch(seed)[1] for seed in (1, 2))
    found = learnt(first, second)
    # Batches of one size: mean and SD (n) of all spectra taken together are the same.
    together = np.concatenate([first, second])
    np.testing.assert_allclose(found.reference.mean, together.mean(axis=0), rtol=1e-12)
    assert found.reference.sd is not None
    np.testing.assert_allclose(found.reference.sd, together.std(axis=0), rtol=1e-9)
    every = [one[i : i + N].var(axis=0, ddof=1).sum() for one in (first, second) for i in range(len(one) - N + 1)]
    assert found.static_variance == pytest.approx(np.mean(every), rel=1e-9)


def test_a_long_batch_weighs_no_more_than_a_short_one() -> None:
    short, long = batch(1)[1], batch(2, 30 * N)[1]
    mean = (short.mean(axis=0) + long.mean(axis=0)) / 2.0
    np.testing.assert_allclose(learnt(short, long).reference.mean, mean, rtol=1e-12)


def test_the_caterpillars_limits_are_those_of_the_distributions() -> None:
    found = learnt(batch(1)[1])
    assert found.n_components == 2
    assert found.residual_limit == pytest.approx(stats.f.ppf(0.95, 1, N - 3), rel=1e-12)
    # Tracy, Young and Mason (1992), for a new spectrum.
    assert found.score_limit == pytest.approx(2 * (N**2 - 1) / (N * (N - 2)) * stats.f.ppf(0.95, 2, N - 2), rel=1e-12)


def test_a_wavelength_that_treatment_fixes_leaves_no_conformity_index() -> None:
    treated = batch(1)[1]
    treated[:, 4] = 1.0 + 1e-16
    assert learnt(treated).reference.sd is None


def test_a_course_is_what_the_whole_run_says_in_its_plateau() -> None:
    run, treated = batch(3)
    constants = constants_of(RULE, 7.0, 11.0, learnt(treated))
    everything = np.ones(len(treated), dtype=np.bool_)
    start = 4 * N
    found = course("A", run, everything, everything, constants, N, start)
    whole = blocks.every_series(run, N, constants)
    assert set(found.values) == set(STATISTICS) == set(whole)
    # The first block of the plateau ends N - 1 readings after it begins; one that is compared with the block before
    # needs two blocks of the plateau, and Brown-Forsythe four.
    firsts = {"mbsd": N, "moving_f": 2 * N, "caterpillar": 2 * N, "rmsnv_t": 2 * N, "brown_forsythe": 4 * N}
    for name, first in firsts.items():
        np.testing.assert_array_equal(found.values[name], whole[name][start + first - 1 :])


def test_bad_readings_make_no_limit_but_those_out_of_scope_count_as_such() -> None:
    run, treated = batch(4)
    constants = constants_of(RULE, 7.0, 11.0, learnt(treated))
    assert run.hotelling_t2 is not None
    everything = np.ones(len(treated), dtype=np.bool_)
    outside = everything.copy()
    outside[[5, 6 * N]] = False
    spoilt = treated.copy()
    spoilt[~outside] *= 5.0
    t2 = np.where(outside, 1.0, 50.0)
    kept = RunReadings(run.values[outside], treated[outside], t2[outside], run.q_residuals[outside])  # type: ignore[index]
    whole = RunReadings(run.values, spoilt, t2, run.q_residuals)
    dirty = course("A", whole, outside, everything, constants, N, 4 * N)
    clean = course("A", kept, outside[outside], outside[outside], constants, N, 4 * N - 1)
    for name in ("mbsd", "pc_sda", "moving_f", "block_rsd", "conformity_index"):
        np.testing.assert_array_equal(dirty.values[name], clean.values[name])
    assert dirty.values["t2_outside"].max() == 1.0 / N
    assert dirty.values["t2_largest"].max() == 50.0
    # A saturated one is no measurement at all.
    measured = course("A", whole, outside, outside, constants, N, 4 * N)
    assert measured.values["t2_outside"].max() == 0.0


def test_limits_are_tolerance_limits_of_a_batchs_largest_on_a_log_scale() -> None:
    largest = np.array([1.0, 2.0, 4.0, 8.0])
    courses = [
        Course(
            "A",
            {
                "moving_f": np.array([0.5, v]),
                "mbsd": np.array([v]),
                "block_mean": np.array([9.0 - v, 9.5, 10.0 + v]),
            },
        )
        for v in largest
    ]
    found = with_limits(learnt(batch(1)[1]), RULE, courses).limits
    # k of Hald, 95 % coverage and confidence, n = 4: 5.144 (Natrella 1963, table A-7).
    k = 5.144
    logs = np.log(largest)
    high = np.exp(logs.mean() + k * logs.std(ddof=1))
    assert found["moving_f"].high == pytest.approx(high, rel=1e-3)
    assert found["moving_f"].median == np.median([0.5, 1.0, 0.5, 2.0, 0.5, 4.0, 0.5, 8.0])
    # One number for what the rule decides by.
    assert found["mbsd"].high == RULE.mbsd_limit
    mean = found["block_mean"]
    # Both sides together leave 5 % out: 97.5 % on each, whose factor is the noncentral t's own (Owen 1968).
    k = stats.nct.ppf(0.95, 3, 2.0 * stats.norm.ppf(0.975)) / 2.0
    room = largest.mean() + k * largest.std(ddof=1)
    assert (mean.high, mean.low) == pytest.approx((10.0 + room, 9.0 - room), rel=1e-9)


def test_a_share_that_no_batch_showed_is_not_forbidden_and_none_exceeds_one() -> None:
    none = [Course("A", {"t2_outside": np.zeros(9)})] * 10
    found = with_limits(learnt(batch(1)[1]), RULE, none).limits["t2_outside"].high
    # By hand, for blocks of N: angle of no spectrum, plus 2.911 (Natrella, n = 10) SDs of counting.
    angle = np.arcsin(np.sqrt(0.375 / (N + 0.75))) + 2.911 / np.sqrt(4 * N + 2)
    assert found == pytest.approx(((N + 0.75) * np.sin(angle) ** 2 - 0.375) / N, rel=1e-3)
    assert 1.0 / N < found < 0.5
    all_of_them = [Course("A", {"t2_outside": np.ones(9)})] * 10
    assert with_limits(learnt(batch(1)[1]), RULE, all_of_them).limits["t2_outside"].high == 1.0


def test_a_statistic_that_some_batch_lacks_has_no_limit() -> None:
    some = [Course("A", {"moving_f": np.ones(3)}), Course("B", {"moving_f": np.empty(0)}), Course("C", {})]
    assert with_limits(learnt(batch(1)[1]), RULE, some).limits == {}


def test_limits_cover_as_many_new_batches_as_they_promise() -> None:
    """With 95 % confidence, 95 % of batches: so at most 1 in 20 limits may cover less (binomial, 200 limits)."""
    rng = np.random.default_rng(20)
    base = learnt(batch(1)[1])
    short = 0
    for _ in range(200):
        largest = np.exp(0.3 * rng.standard_normal(8))
        found = with_limits(base, RULE, [Course("A", {"pc_sda": np.array([v])}) for v in largest])
        short += stats.norm.cdf(np.log(found.limits["pc_sda"].high) / 0.3) < 0.95
    assert stats.binom.ppf(0.001, 200, 0.05) <= short <= stats.binom.ppf(0.999, 200, 0.05)
