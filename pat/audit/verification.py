"""Does the chain hold? The first bad entry is named, with what was done to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pat.audit import runs
from pat.audit.anchors import Anchored, check_anchors
from pat.audit.entry import NO_HASH, Entry, Head
from pat.audit.problems import ALTERED, REMOVED, RUN_NUMBERS, Problem, named
from pat.audit.trail import Trail
from pat.errors import TrailError

if TYPE_CHECKING:
    from pat.trust import Signed, Trust


@dataclass
class Report:
    """What `verify` found.

    Attributes
    ----------
    path : Path
    entries : int
        How many of them hold, from the first.
    head : Head or None
        The last of those.
    problem : Problem or None
        The first bad entry; None where the trail holds.
    anchors : int
        How many signed heads were compared.
    anchored : int
        Number of the last entry that a signed head stands for.
    clock : list of (int, str)
        Numbers of entries before which the clock was set, and how.
    torn : list of int
        Numbers of the entries that say what a killed writer has left before them.
    unfinished : int
        Bytes that a killed writer has left at the end; the next entry will say so.
    opened : int
        Scoring runs that were opened.
    open_runs : dict of int to str
        Numbers and batches of runs that were neither closed nor aborted: they are going on, or their process was
        killed.
    """

    path: Path
    entries: int = 0
    head: Head | None = None
    problem: Problem | None = None
    anchors: int = 0
    anchored: int = 0
    clock: list[tuple[int, str]] = field(default_factory=list)
    torn: list[int] = field(default_factory=list)
    unfinished: int = 0
    opened: int = 0
    open_runs: dict[int, str] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether no sign of tampering was found."""
        return self.problem is None

    @property
    def not_anchored(self) -> int:
        """Entries at the end that no signed head stands for: whoever writes the file could have made them anew."""
        return self.entries - min(self.anchored, self.entries)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "trail": str(self.path),
            "holds": self.holds,
            "problem": self.problem.to_dict() if self.problem else None,
            "entries": self.entries,
            "head": vars(self.head) if self.head else None,
            "anchors": self.anchors,
            "anchored": self.anchored,
            "not_anchored": self.not_anchored,
            "clock": [{"entry": number, "note": note} for number, note in self.clock],
            "torn": self.torn,
            "unfinished": self.unfinished,
            "runs": self.opened,
            "open_runs": [{"run": run, "batch": batch} for run, batch in self.open_runs.items()],
        }

    def in_words(self) -> str:
        """Return one line of text that says what matters most."""
        if self.problem:
            return f"{self.path} does NOT hold: {self.problem.text}"
        anchored = f"{self.not_anchored} of {self.entries} entries are not yet anchored"
        return f"{self.path} holds: {self.entries} entries; {anchored}"


def verify(
    path: str | Path | None = None, anchors: Iterable[Signed | Mapping[str, Any]] = (), trust: Trust | None = None
) -> Report:
    """Verify a trail: its chain alone, and against signed heads where they are given.

    Parameters
    ----------
    path : path, optional
        The trail's file; that of `Trail.open` where none is given.
    anchors : iterable of signed documents
        Heads that `Trail.sign_head` signed, kept where whoever writes the trail cannot reach them; from `read_anchors`.
        Without them a chain that was made anew as a whole, or lacks its end, looks like a good one.
    trust : Trust, optional
        What the site trusts, from `pat.trust.Trust.load`; needed with anchors.

    Returns
    -------
    Report

    Raises
    ------
    TrailError
        If there is no trail, or it cannot be read.
    TrustError
        If a signed head is none, or nobody may sign it.
    """
    trail = Trail.open(path)
    anchored = check_anchors(anchors, trust)
    report = Report(trail.path, anchors=len(anchored))
    _Chain(report, anchored).follow(trail.lines())
    return report


class _Chain:
    """Follows the lines of a trail until one is bad."""

    def __init__(self, report: Report, anchors: list[Anchored]) -> None:
        self._report = report
        self._last: Entry | None = None
        self._at = 0  # number of the line
        self._torn: list[bytes] = []  # lines since the last entry that are none
        self._first_torn = (0, "")
        self._first = ""  # hash of the first entry, which names the trail
        self._anchors = sorted(anchors, key=lambda anchor: anchor.number)
        self._next = 0

    def follow(self, lines: Iterator[bytes]) -> None:
        """Go through the lines, and say in the report what was found."""
        for line in lines:
            self._at += 1
            try:
                entry = Entry.parse(line.removesuffix(b"\n"))
            except TrailError as error:
                if not self._torn:
                    self._first_torn = (self._at, str(error))
                self._torn.append(line)
                continue
            if self._bad(entry, lines):
                return
            self._accept(entry)
        self._end()

    def _bad(self, entry: Entry, lines: Iterator[bytes]) -> bool:
        found = self._between(entry) or self._link(entry, lines) or self._counted(entry) or self._anchor(entry)
        self._report.problem = found
        return found is not None

    def _expected(self) -> tuple[int, str]:
        return (self._last.number + 1, self._last.hash) if self._last else (1, NO_HASH)

    def _between(self, entry: Entry) -> Problem | None:
        """Compare what lies between two entries with what the second one says of it."""
        left, number = b"".join(self._torn).removesuffix(b"\n"), self._expected()[0]
        said = {"bytes": len(left), "sha256": hashlib.sha256(left).hexdigest()} if left else None
        if said == entry.torn:
            return None
        if self._torn:
            at, why = self._first_torn
            return Problem(ALTERED, number, at, f"entry {number} (line {at}) was altered: {why}")
        what = f"what a killed writer had left before entry {entry.number} (line {self._at}) was removed"
        return Problem(REMOVED, entry.number, self._at, what)

    def _link(self, entry: Entry, lines: Iterator[bytes]) -> Problem | None:
        """Return what is wrong where an entry does not follow the last one."""
        if (entry.number, entry.prev) == self._expected():
            return None
        rest = [(other.number, other.prev, other.hash) for other in _parsed(lines)]
        return named(self._last, entry, self._at, rest)

    def _counted(self, entry: Entry) -> Problem | None:
        """Compare the numbers of the scoring runs, which leave no gap."""
        opens, before = entry.action == runs.OPENED, self._last.runs if self._last else 0
        if entry.runs == before + opens and (not opens or entry.run == entry.runs) and (entry.run or 0) <= entry.runs:
            return None
        what = f"entry {entry.number} (line {self._at}) is of run {entry.run} of {entry.runs}, after {before} runs"
        return Problem(RUN_NUMBERS, entry.number, self._at, what)

    def _anchor(self, entry: Entry) -> Problem | None:
        """Compare an entry with the signed heads of its number, and the first entry with all of them."""
        first = self._first or entry.hash
        since = self._report.anchored + 1
        while self._next < len(self._anchors) and self._anchors[self._next].number == entry.number:
            if (found := self._anchors[self._next].differs(entry, first, since)) is not None:
                return found
            self._report.anchored = entry.number
            self._next += 1
        return None

    def _accept(self, entry: Entry) -> None:
        report, self._last = self._report, entry
        self._first = self._first or entry.hash
        report.entries, report.head = entry.number, entry.head
        if entry.torn:
            report.torn.append(entry.number)
        if note := entry.clock.get("note"):
            report.clock.append((entry.number, note))
        self._torn.clear()
        self._count_run(entry)

    def _count_run(self, entry: Entry) -> None:
        report = self._report
        report.opened = entry.runs
        if entry.run is None:
            return
        if entry.action in (runs.OPENED, runs.RESUMED):
            report.open_runs[entry.run] = str(entry.object.get("id"))
        elif entry.action in (runs.CLOSED, runs.ABORTED):
            report.open_runs.pop(entry.run, None)

    def _end(self) -> None:
        """Judge what comes after the last entry, and the signed heads of entries that are not there."""
        report, number = self._report, self._expected()[0]
        if self._torn and self._torn[-1].endswith(b"\n"):
            at, why = self._first_torn
            report.problem = Problem(ALTERED, number, at, f"entry {number} (line {at}) was altered: {why}")
        elif self._next < len(self._anchors):
            report.problem = self._anchors[-1].beyond(number)
        else:
            report.unfinished = sum(map(len, self._torn))


def _parsed(lines: Iterator[bytes]) -> Iterator[Entry]:
    for line in lines:
        try:
            yield Entry.parse(line.removesuffix(b"\n"))
        except TrailError:
            continue
