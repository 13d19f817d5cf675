"""Numbers of batches against closed forms, scipy's noncentral t, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pat.errors import InputError
from pat.validation.power import (
    batches_for_bias,
    batches_for_refusals,
    batches_for_sep,
    equivalence_power,
    provable,
)


@pytest.mark.parametrize("n", [3, 8, 20])
def test_detectable_bias_by_the_noncentral_t(n: int) -> None:
    bias = provable(n).bias_detectable
    t = stats.t.ppf(0.975, n - 1)
    assert stats.nct.sf(t, n - 1, bias * math.sqrt(n)) == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("n", [8, 15])
def test_sep_factor_by_simulation(n: int) -> None:
    """At that true SEP the upper bound meets the limit 1 in 90 % of 20,000 sets."""
    true = provable(n).sep_factor
    s = true * np.random.default_rng(1).standard_normal((20_000, n)).std(axis=1, ddof=1)
    upper = s * math.sqrt((n - 1) / stats.chi2.ppf(0.05, n - 1))
    assert np.mean(upper <= 1.0) == pytest.approx(0.9, abs=0.01)


def test_refused_share_is_the_bound_of_clopper_and_pearson() -> None:
    bound = stats.binomtest(10, 10, alternative="greater").proportion_ci(0.95, "exact").low
    assert provable(10).refused_share == pytest.approx(bound)


def test_fewest_is_fewest() -> None:
    n = batches_for_sep(0.6)
    assert provable(n).sep_factor >= 0.6 > provable(n - 1).sep_factor
    n = batches_for_bias(0.8)
    assert equivalence_power(n, 0.8) >= 0.9 > equivalence_power(n - 1, 0.8)
    assert batches_for_refusals(0.95) == 59
    assert 0.05 ** (1 / 59) >= 0.95 > 0.05 ** (1 / 58)


@pytest.mark.parametrize(("n", "margin", "bias"), [(6, 1.5, 0.0), (12, 1.0, 0.3), (5, 0.6, 0.0)])
def test_power_of_equivalence_by_simulation(n: int, margin: float, bias: float) -> None:
    """20,000 sets, two one-sided t-tests each; four binomial SDs are 1.4 %."""
    values = bias + np.random.default_rng(2).standard_normal((20_000, n))
    half = stats.t.ppf(0.95, n - 1) * values.std(axis=1, ddof=1) / math.sqrt(n)
    shown = np.mean(np.abs(values.mean(axis=1)) + half < margin)
    assert equivalence_power(n, margin, bias) == pytest.approx(shown, abs=0.014)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: provable(1), "at least 2 batches"),
        (lambda: batches_for_sep(1.0), "must lie between 0 and 1, got 1.0"),
        (lambda: batches_for_sep(0.999), "not even 10000 batches show an SEP of 0.999 times the limit"),
        (lambda: batches_for_bias(0.5, bias=0.5), "must lie within the margin, got 0.5 and 0.5"),
        (lambda: batches_for_refusals(1.0), "must lie between 0 and 1, got 1.0 and 0.05"),
    ],
)
def test_what_cannot_be_shown_is_refused(ask, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ask()
