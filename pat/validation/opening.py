"""Opening a sealed validation set: once for a model, and never without an entry in the audit trail."""

from __future__ import annotations

from pathlib import Path

from pat.audit import Trail
from pat.errors import Refusal
from pat.validation.registration import Registration

# The trail's word for the moment at which a sealed set is judged by.
_OPENED = "open validation set"


def opened(path: Path, digest: str, reason: str = "", *, trail: Trail | None = None) -> Registration:
    """Read a registration, and record that its set is opened to judge a model.

    Parameters
    ----------
    path : Path
        What `pat register` wrote.
    digest : str
        Content digest of the model.
    reason : str
        As in `open_once`.
    trail : Trail, optional
        The default one where none is given.

    Raises
    ------
    InputError
        If it is no registration.
    Refusal
        As `open_once`.
    """
    registration = Registration.load(path)
    open_once(trail or Trail.open(None), registration, digest, reason)
    return registration


def open_once(trail: Trail, registration: Registration, digest: str, reason: str = "") -> None:
    """Record that a sealed set is opened to judge a model, and refuse to open it for a second one.

    The same model may be judged again: nothing can be learnt from that. A set that has told how one model does is no
    independent evidence for the next.

    Parameters
    ----------
    trail : Trail
        Audit trail, which is asked for earlier openings.
    registration : Registration
    digest : str
        Content digest of the model that is judged.
    reason : str, default ""
        Why a set that was opened before is opened for another model all the same; then it is, and the trail says so.

    Raises
    ------
    Refusal
        If it was opened for another model and no reason is given.
    """
    entries = trail.entries() if trail.head else ()
    before = [entry for entry in entries if entry.action == _OPENED and entry.object["id"] == registration.sha256]
    others = sorted({str(entry.artefact) for entry in before} - {digest})
    if others and not reason:
        raise Refusal(
            f"this validation set was opened on {before[0].time} for the model {others[0][:12]}; it is no independent "
            "evidence for another one. Register a new set, or say why in --reopen, which the audit trail keeps"
        )
    trail.record(
        _OPENED,
        kind="registration",
        id=registration.sha256,
        old={"openings": len(before)},
        new={"openings": len(before) + 1},
        reason=reason or "validation",
        artefact=digest,
    )
