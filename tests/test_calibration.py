"""Calibration against scikit-learn, brute force, and simulations of what the limits promise."""

from __future__ import annotations

import copy
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import LeaveOneGroupOut

from pat.calibration import Calibration, calibrate, choose_components, root_mean_square
from pat.core import diagnostics
from pat.core.types import Array
from pat.errors import InputError, SpectraError
from pat.limits import scaled_f_limit, three_moment_limit
from pat.method import Method
from pat.spectra import batch_codes, build, open_store, write_store
from pat.treatment import treat

ROOT = Path(__file__).parents[1]
DOCUMENT = Method.load(ROOT / "models" / "demo" / "method.yaml").document()
AXIS = np.linspace(950.0, 1650.0, 71)
PURE = np.exp(-(((AXIS - np.array([[1120.0], [1250.0], [1400.0], [1530.0]])) / 60.0) ** 2))


def method(**calibration: Any) -> Method:
    document = copy.deepcopy(DOCUMENT)
    document["calibration"] |= {"max_components": 6, **calibration}
    return Method.from_document(document)


def spectra(
    n_batches: int = 9, per_batch: int = 8, seed: int = 1, first: int = 0, p: int = 71, noise: float = 1e-3
) -> xr.Dataset:
    """Simulated mixtures of four bands: each batch has its level of the analyte and its own of the others."""
    rng = np.random.default_rng(seed)
    batch = np.repeat(np.arange(n_batches), per_batch)
    of_batch = rng.normal([10.0, 40.0, 30.0, 5.0], [1.0, 2.0, 2.0, 0.5], (n_batches, 4))
    content = of_batch[batch] + rng.normal(0.0, [0.05, 0.3, 0.3, 0.1], (batch.size, 4))
    pure = np.array([np.interp(np.linspace(950.0, 1650.0, p), AXIS, band) for band in PURE])
    clean = 0.5 + 0.01 * content @ pure
    return build(
        clean * rng.normal(1.0, 0.05, (batch.size, 1)) + rng.normal(0.0, noise, clean.shape),
        wavelength=np.linspace(950.0, 1650.0, p),
        batch=[f"B{first + code:03d}" for code in batch],
        time=np.datetime64("2026-03-02T08:00", "ns") + np.arange(batch.size) * np.timedelta64(10, "s"),
        instrument=["NIR-1"] * batch.size,
        references={"api": (content[:, 0], "% w/w")},
    )


def treated_values(method: Method, ds: xr.Dataset) -> Array:
    return np.asarray(method.treatment(ds["wavelength"].values)(ds["absorbance"].values))


@pytest.fixture(scope="module")
def calibrated() -> Calibration:
    return calibrate(method(), spectra())


def test_cross_validation_is_scikit_learn_s(calibrated: Calibration) -> None:
    """scikit-learn's PLSRegression (scale=False), refitted for every number of components and batch left out."""
    ds = spectra()
    X, y = treated_values(method(), ds), ds["api"].values
    found = calibrated.cross_validation
    a, residuals = calibrated.model.n_components, np.empty_like(X)
    for train, test in LeaveOneGroupOut().split(X, y, batch_codes(ds)):
        for n_components in range(1, 7):
            other = PLSRegression(n_components, scale=False).fit(X[train], y[train])
            np.testing.assert_allclose(found.predicted[test, n_components - 1], other.predict(X[test]), rtol=1e-8)
        other = PLSRegression(a, scale=False).fit(X[train], y[train])
        scores = other.transform(X[test])
        variance = other.transform(X[train]).var(axis=0, ddof=1)
        residual = X[test] - X[train].mean(axis=0) - scores @ other.x_loadings_.T
        np.testing.assert_allclose(found.t2[test], (scores**2 / variance).sum(axis=1), rtol=1e-8)
        np.testing.assert_allclose(found.q[test], (residual**2).sum(axis=1), rtol=1e-8)
        residuals[test] = residual
    # The limits themselves are held against simulation in test_limits and test_coverage.
    confidence = calibrated.method.calibration.scope_confidence
    assert calibrated.q_limit == pytest.approx(three_moment_limit(residuals, batch_codes(ds), confidence), rel=1e-7)
    assert calibrated.t2_limit == pytest.approx(scaled_f_limit(found.t2, batch_codes(ds), confidence))
    assert found.batch.tolist() == ds["batch"].values.tolist()
    np.testing.assert_array_equal(found.reference, y)


def test_model_and_figures(calibrated: Calibration) -> None:
    ds = spectra()
    X, y = treated_values(method(), ds), ds["api"].values
    a, n = calibrated.model.n_components, y.size
    other = PLSRegression(a, scale=False).fit(X, y)
    np.testing.assert_allclose(calibrated.model.coefficients[-1], other.coef_.ravel(), rtol=1e-8)
    figures, cv = calibrated.figures, calibrated.cross_validation
    residual = y - other.predict(X).ravel()
    assert figures["rmsec"] == pytest.approx(math.sqrt((residual**2).sum() / (n - a - 1)))
    error = cv.predicted[:, a - 1] - y
    assert figures["rmsecv"] == pytest.approx(math.sqrt((error**2).mean()))
    assert figures["rmsecv"] == pytest.approx(cv.rmsecv[a - 1])
    assert figures["r2"] == pytest.approx(1 - (error**2).sum() / ((y - y.mean()) ** 2).sum())
    assert figures["bias"] == pytest.approx(error.mean())
    means = [[values.reshape(9, 8).mean(axis=1)] for values in (y, cv.predicted[:, a - 1])]
    assert figures["slope"] == pytest.approx(np.polyfit(means[0][0], means[1][0], 1)[0])
    assert figures["slope_lower"] < figures["slope"]
    assert (figures["n_components"], figures["n_spectra"], figures["n_batches"]) == (a, 72, 9)
    np.testing.assert_array_equal(calibrated.wavelength, AXIS)
    assert calibrated.batches == [f"B{i:03d}" for i in range(9)]


def test_rmsecv_s_standard_error_by_hand() -> None:
    """Equal batches: the standard error of a mean of three mean squares 1, 4, 10, over twice the root of 5."""
    errors = np.sqrt(np.repeat([1.0, 4.0, 10.0], 4))[:, None]
    rms, standard_error = root_mean_square(errors, np.repeat([0, 1, 2], 4))
    assert rms[0] == pytest.approx(math.sqrt(5.0))
    assert standard_error[0] == pytest.approx(np.std([1, 4, 10], ddof=1) / math.sqrt(3) / (2 * math.sqrt(5)))


def test_rmsecv_s_standard_error_is_its_spread() -> None:
    """Simulated: 20 unequal batches with biases of their own; the mean error against the spread of 3000 RMSECV."""
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(20), rng.integers(5, 15, 20))
    errors = rng.normal(0, 0.2, (20, 3000))[codes] + rng.normal(0, 0.1, (codes.size, 3000))
    rms, standard_error = root_mean_square(errors, codes)
    assert standard_error.mean() == pytest.approx(rms.std(), rel=0.1)


@pytest.mark.parametrize(
    ("curve", "rule", "expected"),
    [
        ([3.0, 2.0, 1.0], "first_minimum", 3),
        ([3.0, 2.0, 2.5, 1.0], "first_minimum", 2),
        ([1.0, 2.0, 0.5], "first_minimum", 1),
        ([3.0, 1.0, 1.0, 0.5], "first_minimum", 2),
        ([3.0, 1.4, 1.0, 1.1], "one_standard_error", 2),
        ([3.0, 1.6, 1.0, 1.1], "one_standard_error", 3),
        ([1.0, 2.0, 3.0], "one_standard_error", 1),
    ],
)
def test_rules_for_the_number_of_components(curve: list[float], rule: str, expected: int) -> None:
    assert choose_components(np.array(curve), np.full(len(curve), 0.5), rule) == expected


def test_the_method_s_rule_is_followed() -> None:
    ds = spectra()
    for rule in ("first_minimum", "one_standard_error"):
        found = calibrate(method(component_rule=rule), ds)
        cv = found.cross_validation
        assert found.model.n_components == choose_components(cv.rmsecv, cv.rmsecv_se, rule)


def test_limits_hold_for_new_batches_where_others_would_not() -> None:
    """Simulated: 300 new batches under 8 calibrations on 60 batches each, nominal 5 % of spectra above each limit.

    The other limits take spectra of one batch for independent (F), or the calibration's own residuals (naive).
    """
    above: dict[str, list[float]] = {"t2": [], "q": [], "f": [], "naive": []}
    for seed in range(8):
        ds = spectra(60, 4, seed=seed)
        found = calibrate(method(scope_confidence=0.95, max_components=4), ds)
        _, t2, q = diagnostics.evaluate(found.model, treated_values(found.method, spectra(300, 1, seed=1000 + seed)))
        own = diagnostics.evaluate(found.model, treated_values(found.method, ds))[2]
        above["t2"].append(float(np.mean(t2 > found.t2_limit)))
        above["q"].append(float(np.mean(q > found.q_limit)))
        above["f"].append(float(np.mean(t2 > found.figures["t2_limit_f"])))
        above["naive"].append(float(np.mean(q > np.quantile(own, 0.95))))
    mean = {name: float(np.mean(shares)) for name, shares in above.items()}
    assert 0.03 < mean["t2"] < 0.07
    assert 0.03 < mean["q"] < 0.07
    assert mean["f"] > mean["t2"]
    assert mean["naive"] > mean["q"]


def saved(calibration: Calibration, folder: Path) -> dict[str, bytes]:
    calibration.save(folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_order_of_batches_does_not_matter(calibrated: Calibration, tmp_path: Path) -> None:
    """Batches in another order in the file, and in the request, give the same bytes."""
    ds = spectra()
    rows = (np.array([4, 8, 0, 2, 1, 7, 3, 6, 5])[:, None] * 8 + np.arange(8)).ravel()
    turned = calibrate(method(), ds.isel(spectrum=rows).assign_attrs(sha256="x"), calibrated.batches[::-1])
    straight = calibrate(method(), ds.assign_attrs(sha256="x"))
    assert saved(turned, tmp_path / "a") == saved(straight, tmp_path / "b")


@pytest.mark.requirement("URS-80")
def test_where_it_runs_does_not_matter(
    calibrated: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAT_SCHEDULER", "synchronous")
    assert saved(calibrate(method(), spectra()), tmp_path / "a") == saved(calibrated, tmp_path / "b")


def test_treated_and_raw_spectra_give_the_same_bytes(tmp_path: Path) -> None:
    write_store(spectra(), tmp_path / "raw.zarr")
    raw = open_store(tmp_path / "raw.zarr")
    write_store(treat(method(), raw), tmp_path / "treated.zarr")
    from_treated = calibrate(method(), open_store(tmp_path / "treated.zarr"))
    assert saved(from_treated, tmp_path / "a") == saved(calibrate(method(), raw), tmp_path / "b")
    assert from_treated.data_sha256 == raw.attrs["sha256"]
    np.testing.assert_array_equal(from_treated.wavelength, AXIS)


def test_treat_computes_nothing_yet(tmp_path: Path) -> None:
    write_store(spectra(), tmp_path / "raw.zarr")
    treated = treat(method(), open_store(tmp_path / "raw.zarr"))
    assert treated["absorbance"].chunks is not None
    expected = treated_values(method(), spectra())
    np.testing.assert_array_equal(treated["absorbance"].values, expected)


def test_spectra_of_another_treatment_are_refused() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["preprocessing"] = [{"step": "snv"}]
    with pytest.raises(InputError, match="were not treated as method demo says: expected .*savitzky_golay"):
        calibrate(method(), treat(Method.from_document(document), spectra()))


def test_a_method_with_a_baseline_step() -> None:
    """By the chain itself: the model of the baseline method is that of spectra which it has treated."""
    with_baseline = Method.load(ROOT / "tests" / "data" / "method_with_baseline.yaml")
    ds = spectra(5, 6)
    found = calibrate(with_baseline, ds)
    X = treated_values(with_baseline, ds)
    other = PLSRegression(found.model.n_components, scale=False).fit(X, ds["api"].values)
    np.testing.assert_allclose(found.model.coefficients[-1], other.coef_.ravel(), rtol=1e-6, atol=1e-9)


def test_batches_with_the_role_are_the_default() -> None:
    ds = spectra()
    roles = ["validation", "validation", *["calibration"] * 7]
    ds["role"] = ("batch_id", np.array(roles, dtype=np.dtypes.StringDType()))
    assert calibrate(method(), ds).batches == [f"B{i:03d}" for i in range(2, 9)]
    assert calibrate(method(), ds, ["B000", "B001", "B002", "B003"]).batches == ["B000", "B001", "B002", "B003"]


def test_spectra_without_reference_are_counted_and_left_out() -> None:
    ds, holed = spectra(), spectra()
    holed["api"][[1, 9, 71]] = np.nan
    found = calibrate(method(), holed)
    other = calibrate(method(), ds.isel(spectrum=np.flatnonzero(~np.isnan(holed["api"].values))))
    assert found.figures["n_missing"] == 3
    np.testing.assert_allclose(found.cross_validation.predicted, other.cross_validation.predicted, rtol=1e-10)


def test_batches_without_any_reference_are_not_calibrated_on_by_default() -> None:
    ds = spectra()
    ds["api"][:8] = np.nan
    assert calibrate(method(), ds).batches == [f"B{i:03d}" for i in range(1, 9)]


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (["B000", "B001"], "at least 3 batches, got 2"),
        (["B000", "B001", "B999"], "'B999' is not among the spectra"),
        (["B000", "B001", "B008"], "'B008' has no reference value"),
    ],
)
def test_batches_that_cannot_be_calibrated_on(batches: list[str], message: str) -> None:
    ds = spectra()
    ds["api"][64:] = np.nan
    with pytest.raises(InputError, match=message):
        calibrate(method(), ds, batches)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"analyte": {**DOCUMENT["analyte"], "name": "caffeine"}}, "the method's analyte is `caffeine`"),
        ({"analyte": {**DOCUMENT["analyte"], "units": "mg"}}, "`api` must be in 'mg', as the method says, got '% w/w'"),
        (
            {"calibration": {**DOCUMENT["calibration"], "max_components": 64}},
            r"must be at most 63 for these spectra \(64 without",
        ),
        ({"spectra": {"ranges": [[960, 1050]]}}, "must be at most 10 .* at 10 wavelengths., got 11"),
    ],
)
def test_a_method_that_the_spectra_do_not_fit(change: dict[str, Any], message: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["calibration"]["max_components"] = 11
    with pytest.raises(InputError, match=message):
        calibrate(Method.from_document({**document, **change}), spectra())


def test_more_components_than_the_spectra_hold() -> None:
    """Without noise, one band on a constant background varies in one direction alone."""
    document = copy.deepcopy(DOCUMENT)
    document["preprocessing"] = []
    document["spectra"]["saturation"] = None
    exact = spectra()
    exact["absorbance"] = exact["absorbance"].copy(data=exact["api"].values[:, None] * PURE[0] + PURE[1])
    with pytest.raises(InputError, match="calibration.max_components must be at most 1: without batch 'B00"):
        calibrate(Method.from_document(document), exact)


def test_a_flat_spectrum_is_named() -> None:
    ds = spectra()
    ds["absorbance"][17] = 0.5
    with pytest.raises(SpectraError, match="`absorbance` row 1 of batch 'B002': expected finite values"):
        calibrate(method(), ds)


def test_what_was_saved_comes_back(calibrated: Calibration, tmp_path: Path) -> None:
    calibrated.save(tmp_path / "calibration")
    loaded = Calibration.load(tmp_path / "calibration")
    assert loaded.method == calibrated.method
    assert (loaded.t2_limit, loaded.q_limit) == (calibrated.t2_limit, calibrated.q_limit)
    assert (loaded.figures, loaded.batches) == (calibrated.figures, calibrated.batches)
    assert (loaded.data_sha256, loaded.lots) == (calibrated.data_sha256, calibrated.lots)
    assert loaded.sha256 == calibrated.sha256
    np.testing.assert_array_equal(loaded.wavelength, calibrated.wavelength)
    for name, expected in vars(calibrated.cross_validation).items():
        np.testing.assert_array_equal(getattr(loaded.cross_validation, name), expected)
    for name, expected in vars(calibrated.model).items():
        np.testing.assert_array_equal(getattr(loaded.model, name), expected)


def test_a_figure_that_does_not_exist_is_null_in_the_file(calibrated: Calibration, tmp_path: Path) -> None:
    """Every batch at the same mean content: there is no slope through batch means."""
    ds = spectra()
    ds["api"][:] = 10.0 + np.tile(np.linspace(-1.0, 1.0, 8), 9)
    found = calibrate(method(max_components=1), ds)
    found.save(tmp_path / "calibration")
    assert json.loads((tmp_path / "calibration" / "calibration.json").read_text())["figures"]["slope_lower"] is None
    assert math.isnan(Calibration.load(tmp_path / "calibration").figures["slope_lower"])


def test_a_calibration_replaces_another_and_nothing_else(calibrated: Calibration, tmp_path: Path) -> None:
    empty, other = tmp_path / "empty", tmp_path / "other"
    empty.mkdir()
    first = saved(calibrated, empty)
    assert saved(calibrate(method(max_components=1), spectra()), empty) != first
    assert saved(calibrated, empty) == first
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    for target in (other, other / "letter.txt"):
        with pytest.raises(InputError, match="got something else"):
            calibrated.save(target)
    assert (other / "letter.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["calibration.json", "calibration.npz"])
@pytest.mark.parametrize("damage", ["absent", "empty", "half"])
def test_a_damaged_calibration_is_an_input_error(
    calibrated: Calibration, tmp_path: Path, name: str, damage: str
) -> None:
    calibrated.save(tmp_path / "calibration")
    path = tmp_path / "calibration" / name
    data = path.read_bytes()
    path.unlink()
    if damage != "absent":
        path.write_bytes(data[: len(data) // 2] if damage == "half" else b"")
    with pytest.raises(InputError, match="expected a calibration"):
        Calibration.load(tmp_path / "calibration")


def test_limits_that_somebody_edited_are_refused(calibrated: Calibration, tmp_path: Path) -> None:
    calibrated.save(tmp_path / "calibration")
    path = tmp_path / "calibration" / "calibration.json"
    document = json.loads(path.read_text())
    document["limits"]["hotelling_t2"] *= 10.0
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"calibration\.json is damaged or was edited: run `pat calibrate` again"):
        Calibration.load(tmp_path / "calibration")


def test_arrays_of_another_calibration_are_refused(calibrated: Calibration, tmp_path: Path) -> None:
    calibrated.save(tmp_path / "a")
    calibrate(method(max_components=1), spectra()).save(tmp_path / "b")
    shutil.copy(tmp_path / "b" / "calibration.npz", tmp_path / "a")
    with pytest.raises(InputError, match=r"one whose calibration\.npz is damaged or of another calibration"):
        Calibration.load(tmp_path / "a")


def test_saturated_calibration_spectra_are_refused_raw_or_treated() -> None:
    ds = spectra()
    ds["absorbance"] = ds["absorbance"].copy()
    ds["absorbance"][[3, 9, 10], 5] = 2.6  # the demo's method says 2.5; a spectrum of B000, and two of B001
    message = r"below saturation \(2\.5 AU\), got 3 that do not, of batches B000 \(1\), B001 \(2\)"
    for given in (ds, treat(method(), ds)):
        with pytest.raises(InputError, match=message):
            calibrate(method(), given)
    # What has no reference value enters no model.
    ds["api"][[3, 9, 10]] = np.nan
    assert calibrate(method(), ds).figures["n_missing"] == 3
    with pytest.raises(InputError, match="must keep `raw_peak` of the raw ones"):
        calibrate(method(), treat(method(), ds).drop_vars("raw_peak"))


def test_lots_are_those_of_the_calibration_batches() -> None:
    ds = spectra()
    names = ds["batch_id"].values.tolist()
    lots = np.array([f"L{i // 2}" if i else "" for i in range(len(names))], dtype=np.dtypes.StringDType())
    found = calibrate(method(), ds.assign(lot=("batch_id", lots)), names[:4])
    assert found.lots == {"B001": "L0", "B002": "L1", "B003": "L1"}


def test_a_method_with_two_ranges_treats_into_a_store_and_calibrates_the_same(tmp_path: Path) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["spectra"]["ranges"] = [[960.0, 1200.0], [1350.0, 1640.0]]
    document["calibration"]["max_components"] = 4
    two, raw = Method.from_document(document), spectra(p=121)
    write_store(treat(two, raw), tmp_path / "treated.zarr")
    from_store = calibrate(two, open_store(tmp_path / "treated.zarr"))
    np.testing.assert_array_equal(from_store.model.coefficients, calibrate(two, raw).model.coefficients)
