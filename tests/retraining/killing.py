"""A retraining that is killed (SIGKILL) at a step, and run again: a program of its own, which a test starts.

It imports everything once and forks for each step, before anything starts a thread; a process that is killed runs no
clean-up whatever. Printed: one JSON line for each step.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow  # noqa: F401 - before the forks, for it takes seconds

from pat import audit, compute
from pat.files import canonical_json
from tests.retraining.settled import aliases, run

STEPS = {
    "before the calibration": ("pat.retraining.run", "calibrate", "before", 1),
    "before the artefact is swapped in": ("pat.files", "_swap", "before", 1),
    "after the artefact is swapped in": ("pat.files", "_swap", "after", 1),
    "after the comparison": ("pat.retraining.run", "write_bytes", "after", 1),
    "after the summary": ("pat.retraining.run", "write_bytes", "after", 2),
    "after the page": ("pat.retraining.run", "write_bytes", "after", 3),
    "after MLflow's run is begun": ("pat.tracking.attempts", "run_of", "after", 1),
    "after the figures": ("pat.tracking.attempts", "log_described", "after", 1),
    "after the artefact's copy": ("mlflow.MlflowClient", "log_artifacts", "after", 1),
    "after the version": ("mlflow.MlflowClient", "create_model_version", "after", 1),
    "before the trail's entry": ("pat.tracking.attempts", "record", "before", 1),
    "after the trail's entry": ("pat.tracking.attempts", "record", "after", 1),
    "before the mark that it is whole": ("pat.tracking.attempts", "complete", "before", 1),
    "after it": ("pat.tracking.attempts", "complete", "after", 1),
    "after the comparison's first file": ("mlflow.MlflowClient", "log_artifact", "after", 1),
    "after its last": ("mlflow.MlflowClient", "log_artifact", "after", 4),
    "after the version's tag": ("mlflow.MlflowClient", "set_model_version_tag", "after", 1),
    "after the alias": ("mlflow.MlflowClient", "set_registered_model_alias", "after", 1),
}


def target(path: str) -> Any:
    """A module, or a class in one."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


def deadly(call: Callable[..., Any], when: str, number: int) -> Callable[..., Any]:
    calls = [0]

    def killed(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if when == "before" and calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        found = call(*args, **kwargs)
        if when == "after" and calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return killed


def child(work: Callable[[], None]) -> int:
    """Do something in a process of its own; return how it ended."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with compute.scheduler("synchronous"):
                work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def once(source: Path, folder: Path, step: str) -> dict[str, Any]:
    """Kill a retraining at a step, run it again, and say what is there."""
    shutil.copytree(source, folder)
    os.environ["PAT_TRAIL"] = str(folder / "trail.jsonl")
    where, name, when, number = STEPS[step]

    def first() -> None:
        owner = target(where)
        setattr(owner, name, deadly(getattr(owner, name), when, number))
        run(folder)

    def second() -> None:
        outcome = run(folder)
        said: dict[str, Any] = {"status": outcome.status, "digest": outcome.digest, "version": outcome.version}
        said |= {"comparison": outcome.comparison, **aliases(folder)}
        (folder / "said.json").write_bytes(canonical_json(said))

    ended, again = child(first), child(second)
    report = audit.verify(folder / "trail.jsonl")
    left = [path.name for path in (folder / "challengers").rglob("*") if path.name.endswith(".part")]
    said = json.loads((folder / "said.json").read_bytes()) if again == 0 else {}
    return {"step": step, "ended": ended, "again": again, "trail": report.holds, "left": left, **said}


def main(source: Path, scratch: Path, steps: list[str]) -> None:
    for i, step in enumerate(steps or STEPS):
        print(canonical_json(once(source, scratch / str(i), step)).decode(), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
