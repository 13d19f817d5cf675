"""Calibration beside its peers: PLS, cross-validation, and one pass for moments over data larger than a cache."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray as xr
import zarr
from ikpls.fast_cross_validation.numpy import PLS as FastCV
from ikpls.numpy import PLS as IKPLS
from sklearn.cross_decomposition import PLSRegression
from threadpoolctl import threadpool_limits

from pat.calibration.preparation import total_moments
from pat.core import pls
from pat.core.crossval import leave_groups_out
from pat.core.pls import Moments
from pat.core.types import Array, IntArray
from pat.method import Method

_METHOD = Path("models/demo/method.yaml")
_REPEATS = 5
_COMPONENTS, _WAVELENGTHS, _BATCHES = 20, 800, 40
_ROWS, _CHUNK, _TIMES = 400_000, 2_500, 4
_DASK = {"Dask, float32 X.T @ X": "f4", "Dask, float64 X.T @ X": "f8"}


@dataclass(frozen=True)
class Timed:
    """Seconds of some work: the median of runs in turn with the others of its group."""

    work: str
    who: str
    seconds: float
    note: str = ""


def simulated(n: int, seed: int) -> tuple[Array, Array]:
    """Simulate spectra of 30 falling directions and noise, and two responses."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((n, 30)) * np.linspace(3.0, 0.3, 30)
    x = scores @ rng.standard_normal((30, _WAVELENGTHS)) + 0.3 * rng.standard_normal((n, _WAVELENGTHS))
    return x, scores @ rng.standard_normal((30, 2)) + 0.1 * rng.standard_normal((n, 2))


def require_equal(work: str, found: Any, expected: Any, tolerance: float) -> float:
    """Return the largest difference, relative to the largest value; refuse one above the tolerance."""
    off = float(np.max(np.abs(np.asarray(found) - expected)) / np.max(np.abs(expected)))
    if not off <= tolerance:
        raise RuntimeError(f"{work}: answers differ by {off:.2g} relative, allowed {tolerance:g}")
    return off


def _in_turn(runs: dict[str, Callable[[], Any]]) -> dict[str, float]:
    times: dict[str, list[float]] = {who: [] for who in runs}
    for _ in range(_REPEATS):
        for who, run in runs.items():
            start = time.perf_counter()
            run()
            times[who].append(time.perf_counter() - start)
    return {who: float(np.median(values)) for who, values in times.items()}


def one_model() -> list[Timed]:
    """PLS1 with 20 components of 50,000 spectra, coefficients compared; centred spectra need no copy, others do."""
    x, both = simulated(50_000, 1)
    y, work = both[:, 0], "PLS1, 20 components, 50,000 x 800"
    far = x + 10.0

    def ikpls(algorithm: int) -> Array:
        model = IKPLS(algorithm=algorithm, scale_X=False, scale_Y=False, copy=False).fit(x, y[:, None], _COMPONENTS)
        return np.asarray(model.B[-1, :, 0])

    runs: dict[str, Callable[[], Array]] = {
        "pat": lambda: pls.fit(pls.best_form(x, y, _COMPONENTS), _COMPONENTS).coefficients[-1],
        "pat, not centred": lambda: pls.fit(pls.best_form(far, y, _COMPONENTS), _COMPONENTS).coefficients[-1],
        "pat, from moments": lambda: pls.fit(pls.moments(x, y, *_shift(x, y)), _COMPONENTS).coefficients[-1],
        "ikpls algorithm 1": lambda: ikpls(1),
        "ikpls algorithm 2": lambda: ikpls(2),
    }
    start = time.perf_counter()
    expected = PLSRegression(_COMPONENTS, scale=False).fit(x, y).coef_[0]
    once = time.perf_counter() - start
    off = max(require_equal(work, run(), expected, 1e-8) for run in runs.values())
    note = f"once; coefficients within {off:.0e}"
    return [Timed(work, who, s) for who, s in _in_turn(runs).items()] + [Timed(work, "scikit-learn", once, note)]


def _shift(x: Array, y: Array) -> tuple[Array, float]:
    return x[:100].mean(axis=0), float(y[:100].mean())


def cross_validation() -> list[Timed]:
    """Leave one of 40 batches out, 1 to 20 components, RMSECV compared; then with moments that were kept."""
    x, both = simulated(8_000, 2)
    codes = np.repeat(np.arange(_BATCHES), 8_000 // _BATCHES)
    y, second = both.T.copy()
    early = codes < _BATCHES - 1
    kept = pls.moments(x, y, *_shift(x, y))
    before = pls.moments(x[early], y[early], *_shift(x, y))

    def added() -> Array:
        total = pls.combine([before, pls.moments(x[~early], y[~early], *_shift(x, y))])
        return leave_groups_out(x, y, codes, _COMPONENTS, total=total, distances=False).rmsecv

    def other() -> Array:
        total = pls.moments(x, second, *_shift(x, second), xx=kept.xx)
        return leave_groups_out(x, second, codes, _COMPONENTS, total=total, distances=False).rmsecv

    runs: dict[str, Callable[[], Array]] = {
        "pat": lambda: leave_groups_out(x, y, codes, _COMPONENTS, distances=False).rmsecv,
        "pat, with T2 and Q": lambda: leave_groups_out(x, y, codes, _COMPONENTS).rmsecv,
        "pat, 2 threads": lambda: leave_groups_out(x, y, codes, _COMPONENTS, distances=False, threads=2).rmsecv,
        "pat, second analyte": other,
        "pat, one batch added": added,
        "ikpls algorithm 2": lambda: ikpls_rmsecv(x, y, codes),
    }
    work = "leave one of 40 batches out, 8,000 x 800"
    expected = {who: ikpls_rmsecv(x, second if "second" in who else y, codes) for who in runs}
    off = max(require_equal(work, run(), expected[who], 1e-10) for who, run in runs.items())
    timed = [Timed(work, who, seconds) for who, seconds in _in_turn(runs).items()]
    timed[-1] = Timed(work, "ikpls algorithm 2", timed[-1].seconds, f"RMSECV within {off:.0e}")
    return [*timed, scikit_learn_folds(work, x, y, codes)]


def ikpls_rmsecv(x: Array, y: Array, codes: IntArray) -> Array:
    """RMSECV (A,) by the fast cross-validation of ikpls."""

    def squares(true: Array, found: Array) -> Array:
        return np.asarray(((found - true) ** 2).sum(axis=(1, 2)))

    model = FastCV(algorithm=2, scale_X=False, scale_Y=False, copy=False)
    with contextlib.redirect_stdout(io.StringIO()):
        found = model.cross_validate(x, y[:, None], _COMPONENTS, codes, squares, n_jobs=1, verbose=0)
    return np.asarray(np.sqrt(sum(found.values()) / y.size))


def scikit_learn_folds(work: str, x: Array, y: Array, codes: IntArray) -> Timed:
    """Time three folds of scikit-learn's better form: one fit with 20 components serves all that are fewer."""
    predicted = leave_groups_out(x, y, codes, _COMPONENTS, distances=False).predicted
    folds, start, found = (0, 17, 39), time.perf_counter(), []
    for fold in folds:
        train, test = codes != fold, codes == fold
        model = PLSRegression(_COMPONENTS, scale=False).fit(x[train], y[train])
        steps = model.transform(x[test]) * model.y_loadings_[0]
        found.append(y[train].mean() + np.cumsum(steps, axis=1))
    seconds = (time.perf_counter() - start) * _BATCHES / len(folds)
    for fold, values in zip(folds, found, strict=True):
        require_equal(work, predicted[codes == fold], values, 1e-8)
    return Timed(work, "scikit-learn", seconds, f"extrapolated from {len(folds)} of {_BATCHES} folds")


def one_pass() -> list[Timed]:
    """Moments of 400,000 spectra in single precision from Zarr, each run in a process of its own; 2 threads.

    The product itself bounds what is to be had: in double precision it takes the processor 1.5 to 2 times as long as in
    single, so Dask's product of the widened spectra, not shifted and without references, stands beside it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spectra.zarr"
        _write(path)
        found = {who: _in_process(who, path, 1) for who in ("pat", *_DASK)}
        found["pat, 4 times the rows"] = _in_process("pat", path, _TIMES)
    work = "one pass for moments, 400,000 x 800 float32"
    notes = {who: f"peak {one['peak_mb']:.0f} MB" for who, one in found.items()}
    for who in ("pat", *_DASK):
        notes[who] += f"; largest error of X'X {found[who]['error']:.0e} of its largest element"
    return [Timed(work, who, float(one["seconds"]), notes[who]) for who, one in found.items()]


def _write(path: Path) -> None:
    rng = np.random.default_rng(3)
    codec = zarr.codecs.ZstdCodec(level=3, checksum=True)
    array = zarr.create_array(
        path, shape=(_ROWS, _WAVELENGTHS), chunks=(_CHUNK, _WAVELENGTHS), dtype="f4", compressors=(codec,)
    )
    directions = (rng.standard_normal((12, _WAVELENGTHS)) * 0.05).astype(np.float32)
    for start in range(0, _ROWS, 4 * _CHUNK):
        scores = rng.standard_normal((4 * _CHUNK, 12), dtype=np.float32)
        noise = rng.standard_normal((4 * _CHUNK, _WAVELENGTHS), dtype=np.float32)
        array[start : start + 4 * _CHUNK] = scores @ directions + 1.0 + np.float32(1e-3) * noise


def _in_process(who: str, path: Path, times: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.calibrate", who, str(path), str(times)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _measure_pass(who: str, path: str, times: int) -> dict[str, Any]:
    """Time the second of two runs; the error is that against products of some columns, summed in long double."""
    x = da.concatenate([da.from_zarr(path)] * times)  # type: ignore[no-untyped-call]
    run = _dask_product(x, _DASK[who]) if who in _DASK else _our_moments(x)
    seconds = []
    with dask.config.set(scheduler="threads", num_workers=2), threadpool_limits(limits=1):
        for _ in range(2):
            start = time.perf_counter()
            found = run()
            seconds.append(time.perf_counter() - start)
        peak = _peak_mb()
        error = _error(found, x) if times == 1 else None
    return {"seconds": seconds[-1], "peak_mb": peak, "error": error}


def _peak_mb() -> float:
    """Most memory that this program has held; `resource` would count that of the one which started it, too."""
    kilobytes = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return float(kilobytes[1]) / 1024.0 if kilobytes else float("nan")


def _dask_product(x: da.Array, dtype: str) -> Callable[[], Array]:
    def run() -> Array:
        wide = x.astype(dtype)  # type: ignore[no-untyped-call]
        return np.asarray((wide.T @ wide).compute())

    return run


def _our_moments(x: da.Array) -> Callable[[], Moments]:
    method = Method.load(_METHOD)
    n, n_batches = x.shape[0], _BATCHES * x.shape[0] // _ROWS
    names = [f"B{i:03d}" for i in range(n_batches)]
    batch = np.repeat(np.array(names, dtype=np.dtypes.StringDType()), n // n_batches)
    reference = np.random.default_rng(4).normal(method.analyte.target, 1.0, n)
    spectra = xr.Dataset(
        {"absorbance": (("spectrum", "wavelength"), x), method.analyte.name: ("spectrum", reference)},
        {"batch": ("spectrum", batch), "batch_id": ("batch_id", np.unique(batch))},
    )
    return lambda: total_moments(method, spectra, names)


def _error(found: Array | Moments, x: da.Array) -> float:
    some = np.array([0, 399, 799])
    columns = np.asarray(x[:, some].compute(), dtype=np.longdouble)
    exact = np.array([[(a * b).sum() for b in columns.T] for a in columns.T])
    plain = _not_shifted(found) if isinstance(found, Moments) else found
    return float(np.abs(plain[np.ix_(some, some)] - exact).max() / exact.max())


def _not_shifted(m: Moments) -> Array:
    """X'X as if the spectra had not been shifted, to compare with the plain product."""
    shifted = np.outer(m.shift_x, m.sum_x)
    return np.asarray(m.xx + shifted + shifted.T + m.n * np.outer(m.shift_x, m.shift_x))


def measure() -> list[Timed]:
    """Measure everything, with BLAS on one thread."""
    with threadpool_limits(limits=1):
        return [*one_model(), *cross_validation(), *one_pass()]


def table(timed: list[Timed]) -> str:
    """Return the figures as a table; the last column says how many times ours, the first of its group, is faster."""
    lines, ours, work = [], 0.0, ""
    for one in timed:
        if one.work != work:
            work, ours = one.work, one.seconds
            lines.append(work)
        ratio = f"x {one.seconds / ours:.2f}"
        lines.append(f"  {one.who:<24}{one.seconds * 1e3:>10.0f} ms  {ratio:<9}{one.note}".rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    print(json.dumps(_measure_pass(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
