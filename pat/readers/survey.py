"""What was read, in a few figures for the person who reads it: batches by role, and saturated spectra."""

from __future__ import annotations

import numpy as np
import xarray as xr

from pat.core.types import Array, BoolArray
from pat.spectra.contract import HIGHEST_ABSORBANCE, ROLES

_SIDE_BY_SIDE = 3


def roles(ds: xr.Dataset) -> dict[str, tuple[int, int]]:
    """Count batches and spectra of every role, in the order of `ROLES`.

    Returns
    -------
    dict of str to (int, int)
        Empty if the batches have no roles.
    """
    if "role" not in ds:
        return {}
    by_batch = dict(zip(ds["batch_id"].values.tolist(), ds["role"].values.tolist(), strict=True))
    of_spectra = [by_batch[name] for name in ds["batch"].values.tolist()]
    of_batches = list(by_batch.values())
    return {role: (of_batches.count(role), of_spectra.count(role)) for role in ROLES}


def saturated(ds: xr.Dataset) -> int:
    """Count spectra that look saturated.

    A detector that saturates gives its highest reading in several channels side by side. Counted are spectra with the
    highest absorbance of all in three channels side by side, and those with readings that no powder gives.
    """
    return int(np.count_nonzero(looks_saturated(*own_tops(np.asarray(ds["absorbance"].values)))))


def own_tops(absorbance: Array) -> tuple[Array, BoolArray]:
    """Return the highest reading of each spectrum, and whether three channels side by side have it.

    Parameters
    ----------
    absorbance : ndarray of shape (n, p)
        Readings (AU); those that are no numbers count for nothing.

    Returns
    -------
    top : ndarray of shape (n,)
    flat : ndarray of bool, shape (n,)
    """
    top = np.where(np.isfinite(absorbance), absorbance, -np.inf).max(axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(absorbance, min(_SIDE_BY_SIDE, absorbance.shape[1]), axis=1)
    return top, (windows == top[:, None, None]).all(axis=-1).any(axis=-1)


def looks_saturated(top: Array, flat: BoolArray, limit: float = HIGHEST_ABSORBANCE) -> BoolArray:
    """Return which spectra look saturated, as `saturated` counts them.

    Parameters
    ----------
    top, flat : ndarray of shape (n,)
        What `own_tops` gives, of all spectra of a store.
    limit : float
        Readings above are beyond any powder, or beyond what the detector is good for (AU).
    """
    result: BoolArray = (flat & (top == top.max())) | (top > limit)
    return result
