"""Writing that a crash cannot spoil: files and folders are made beside, synced, and swapped in (stdlib only)."""

from __future__ import annotations

import ctypes
import glob
import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def canonical_json(document: Any) -> bytes:
    """Return the one byte form of a JSON document: sorted keys, no white space, no NaN.

    Raises
    ------
    ValueError
        If a number is NaN or infinite, which JSON does not have.
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def readable_json(document: Any) -> str:
    """Return a JSON document for people and for files: indented, keys in their own order, no NaN."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that its name holds the old bytes or the new ones, never a part of either."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_tree(folder: Path) -> None:
    for base, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(base, name), "rb") as stream:
                os.fsync(stream.fileno())
        _sync_folder(Path(base))


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one step, where the system can (Linux); say whether it was done."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE) == 0)


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the writers' lock of a file or folder; a second writer waits."""
    # Imported here, because a line may read artefacts on a system that has no such lock.
    import fcntl

    target.parent.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(os.fsencode(target.resolve())).hexdigest()[:24]
    lock = Path(tempfile.gettempdir()) / f"pat-{os.getuid()}-{name}.lock"
    with open(lock, "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder beside `target` to fill; it takes the target's place when the block ends well.

    If the block raises, or the process dies, `target` is what it was. What a writer that died has left beside it is
    removed by the next one.
    """
    with locked(target):
        for left in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
            shutil.rmtree(left, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
        try:
            yield fresh
            os.chmod(fresh, 0o755)
            _sync_tree(fresh)
            if not target.exists():
                os.rename(fresh, target)
            elif not _exchange(fresh, target):
                old = fresh.with_suffix(".old")
                os.rename(target, old)
                os.rename(fresh, target)
                shutil.rmtree(old)
            _sync_folder(target.parent)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
