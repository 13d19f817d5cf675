from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from pat.errors import SpectraError
from pat.spectra import (
    batch_codes,
    batch_names,
    batches_with_role,
    check,
    derive,
    select_batches,
    split_batches,
)
from tests.small_spectra import small_spectra


def test_codes_are_positions_among_the_sorted_names():
    ds = small_spectra().isel(spectrum=[11, 0, 5, 1])
    assert batch_names(ds) == ["B1", "B2", "B3"]
    codes = batch_codes(ds)
    assert codes.dtype == np.int64
    assert codes.tolist() == [2, 0, 1, 0]
    assert batch_codes(ds.isel(spectrum=[0, 1, 1, 2, 0, 0])).tolist() == [2, 0, 0, 1, 2, 2]
    assert batch_codes(ds.isel(spectrum=[])).tolist() == []


def test_selected_batches_keep_the_order_of_the_dataset():
    ds = small_spectra()
    part = check(select_batches(ds, ["B3", "B1"]))
    xr.testing.assert_identical(part, ds.isel(spectrum=[0, 1, 2, 3, 4, 8, 9, 10, 11], batch_id=[0, 2]))


def test_batches_may_be_interleaved():
    ds = small_spectra().isel(spectrum=[0, 5, 1, 6, 2, 7, 3, 8, 4, 9, 10, 11])
    assert select_batches(ds, ["B2"])["revolution"].values.tolist() == [1.0, 2.0, 3.0]
    assert select_batches(ds, ["B2", "B1"])["batch"].values.tolist() == ["B1", "B2"] * 3 + ["B1"] * 2


def test_split_gives_the_batches_in_the_order_asked_for():
    ds = small_spectra()
    parts = split_batches(ds, ["B3", "B1", "B3"])
    assert [part["batch_id"].values.tolist() for part in parts] == [["B3"], ["B1"], ["B3"]]
    for part, name in zip(parts, ["B3", "B1", "B3"], strict=True):
        xr.testing.assert_identical(part, select_batches(ds, [name]))


def test_unknown_and_no_batches_are_errors():
    with pytest.raises(SpectraError, match="expected one of the dataset's batches, got 'B7'"):
        select_batches(small_spectra(), ["B1", "B7"])
    with pytest.raises(SpectraError, match="at least one batch"):
        select_batches(small_spectra(), [])


def test_roles():
    ds = small_spectra().isel(batch_id=[2, 0, 1])
    assert batches_with_role(ds, "accepted") == ["B2", "B3"]
    assert batches_with_role(ds, "held_out") == []
    with pytest.raises(SpectraError, match="`role`: expected a batch fact"):
        batches_with_role(ds.drop_vars("role"), "accepted")


def test_a_part_says_what_it_was_made_from():
    ds = small_spectra().assign_attrs(sha256="a" * 64, simulated=1)
    part = select_batches(ds, ["B1"])
    assert part.attrs == {"derived_from": "a" * 64, "simulated": 1}
    assert select_batches(part, ["B1"]).attrs == part.attrs
    assert ds.attrs == {"sha256": "a" * 64, "simulated": 1}


def test_treated_spectra_have_their_own_axis():
    ds = small_spectra().assign_attrs(sha256="a" * 64)
    treated = check(derive(ds, ds["absorbance"][:, 2:-2] * 2.0))
    assert treated.attrs == {"derived_from": "a" * 64}
    np.testing.assert_array_equal(treated["wavelength"], ds["wavelength"][2:-2])
    np.testing.assert_array_equal(treated["absorbance"], 2.0 * ds["absorbance"][:, 2:-2])
    xr.testing.assert_identical(treated.drop_dims("wavelength").drop_attrs(), ds.drop_dims("wavelength").drop_attrs())
