"""Parts of a dataset, and datasets made from another: which batches, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from pat.core.indexing import consecutive
from pat.core.types import IntArray
from pat.errors import SpectraError


def batch_names(ds: xr.Dataset) -> list[str]:
    """Names of the batches that have spectra, sorted."""
    names: list[str] = np.unique(np.asarray(ds["batch"].values)).tolist()
    return names


def batch_codes(ds: xr.Dataset) -> IntArray:
    """Position in `batch_names` of every spectrum's batch, shape (n_spectra,).

    scikit-learn's groups: its splitters do not take StringDType.
    """
    batch = np.asarray(ds["batch"].values)
    # Batches mostly lie in runs: sorting these takes a fiftieth of the time of sorting the spectra.
    starts = np.flatnonzero(np.concatenate([batch[:1] == batch[:1], batch[1:] != batch[:-1]]))
    codes = np.unique(batch[starts], return_inverse=True)[1].astype(np.int64)
    return np.repeat(codes, np.diff(starts, append=batch.size))


def batches_with_role(ds: xr.Dataset, role: str) -> list[str]:
    """Names of the batches whose fact ``role`` is `role`, sorted; none is an empty list.

    Raises
    ------
    SpectraError
        If the dataset has no fact ``role``.
    """
    if "role" not in ds:
        raise SpectraError("`role`: expected a batch fact of this name, got no such variable")
    names: list[str] = np.asarray(ds["batch_id"].values)[np.asarray(ds["role"].values) == role].tolist()
    return sorted(names)


def batch_facts(ds: xr.Dataset, fact: str) -> dict[str, str]:
    """Return a fact of every batch as text; empty where the dataset does not have it."""
    if fact not in ds:
        return {}
    # A number that is not known is NaN, which alone differs from itself.
    return {str(b): str(v) if v == v else "" for b, v in zip(ds["batch_id"].values, ds[fact].values, strict=True)}


def select_batches(ds: xr.Dataset, names: Iterable[str]) -> xr.Dataset:
    """Select the spectra and facts of some batches, in the dataset's own order; nothing is computed.

    Parameters
    ----------
    ds : Dataset
        Spectra.
    names : iterable of str
        Batches, in any order.

    Returns
    -------
    Dataset
        Its attribute ``derived_from`` is the hash of the store that it comes from.

    Raises
    ------
    SpectraError
        If a name is unknown, or there is none.
    """
    wanted = sorted(set(names))
    if not wanted:
        raise SpectraError("`batch`: expected the name of at least one batch, got none")
    rows = _rows_by_batch(ds, wanted)
    return _part(ds, np.sort(np.concatenate(rows)), wanted)


def select_instrument(ds: xr.Dataset, name: str) -> xr.Dataset:
    """Select the spectra of one instrument, with the facts of its batches; otherwise as `select_batches`.

    Raises
    ------
    SpectraError
        If the instrument has no spectra.
    """
    instrument = np.asarray(ds["instrument"].values)
    rows = np.flatnonzero(instrument == name)
    if not rows.size:
        raise SpectraError(f"`instrument`: expected one of {', '.join(np.unique(instrument).tolist())}, got {name!r}")
    return _part(ds, consecutive(rows), np.unique(np.asarray(ds["batch"].values)[rows]).tolist())


def split_batches(ds: xr.Dataset, names: Iterable[str]) -> list[xr.Dataset]:
    """Select batches one by one, in the order of `names`; otherwise as `select_batches`.

    Raises
    ------
    SpectraError
        If a name is unknown.
    """
    wanted = list(names)
    return [_part(ds, consecutive(rows), [name]) for name, rows in zip(wanted, _rows_by_batch(ds, wanted), strict=True)]


def derive(ds: xr.Dataset, absorbance: xr.DataArray) -> xr.Dataset:
    """Give the same spectra with treated absorbance on its own axis; nothing is computed.

    Parameters
    ----------
    ds : Dataset
        The spectra that were treated.
    absorbance : DataArray of dims (spectrum, wavelength)
        Treated, with its axis as coordinate ``wavelength``, as `pat.compute.apply_rows` gives it.

    Returns
    -------
    Dataset
        References, facts and the other coordinates are those of `ds`; the attribute ``derived_from`` is the hash of the
        store that they come from.
    """
    rest = ds.drop_dims("wavelength").assign_coords(wavelength=absorbance["wavelength"].variable)
    return _made_from(ds, rest.assign(absorbance=absorbance.variable))


def _rows_by_batch(ds: xr.Dataset, names: list[str]) -> list[IntArray]:
    """Rows of each batch, in their order; sorts the rows once for all batches."""
    codes = batch_codes(ds)
    order = np.argsort(codes, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    by_name = dict(zip(batch_names(ds), rows, strict=True))
    for name in names:
        if name not in by_name:
            raise SpectraError(f"`batch`: expected one of the dataset's batches, got {name!r}")
    return [by_name[name] for name in names]


def _part(ds: xr.Dataset, rows: slice | IntArray, names: list[str]) -> xr.Dataset:
    wanted = set(names)
    facts = [i for i, name in enumerate(np.asarray(ds["batch_id"].values).tolist()) if name in wanted]
    return _made_from(ds, ds.isel(spectrum=rows, batch_id=facts))


def _made_from(source: xr.Dataset, made: xr.Dataset) -> xr.Dataset:
    """Record where `made` comes from; it is not the content that the source's hash stands for."""
    attrs = dict(source.attrs)
    origin = attrs.pop("sha256", attrs.get("derived_from"))
    made.attrs = attrs if origin is None else attrs | {"derived_from": origin}
    return made
