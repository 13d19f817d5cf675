"""Calibration and search on a cluster of real processes, some of which die (simulated spectra)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import xarray as xr
import yaml

import pat
from pat import cluster, compute
from pat.calibration import Calibration, calibrate
from pat.cluster import InstructionSetWarning
from pat.errors import InputError, SpectraError
from pat.method import Method
from pat.search import Search, Space, search
from pat.spectra import derive, open_store, write_store
from tests import small_campaign

ROOT = Path(__file__).parents[1]
SG = {"step": "savitzky_golay", "window": 7, "polyorder": 2, "deriv": 1}
SPACE = Space.from_document({"preprocessing": [["none", {"step": "snv"}], ["none", SG]]})


def started(*command: str, **environment: str) -> subprocess.Popen[bytes]:
    here = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen([sys.executable, "-m", "dask", *command], cwd=ROOT, env=here, stderr=subprocess.DEVNULL)


def until(there: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + 60.0
    while not (found := there()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
    return found


@contextmanager
def running(folder: Path, n_workers: int, worker: dict[str, str], **scheduler: str) -> Iterator[tuple[str, list[int]]]:
    """A scheduler and workers, each a process of its own: the address, and the workers' process ids."""
    contact = folder / "scheduler.json"
    common = ("--no-dashboard", "--scheduler-file", str(contact))
    processes = [started("scheduler", "--host", "127.0.0.1", "--port", "0", *common, **scheduler)]
    try:
        until(contact.exists, "the scheduler")
        threads = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        processes += [started("worker", *threads, *common, **worker) for _ in range(n_workers)]
        yield (
            until(lambda: json.loads(contact.read_text() or "{}"), "its address")["address"],
            [process.pid for process in processes[1:]],
        )
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cluster") / "raw.zarr"
    write_store(small_campaign.dataset(), path)
    return Path(path)


@pytest.fixture(scope="module")
def method() -> Method:
    return Method.from_document(yaml.safe_load(small_campaign.YAML))


@pytest.fixture(scope="module")
def expected(method: Method, store: Path) -> tuple[Calibration, Search]:
    with compute.scheduler("synchronous"):
        return calibrate(method, open_store(store)), search(method, SPACE, open_store(store), n_outer=2)


def calibrated_at(scheduler: str, method: Method, ds: xr.Dataset) -> Calibration:
    with compute.scheduler(scheduler):
        return calibrate(method, ds)


def assert_same_bits(found: Calibration, expected: Calibration) -> None:
    """The model, every prediction of the cross-validation, and every limit, to the last bit."""
    assert found.figures == expected.figures
    assert (found.t2_limit, found.q_limit) == (expected.t2_limit, expected.q_limit)
    for part in ("model", "cross_validation"):
        ours, theirs = vars(getattr(found, part)), vars(getattr(expected, part))
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert np.asarray(ours[name]).tobytes() == np.asarray(theirs[name]).tobytes(), name


@pytest.mark.parametrize("name", ["threads", "processes"])
def test_this_machine_gives_the_same_bits(method, store, expected, name):
    with compute.scheduler(name):
        assert_same_bits(calibrate(method, open_store(store)), expected[0])
        assert search(method, SPACE, open_store(store), n_outer=2) == expected[1]


@pytest.mark.parametrize("name", ["threads", "processes"])
def test_a_damaged_chunk_is_the_same_error_wherever_it_is_read(method, store, tmp_path, name):
    damaged = tmp_path / "raw.zarr"
    shutil.copytree(store, damaged)
    chunk = damaged / "absorbance" / "c" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 0x10
    chunk.write_bytes(data)
    with pytest.raises(SpectraError, match=f"{damaged}: expected readable absorbance, got a damaged chunk"):
        calibrated_at(name, method, open_store(damaged))


class Slow:
    """Leaves spectra as they are, slowly, and says which process had them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, x: np.ndarray) -> np.ndarray:
        (self._folder / f"pid-{os.getpid()}").touch()
        time.sleep(0.02)
        return x


def slowed(store: Path, folder: Path) -> xr.Dataset:
    ds = open_store(store)
    chunked = ds["absorbance"].chunk(spectrum=20)
    return derive(ds, compute.apply_rows(Slow(folder), chunked, ds["wavelength"]))


def kill_when_it_works(folder: Path, pids: list[int]) -> threading.Thread:
    """Kill, by SIGKILL, the processes as soon as one of them has had spectra."""

    def kill() -> None:
        until(lambda: any((folder / f"pid-{pid}").exists() for pid in pids), "a worker at work")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_cluster_gives_the_same_bits_and_outlives_a_worker(method, store, expected, tmp_path, monkeypatch):
    with running(tmp_path, 2, {}) as (address, pids), compute.scheduler(address):
        assert_same_bits(calibrate(method, open_store(store)), expected[0])
        assert search(method, SPACE, open_store(store), n_outer=2) == expected[1]
        first = kill_when_it_works(tmp_path, pids[:1])
        assert_same_bits(calibrate(method, slowed(store, tmp_path)), expected[0])
        first.join()
        assert {int(path.name[4:]) for path in tmp_path.glob("pid-*")} == set(pids)
        assert search(method, SPACE, slowed(store, tmp_path), n_outer=2).scores == expected[1].scores


def test_a_cluster_that_has_lost_its_workers_is_a_clear_error(method, store, tmp_path, monkeypatch):
    # Dask itself would wait for ever.
    monkeypatch.setattr(cluster, "_SECONDS_WITHOUT_WORKERS", 2.0)
    with running(tmp_path, 1, {}) as (address, pids):
        last = kill_when_it_works(tmp_path, pids)
        with pytest.raises(InputError, match=f"{address}: expected workers to compute, got none for 2 s"):
            calibrated_at(address, method, slowed(store, tmp_path))
        last.join()
        with pytest.raises(InputError, match=f"{address}: expected workers, got a scheduler that has none"):
            calibrated_at(address, method, slowed(store, tmp_path))


def dies(item: int) -> int:
    os._exit(1)


@pytest.mark.slow
def test_a_task_that_ends_its_workers_is_a_clear_error(tmp_path):
    no_patience = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with running(tmp_path, 2, {}, **no_patience) as (address, _):
        with pytest.raises(InputError, match=f"{address}: a task ended 1 workers"), compute.scheduler(address):
            compute.map_items(dies, [1])


def test_a_scheduler_that_is_not_there_is_a_clear_error():
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        with pytest.raises(InputError, match="tcp://127.0.0.1:1: expected a running Dask scheduler, got"):
            with compute.scheduler("tcp://127.0.0.1:1"):
                pass


def test_workers_with_other_code_are_refused(tmp_path):
    # Another version of one formula would give other numbers, and nobody would see it.
    shutil.copytree(Path(pat.__file__).parent, tmp_path / "old" / "pat", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "old" / "pat" / "core" / "variance.py").open("a") as stream:
        stream.write("# another day's code\n")
    old = {"PYTHONPATH": str(tmp_path / "old"), "PYTHONSAFEPATH": "1", "OPENBLAS_CORETYPE": "Haswell"}
    with running(tmp_path, 1, old) as (address, _):
        with pytest.raises(InputError, match=r"expected code pat .* on worker tcp://.*, got pat "):
            with compute.scheduler(address):
                pass


class _Client:
    """As much of a client as the comparison needs; its worker answers what it is told."""

    def __init__(self, **changes: str) -> None:
        self._answer = cluster.traits() | changes

    def wait_for_workers(self, n_workers: int, timeout: float) -> None:
        pass

    def run(self, function: Callable[..., Any], on_error: str) -> dict[str, Any]:
        return {"tcp://w:1": self._answer}


def test_workers_with_other_kernels_are_told_of():
    cluster._require_alike(_Client(), "tcp://s:1")
    with pytest.warns(InstructionSetWarning, match="worker tcp://w:1 computes with another CPU, this process with"):
        cluster._require_alike(_Client(kernels="another CPU"), "tcp://s:1")
    with pytest.raises(InputError, match=r"tcp://s:1: expected numpy .* on worker tcp://w:1, got 1.0"):
        cluster._require_alike(_Client(numpy="1.0"), "tcp://s:1")
