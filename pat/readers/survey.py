"""What was read, in a few figures for the person who reads it: batches by role, and saturated spectra."""

from __future__ import annotations

import numpy as np
import xarray as xr

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
    absorbance = np.asarray(ds["absorbance"].values)
    top = absorbance == absorbance.max()
    side_by_side = np.lib.stride_tricks.sliding_window_view(top, min(_SIDE_BY_SIDE, top.shape[1]), axis=1)
    clipped = side_by_side.all(axis=-1).any(axis=-1)
    return int(np.count_nonzero(clipped | (absorbance > HIGHEST_ABSORBANCE).any(axis=1)))
