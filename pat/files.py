"""Writing that a crash cannot spoil: files and folders are made beside, synced, and swapped in (stdlib only)."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pat.errors import InputError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def place(text: str) -> str | Path:
    """Return where a user says that a store lies: a URL as it was given, else a path."""
    return text if "://" in text else Path(text)


def sha256(data: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


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
    """Write a file so that its name holds the old bytes or the new ones, never a part of either.

    Raises
    ------
    OSError
        If it cannot be written; the error names `path`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, as `os.fsync` does the bytes of a file."""
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
        sync_folder(Path(base))


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one step, where the system can (Linux); say whether it was done."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE) == 0)


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the writers' lock of a file or folder; a second writer waits, whoever it is.

    The lock is a hidden file beside `target`, and goes with the writer that held it; one that a killed writer has left
    holds nobody up.

    Raises
    ------
    InputError
        If the lock cannot be made there.
    """
    place = _place(target)
    lock = place.with_name(f".{place.name}.lock")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle = _hold(lock)
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        yield
    finally:
        # In a folder that others write too, the lock may be theirs, and stays.
        with suppress(OSError):
            lock.unlink()
        os.close(handle)


def _unwritable(target: Path, error: OSError) -> InputError:
    about = f" ({error.filename})" if error.filename else ""
    return InputError(f"{target}: expected a place that can be written, got: {error.strerror}{about}")


def _place(target: Path) -> Path:
    """Follow links, so that a place has one name."""
    try:
        place = target.resolve()
    except RuntimeError as error:  # links that go round
        raise InputError(f"{target}: expected a place that can be written, got: {error}") from error
    if not place.name:
        raise InputError(f"{target}: expected a file or folder of its own, got the root of the file system")
    return place


def _hold(lock: Path) -> int:
    """Wait for a lock; its file goes with its holder, so what was waited for may not be what others find now."""
    # Imported here, because a line may read artefacts on a system that has no such lock.
    import fcntl

    while True:
        handle = _open_lock(lock)
        fcntl.flock(handle, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.lstat(lock)):
                return handle
        os.close(handle)


def _open_lock(lock: Path) -> int:
    """Open a lock: never through a link that somebody has put in its place, never emptying what is there."""
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except PermissionError:
        return os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)  # another user's: reading is enough to lock


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder beside `target` to fill; it takes the target's place when the block ends well.

    If the block raises, or the process dies, `target` is what it was. What a writer that died has left beside it is
    removed by the next one. Whether a folder that is there may be replaced is for the caller to know.

    Raises
    ------
    InputError
        If `target` is something else than a folder, or the folder that this process works in, or cannot be written.
    OSError
        If writing fails later on; the error names `target`.
    """
    place = _place(target)
    _refuse_other(target, place)
    with locked(place):
        _clear(place)
        fresh = _fresh(target, place)
        try:
            yield fresh
            os.chmod(fresh, 0o755)
            _sync_tree(fresh)
            _refuse_other(target, place)
            _swap(fresh, place)
            sync_folder(place.parent)
        except BaseException as error:
            _remove_while_written(fresh)
            # A full disk is about the place that was asked for, not about the hidden folder.
            if isinstance(error, OSError) and error.errno and Path(error.filename or fresh).is_relative_to(fresh):
                raise OSError(error.errno, error.strerror, os.fspath(target)) from error
            raise
        shutil.rmtree(fresh, ignore_errors=True)  # what it has replaced


def _remove_while_written(folder: Path) -> None:
    """Remove a folder that threads of a write which failed or was interrupted may still be writing into."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.1)
        if not folder.exists():
            return


def _refuse_other(target: Path, place: Path) -> None:
    if os.path.lexists(place) and not place.is_dir():
        came = "a file" if place.is_file() else "something that is neither a folder nor a file"
        raise InputError(f"{target}: expected a folder, or nothing there yet, got {came}; it is left as it is")
    if place in (Path.cwd(), *Path.cwd().parents):
        raise InputError(f"{target}: expected a folder of its own, got the one that this command works in")


def _fresh(target: Path, place: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent))
    except OSError as error:
        raise _unwritable(target, error) from error


def _clear(place: Path) -> None:
    """Remove what a writer that died has left; only the holder of the lock may."""
    # Exactly what `mkdtemp` names for this place: `.a.b.x1y2z3w4.part` is another's.
    ours = re.compile(rf"\.{re.escape(place.name)}\.[a-z0-9_]{{8}}\.(part|old)")
    for left in place.parent.iterdir():
        if not ours.fullmatch(left.name) or left.is_symlink():
            continue
        if left.suffix == ".old" and not place.exists():  # it died between two renames
            os.rename(left, place)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _swap(fresh: Path, place: Path) -> None:
    if not place.exists():
        os.rename(fresh, place)
    elif not _exchange(fresh, place):
        old = fresh.with_suffix(".old")
        os.rename(place, old)
        os.rename(fresh, place)
        shutil.rmtree(old)
