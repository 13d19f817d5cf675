"""The same samples on two instruments, spectrum beside spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pat import compute
from pat.core.types import Array, IntArray
from pat.errors import InputError
from pat.spectra import batch_names, batches_with_role, select_batches

# Roles of batches whose samples may teach a transfer: those that a calibration may be made from.
_ROLES = ("calibration", "new_reference")


@dataclass(frozen=True)
class Pairs:
    """Samples that were measured on both instruments.

    Attributes
    ----------
    batch : ndarray of str, shape (n,)
    reading : ndarray of int, shape (n,)
        Which spectrum of its batch it is, counted from 1 in order of time.
    old : ndarray of shape (n, q)
        Raw spectra of the old instrument.
    new : ndarray of shape (n, p)
        Raw spectra of the new one.
    """

    batch: NDArray[np.str_]
    reading: IntArray
    old: Array
    new: Array

    def chosen(self, rows: IntArray) -> Pairs:
        """Return some of the pairs."""
        return replace(self, **{name: array[rows] for name, array in vars(self).items()})

    def described(self) -> list[dict[str, Any]]:
        """Return batch and reading of each pair as plain data."""
        return [{"batch": b, "reading": r} for b, r in zip(self.batch.tolist(), self.reading.tolist(), strict=True)]


def pair(old: xr.Dataset, new: xr.Dataset, analyte: str) -> Pairs:
    """Pair the spectra of the batches that two instruments have measured.

    Parameters
    ----------
    old, new : Dataset
        Raw spectra of one instrument each. Batches with the roles ``calibration`` and ``new_reference`` that both have
        are paired: the first spectrum in time on one instrument is the same sample as the first on the other.
    analyte : str
        Where both have its reference values, they must be the same.

    Returns
    -------
    Pairs

    Raises
    ------
    InputError
        If there is no such batch, or one has not as many spectra on both, or other revolutions or reference values.
    """
    asked = {name for role in _ROLES for name in batches_with_role(new, role)}
    names = sorted(asked & set(batch_names(old)))
    if not names:
        raise InputError(
            f"transfer needs batches with the role {' or '.join(_ROLES)} that both instruments measured, got none"
        )
    parts = [_paired(name, old, new, analyte) for name in names]
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Pairs(*(np.concatenate(column) for column in columns))


def _paired(name: str, old: xr.Dataset, new: xr.Dataset, analyte: str) -> Pairs:
    both = [compute.load(select_batches(ds, [name])) for ds in (old, new)]
    n, n_new = (ds.sizes["spectrum"] for ds in both)
    if n != n_new:
        raise InputError(
            f"samples of batch {name!r} do not pair: {n} spectra on the old instrument, {n_new} on the new"
        )
    for key in ("revolution", analyte):
        _require_same(name, key, [ds[key].values for ds in both if key in ds])
    spectra = [np.asarray(ds["absorbance"].values) for ds in both]
    return Pairs(np.full(n, name), np.arange(1, n + 1), *spectra)


def _require_same(name: str, key: str, values: Sequence[Array]) -> None:
    """Refuse samples that differ in what is known of them on both instruments."""
    if len(values) < 2:
        return
    known = ~np.isnan(values[0]) & ~np.isnan(values[1])
    if (bad := np.flatnonzero(known & (values[0] != values[1]))).size:
        i = bad[0]
        raise InputError(
            f"samples of batch {name!r} do not pair: spectrum {i + 1} has `{key}` {values[0][i]:g} on the old "
            f"instrument and {values[1][i]:g} on the new one"
        )
