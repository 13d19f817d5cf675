"""Simulated mixtures for tests of calibration: batches of lots, with levels of their own (simulated)."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pat.method import Method
from pat.spectra import build

ROOT = Path(__file__).parents[2]
AXIS = np.linspace(950.0, 1650.0, 36)
PURE = np.exp(-(((AXIS - np.array([[1120.0], [1250.0], [1400.0], [1530.0]])) / 60.0) ** 2))


def method(**calibration: Any) -> Method:
    """Demo method without treatment, four components at most."""
    document = copy.deepcopy(Method.load(ROOT / "models" / "demo" / "method.yaml").document())
    document["preprocessing"], document["spectra"]["ranges"] = [], []
    document["calibration"] |= {"max_components": 4, **calibration}
    return Method.from_document(document)


def mixtures(n_batches: int = 12, per_batch: int = 5, seed: int = 1, noise: float = 2e-3, **changes: Any) -> xr.Dataset:
    """Mixtures of four bands; batches come in lots of three, two batches a day; `changes` replace arguments."""
    rng = np.random.default_rng(seed)
    batch = np.repeat(np.arange(n_batches), per_batch)
    of_batch = rng.normal([10.0, 40.0, 30.0, 5.0], [1.0, 2.0, 2.0, 0.5], (n_batches, 4))
    content = of_batch[batch] + rng.normal(0.0, [0.2, 0.3, 0.3, 0.1], (batch.size, 4))
    clean = 0.5 + 0.01 * content @ PURE
    names = [f"B{i:03d}" for i in range(n_batches)]
    start = np.datetime64("2026-03-02T08:00", "ns")
    since = (batch // 2) * np.timedelta64(24 * 60, "m") + (np.arange(batch.size) % per_batch) * np.timedelta64(1, "m")
    arguments: dict[str, Any] = {
        "wavelength": AXIS,
        "batch": [names[i] for i in batch],
        "time": start + since + batch * np.timedelta64(30, "m"),
        "instrument": [f"NIR-{1 + i % 3}" for i in range(batch.size)],
        "references": {"api": (content[:, 0], "% w/w")},
        "facts": {"batch_id": names, "lot": [f"L{i // 3}" for i in range(n_batches)]},
    }
    return build(clean + rng.normal(0.0, noise, clean.shape), **(arguments | changes))
