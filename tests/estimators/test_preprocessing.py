"""The transformers keep scikit-learn's contract, give the core's numbers, and carry the wavelength axis."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from pat import estimators
from pat.core.preprocess import Treatment, fit_treatment
from pat.errors import InputError
from pat.estimators.step import Step
from tests.core.preprocess.chains import AXIS, STEPS, references, spectra


class FilledEPO(estimators.EPO):
    """EPO with difference spectra of whatever size the checks bring."""

    def _documents(self) -> list[dict[str, Any]]:
        return [{"step": "epo", "spectra": np.ones((1, self.n_features_in_)), "n_components": self.n_components}]


# Checks that bring spectra of 2 wavelengths, where these steps have nothing to work on, and say so.
TWO_WAVELENGTHS = {
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_n_features_in",
    "check_readonly_memmap_input",
}
# Checks that bring centred spectra, whose mean is zero and no reference.
CENTRED = {
    "check_transformer_data_not_an_array",
    "check_transformer_general",
    "check_transformer_preserve_dtypes",
}
CHECKED: list[tuple[Step, set[str]]] = [
    (estimators.Absorbance(), set()),
    (estimators.SNV(), set()),
    (estimators.RobustNormalVariate(), set()),
    (estimators.Normalise(), set()),
    (estimators.SelectRanges(), set()),
    (estimators.Interpolate(), set()),
    (estimators.Centre(), set()),
    (estimators.Scale(), set()),
    (FilledEPO(), set()),
    (estimators.OSC(), set()),
    (estimators.Treat(), set()),
    (estimators.Treat([{"step": "detrend", "degree": 0}, {"step": "centre"}]), set()),
    # The model of an offset and a reference is as large as the spectrum.
    (estimators.MSC(), TWO_WAVELENGTHS | CENTRED),
    (estimators.EMSC(degree=0), TWO_WAVELENGTHS | CENTRED),
    # A straight line goes through any 2 points, and pybaselines wants more of them.
    (estimators.Detrend(), TWO_WAVELENGTHS),
    (estimators.Baseline(), TWO_WAVELENGTHS),
    # The window is longer than the spectrum.
    (estimators.SavitzkyGolay(3, 1, 1), TWO_WAVELENGTHS),
    (estimators.SavitzkyGolay(3, 2, 0), TWO_WAVELENGTHS),
    (estimators.GapSegment(1, 1, 1), TWO_WAVELENGTHS),
]


@pytest.mark.parametrize(("estimator", "expected"), CHECKED, ids=[repr(estimator)[:60] for estimator, _ in CHECKED])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning", "ignore:.*invalid value.*:RuntimeWarning")
def test_scikit_learn_s_checks_pass_but_for_those_named(estimator, expected):
    found = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(found) > 40
    failed = {check["check_name"]: str(check["exception"]) for check in found if check["status"] == "failed"}
    assert set(failed) == expected, failed


def test_every_transformer_is_checked():
    assert {type(estimator).__name__ for estimator, _ in CHECKED} - {"FilledEPO"} == {
        name for name in estimators.__all__ if name not in ("EPO", "PLSRegression", "Standardise")
    }


def _made(name: str) -> Step:
    exported = [getattr(estimators, kind) for kind in estimators.__all__]
    kinds = {kind._step: kind for kind in exported if issubclass(kind, Step)}
    parameters = {key: value for key, value in STEPS[name].items() if key not in ("step", "directions")}
    made: Step = kinds[name](**parameters, wavelength=AXIS)
    return made


@pytest.mark.parametrize("name", STEPS)
def test_a_transformer_gives_the_bits_of_the_core(name):
    x, y, fresh = spectra(40), references(40), spectra(25, seed=5)
    made = _made(name).fit(x, y)
    treat = Treatment(AXIS, [], fit_treatment(AXIS, [], [STEPS[name]], x, y))
    np.testing.assert_array_equal(made.transform(fresh), treat(fresh))
    np.testing.assert_array_equal(made.wavelength_, treat.wavelength)
    np.testing.assert_array_equal(made.wavelength_in_, AXIS)
    for again in (clone(made).fit(x, y), pickle.loads(pickle.dumps(made))):
        np.testing.assert_array_equal(again.transform(fresh), treat(fresh))


@pytest.mark.parametrize("name", STEPS)
def test_names_and_axis_survive_in_frames(name):
    x = pd.DataFrame(spectra(30), columns=[f"{nm:.4f}" for nm in AXIS], index=[f"s{i}" for i in range(30)])
    made = _made(name).set_params(wavelength=None).set_output(transform="pandas")
    found = made.fit_transform(x, references(30))
    axis = np.array([float(column) for column in x.columns])
    np.testing.assert_array_equal(made.wavelength_in_, axis)
    np.testing.assert_array_equal([float(column) for column in found.columns], made.wavelength_)
    assert list(found.columns) == list(made.get_feature_names_out())
    assert list(found.index) == list(x.index)
    kept = np.isin(made.wavelength_, axis)
    assert list(found.columns[kept]) == [c for c in x.columns if float(c) in made.wavelength_]


def test_the_axis_goes_through_a_pipeline_in_the_names_of_the_columns():
    x = pd.DataFrame(spectra(12), columns=AXIS.astype(str))
    pipeline = make_pipeline(
        estimators.SNV(),
        estimators.GapSegment(1, 3, 3),
        estimators.SelectRanges([(1000.0, 1600.0)]),
        estimators.Interpolate({"low": 1010.0, "high": 1590.0, "spacing": 5.0}),
    ).set_output(transform="pandas")
    found = pipeline.fit_transform(x)
    chain: list[dict[str, Any]] = [
        {"step": "snv"},
        {"step": "gap_segment", "deriv": 1, "segment": 3, "gap": 3},
        {"step": "select", "ranges": [[1000.0, 1600.0]]},
        {"step": "interpolate", "target": {"low": 1010.0, "high": 1590.0, "spacing": 5.0}},
    ]
    treat = Treatment(AXIS, [], chain)
    np.testing.assert_allclose(found, treat(x.to_numpy()), rtol=0, atol=1e-12)
    np.testing.assert_allclose([float(name) for name in found.columns], treat.wavelength, rtol=1e-15)
    whole = estimators.Treat(chain).fit(x)
    np.testing.assert_array_equal(whole.transform(x), treat(x.to_numpy()))


def test_without_any_axis_channels_are_counted():
    x = spectra(5)
    made = estimators.SavitzkyGolay(9, 2, 1).fit(x)
    np.testing.assert_array_equal(made.wavelength_, np.arange(85.0))
    np.testing.assert_allclose(
        made.transform(x), estimators.SavitzkyGolay(9, 2, 1, wavelength=AXIS).fit_transform(x) * (AXIS[1] - AXIS[0])
    )
    assert list(made.get_feature_names_out()[:2]) == ["x0", "x1"]
    named = pd.DataFrame(x, columns=[f"channel {i}" for i in range(85)])
    made.fit(named)
    np.testing.assert_array_equal(made.wavelength_, np.arange(85.0))
    assert made.get_feature_names_out()[84] == "channel 84"


def test_numbers_that_are_no_axis_are_refused():
    falling = pd.DataFrame(spectra(5), columns=AXIS[::-1].astype(str))
    with pytest.raises(InputError, match="strictly increasing"):
        estimators.SNV().fit(falling)
    with pytest.raises(InputError, match=r"`wavelength` must have 85 values, got shape \(84,\)"):
        estimators.SNV(wavelength=AXIS[1:]).fit(spectra(5))


def test_names_asked_for_must_fit():
    made = estimators.SNV().fit(pd.DataFrame(spectra(5), columns=AXIS.astype(str)))
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        made.get_feature_names_out([f"a{i}" for i in range(85)])
    with pytest.raises(ValueError, match=r"number of features \(85\), got 2"):
        made.get_feature_names_out(["a", "b"])


def test_epo_without_spectra_says_what_it_needs():
    with pytest.raises(InputError, match="'epo'.*spectra"):
        estimators.EPO().fit(spectra(5))


def test_cross_validation_learns_the_reference_anew_in_every_fold():
    x = spectra(30)
    y = x[:, 40] - x[:, 10] + 0.01 * references(30)
    folds = KFold(3)
    found = cross_val_predict(make_pipeline(estimators.MSC(), PLSRegression(3, scale=False)), x, y, cv=folds)
    for train, test in folds.split(x):
        treat = Treatment(AXIS, [], fit_treatment(AXIS, [], [{"step": "msc"}], x[train]))
        model = PLSRegression(3, scale=False).fit(treat(x[train]), y[train])
        np.testing.assert_allclose(found[test], model.predict(treat(x[test])).ravel(), rtol=1e-9)


def test_parameters_can_be_searched():
    x, y = spectra(30), references(30)
    search = GridSearchCV(
        make_pipeline(estimators.SavitzkyGolay(polyorder=2), PLSRegression(2)),
        {"savitzkygolay__window": [5, 9], "savitzkygolay__deriv": [0, 1]},
        cv=3,
        error_score="raise",
    ).fit(x, y)
    assert len(search.cv_results_["params"]) == 4


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (estimators.EPO, {}, "'epo': expected `spectra`, got nothing for it"),
        (
            estimators.EPO,
            {"spectra": [[1.0] * 6], "n_components": 1.5},
            "'epo': `n_components` must be a whole number, got 1.5",
        ),
        (estimators.SavitzkyGolay, {"window": "9"}, "'savitzky_golay': `window` must be a whole number, got '9'"),
        (estimators.SavitzkyGolay, {"polyorder": 2.0}, "'savitzky_golay': `polyorder` must be a whole number, got 2.0"),
        (estimators.SavitzkyGolay, {"deriv": True}, "'savitzky_golay': `deriv` must be a whole number, got True"),
        (estimators.GapSegment, {"segment": 2.5}, "'gap_segment': `segment` must be a whole number, got 2.5"),
        (estimators.Detrend, {"degree": "1"}, "'detrend': `degree` must be a whole number, got '1'"),
        (estimators.OSC, {"n_components": "1"}, "`n_components` must be a whole number, got '1'"),
        (estimators.MSC, {"reference": "mean"}, "`reference` of `msc` must be numbers or `calibration`, got 'mean'"),
        (estimators.Scale, {"deviation": "mean"}, "`deviation` of `scale` must be numbers or `calibration`, got"),
        (estimators.SelectRanges, {"ranges": [1000.0, 1100.0]}, r"'select': `ranges` must be pairs \[low, high\] \(nm"),
        (estimators.SelectRanges, {"ranges": "all"}, "'select': `ranges` must be pairs .*, got 'all'"),
        (estimators.Interpolate, {"target": "fine"}, "'interpolate': could not convert string to float: 'fine'"),
        (estimators.Baseline, {"wavelength": [1.0, 2.0]}, "'baseline': a baseline needs at least 3 wavelengths, got 2"),
        (estimators.Treat, {"steps": [{"step": "snv", "x": 3}]}, "'snv': expected no parameter, got `x`"),
        (estimators.Treat, {"steps": ["snv"]}, "`steps` must be mappings, such as .*, got 'snv'"),
    ],
)
def test_a_wrong_parameter_says_what_was_expected_and_what_came(kind, given, message):
    x = np.random.default_rng(1).normal(size=(8, len(given.get("wavelength", range(6)))))
    with pytest.raises(InputError, match=message):
        kind(**given).fit(x, x[:, 0])
