"""The permutation test keeps its level where references are shared by batches, and sees what there is."""

from __future__ import annotations

import numpy as np
import pytest

from pat.calibration import choose_components, permutation_test, root_mean_square
from pat.calibration.permutation import permutation_test_of, permute
from pat.core.crossval import leave_groups_out
from pat.errors import InputError
from tests.calibration.mixtures import method, mixtures


def test_groups_stay_groups():
    rng = np.random.default_rng(1)
    codes = rng.permutation(np.repeat([3, 5, 9, 11], [2, 4, 3, 6]))
    y = 10.0 * codes + rng.standard_normal(15)
    seen = set()
    for _ in range(20):
        found = permute(y, codes, rng)
        of_group = [found[codes == g] for g in (3, 5, 9, 11)]
        np.testing.assert_allclose(
            sorted(values.mean() for values in of_group), sorted(y[codes == g].mean() for g in (3, 5, 9, 11))
        )
        for g, values in zip((3, 5, 9, 11), of_group, strict=True):
            np.testing.assert_allclose(
                np.sort(values - values.mean()), np.sort(y[codes == g] - y[codes == g].mean()), atol=1e-12
            )
        seen.add(tuple(np.round(found, 6)))
    assert len(seen) == 20


def test_it_is_cross_validation_of_each_permutation():
    rng = np.random.default_rng(2)
    X, codes = rng.standard_normal((40, 12)), np.repeat(np.arange(8), 5)
    y = X[:, 0] + rng.standard_normal(40)
    found = permutation_test_of(X, y, codes, 3, "one_standard_error", n_permutations=24, seed=7)
    again = np.random.default_rng(7)

    def by_rule(values: np.ndarray) -> float:
        errors = leave_groups_out(X, values, codes, 3).predicted - values[:, None]
        rmsecv, standard_error = root_mean_square(errors, codes)
        return float(rmsecv[choose_components(rmsecv, standard_error, "one_standard_error") - 1])

    expected = [by_rule(permute(y, codes, again)) for _ in range(24)]
    np.testing.assert_allclose(found.permuted, expected, rtol=1e-9)
    assert found.rmsecv == pytest.approx(by_rule(y), rel=1e-9)
    assert found.p_value == (1 + sum(value <= by_rule(y) for value in expected)) / 25


@pytest.mark.requirement("URS-13")
def test_size_where_batches_share_their_references():
    """Spectra and references know nothing of each other, but batches share both: 5 % of 300 data sets are rejected.

    Permuting all spectra freely, as if each were a group of its own, rejects several times as many.
    """
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(12), 4)
    p_values: dict[str, list[float]] = {"groups": [], "free": []}
    for seed in range(300):
        X = np.repeat(rng.standard_normal((12, 6)), 4, axis=0) + 0.5 * rng.standard_normal((48, 6))
        y = np.repeat(rng.standard_normal(12), 4) + 0.5 * rng.standard_normal(48)
        p_values["groups"].append(
            permutation_test_of(X, y, codes, 2, "first_minimum", n_permutations=39, seed=seed).p_value
        )
        if seed < 100:
            each = np.arange(48)
            p_values["free"].append(
                permutation_test_of(X, y, each, 2, "first_minimum", n_permutations=39, seed=seed).p_value
            )
    size = float(np.mean(np.array(p_values["groups"]) <= 0.05))
    free = float(np.mean(np.array(p_values["free"]) <= 0.05))
    print(f"size at 5 %: {size:.3f} with groups kept, {free:.3f} with spectra permuted freely")
    # 99.9 % limits of a binomial share of 300 at 5 %.
    assert 0.015 < size < 0.10
    assert free > 0.15


@pytest.mark.requirement("URS-13")
def test_a_method_that_sees_its_analyte_and_one_that_does_not():
    seen = permutation_test(method(), mixtures(), n_permutations=39)
    assert seen.p_value == 1 / 40
    assert seen.rmsecv < seen.permuted.min()
    blind = mixtures()
    turned = np.random.default_rng(4).permutation(12)
    blind["api"][:] = blind["api"].values.reshape(12, 5)[turned].ravel()
    assert permutation_test(method(), blind, n_permutations=39).p_value > 0.05


def test_more_components_than_the_spectra_hold():
    rng = np.random.default_rng(5)
    X = np.outer(rng.standard_normal(24), rng.standard_normal(10))
    y = X[:, 0] + 0.1 * rng.standard_normal(24)
    with pytest.warns(match="PLS ends at component 1"), pytest.raises(InputError, match="more than the spectra hold"):
        permutation_test_of(X, y, np.repeat(np.arange(6), 4), 3, "first_minimum", n_permutations=9)
