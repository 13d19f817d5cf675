"""What is left out together, and that cross-validation by it is what scikit-learn does with those groups."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import LeaveOneGroupOut

from pat.calibration import Calibration, calibrate, root_mean_square
from pat.calibration.folds import fold_names
from pat.errors import InputError
from tests.calibration.mixtures import method, mixtures

NAMES = [f"B{i:03d}" for i in range(12)]


def test_folds_by_hand():
    ds = mixtures()
    assert fold_names(ds, "batch") == np.repeat(NAMES, 5).tolist()
    assert fold_names(ds, "lot") == np.repeat([f"L{i // 3}" for i in range(12)], 5).tolist()
    assert fold_names(ds, "day") == np.repeat([f"2026-03-{2 + i // 2:02d}" for i in range(12)], 5).tolist()


def test_a_batch_that_runs_past_midnight_belongs_to_the_day_when_it_began():
    ds = mixtures(3, 4)
    start = np.datetime64("2026-03-02T23:58", "ns")
    minutes = np.arange(12) + np.repeat([0, 1440, 2880], 4)
    ds["time"] = ("spectrum", start + minutes.astype("timedelta64[m]"))
    assert fold_names(ds, "day") == np.repeat(["2026-03-02", "2026-03-04", "2026-03-05"], 4).tolist()


def test_a_coordinate_that_is_the_same_in_a_batch():
    instruments = np.repeat(["NIR-1", "NIR-2", "NIR-3", "NIR-1"], 15).tolist()
    assert fold_names(mixtures(instrument=instruments), "instrument") == instruments


@pytest.mark.parametrize("by", ["instrument", "random", "api"])
def test_folds_that_split_a_batch_are_refused_unless_told(by):
    with pytest.raises(InputError, match=rf"`{by}` would split batch 'B000' .* or say split_batches=True"):
        fold_names(mixtures(), by)
    with pytest.raises(InputError, match="would split batch"):
        calibrate(method(folds=by), mixtures())
    names = fold_names(mixtures(), by, split_batches=True)
    assert len(names) == 60


def test_random_folds_are_ten_of_equal_size_and_always_the_same():
    names = fold_names(mixtures(), "random", split_batches=True)
    assert np.unique(names, return_counts=True)[1].tolist() == [6] * 10
    assert names == fold_names(mixtures(seed=2), "random", split_batches=True)
    # Where every batch is one spectrum, random folds split none.
    assert len(set(fold_names(mixtures(30, 1), "random"))) == 10


def test_what_spectra_do_not_have_is_named():
    with pytest.raises(InputError, match="expected day, random or one of api, batch, .*lot, .*got 'shift'"):
        fold_names(mixtures(), "shift")
    with pytest.raises(InputError, match="expected day, random or one of"):
        fold_names(mixtures(), "wavelength")
    ds = mixtures()
    ds["lot"][4] = ""
    with pytest.raises(InputError, match="expected a value of `lot` for every batch, got none for batch 'B004'"):
        fold_names(ds, "lot")
    ds["speed"] = ("batch_id", np.where(np.arange(12) == 7, np.nan, 12.0))
    with pytest.raises(InputError, match="got none for batch 'B007'"):
        fold_names(ds, "speed")


def test_too_few_folds():
    with pytest.raises(InputError, match="cross-validation by lot needs at least 3 folds, got 2"):
        calibrate(method(folds="lot"), mixtures(), [f"B{i:03d}" for i in range(6)])
    with pytest.raises(InputError, match=r"at most 3 for these spectra \(4 without the largest fold"):
        calibrate(method(folds="lot"), mixtures(9, 1), NAMES[:7])


@pytest.mark.parametrize("by", ["batch", "lot", "day", "instrument", "random"])
def test_cross_validation_is_scikit_learn_s_with_those_groups(by):
    ds = mixtures(seed=3)
    ds["api"][[2, 17, 33]] = np.nan
    found = calibrate(method(folds=by), ds, split_batches=True).cross_validation
    known = ~np.isnan(ds["api"].values)
    X, y = ds["absorbance"].values[known], ds["api"].values[known]
    names = np.array(fold_names(ds, by, split_batches=True))[known]
    codes = np.unique(names, return_inverse=True)[1]
    expected = np.empty((y.size, 4))
    for train, test in LeaveOneGroupOut().split(X, y, codes):
        for a in range(1, 5):
            expected[test, a - 1] = PLSRegression(a, scale=False).fit(X[train], y[train]).predict(X[test])
    np.testing.assert_array_equal(found.batch, np.repeat(NAMES, 5)[known])
    np.testing.assert_array_equal(found.fold, names)
    np.testing.assert_allclose(found.predicted, expected, rtol=1e-8)
    rmsecv, standard_error = root_mean_square(expected - y[:, None], codes)
    np.testing.assert_allclose(found.rmsecv, rmsecv, rtol=1e-7)
    np.testing.assert_allclose(found.rmsecv_se, standard_error, rtol=1e-6)


def test_a_lot_that_gives_itself_away_is_seen_only_when_whole_lots_are_left_out():
    """Each lot shifts its spectra and, unrelated to that, its references: its other batches give the latter away."""
    errors: dict[str, list[float]] = {"batch": [], "lot": []}
    for seed in range(5):
        ds, rng = mixtures(18, 5, seed=seed), np.random.default_rng(100 + seed)
        shift, bias = 0.1 * rng.standard_normal((6, 36)), rng.standard_normal(6)
        ds["absorbance"] = ds["absorbance"].copy(data=ds["absorbance"].values + np.repeat(shift, 15, axis=0))
        ds["api"][:] = ds["api"].values + np.repeat(bias, 15)
        for by in errors:
            errors[by].append(calibrate(method(folds=by, max_components=8), ds).figures["rmsecv"])
    assert np.mean(errors["lot"]) > 1.2 * np.mean(errors["batch"])


def test_van_der_voet_as_the_methods_rule_and_what_is_saved(tmp_path):
    found = calibrate(method(folds="lot", component_rule="one_standard_error"), mixtures(seed=4))
    found.save(tmp_path / "calibration")
    loaded = Calibration.load(tmp_path / "calibration")
    np.testing.assert_array_equal(loaded.cross_validation.fold, found.cross_validation.fold)
    assert loaded.method.calibration.folds == "lot"
    with pytest.raises(InputError, match="needs at least 5 groups to leave out, got 4"):
        calibrate(method(folds="lot", component_rule="van_der_voet"), mixtures(seed=4))
    by_batch = calibrate(method(component_rule="van_der_voet"), mixtures(seed=4))
    assert 1 <= by_batch.model.n_components <= 4
