"""Signing an artefact that is not released yet: author, reviewer and approver, in that order, each once.

The signatures lie in ``approvals/<digest>/`` of the model's folder, beside the artefact and never in it, for a pipeline
may delete and recreate the artefact's folder at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pat import artefact
from pat.artefact import Artefact
from pat.errors import InputError, TrustError
from pat.files import locked, write_bytes
from pat.release.sequence import refuse_step, require_validated
from pat.release.signatures import STEPS, Signature, file_name, home_of, make, parsed, refuse_other, verified
from pat.trust import PrivateKey, Signed, Trust, times
from pat.trust.folder import refuse_early_clock
from pat.trust.signed import read

APPROVALS = "approvals"


@dataclass(frozen=True)
class Approvals:
    """Signatures of an artefact that were found and proven.

    Attributes
    ----------
    files : dict of str to Signed
        Signatures of these very bytes, by the names of their files.
    given : tuple of Signature
        What they say, in the same order.
    stale : tuple of Signature
        What signatures of the same content say that are of other bytes; not proven, and never counted.
    """

    files: dict[str, Signed]
    given: tuple[Signature, ...]
    stale: tuple[Signature, ...]


def approvals_folder(home: Path, digest: str) -> Path:
    """Where the signatures of an artefact lie that is not released yet."""
    return home / APPROVALS / digest


def gathered(folder: Path, found: Artefact, trust: Trust) -> Approvals:
    """Return the signatures of an artefact that lie in a folder.

    Raises
    ------
    TrustError
        If a file there is no signature that counts, or one that was made on another artefact.
    """
    paths = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    files, stale = {}, []
    for path in paths:
        signed = read(path)
        said = parsed(signed)
        refuse_other(said, found.content.digest, path)
        if said.manifest_sha256 == found.manifest_sha256:
            verified(signed, trust)
            files[path.name] = signed
        else:
            stale.append(said)
    return Approvals(files, tuple(map(parsed, files.values())), tuple(stale))


def sign(
    folder: str | Path, key: PrivateKey, trust: Trust, *, role: str, comment: str = "", home: str | Path | None = None
) -> Signature:
    """Sign an artefact as its author, reviewer or approver.

    Parameters
    ----------
    folder : path
        The artefact's folder.
    key : PrivateKey
        The person's key.
    trust : Trust
    role : {"author", "reviewer", "approver"}
    comment : str
    home : path, optional
        Folder of the model, in which ``approvals/`` lies; by default the one around the artefact.

    Returns
    -------
    Signature

    Raises
    ------
    ArtefactError
        If the artefact is damaged or altered, or its validation did not pass.
    TrustError
        If the key may not sign this, or a signature that is there does not count.
    Refusal
        If the step before is missing or of other bytes, or the person has signed already.
    """
    folder = Path(folder)
    meaning = _meaning(role)
    found = artefact.read(folder)
    require_validated(found, folder)
    signed = make(found, key, trust, meaning, comment)
    said = parsed(signed)
    place = approvals_folder(home_of(folder, home), said.digest)
    with locked(place):
        before = gathered(place, found, trust)
        refuse_step(meaning, said.person, said.printed_name, before.given, before.stale)
        refuse_earlier(before, said)
        place.mkdir(parents=True, exist_ok=True)
        write_bytes(place / file_name(said), signed.render())
    return said


def refuse_earlier(before: Approvals, said: Signature) -> None:
    """Refuse to sign by a clock that stands before the signatures which are there.

    Raises
    ------
    TrustError
        If it does.
    """
    for other in before.given:
        refuse_early_clock(other.time, f"the {other.meaning} by {other.printed_name}")
        if times.parse(said.time) < times.parse(other.time):  # the clock was put back in between
            raise TrustError(f"the {other.meaning} is of {other.time}, this signature of {said.time}: sign again")


def _meaning(role: str) -> str:
    try:
        return {"author": STEPS[0], "reviewer": STEPS[1], "approver": STEPS[2]}[role]
    except KeyError:
        raise InputError(f"`role` must be author, reviewer or approver, got {role!r}") from None
