"""Rules for the number of components, against R's and against what chance would do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pat.calibration import choose_components, root_mean_square, van_der_voet
from pat.calibration.choice import components_by_rule, rms_interval
from pat.core.crossval import leave_groups_out
from pat.errors import InputError


def test_gasoline_is_that_of_r(measured):
    """R 4.2.2, pls 2.8-1: selectNcomp(m, "randomization", nperm = 99999), m of leave-one-out, 10 components.

    3 components at alpha = 0.05, and at 0.01.
    """
    data = measured("gasoline")
    found = leave_groups_out(data["absorbance"], data["octane"], np.arange(60), 10)
    errors = found.predicted - data["octane"][:, None]
    assert van_der_voet(errors, np.arange(60)) == 3
    assert van_der_voet(errors, np.arange(60), alpha=0.01) == 3


@pytest.mark.parametrize(("analyte", "expected"), [("moisture", 15), ("oil", 14), ("protein", 13), ("starch", 14)])
def test_corn_is_that_of_r(measured, analyte, expected):
    """The same of plsr(y ~ X, ncomp = 15, method = "kernelpls", validation = "LOO"), m5, alpha = 0.05."""
    data = measured("corn_three_instruments")
    found = leave_groups_out(data["absorbance_m5"], data[analyte], np.arange(80), 15)
    assert van_der_voet(found.predicted - data[analyte][:, None], np.arange(80)) == expected


def test_every_combination_of_signs_by_hand():
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(6), 3)
    errors = rng.standard_normal((18, 4)) * np.array([1.5, 1.2, 1.0, 1.02])
    for alpha in (0.03, 0.1, 0.3, 0.6):
        best = int(np.argmin((errors**2).sum(axis=0)))
        expected = best + 1
        for a in range(best - 1, -1, -1):
            each = [float((errors[codes == g, a] ** 2 - errors[codes == g, best] ** 2).sum()) for g in range(6)]
            turned = [sum(s * d for s, d in zip(t, each, strict=True)) for t in itertools.product((1, -1), repeat=6)]
            if sum(value >= sum(each) - 1e-9 for value in turned) / 64 > alpha:
                expected = a + 1
        assert van_der_voet(errors, codes, alpha=alpha) == expected


def _shared(rng: np.random.Generator, n_groups: int, per_group: int) -> np.ndarray:
    """Errors of two models that are equally good: what a group's spectra share is all that differs."""
    common = rng.standard_normal((n_groups * per_group, 1))
    return common + np.repeat(rng.standard_normal((n_groups, 2)), per_group, axis=0)


def test_equally_good_models_are_told_apart_no_more_often_than_the_level():
    """Two models: with 2 components chosen, the first was rejected, or was the best by chance half of the time.

    The level is one-sided and only looked at where the second has the smaller error: at most 5 % of all.
    """
    rng = np.random.default_rng(2)
    codes = np.repeat(np.arange(20), 10)
    chosen = [van_der_voet(_shared(rng, 20, 10), codes, seed=i) for i in range(300)]
    by_spectrum = [van_der_voet(_shared(rng, 20, 10), np.arange(200), seed=i) for i in range(100)]
    # Binomial 99.9 % around 5 % of 300; a sign for each spectrum finds differences that are not there.
    assert np.mean(np.array(chosen) == 2) < 0.10
    assert np.mean(np.array(chosen) == 2) > 0.01
    assert np.mean(np.array(by_spectrum) == 2) > 0.20


@pytest.mark.requirement("URS-13")
def test_a_clearly_better_model_is_chosen_and_no_more_components_than_needed():
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(15), 8)
    noise = rng.standard_normal((120, 1))
    extra = rng.standard_normal((120, 6)) * np.array([3.0, 2.0, 0.02, 0.02, 0.01, 0.02])
    assert van_der_voet(noise + extra, codes) == 3
    assert van_der_voet(noise + extra, codes, seed=1) == 3


def test_too_few_groups_could_never_show_anything():
    errors = np.random.default_rng(4).standard_normal((12, 3))
    with pytest.raises(InputError, match="at level 0.05 needs at least 5 groups to leave out, got 4"):
        van_der_voet(errors, np.repeat(np.arange(4), 3))
    assert van_der_voet(errors, np.repeat(np.arange(4), 3), alpha=0.1) in (1, 2, 3)


def test_rules_by_name():
    errors = np.random.default_rng(5).standard_normal((60, 4)) * np.array([3.0, 1.0, 0.99, 1.1])
    codes = np.repeat(np.arange(10), 6)
    curve = root_mean_square(errors, codes)
    for rule in ("first_minimum", "one_standard_error"):
        assert components_by_rule(rule, errors, codes) == choose_components(*curve, rule)
    assert components_by_rule("van_der_voet", errors, codes) == van_der_voet(errors, codes)


def _coverage(n_groups: int, share: float, size: int = 4, data_sets: int = 2000) -> float:
    """How often the interval holds 1, the root mean square of normal errors; a share of the variance is the group's."""
    rng = np.random.default_rng([n_groups, int(100 * share)])
    of_group, own = rng.standard_normal((data_sets, n_groups, 1)), rng.standard_normal((data_sets, n_groups, size))
    squares = ((np.sqrt(share) * of_group + np.sqrt(1.0 - share) * own) ** 2).sum(axis=2)
    ends = np.array([rms_interval(sums, np.full(n_groups, size)) for sums in squares])
    return float(np.mean((ends[:, 0] <= 1.0) & (ends[:, 1] >= 1.0)))


@pytest.mark.parametrize("n_groups", [6, 12, 24, 48])
def test_the_interval_holds_95_percent_of_errors_that_groups_share_and_more_of_others(n_groups):
    # Standard error of a share of 0.95 among 2000: 0.5 %.
    assert 0.945 < _coverage(n_groups, 1.0) < 0.985
    assert _coverage(n_groups, 0.6) > 0.98


def test_two_standard_errors_would_not():
    """What `rms_interval` is for: 12 groups, each with one error that its 4 spectra share."""
    errors = np.random.default_rng(4).standard_normal((2000, 12)).repeat(4, axis=1)
    codes = np.repeat(np.arange(12), 4)
    found = [root_mean_square(row[:, None], codes) for row in errors]
    covered = np.mean([abs(rms[0] - 1.0) <= 2.0 * error[0] for rms, error in found])
    assert covered < 0.9


def test_the_interval_of_groups_that_differ_follows_their_spread():
    """By hand: mean squares 1, 1, 1 and 97 of single spectra have mean 25 and a standard error of 48 / sqrt(4) = 24.

    That of the root mean square, relative to it, is 24 / (2 * 25); Student's t at 97.5 % and 3 degrees of freedom is
    3.1824 (tables).
    """
    lower, upper = rms_interval(np.array([1.0, 1.0, 1.0, 97.0]), np.ones(4, dtype=np.int64))
    assert lower == pytest.approx(5.0 * np.exp(-3.1824 * 0.48), rel=1e-4)
    assert upper == pytest.approx(5.0 * np.exp(3.1824 * 0.48), rel=1e-4)
    # Errors without an error, and too few groups for any.
    assert rms_interval(np.zeros(4), np.full(4, 2)) == (0.0, 0.0)
    with pytest.raises(InputError, match="at least 2 groups, got 1"):
        rms_interval(np.ones(1), np.full(1, 2))
