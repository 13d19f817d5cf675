"""Signatures on an artefact: who, when and with what meaning, over the digest and the manifest's exact bytes.

The name, the time and the meaning are what 21 CFR 11.50 asks for; that they cannot be cut out and pasted onto another
record is what 11.70 asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pat.artefact import Artefact
from pat.errors import InputError, TrustError
from pat.files import canonical_json
from pat.trust import PrivateKey, Signed, Trust, times
from pat.trust.signed import require_fields, require_format

FORMAT = "pat-signature/1"
MEANINGS = {"authorship": "author", "review": "reviewer", "approval": "approver", "release": "approver"}
"""What a signature may mean, and the role that its key must have."""
STEPS = ("authorship", "review", "approval")
"""What an artefact needs before it is released, in this order."""


@dataclass(frozen=True)
class Signature:
    """What a person has signed.

    Attributes
    ----------
    digest : str
        Content digest of the artefact.
    manifest_sha256 : str
        SHA-256 of the bytes of its manifest, which names the hash of every other file.
    meaning : str
        One of `MEANINGS`.
    printed_name, person : str
        The person's name, and unique id.
    role, key_id : str
    time : str
        UTC.
    comment : str
    """

    digest: str
    manifest_sha256: str
    meaning: str
    printed_name: str
    person: str
    role: str
    key_id: str
    time: str
    comment: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


def make(found: Artefact, key: PrivateKey, trust: Trust, meaning: str, comment: str) -> Signed:
    """Sign an artefact, and prove that the signature counts.

    Raises
    ------
    TrustError
        If the key is unknown, revoked, not valid now or not for this.
    """
    owner = trust.ring.keys.get(key.id)
    if owner is None:
        raise TrustError(f"unknown key {key.id}: it is not in number {trust.ring.number} of the list of {trust.folder}")
    made = Signature(
        digest=found.content.digest,
        manifest_sha256=found.manifest_sha256,
        meaning=meaning,
        printed_name=owner.printed_name,
        person=owner.person,
        role=MEANINGS[meaning],
        key_id=key.id,
        time=times.now(),
        comment=comment,
    )
    signed = key.sign({"format": FORMAT, **made.to_dict()}, f"the {meaning} by {owner.printed_name}")
    verified(signed, trust)
    return signed


def parsed(signed: Signed) -> Signature:
    """Return what a signature says, not yet proven.

    Raises
    ------
    TrustError
        If it is no signature of an artefact.
    """
    require_format(signed.document, FORMAT, signed.where)
    names = [field.name for field in fields(Signature)]
    said = require_fields(signed.document, ("format", *names), signed.where)
    if not all(isinstance(said[name], str) for name in names) or MEANINGS.get(said["meaning"]) != said["role"]:
        raise TrustError(f"{signed.where}: expected texts, and a meaning of {', '.join(MEANINGS)} by its role")
    return Signature(**{name: said[name] for name in names})


def verified(signed: Signed, trust: Trust) -> Signature:
    """Return what a signature says, after proof that the person whom it names has made it and could.

    Raises
    ------
    TrustError
        If not; see `Trust.verify`.
    """
    said = parsed(signed)
    require_owner(signed, said.role, trust)
    return said


def require_owner(signed: Signed, role: str, trust: Trust) -> None:
    """Refuse what was not signed by the person that it names, in that role.

    Raises
    ------
    TrustError
        If the signature does not count (`Trust.verify`), or the name in it is not that of the key's owner.
    """
    signer, said = trust.verify(signed, role=role), signed.document
    if (said["person"], said["printed_name"], said["key_id"]) != (signer.person, signer.name, signer.key_id):
        raise TrustError(
            f"{signed.where}: it names {said['printed_name']} ({said['person']}), and key {signer.key_id} is that of "
            f"{signer.name} ({signer.person})"
        )


def refuse_other(said: Signature, digest: str, where: object) -> None:
    """Refuse a signature that was made on another artefact.

    Raises
    ------
    TrustError
        If it was.
    """
    if said.digest != digest:
        raise TrustError(
            f"{where}: this signature was made on artefact {said.digest}, and this one is {digest}: it counts for no "
            "other"
        )


def require_plain(value: Mapping[str, Any], what: str) -> None:
    """Refuse what is no plain JSON.

    Raises
    ------
    InputError
        If it is not.
    """
    try:
        canonical_json(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"`{what}` must be plain JSON: {error}") from error


def file_name(said: Signature) -> str:
    """Name of a signature's file: one for each person and each state of the bytes."""
    return f"{said.meaning}-{said.key_id[:12]}-{said.manifest_sha256[:12]}.json"


def home_of(folder: Path, home: str | Path | None) -> Path:
    """Folder of the model that an artefact belongs to: by default the one around it."""
    return folder.resolve().parent if home is None else Path(home)
