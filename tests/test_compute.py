from __future__ import annotations

import concurrent.futures
import io
import os
import sys
import threading
import time

import dask
import numpy as np
import pytest
import xarray as xr
from dask.distributed import Client, Future, LocalCluster
from threadpoolctl import threadpool_info, threadpool_limits

from pat import compute
from pat.errors import InputError, SpectraError
from pat.spectra import open_store, write_store
from tests.small_spectra import small_spectra


def snv(x):
    return (x - x.mean(axis=-1, keepdims=True)) / x.std(axis=-1, ddof=1, keepdims=True)


def solved(part):
    """Work whose last bits depend on the number of BLAS threads."""
    x = part["absorbance"].values
    cross = x.T @ x + np.eye(x.shape[1])
    return os.getpid(), np.linalg.eigvalsh(cross), np.linalg.solve(cross, x[0]), part["batch_id"].values.tolist()


def blas_threads(part=None):
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("compute") / "raw.zarr"
    write_store(small_spectra((300, 260, 7, 240), 250), path)
    return path


BATCHES = ["B4", "B1", "B3", "B2"]


@pytest.fixture(scope="module")
def expected(store):
    """What a plain loop gives, BLAS on one thread."""
    ds = open_store(store).load()
    with threadpool_limits(1, user_api="blas"):
        return [
            solved(ds.isel(spectrum=ds["batch"].values == name, batch_id=ds["batch_id"].values == name))
            for name in BATCHES
        ]


def assert_same_bits(found, expected):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours[1].tobytes() == theirs[1].tobytes()
        assert ours[2].tobytes() == theirs[2].tobytes()
        assert ours[3] == theirs[3]


# --- map_batches


@pytest.mark.requirement("URS-80")
@pytest.mark.parametrize("name", ["threads", "synchronous", "processes"])
def test_every_scheduler_gives_the_same_bits_in_the_order_asked_for(store, expected, name):
    with compute.scheduler(name):
        found = compute.map_batches(solved, open_store(store), BATCHES)
    assert_same_bits(found, expected)
    assert {pid == os.getpid() for pid, *_ in found} == {name != "processes"}


def test_a_cluster_gives_the_same_bits(store, expected):
    ds = open_store(store)
    with LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None) as cluster:
        with Client(cluster):
            found = compute.map_batches(solved, ds, BATCHES)
            rows = compute.apply_rows(snv, ds["absorbance"], ds["wavelength"]).compute()
        with compute.scheduler(cluster.scheduler_address):
            again = compute.map_batches(solved, ds, BATCHES)
    assert_same_bits(found, expected)
    assert_same_bits(again, expected)
    assert os.getpid() not in {pid for pid, *_ in found + again}
    assert rows.values.tobytes() == snv(ds["absorbance"].values).tobytes()


@pytest.mark.requirement("URS-80")
@pytest.mark.parametrize("chunks", [None, 1, 7, 300, 807])
def test_chunks_do_not_change_a_bit(store, expected, chunks):
    ds = open_store(store).load()
    ds = ds if chunks is None else ds.chunk(spectrum=chunks)
    assert_same_bits(compute.map_batches(solved, ds, BATCHES), expected)


def test_a_part_is_one_batch_in_memory(store):
    ds = open_store(store)

    def look(part):
        assert part["absorbance"].chunks is None
        return part

    for name, part in zip(BATCHES, compute.map_batches(look, ds, BATCHES), strict=True):
        expected = ds.isel(spectrum=ds["batch"].values == name, batch_id=ds["batch_id"].values == name).load()
        xr.testing.assert_identical(part.drop_attrs(deep=False), expected.drop_attrs(deep=False))
        assert part["batch"].dtype == np.dtypes.StringDType()


def test_an_error_says_in_which_batch(store):
    def fail(part):
        if part["batch_id"].values[0] == "B3":
            raise ZeroDivisionError("flat spectrum")

    with pytest.raises(ZeroDivisionError, match="flat spectrum") as caught:
        compute.map_batches(fail, open_store(store), BATCHES)
    assert "in batch 'B3'" in caught.value.__notes__


def test_unknown_batches_and_none(store):
    with pytest.raises(SpectraError, match="got 'B9'"):
        compute.map_batches(solved, open_store(store), ["B1", "B9"])
    assert compute.map_batches(solved, open_store(store), []) == []


# --- BLAS


@pytest.mark.requirement("URS-80")
def test_blas_keeps_to_one_thread_while_any_task_runs():
    # The first task to end must not give its threads back while the others still run.
    n_tasks = 4
    barrier = threading.Barrier(n_tasks)

    def look(part):
        barrier.wait(timeout=30.0)  # all have begun
        time.sleep(0.1 * int(part["batch_id"].values[0][1:]))  # and end one after the other
        return blas_threads()

    with threadpool_limits(2, user_api="blas"), dask.config.set(num_workers=n_tasks):
        seen = compute.map_batches(look, small_spectra((2,) * n_tasks), ["B1", "B2", "B3", "B4"])
        after = blas_threads()
    assert after
    assert seen == [[1] * len(after)] * n_tasks
    assert set(after) == {2}


def test_blas_keeps_to_one_thread_in_rows():
    def look(x):
        return np.full_like(x, max(blas_threads()))

    ds = small_spectra()
    with threadpool_limits(2, user_api="blas"):
        assert (compute.apply_rows(look, ds["absorbance"].chunk(spectrum=2), ds["wavelength"]) == 1.0).all()
        assert set(blas_threads()) == {2}


# --- apply_rows


def test_rows_are_lazy_and_the_same_bits_whatever_the_chunks():
    ds = small_spectra((300, 260), 400)
    expected = snv(ds["absorbance"].values)
    assert compute.apply_rows(snv, ds["absorbance"], ds["wavelength"]).values.tobytes() == expected.tobytes()
    for chunks in ({"spectrum": 1}, {"spectrum": 7}, {"spectrum": (559, 1)}, {"spectrum": 100, "wavelength": 33}):
        with dask.config.set(scheduler=refuse):
            lazy = compute.apply_rows(snv, ds["absorbance"].chunk(chunks), ds["wavelength"])
            assert lazy.chunks is not None
            with pytest.raises(AssertionError, match="something was computed"):
                lazy.load()
        assert lazy.values.tobytes() == expected.tobytes(), chunks


def refuse(*args, **kwargs):
    raise AssertionError("something was computed")


def test_rows_in_another_memory_order_give_the_same_bits():
    ds = small_spectra((300, 260), 400)
    turned = ds["absorbance"].copy(data=np.asfortranarray(ds["absorbance"].values))
    found = compute.apply_rows(snv, turned, ds["wavelength"])
    assert found.values.tobytes() == snv(ds["absorbance"].values).tobytes()


def test_rows_may_have_another_axis():
    ds = small_spectra()
    found = compute.apply_rows(lambda x: x[:, 3:-3], ds["absorbance"].chunk(spectrum=5), ds["wavelength"].values[3:-3])
    xr.testing.assert_identical(found.load(), ds["absorbance"][:, 3:-3])


def test_products_agree_whatever_the_chunks():
    ds = small_spectra((300, 260), 400)
    weights = np.random.default_rng(1).standard_normal((400, 3))
    for size in (1, 7, 560):
        found = compute.apply_rows(
            lambda x: x @ weights, ds["absorbance"].chunk(spectrum=size), [1000.0, 1001.0, 1002.0]
        )
        np.testing.assert_allclose(found, ds["absorbance"].values @ weights, rtol=1e-12, atol=1e-12)


def test_a_step_of_another_shape_is_an_error():
    ds = small_spectra()
    with pytest.raises(ValueError, match=r"must give shape \(12, 12\), got \(12, 6\)"):
        compute.apply_rows(lambda x: x[:, 3:-3], ds["absorbance"], ds["wavelength"])


# --- where it is computed


def test_the_environment_chooses_the_scheduler(store, monkeypatch):
    def where(part):
        return threading.current_thread() is threading.main_thread()

    ds = open_store(store)
    assert compute.map_batches(where, ds, ["B1"]) == [False]
    monkeypatch.setenv("PAT_SCHEDULER", "synchronous")
    assert compute.map_batches(where, ds, ["B1"]) == [True]
    with compute.scheduler("threads"):  # what a program says is more than what its surroundings say
        assert compute.map_batches(where, ds, ["B1"]) == [False]
    with compute.scheduler():
        assert dask.config.get("scheduler") == "synchronous"
    monkeypatch.setenv("PAT_SCHEDULER", "abacus")
    with pytest.raises(InputError, match="must be one of threads, processes, synchronous or an address, got 'abacus'"):
        compute.map_batches(where, ds, ["B1"])


# --- the progress bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("label", ["Calibrating", None])
def test_a_bar_is_shown_to_a_person(store, monkeypatch, capsys, label):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    compute.map_batches(solved, open_store(store), BATCHES, progress=label)
    with compute.computing(label):
        open_store(store).load()
    assert ("Calibrating" in terminal.getvalue()) is (label is not None)
    assert capsys.readouterr().out == ""


def test_nothing_is_shown_to_a_machine(store, capsys):
    compute.map_batches(solved, open_store(store), BATCHES, progress="Calibrating")
    assert capsys.readouterr() == ("", "")


def _square(x: int) -> int:
    return x * x


@pytest.mark.parametrize("name", ["threads", "processes", "synchronous"])
def test_items_come_back_in_order_and_each_is_handed_over(name: str) -> None:
    seen: list[int] = []
    with compute.scheduler(name):
        assert compute.map_items(_square, [3, 1, 2], done=seen.append) == [9, 1, 4]
    assert sorted(seen) == [1, 4, 9]


def test_what_is_done_survives_the_failure_of_another() -> None:
    seen: list[float] = []
    begun: list[float] = []

    def inverse(x: float) -> float:
        begun.append(x)
        return 1.0 / (x if len(begun) == 1 else 0.0)  # whichever Dask takes first

    with compute.scheduler("synchronous"), pytest.raises(ZeroDivisionError):
        compute.map_items(inverse, [2.0, 4.0], done=seen.append)
    assert seen == [1.0 / begun[0]]


def _join(before: str, after: str) -> str:
    return before + after


@pytest.mark.parametrize("name", ["threads", "processes", "synchronous", "cluster"])
def test_results_are_combined_in_order(name: str) -> None:
    if name == "cluster":
        with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as local:
            with Client(local):
                assert compute.fold_items(str, _join, [3, 1, 2]) == "312"
    else:
        with compute.scheduler(name):
            assert compute.fold_items(str, _join, [3, 1, 2]) == "312"
            assert compute.fold_items(str, _join, [7]) == "7"


class _Held:
    alive = most = 0

    def __init__(self, sum_: int) -> None:
        self.sum = sum_
        _Held.alive += 1
        _Held.most = max(_Held.most, _Held.alive)

    def __del__(self) -> None:
        _Held.alive -= 1


def test_results_are_let_go_once_they_are_combined() -> None:
    # All 200 would be held at once if they were combined at the end.
    with dask.config.set(scheduler="threads", num_workers=2):
        total = compute.fold_items(_Held, lambda a, b: _Held(a.sum + b.sum), list(range(200)))
    assert total.sum == 199 * 200 // 2
    assert _Held.most < 20


def _slowly(item: int) -> int:
    time.sleep(1.0)
    return item


def test_a_task_that_was_cancelled_hands_over_nothing() -> None:
    # So a scheduler that is gone is told of: distributed gives the error in the place of the result.
    seen: list[int] = []
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as local:
        with Client(local) as client:

            def cancel() -> None:
                while not client.futures:
                    time.sleep(0.01)
                client.cancel([Future(key, client) for key in list(client.futures)], force=True)

            thread = threading.Thread(target=cancel)
            thread.start()
            with pytest.raises(concurrent.futures.CancelledError):
                compute.map_items(_slowly, [1], done=seen.append)
            thread.join()
    assert seen == []
