"""What is known of an artefact that is to be rebuilt: its numbers, its commit, its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pat import artefact
from pat.artefact import Artefact
from pat.errors import ArtefactError, Refusal
from pat.release import RECORD, is_released
from pat.reproduction.checkout import git
from pat.trust import signed

ARTEFACT = "artefact"


@dataclass(frozen=True)
class Recorded:
    """An artefact, and where it comes from.

    Attributes
    ----------
    found : Artefact
        What was recorded.
    commit : str
        Git commit to rebuild it from.
    project : Path
        Top of the checkout.
    output : str
        Path of the artefact in the project, where a DVC stage makes it.
    source : dict
        What the release says of its source; empty for an artefact that nobody has released.
    """

    found: Artefact
    commit: str
    project: Path
    output: str
    source: dict[str, Any]

    @property
    def released(self) -> bool:
        """Whether it is a release."""
        return bool(self.source)

    @property
    def kernel(self) -> str | None:
        """CPU kernel that it was made with, where one was recorded."""
        found = self.found.manifest["source"].get("kernel", self.source.get("kernel"))
        return None if found is None else str(found)


def recorded(path: Path, project: Path) -> Recorded:
    """Read a release, or an artefact that nobody has released, and what they say of their source.

    Parameters
    ----------
    path : Path
        A released folder, or an artefact's.
    project : Path
        The project's checkout, or a folder in it.

    Raises
    ------
    ArtefactError
        If the artefact does not hold together, or is not the one of the release.
    Refusal
        If the project is no Git checkout, or it is not known where the artefact comes from.
    """
    top = Path(git(project, "rev-parse", "--show-toplevel"))
    if is_released(path):
        return _of_release(path, top)
    found = artefact.read(path)
    folder = path.resolve()
    if not folder.is_relative_to(top):
        raise Refusal(f"{path}: nothing says which commit it comes from, for it lies outside the project {top}")
    return Recorded(found, git(top, "rev-parse", "HEAD"), top, folder.relative_to(top).as_posix(), {})


def _of_release(path: Path, top: Path) -> Recorded:
    found, said = artefact.read(path / ARTEFACT), signed.read(path / RECORD).document
    if (said.get("digest"), said.get("manifest_sha256")) != (found.content.digest, found.manifest_sha256):
        raise ArtefactError(f"{path}: the release is one of artefact {said.get('digest')}, got {found.content.digest}")
    source = said.get("source") or {}
    if missing := [name for name in ("git_commit", "method") if not isinstance(source.get(name), str)]:
        raise Refusal(f"{path}: the release does not say by {' and '.join(missing)} where it comes from")
    output = (Path(source["method"]).parent / ARTEFACT).as_posix()
    return Recorded(found, source["git_commit"], top, output, source)
