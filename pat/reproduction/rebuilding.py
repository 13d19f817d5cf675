"""Rebuild an artefact and compare."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from pat import artefact
from pat.environment import PINS, code_sha256
from pat.reproduction.checkout import Pipeline, clean_checkout, git
from pat.reproduction.comparing import differences
from pat.reproduction.recorded import Recorded, recorded
from pat.reproduction.result import Reproduction

_PIN = re.compile(r"[\w.-]+(?:\[[^]]*\])?==([^\s;]+)")


def reproduce(path: str | Path, project: str | Path = ".") -> Reproduction:
    """Rebuild an artefact by DVC in a clean checkout of its commit, and compare.

    Parameters
    ----------
    path : path
        A released folder, whose record names the commit; or the folder of an artefact in the project that nobody has
        released, which is rebuilt from the present commit. Whether signatures hold is not asked here, nor whether a
        release has expired: what was used once can be rebuilt for ever.
    project : path
        The project's checkout, or a folder in it. It is read alone.

    Returns
    -------
    Reproduction

    Raises
    ------
    ArtefactError
        If the artefact does not hold together.
    Refusal
        If it cannot be rebuilt: no commit, no stage that makes it, an input that is not in the commit, or stages that
        fail.
    """
    known = recorded(Path(path), Path(project))
    with tempfile.TemporaryDirectory(prefix="pat-reproduce-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch) / "checkout"
        clean_checkout(known.project, known.commit, folder)
        return _rebuilt(str(path), known, folder)


def _rebuilt(subject: str, known: Recorded, folder: Path) -> Reproduction:
    pipeline = Pipeline(folder, known.output)
    lock, before = pipeline.lock(), pipeline.input_hashes()
    faults = [*_other_source(known, folder), *_falsely_locked(pipeline, lock)]
    pipeline.run(folder.parent / "trail.jsonl")
    faults += _changed(before, pipeline.input_hashes())
    found = artefact.read(folder / known.output)
    kernel = found.manifest["source"].get("kernel")
    return Reproduction(
        subject,
        known.released,
        known.commit,
        known.found.content.digest,
        found.content.digest,
        known.kernel,
        None if kernel is None else str(kernel),
        differences(known.found, found),
        before,
        faults,
        [*_uncommitted(known), *_unlocked(lock, pipeline.lock()), *_unpinned(folder)],
    )


def _other_source(known: Recorded, folder: Path) -> Iterator[str]:
    """Say where the commit is not what the release says that the artefact was made from."""
    pins = folder / PINS
    here = {"code_sha256": code_sha256(folder / "pat")}
    if pins.is_file():
        here["requirements_sha256"] = hashlib.sha256(pins.read_bytes()).hexdigest()
    for name, found in here.items():
        if (said := known.source.get(name)) not in (None, found):
            yield f"the release says {name} {said}, the commit has {found}"


def _falsely_locked(pipeline: Pipeline, lock: Mapping[str, str]) -> Iterator[str]:
    for path in pipeline.falsely_locked(lock):
        yield f"dvc.lock was written with another {path} than that of the commit: its link to the outputs is false"


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for path, digest in before.items():
        if after.get(path) != digest:
            yield f"{path} was changed while the stages ran, so that they prove nothing"


def _uncommitted(known: Recorded) -> Iterator[str]:
    changed = git(known.project, "status", "--porcelain").splitlines()
    if changed:
        files = "1 file" if len(changed) == 1 else f"{len(changed)} files"
        yield f"{files} of the project differ from its last commit; rebuilt was the commit, not the working tree"
    if known.source.get("git_dirty") == "true":
        yield "it was released from a working tree that differed from its commit"


def _unlocked(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for entry, md5 in after.items():
        if entry in before and before[entry] != md5:
            stage, _, path = entry.partition(" ")
            yield f"stage {stage}: {path} came out otherwise than dvc.lock has it"


def _unpinned(folder: Path) -> Iterator[str]:
    """Say which packages are installed in another version than the commit pins for this Python."""
    pins = folder / PINS
    for line in pins.read_text(encoding="utf-8").splitlines() if pins.is_file() else ():
        if not (pinned := _PIN.match(line)):
            continue
        wanted = Requirement(line)
        try:
            installed = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            continue
        if (wanted.marker is None or wanted.marker.evaluate()) and installed not in wanted.specifier:
            yield f"{wanted.name} {pinned[1]} is pinned, {installed} is installed"
