"""Which artefact was champion on a day, and which one scored a batch: read from the audit trail, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from pat.audit import Entry
from pat.audit.runs import ABORTED, CLOSED, OPENED
from pat.errors import InputError
from pat.tracking.registry import METHOD, PROMOTE, REGISTER


@dataclass(frozen=True)
class Term:
    """How long a version was champion.

    Attributes
    ----------
    since, until : str
        UTC; `until` is None while it is.
    version : int
        Number of the registered version.
    digest : str
        Of its artefact.
    released : bool
        Whether it was promoted as a released artefact.
    who : str
        Who promoted it.
    reason : str
    """

    since: str
    until: str | None
    version: int
    digest: str
    released: bool
    who: str
    reason: str


@dataclass(frozen=True)
class Registration:
    """When a version was registered, and by whom."""

    time: str
    version: int
    digest: str
    who: str


@dataclass(frozen=True)
class ScoringRun:
    """One run in which a batch was scored.

    Attributes
    ----------
    run : int
        Its number in the trail.
    opened, closed : str
        UTC; `closed` is None where the trail knows no end.
    ended : str
        ``closed``, ``aborted`` or ``open``.
    digest : str
        The artefact that scored it.
    champion : Term or None
        Who was champion when it was opened.
    """

    run: int
    opened: str
    closed: str | None
    ended: str
    digest: str
    champion: Term | None

    @property
    def by_champion(self) -> bool:
        """Whether the artefact that scored it was the champion's."""
        return self.champion is not None and self.champion.digest == self.digest


@dataclass(frozen=True)
class History:
    """A method's versions and champions, oldest first."""

    method: str
    registered: tuple[Registration, ...]
    champions: tuple[Term, ...]

    def on(self, day: str) -> list[Term]:
        """Return who was champion on a day (UTC, such as ``2026-11-24``): more than one where it changed that day.

        Raises
        ------
        InputError
            If it is no day.
        """
        try:
            wanted = date.fromisoformat(day).isoformat()
        except ValueError:
            raise InputError(f"expected a day such as 2026-11-24, got {day!r}") from None
        # ISO texts in UTC sort as their times do.
        return [t for t in self.champions if t.since[:10] <= wanted and (t.until is None or t.until[:10] >= wanted)]

    def at(self, moment: str) -> Term | None:
        """Return who was champion at a moment of the trail."""
        return next((t for t in reversed(self.champions) if t.since <= moment), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the history as plain data."""
        return asdict(self)


def history(entries: Iterable[Entry], method: str) -> History:
    """Read a method's history from the entries of a trail, oldest first.

    Parameters
    ----------
    entries : iterable of Entry
        From `pat.audit.Trail.entries`. Whether the trail holds, `pat.audit.verify` says.
    method : str
        The method's name.
    """
    registered: dict[int, Registration] = {}
    terms: list[Term] = []
    for entry in entries:
        if entry.object["kind"] != METHOD or entry.object["id"] != method:
            continue
        if entry.action == REGISTER:
            # A call that died was recorded and is recorded again; the first time is when it was.
            said = Registration(entry.time, entry.new["version"], entry.new["digest"], _who(entry))
            registered.setdefault(said.version, said)
        elif entry.action == PROMOTE:
            terms = [*(replace(t, until=t.until or entry.time) for t in terms), _term(entry)]
    return History(method, tuple(registered.values()), tuple(terms))


def _term(entry: Entry) -> Term:
    new = entry.new
    return Term(entry.time, None, new["version"], new["digest"], new["released"], _who(entry), entry.reason)


def _who(entry: Entry) -> str:
    return str(entry.who.get("person") or entry.who.get("user") or "unknown")


def scoring_runs(entries: Iterable[Entry], batch: str, known: History) -> list[ScoringRun]:
    """Find the runs in which a batch was scored, oldest first.

    Parameters
    ----------
    entries : iterable of Entry
    batch : str
    known : History
        Says who was champion then.
    """
    runs: dict[int, ScoringRun] = {}
    ends = {CLOSED: "closed", ABORTED: "aborted"}
    for entry in entries:
        if entry.object["kind"] != "batch" or entry.object["id"] != batch or entry.run is None:
            continue
        if entry.action == OPENED:
            digest = str(entry.artefact)
            runs[entry.run] = ScoringRun(entry.run, entry.time, None, "open", digest, known.at(entry.time))
        elif entry.action in ends and entry.run in runs:
            runs[entry.run] = replace(runs[entry.run], closed=entry.time, ended=ends[entry.action])
    return list(runs.values())
