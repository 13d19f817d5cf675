"""Signed heads of a trail, kept outside it: what finds a chain that was made anew, or has lost its end.

A head says: entry `number` of this trail had this hash at that time. It is signed by a key whose role is `recorder`,
and belongs where whoever writes the trail cannot write: another machine, a release, a printed page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pat.audit import clock
from pat.audit.entry import Entry
from pat.audit.problems import REBUILT, TRUNCATED, Problem
from pat.errors import InputError, TrailError, TrustError

if TYPE_CHECKING:
    from pat.audit.trail import Trail
    from pat.trust import PrivateKey, Signed, Trust

FORMAT = "pat-trail-head/1"
ROLE = "recorder"
_FIELDS = {"format", "trail", "number", "hash", "head_time", "time"}


@dataclass(frozen=True)
class Anchored:
    """A signed head whose signature holds.

    Attributes
    ----------
    trail : str
        Hash of the trail's first entry, which names it.
    number : int
    hash : str
    time : str
        When it was signed (UTC).
    where : str
        What it is called in messages.
    """

    trail: str
    number: int
    hash: str
    time: str
    where: str

    def differs(self, entry: Entry, first: str, since: int) -> Problem | None:
        """Return what is wrong where the entry of its number is another one.

        Parameters
        ----------
        entry : Entry
        first : str
            Hash of the trail's first entry.
        since : int
            Number of the first entry that no earlier head stands for.
        """
        if (self.trail, self.hash) == (first, entry.hash):
            return None
        which = f"an entry from {since} to {entry.number}" if since < entry.number else f"entry {entry.number}"
        text = (
            f"{which} was altered and the chain hashed again: entry {entry.number} is not the one that was signed at "
            f"{self.time} ({self.where})"
        )
        return Problem(REBUILT, min(since, entry.number), None, text)

    def beyond(self, missing: int) -> Problem:
        """Return what is wrong where the trail ends before the entry of its number."""
        gone = f"entry {missing} is" if missing == self.number else f"entries {missing} to {self.number} are"
        text = f"{gone} missing at the end: entry {self.number} was signed at {self.time} ({self.where})"
        return Problem(TRUNCATED, missing, None, text)


def sign_head(trail: Trail, key: PrivateKey) -> Signed:
    """Sign the last entry of a trail, which stands for all before it.

    Parameters
    ----------
    trail : Trail
    key : PrivateKey
        For verification its role must be `recorder`.

    Raises
    ------
    TrailError
        If the trail has no entries, or its last one was altered.
    """
    head = trail.head
    if head is None:
        raise TrailError(f"{trail.path}: expected an audit trail with entries to sign, got none")
    first = next(trail.entries())
    said = {"trail": first.hash, "number": head.number, "hash": head.hash, "head_time": head.time}
    return key.sign({"format": FORMAT, **said, "time": clock.now()}, f"head {head.number} of {trail.path}")


def write_anchor(signed: Signed, folder: str | Path, trail: Trail) -> Path:
    """Write a signed head as a file of its own.

    Parameters
    ----------
    signed : Signed
        From `sign_head`.
    folder : path
        Made if it is not there.
    trail : Trail
        The trail that it is of: it may not lie in that folder.

    Raises
    ------
    InputError
        If the folder is the trail's own, or lies in it: who loses one would lose both.
    """
    from pat.files import write_bytes

    target = Path(folder).resolve()
    if trail.path.parent in (target, *target.parents):
        raise InputError(f"{folder}: expected a folder outside {trail.path.parent}, where the trail itself lies")
    target.mkdir(parents=True, exist_ok=True)
    said = signed.document
    path = target / f"head-{said['number']:08d}-{said['hash'][:12]}.json"
    write_bytes(path, signed.render())
    return path


def read_anchors(places: Iterable[str | Path]) -> list[Signed]:
    """Read signed heads from files, and from folders of ``head-*.json``.

    Raises
    ------
    InputError
        If a folder has none.
    TrustError
        If a file is no signed document.
    """
    from pat.trust import signed

    files: list[Path] = []
    for given in map(Path, places):
        found = sorted(given.glob("head-*.json")) if given.is_dir() else [given]
        if not found:
            raise InputError(f"{given}: expected signed heads of an audit trail (head-*.json), got none")
        files += found
    return [signed.read(file) for file in files]


def check_anchors(anchors: Iterable[Signed | Mapping[str, Any]], trust: Trust | None) -> list[Anchored]:
    """Return signed heads after proof that a recorder has signed them.

    Raises
    ------
    InputError
        If there is one, and no `trust` to prove it by.
    TrustError
        If one is no signed head, or is not signed by a recorder whom the site trusts.
    """
    return [_checked(anchor, trust) for anchor in anchors]


def _checked(anchor: Signed | Mapping[str, Any], trust: Trust | None) -> Anchored:
    if trust is None:
        raise InputError("signed heads need `trust` beside them, to prove who has signed")
    from pat.trust import signed

    found = anchor if isinstance(anchor, signed.Signed) else signed.from_envelope(anchor, "the signed head")
    trust.verify(found, role=ROLE)
    said = found.document
    whole = said.keys() == _FIELDS and said["format"] == FORMAT and type(said["number"]) is int and said["number"] > 0
    if not whole:
        raise TrustError(f"{found.where}: expected the signed head of an audit trail, got something else")
    return Anchored(said["trail"], said["number"], said["hash"], said["time"], found.where)
