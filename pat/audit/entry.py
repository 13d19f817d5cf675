"""One entry of the trail: what it says, its line in the file, and how it follows the one before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any

from pat.audit import clock, origin
from pat.errors import TrailError
from pat.files import canonical_json

FORMAT = 1
BEGUN = "begin trail"
NO_HASH = "0" * 64
"""What the first entry has as the hash of the one before."""
# An entry names documents by their hashes; it never holds one.
_MOST_BYTES = 1 << 16


@dataclass(frozen=True)
class Head:
    """The last entry of a trail, which stands for all before it.

    Attributes
    ----------
    number : int
    hash : str
    time : str
    """

    number: int
    hash: str
    time: str


@dataclass(frozen=True)
class Entry:
    """One entry.

    Attributes
    ----------
    number : int
        From 1, without gaps.
    time : str
        UTC.
    clock : dict
        ``boot`` and ``uptime`` of the machine, and a ``note`` where the clock jumped since the entry before.
    who : dict
        ``user`` and ``host`` as the system knows them, and the ``person`` where one has shown who it is.
    action : str
    object : dict
        ``kind``, ``id`` and ``version`` (or None) of what was acted on.
    old, new : Any
        Plain JSON: what was, and what is.
    reason : str
        Why.
    software : dict
        ``version`` and ``code_sha256`` of this package.
    artefact : str or None
        Content digest of the artefact that was used or made.
    run : int or None
        Number of the scoring run that it belongs to.
    runs : int
        Number of scoring runs that were opened so far, this entry included.
    torn : dict or None
        ``bytes`` and ``sha256`` of what a writer that was killed had left between the entry before and this one.
    prev : str
        Hash of the entry before.
    hash : str
        SHA-256 over the line without this hash.
    """

    number: int
    time: str
    clock: dict[str, Any]
    who: dict[str, Any]
    action: str
    object: dict[str, Any]
    old: Any
    new: Any
    reason: str
    software: dict[str, str]
    artefact: str | None
    run: int | None
    runs: int
    torn: dict[str, Any] | None
    prev: str
    hash: str

    @property
    def head(self) -> Head:
        """What stands for the trail up to this entry."""
        return Head(self.number, self.hash, self.time)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as plain JSON values."""
        return {name: getattr(self, name) for name in _NAMES}

    @property
    def line(self) -> bytes:
        """Its line in the file, without the line's end."""
        return canonical_json(self.to_dict())

    @classmethod
    def parse(cls, line: bytes) -> Entry:
        """Read a line whose own hash holds.

        Raises
        ------
        TrailError
            If it is no entry, or was altered; the message says which.
        """
        try:
            entry = cls(**json.loads(line))
            said = b'"hash":"%s",' % entry.hash.encode()
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise TrailError("it is no entry of a trail") from error
        # A hash stands in its own line once: nothing can contain the hash of itself.
        if hashlib.sha256(line.replace(said, b"", 1)).hexdigest() != entry.hash:
            raise TrailError("its own hash does not hold")
        if not entry._well_formed():
            raise TrailError("it is no entry of a trail")
        return entry

    def _well_formed(self) -> bool:
        numbers = (self.number, self.runs, *(() if self.run is None else (self.run,)))
        texts = (self.time, self.action, self.reason, self.prev)
        parts = (self.clock, self.who, self.object, self.software, *(() if self.torn is None else (self.torn,)))
        return (
            all(type(number) is int for number in numbers)
            and all(type(text) is str for text in texts)
            and all(type(part) is dict for part in parts)
        )


_NAMES = tuple(field.name for field in fields(Entry))


@dataclass(frozen=True)
class Said:
    """What a writer says of something that is done; the trail adds the rest.

    Attributes
    ----------
    opens : bool
        Whether it opens a scoring run, which then gets the next number.
    """

    action: str
    kind: str
    id: str
    version: str | int | None = None
    old: Any = None
    new: Any = None
    reason: str = ""
    who: str | None = None
    artefact: str | None = None
    run: int | None = None
    opens: bool = False


def following(last: Entry | None, said: Said, torn: bytes = b"") -> Entry:
    """Return the entry that follows another.

    Parameters
    ----------
    last : Entry or None
        The one before; None for the first.
    said : Said
    torn : bytes
        What a killed writer has left between the two.

    Raises
    ------
    TrailError
        If it would hold a whole document, or what is no plain JSON.
    """
    runs = (last.runs if last else 0) + said.opens
    time, running = clock.now(), clock.running()
    note = clock.note(last.time, last.clock, time, running) if last else ""
    document = {
        "number": last.number + 1 if last else 1,
        "time": time,
        "clock": {**running, "note": note},
        "who": origin.who(said.who),
        "action": said.action,
        "object": {"id": said.id, "kind": said.kind, "version": said.version},
        "old": said.old,
        "new": said.new,
        "reason": said.reason,
        "software": origin.software(),
        "artefact": said.artefact,
        "run": runs if said.opens else said.run,
        "runs": runs,
        "torn": {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()} if torn else None,
        "prev": last.hash if last else NO_HASH,
    }
    return Entry(**document, hash=hashlib.sha256(_limited(document)).hexdigest())


def _limited(document: dict[str, Any]) -> bytes:
    try:
        data = canonical_json(document)
    except (TypeError, ValueError) as error:
        raise TrailError(f"an entry of the audit trail must be plain JSON, got: {error}") from error
    if len(data) > _MOST_BYTES:
        raise TrailError(f"an entry of the audit trail must have at most {_MOST_BYTES} bytes, got {len(data)}")
    return data
