"""A method with steps that learn: cross-validation learns them anew without each fold (simulated spectra)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from sklearn.cross_decomposition import PLSRegression

from pat.calibration import Calibration, calibrate, nested_cross_validation, permutation_test
from pat.core.preprocess import Treatment, fit_treatment
from pat.errors import InputError
from pat.limits import three_moment_limit
from pat.method import Method
from pat.treatment import learn, treat
from tests.calibration.mixtures import AXIS, method, mixtures

STEPS: list[dict[str, Any]] = [{"step": "detrend"}, {"step": "osc", "n_components": 2}]
NAMES = [f"B{i:03d}" for i in range(8)]


def learnt(ds: xr.Dataset, names: list[str] = NAMES) -> Method:
    document = method(max_components=3, scope_confidence=0.99).document()
    return learn(Method.from_document({**document, "preprocessing": STEPS}), ds, names)


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    found = mixtures(8, 5, seed=3, noise=5e-3)
    found["api"][7] = np.nan
    return found


@pytest.fixture(scope="module")
def calibrated(ds: xr.Dataset) -> Calibration:
    return calibrate(learnt(ds), ds)


def test_it_is_a_loop_that_learns_without_each_batch(ds: xr.Dataset, calibrated: Calibration) -> None:
    """By scikit-learn, on spectra treated by what the other batches alone have taught."""
    known = ~np.isnan(ds["api"].values)
    x, y = ds["absorbance"].values[known], ds["api"].values[known]
    codes = np.repeat(np.arange(8), 5)[known]
    a, cv = calibrated.model.n_components, calibrated.cross_validation
    residuals = np.empty_like(x)
    for b in range(8):
        out = codes == b
        treated = Treatment(AXIS, [], fit_treatment(AXIS, [], STEPS, x[~out], y[~out]))(x)
        for k in (1, 2, 3):
            other = PLSRegression(k, scale=False).fit(treated[~out], y[~out])
            np.testing.assert_allclose(cv.predicted[out, k - 1], other.predict(treated[out]), rtol=1e-7)
        other = PLSRegression(a, scale=False).fit(treated[~out], y[~out])
        t = other.transform(treated[out])
        residuals[out] = treated[out] - treated[~out].mean(axis=0) - t @ other.x_loadings_.T
    np.testing.assert_allclose(cv.q, (residuals**2).sum(axis=1), rtol=1e-6)
    assert calibrated.q_limit == pytest.approx(three_moment_limit(residuals, codes, 0.99), rel=1e-6)


def test_what_is_learnt_from_spectra_alone_is_learnt_without_each_lot_too(ds: xr.Dataset) -> None:
    """By scikit-learn; and a reference that the method gives as numbers stays what it is."""
    steps = [{"step": "msc", "reference": "calibration"}, {"step": "scale"}]
    document = {**method(max_components=2, folds="lot").document(), "preprocessing": steps}
    asked = Method.from_document(document)
    found, fixed = calibrate(asked, ds), calibrate(learn(asked, ds), ds)
    known = ~np.isnan(ds["api"].values)
    x, y = ds["absorbance"].values[known], ds["api"].values[known]
    lots = np.repeat(np.arange(8) // 3, 5)[known]
    for lot in range(3):
        out = lots == lot
        for of, train in ((found, ~out), (fixed, np.ones_like(out))):
            treated = Treatment(AXIS, [], fit_treatment(AXIS, [], steps, x[train]))(x)
            other = PLSRegression(2, scale=False).fit(treated[~out], y[~out])
            predicted = of.cross_validation.predicted[out, 1]
            np.testing.assert_allclose(predicted, other.predict(treated[out]), rtol=1e-7)
    assert found.learnt == fixed.method
    np.testing.assert_array_equal(found.model.coefficients, fixed.model.coefficients)
    assert found.figures["rmsecv"] != fixed.figures["rmsecv"]


def test_osc_that_has_learnt_is_cross_validated_like_osc_that_is_to_learn(ds: xr.Dataset) -> None:
    asked = Method.from_document({**method(max_components=3).document(), "preprocessing": STEPS})
    found, again = calibrate(asked, ds), calibrate(learn(asked, ds), ds)
    np.testing.assert_array_equal(found.cross_validation.predicted, again.cross_validation.predicted)


def test_left_as_it_is_it_would_tell_the_models_what_they_are_asked() -> None:
    """References that the spectra say nothing of: fixed directions make RMSECV smaller than their own deviation."""
    ds = mixtures(12, 5, seed=4, noise=0.02)
    ds["api"] = ds["api"].copy(data=np.random.default_rng(5).normal(10.0, 1.0, 60))
    document = method(max_components=3, component_rule="first_minimum").document()
    names = [f"B{i:03d}" for i in range(12)]
    steps = [{"step": "osc", "n_components": 12}]
    found = learn(Method.from_document({**document, "preprocessing": steps}), ds, names)
    plain = Method.from_document({**document, "preprocessing": []})
    fixed = calibrate(plain, ds.assign(absorbance=treat(found, ds)["absorbance"]))
    spread = float(ds["api"].std(ddof=1))
    assert fixed.figures["rmsecv"] < 0.85 * spread
    assert calibrate(found, ds).figures["rmsecv"] > 0.97 * spread


def test_it_needs_the_spectra_that_it_learnt_from(ds: xr.Dataset) -> None:
    with pytest.raises(InputError, match="expected raw spectra, got treated ones"):
        calibrate(learnt(ds), treat(learnt(ds), ds))
    for names in (NAMES[:-1], [*NAMES, "B008"]):
        more = mixtures(9, 5, seed=3, noise=5e-3)
        with pytest.raises(InputError, match="OSC must have learnt from the calibration batches, all of them"):
            calibrate(learnt(more, names), more, NAMES)


def test_what_cannot_learn_anew_refuses(ds: xr.Dataset) -> None:
    for work in (nested_cross_validation, permutation_test):
        with pytest.raises(InputError, match="OSC learns from reference values.*a method without `osc`"):
            work(learnt(ds), ds)
