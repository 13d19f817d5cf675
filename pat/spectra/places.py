"""Where a store lies: a folder, or what a URL names, through fsspec (``s3://``, ``http://``, ``memory://``, ...).

A folder appears whole, by its rename. Object stores have no rename: a store is written where it stays, and becomes one
by its last object, the root metadata with the hash of the content. Until then nobody opens it.
"""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import fsspec
import zarr
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import FsspecStore, LocalStore, WrapperStore

from pat.errors import InputError, MissingExtra, PatError, SpectraError
from pat.files import replaced_folder

_ROOT = "zarr.json"
_CHUNK = re.compile(r"/c(/\d+)*$")


class Place(Protocol):
    """Where a store lies; its text is what a user calls it."""

    replaces: bool
    """Whether what is there can be replaced in one step."""
    counts: bool
    """Whether chunks must be counted, because Zarr would read a missing one as if it were full of fill values."""

    def exists(self) -> bool:
        """Whether there is anything."""

    def is_free(self) -> bool:
        """Whether a store may be written there."""

    def root(self) -> bytes | None:
        """Return the metadata of the root group, None where there are none."""

    def consolidated(self) -> bool:
        """Whether the root holds the metadata of all arrays, so that they need not be listed."""

    def store(self, *, write: bool = False) -> Any:
        """Return what Zarr opens."""

    def fresh(self) -> AbstractContextManager[Place]:
        """Give an empty place to fill; it becomes this one when the block ends well, and otherwise leaves nothing."""

    def commit(self, names: list[str], attributes: dict[str, str]) -> None:
        """Add attributes to the root; with their hash, arrays become a store."""


def place_of(path: str | Path) -> Place:
    """Return the place that a user names by a path or a URL."""
    if isinstance(path, Path) or "://" not in path:
        return Folder(Path(path))
    if path.startswith(("file://", "local://")):
        return Folder(Path(LocalFileSystem._strip_protocol(path)))
    return Remote(path.rstrip("/"))


@dataclass(frozen=True)
class Folder:
    """A folder of this machine."""

    path: Path
    replaces = counts = True

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """Whether there is anything."""
        return self.path.exists()

    def is_free(self) -> bool:
        """Whether a store may be written there."""
        return not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir()))

    def root(self) -> bytes | None:
        """Return the metadata of the root group, None where there are none."""
        found = self.path / _ROOT
        return found.read_bytes() if found.is_file() else None

    def consolidated(self) -> bool:
        """Whether the root holds the metadata of all arrays, so that they need not be listed."""
        return False

    def store(self, *, write: bool = False) -> _Whole:
        """Return what Zarr opens."""
        # A worker of a cluster has another working directory.
        return _Whole(LocalStore(self.path.absolute(), read_only=not write))

    @contextmanager
    def fresh(self) -> Iterator[Folder]:
        """Give a folder beside it, which takes its place."""
        with replaced_folder(self.path) as folder:
            yield Folder(folder)

    def commit(self, names: list[str], attributes: dict[str, str]) -> None:
        """Add attributes to the root."""
        zarr.open_group(self.path, mode="r+").attrs.update(attributes)


@dataclass(frozen=True)
class Remote:
    """What a URL names; settings of its file system come from fsspec's configuration and the environment."""

    url: str
    replaces = counts = False

    def __str__(self) -> str:
        return self.url

    def exists(self) -> bool:
        """Whether there is anything."""
        return not self.is_free()

    def is_free(self) -> bool:
        """Whether a store may be written there."""
        fs, path = self._files()
        with _plainly(f"{self}: "):
            fs.invalidate_cache()
            try:
                return not fs.ls(path, detail=False)
            except FileNotFoundError:
                return True

    def root(self) -> bytes | None:
        """Return the metadata of the root group, None where there are none."""
        try:
            return self._read(_ROOT)
        except FileNotFoundError:
            return None

    def consolidated(self) -> bool:
        """Whether the root holds the metadata of all arrays, so that they need not be listed."""
        return "consolidated_metadata" in json.loads(self._read(_ROOT))

    def store(self, *, write: bool = False) -> _Plain:
        """Return what Zarr opens."""
        with _plainly(f"{self}: "):
            return _Plain(FsspecStore.from_url(self.url, read_only=not write))

    @contextmanager
    def fresh(self) -> Iterator[Remote]:
        """Give the place itself, empty, to one writer at a time."""
        with self._claimed():
            if not self.is_free():
                raise SpectraError(f"{self}: expected no store yet, got one that another process wrote meanwhile")
            try:
                yield self
            except BaseException:
                self._remove_while_written()
                raise

    def _remove_while_written(self) -> None:
        """Remove what was written, also by requests that go on; what comes later still is never opened."""
        fs, path = self._files()
        for _ in range(20):
            with suppress(Exception):
                fs.rm(path, recursive=True)
            time.sleep(0.1)
            with suppress(PatError):
                if self.is_free():
                    return

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        fs, path = self._files()
        try:
            with _plainly(f"{self}: ", FileExistsError):
                fs.pipe_file(f"{path}.writing", b"", mode="create")
        except FileExistsError as error:
            raise SpectraError(
                f"{self}: expected no other writer, got {self}.writing: another process writes there, or died doing "
                f"so; if none does, remove {self} and {self}.writing"
            ) from error
        try:
            yield
        finally:
            with suppress(Exception):
                fs.rm_file(f"{path}.writing")

    def commit(self, names: list[str], attributes: dict[str, str]) -> None:
        """Write the root last, in one piece: with it, what lies there becomes a store."""
        fs, path = self._files()
        document = json.loads(self._read(_ROOT))
        document["attributes"] |= attributes
        arrays = {name: json.loads(self._read(f"{name}/{_ROOT}")) for name in sorted(names)}
        document["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": arrays}
        with _plainly(f"{self}: "):
            fs.pipe_file(f"{path}/{_ROOT}", json.dumps(document).encode())

    def _read(self, name: str) -> bytes:
        fs, path = self._files()
        with _plainly(f"{self}: ", FileNotFoundError):
            return bytes(fs.cat_file(f"{path}/{name}"))

    def _files(self) -> tuple[Any, str]:
        with _plainly(f"{self}: "):
            fs, path = fsspec.url_to_fs(self.url)
            return fs, path.rstrip("/")


class _Whole(WrapperStore[Store]):
    """A store of which nothing may be missing: Zarr would read a chunk that is not there as NaN or empty text.

    A chunk can go after the store was opened, and a worker of a cluster may not have the folder at all.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        found = await self._store.get(key, prototype, byte_range)
        if found is None and self.read_only and _CHUNK.search(key):
            came = f"got nothing on {platform.node()}"
            raise SpectraError(f"expected the chunk {key}, {came}: the store is incomplete, or not on that machine")
        return found


class _Plain(_Whole):
    """Objects under a URL, whose errors become plain."""

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        with _plainly():
            return await super().get(key, prototype, byte_range)

    async def exists(self, key: str) -> bool:
        with _plainly():
            return await self._store.exists(key)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        with _plainly():
            async for name in self._store.list_dir(prefix):
                yield name

    async def set(self, key: str, value: Buffer) -> None:
        with _plainly():
            await self._store.set(key, value)


@contextmanager
def _plainly(where: str = "", passed: type[Exception] = PatError) -> Iterator[None]:
    """Turn what file systems raise into this package's errors, but for what the caller can tell more of.

    Every file system has errors of its own, and not all are `OSError`.
    """
    try:
        yield
    except (PatError, passed):
        raise
    except ImportError as error:
        raise MissingExtra(f"{where}{error}") from error
    except ValueError as error:
        raise InputError(f"{where}{error}") from error
    except Exception as error:
        came = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise SpectraError(f"{where}expected a place that can be reached, got {came}") from error
