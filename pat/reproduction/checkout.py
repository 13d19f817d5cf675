"""A clean checkout of one commit, its inputs hashed, and DVC run in it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from pat.errors import Refusal

_PIPELINE, _LOCK = "dvc.yaml", "dvc.lock"
_STDERR = 2


def git(folder: Path, *arguments: str) -> str:
    """Return what Git says in a folder.

    Raises
    ------
    Refusal
        If Git is not there, or says no.
    """
    # Variables of a hook, or of a surrounding checkout, would speak of another one.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Refusal(f"to rebuild an artefact Git is needed: {error}") from error
    if done.returncode:
        raise Refusal(f"{folder}: `git {arguments[0]}` does not do it: {done.stderr.strip()}")
    return done.stdout.strip()


def clean_checkout(project: Path, commit: str, folder: Path) -> None:
    """Make a clone of a project at a commit, with nothing in it that is not committed.

    Raises
    ------
    Refusal
        If the project does not have the commit.
    """
    git(project, "cat-file", "-e", f"{commit}^{{commit}}")
    git(project, "clone", "--quiet", "--no-checkout", str(project), str(folder))
    git(folder, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", commit)


class Pipeline:
    """The stages in a checkout that an artefact comes from.

    Parameters
    ----------
    folder : Path
        The checkout.
    output : str
        Path in it of what the last of them makes.

    Attributes
    ----------
    stage : str
        Name of that last stage.
    inputs : list of str
        Paths that the stages read and none of them makes, sorted.

    Raises
    ------
    Refusal
        If no stage makes it.
    """

    def __init__(self, folder: Path, output: str) -> None:
        self.folder = folder
        self._stages: dict[str, Any] = _read(folder / _PIPELINE).get("stages", {})
        makes = {path: name for name, stage in self._stages.items() for path in _paths(stage.get("outs", []))}
        if output not in makes:
            raise Refusal(f"{output}: expected the output of a DVC stage of this commit, got none of that path")
        self.stage = makes[output]
        self._names = list(self._upstream(self.stage, makes))
        wanted = {path for name in self._names for path in _paths(self._stages[name].get("deps", []))}
        self.inputs = sorted(wanted - set(makes))

    def _upstream(self, name: str, makes: Mapping[str, str]) -> Iterator[str]:
        waiting, seen = [name], set()
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                yield one
                waiting += [makes[path] for path in _paths(self._stages[one].get("deps", [])) if path in makes]

    def input_hashes(self) -> dict[str, str]:
        """SHA-256 of every input as it is now.

        Raises
        ------
        Refusal
            If one is not in the commit.
        """
        return {path: self._hash(path, "sha256") for path in self.inputs}

    def lock(self) -> dict[str, str]:
        """MD5 of what the lock file says that the stages read and made, by ``stage path``."""
        locked = _read(self.folder / _LOCK).get("stages", {})
        return {
            f"{name} {one['path']}": str(one.get("md5"))
            for name in self._names
            for kind in ("deps", "outs")
            for one in locked.get(name, {}).get(kind, [])
        }

    def falsely_locked(self, lock: Mapping[str, str]) -> list[str]:
        """Return the inputs that are not what the lock file says: DVC hashes them only after a command has ended."""
        files = {path: self._hash(path, "md5") for path in self.inputs if (self.folder / path).is_file()}
        pairs = ((entry.partition(" ")[2], md5) for entry, md5 in lock.items())
        return sorted({path for path, md5 in pairs if path in files and files[path] != md5})

    def _hash(self, path: str, algorithm: str) -> str:
        """Hash a file, or the files of a folder with their paths."""
        place = self.folder / path
        if not place.exists():
            raise Refusal(f"{path}: an input that is not in the commit, so that nothing can be rebuilt from it alone")
        if place.is_file():
            return hashlib.new(algorithm, place.read_bytes(), usedforsecurity=False).hexdigest()
        digest = hashlib.new(algorithm, usedforsecurity=False)
        for file in sorted(place.rglob("*")):
            if file.is_file():
                inner = hashlib.new(algorithm, file.read_bytes(), usedforsecurity=False).hexdigest()
                digest.update(f"{file.relative_to(place).as_posix()} {inner}\n".encode())
        return digest.hexdigest()

    def run(self, trail: Path) -> None:
        """Run the stages, all of them, for a clean checkout holds none of their outputs.

        Parameters
        ----------
        trail : Path
            Audit trail for what the stages record, so that the project's own is left alone.

        Raises
        ------
        Refusal
            If they do not run to their end.
        """
        # The stages import `pat` from the checkout, and run by the Python that runs this.
        left_out = ("PYTHONPATH", "DVC_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", *left_out))}
        path = os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", "")])
        surroundings = clean | {"PATH": path, "PAT_TRAIL": str(trail), "DVC_NO_ANALYTICS": "1"}
        command = [sys.executable, "-m", "dvc", "repro", self.stage]
        # What DVC says goes to people, never into the answer.
        with subprocess.Popen(
            command, cwd=self.folder, env=surroundings, stdout=_STDERR, start_new_session=True
        ) as dvc:
            try:
                code = dvc.wait()
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(dvc.pid, signal.SIGTERM)
                raise
        if code:
            raise Refusal(f"the stages up to {self.stage!r} did not run to their end here (exit code {code})")


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except FileNotFoundError:
        raise Refusal(f"{path.name}: expected one in the commit, got none") from None
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise Refusal(f"{path.name}: cannot be read ({error})") from error


def _paths(listed: list[Any]) -> list[str]:
    """Paths of dependencies or outputs, some of which carry settings."""
    return [one if isinstance(one, str) else str(next(iter(one))) for one in listed]
