"""A few spectra that hold the data contract, for tests (simulated: random numbers)."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from pat.spectra import build


def small_spectra(sizes: tuple[int, ...] = (5, 3, 4), n_wavelengths: int = 12, **changes: Any) -> xr.Dataset:
    """Build batches B1, B2, ... of these sizes; `changes` replace arguments of `build`."""
    n = sum(sizes)
    names = [f"B{i + 1}" for i in range(len(sizes))]
    rng = np.random.default_rng(0)
    arguments: dict[str, Any] = {
        "wavelength": 950.0 + 2.0 * np.arange(n_wavelengths),
        "batch": np.repeat(names, sizes),
        "time": np.datetime64("2026-03-02T08:00:00", "ns") + np.arange(n) * np.timedelta64(5, "s"),
        "instrument": ["NIR-1"] * n,
        "revolution": np.concatenate([np.arange(1.0, size + 1.0) for size in sizes]),
        "references": {"api": (np.where(np.arange(n) % 2, np.nan, 10.0), "% w/w")},
        "facts": {
            "batch_id": names,
            "role": ["calibration", *["accepted"] * (len(sizes) - 1)],
            "speed": [12.0] * len(sizes),
        },
    }
    absorbance = changes.pop("absorbance", rng.random((n, n_wavelengths)))
    return build(absorbance, **(arguments | changes))
