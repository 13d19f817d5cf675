"""What a site does with its root key: found the folder of trust, grant and withdraw keys, revoke artefacts.

Each act writes the next number of one list in one step; who holds no root key can do none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pat.errors import InputError, TrustError
from pat.files import locked, replaced_folder, write_bytes
from pat.trust import keyring, revocations, times
from pat.trust.folder import KEYS, REVOCATIONS, ROOT, Trust
from pat.trust.keyring import Key, KeyRing
from pat.trust.keys import PrivateKey
from pat.trust.revocations import Revocation, Revocations
from pat.trust.signed import key_id_of


def init(folder: str | Path, root: PrivateKey, next_due: str) -> Trust:
    """Found a folder of trust, with no keys and no revocations in it.

    Parameters
    ----------
    folder : path
        A new or an empty folder.
    root : PrivateKey
        The site's root key. Its file belongs elsewhere, where no line reads it.
    next_due : str
        By when the next list of revocations comes (UTC).

    Raises
    ------
    InputError
        If there is something in the folder already.
    """
    folder, time = Path(folder), times.now()
    ring = KeyRing(1, time, {})
    revoked = Revocations(1, time, _due(next_due, time), ())
    with replaced_folder(folder) as fresh:
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder}: expected a new or an empty folder, got one with something in it")
        (fresh / ROOT).write_bytes(root.public_document(time).render())
        (fresh / KEYS).write_bytes(root.sign(ring.to_dict()).render())
        (fresh / REVOCATIONS).write_bytes(root.sign(revoked.to_dict()).render())
    return Trust.load(folder)


def grant(
    folder: str | Path,
    root: PrivateKey,
    public_key: str,
    *,
    person: str,
    printed_name: str,
    roles: tuple[str, ...],
    valid_from: str,
    valid_until: str,
) -> Key:
    """Add a person's key to the list.

    Parameters
    ----------
    folder : path
    root : PrivateKey
    public_key : str
        64 hexadecimal digits, from `pat.trust.keys.read_public`.
    person, printed_name, roles, valid_from, valid_until
        See `Key`.

    Raises
    ------
    InputError
        If the key is there already, is the root's, or the person has another name.
    TrustError
        If this is not the folder's root key, or a value is not what it must be.
    """
    id_ = key_id_of(public_key)
    said = {"id": id_, "public_key": public_key, "person": person, "printed_name": printed_name}
    key = keyring.checked_key(
        said | {"roles": list(roles), "valid_from": valid_from, "valid_until": valid_until}, "the key"
    )
    with _opened(folder, root, KEYS) as trust:
        _refuse_known(trust, key)
        ring = KeyRing(trust.ring.number + 1, _later(trust.ring.time), trust.ring.keys | {key.id: key})
        write_bytes(trust.folder / KEYS, root.sign(ring.to_dict()).render())
    return key


def _refuse_known(trust: Trust, key: Key) -> None:
    if key.id == trust.root_id:
        raise InputError("the root key signs keys and revocations alone: a person needs a key of their own")
    if key.id in trust.ring.keys:
        raise InputError(f"key {key.id} is in the list already, of {trust.ring.keys[key.id].printed_name}")
    for other in trust.ring.keys.values():
        if other.person == key.person and other.printed_name != key.printed_name:
            raise InputError(f"{key.person} is {other.printed_name}: an id is never given to another person")


def revoke(folder: str | Path, root: PrivateKey, entry: Revocation, next_due: str | None = None) -> Revocations:
    """Add a revocation to the list; an entry never leaves it.

    Parameters
    ----------
    folder : path
    root : PrivateKey
    entry : Revocation
    next_due : str, optional
        By when the next list comes (UTC); by default as the present list has it.

    Raises
    ------
    InputError
        If a key that is not in the list is to be revoked, or the same was said before.
    TrustError
        If this is not the folder's root key, or a value is not what it must be.
    """
    entry = revocations.checked_entry(vars(entry), "the revocation")
    with _opened(folder, root, REVOCATIONS) as trust:
        if entry.kind == "key" and entry.id not in trust.ring.keys:
            raise InputError(f"expected one of the keys in {trust.folder / KEYS}, got {entry.id}")
        if entry.reason in {known.reason for known in trust.revocations.of(entry.kind, entry.id)}:
            raise InputError(f"{entry.kind} {entry.id} was revoked before, for the same reason")
        return _next(trust, root, next_due or trust.revocations.next_due, entry)


def renew(folder: str | Path, root: PrivateKey, next_due: str) -> Revocations:
    """Sign the list of revocations anew, with nothing more in it, so that it is not stale.

    Raises
    ------
    TrustError
        If this is not the folder's root key.
    """
    with _opened(folder, root, REVOCATIONS) as trust:
        return _next(trust, root, next_due)


def _next(trust: Trust, root: PrivateKey, next_due: str, *more: Revocation) -> Revocations:
    old = trust.revocations
    time = _later(old.time)
    new = replace(old, number=old.number + 1, time=time, next_due=_due(next_due, time), entries=(*old.entries, *more))
    write_bytes(trust.folder / REVOCATIONS, root.sign(new.to_dict()).render())
    return new


@contextmanager
def _opened(folder: str | Path, root: PrivateKey, name: str) -> Iterator[Trust]:
    """Hold the lock of one list, and give what the folder says while nobody else changes it."""
    Trust.load(folder)  # a lock makes the folder that it lies in, and there is none to make here
    with locked(Path(folder) / name):
        trust = Trust.load(folder)
        if root.id != trust.root_id:
            raise TrustError(f"{folder}: this is key {root.id}, the root's is {trust.root_id}")
        yield trust


def _later(time: str) -> str:
    """Return the time by the clock, which `Trust.load` has found not to stand before the list's."""
    return max(times.now(), time, key=times.parse)


def _due(next_due: str, time: str) -> str:
    if times.parse(next_due) <= times.parse(time):
        raise InputError(f"the next list must be due after this one, {time}, got {next_due}")
    return next_due


def describe(trust: Trust) -> dict[str, Any]:
    """Return what a folder of trust says, as plain JSON."""
    return {
        "folder": str(trust.folder),
        "root": trust.root_id,
        "keys": trust.ring.to_dict(),
        "revocations": trust.revocations.to_dict(),
        "stale": trust.stale,
    }
