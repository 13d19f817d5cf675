"""A cluster of ``dask.distributed``: proven to compute what this process would, and whose failures are clear.

A worker that dies costs time, and no number: its tasks run again elsewhere, and a task does not know where it runs.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import platform
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from pat.errors import InputError, MissingExtra

# A cluster without any worker would wait for ever.
_SECONDS_WITHOUT_WORKERS = 60.0
_SECONDS_BETWEEN_LOOKS = 1.0


class InstructionSetWarning(UserWarning):
    """Workers compute with other instruction sets than this process: the last bits depend on which took what."""


@contextmanager
def cluster(address: str) -> Iterator[None]:
    """Compute everything lazy inside the block on the workers of a running scheduler.

    Parameters
    ----------
    address : str
        Such as ``tcp://10.0.0.5:8786``.

    Raises
    ------
    InputError
        If there is no scheduler, if it has no workers or loses them all, if workers do not have this process's code and
        numpy, or if a task ends its worker again and again, as one that is too large for its memory does.
    MissingExtra
        If the package distributed is not installed.

    Warns
    -----
    InstructionSetWarning
        If workers compute with other instruction sets.
    """
    try:
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError
    except ImportError as error:
        raise MissingExtra("a cluster needs the package distributed: pip install distributed") from error
    lost = threading.Event()
    try:
        with _connected(address) as client, _watched(client, lost):
            _require_alike(client, address)
            yield
    except KilledWorker as error:
        died = error.allowed_failures + 1
        raise InputError(f"{address}: a task ended {died} workers, one after the other: {error.task!r}") from error
    except (concurrent.futures.CancelledError, asyncio.CancelledError, CommClosedError) as error:
        came = f"none for {_SECONDS_WITHOUT_WORKERS:.0f} s" if lost.is_set() else "a scheduler that is gone"
        raise InputError(f"{address}: expected workers to compute, got {came}") from error


def _connected(address: str) -> Any:
    from distributed import Client

    try:
        return Client(address)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError(f"{address}: expected a running Dask scheduler, got: {error}") from error


def traits() -> dict[str, str]:
    """Return what the numbers of this process depend on, beside its input: code, numpy, and instruction sets."""
    import pat

    source = hashlib.sha256()
    root = Path(str(pat.__file__)).parent
    for path in sorted(root.rglob("*.py")):
        source.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    blas = sorted({str(one.get("architecture")) for one in threadpool_info() if one["user_api"] == "blas"})
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "code": f"pat {pat.__version__} ({source.hexdigest()[:12]})",
        "numpy": np.__version__,
        "kernels": f"{platform.machine()}, BLAS {'+'.join(blas)}, numpy {'+'.join(simd['found'])}",
    }


def _require_alike(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_SECONDS_WITHOUT_WORKERS)
    except TimeoutError as error:
        raise InputError(f"{address}: expected workers, got a scheduler that has none") from error
    here = traits()
    for worker, there in client.run(traits, on_error="return").items():
        if not isinstance(there, dict):
            raise InputError(f"{address}: expected {here['code']} on worker {worker}, got: {there}")
        for name in ("code", "numpy"):
            if there[name] != here[name]:
                raise InputError(f"{address}: expected {name} {here[name]} on worker {worker}, got {there[name]}")
        if there["kernels"] != here["kernels"]:
            warnings.warn(
                f"worker {worker} computes with {there['kernels']}, this process with {here['kernels']}: last bits may "
                "differ; start it with the same OPENBLAS_CORETYPE and NPY_DISABLE_CPU_FEATURES",
                InstructionSetWarning,
                stacklevel=2,
            )


@contextmanager
def _watched(client: Any, lost: threading.Event) -> Iterator[None]:
    """Give up, by cancelling what has been asked for, when there have been no workers for too long."""
    from distributed import Future

    done = threading.Event()

    def watch() -> None:
        without = 0.0
        while not done.wait(_SECONDS_BETWEEN_LOOKS):
            found = client.scheduler_info(n_workers=1)["workers"]
            without = 0.0 if found else without + _SECONDS_BETWEEN_LOOKS
            if without >= _SECONDS_WITHOUT_WORKERS:
                lost.set()
                client.cancel([Future(key, client) for key in list(client.futures)], force=True)

    def watch_while_connected() -> None:
        with suppress(Exception):  # of a scheduler that is gone, the tasks themselves hear
            watch()

    threading.Thread(target=watch_while_connected, name="pat-workers", daemon=True).start()
    try:
        yield
    finally:
        done.set()
