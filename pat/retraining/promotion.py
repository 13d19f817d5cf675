"""Promoting a challenger: a person's act, and only of what was released."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pat import tracking
from pat.errors import PatError, Refusal, TrustError
from pat.method import Method
from pat.release import STEPS
from pat.release.approving import approvals_folder
from pat.release.loading import proven
from pat.release.releasing import RELEASED
from pat.release.signatures import parsed
from pat.tracking import TrackedVersion
from pat.trust import Trust
from pat.trust.signed import read


def promote(
    method: Method,
    version: int,
    folder: str | Path,
    *,
    trust: str | Path | None = None,
    unreleased: bool = False,
    reason: str = "",
    root: str | Path = ".",
) -> TrackedVersion:
    """Make a registered version the champion, if its artefact is released.

    Parameters
    ----------
    method : Method
    version : int
        Number of the registered version.
    folder : path
        The method's folder, with ``released/``.
    trust : path, optional
        Folder of trust; by default ``PAT_TRUST``, else the system's.
    unreleased : bool, default False
        Promote it whether it is released or not, to try things out; the trail and every listing then say so.
    reason : str
        Why, for the audit trail.
    root : path
        The project's folder, where MLflow's store lies.

    Returns
    -------
    TrackedVersion

    Raises
    ------
    InputError
        If there is no such version.
    Refusal
        If its artefact is not released, or the release does not hold or has expired; the message says what is missing.
    """
    digest = tracking.find_version(method.name, version, root=root).digest
    if not unreleased:
        require_released(method, version, digest, Path(folder), trust)
    return tracking.promote(method.name, version, released=not unreleased, reason=reason, root=root)


def require_released(method: Method, version: int, digest: str, folder: Path, trust: str | Path | None) -> None:
    """Refuse a version whose artefact has no release that holds now.

    Raises
    ------
    Refusal
        If it has none.
    """
    place = folder / RELEASED / digest
    asked = f"version {version} of {method.name} (digest {digest}) is not promoted"
    if not place.is_dir():
        raise Refusal(
            f"{asked}: it must be released first, expected {place}, got nothing there; {_missing(folder, digest)}; to "
            "try things out without a release: --unreleased"
        )
    try:
        found, release = proven(place, Trust.load(trust))
        release.refuse_expired(place)
    except PatError as error:
        raise Refusal(f"{asked}: its release does not hold: {error}") from error
    if found.content.digest != digest:
        raise Refusal(f"{asked}: {place} is a release of {found.content.digest}")


def _missing(folder: Path, digest: str) -> str:
    """Say which signatures of an artefact are not there; whether those that are count, `pat release` finds out."""
    signed = set()
    for path in approvals_folder(folder, digest).glob("*.json"):
        with suppress(TrustError):
            signed.add(parsed(read(path)).meaning)
    missing = [step for step in STEPS if step not in signed]
    return f"signatures that are missing: {', '.join([*missing, 'release'])}"
