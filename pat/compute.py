"""The only door to Dask: ordered work over batches and rows, on this machine or on a cluster.

The same code runs on threads (the default), on processes, one task after the other, or on the workers of
``dask.distributed``, and gives the same bits: results stand in the order that was asked for, every task sees the same
spectra whatever the chunks, and BLAS keeps to one thread inside a task, because its sums depend on the number.
"""

from __future__ import annotations

import concurrent.futures
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

import dask.base
import dask.config
import numpy as np
import xarray as xr
from dask.callbacks import Callback
from dask.delayed import delayed
from numpy.typing import ArrayLike
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from threadpoolctl import OpenBLASController, get_cached_controller

from pat.cluster import cluster
from pat.core.types import Array
from pat.errors import InputError
from pat.spectra import split_batches

_T = TypeVar("_T")
_Item = TypeVar("_Item")
_Data = TypeVar("_Data", xr.Dataset, xr.DataArray)

_SCHEDULERS = ("threads", "processes", "synchronous")


@contextmanager
def scheduler(name: str | None = None) -> Iterator[None]:
    """Choose where everything lazy inside the block is computed.

    Parameters
    ----------
    name : {"threads", "processes", "synchronous"} or address, optional
        An address, such as ``tcp://10.0.0.5:8786``, is that of a running ``dask.distributed`` scheduler. By default
        the environment variable ``PAT_SCHEDULER``; without it Dask's own setting holds.

    Raises
    ------
    InputError, MissingExtra
        If the name is none of these; and as `pat.cluster.cluster`.
    """
    chosen = name or os.environ.get("PAT_SCHEDULER", "")
    if "://" in chosen:
        with cluster(chosen):
            yield
    elif chosen in _SCHEDULERS:
        with dask.config.set(scheduler=chosen):
            yield
    elif chosen:
        raise InputError(f"the scheduler must be one of {', '.join(_SCHEDULERS)} or an address, got {chosen!r}")
    else:
        yield


@contextmanager
def computing(progress: str | None = None, *, graphs: int = 1) -> Iterator[None]:
    """Compute what is lazy inside the block where the user chose: `scheduler()`, unless one is in use already.

    Parameters
    ----------
    progress : str, optional
        Label of a progress bar.
    graphs : int
        As in `progress_bar`.
    """
    in_use = dask.base.get_scheduler()  # type: ignore[no-untyped-call]
    with scheduler() if in_use is None else nullcontext(), progress_bar(progress, graphs=graphs):
        yield


@contextmanager
def progress_bar(label: str | None, *, graphs: int = 1) -> Iterator[None]:
    """Show a bar on stderr, while a person watches, of what Dask computes on this machine inside the block.

    Parameters
    ----------
    label : str or None
        What is being done; None shows nothing. On a cluster, its dashboard shows the progress.
    graphs : int
        How many computations of about the same size the block has, as far as that is known.
    """
    if label is None or not sys.stderr.isatty():
        yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar, _Bar(bar, label, graphs):
        yield


def apply_rows(func: Callable[[Array], Array], absorbance: xr.DataArray, wavelength_out: ArrayLike) -> xr.DataArray:
    """Apply a row-wise step to spectra; lazy where they are lazy.

    Parameters
    ----------
    func : callable
        Takes an array of shape (n, n_wavelengths), in C order and not to be changed, and gives one of shape
        (n, n_wavelengths_out), each row from its own row alone.
    absorbance : DataArray of dims (spectrum, wavelength)
        Chunks along the wavelength are joined first: a step sees whole spectra.
    wavelength_out : array_like of shape (n_wavelengths_out,)
        Axis of the result, nm.

    Returns
    -------
    DataArray of dims (spectrum, wavelength)
        With the other coordinates of `absorbance`. Steps that work along each row give the same bits whatever the
        chunks; matrix products may differ in the last ones.
    """
    axis = np.asarray(wavelength_out, dtype=np.float64)
    whole = absorbance if absorbance.chunks is None else absorbance.chunk(wavelength=-1)
    result: xr.DataArray = xr.apply_ufunc(
        _rows,
        whole,
        kwargs={"func": func, "n_out": axis.size},
        input_core_dims=[["wavelength"]],
        output_core_dims=[["wavelength"]],
        exclude_dims={"wavelength"},
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"wavelength": axis.size}},
        keep_attrs=True,
    )
    return result.assign_coords(wavelength=axis)


def map_batches(
    func: Callable[[xr.Dataset], _T], ds: xr.Dataset, batches: Iterable[str], *, progress: str | None = None
) -> list[_T]:
    """Apply a function to each batch, in parallel.

    Parameters
    ----------
    func : callable
        Takes the spectra and facts of one batch, in memory; what it gives must be picklable on processes and clusters.
    ds : Dataset
        Spectra.
    batches : iterable of str
        Names.
    progress : str, optional
        Label of a progress bar.

    Returns
    -------
    list
        Results in the order of `batches`.

    Raises
    ------
    SpectraError
        If a batch is unknown.
    """
    return map_items(partial(_batch, func), _named(ds, batches), progress=progress)


def fold_batches(
    func: Callable[[xr.Dataset], _T],
    combine: Callable[[_T, _T], _T],
    ds: xr.Dataset,
    batches: Iterable[str],
    *,
    progress: str | None = None,
) -> _T:
    """Apply a function to each batch, in parallel, and combine the results in the order of `batches`.

    Parameters
    ----------
    func, ds, batches, progress
        As in `map_batches`; one batch at least.
    combine : callable
        As in `fold_items`.

    Raises
    ------
    SpectraError
        If a batch is unknown.
    InputError
        If there is none.
    """
    named = _named(ds, batches)
    if not named:
        raise InputError("expected at least 1 batch, got 0")
    return fold_items(partial(_batch, func), combine, named, progress=progress)


def _named(ds: xr.Dataset, batches: Iterable[str]) -> list[tuple[str, xr.Dataset]]:
    names = list(batches)
    return list(zip(names, split_batches(ds, names), strict=True))


def map_items(
    func: Callable[[_Item], _T],
    items: Sequence[_Item],
    *,
    done: Callable[[_T], None] | None = None,
    progress: str | None = None,
) -> list[_T]:
    """Apply a function to each of several items, in parallel.

    Parameters
    ----------
    func : callable
        Takes one item, in which nothing is lazy any more: Dask computes what is lazy in the items first. What it takes
        and gives must be picklable on processes and clusters.
    items : sequence
    done : callable, optional
        Takes each result as soon as it is there, in this process, one at a time and in no certain order: what has
        been done survives an interruption of the rest.
    progress : str, optional
        Label of a progress bar.

    Returns
    -------
    list
        Results in the order of `items`.
    """
    run = delayed(_item, pure=False)
    with computing(progress):
        tasks = [run(func, item) for item in items]
        client = _cluster_in_use()
        if client is not None:
            return _on_cluster(client, tasks, done)
        with _Results({task.key for task in tasks}, done) if done else nullcontext():
            return list(dask.base.compute(*tasks))  # type: ignore[no-untyped-call]


def fold_items(
    func: Callable[[_Item], _T], combine: Callable[[_T, _T], _T], items: Sequence[_Item], *, progress: str | None = None
) -> _T:
    """Apply a function to each of several items, in parallel, and combine the results from the first to the last.

    Parameters
    ----------
    func : callable
        As in `map_items`.
    combine : callable
        Takes the results of all items up to one, combined, and that of the next, and gives both combined. The order is
        always that of the items, so that the bits repeat, and a result is let go as soon as it is combined: memory
        does not grow with the number of items.
    items : sequence
        At least one.
    progress : str, optional
        Label of a progress bar.
    """
    run, join = delayed(_item, pure=False), delayed(combine, pure=False)
    with computing(progress):
        total = run(func, items[0])
        for item in items[1:]:
            total = join(total, run(func, item))
        client = _cluster_in_use()
        found: list[_T] = [total.compute()] if client is None else _on_cluster(client, [total], None)
        return found[0]


def load(data: _Data, *, progress: str | None = None) -> _Data:
    """Compute what is lazy, into memory.

    Parameters
    ----------
    data : Dataset or DataArray
        Spectra.
    progress : str, optional
        Label of a progress bar.
    """
    with computing(progress):
        return data.compute()


def _rows(block: Array, func: Callable[[Array], Array], n_out: int) -> Array:
    with _one_blas_thread():
        # In another memory order numpy sums rows in another order too.
        result = np.asarray(func(np.ascontiguousarray(block)), dtype=np.float64)
    if result.shape != (*block.shape[:-1], n_out):
        raise ValueError(f"a row-wise step must give shape {(*block.shape[:-1], n_out)}, got {result.shape}")
    return result


def _item(func: Callable[[_Item], _T], item: _Item) -> _T:
    with _one_blas_thread():
        return func(item)


def _cluster_in_use() -> Any:
    """Client of the cluster that computes here, None where this machine does."""
    if "distributed" not in sys.modules:
        return None
    from dask.distributed import default_client

    try:
        client = default_client()  # type: ignore[no-untyped-call]
    except ValueError:
        return None
    return client if dask.base.get_scheduler() == client.get else None  # type: ignore[no-untyped-call]


def _on_cluster(client: Any, tasks: Sequence[Any], done: Callable[[_T], None] | None) -> list[_T]:
    from dask.distributed import as_completed

    futures = client.compute(list(tasks))
    if done:
        for _, result in as_completed(futures, with_results=True):  # type: ignore[no-untyped-call]
            # Of a task that was cancelled, or whose scheduler is gone, the error comes as if it were the result.
            if isinstance(result, concurrent.futures.CancelledError):
                raise result
            done(result)
    return list(client.gather(futures))


def _batch(func: Callable[[xr.Dataset], _T], named: tuple[str, xr.Dataset]) -> _T:
    name, part = named
    try:
        return func(part)
    except Exception as error:
        error.add_note(f"in batch {name!r}")
        raise


_blas_lock = threading.Lock()
_blas_users = 0
_blas_before: Any = None


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread until the last of this process's tasks has left.

    The number of threads mostly belongs to the process: a task that restored it on its own would give it back to tasks
    that still run. Some builds keep a number for each thread, so every task sets it.
    """
    global _blas_users, _blas_before
    with _blas_lock:
        limits = _set_blas(lambda: get_cached_controller().limit(limits=1, user_api="blas"))
        _blas_before = _blas_before if _blas_users else limits
        _blas_users += 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            if not _blas_users:
                _set_blas(_blas_before.restore_original_limits)


def _set_blas(change: Callable[[], _T]) -> _T:
    """Change the number of threads of BLAS, from whatever thread this is.

    threadpoolctl lets one thread of a process change it, the first that tried, and silently ignores the others.
    """
    OpenBLASController.clear_controlling_thread(force=True)
    try:
        return change()
    finally:
        OpenBLASController.clear_controlling_thread(force=True)


class _Results(Callback):
    """Hand over the results of these tasks as they come."""

    def __init__(self, keys: set[str], done: Callable[[Any], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._keys, self._done = keys, done

    def _posttask(self, key: Any, result: Any, dsk: Any, state: Any, worker_id: Any) -> None:
        if key in self._keys:
            self._done(result)


class _Bar(Callback):
    """Count the tasks of every graph that is computed."""

    def __init__(self, bar: Progress, label: str, graphs: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._bar = bar
        self._task = bar.add_task(label, total=None)
        self._begun = 0
        self._graphs_to_come = graphs

    def _start_state(self, dsk: Any, state: dict[str, Any]) -> None:
        tasks = sum(len(state[key]) for key in ("ready", "waiting", "running"))
        self._begun += tasks
        self._graphs_to_come = max(0, self._graphs_to_come - 1)
        self._bar.update(self._task, total=self._begun + self._graphs_to_come * tasks)

    def _posttask(self, key: Any, result: Any, dsk: Any, state: Any, worker_id: Any) -> None:
        self._bar.advance(self._task)
