"""The outlier report finds what was spoiled, flags by chance what it should, removes nothing and fits a terminal."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import xarray as xr
import yaml

from pat.calibration import Calibration, calibrate
from pat.calibration.outliers import OutlierReport, outlier_report
from pat.core import diagnostics
from pat.errors import InputError
from pat.method import Method
from pat.spectra import build
from pat.treatment import treat
from tests import simulated
from tests.small_campaign import YAML

# Every level twice: a batch alone at the edge of a design stands out once it is left out, and rightly so.
LEVELS = np.tile(np.linspace(6.5, 13.5, 6), 2)
PER_BATCH = 6


def method() -> Method:
    return Method.from_document(yaml.safe_load(YAML))


def dataset(*, spike: int | None = None, wrong_reference: int | None = None, seed: int = 31) -> xr.Dataset:
    """12 batches of 6; one spectrum may have a foreign band, one batch a reference value 1 % w/w too high."""
    content = np.repeat(LEVELS, PER_BATCH)
    lot = 0.05 * np.random.default_rng(seed).standard_normal(LEVELS.size)
    x = simulated.spectra(content + np.repeat(lot, PER_BATCH), seed=seed)
    if spike is not None:
        x[spike] += 0.01 * np.exp(-(((simulated.WAVELENGTH - 1190.0) / 12.0) ** 2))
    reference = content.copy()
    if wrong_reference is not None:
        reference[wrong_reference * PER_BATCH : (wrong_reference + 1) * PER_BATCH] += 1.0
    # Names whose sorted order is not that of the store.
    names = [f"B{100 - i}" for i in range(LEVELS.size)]
    return build(
        x,
        wavelength=simulated.WAVELENGTH,
        batch=np.repeat(names, PER_BATCH),
        time=np.datetime64("2026-03-02T08:00", "ns") + np.arange(content.size) * np.timedelta64(10, "s"),
        instrument=["NIR-1"] * content.size,
        references={"api": (reference, "% w/w")},
        facts={"batch_id": names},
    )


@lru_cache
def found(spike: int | None = None, wrong: int | None = None) -> tuple[xr.Dataset, Calibration, OutlierReport]:
    ds = dataset(spike=spike, wrong_reference=wrong)
    calibration = calibrate(method(), ds)
    return ds, calibration, outlier_report(calibration, ds)


def test_a_foreign_band_is_found_in_its_row_by_q() -> None:
    ds, _, report = found(spike=20)
    first = report.flagged.iloc[0]
    assert (first["row"], first["batch"]) == (20, str(ds["batch"].values[20]))
    assert "Q!" in first["flags"]
    assert report.batches.set_index("batch").loc[first["batch"], "flagged"] >= 1


@pytest.mark.requirement("URS-16")
def test_a_wrong_reference_is_found_in_its_batch() -> None:
    ds, _, report = found(wrong=7)
    worst = report.batches.iloc[report.batches["residual"].abs().argmax()]
    assert worst["batch"] == str(ds["batch"].values[7 * PER_BATCH])
    assert worst["flags"] == "residual"
    # The prediction is too low by what the reference is too high, less what the model took from it.
    assert -1.2 < worst["error"] < -0.7
    residual = report.spectra.set_index("row")["residual"]
    assert set(residual.abs().nlargest(PER_BATCH).index) == set(range(42, 48))


def test_columns_are_what_they_say() -> None:
    ds, calibration, report = found()
    by_row = report.spectra.sort_values("row")
    np.testing.assert_array_equal(by_row["row"], np.arange(ds.sizes["spectrum"]))
    np.testing.assert_array_equal(by_row["reference"], ds["api"].values)
    treated = treat(calibration.method, ds)["absorbance"].values
    _, t2, _ = diagnostics.evaluate(calibration.model, treated)
    np.testing.assert_allclose(by_row["leverage"], diagnostics.leverage(t2, 72), rtol=1e-9)
    # Leverages of a calibration add up to A + 1.
    assert by_row["leverage"].sum() == pytest.approx(calibration.model.n_components + 1)
    validated = calibration.cross_validation
    np.testing.assert_array_equal(report.spectra["t2"], validated.t2)
    np.testing.assert_array_equal(report.spectra["q"], validated.q)
    assert report.batches["flagged"].sum() == len(report.flagged)
    assert (report.batches["n"] == PER_BATCH).all()


@pytest.mark.requirement("URS-16")
def test_nothing_is_removed_and_the_store_stays_as_it_was() -> None:
    ds, calibration, _ = found(spike=20)
    before = ds.copy(deep=True)
    assert len(outlier_report(calibration, ds).spectra) == ds.sizes["spectrum"]
    xr.testing.assert_identical(ds, before)


def test_clean_sets_are_flagged_about_as_often_as_said() -> None:
    """Simulated: of 12 clean sets of 72, Q and residual flag near 1 % (0.2 to 3.5 %), few of them as `!`.

    T2 flags fewer: the levels of a design have no tails.
    """
    counts = {"T2": 0, "Q": 0, "residual": 0}
    extreme = 0
    for seed in range(12):
        ds = dataset(seed=100 + seed)
        flags = outlier_report(calibrate(method(), ds), ds).spectra["flags"]
        for name in counts:
            counts[name] += int(flags.str.contains(name).sum())
        extreme += int(flags.str.contains("!").any())
    shares = {name: count / (12 * 72) for name, count in counts.items()}
    assert shares["T2"] < 0.035
    assert 0.002 < shares["Q"] < 0.035
    assert 0.002 < shares["residual"] < 0.035
    assert extreme <= 4


def test_treated_spectra_serve_as_well_as_raw_ones() -> None:
    ds, calibration, report = found()
    again = outlier_report(calibration, treat(calibration.method, ds))
    assert again.spectra.equals(report.spectra)


def test_the_report_fits_a_terminal() -> None:
    _, calibration, report = found(spike=20, wrong=7)
    wide = report.spectra.assign(batch="a-batch-with-a-very-long-name", flags="T2! Q! leverage residual!")
    text = str(OutlierReport(wide, report.batches, report.limits, report.confidence))
    assert max(map(len, text.splitlines())) <= 80
    assert "... and 52 more" in text
    assert str(found()[2]).count("\n") > 10


def test_other_spectra_than_those_of_the_calibration_are_refused() -> None:
    _, calibration, _ = found()
    with pytest.raises(InputError, match="expected the 72 spectra that the calibration was made from"):
        outlier_report(calibration, dataset(wrong_reference=3))
    with pytest.raises(InputError, match="between 0 and 1, got 1.5"):
        outlier_report(calibration, dataset(), confidence=1.5)
