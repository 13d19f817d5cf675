"""Speed beside peers in one process: the same answers first, then the times as ratios."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ikpls.numpy import PLS as IKPLS
from scipy.signal import savgol_filter
from sklearn.cross_decomposition import PLSRegression
from threadpoolctl import threadpool_limits

from pat.artefact import Content
from pat.core import pls
from pat.core.types import Array
from pat.scorer import Scorer
from pat.simulation import MICRONIR, simulate_run

_REPEATS = 5


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of ours and of the peer, medians of interleaved runs."""

    work: str
    peer: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.theirs / self.ours


def compare(
    work: str,
    peer: str,
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    tolerance: float,
    to_ours: float = 1.0,
) -> Row:
    """Check that both give the same numbers, the peer's times `to_ours` where its units differ; then time both in turn.

    Raises
    ------
    RuntimeError
        If the largest difference is more than `tolerance` times the largest number.
    """
    a, b = np.asarray(ours()), np.asarray(theirs()) * to_ours
    off = float(np.max(np.abs(a - b)) / np.max(np.abs(b)))
    if not off <= tolerance:
        raise RuntimeError(f"{work}: ours and {peer} differ by {off:.2g} relative, allowed {tolerance:g}")
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_REPEATS):
        for kept, run in zip(times, (ours, theirs), strict=True):
            start = time.perf_counter()
            run()
            kept.append(time.perf_counter() - start)
    return Row(work, peer, float(np.median(times[0])), float(np.median(times[1])))


def _scipy_chain(x: Array, delta: float) -> Array:
    snv = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, ddof=1, keepdims=True)
    return np.asarray(savgol_filter(snv, 9, 2, deriv=1, delta=delta, axis=1))


def calibration(rng: np.random.Generator) -> list[Row]:
    """PLS1 with ten components on 10,000 spectra of 300 wavelengths, coefficients compared."""
    scores = rng.normal(size=(10_000, 12)) * np.linspace(3.0, 0.5, 12)
    x = scores @ rng.normal(size=(12, 300)) + 0.1 * rng.normal(size=(10_000, 300))
    y = scores @ rng.normal(size=12) + 0.1 * rng.normal(size=10_000)
    mean_x, mean_y = x.mean(axis=0), float(y.mean())

    def ours() -> Array:
        coefficients: Array = pls.fit(pls.moments(x, y, mean_x, mean_y), 10).coefficients[-1]
        return coefficients

    def sklearn() -> Array:
        coefficients: Array = PLSRegression(10, scale=False).fit(x, y).coef_.ravel()
        return coefficients

    def ikpls() -> Array:
        model = IKPLS(algorithm=2, scale_X=False, scale_Y=False)
        model.fit(x, y[:, None], 10)
        coefficients: Array = model.B[9].ravel()
        return coefficients

    work = "PLS1, 10 components, 10,000 x 300"
    return [
        compare(work, "scikit-learn", ours, sklearn, 1e-6),
        compare(work, "ikpls", ours, ikpls, 1e-6),
    ]


def scoring(content: Content) -> list[Row]:
    """Predict one run at once, and the time of one live update beside a plain scikit-learn style prediction."""
    scorer = Scorer(content)
    model, ranges = content.model(), content.document["ranges"]
    run = simulate_run("good", 5, n_revolutions=300)
    keep = np.zeros(MICRONIR.wavelength.size, dtype=bool)
    for low, high in ranges:
        keep |= (MICRONIR.wavelength >= low) & (MICRONIR.wavelength <= high)
    delta = float(np.diff(MICRONIR.wavelength[keep]).mean())

    def chain(x: Array) -> Array:
        treated = _scipy_chain(np.atleast_2d(x)[:, keep], delta)
        return np.asarray((treated - model.x_mean) @ model.coefficients[-1] + model.y_mean)

    def live() -> Array:
        blend = scorer.start("benchmark")
        return np.array([blend.update(x).value for x in run.absorbance])

    def one_by_one() -> Array:
        return np.array([chain(x)[0] for x in run.absorbance])

    return [
        compare("predict, 300 spectra at once", "scipy", lambda: scorer.predict(run.absorbance).value,
                 lambda: chain(run.absorbance), 1e-9),
        compare("update, 300 spectra (all statistics)", "scipy, prediction alone", live, one_by_one, 1e-9),
    ]  # fmt: skip


def measure(content: Content) -> list[Row]:
    """Measure everything, with BLAS on one thread."""
    rng = np.random.default_rng(1)
    with threadpool_limits(limits=1):
        return [*calibration(rng), *scoring(content)]


def table(rows: list[Row]) -> str:
    """Return the comparisons as a table that fits a terminal."""
    lines = [f"{'work':<37}{'peer':<24}{'ours ms':>9}{'peer ms':>9}"]
    for row in rows:
        lines.append(f"{row.work:<37}{row.peer:<24}{row.ours * 1e3:>9.2f}{row.theirs * 1e3:>9.2f}  x {row.ratio:.1f}")
    return "\n".join(lines)
