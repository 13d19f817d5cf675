"""Refusal rates: counts by hand, intervals by scipy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from pat.errors import InputError
from pat.validation.specificity import refusal_rate, specificity


@pytest.mark.requirement("URS-26")
def test_counts_and_intervals() -> None:
    """19 of 20 refused; three of four batches wholly."""
    in_scope = np.zeros(20, dtype=bool)
    in_scope[7] = True
    found = refusal_rate("placebo", in_scope, np.repeat(["a", "b", "c", "d"], 5))
    assert (found.n, found.refused, found.rate, found.n_batches, found.refused_batches) == (20, 19, 0.95, 4, 3)
    assert found.least_batch_rate == 0.8
    exact = stats.binomtest(19, 20).proportion_ci(0.95, "exact")
    assert (found.lower, found.upper) == pytest.approx((exact.low, exact.high))
    of_batches = stats.binomtest(3, 4).proportion_ci(0.95, "exact")
    assert (found.batch_lower, found.batch_upper) == pytest.approx((of_batches.low, of_batches.high))


@pytest.mark.requirement("URS-26")
def test_kinds_apart_and_good_ones_beside() -> None:
    kind = np.repeat(["placebo", "other product"], [4, 2])
    in_scope = np.array([False, False, True, True, False, False])
    batch = np.array([1, 1, 2, 2, 3, 4])
    q = ~in_scope & (np.arange(6) != 5)
    good = (np.array([True] * 9 + [False]), np.repeat([10, 11], 5))
    found = specificity(kind, in_scope, batch, good=good, causes={"q_residuals": q}, simulated=True)
    assert [one.kind for one in found.challenges] == ["other product", "placebo"]
    assert [one.rate for one in found.challenges] == [1.0, 0.5]
    assert [one.by_cause for one in found.challenges] == [{"q_residuals": 1}, {"q_residuals": 2}]
    assert found.worst.kind == "placebo"
    assert found.good is not None
    assert (found.good.refused, found.good.rate) == (1, 0.1)
    assert all(one.simulated for one in found.challenges)
    document = found.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_without_good_ones_nothing_is_claimed_of_them() -> None:
    assert specificity(["placebo"], np.array([False]), [0]).to_dict()["good"] is None


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError, match=r"one shape \(n,\), got \(1,\), \(2,\) and \(2,\)"):
        specificity(["placebo"], np.array([False, True]), [0, 1])
    with pytest.raises(InputError, match=r"placebo: expected one batch and cause .* got \(2,\) and \{'q': \(3,\)\}"):
        refusal_rate("placebo", np.array([False, True]), [0, 1], causes={"q": np.zeros(3, dtype=bool)})
