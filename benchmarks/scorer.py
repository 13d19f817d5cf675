"""The scorer beside its peers: one spectrum, one update of a blend, blocks, a fresh process, and a very long batch.

SNV, first derivative and PLS with 10 components on 800 wavelengths, SIMULATED spectra. A million spectra through one
blend, which takes some minutes: ``python -m benchmarks.scorer --spectra 1000000``.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.scorer_peers import Peers, calibrated, require_equal, simulated
from pat import artefact
from pat.artefact import Content
from pat.core.endpoint import GOOD
from pat.core.evidence import Rule
from pat.core.types import Array
from pat.scorer import Reading, Scorer

BLOCK, SPECTRA, BLOCK_SIZE = 10_000, 100_000, 15
_SINGLE, _ROUNDS, _BLOCKS, _STARTS = 2_000, 10, 5, 5
_DRIFT = 1e-9
_ABSENT = "onnxruntime is not among the requirements and is left out; it would score in float32"

# What is run on one of several things given, and how many times.
Run = tuple[Callable[[Any], Any], int]


@dataclass(frozen=True)
class Timed:
    """Seconds of some work: median and 99th percentile of runs in turn with the others of its group."""

    work: str
    who: str
    median: float
    high: float


def in_turn(work: str, runs: Mapping[str, Run], given: Sequence[Any]) -> list[Timed]:
    """Time runs in turn, each on one of what is given after the other."""
    taken: dict[str, list[float]] = {who: [] for who in runs}
    for k in range(_ROUNDS):
        for who, (run, times) in runs.items():
            for i in range(k * times // _ROUNDS, (k + 1) * times // _ROUNDS):
                each = given[i % len(given)]
                start = time.perf_counter()
                run(each)
                taken[who].append(time.perf_counter() - start)
    return [Timed(work, who, float(np.median(t)), float(np.quantile(t, 0.99))) for who, t in taken.items()]


def singles(peers: Peers, times: int = _SINGLE) -> list[Timed]:
    """Measure one spectrum: ours with everything, the others first without and then with T2 and Q."""
    x, _ = simulated(500, 3)

    def rows(call: Callable[[Array], Any]) -> Run:
        return (lambda row: call(row[None, :])), times // 4

    ours: dict[str, Run] = {"ours, with all": (peers.scorer.predict, times)}
    alone: dict[str, Run] = {"NumPy fused by hand": (peers.fused.value, times)}
    full: dict[str, Run] = {"NumPy fused by hand": (peers.fused.one, times)}
    return [
        *in_turn("one spectrum; the others without T2, Q and scope",
                 ours | alone | {who: rows(call) for who, call in peers.alone.items()}, list(x)),
        *in_turn("one spectrum, with T2 and Q",
                 ours | full | {who: rows(call) for who, call in peers.full.items()}, list(x)),
    ]  # fmt: skip


def updates(peers: Peers, times: int = _SINGLE) -> list[Timed]:
    """Measure one update of a blend, beside scikit-learn's prediction alone.

    A reading has the moving statistics that the verdicts rest on; the second row computes all the published ones as
    well, which `Blend.statistics` else does when it is asked.

    Raises
    ------
    RuntimeError
        If a reading is not a good one, which would cost less.
    """
    x, _ = simulated(times + 3 * BLOCK_SIZE, 4)
    blend, other = (peers.scorer.start(name) for name in ("benchmark", "published"))

    def update(row: Array) -> None:
        if blend.update(row).status not in GOOD:
            raise RuntimeError("a reading of the benchmark is not a good one")

    def published(row: Array) -> None:
        other.update(row)
        other.statistics()

    for row in x[: 3 * BLOCK_SIZE]:  # until all blocks are full
        update(row)
        published(row)
    runs: dict[str, Run] = {
        f"ours, block of {BLOCK_SIZE}": (update, times),
        f"with all {len(other.statistics())} published ones": (published, times),
        "scikit-learn, prediction": ((lambda row: peers.pipeline.predict(row[None, :])), times // 4),
    }
    # A spectrum that came before would be frozen: each blend gets every one of them once.
    return in_turn("one update of a blend, with the moving statistics of a reading", runs, list(x[3 * BLOCK_SIZE :]))


def in_blocks(peers: Peers, n: int = BLOCK) -> list[Timed]:
    """Measure a block of spectra, all with T2 and Q."""
    runs: dict[str, Run] = {"ours, with scope": (peers.scorer.predict, _BLOCKS * 2)}
    runs |= {who: (full, _BLOCKS * 2) for who, full in peers.full.items()}
    return in_turn(f"a block of {n:,} spectra, with T2 and Q", runs, [simulated(n, 5)[0]])


_FRESH = {
    "ours, verified": "import numpy as np; from pat.scorer import Scorer; "
    "print(Scorer.load('artefact', allow_unreleased=True).predict(np.load('x.npy')).value[0])",
    "joblib, scikit-learn": "import joblib, numpy as np; "
    "print(joblib.load('pipeline.joblib').predict(np.load('x.npy')[None, :]).ravel()[0])",
    "MLflow pyfunc": "import warnings; warnings.simplefilter('ignore'); import mlflow.pyfunc, numpy as np; "
    "print(mlflow.pyfunc.load_model('pyfunc').predict(np.load('x.npy')[None, :]).ravel()[0])",
}


def fresh_processes(peers: Peers, folder: Path, times: int = _STARTS) -> list[Timed]:
    """Measure a fresh interpreter until it has ended with its first prediction; each has compiled its bytecode before.

    Raises
    ------
    RuntimeError
        If one gives another value, or none.
    """
    x, _ = simulated(16, 6)
    np.save(folder / "x.npy", x[0])
    joblib.dump(peers.pipeline, folder / "pipeline.joblib")
    content = Content(peers.content.arrays, peers.content.document | {"rule": None, "claim": None})
    got = Scorer(content).predict(x)
    known = {"absorbance": x, "value": got.value, "hotelling_t2": got.hotelling_t2, "q_residuals": got.q_residuals}
    artefact.write(folder / "artefact", content, known, None, {"passed": True}, "simulated", {})

    # Where an environment writes no bytecode, everybody would be measured by how fast Python compiles.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")

    def start(code: str) -> None:
        # The repository is where benchmarks and pat lie; the folder is where the models do.
        code = f"import sys; sys.path.insert(0, {str(Path.cwd())!r}); {code}"
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"a fresh process ended with {done.returncode}: {done.stderr}")
        value = float(done.stdout.split()[-1])
        if not abs(value / got.value[0] - 1.0) <= 1e-7:
            raise RuntimeError(f"a fresh process predicts {value}, expected {got.value[0]}")

    for code in _FRESH.values():
        start(code)
    runs: dict[str, Run] = {who: (partial(_ignoring, start, code), times) for who, code in _FRESH.items()}
    return in_turn("a fresh process to its first prediction", runs, [None])


def _ignoring(run: Callable[[str], None], given: str, _: Any) -> None:
    run(given)


@dataclass(frozen=True)
class LongRun:
    """A very long batch through one blend.

    Attributes
    ----------
    spectra : int
    first, last : Timed
        One update in the first and in the last tenth.
    grown : float
        Peak memory of the process after the last spectrum less that after the first tenth (MB).
    drift : float
        Largest relative difference of the last reading's numbers from a direct computation.
    """

    spectra: int
    first: Timed
    last: Timed
    grown: float
    drift: float


def long_run(peers: Peers, n: int = SPECTRA) -> LongRun:
    """Send `n` spectra through one blend.

    Raises
    ------
    RuntimeError
        If the last reading's numbers are not those of its spectra.
    """
    pool, _ = simulated(4_096, 7)
    # What is not written to takes no memory yet, and would count as growth.
    blend, taken, peaks = peers.scorer.start("long"), np.full(n, np.nan), []
    for i in range(n):
        row = pool[i % len(pool)]
        start = time.perf_counter()
        reading = blend.update(row)
        taken[i] = time.perf_counter() - start
        if i in (n // 10, n - 1):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0)
    off = _drift(peers, pool[np.arange(n - BLOCK_SIZE, n) % len(pool)], reading)
    if not off <= _DRIFT:
        raise RuntimeError(f"after {n:,} spectra a reading is off by {off:.2g}, allowed {_DRIFT:g}")
    tenths = [
        Timed("", "", float(np.median(t)), float(np.quantile(t, 0.99))) for t in np.split(taken[: n // 10 * 10], 10)
    ]
    return LongRun(n, tenths[0], tenths[-1], peaks[1] - peaks[0], off)


def _drift(peers: Peers, block: Array, reading: Reading) -> float:
    """Largest relative difference of a reading from its block's spectra, treated and predicted at once."""
    treated, value = peers.treated(block), peers.scorer.predict(block).value
    direct = {
        "value": value[-1],
        "block_mean": value.mean(),
        "block_rsd": 100.0 * value.std(ddof=1) / value.mean(),
        "mbsd": treated.std(axis=0, ddof=1).mean(),
    }
    return max(float(abs(getattr(reading, name) / number - 1.0)) for name, number in direct.items())


def opened(rule: Rule) -> Rule:
    """Return a rule with blocks of 15 and without the limits that belong to another method's spectra."""
    never, always = 1e9, 1e-12
    return replace(
        rule,
        block_size=BLOCK_SIZE,
        repeat_distance=always,
        least_level_step=always,
        least_contrast_step=always,
        least_novelty=always,
        least_mbsd=always,
        least_sd=always,
        least_contrast=always,
        residual_drift_limit=never,
        axis_shift_limit=never,
        level_drift_limit=never,
        contrast_drift_limit=never,
    )


def measure(rule: Rule, spectra: int = SPECTRA) -> tuple[list[Timed], LongRun]:
    """Measure everything, with BLAS on one thread.

    Parameters
    ----------
    rule : Rule
        End-point rule of the blends; see `opened`.
    spectra : int
        How many the very long batch has.
    """
    with tempfile.TemporaryDirectory() as name, threadpool_limits(limits=1):
        peers = calibrated(opened(rule), Path(name))
        require_equal(peers)
        timed = [*singles(peers), *updates(peers), *in_blocks(peers), *fresh_processes(peers, Path(name))]
        return timed, long_run(peers, spectra)


def table(timed: Sequence[Timed]) -> str:
    """Return the figures as a table; the last column says how many times ours, the first of its group, is faster."""
    lines, ours, work = [], 0.0, ""
    for one in timed:
        if one.work != work:
            work, ours = one.work, one.median
            lines.append(work)
        times = f"{_seconds(one.median)}  99 % {_seconds(one.high)}"
        lines.append(f"  {one.who:<26}{times}  x {one.median / ours:.1f}")
    return "\n".join([*lines, _ABSENT])


def _seconds(seconds: float) -> str:
    return f"{seconds * 1e6:>8.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:>8.1f} ms"


def long_table(run: LongRun) -> str:
    """Return what a very long batch showed, as text."""
    return (
        f"{run.spectra:,} spectra through one blend, {_seconds(run.first.median).strip()} each in the first tenth, "
        f"{_seconds(run.last.median).strip()} in the last\n(99 %: {_seconds(run.first.high).strip()} and "
        f"{_seconds(run.last.high).strip()}); memory grew by {run.grown:.1f} MB after the first tenth; the last "
        f"reading is off by {run.drift:.1g}"
    )


def main() -> None:
    """Measure with the demo's rule, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spectra", type=int, default=SPECTRA, help="length of the very long batch")
    given = parser.parse_args()
    content = artefact.read(Path("models/demo/artefact")).content
    timed, run = measure(Rule.from_dict(content.document["rule"]), given.spectra)
    print(table(timed))
    print(long_table(run))


if __name__ == "__main__":
    main()
