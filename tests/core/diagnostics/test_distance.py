"""The compiled form of prediction, T2 and Q, against the plain one and against arithmetic of more digits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pat.core import diagnostics, pls
from pat.core.diagnostics import Evaluator
from pat.core.pls import PLSModel


def model_and_spectra(p: int = 60, n_components: int = 4, noise: float = 1e-3) -> tuple[PLSModel, np.ndarray]:
    rng = np.random.default_rng(3)
    scores = rng.standard_normal((80, n_components))
    x = 0.7 + scores @ rng.standard_normal((n_components, p)) + noise * rng.standard_normal((80, p))
    y = 10.0 + scores @ rng.standard_normal(n_components)
    return pls.fit(pls.moments(x, y, x.mean(axis=0), float(y.mean())), n_components), x


def found(model: PLSModel, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the compiled form gives of spectra in a block, and one by one."""
    evaluator, block = Evaluator(model), np.empty((3, len(x)))
    evaluator.into(x.copy(), block)
    one = evaluator.of_one()
    return block, np.array([one(row) for row in x]).T


@pytest.mark.parametrize("n_components", [1, 4])
def test_it_gives_the_numbers_of_evaluate(n_components):
    model, x = model_and_spectra(n_components=n_components)
    expected = np.array(diagnostics.evaluate(model, x))
    for each in found(model, x):
        np.testing.assert_allclose(each, expected, rtol=1e-11)


@pytest.mark.parametrize("share", [1e-4, 1e-7, 1e-10])
def test_q_of_spectra_that_the_model_fits_extremely_well(share):
    # What the components leave is made to be `share` of the squared length; long double, written out, is the truth.
    model, x = model_and_spectra(p=800, n_components=10)
    c = x - model.x_mean
    t = c @ model.rotations
    fitted, residual = t @ model.loadings.T, c - t @ model.loadings.T
    size = np.sqrt(share * np.vecdot(fitted, fitted) / np.vecdot(residual, residual))
    x = model.x_mean + fitted + size[:, None] * residual
    exact = np.asarray(x, np.longdouble) - np.asarray(model.x_mean, np.longdouble)
    left = exact - (exact @ model.rotations.astype(np.longdouble)) @ model.loadings.T.astype(np.longdouble)
    q = (left * left).sum(axis=1)
    np.testing.assert_allclose(np.asarray(q / (exact * exact).sum(axis=1), np.float64), share, rtol=0.05)
    for each in (*found(model, x), np.array(diagnostics.evaluate(model, x))):
        assert float(np.abs(each[2] / q - 1.0).max()) < 1e-10


def test_what_is_not_finite_stays_in_its_own_spectrum():
    model, x = model_and_spectra()
    clean, _ = found(model, x)
    x[7] = np.nan
    for each in found(model, x):
        assert np.isnan(each[:, 7]).all()
        np.testing.assert_allclose(np.delete(each, 7, axis=1), np.delete(clean, 7, axis=1), rtol=1e-12)


@pytest.mark.parametrize(
    "changed",
    [
        {"loadings": np.ones((59, 4))},
        {"loadings": np.ones((60, 3))},
        {"rotations": np.ones((59, 4))},
        {"rotations": np.ones((60, 5))},
        {"coefficients": np.ones((4, 61))},
        {"score_variance": np.ones(3)},
        {"x_mean": np.ones((1, 60))},
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(changed):
    model, _ = model_and_spectra()
    with pytest.raises(ValueError, match="wavelengths and|must match|mismatch|not aligned|broadcast|not acceptable"):
        Evaluator(replace(model, **changed))
