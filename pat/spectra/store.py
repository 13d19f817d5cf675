"""Stores: spectra in a Zarr folder that appears whole or not at all, and the hash of what is in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
import zarr.errors
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing
from zarr.codecs import ZstdCodec

from pat.errors import SpectraError
from pat.spectra.contract import check, check_metadata
from pat.spectra.places import Place, place_of

# Rows of a chunk are decided by the number of wavelengths alone: equal content gives equal files.
_CHUNK_BYTES = 2**20
_CHUNKS_AT_A_TIME = 64

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, RuntimeError, zarr.errors.BaseZarrError)


def content_sha256(ds: xr.Dataset) -> str:
    """Hash the content of a dataset, whatever its chunks and wherever it is stored.

    Parameters
    ----------
    ds : Dataset
        Spectra that hold the contract.

    Returns
    -------
    str
        SHA-256, in hexadecimal, over every variable in the order of their names: name, dims, shape, units and values
        (numbers as little-endian 64 bits in C order, all NaN alike; text as JSON). Attributes of the dataset are left
        out: they say what the content is, not what is in it.
    """
    digest = hashlib.sha256(b"pat spectra, 1\n")
    for name in sorted(map(str, ds.variables)):
        variable = ds[name].variable
        header = [name, list(variable.dims), list(variable.shape), variable.attrs.get("units")]
        digest.update(json.dumps(header).encode() + b"\n")
        for block in _blocks(variable):
            digest.update(_canonical(block))
    return digest.hexdigest()


def write_store(ds: xr.Dataset, path: str | Path, *, replace: bool = False, progress: str | None = None) -> str:
    """Check spectra and write them to a new store.

    The store is made beside `path`, read back, checked, synced, and only then takes its name: a write that fails or is
    killed leaves at `path` what was there before. At a URL, where nothing can be renamed, it is written where it stays,
    and its last object makes it a store: what a killed write has left there is never opened.

    Parameters
    ----------
    ds : Dataset
        Spectra; lazy absorbance is computed once, chunk by chunk. If it says by ``sha256`` which content it is, and has
        been changed since, that hash is stored as ``derived_from``.
    path : path-like or URL
        Folder to make; an empty one may be there. Or a URL that fsspec knows, such as ``s3://bucket/raw.zarr``.
        Raw spectra are never changed: a store that is there already is left alone, and is an error unless it has the
        same content.
    replace : bool, default=False
        Replace a store that is there. For stores that are derived, and can be made again. What is at a URL is never
        replaced.
    progress : str, optional
        Label of a progress bar.

    Returns
    -------
    str
        `content_sha256` of what is stored, also its attribute ``sha256``.

    Raises
    ------
    SpectraError
        If the spectra break the contract, or `path` holds something else, or cannot be reached.
    MissingExtra
        If the package that a URL's protocol needs is not installed.
    """
    # Imported in functions, because `pat.compute` is made of this package.
    from pat.compute import computing

    target = place_of(path)
    replace = replace and target.replaces
    check_metadata(ds)
    with computing():
        if not target.is_free():
            _refuse_foreign(target)
            if not replace:
                return _same_content(ds, target)
        with target.fresh() as fresh:
            if not target.is_free() and not replace:
                raise SpectraError(f"{target}: expected no store yet, got one that another process wrote meanwhile")
            return _write(ds, fresh, progress)


def open_store(path: str | Path, *, verify: bool = False, unchecked: bool = False) -> xr.Dataset:
    """Open a store: absorbance lazily, in chunks of spectra; all else in memory and checked.

    Parameters
    ----------
    path : path-like or URL
        Folder that `write_store` made, or a URL that fsspec knows.
    verify : bool, default=False
        Read everything, and compare it with the hash that was stored.
    unchecked : bool, default=False
        Do not hold what is not absorbance against the contract: for `pat.integrity`, which lists what is broken.

    Returns
    -------
    Dataset
        Spectra.

    Raises
    ------
    SpectraError
        If there is no store, if it is incomplete or damaged, or, with `verify`, if it was changed. Without, a chunk of
        absorbance that is damaged raises it when it is read.
    MissingExtra
        If the package that a URL's protocol needs is not installed.
    """
    from pat.compute import computing

    target = place_of(path)
    _refuse_foreign(target)
    try:
        if target.counts:
            _refuse_incomplete(target)
        ds = _open(target, unchecked=unchecked)
    except SpectraError as error:
        raise SpectraError(f"{target}: {error}") from error
    except _UNREADABLE as error:
        raise SpectraError(f"{target}: expected a readable store, got a damaged one: {error}") from error
    if verify:
        with computing():
            found = content_sha256(ds)
        if found != ds.attrs["sha256"]:
            expected = f"expected content with SHA-256 {ds.attrs['sha256']}"
            raise SpectraError(f"{target}: {expected}, got {found}: it was changed")
    return ds


def _same_content(ds: xr.Dataset, target: Place) -> str:
    digest = content_sha256(check(ds))
    stored = str(open_store(str(target), verify=True).attrs["sha256"])
    if digest != stored:
        raise SpectraError(
            f"{target}: expected a new store or the same spectra (SHA-256 {stored}), got others ({digest}); raw "
            "spectra are never changed: write them to another store"
        )
    return digest


def _refuse_foreign(target: Place) -> None:
    """Refuse what `write_store` did not make."""
    expected = f"{target}: expected a store of spectra (a Zarr folder)"
    if (root := target.root()) is None:
        came = "; this exists and is not a store" if target.exists() else ", got nothing there"
        raise SpectraError(f"{expected}{came}")
    try:
        attributes = json.loads(root)["attributes"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpectraError(f"{target}: expected a readable store, got a damaged one: {error!r}") from error
    if "sha256" not in attributes:
        made = "`write_store` did not make it, or not to its end"
        raise SpectraError(f"{target}: expected a store with its hash, got none: {made}")


def _refuse_incomplete(target: Place) -> None:
    """Look for every chunk: Zarr reads a missing one as if it were full of NaN or empty text."""
    for name, array in zarr.open_group(target.store(), mode="r").arrays():
        if array.nchunks_initialized != array.nchunks:
            came = f"{array.nchunks_initialized}: the store is incomplete"
            raise SpectraError(f"`{name}`: expected {array.nchunks} chunks, got {came}")


class _Stored(BackendArray):
    """Absorbance on the disk, read as it is asked for; a chunk that cannot be read is an error that names the store."""

    def __init__(self, target: Place, sha256: str | None) -> None:
        self._target = target
        self._sha256 = sha256  # so that Dask, which names tasks by what is in here, tells a store from its successor
        self._array = zarr.open_array(target.store(), path="absorbance", mode="r", zarr_format=3)
        self.shape, self.dtype, self.chunks = self._array.shape, self._array.dtype, self._array.chunks

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        try:
            return np.asarray(self._array[key])
        except SpectraError as error:
            raise SpectraError(f"{self._target}: {error}") from error
        except _UNREADABLE as error:
            raise SpectraError(f"{self._target}: expected readable absorbance, got a damaged chunk: {error}") from error


def _open(target: Place, *, unchecked: bool = False) -> xr.Dataset:
    # Not through Dask, so that opening computes nothing; groupby needs coordinates in memory.
    found: xr.Dataset = xr.open_zarr(target.store(), consolidated=target.consolidated(), chunks=None, zarr_format=3)
    eager = found.drop_vars("absorbance").load()
    stored = _Stored(target, found.attrs.get("sha256"))
    absorbance = found.variables["absorbance"]
    lazy = xr.Variable(absorbance.dims, indexing.LazilyIndexedArray(stored), absorbance.attrs)
    # Sorted, because a folder lists its arrays in any order.
    coords = {name: eager.variables[name] for name in sorted(map(str, eager.coords))}
    data = {name: eager.variables[name] for name in sorted(map(str, eager.data_vars))}
    chunks = dict(zip(absorbance.dims, stored.chunks, strict=True))
    ds = xr.Dataset({"absorbance": lazy.chunk(chunks), **data}, coords, eager.attrs)
    if not unchecked:
        check_metadata(ds)
    return ds


def _write(ds: xr.Dataset, fresh: Place, progress: str | None) -> str:
    rows = _chunk_rows(ds["absorbance"].variable)
    plain = ds.drop_vars("absorbance").compute()
    plain["absorbance"] = ds["absorbance"].variable.chunk(spectrum=rows, wavelength=-1)
    plain = plain.drop_encoding()
    source = plain.attrs.pop("sha256", None)
    encoding = _encoding(plain, rows)
    # Not "w", which would first remove what another writer may have put there meanwhile.
    how: dict[str, Any] = {"mode": "w-", "compute": False, "zarr_format": 3, "consolidated": False}
    plain.to_zarr(fresh.store(write=True), encoding=encoding, write_empty_chunks=True, **how)
    _fill(plain["absorbance"].variable, fresh, rows * _CHUNKS_AT_A_TIME, progress)
    # Absorbance is computed by the write and then read back: what is checked and hashed is what lies on the disk.
    digest = content_sha256(check(_open(fresh)))
    lineage = {} if source in (None, digest) else {"derived_from": source}
    fresh.commit(list(map(str, plain.variables)), lineage | {"sha256": digest})
    return digest


def _fill(absorbance: xr.Variable, fresh: Place, step: int, progress: str | None) -> None:
    """Compute absorbance some chunks at a time, and write them from this thread.

    Were Dask to write too, tasks that still run when another one fails would write into a folder that is being removed.
    """
    from pat.compute import progress_bar

    array = zarr.open_array(fresh.store(write=True), path="absorbance", mode="r+")
    starts = range(0, absorbance.shape[0], step)
    with progress_bar(progress, graphs=len(starts)):
        for start in starts:
            block = slice(start, start + step)
            array[block] = absorbance[block].values


def _encoding(ds: xr.Dataset, rows: int) -> dict[str, dict[str, Any]]:
    # With a checksum, a damaged chunk is an error when it is read, not other numbers.
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"chunks": variable.shape, "compressors": (ZstdCodec(level=3, checksum=True),)}
        for name, variable in ds.variables.items()
    }
    encoding["absorbance"]["chunks"] = (rows, ds.sizes["wavelength"])
    encoding["time"] |= {"units": "nanoseconds since 1970-01-01", "dtype": "int64"}
    return encoding


def _chunk_rows(variable: xr.Variable) -> int:
    n_rows, n_columns = variable.shape
    return min(n_rows, max(1, _CHUNK_BYTES // (8 * n_columns)))


def _blocks(variable: xr.Variable) -> Iterator[NDArray[Any]]:
    """Give the values whole, those of a table in pieces: a lazy one may be larger than the memory."""
    n_rows = variable.shape[0]
    step = max(1, n_rows) if variable.ndim == 1 else _chunk_rows(variable)
    for start in range(0, n_rows, step):
        yield np.asarray(variable[start : start + step].values)


def _canonical(values: NDArray[Any]) -> bytes | memoryview:
    if values.dtype.kind == "T":
        return json.dumps(values.tolist()).encode()
    if values.dtype.kind == "M":
        return values.astype("<M8[ns]").tobytes()
    numbers = np.ascontiguousarray(values, dtype="<f8")
    return np.where(np.isnan(numbers), np.nan, numbers).data
