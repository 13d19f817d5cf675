"""Releasing an approved artefact: a copy of its exact bytes, its signatures and a signed record, in one step.

``released/<digest>/`` of the model's folder is append-only: nothing here changes or removes what was released. What
should no longer be used is revoked.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pat import artefact
from pat.artefact import MANIFEST, Artefact
from pat.errors import ArtefactError, InputError, Refusal
from pat.files import replaced_folder, sha256
from pat.release.approving import APPROVALS, Approvals, approvals_folder, gathered, refuse_earlier
from pat.release.loading import ARTEFACT, RECORD, proven
from pat.release.record import document
from pat.release.sequence import refuse_step, require_validated, require_whole
from pat.release.signatures import home_of, make, parsed, require_plain
from pat.trust import PrivateKey, Trust, times
from pat.trust import signed as signing

RELEASED = "released"
# What makes two releases the same; when it was, and from what source, the first one says.
_BINDING = ("manifest_sha256", "product", "name", "version", "instruments", "valid_until", "person", "signatures")


def release(
    folder: str | Path,
    key: PrivateKey,
    trust: Trust,
    *,
    valid_until: str,
    instruments: Sequence[str] = (),
    comment: str = "",
    home: str | Path | None = None,
    trail: Mapping[str, Any] | None = None,
    source: Mapping[str, Any] | None = None,
) -> Path:
    """Release an approved artefact.

    Parameters
    ----------
    folder : path
        The artefact's folder.
    key : PrivateKey
        Key of an approver, who is neither author nor reviewer of the artefact.
    trust : Trust
    valid_until : str
        First moment at which it may no longer be used (UTC).
    instruments : sequence of str
        Instruments that it may be used with; any where none is given.
    comment : str
    home : path, optional
        Folder of the model, with ``approvals/`` and ``released/``; by default the one around the artefact.
    trail : mapping, optional
        Head of the audit trail.
    source : mapping, optional
        What it was made from and with; plain JSON.

    Returns
    -------
    Path
        ``released/<digest>``; the one that is there where the same was released before.

    Raises
    ------
    ArtefactError
        If the artefact is damaged or altered, or its validation did not pass.
    TrustError
        If the key may not release, or a signature that is there does not count.
    Refusal
        If the artefact has not been approved, or its digest was released before in another way.
    """
    folder = Path(folder)
    found, home = artefact.read(folder), home_of(folder, home)
    require_validated(found, folder)
    facts = _facts(found, folder, valid_until, instruments)
    approvals = gathered(approvals_folder(home, found.content.digest), found, trust)
    own = parsed(make(found, key, trust, "release", comment))
    refuse_step("release", own.person, own.printed_name, approvals.given, approvals.stale)
    refuse_earlier(approvals, own)
    require_whole(approvals.given, own, folder)
    target = home / RELEASED / own.digest
    said = document(own, facts, _hashes(approvals), trust, trail, source or {})
    require_plain(said, "source")
    if target.exists():
        return _as_before(target, said, trust)
    _write(target, folder, found, approvals, key.sign(said).render())
    return target


def _facts(found: Artefact, folder: Path, valid_until: str, instruments: Sequence[str]) -> dict[str, Any]:
    """Return what a release says beyond its signature."""
    content = found.content.document
    try:
        facts = {name: content[name] for name in ("product", "name", "version")}
    except (KeyError, TypeError) as error:
        raise ArtefactError(f"{folder}: a release needs product, name and version of the method: {error!r}") from error
    if times.parse(valid_until) <= times.parse(times.now()):
        raise InputError(f"`valid_until` must be later than now, got {valid_until}")
    if isinstance(instruments, str) or not all(isinstance(name, str) and name.strip() for name in instruments):
        raise InputError(f"`instruments` must be names, got {instruments!r}")
    return facts | {"instruments": sorted(set(instruments)), "valid_until": valid_until}


def _hashes(approvals: Approvals) -> dict[str, str]:
    return {name: sha256(signed.render()) for name, signed in approvals.files.items()}


def _write(target: Path, folder: Path, found: Artefact, approvals: Approvals, signed: bytes) -> None:
    with replaced_folder(target) as fresh:
        if target.exists():  # somebody else was quicker, and holds it for good
            raise Refusal(f"{target}: it was released at this very moment, and a release is never changed")
        (fresh / ARTEFACT).mkdir()
        (fresh / APPROVALS).mkdir()
        for name in (*found.manifest["files"], MANIFEST):
            shutil.copyfile(folder / name, fresh / ARTEFACT / name)
        copied = artefact.read(fresh / ARTEFACT)  # what was copied is what was signed, whatever happened meanwhile
        if copied.manifest_sha256 != found.manifest_sha256:
            raise Refusal(f"{folder}: it was written anew while it was released; nothing was released")
        for name, signature in approvals.files.items():
            (fresh / APPROVALS / name).write_bytes(signature.render())
        (fresh / RECORD).write_bytes(signed)


def _as_before(target: Path, said: Mapping[str, Any], trust: Trust) -> Path:
    """Return the release that is there, if it says the same."""
    _, there = proven(target, trust)
    before = signing.read(target / RECORD).document
    if all(before[name] == said[name] for name in _BINDING):
        return target
    raise Refusal(
        f"{target}: released before, at {there.time} by {there.signatures[-1].printed_name}, and a release is never "
        "changed: revoke it, or release another version"
    )
