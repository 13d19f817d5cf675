"""Spectra put together as the contract wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from pat.errors import SpectraError
from pat.spectra.contract import RESERVED, Locate, broken, check

_TEXT = np.dtypes.StringDType()


def build(
    absorbance: ArrayLike,
    *,
    wavelength: ArrayLike,
    batch: ArrayLike,
    time: ArrayLike,
    instrument: ArrayLike,
    revolution: ArrayLike | None = None,
    references: Mapping[str, tuple[ArrayLike, str]] | None = None,
    facts: Mapping[str, ArrayLike] | None = None,
    locate: Locate | None = None,
) -> xr.Dataset:
    """Put spectra together as the contract wants them, and check them.

    Parameters
    ----------
    absorbance : array_like of shape (n_spectra, n_wavelengths)
        Absorbance in AU.
    wavelength : array_like of shape (n_wavelengths,)
        Axis in nm.
    batch, instrument : array_like of str, shape (n_spectra,)
        Names.
    time : array_like of datetime64, shape (n_spectra,)
        UTC.
    revolution : array_like of shape (n_spectra,), optional
        NaN where none was counted.
    references : mapping of str to (array_like of shape (n_spectra,), str), optional
        Values of the laboratory with their units, by analyte; NaN where there is none.
    facts : mapping of str to array_like of shape (n_batches,), optional
        Batch facts, text or numbers, by name; ``batch_id`` among them names the batches.
    locate : callable, optional
        Says where row i came from, for messages.

    Returns
    -------
    Dataset
        In memory.

    Raises
    ------
    SpectraError
        If they break the contract.

    Examples
    --------
    >>> ds = build([[0.1, 0.2], [0.1, 0.3]], wavelength=[1000, 1010], batch=["B1", "B1"], instrument=["I1", "I1"],
    ...            time=np.array(["2026-03-02T08:00", "2026-03-02T08:01"], "datetime64[ns]"))
    >>> dict(ds.sizes)
    {'spectrum': 2, 'wavelength': 2, 'batch_id': 1}
    """
    table = dict(facts or {"batch_id": sorted(set(_text(batch).tolist()))})
    data: dict[str, Any] = {"absorbance": (("spectrum", "wavelength"), np.asarray(absorbance, np.float64))}
    for name, (values, units) in (references or {}).items():
        data[name] = ("spectrum", np.asarray(values, np.float64), {"units": units})
    coords: dict[str, Any] = {
        "wavelength": np.asarray(wavelength, np.float64),
        "batch": ("spectrum", _text(batch)),
        "time": ("spectrum", np.asarray(time, "datetime64[ns]")),
        "instrument": ("spectrum", _text(instrument)),
        "batch_id": _text(table.pop("batch_id", [])),
    }
    if revolution is not None:
        coords["revolution"] = ("spectrum", np.asarray(revolution, np.float64))
    for name in table.keys() & (data.keys() | RESERVED):
        broken(name, "", "a batch fact with a name of its own", "the name of another variable")
    data |= {name: ("batch_id", _fact(values)) for name, values in table.items()}
    try:
        ds = xr.Dataset(data, coords)
    except ValueError as error:  # lengths that differ: xarray's message gives both
        raise SpectraError(f"spectra that do not fit together: {error}") from error
    return check(ds, locate=locate)


def _text(values: ArrayLike) -> NDArray[Any]:
    return np.asarray(values, dtype=_TEXT)


def _fact(values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    return _text(values) if array.dtype.kind in "OTU" else array.astype(np.float64)
