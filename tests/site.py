"""A site with a root key, four people and a folder of trust, as tests need it; every key is made for the test run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pat import release
from pat.release import Signature
from pat.trust import PrivateKey, Revocation, Trust, root

PASSPHRASE = "correct horse battery"
PEOPLE = {
    "author": ("a.muster", "Anna Muster"),
    "reviewer": ("b.beispiel", "Ben Beispiel"),
    "approver": ("c.cetera", "Carla Cetera"),
    "recorder": ("r.recorder", "Trail of line 1"),
}
BEGIN, END, DUE = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


@dataclass(frozen=True)
class Site:
    """A folder of trust, the root's private key, and each person's by role."""

    folder: Path
    root: PrivateKey
    keys: dict[str, PrivateKey]

    @property
    def trust(self) -> Trust:
        return Trust.load(self.folder)

    def grant(self, person: str, name: str, roles: Sequence[str], **changed: Any) -> PrivateKey:
        """Give a new key to a person."""
        key = PrivateKey.generate()
        validity = {"valid_from": BEGIN, "valid_until": END} | changed
        root.grant(self.folder, self.root, key.public, person=person, printed_name=name, roles=tuple(roles), **validity)
        return key

    def withdraw(self, key: PrivateKey, reason: str, date: str) -> None:
        """Revoke a key."""
        root.revoke(self.folder, self.root, Revocation("key", key.id, date, reason, "lost"))

    def revoke(self, digest: str, date: str = BEGIN) -> None:
        """Revoke an artefact."""
        root.revoke(self.folder, self.root, Revocation("artefact", digest, date, "withdrawn", "found wrong"))

    def sign(self, folder: Path, role: str, key: PrivateKey | None = None, **more: Any) -> Signature:
        """Sign an artefact in a role, by the person whose role it is."""
        return release.sign(folder, key or self.keys[role], self.trust, role=role, **more)

    def approve(self, folder: Path, **more: Any) -> None:
        """Sign an artefact as author, reviewer and approver."""
        for role in ("author", "reviewer", "approver"):
            self.sign(folder, role, **more)

    def release(self, folder: Path, *, valid_until: str = END, **more: Any) -> Path:
        """Release an approved artefact."""
        return release.release(folder, self.keys["approver"], self.trust, valid_until=valid_until, **more)

    def released(self, folder: Path, **more: Any) -> Path:
        """Approve and release an artefact."""
        self.approve(folder)
        return self.release(folder, **more)


def make_site(folder: Path) -> Site:
    """Found a site in a new folder."""
    key = PrivateKey.generate()
    root.init(folder, key, DUE)
    site = Site(folder, key, {})
    for role, (person, name) in PEOPLE.items():
        site.keys[role] = site.grant(person, name, [role])
    return site
