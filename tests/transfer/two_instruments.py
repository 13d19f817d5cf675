"""The small simulated campaign on two instruments: NIR-2 has another gain and offset, and its wavelengths are off."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from pat.spectra import build
from tests.small_campaign import dataset


def both(**changes: Any) -> xr.Dataset:
    """All batches on NIR-1 and NIR-2, in one dataset; `changes` replace arguments of `build`."""
    ds = dataset()
    axis, n = ds["wavelength"].values, ds.sizes["spectrum"]
    time = np.asarray(ds["time"].values)
    arguments: dict[str, Any] = {
        "absorbance": np.concatenate([ds["absorbance"].values, on_second(ds["absorbance"].values, axis)]),
        "wavelength": axis,
        "batch": np.tile(ds["batch"].values, 2),
        "time": np.concatenate([time, time + np.timedelta64(1, "D")]),
        "instrument": np.repeat(["NIR-1", "NIR-2"], n),
        "references": {"api": (np.tile(ds["api"].values, 2), "% w/w")},
        "facts": {name: ds[name].values for name in ("batch_id", "role", "lot")},
    }
    return build(**(arguments | changes))


def on_second(absorbance: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Return the spectra as NIR-2 reads them."""
    rng = np.random.default_rng(5)
    shifted = np.array([np.interp(axis + 2.0, axis, row) for row in absorbance])
    gain = 1.08 + 0.03 * np.sin(axis / 70.0)
    return np.asarray(0.04 + gain * shifted + 2e-4 * rng.standard_normal(absorbance.shape))
