"""Questions that an inspector asks, answered from the entries of a trail.

They take the entries as they are: that the chain holds is for `pat.audit.verify` to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from pat.audit import runs
from pat.audit.entry import Entry
from pat.audit.recording import DONE
from pat.trust import times

CHAMPION, RELEASED = "champion", "released"
PROMOTED, METHOD = "promote", "method"
"""Action and kind of object of the entry that makes a version of a method its champion."""
_DONE = "DONE"
_RELEASED, _REVOKED = "release", "revoke"  # commands


@dataclass
class Scored:
    """One scoring run of a batch.

    Attributes
    ----------
    batch : str
    run : int
    artefact : str
        Content digest of the artefact that scored it.
    opened : str
        When (UTC).
    ended : str or None
        When it was closed or aborted; None where it was not.
    state : str
        Last state before the end; LOADED before the first.
    outcome : str
        ``open``, ``closed`` or ``aborted``.
    reason : str
        Why it ended.
    software : str
        Version of the package that opened it.
    """

    batch: str
    run: int
    artefact: str
    opened: str
    ended: str | None = None
    state: str = "LOADED"
    outcome: str = "open"
    reason: str = ""
    software: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def scored(entries: Iterable[Entry], batch: str | None = None) -> list[Scored]:
    """Say which artefact scored a batch: every run of it, in the order in which they were opened.

    Parameters
    ----------
    entries : iterable of Entry
        From `Trail.entries`.
    batch : str, optional
        Its name; every batch where none is given.
    """
    found: dict[int, Scored] = {}
    for entry in entries:
        if entry.run is None or (batch is not None and entry.object["id"] != batch):
            continue
        if entry.action == runs.OPENED:
            name, version = entry.object["id"], entry.software["version"]
            found[entry.run] = Scored(name, entry.run, str(entry.artefact), entry.time, software=version)
        elif entry.run in found:
            _follow(found[entry.run], entry)
    return list(found.values())


def _follow(run: Scored, entry: Entry) -> None:
    if entry.action == runs.CHANGED:
        # The state that a batch was in when it ended says more than that it has ended.
        run.state = run.state if entry.new["after"] == _DONE else str(entry.new["after"])
    elif entry.action == runs.RESUMED:
        run.ended, run.outcome, run.reason = None, "open", entry.reason
    elif entry.action in (runs.CLOSED, runs.ABORTED):
        run.outcome = "closed" if entry.action == runs.CLOSED else "aborted"
        run.ended, run.reason = entry.time, entry.reason


@dataclass(frozen=True)
class Standing:
    """An artefact that was champion or released at a moment.

    Attributes
    ----------
    standing : str
        ``champion`` or ``released``.
    of : str
        What the command named: the method of a champion, the artefact of a release.
    artefact : str
        Content digest.
    version : str or int or None
    since : str
        When it was promoted or released (UTC).
    entry : int
        Number of the entry that says so.
    """

    standing: str
    of: str
    artefact: str
    version: str | int | None
    since: str
    entry: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def standing(entries: Iterable[Entry], day: date) -> list[Standing]:
    """Say which artefacts were champions, and which were released, at the end of a day (UTC).

    Parameters
    ----------
    entries : iterable of Entry
        From `Trail.entries`.
    day : date

    Notes
    -----
    From what `pat promote`, `release` and `revoke` recorded. A method has one champion; every artefact that was
    released and not revoked stands beside the others. A revocation counts from when it was recorded.
    """
    end = datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)
    found: dict[tuple[str, str], Standing] = {}
    for entry in entries:
        if entry.artefact is None or times.parse(entry.time) >= end:
            continue
        if entry.action == PROMOTED and entry.object["kind"] == METHOD:
            found[CHAMPION, entry.object["id"]] = _standing(CHAMPION, entry)
        elif entry.action == _RELEASED and _done(entry):
            found[RELEASED, entry.artefact] = _standing(RELEASED, entry)
        elif entry.action == _REVOKED and _done(entry):
            found.pop((RELEASED, entry.artefact), None)
    return list(found.values())


def _standing(what: str, entry: Entry) -> Standing:
    about = entry.object
    return Standing(what, about["id"], str(entry.artefact), about["version"], entry.time, entry.number)


def _done(entry: Entry) -> bool:
    return isinstance(entry.new, dict) and entry.new.get("outcome") == DONE
