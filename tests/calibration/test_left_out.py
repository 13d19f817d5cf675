"""What cross-validation leaves out at a time: batches, lots or days, against scikit-learn and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from pat.calibration import Calibration, calibrate
from pat.calibration.folds import left_out
from pat.core import diagnostics, pls
from pat.errors import InputError
from pat.spectra import batch_codes
from tests.test_calibration import AXIS, method, spectra, treated_values

LOTS = ("L2", "L1", "L2", "L3", "L1", "L4", "L3", "L2", "L4")
"""Of nine batches: lots of different sizes, whose batches do not stand together."""


def with_fact(name: str, values: object, ds: xr.Dataset | None = None) -> xr.Dataset:
    given = spectra() if ds is None else ds
    array = np.array(values, dtype=np.dtypes.StringDType() if isinstance(values[0], str) else float)  # type: ignore[index]
    return given.assign({name: ("batch_id", array)})


def lot_codes(ds: xr.Dataset) -> np.ndarray:
    return np.unique(LOTS, return_inverse=True)[1][batch_codes(ds)]


@pytest.fixture(scope="module")
def by_lot() -> Calibration:
    return calibrate(method(folds="lot"), with_fact("lot", LOTS))


def test_lots_left_out_are_scikit_learn_s_groups(by_lot: Calibration) -> None:
    """scikit-learn: cross_val_predict of PLSRegression (scale=False) over LeaveOneGroupOut, groups = lots."""
    ds = spectra()
    X, y, lots = treated_values(method(), ds), ds["api"].values, lot_codes(spectra())
    found = by_lot.cross_validation
    for a in range(1, 7):
        other = cross_val_predict(PLSRegression(a, scale=False), X, y, groups=lots, cv=LeaveOneGroupOut())
        np.testing.assert_allclose(found.predicted[:, a - 1], other, rtol=1e-8)
        assert found.rmsecv[a - 1] == pytest.approx(math.sqrt(np.mean((other - y) ** 2)), rel=1e-8)
    assert found.batch.tolist() == ds["batch"].values.tolist()
    np.testing.assert_array_equal(found.reference, y)
    assert (by_lot.figures["n_folds"], by_lot.figures["n_batches"]) == (4, 9)


def test_t2_and_q_are_those_under_the_model_without_the_lot(by_lot: Calibration) -> None:
    """Brute force: the model fitted anew to the spectra of all other lots."""
    ds = spectra()
    X, y, lots = treated_values(method(), ds), ds["api"].values, lot_codes(ds)
    a = by_lot.model.n_components
    for lot in range(4):
        rest, own = lots != lot, lots == lot
        model = pls.fit(pls.moments(X[rest], y[rest], X[rest].mean(axis=0), 10.0), 6).truncated(a)
        _, t2, q = diagnostics.evaluate(model, X[own])
        np.testing.assert_allclose(by_lot.cross_validation.t2[own], t2, rtol=1e-7)
        np.testing.assert_allclose(by_lot.cross_validation.q[own], q, rtol=1e-7)


def test_the_standard_error_has_lots_as_its_unit(by_lot: Calibration) -> None:
    """Cochran (1977), 6.4, by hand: the mean square as a ratio of the totals of 4 lots."""
    lots, cv = lot_codes(spectra()), by_lot.cross_validation
    squares = (cv.predicted - cv.reference[:, None]) ** 2
    sums = np.array([squares[lots == lot].sum(axis=0) for lot in range(4)])
    sizes = np.bincount(lots)[:, None]
    residual = sums - sizes * (sums.sum(axis=0) / sizes.sum())
    variance = 4 / 3 * (residual**2).sum(axis=0) / sizes.sum() ** 2
    np.testing.assert_allclose(cv.rmsecv_se, np.sqrt(variance) / (2 * cv.rmsecv), rtol=1e-10)


def test_lots_of_one_batch_each_are_the_batches() -> None:
    alone = calibrate(method(folds="lot"), with_fact("lot", [f"X{i}" for i in range(9)]))
    by_batch = calibrate(method(), spectra())
    for name, values in vars(by_batch.cross_validation).items():
        if name == "fold":  # which bears the lots' names
            continue
        np.testing.assert_array_equal(getattr(alone.cross_validation, name), values, err_msg=name)


def test_days_may_be_numbers() -> None:
    numbered = calibrate(method(folds="day"), with_fact("day", [20260300.0 + int(lot[1]) for lot in LOTS]))
    named = calibrate(method(folds="lot"), with_fact("lot", LOTS))
    np.testing.assert_array_equal(numbered.cross_validation.predicted, named.cross_validation.predicted)


def test_batches_that_are_not_calibrated_on_belong_to_no_fold() -> None:
    """A batch that shares a lot, but is not of the calibration, must not leave the model of that lot."""
    more = with_fact("lot", [*LOTS, "L1", "L2"], spectra(n_batches=11))
    first = [f"B{i:03d}" for i in range(9)]
    chosen = calibrate(method(folds="lot"), more, first)
    alone = calibrate(method(folds="lot"), more.isel(spectrum=slice(0, 72), batch_id=slice(0, 9)), first)
    np.testing.assert_array_equal(chosen.cross_validation.predicted, alone.cross_validation.predicted)


def lot_errors(folds: str, seed: int) -> tuple[float, float]:
    """RMSECV, and the error on 40 new lots, of mixtures whose lots each have impurities of their own."""
    rng = np.random.default_rng(seed)
    bands = np.exp(-(((AXIS - rng.uniform(1000.0, 1600.0, (54, 3, 1))) / 40.0) ** 2))
    impurities = 0.01 * np.einsum("ij,ijk->ik", rng.normal(size=(54, 3)), bands)
    lot = np.repeat(np.arange(14), 6)
    old, new = spectra(84, 4, seed=seed), spectra(40, 4, seed=1000 + seed)
    old = old.assign(absorbance=old["absorbance"] + np.repeat(impurities[:14][lot], 4, axis=0))
    new = new.assign(absorbance=new["absorbance"] + np.repeat(impurities[14:], 4, axis=0))
    found = calibrate(method(folds=folds), with_fact("lot", [f"L{code:02d}" for code in lot], old))
    error = diagnostics.evaluate(found.model, treated_values(found.method, new))[0] - new["api"].values
    return found.figures["rmsecv"], float(np.sqrt(np.mean(error**2)))


@pytest.mark.requirement("URS-13")
def test_by_batch_rmsecv_is_too_small_where_batches_share_lots() -> None:
    """Simulated: 14 lots of 6 batches, each lot with impurities of its own; the truth is the error on 40 new lots."""
    by_batch = np.array([lot_errors("batch", seed) for seed in range(4)]).mean(axis=0)
    by_lot = np.array([lot_errors("lot", seed) for seed in range(4)]).mean(axis=0)
    assert by_batch[0] < 0.8 * by_batch[1]
    assert by_lot[0] == pytest.approx(by_lot[1], rel=0.2)


@pytest.mark.parametrize(
    ("lots", "message"),
    [
        (None, "got 'lot', which these spectra do not have"),
        (["", *LOTS[1:]], "expected a value of `lot` for every batch, got none for batch 'B000'"),
        (["L1"] * 5 + ["L2"] * 4, "by lot needs at least 3 folds, got 2"),
    ],
)
def test_lots_that_are_not_known_or_too_few_are_refused(lots: list[str] | None, message: str) -> None:
    ds = spectra() if lots is None else with_fact("lot", lots)
    with pytest.raises(InputError, match=message):
        calibrate(method(folds="lot"), ds)


def test_a_day_without_a_number_is_not_known() -> None:
    days = [math.nan if i == 4 else float(i) for i in range(9)]
    with pytest.raises(InputError, match="expected a value of `day` for every batch, got none for batch 'B004'"):
        calibrate(method(folds="day"), with_fact("day", days))


def test_the_largest_fold_bounds_the_components() -> None:
    """56 spectra in all, 32 of them of one lot: 24 are left."""
    ds = with_fact("lot", ["L1"] * 4 + ["L2", "L3", "L4"], spectra(7))
    with pytest.raises(InputError, match=r"at most 23 for these spectra \(24 without the largest fold,"):
        calibrate(method(folds="lot", max_components=24), ds)


def test_folds_are_in_words() -> None:
    assert left_out("batch") == "whole batches left out"
    assert left_out("day") == "whole days left out"
    assert left_out("instrument") == "each instrument left out"
    assert left_out("random") == "10 random parts left out"
