"""The audit trail: a file to which entries are appended, each bound to the one before; nothing here changes one."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pat.audit.entry import BEGUN, FORMAT, Entry, Head, Said, following
from pat.audit.runs import Run
from pat.errors import TrailError
from pat.files import sync_folder

if TYPE_CHECKING:
    from pat.trust import PrivateKey, Signed

# Enough for the last entry, nearly always; where it is not, more is read.
_TAIL = 4096


def default_place() -> Path:
    """Return where the trail lies: ``PAT_TRAIL``, else ``pat/trail.jsonl`` in the user's folder for state.

    There is always one: a variable that is empty counts as not set.
    """
    if given := os.environ.get("PAT_TRAIL"):
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "pat" / "trail.jsonl"


class Trail:
    """An append-only trail in one file; see `Trail.open`.

    Notes
    -----
    One line an entry, in canonical JSON. Whoever appends holds the file's lock, reads its end alone, writes one line
    and syncs it to the disk. What a killed writer has left of a line stays where it is: the next entry stands on a
    line of its own and says how many bytes that are no entry lie before it, with their hash. So nothing is ever
    overwritten, and the file may be one that the system lets nobody but append to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: str | Path | None = None) -> Trail:
        """Return the trail in a file, which is made by the first entry.

        Parameters
        ----------
        path : path, optional
            The file; `default_place` where none is given.

        Raises
        ------
        TrailError
            If something else than a file is there.
        """
        try:
            place = (default_place() if path is None else Path(path)).expanduser().resolve()
        except (RuntimeError, OSError) as error:  # links that go round, or a user without a home
            raise TrailError(f"expected a place for the audit trail, got: {error}") from error
        trail = cls(place)
        trail._require_file()
        return trail

    def _require_file(self) -> None:
        """Refuse what swallows entries, as /dev/null does, or is a folder."""
        try:
            there = self.path.exists() and not self.path.is_file()
        except OSError as error:
            raise self._failed("found", error) from error
        if there:
            raise TrailError(f"{self.path}: expected a file for the audit trail, got something else")

    def record(
        self,
        action: str,
        *,
        kind: str,
        id: str,
        version: str | int | None = None,
        old: Any = None,
        new: Any = None,
        reason: str = "",
        who: str | None = None,
        artefact: str | None = None,
        run: int | None = None,
    ) -> Entry:
        """Append one entry; when this returns, it is on the disk.

        Parameters
        ----------
        action : str
            What was done.
        kind, id, version
            To what.
        old, new : Any
            Plain JSON without NaN: what was, and what is.
        reason : str
            Why.
        who : str, optional
            Unique id of a person who has shown who it is; the system's user is recorded in any case.
        artefact : str, optional
            Content digest of the artefact that was used or made.
        run : int, optional
            Number of the scoring run that it belongs to.

        Raises
        ------
        TrailError
            If it cannot be written, or the last entry was altered.
        """
        return self.append(Said(action, kind, id, version, old, new, reason, who, artefact, run))

    def append(self, said: Said) -> Entry:
        """Append what a writer says; see `record`."""
        with self._held(os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
            last, torn, whole = self._end(file)
            lines = b"" if whole else b"\n"
            if last is None:
                last = following(None, Said(BEGUN, "trail", uuid.uuid4().hex, FORMAT), torn)
                lines, torn = lines + last.line + b"\n", b""
            entry = following(last, said, torn)
            _write(file, lines + entry.line + b"\n")
            if entry.number == 2:
                sync_folder(self.path.parent)
        return entry

    def require_writable(self) -> None:
        """Refuse to go on where an entry could not be appended; nothing is written.

        Raises
        ------
        TrailError
            If the file cannot be made or opened, or its last entry was altered.
        """
        with self._held(os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
            self._end(file)

    @property
    def head(self) -> Head | None:
        """The last entry's number, hash and time; None while there is none.

        Raises
        ------
        TrailError
            If the file cannot be read, or its last entry was altered.
        """
        if not self.path.exists():
            return None
        with self._held(os.O_RDONLY) as file:
            last, _, _ = self._end(file)
        return last.head if last else None

    def lines(self) -> Iterator[bytes]:
        """Give every line as it stands in the file now, with its end; entries that are appended meanwhile are left out.

        Raises
        ------
        TrailError
            If there is no trail, or it cannot be read.
        """
        if not self.path.exists():
            raise TrailError(f"{self.path}: expected an audit trail, got none")
        with self._held(os.O_RDONLY) as file:
            left = os.fstat(file).st_size
        try:
            with open(self.path, "rb") as stream:
                while left > 0 and (line := stream.readline(left)):
                    left -= len(line)
                    yield line
        except OSError as error:
            raise self._failed("read", error) from error

    def entries(self) -> Iterator[Entry]:
        """Give every entry, oldest first, without asking whether the chain holds: `pat.audit.verify` does.

        Lines that are no entries, which killed writers have left, are passed over.
        """
        for line in self.lines():
            try:
                yield Entry.parse(line.rstrip(b"\n"))
            except TrailError:
                continue

    def open_run(self, batch: str, *, artefact: str) -> Run:
        """Record that a batch is opened, under the next run number.

        Parameters
        ----------
        batch : str
        artefact : str
            Content digest of the artefact that is to score it.

        Raises
        ------
        TrailError
            If it cannot be recorded.
        """
        return Run.opened(self, batch, artefact)

    def resume_run(self, batch: str, *, artefact: str, state: Mapping[str, int] | None) -> Run:
        """Record that a batch is carried on from a snapshot; see `Run.resumed`."""
        return Run.resumed(self, batch, artefact, state)

    def sign_head(self, key: PrivateKey) -> Signed:
        """Sign the last entry, which stands for all before it; see `pat.audit.anchors.sign_head`."""
        from pat.audit.anchors import sign_head

        return sign_head(self, key)

    @contextmanager
    def _held(self, flags: int) -> Iterator[int]:
        """Open the file and hold its lock: nobody else's for a writer, other readers' beside it for a reader."""
        import fcntl

        try:
            if flags & os.O_CREAT:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            # Without waiting, because a pipe that has been put there would let nobody in.
            file = os.open(self.path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
        except OSError as error:
            raise self._failed("written" if flags & os.O_CREAT else "read", error) from error
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise TrailError(f"{self.path}: expected a file for the audit trail, got something else")
            fcntl.flock(file, fcntl.LOCK_EX if flags & os.O_CREAT else fcntl.LOCK_SH)
            yield file
        except OSError as error:
            raise self._failed("written" if flags & os.O_CREAT else "read", error) from error
        finally:
            os.close(file)

    def _failed(self, what: str, error: OSError) -> TrailError:
        return TrailError(f"{self.path}: the audit trail cannot be {what}: {error.strerror or error}")

    def _end(self, file: int) -> tuple[Entry | None, bytes, bool]:
        """Return the last entry, the bytes after it that are none, and whether the file ends with a line's end."""
        size, span = os.fstat(file).st_size, _TAIL
        while True:
            start = max(0, size - span)
            data = _read(file, start, size)
            # Unless it is the file's start, the first piece is the end of a line.
            pieces = data.split(b"\n") if start == 0 else data.split(b"\n")[1:]
            found = self._last(pieces)
            if found is not None:
                return *found, not pieces[-1]
            if start == 0:
                return None, data, not data
            span *= 4

    def _last(self, pieces: list[bytes]) -> tuple[Entry, bytes] | None:
        """Return the last entry among pieces and what follows it; None where more must be read."""
        if len(pieces) > 1 and not pieces[-1]:
            try:
                return Entry.parse(pieces[-2]), b""
            except TrailError as error:
                raise TrailError(
                    f"{self.path}: nothing is appended to this audit trail, because its last entry was altered "
                    f"({error}): `pat audit verify` says more; keep the file, and let PAT_TRAIL name a new one"
                ) from error
        for i in reversed(range(len(pieces))):
            try:
                return Entry.parse(pieces[i]), b"\n".join(pieces[i + 1 :])
            except TrailError:
                continue
        return None


def _read(file: int, start: int, end: int) -> bytes:
    os.lseek(file, start, os.SEEK_SET)
    parts = []
    while start < end and (part := os.read(file, end - start)):
        parts.append(part)
        start += len(part)
    return b"".join(parts)


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
    os.fsync(file)
