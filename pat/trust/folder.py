"""A site's folder of trust: what a line believes, and nothing else.

====================  ==============================================================================
``root.json``         public key of the root: the anchor, put there by the site
``keys.json``         who may sign what, and from when to when; signed by the root
``revocations.json``  keys and artefacts that no longer count; signed by the root
====================  ==============================================================================

The root's private key lies elsewhere. A key that comes with an artefact counts for nothing. Everything works offline.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pat.errors import TrustError
from pat.trust import keyring, keys, memory, revocations, signed, times
from pat.trust.keyring import Key, KeyRing
from pat.trust.revocations import COMPROMISED, Revocations
from pat.trust.signed import Signed

ROOT, KEYS, REVOCATIONS = "root.json", "keys.json", "revocations.json"


def default_folder() -> Path:
    """Return where the folder of trust is: ``PAT_TRUST``, else the system's configuration folder."""
    if named := os.environ.get("PAT_TRUST"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / "pat" / "trust"
    return Path("/Library/Application Support/pat/trust" if sys.platform == "darwin" else "/etc/pat/trust")


@dataclass(frozen=True)
class Signer:
    """Who has signed.

    Attributes
    ----------
    person, name : str
        The person's unique id, and the printed name.
    key_id : str
    role : str
        The role that was asked for, which the key has.
    """

    person: str
    name: str
    key_id: str
    role: str


@dataclass(frozen=True)
class Trust:
    """What a site trusts; from `Trust.load`.

    Attributes
    ----------
    folder : Path
    root_id : str
        Id of the root key.
    root : str
        Public key of the root, 64 hexadecimal digits.
    ring : KeyRing
    revocations : Revocations
    """

    folder: Path
    root_id: str
    root: str
    ring: KeyRing
    revocations: Revocations

    @classmethod
    def load(cls, folder: str | Path | None = None) -> Trust:
        """Read a folder of trust.

        Parameters
        ----------
        folder : path, optional
            By default ``PAT_TRUST``, else the system's configuration folder (``/etc/pat/trust`` on Linux).

        Raises
        ------
        TrustError
            If there is none, a list is not what the root has signed, has a lower number than one that was seen before,
            or is of a time that this machine's clock has not reached.
        """
        folder = default_folder() if folder is None else Path(folder)
        if not (folder / ROOT).exists():
            raise TrustError(
                f"{folder}: no folder of trust, {ROOT} is missing; name one with --trust or PAT_TRUST, or ask for one"
            )
        root = keys.read_public(folder / ROOT)
        ring, revoked = keyring.read(folder / KEYS, root), revocations.read(folder / REVOCATIONS, root)
        for name, time in ((KEYS, ring.time), (REVOCATIONS, revoked.time)):
            refuse_early_clock(time, folder / name)
        root_id = signed.key_id_of(root)
        memory.refuse_older(root_id, {KEYS: ring.number, REVOCATIONS: revoked.number})
        return cls(folder, root_id, root, ring, revoked)

    @property
    def numbers(self) -> dict[str, Any]:
        """Root and numbers of the lists, as a release names them."""
        return {"root": self.root_id, "keys": self.ring.number, "revocations": self.revocations.number}

    @property
    def stale(self) -> str | None:
        """Why the list of revocations may be out of date; None where it is not. Reported, and no reason to refuse."""
        due = self.revocations.next_due
        if times.parse(times.now()) < times.parse(due):
            return None
        return (
            f"the list of revocations (number {self.revocations.number} of {self.revocations.time}) is stale: a new "
            f"one was due by {due}"
        )

    def verify(self, document: Signed | Mapping[str, Any], *, role: str, at: str | None = None) -> Signer:
        """Return who has signed a document, after proof that they may.

        Parameters
        ----------
        document : Signed or mapping
            A signed document, or its plain JSON.
        role : str
            What the key must be for, one of `pat.trust.ROLES`.
        at : str, optional
            When it was signed (UTC); by default the document's own `time`.

        Raises
        ------
        TrustError
            If the key is unknown, is not for that role, was not valid at that time or is revoked, or the document was
            altered.
        """
        found = document if isinstance(document, Signed) else signed.from_envelope(document, "the document")
        key = self._key(found)
        signed.check(found, key.public_key)
        if role not in key.roles:
            raise TrustError(
                f"{found.where}: key {key.id} of {key.printed_name} is for {', '.join(key.roles)}, and not for {role}"
            )
        moment = times.signed_moment(found.document.get("time") if at is None else at, found.where)
        key.refuse_outside(moment, found.where)
        self.refuse_revoked(key.id, moment, found.where)
        return Signer(key.person, key.printed_name, key.id, role)

    def _key(self, found: Signed) -> Key:
        try:
            return self.ring.keys[found.key_id]
        except KeyError:
            raise TrustError(
                f"{found.where}: unknown key {found.key_id}: it is not in number {self.ring.number} of "
                f"{self.folder / KEYS}"
            ) from None

    def refuse_revoked(self, key_id: str, at: datetime, where: object) -> None:
        """Refuse a key that was revoked, for what was signed at a moment; see `pat.trust.revocations`.

        Raises
        ------
        TrustError
            If it was.
        """
        for entry in self.revocations.of("key", key_id):
            if not entry.ends(at):
                continue
            meaning = "no signature of it counts" if entry.reason == COMPROMISED else "nothing later counts"
            raise TrustError(
                f"{where}: key {key_id} was revoked as of {entry.date} ({entry.reason}: {entry.comment}); {meaning}"
            )

    def refuse_older(self, numbers: Mapping[str, Any], where: object) -> None:
        """Refuse what was made under another root, or under later lists than those at hand.

        Raises
        ------
        TrustError
            If it was.
        """
        own = self.numbers
        if numbers["root"] != own["root"]:
            raise TrustError(f"{where}: made under root {numbers['root']}, this site's is {own['root']}")
        for name, file in (("keys", KEYS), ("revocations", REVOCATIONS)):
            if own[name] < numbers[name]:
                raise TrustError(
                    f"{self.folder / file}: number {own[name]} is older than number {numbers[name]}, under which "
                    f"{where} was made"
                )


def refuse_early_clock(time: str, where: object) -> None:
    """Refuse a record of a time that this machine's clock has not reached.

    Raises
    ------
    TrustError
        If it is.
    """
    clock = times.now()
    if times.parse(clock) < times.parse(time):
        raise TrustError(
            f"{where}: signed at {time}, and this machine's clock says {clock}: it is wrong, or the record is"
        )
