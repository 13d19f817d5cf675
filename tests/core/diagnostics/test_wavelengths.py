"""VIP and selectivity ratio: against chemotools, by hand, and by what they mean."""

from __future__ import annotations

import numpy as np
import pytest

from pat.core import pls
from pat.core.diagnostics import selectivity_ratio, vip
from pat.core.types import Array
from pat.errors import InputError


def formula_data() -> tuple[Array, Array]:
    """20 spectra of 6 wavelengths that any program can make again."""
    i, j = np.arange(20)[:, None], np.arange(6)
    x = np.sin(1.7 * i + 0.9 * j) + 0.3 * np.cos(2.3 * i * (j + 1)) + 0.05 * i * j
    return x, x @ np.array([1.0, -0.5, 0.25, 0.0, 2.0, -1.0]) + 0.1 * np.sin(5.1 * np.arange(20))


def model(n_components: int) -> pls.PLSModel:
    x, y = formula_data()
    return pls.fit(pls.moments(x, y, x.mean(axis=0), float(y.mean())), n_components)


@pytest.mark.requirement("URS-14")
def test_vip_agrees_with_chemotools() -> None:
    # chemotools 0.5.0: VIPSelector(PLSRegression(2, scale=False).fit(X, y)).fit(X, y).feature_scores_
    expected = [0.48917097, 0.31591221, 0.48798623, 1.11775923, 1.51324798, 1.37239773]
    np.testing.assert_allclose(vip(model(2)), expected, atol=5e-9)


@pytest.mark.parametrize("n_components", [1, 2, 5])
def test_the_mean_square_of_vip_is_one(n_components: int) -> None:
    assert np.mean(vip(model(n_components)) ** 2) == pytest.approx(1.0, rel=1e-12)


def test_vip_of_one_component_is_its_weight() -> None:
    one = model(1)
    np.testing.assert_allclose(vip(one), np.sqrt(6.0) * np.abs(one.weights[:, 0]), rtol=1e-12)


@pytest.mark.requirement("URS-14")
def test_selectivity_ratio_agrees_with_chemotools() -> None:
    # chemotools 0.5.0, X centred first: SRSelector(PLSRegression(2, scale=False).fit(X, y)).fit(X).feature_scores_
    expected = [0.6305481, 0.03159982, 0.27034113, 4.79735097, 18.3261267, 1.65617035]
    x, _ = formula_data()
    found = selectivity_ratio(np.cov(x, rowvar=False), model(2).coefficients[-1])
    np.testing.assert_allclose(found, expected, rtol=2e-7)


def test_selectivity_ratio_by_its_definition() -> None:
    # Regress every wavelength on the target-projected score: explained over residual sum of squares.
    x, _ = formula_data()
    centred, b = x - x.mean(axis=0), model(3).coefficients[-1]
    t = centred @ b
    fitted = np.outer(t, t @ centred / (t @ t))
    expected = (fitted**2).sum(axis=0) / ((centred - fitted) ** 2).sum(axis=0)
    np.testing.assert_allclose(selectivity_ratio(centred.T @ centred, b), expected, rtol=1e-10)


def test_a_wavelength_without_variance_selects_nothing_and_a_perfect_one_everything() -> None:
    covariance = np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    np.testing.assert_array_equal(selectivity_ratio(covariance, np.array([1.0, 0.0, 0.0])), [np.inf, 0.0, 0.0])


def test_what_cannot_be_computed_is_said() -> None:
    with pytest.raises(InputError, match=r"3 wavelengths must have as many rows and columns, got \(2, 2\)"):
        selectivity_ratio(np.eye(2), np.ones(3))
    with pytest.raises(InputError, match="do not vary along"):
        selectivity_ratio(np.zeros((2, 2)), np.ones(2))
