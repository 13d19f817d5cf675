"""The keys that a site trusts: a root-signed, numbered, dated list of who may sign what, and from when to when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from pat.errors import InputError, TrustError
from pat.trust import lists, signed, times

FORMAT = "pat-keys/1"
FIELDS = ("format", "number", "time", "keys")
ROLES = ("author", "reviewer", "approver", "recorder")
"""What a key may be for; the root signs keys and revocations alone, and no artefact."""


@dataclass(frozen=True)
class Key:
    """One person's key.

    Attributes
    ----------
    id, public_key : str
        See `pat.trust.PrivateKey`.
    person : str
        Unique id of a person, never given to another.
    printed_name : str
        The person's name as it is shown and printed with a signature.
    roles : tuple of str
        Some of `ROLES`.
    valid_from, valid_until : str
        First moment at which it may sign, and the first at which it may no longer (UTC).
    """

    id: str
    public_key: str
    person: str
    printed_name: str
    roles: tuple[str, ...]
    valid_from: str
    valid_until: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self) | {"roles": list(self.roles)}

    def refuse_outside(self, at: datetime, where: object) -> None:
        """Refuse a signature that was made when the key was not valid.

        Raises
        ------
        TrustError
            Where `at` is before `valid_from`, or not before `valid_until`.
        """
        if not times.parse(self.valid_from) <= at < times.parse(self.valid_until):
            raise TrustError(
                f"{where}: key {self.id} of {self.printed_name} is valid from {self.valid_from} until "
                f"{self.valid_until}, and not at the time of the signature, {at:%Y-%m-%dT%H:%M:%SZ}"
            )


@dataclass(frozen=True)
class KeyRing:
    """A root-signed list of keys.

    Attributes
    ----------
    number : int
        Each list has a higher one than the list before it.
    time : str
        When it was signed.
    keys : dict of str to Key
        By their ids.
    """

    number: int
    time: str
    keys: dict[str, Key]

    def to_dict(self) -> dict[str, Any]:
        """Return the document that the root signs."""
        keys = [key.to_dict() for key in self.keys.values()]
        return {"format": FORMAT, "number": self.number, "time": self.time, "keys": keys}


def checked_key(said: Mapping[str, Any], where: object) -> Key:
    """Return a key from its plain JSON.

    Raises
    ------
    TrustError
        If a value is not what it must be.
    """
    said = signed.require_fields(said, (field.name for field in fields(Key)), where)
    roles = said["roles"]
    texts = all(isinstance(value, str) and value.strip() for name, value in said.items() if name != "roles")
    if not texts or not isinstance(roles, list) or not roles or not set(roles) <= set(ROLES):
        raise TrustError(f"{where}: a key needs an id, a person, a name and roles of {', '.join(ROLES)}, got {said}")
    key = Key(**said | {"roles": tuple(roles)})
    try:
        empty = times.parse(key.valid_from) >= times.parse(key.valid_until)
        same = signed.key_id_of(key.public_key) == key.id
    except (InputError, ValueError) as error:
        raise TrustError(f"{where}: key {key.id}: {error}") from error
    if empty or not same:
        what = "its validity ends before it begins" if empty else "its id is not that of its public key"
        raise TrustError(f"{where}: key {key.id}: {what}")
    return key


def read(path: Path, root: str) -> KeyRing:
    """Read a list of keys.

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
    said = lists.read(path, root, FORMAT, FIELDS, "keys")
    keys = [checked_key(key, path) for key in said["keys"]]
    _refuse_twice(keys, path)
    return KeyRing(said["number"], said["time"], {key.id: key for key in keys})


def _refuse_twice(keys: list[Key], where: object) -> None:
    """Refuse a key that is there twice, and a person with two names: a signature must mean one person."""
    if len({key.id for key in keys}) != len(keys):
        raise TrustError(f"{where}: a key is there twice")
    names: dict[str, str] = {}
    for key in keys:
        if names.setdefault(key.person, key.printed_name) != key.printed_name:
            raise TrustError(f"{where}: {key.person} has two names, {names[key.person]} and {key.printed_name}")
