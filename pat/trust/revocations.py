"""Revocations: a root-signed, numbered, dated list of keys and artefacts that no longer count.

The rule for keys is short, and safe where nothing more is said:

- ``compromised``: somebody else may have had the key. No signature of it counts, whenever it says that it was made,
  for whoever has the key can write any time into it.
- ``retired``: the person left, or the key was replaced, and nobody else had it. Signatures count where both they and
  the release that rests on them are older than the date of the revocation.

An artefact that is revoked does not count from the date of its revocation on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from pat.errors import TrustError
from pat.trust import lists, signed, times

FORMAT = "pat-revocations/1"
FIELDS = ("format", "number", "time", "next_due", "revocations")
KINDS = ("key", "artefact")
COMPROMISED, RETIRED, WITHDRAWN = "compromised", "retired", "withdrawn"
REASONS = {"key": (COMPROMISED, RETIRED), "artefact": (WITHDRAWN,)}


@dataclass(frozen=True)
class Revocation:
    """One entry of the list.

    Attributes
    ----------
    kind : {"key", "artefact"}
    id : str
        Id of the key, or content digest of the artefact.
    date : str
        From when (UTC).
    reason : {"compromised", "retired", "withdrawn"}
        Of a key the first or the second, of an artefact the third.
    comment : str
        Why, in words.
    """

    kind: str
    id: str
    date: str
    reason: str
    comment: str

    def ends(self, at: datetime) -> bool:
        """Whether what was signed or used at a moment does not count."""
        return self.reason == COMPROMISED or at >= times.parse(self.date)


@dataclass(frozen=True)
class Revocations:
    """The list.

    Attributes
    ----------
    number : int
        Each list has a higher one than the list before it.
    time : str
        When it was signed.
    next_due : str
        By when the next one comes; later, this one is stale.
    entries : tuple of Revocation
    """

    number: int
    time: str
    next_due: str
    entries: tuple[Revocation, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the document that the root signs."""
        entries = [asdict(entry) for entry in self.entries]
        numbered = {"format": FORMAT, "number": self.number, "time": self.time}
        return numbered | {"next_due": self.next_due, "revocations": entries}

    def of(self, kind: str, id_: str) -> tuple[Revocation, ...]:
        """Return what the list says of a key or an artefact."""
        return tuple(entry for entry in self.entries if (entry.kind, entry.id) == (kind, id_))


def checked_entry(said: Mapping[str, Any], where: object) -> Revocation:
    """Return a revocation from its plain JSON.

    Raises
    ------
    TrustError
        If a value is not what it must be.
    """
    said = signed.require_fields(said, (field.name for field in fields(Revocation)), where)
    if not all(isinstance(value, str) and value.strip() for value in said.values()):
        raise TrustError(f"{where}: a revocation needs a kind, an id, a date, a reason and a comment, got {said}")
    if said["reason"] not in REASONS.get(said["kind"], ()):
        kinds = "; ".join(f"{kind}: {' or '.join(reasons)}" for kind, reasons in REASONS.items())
        raise TrustError(f"{where}: kind and reason must be of {kinds}, got {said['kind']}: {said['reason']}")
    times.signed_moment(said["date"], where)
    return Revocation(**said)


def read(path: Path, root: str) -> Revocations:
    """Read a list of revocations.

    Parameters
    ----------
    path : Path
    root : str
        Public key of the root, 64 hexadecimal digits.

    Raises
    ------
    TrustError
        If it is not what the root has signed, or does not hold together.
    """
    said = lists.read(path, root, FORMAT, FIELDS, "revocations")
    times.signed_moment(said["next_due"], path)
    entries = tuple(checked_entry(entry, path) for entry in said["revocations"])
    return Revocations(said["number"], said["time"], said["next_due"], entries)
