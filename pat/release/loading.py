"""Reading a released folder: nothing that nobody has released, and nothing that was changed since, comes back.

==================  =====================================================================
``artefact/``       the artefact, byte for byte as it was signed
``approvals/``      a signed document for each signature
``release.json``    the record, signed by an approver: it names the hash of everything else
==================  =====================================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pat import artefact
from pat.artefact import Artefact
from pat.errors import ArtefactError, TrustError
from pat.files import sha256
from pat.release import record
from pat.release.approving import APPROVALS
from pat.release.record import Release
from pat.release.sequence import in_order, require_validated, require_whole
from pat.release.signatures import Signature, file_name, refuse_other, verified
from pat.trust import Trust, times
from pat.trust import signed as signing

ARTEFACT, RECORD = "artefact", "release.json"


def is_released(path: str | Path) -> bool:
    """Whether a folder says that it is a release; whether that holds, `load` finds out."""
    return (Path(path) / RECORD).exists()


def load(
    path: str | Path,
    *,
    trust: Trust | str | Path | None = None,
    product: str | None = None,
    instrument: str | None = None,
) -> tuple[Artefact, Release]:
    """Read a released folder, each file once, and prove everything that it says.

    Parameters
    ----------
    path : path
        ``released/<digest>``.
    trust : Trust or path, optional
        What the site trusts, or its folder; by default ``PAT_TRUST``, else the system's configuration folder.
    product : str, optional
        Product that is to be scored.
    instrument : str, optional
        Instrument that it is to be scored with; needed where the release is for some alone.

    Raises
    ------
    ArtefactError
        If it is not released, revoked, expired, not yet valid, altered, incomplete, or for another product or
        instrument.
    TrustError
        If a signature does not count, or the site's lists do not hold.
    """
    path = Path(path)
    found, release = proven(path, trust if isinstance(trust, Trust) else Trust.load(trust))
    release.refuse_expired(path)
    release.refuse_use(product, instrument, path)
    return found, release


def proven(path: Path, trust: Trust) -> tuple[Artefact, Release]:
    """Read a released folder and prove everything that it says, but for whether it may be used here and now.

    Raises
    ------
    ArtefactError, TrustError
        See `load`.
    """
    _refuse_strange(path, {ARTEFACT, APPROVALS, RECORD})
    said, own = record.proven(signing.read(path / RECORD), trust)
    found = artefact.read(path / ARTEFACT, lambda manifest, sha256: _refuse_exchanged(path, manifest, sha256, own))
    given = tuple(in_order(_approvals(path / APPROVALS, said, own, trust)))
    require_whole(given, own, path)
    require_validated(found, path)
    _refuse_revoked(path, said["digest"], trust)
    return found, record.release_of(said, given, own, trust)


def _refuse_strange(path: Path, names: set[str]) -> None:
    try:
        there = {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror})") from error
    if missing := sorted(names - there):
        raise ArtefactError(f"{path / missing[0]}: missing, and it was released")
    if strange := sorted(there - names):
        raise ArtefactError(f"{path / strange[0]}: no part of what was released")


def _refuse_exchanged(path: Path, manifest: dict[str, Any], found: str, own: Signature) -> None:
    """Refuse the manifest of another artefact, or one that was changed since, however whole it is in itself."""
    refuse_other(own, manifest["digest"], path / RECORD)
    if found != own.manifest_sha256:
        raise ArtefactError(
            f"{path / ARTEFACT / artefact.MANIFEST}: altered since it was released, SHA-256 must be "
            f"{own.manifest_sha256}, got {found}"
        )


def _approvals(folder: Path, said: dict[str, Any], own: Signature, trust: Trust) -> list[Signature]:
    """Return the signatures in a release, each proven as of the release's time."""
    listed = said["signatures"]
    _refuse_strange(folder, set(listed))
    given = []
    for name, expected in listed.items():
        path = folder / name
        data = _bytes(path)
        if (got := sha256(data)) != expected:
            raise TrustError(f"{path}: altered or damaged since the release, SHA-256 must be {expected}, got {got}")
        signature = verified(signing.parse(data, path), trust)
        refuse_other(signature, own.digest, path)
        if signature.manifest_sha256 != own.manifest_sha256 or file_name(signature) != name:
            raise TrustError(f"{path}: a signature of other bytes, or under a name that is not its own")
        trust.refuse_revoked(signature.key_id, times.parse(own.time), path)
        given.append(signature)
    return given


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrustError(f"{path}: cannot be read ({error.strerror})") from error


def _refuse_revoked(path: Path, digest: str, trust: Trust) -> None:
    clock = times.parse(times.now())
    for entry in trust.revocations.of("artefact", digest):
        if entry.ends(clock):
            raise ArtefactError(f"{path}: revoked as of {entry.date}: {entry.comment}")
