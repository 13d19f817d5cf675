"""Treatment in the laboratory: lazy, learnt batch by batch, and the same numbers through calibration and artefact."""

from __future__ import annotations

from typing import Any

import dask
import numpy as np
import pytest

from pat import compute
from pat.calibration import calibrate
from pat.core.preprocess import fit_treatment
from pat.errors import InputError, SpectraError
from pat.export import export
from pat.method import Method
from pat.scorer import Scorer
from pat.spectra import open_store, select_batches, write_store
from pat.treatment import learn, treat, treated_by
from pat.validation.run import validate
from tests import simulated
from tests.core.preprocess.test_treatment import refuse
from tests.small_campaign import YAML, dataset

CALIBRATION = [f"C{i}" for i in range(1, 7)]
CHAINS: dict[str, list[dict[str, Any]]] = {
    "msc, derivative": [
        {"step": "msc", "reference": "calibration"},
        {"step": "savitzky_golay", "window": 7, "polyorder": 2, "deriv": 1},
    ],
    "emsc, centre": [{"step": "emsc", "degree": 1, "reference": "calibration"}, {"step": "centre"}],
    "snv, scale": [{"step": "snv"}, {"step": "scale"}],
    "snv, osc": [{"step": "snv"}, {"step": "osc", "n_components": 1}],
    "gap-segment": [{"step": "gap_segment", "deriv": 1, "segment": 3, "gap": 3}, {"step": "normalise", "norm": "area"}],
    "interpolation, detrend": [
        {"step": "interpolate", "target": {"low": 1010.0, "high": 1230.0, "spacing": 3.0}, "kind": "cubic"},
        {"step": "snv"},
        {"step": "detrend", "degree": 2},
    ],
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    path = tmp_path_factory.mktemp("treatment") / "raw.zarr"
    write_store(dataset(), path)
    return open_store(path)


def method(steps: list[dict[str, Any]], tmp_path) -> Method:
    (tmp_path / "method.yaml").write_text(YAML, encoding="utf-8")
    document = Method.load(tmp_path / "method.yaml").document()
    return Method.from_document({**document, "preprocessing": steps})


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_learnt_batch_by_batch_is_learnt_from_all(raw, steps, tmp_path):
    asked = method(steps, tmp_path)
    learnt = learn(asked, raw.chunk(spectrum=5), CALIBRATION)
    used = select_batches(raw, CALIBRATION)
    documents = asked.document()["preprocessing"]
    expected = fit_treatment(raw["wavelength"], [], documents, used["absorbance"].values, used["api"].values)
    x = raw["absorbance"].values
    found = learnt.treatment(raw["wavelength"].values)(x)
    together = Method.from_document({**asked.document(), "preprocessing": expected}).treatment(simulated.WAVELENGTH)(x)
    np.testing.assert_allclose(found, together, rtol=0, atol=1e-10 * np.abs(together).max())
    # Other batches are not looked at, and learning again changes nothing.
    changed = raw.compute()
    changed["absorbance"][~np.isin(raw["batch"].values.tolist(), CALIBRATION)] += 1.0
    assert learn(asked, changed, CALIBRATION) == learn(asked, raw, CALIBRATION)
    assert learn(learnt, raw, ["V1", "V2"]) == learnt


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS.keys())
def test_from_learning_to_the_line(raw, steps, tmp_path):
    learnt = learn(method(steps, tmp_path), raw, CALIBRATION)
    calibration = calibrate(learnt, raw)
    validation = validate(learnt, calibration, None, raw)
    assert validation.passed
    export(tmp_path / "artefact", learnt, calibration, None, validation, raw, "<html></html>")
    scorer = Scorer.load(tmp_path / "artefact", allow_unreleased=True)
    treated = treat(learnt, raw)["absorbance"].values
    model = calibration.model
    expected = (treated - model.x_mean) @ model.coefficients[-1] + model.y_mean
    np.testing.assert_allclose(scorer.predict(raw["absorbance"].values).value, expected, rtol=1e-10)


def test_a_method_that_has_still_to_learn_is_refused_and_not_calibrated_with_a_leak(raw, tmp_path):
    asked = method(CHAINS["msc, derivative"], tmp_path)
    for work in (treat, treated_by, calibrate):
        with pytest.raises(InputError, match="'msc': it learns from calibration spectra"):
            work(asked, raw)


def test_treating_is_lazy(raw, tmp_path):
    learnt = learn(method(CHAINS["msc, derivative"], tmp_path), raw, CALIBRATION)
    with dask.config.set(scheduler=refuse):
        lazy = treat(learnt, raw.chunk(spectrum=7))
        with pytest.raises(AssertionError, match="something was computed"):
            lazy["absorbance"].compute()
    np.testing.assert_array_equal(compute.load(lazy)["absorbance"], treat(learnt, raw)["absorbance"])


def test_nothing_to_learn_from(raw, tmp_path):
    asked = method(CHAINS["snv, scale"], tmp_path)
    with pytest.raises(InputError, match="at least 1 batch, got 0"):
        learn(asked, raw, [])
    with pytest.raises(SpectraError, match="got 'X1'"):
        learn(asked, raw, ["C1", "X1"])
