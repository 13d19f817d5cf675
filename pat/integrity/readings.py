"""The absorbance of a store, read once and chunk by chunk: copies, readings that are no numbers, saturation, scope."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pat.compute import map_items
from pat.core.types import Array, BoolArray
from pat.integrity.checks import Item, found
from pat.integrity.order import Rows
from pat.readers.survey import looks_saturated, own_tops
from pat.scorer import Scorer
from pat.spectra.contract import HIGHEST_ABSORBANCE

NO_ARTEFACT = "no artefact was given"
_HASH_BYTES = 16


@dataclass(frozen=True)
class _Scan:
    """What is kept of a stretch of n spectra: some thirty bytes each.

    Attributes
    ----------
    marks : ndarray of uint64, shape (n, 2)
        Hash of each spectrum's bytes.
    finite, flat, in_scope : ndarray of bool, shape (n,)
    top : ndarray of shape (n,)
    """

    marks: NDArray[np.uint64]
    finite: BoolArray
    top: Array
    flat: BoolArray
    in_scope: BoolArray


def examine_readings(ds: xr.Dataset, rows: Rows, scorer: Scorer | None, *, progress: str | None = None) -> list[Item]:
    """Ask what absorbance itself can answer.

    Parameters
    ----------
    ds : Dataset
        Spectra; lazy ones are computed chunk by chunk and let go.
    rows : Rows
        Its rows.
    scorer : Scorer or None
        Of the artefact whose scope is asked for.
    progress : str, optional
        Label of a progress bar.

    Returns
    -------
    list of Item
        ``duplicates``, ``non_finite``, ``saturated`` and ``out_of_scope``.
    """
    scans = map_items(partial(_scan, scorer=scorer), _stretches(ds["absorbance"]), progress=progress)
    marks, finite, top, flat, in_scope = (
        np.concatenate([getattr(scan, name) for scan in scans]) for name in _Scan.__dataclass_fields__
    )
    limit = (None if scorer is None else scorer.document.get("saturation")) or HIGHEST_ABSORBANCE
    scope = Item("out_of_scope", not_examined=NO_ARTEFACT)
    if scorer is not None:
        scope = rows.item("out_of_scope", np.flatnonzero(finite & ~in_scope))
    return [
        _duplicates(rows, marks),
        rows.item("non_finite", np.flatnonzero(~finite)),
        rows.item("saturated", np.flatnonzero(looks_saturated(top, flat, limit))),
        scope,
    ]


def _stretches(absorbance: xr.DataArray) -> list[xr.DataArray]:
    """Return the chunks, each whole along the wavelength; what is in memory is one."""
    edges = np.cumsum([0, *(absorbance.chunks[0] if absorbance.chunks else absorbance.shape[:1])]).tolist()
    return [absorbance[start:stop] for start, stop in pairwise(edges)]


def _scan(stretch: xr.DataArray, *, scorer: Scorer | None) -> _Scan:
    values = np.ascontiguousarray(stretch.values)
    marks = b"".join(hashlib.blake2b(row.data, digest_size=_HASH_BYTES).digest() for row in values)
    finite: BoolArray = np.isfinite(values).all(axis=1)
    in_scope = np.ones(finite.size, dtype=bool)
    if scorer is not None and finite.any():
        in_scope[finite] = scorer.predict(values[finite]).in_scope
    return _Scan(np.frombuffer(marks, np.uint64).reshape(-1, 2), finite, *own_tops(values), in_scope)


def _duplicates(rows: Rows, marks: NDArray[np.uint64]) -> Item:
    """Rows whose bytes an earlier row has."""
    first, inverse = np.unique(marks, axis=0, return_index=True, return_inverse=True)[1:]
    earlier = first[inverse.reshape(-1)]
    copies = np.flatnonzero(earlier != np.arange(earlier.size)).tolist()
    places = (f"{rows.called(i)}, equal to {rows.called(int(earlier[i]))}" for i in copies)
    return found("duplicates", earlier.size, (str(rows.batch[i]) for i in copies), places)
