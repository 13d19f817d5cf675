"""Treatment in the laboratory: lazy, learnt batch by batch, and the same numbers through calibration and artefact."""

from __future__ import annotations

from typing import Any

import dask
import numpy as np
import pytest
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline

from pat import compute, estimators
from pat.calibration import Calibration, calibrate
from pat.core.preprocess import fit_treatment
from pat.errors import InputError, SpectraError
from pat.export import export
from pat.method import Method
from pat.scorer import Scorer
from pat.spectra import build, open_store, select_batches, write_store
from pat.treatment import learn, steps_with_levels, treat, treated_by
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
    asked = method(steps, tmp_path)
    calibrate(asked, raw).save(tmp_path / "calibration")
    calibration = Calibration.load(tmp_path / "calibration")
    assert calibration.method == asked
    assert calibration.learnt == learn(asked, raw, CALIBRATION)
    validation = validate(asked, calibration, None, raw)
    assert validation.passed
    export(tmp_path / "artefact", asked, calibration, None, validation, raw, "<html></html>")
    scorer = Scorer.load(tmp_path / "artefact", allow_unreleased=True)
    treated = treat(calibration.learnt, raw)["absorbance"].values
    model = calibration.model
    expected = (treated - model.x_mean) @ model.coefficients[-1] + model.y_mean
    np.testing.assert_allclose(scorer.predict(raw["absorbance"].values).value, expected, rtol=1e-10)


def test_a_method_that_has_still_to_learn_treats_nothing(raw, tmp_path):
    asked = method(CHAINS["msc, derivative"], tmp_path)
    for work in (treat, treated_by):
        with pytest.raises(InputError, match="'msc': it learns from calibration spectra"):
            work(asked, raw)


@pytest.mark.parametrize("steps", [CHAINS["msc, derivative"], CHAINS["snv, osc"]], ids=["msc", "osc"])
def test_treated_spectra_teach_nothing(raw, steps, tmp_path):
    asked = method(steps, tmp_path)
    treated = treat(learn(asked, raw), raw)
    for work in (learn, calibrate):
        with pytest.raises(InputError, match="`(msc|osc)` must learn anew .*: expected raw spectra, got treated ones"):
            work(asked, treated)


def test_a_spectrum_without_a_reference_value_teaches_nothing(raw, tmp_path):
    asked = method(CHAINS["emsc, centre"], tmp_path)
    changed = raw.copy(deep=True).compute()
    changed["api"][3], changed["absorbance"][3] = np.nan, 5.0
    blank = raw.copy(deep=True).compute()
    blank["api"][3] = np.nan
    assert learn(asked, changed) == learn(asked, blank, CALIBRATION)
    changed["api"][:] = np.nan
    with pytest.raises(InputError, match="`emsc` learns from at least 1 spectrum, got 0"):
        learn(asked, changed, CALIBRATION)


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


BAND = np.exp(-(((simulated.WAVELENGTH - 1180.0) / 25.0) ** 2))
WATER = ("wet-0", "wet-1", "wet-2")


def moist(role="interference"):
    """The campaign, its validation batches moist, and one powder at three levels of moisture (simulated)."""
    rng, ds = np.random.default_rng(3), dataset()
    new = np.isin(np.array(ds["batch"].values.tolist()), ["V1", "V2", "V3", "V4"])
    water = np.where(new, rng.uniform(0.0, 0.05, new.size), 0.0)
    x = np.concatenate([ds["absorbance"].values + water[:, None] * BAND] + [
        simulated.spectra(np.full(4, 10.0), seed=40 + i) + 0.02 * i * BAND for i in range(3)
    ])  # fmt: skip
    names = [*ds["batch_id"].values.tolist(), *WATER]
    return build(
        x,
        wavelength=simulated.WAVELENGTH,
        batch=[*ds["batch"].values.tolist(), *np.repeat(WATER, 4).tolist()],
        time=np.datetime64("2026-03-02T08:00", "ns") + np.arange(len(x)) * np.timedelta64(10, "s"),
        instrument=["NIR-1"] * len(x),
        references={"api": (np.concatenate([ds["api"].values, np.full(12, np.nan)]), "% w/w")},
        facts={"batch_id": names, "role": [*ds["role"].values.tolist(), *[role] * 3]},
    )


@pytest.mark.parametrize("spectra", ["interference", {"batches": list(WATER[::-1])}], ids=["role", "batches"])
@pytest.mark.parametrize("before", [{"step": "snv"}, {"step": "msc", "reference": "calibration"}], ids=["snv", "msc"])
def test_epo_learns_a_disturbance_from_batches_of_its_own(spectra, before, tmp_path):
    ds, plain = moist(), method([before], tmp_path)
    asked = method([before, {"step": "epo", "spectra": spectra, "n_components": 1}], tmp_path)
    calibration = calibrate(asked, ds)
    # By hand: means of the treated spectra of each level, less their mean.
    x, batch = treat(learn(plain, ds), ds)["absorbance"].values, np.array(ds["batch"].values.tolist())
    means = np.array([x[batch == name].mean(axis=0) for name in WATER])
    np.testing.assert_allclose(calibration.steps[1]["spectra"], means - means.mean(axis=0), rtol=0, atol=1e-12)
    validation = validate(asked, calibration, None, ds)
    disturbed = validate(plain, calibrate(plain, ds), None, ds)
    assert validation.document["figures"]["rmsep"] < 0.5 * disturbed.document["figures"]["rmsep"]
    export(tmp_path / "artefact", asked, calibration, None, validation, ds, "<html></html>")
    scorer = Scorer.load(tmp_path / "artefact", allow_unreleased=True)
    in_order = np.isin(batch, ["V1", "V2", "V3", "V4"])
    found = scorer.predict(ds["absorbance"].values[in_order]).value
    np.testing.assert_allclose(found, validation.predictions["predicted"], rtol=1e-10)


def test_estimators_learn_what_a_calibration_does(tmp_path):
    """scikit-learn's own leave-one-group-out around `Treat` and PLS predicts what `calibrate` does."""
    ds = moist()
    steps: list[dict[str, Any]] = [
        {"step": "msc"},
        {"step": "epo", "spectra": "interference", "n_components": 1},
        *CHAINS["snv, osc"],
    ]
    asked = method(steps, tmp_path)
    calibration = calibrate(asked, ds)
    used = select_batches(ds, CALIBRATION)
    groups = np.unique(np.array(used["batch"].values.tolist()), return_inverse=True)[1]
    plain = steps_with_levels(asked, ds, CALIBRATION)
    chain = make_pipeline(
        estimators.Treat(plain, wavelength=simulated.WAVELENGTH), estimators.PLSRegression(2, scale=False)
    )
    x, y = used["absorbance"].values, used["api"].values
    found = cross_val_predict(chain, x, y, groups=groups, cv=LeaveOneGroupOut())
    np.testing.assert_allclose(found.ravel(), calibration.cross_validation.predicted[:, 1], rtol=1e-8)
    treated = chain[0].fit(x, y).transform(x)
    expected = treat(calibration.learnt, used)["absorbance"].values
    np.testing.assert_allclose(treated, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("spectra", "role", "message"),
    [
        ({"batches": ["wet-0", "wet-9"]}, "interference", "'wet-9', which is not among the spectra"),
        ({"batches": ["wet-0", "C1"]}, "interference", "role `interference`, got 'C1', a batch of the calibration"),
        ({"batches": ["wet-0", "V1"]}, "interference", "role `interference`, got 'V1', one with the role 'validation'"),
        ("interference", "held_out", "2 or more levels of a disturbance, got 0"),
        ({"batches": ["wet-0", "wet-1"]}, "held_out", "got 'wet-0', one with the role 'held_out'"),
    ],
)
def test_what_epo_cannot_learn_from(spectra, role, message, tmp_path):
    asked = method([{"step": "epo", "spectra": spectra, "n_components": 1}], tmp_path)
    with pytest.raises(InputError, match=message):
        calibrate(asked, moist(role))
    with pytest.raises(InputError, match="'epo': it learns from batches of a store"):
        treat(asked, moist(role))
