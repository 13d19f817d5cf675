"""What treated spectra keep of the raw ones."""

from __future__ import annotations

import copy
import statistics
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pat.core.preprocess import Treatment
from pat.errors import InputError
from pat.method import Method
from pat.spectra import open_store, write_store
from pat.treatment import RAW, treat
from tests.small_spectra import small_spectra

DEMO = Path(__file__).parents[1] / "models" / "demo" / "method.yaml"


def method() -> Method:
    document = copy.deepcopy(Method.load(DEMO).document())
    document["spectra"]["ranges"] = [[952.0, 1006.0], [1020.0, 1048.0]]
    return Method.from_document(document)


def spectra() -> xr.Dataset:
    return small_spectra(n_wavelengths=60)


def test_level_contrast_and_peak_are_those_of_the_raw_spectra() -> None:
    ds = spectra()
    ds["absorbance"][2, 59] = -1.5  # beyond the ranges, and negative
    treated, axis = treat(method(), ds), ds["wavelength"].values
    used = ((axis >= 952.0) & (axis <= 1006.0)) | ((axis >= 1020.0) & (axis <= 1048.0))
    for i, row in enumerate(ds["absorbance"].values):
        assert float(treated["raw_mean"][i]) == pytest.approx(statistics.fmean(row[used]), rel=1e-13)
        assert float(treated["raw_sd"][i]) == pytest.approx(statistics.stdev(row[used]), rel=1e-12)
    np.testing.assert_array_equal(treated["raw_peak"], np.abs(ds["absorbance"].values).max(axis=1))
    assert float(treated["raw_peak"][2]) == 1.5
    assert {treated[name].attrs["units"] for name in RAW} == {"AU"}


def test_the_laboratory_keeps_what_the_scorer_computes_bit_for_bit(tmp_path: Path) -> None:
    write_store(spectra(), tmp_path / "raw.zarr")
    lazy = treat(method(), open_store(tmp_path / "raw.zarr"))
    assert all(lazy[name].chunks is not None for name in RAW)
    write_store(lazy, tmp_path / "treated.zarr")
    stored = open_store(tmp_path / "treated.zarr")
    compiled: Treatment = method().treatment(spectra()["wavelength"].values)
    for i, row in enumerate(spectra()["absorbance"].values):
        assert compiled.presentation(row).tolist() == [float(stored[name][i]) for name in RAW[:2]]


def test_a_variable_that_is_in_the_way_is_refused() -> None:
    ds = spectra()
    taken = ds.assign(raw_sd=ds["api"].rename("raw_sd"))
    with pytest.raises(InputError, match="must have no variable `raw_sd`"):
        treat(method(), taken)
