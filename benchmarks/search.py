"""Method search beside its peers: 200 chains under leave-one-batch-out, all that a loop over chains would do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask
import numpy as np
import xarray as xr
from scipy.signal import savgol_filter
from threadpoolctl import threadpool_limits

from benchmarks.calibrate import Timed, ikpls_rmsecv, require_equal, scikit_learn_folds, simulated
from pat import spectra
from pat.core.types import Array, IntArray
from pat.method import Method
from pat.search import Chain, Search, Space, search

_METHOD = Path("models/demo/method.yaml")
_BATCHES, _PER_BATCH, _SPACING = 40, 200, 2.0
_WINDOWS = [7, 9, 11, 13, 15, 17, 21, 25, 31, 41]
SPACE = {
    "preprocessing": [
        ["none", {"step": "snv"}, *({"step": "normalise", "norm": n} for n in ("area", "maximum", "unit_vector"))],
        [
            {"step": "savitzky_golay", "window": {"one_of": _WINDOWS}, "polyorder": 2, "deriv": {"one_of": [0, 1, 2]}},
            {"step": "savitzky_golay", "window": {"one_of": _WINDOWS}, "polyorder": 3, "deriv": 1},
        ],
    ],
    "max_components": 20,
}
# Chains that the peers are measured on, from all over the space.
_MEASURED = (0, 47, 93, 139, 185)


def by_numpy_and_scipy(chain: Chain, x: Array) -> Array:
    """Treat spectra as a chain says, by numpy and scipy alone."""
    for step in chain.method.document()["preprocessing"]:
        match step:
            case {"step": "snv"}:
                x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, ddof=1, keepdims=True)
            case {"step": "normalise", "norm": "area"}:
                x = x / np.abs(x).sum(axis=1, keepdims=True)
            case {"step": "normalise", "norm": "maximum"}:
                x = x / np.abs(x).max(axis=1, keepdims=True)
            case {"step": "normalise", "norm": "unit_vector"}:
                x = x / np.sqrt((x * x).sum(axis=1, keepdims=True))
            case {"step": "savitzky_golay", "window": window, "polyorder": polyorder, "deriv": deriv}:
                x = savgol_filter(x, window, polyorder, deriv=deriv, delta=_SPACING, axis=1, mode="interp")
    return x


def _dataset() -> tuple[xr.Dataset, Array, Array, IntArray]:
    x, both = simulated(_BATCHES * _PER_BATCH, 5)
    # As absorbance looks: positive, and neighbours alike.
    x, y = 0.6 + 0.02 * np.abs(x) + 0.01 * x, 10.0 + 0.1 * both[:, 0]
    codes = np.repeat(np.arange(_BATCHES), _PER_BATCH)
    ds = spectra.build(
        x,
        wavelength=1000.0 + _SPACING * np.arange(x.shape[1]),
        batch=[f"B{code:02d}" for code in codes],
        time=np.datetime64("2026-03-02T08:00", "ns") + np.arange(y.size) * np.timedelta64(10, "s"),
        instrument=["NIR-1"] * y.size,
        references={"api": (y, "% w/w")},
    )
    return ds, x, y, codes


def _method() -> Method:
    document = Method.load(_METHOD).document()
    document["spectra"]["ranges"] = []
    document["calibration"]["folds"] = "batch"
    return Method.from_document(document)


def _timed_search(ds: xr.Dataset, n_outer: int) -> tuple[Search, float]:
    with dask.config.set(scheduler="threads", num_workers=2):
        start = time.perf_counter()
        found = search(_method(), Space.from_document(SPACE), ds, n_outer=n_outer)
        return found, time.perf_counter() - start


def measure() -> list[Timed]:
    """Search once; time peers on some chains, whose RMSECV must be ours."""
    ds, x, y, codes = _dataset()
    chains, _ = Space.from_document(SPACE).chains(_method(), ds["wavelength"].values)
    found, seconds = _timed_search(ds, 0)
    work = f"method search, {len(chains)} chains x 20 components x {_BATCHES} batches, {y.size:,} x {x.shape[1]}"
    ours = {score.key: np.array(score.rmsecv) for score in found.scores}
    with threadpool_limits(limits=1):
        each, off = _ikpls(work, [chains[i] for i in _MEASURED], x, y, codes, ours)
        folds = scikit_learn_folds(work, by_numpy_and_scipy(chains[_MEASURED[-1]], x), y, codes)
    peer = each * len(chains)
    note = f"extrapolated from {len(_MEASURED)} chains; RMSECV within {off:.0e}"
    return [
        Timed(work, "pat, 2 threads", seconds),
        Timed(work, "ikpls, 1 thread", peer, note),
        Timed(work, "ikpls, 2 processes", peer / 2.0, "half of that, as if nothing were lost between them"),
        Timed(work, "scikit-learn, 2 processes", folds.seconds * len(chains) / 2.0, f"1 chain, {folds.note}, halved"),
    ]


def _ikpls(
    work: str, chains: Sequence[Chain], x: Array, y: Array, codes: IntArray, ours: dict[str, Any]
) -> tuple[float, float]:
    """Seconds of one chain, the median over some, and the largest relative difference from ours."""
    seconds, off = [], 0.0
    for chain in chains:
        start = time.perf_counter()
        rmsecv = ikpls_rmsecv(by_numpy_and_scipy(chain, x), y, codes)
        seconds.append(time.perf_counter() - start)
        off = max(off, require_equal(f"{work}, {chain.label}", ours[chain.key], rmsecv, 1e-8))
    return float(np.median(seconds)), off
