"""Preprocessing beside chemotools and scipy: SNV and a first derivative, of as many spectra as a campaign has."""

from __future__ import annotations

from typing import Any

import numpy as np
from chemotools.derivative import SavitzkyGolay
from chemotools.scatter import StandardNormalVariate
from scipy.signal import savgol_filter
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from benchmarks.speed import Row, compare
from pat.core.preprocess import Treatment
from pat.core.types import Array

SHAPE = (20_000, 800)
WINDOWS = (9, 15, 25)
_SPACING = 2.0


def _scipy_chain(x: Array, window: int) -> Array:
    snv = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, ddof=1, keepdims=True)
    return np.asarray(savgol_filter(snv, window, 2, deriv=1, delta=_SPACING, axis=1, mode="interp"))


def rows(window: int, x: Array) -> list[Row]:
    """Compare with a pipeline of chemotools and with scipy.

    Parameters
    ----------
    window : int
        Window of the derivative (quadratic), in points.
    x : ndarray of shape (n, p)
        Spectra.
    """
    n, p = x.shape
    steps: list[dict[str, Any]] = [
        {"step": "snv"},
        {"step": "savitzky_golay", "window": window, "polyorder": 2, "deriv": 1},
    ]
    treat = Treatment(1000.0 + _SPACING * np.arange(p), [], steps)
    # Chemotools divides by the population deviation (n), and differentiates per channel.
    peer = make_pipeline(StandardNormalVariate(), SavitzkyGolay(window, 2, 1, mode="interp")).fit(x[:2])
    to_ours = np.sqrt((p - 1) / p) / _SPACING
    work = f"SNV + SG({window}, 2, 1), {n:,} x {p}"
    return [
        compare(work, "chemotools", lambda: treat(x), lambda: peer.transform(x), 1e-12, to_ours),
        compare(work, "scipy", lambda: treat(x), lambda: _scipy_chain(x, window), 1e-12),
    ]


def measure() -> list[Row]:
    """Measure every window, with BLAS on one thread."""
    x = np.random.default_rng(1).normal(0.5, 0.1, SHAPE).cumsum(axis=1)
    with threadpool_limits(limits=1):
        return [row for window in WINDOWS for row in rows(window, x)]
