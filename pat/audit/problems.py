"""Kinds of tampering, and how each shows where a chain breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pat.audit.entry import NO_HASH, Entry

ALTERED, REMOVED, INSERTED, REORDERED = "altered", "removed", "inserted", "reordered"
REHASHED, REBUILT, TRUNCATED = "re-hashed", "rebuilt", "truncated"
RUN_NUMBERS = "run numbers"


@dataclass(frozen=True)
class Problem:
    """The first bad entry.

    Attributes
    ----------
    kind : str
        What was done: one of the names in this file.
    entry : int
        Number of the entry that is bad, or is missing.
    line : int or None
        Its line in the file, or where it is missing; None where the file ends before.
    text : str
        The same in words.
    """

    kind: str
    entry: int
    line: int | None
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def named(last: Entry | None, entry: Entry, line: int, rest: Sequence[tuple[int, str, str]]) -> Problem:
    """Say what was done where an entry, whole in itself, does not follow the last one.

    Parameters
    ----------
    last : Entry or None
        The entry before, which followed the one before itself; None before the first.
    entry : Entry
    line : int
        Line of `entry`.
    rest : sequence of (number, prev, hash)
        The entries after it.

    Returns
    -------
    Problem
    """
    expected = last.number + 1 if last else 1
    if entry.number > expected:
        return _ahead(expected, entry, line, rest)
    if entry.number < expected:
        return _behind(last, entry, line)
    return _unlinked(last, entry, line, rest)


def _ahead(expected: int, entry: Entry, line: int, rest: Sequence[tuple[int, str, str]]) -> Problem:
    """Judge an entry whose number is too high: those between are gone, or stand further on."""
    if any(number == expected for number, _, _ in rest):
        text = f"entry {entry.number} (line {line}) stands before entry {expected}: entries were reordered"
        return Problem(REORDERED, entry.number, line, text)
    gone = f"entry {expected} is" if entry.number == expected + 1 else f"entries {expected} to {entry.number - 1} are"
    return Problem(REMOVED, expected, line, f"{gone} missing before line {line}: removed")


def _behind(last: Entry | None, entry: Entry, line: int) -> Problem:
    """Judge an entry whose number has come before: it, or the one before it, was put in."""
    if last and entry.number == last.number and entry.prev == last.prev and entry.hash != last.hash:
        # Both follow the same entry. The chain goes on from the second one, so the first was put in before it.
        text = f"entry {last.number} (line {line - 1}) was inserted: another entry {entry.number} follows it"
        return Problem(INSERTED, last.number, line - 1, text)
    text = f"entry {entry.number} (line {line}) was inserted: that number has come before"
    return Problem(INSERTED, entry.number, line, text)


def _unlinked(last: Entry | None, entry: Entry, line: int, rest: Sequence[tuple[int, str, str]]) -> Problem:
    """Judge an entry of the right number that names another one before it."""
    if any((number, prev) == (entry.number, last.hash if last else NO_HASH) for number, prev, _ in rest):
        text = f"entry {entry.number} (line {line}) was inserted: the true entry of that number comes later"
        return Problem(INSERTED, entry.number, line, text)
    linked = not rest or rest[0][1] == entry.hash
    if last and linked:  # what follows goes on from this entry, so it is the one before that is not what it was
        text = f"entry {last.number} (line {line - 1}) was altered and hashed again: the next names another hash"
        return Problem(REHASHED, last.number, line - 1, text)
    text = f"entry {entry.number} (line {line}) was altered and hashed again: it names another entry before it"
    return Problem(REHASHED, entry.number, line, text)
