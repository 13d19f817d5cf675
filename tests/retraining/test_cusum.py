"""The CUSUM of the bias: run lengths against published tables and simulation, scores against their distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pat.core.types import Array
from pat.errors import InputError
from pat.retraining.cusum import (
    REFERENCE_VALUE,
    RUN_LENGTH,
    average_run_length,
    bias_cusum,
    decision_interval,
    self_starting,
)

pytestmark = pytest.mark.requirement("URS-72")


@pytest.mark.parametrize(("k", "h"), [(0.25, 8.01), (0.5, 4.77), (0.75, 3.34), (1.0, 2.52), (1.25, 1.99), (1.5, 1.61)])
def test_decision_intervals_are_those_of_the_table(k, h):
    # Hawkins (1993), Table 1; Montgomery, Introduction to Statistical Quality Control, Table 9.4: in-control ARL 370.
    assert decision_interval(k, 370.0) == pytest.approx(h, abs=0.01)


def test_run_lengths_are_those_of_the_table():
    # Montgomery, Table 9.3 (k = 0.5): ARL for shifts of 0, 0.25, 0.5, 1 and 2 SD.
    for h, lengths in ((4.0, (168, 74.2, 26.6, 8.38, 3.34)), (5.0, (465, 139, 38.0, 10.4, 4.01))):
        found = [average_run_length(0.5, h, shift) for shift in (0.0, 0.25, 0.5, 1.0, 2.0)]
        assert found == pytest.approx(lengths, rel=0.005)


def run_lengths(n_baseline: int, n_new: int, sequences: int, seed: int) -> Array:
    """Batches to the first signal of in-control sequences, by the functions themselves; `n_new` where there is none."""
    rng = np.random.default_rng(seed)
    found = np.empty(sequences)
    for i in range(sequences):
        x = rng.normal(0.07, 0.2, n_baseline + n_new)
        signal = bias_cusum(x[:n_baseline], x[n_baseline:]).signal
        found[i] = n_new if signal is None else signal + 1
    return found


def simulated_scores(n_new: int, sequences: int, seed: int) -> Array:
    """In-control scores are standard normal and independent; their run lengths, without the scores' arithmetic."""
    u = np.random.default_rng(seed).normal(size=(sequences, n_new))
    sums, found = np.zeros((sequences, 2)), np.full(sequences, float(n_new))
    h = decision_interval(REFERENCE_VALUE, RUN_LENGTH)
    for i in range(n_new):
        sums = np.maximum(0.0, sums + np.stack([u[:, i], -u[:, i]], axis=1) - REFERENCE_VALUE)
        first = (sums > h).any(axis=1) & (found == n_new)
        found[first] = i + 1
    return found


@pytest.mark.requirement("URS-72")
def test_the_stated_run_length_is_the_simulated_one():
    found = simulated_scores(2000, 4000, 1)
    # Run lengths are nearly exponential: the standard error of the mean of 4000 is 1.6.
    assert found.mean() == pytest.approx(RUN_LENGTH, abs=5.0)


@pytest.mark.parametrize("n_baseline", [4, 12])
def test_few_validation_batches_do_not_shorten_the_run_length(n_baseline):
    # P(no signal within 30 batches) of an exponential of mean 100 would be 0.74; the first batches start from zero, so
    # a little more. Simulated with known mean and SD here, beside the self-starting scores. SE of each share: 0.025.
    known = np.mean(simulated_scores(30, 4000, 2) == 30)
    found = np.mean(run_lengths(n_baseline, 30, 300, 3) == 30)
    assert found == pytest.approx(known, abs=0.08)


def test_scores_are_independent_standard_normal_from_three_batches_on():
    rng = np.random.default_rng(4)
    scores = np.array([self_starting(x[:3], x[3:]) for x in rng.normal(5.0, 3.0, (800, 6))])
    for column in scores.T:
        assert stats.kstest(column, "norm").pvalue > 0.001
    assert np.abs(np.corrcoef(scores.T) - np.eye(3)).max() < 4.0 / math.sqrt(800)


def test_the_first_score_by_hand():
    # Mean 2, SD sqrt(2) of (1, 3): t = (5 - 2) / (sqrt(2) sqrt(1.5)) = sqrt(3) with 1 degree of freedom, whose
    # distribution is that of Cauchy: F = 1/2 + atan(sqrt(3)) / pi = 5/6.
    (score,) = self_starting(np.array([1.0, 3.0]), np.array([5.0]))
    assert score == pytest.approx(stats.norm.ppf(5.0 / 6.0), rel=1e-12)


@pytest.mark.requirement("URS-72")
def test_a_changed_bias_is_found_and_named():
    rng = np.random.default_rng(5)
    found = bias_cusum(rng.normal(0.0, 0.1, 12), np.append(rng.normal(0.0, 0.1, 3), rng.normal(0.4, 0.1, 5)))
    assert found.signal is not None
    assert 3 <= found.signal <= 6
    assert found.sums[found.signal, 0] > found.decision_interval > found.sums[found.signal, 1]
    # And a huge one stays a number.
    assert np.isfinite(bias_cusum(rng.normal(0.0, 0.1, 12), np.full(3, -1e6)).sums).all()


def test_a_baseline_without_spread_starts_nothing():
    for baseline in (np.array([0.1]), np.full(4, 0.1)):
        with pytest.raises(InputError, match="starts from 2 batches that differ"):
            self_starting(baseline, np.zeros(2))
