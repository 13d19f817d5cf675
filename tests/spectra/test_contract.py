from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pat.errors import SpectraError
from pat.spectra import build, check
from pat.spectra.axis import check_axis
from tests.small_spectra import small_spectra

StringDType = np.dtypes.StringDType


def changed(name: str, at: Any, value: Any) -> Callable[[xr.Dataset], xr.Dataset]:
    """Give the change of single values of a variable."""

    def change(ds: xr.Dataset) -> xr.Dataset:
        values = ds[name].values.copy()
        values[at] = value
        return ds.assign({name: (ds[name].dims, values, ds[name].attrs)})

    return change


def put(name: str, *variable: Any) -> Callable[[xr.Dataset], xr.Dataset]:
    """Give the replacement of a variable, or the addition of one."""
    return lambda ds: ds.drop_vars(name, errors="ignore").assign({name: variable})


BROKEN = [
    # layout
    (lambda ds: ds.drop_vars("absorbance"), "`absorbance`: expected float64 on (spectrum, wavelength), got no such"),
    (lambda ds: ds.transpose("wavelength", ...), "`absorbance`: expected float64 on (spectrum, wavelength), got"),
    (lambda ds: ds.assign(absorbance=ds.absorbance.astype("f4")), "got float32 on (spectrum, wavelength)"),
    (lambda ds: ds.isel(spectrum=[]), "at least one spectrum and two wavelengths, got shape (0, 12)"),
    (lambda ds: ds.isel(wavelength=[0]), "at least one spectrum and two wavelengths, got shape (12, 1)"),
    (lambda ds: ds.drop_vars("time"), "`time`: expected a coordinate, datetime64[ns] on (spectrum), got no such"),
    (lambda ds: ds.drop_vars("batch_id"), "`batch_id`: expected a coordinate, StringDType on (batch_id), got no"),
    (lambda ds: ds.reset_coords("batch"), "`batch`: expected a coordinate, StringDType on (spectrum), got a data"),
    (lambda ds: ds.reset_coords("revolution"), "`revolution`: expected a coordinate, float64 on (spectrum), got a"),
    (lambda ds: ds.assign_coords(batch=("spectrum", np.array(ds.batch.values.tolist()))), "got <U2 on (spectrum)"),
    (lambda ds: ds.assign_coords(wavelength=np.arange(950, 962)), "`wavelength`: expected a coordinate, float64"),
    (lambda ds: ds.assign_coords(operator="A"), "`operator`: expected no coordinate of this name"),
    # other variables
    (put("water", "spectrum", np.zeros(12, "i8"), {"units": "%"}), "`water`: expected reference values, float64 on"),
    (
        put("water", "spectrum", np.zeros(12)),
        '`water`: expected reference values with attrs["units"] as text, got None',
    ),
    (put("a/b", "spectrum", np.zeros(12), {"units": ""}), "`a/b`: expected a name of letters"),
    (put("shift", "batch_id", np.array([1, 2, 3])), "`shift`: expected a batch fact, StringDType or float64"),
    (put("map", ("batch_id", "x"), np.zeros((3, 2))), "`map`: expected reference values, float64 on (spectrum), or"),
    (put("role", "batch_id", np.zeros(3)), "`role`: expected text, got float64 on (batch_id)"),
    (put("speed", "batch_id", np.array(["1"] * 3, StringDType())), "`speed`: expected numbers, got StringDType"),
    (changed("speed", 1, np.inf), "`speed` row 1: expected a finite number"),
    (changed("api", 3, -np.inf), "`api` row 3: expected a finite number, or NaN where there is none, got -inf"),
    # batches
    (changed("batch", 2, ""), "`batch` row 2: expected a name without blanks around it, got ''"),
    (changed("instrument", 4, "NIR-1 "), "`instrument` row 4: expected a name without blanks around it, got 'NIR-1 '"),
    (changed("batch_id", 1, "B1"), "`batch_id` row 1: expected every batch once, got 'B1' again"),
    (changed("batch_id", 1, "B9"), "`batch_id` row 1: expected a batch that has spectra, got 'B9'"),
    (lambda ds: ds.isel(batch_id=[0, 1]), "`batch_id`: expected every batch that has spectra, got no 'B3'"),
    (
        changed("role", 1, "acepted"),
        "`role` row 1 (batch 'B2'): expected one of calibration, new_reference, validation, repeatability, accepted, "
        "blend_validation, held_out, interference, specificity, got 'acepted'",
    ),
    (changed("role", 0, ""), "`role` row 0 (batch 'B1'): expected one of calibration"),
    # names that differ by capitals alone
    (put("API", "spectrum", np.zeros(12), {"units": "%"}), "`api`: expected `API`, or a name that differs from it"),
    (put("Role", "batch_id", np.zeros(3)), "`Role`: expected `role`, or a name that differs from it by more than"),
    (put("Revolution", "spectrum", np.zeros(12), {"units": ""}), "`Revolution`: expected `revolution`, or a name"),
    (changed("instrument", 4, "nir-1"), "`instrument` row 4: expected 'NIR-1', or a name that differs from it"),
    (changed("batch", 2, "b1"), "`batch` row 2: expected 'B1', or a name that differs from it by more than capitals"),
    # time and revolution
    (changed("time", 7, np.datetime64("NaT")), "`time` row 7: expected a time (UTC), got NaT"),
    (
        changed("time", 7, np.datetime64("2026-03-02T08:00:30")),
        "`time` row 7: expected a value above 2026-03-02T08:00:30",
    ),
    (
        changed("time", 3, np.datetime64("2026-03-02T07:00")),
        "that of row 2, the one before in batch 'B1' on instrument",
    ),
    (changed("revolution", 7, 2.0), "`revolution` row 7: expected a value above 2.0, that of row 6"),
    (changed("revolution", [2, 3], [np.nan, 1.5]), "`revolution` row 3: expected a value above 2.0, that of row 1"),
    (changed("revolution", 5, -1.0), "`revolution` row 5: expected a count of at least 0, or NaN, got -1.0"),
    (changed("revolution", 5, np.inf), "`revolution` row 5: expected a count of at least 0, or NaN, got inf"),
    # absorbance
    (
        changed("absorbance", (7, 2), np.nan),
        "`absorbance` row 7, column 2 (954 nm): expected a finite number, got nan",
    ),
    (
        changed("absorbance", (7, 2), np.inf),
        "`absorbance` row 7, column 2 (954 nm): expected a finite number, got inf",
    ),
    (
        changed("absorbance", slice(5, 8), 45.0),
        "`absorbance` row 5: expected absorbance in AU, below 10, got a median of 45",
    ),
]


@pytest.mark.requirement("URS-01")
@pytest.mark.parametrize(("change", "message"), BROKEN, ids=[message[:60] for _, message in BROKEN])
def test_every_violation_is_named(change, message):
    with pytest.raises(SpectraError) as caught:
        check(change(small_spectra()))
    assert message in str(caught.value)


def test_a_dataset_that_holds_the_contract_is_given_back():
    ds = small_spectra()
    assert check(ds) is ds
    assert check(ds.chunk(spectrum=2, wavelength=5)).identical(ds)


def test_optional_things_may_be_absent():
    ds = small_spectra(revolution=None, references=None, facts=None)
    assert set(ds.data_vars) == {"absorbance"}
    assert ds["batch_id"].values.tolist() == ["B1", "B2", "B3"]


def test_runs_are_kept_apart_by_instrument_and_may_be_interleaved():
    # Two sensors on one blender see the same revolutions at the same times.
    time = np.repeat(np.datetime64("2026-03-02T08:00:00", "ns") + np.arange(4) * np.timedelta64(5, "s"), 2)
    small_spectra((8,), time=time, revolution=np.repeat(np.arange(4.0), 2), instrument=["NIR-1", "NIR-2"] * 4)


@pytest.mark.requirement("URS-01")
def test_order_is_checked_within_interleaved_batches():
    # B1 B2 B1 B2: no neighbouring rows are of one batch, and row 3 repeats the revolution of row 1.
    ds = small_spectra((2, 2)).isel(spectrum=[0, 2, 1, 3])
    check(ds)
    with pytest.raises(SpectraError, match="`revolution` row 3: expected a value above 1.0, that of row 1"):
        check(changed("revolution", 3, 1.0)(ds))


def test_one_wild_spectrum_is_not_taken_for_percent():
    absorbance = small_spectra().absorbance.values.copy()
    absorbance[3] = 1e6
    small_spectra(absorbance=absorbance)


def test_rows_are_named_as_the_caller_says():
    ds = changed("absorbance", (7, 2), np.nan)(small_spectra())
    with pytest.raises(SpectraError, match="`absorbance` line 9, column 2"):
        check(ds, locate=lambda row: f"line {row + 2}")


def test_lengths_that_differ_are_an_error():
    with pytest.raises(SpectraError, match="do not fit together"):
        small_spectra(instrument=["NIR-1"])


@pytest.mark.parametrize("name", ["time", "api"])
def test_a_fact_needs_a_name_of_its_own(name):
    with pytest.raises(SpectraError, match=f"`{name}`: expected a batch fact with a name of its own"):
        build(
            [[0.1, 0.2]],
            wavelength=[1000.0, 1010.0],
            batch=["B1"],
            time=np.array(["2026-03-02"], "datetime64[ns]"),
            instrument=["NIR-1"],
            references={"api": ([10.0], "%")},
            facts={"batch_id": ["B1"], name: ["x"]},
        )


# An interferometer's channels are even in 1/cm: in nm the last steps are ten times the first.
INTERFEROMETER = 1e7 / np.arange(12500.0, 3999.0, -8.0)


@pytest.mark.parametrize(
    "axis",
    [
        np.linspace(950.0, 1650.0, 125),
        np.round(np.linspace(950.0, 1650.0, 125)),
        INTERFEROMETER,
        1e7 / np.arange(28500.0, 3100.0, -16.0),  # the whole range: visible to 3.2 um
        np.array([1000.0, 1200.0]),
        950.0 + 5.0 * np.arange(128) - 0.004 * np.arange(128) ** 2,  # a diode array: pixels to nm by a polynomial
    ],
)
def test_real_kinds_of_axes_pass(axis):
    check_axis(axis)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (
            np.linspace(0.95, 1.65, 125),
            "column 0: expected nm, between 350 and 3300, got 0.95; these look like micrometres",
        ),
        # In 1/cm: rising, in whole numbers that are not even, from the middle infrared on, and falling.
        (
            np.arange(4000.0, 12000.0, 8.0),
            "column 0: expected nm, between 350 and 3300, got 4000; these look like wavenumbers (1/cm): convert them "
            "to nm (1e7 / wavenumber), and turn the columns round",
        ),
        (np.round(np.arange(4000.0, 10000.0, 3.857)), "got 4000; these look like wavenumbers (1/cm)"),
        (np.arange(400.0, 4001.0, 4.0), "got 3304 after 3300; these look like wavenumbers (1/cm)"),
        (1e7 / INTERFEROMETER, "these look like wavenumbers (1/cm): convert them to nm (1e7 / wavenumber)"),
        (INTERFEROMETER[::-1], "the whole axis falls: turn the columns round"),
        (np.array([1000.0, 1010.0, 1010.0, 1020.0]), "column 2: expected more than in the column before"),
        (np.array([1000.0, 1010.0, 1005.0, 1020.0]), "column 2: expected more than in the column before"),
        (np.array([1000.0, np.nan, 1020.0]), "column 1: expected a finite wavelength in nm, got nan"),
        (np.array([1000.0, 31000.0]), "column 1: expected nm, between 350 and 3300, got 31000"),
        (np.array([340.0, 345.0]), "column 0: expected nm, between 350 and 3300, got 340"),
        (np.delete(np.linspace(950.0, 1650.0, 125), 60), "column 60: expected an axis without gaps"),
        (np.delete(np.linspace(950.0, 1650.0, 125), 1), "column 1: expected an axis without gaps"),
        (np.delete(np.linspace(950.0, 1650.0, 125), 123), "column 123: expected an axis without gaps"),
        (np.delete(INTERFEROMETER, 40), "column 40: expected an axis without gaps"),
        (np.delete(INTERFEROMETER, 1040), "column 1040: expected an axis without gaps"),
        (np.array([1000.0, 1002.0, 1004.0, 1500.0, 2000.0, 2002.0, 2004.0]), "column 3: expected an axis without gaps"),
    ],
)
def test_other_axes_are_refused(axis, message):
    with pytest.raises(SpectraError) as caught:
        check_axis(axis)
    assert message in str(caught.value)
