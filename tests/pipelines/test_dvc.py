"""The pipeline as DVC runs it: complete dependencies, a run that repeats to the byte, a second that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pat import artefact
from tests.pipelines.closure import ROOT, closure

STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def module_of(stage: str) -> str:
    words = STAGES[stage]["cmd"].split()
    assert words[:2] == ["python", "-m"]
    return str(words[2])


@pytest.mark.requirement("URS-83")
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_every_file_that_it_runs(stage: str) -> None:
    deps = set(STAGES[stage]["deps"])
    assert closure(module_of(stage)) <= deps
    assert "requirements/dev.txt" in deps


@pytest.mark.requirement("URS-83")
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_nothing_that_it_does_not_run(stage: str) -> None:
    code = {dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")}
    assert code == closure(module_of(stage))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_paths_in_its_command(stage: str) -> None:
    outputs = {out if isinstance(out, str) else next(iter(out)) for out in STAGES[stage]["outs"]}
    paths = {word for word in STAGES[stage]["cmd"].split()[3:] if "/" in word}
    assert paths - outputs <= set(STAGES[stage]["deps"])
    assert outputs <= paths


def test_reports_depend_on_their_templates() -> None:
    templates = {str(p.relative_to(ROOT)) for p in (ROOT / "pat" / "report").rglob("*") if p.suffix in (".j2", ".css")}
    for stage in ("export", "report"):
        assert templates <= set(STAGES[stage]["deps"])


def run(folder: Path, *words: str, **settings: str) -> str:
    """Run a command in the checkout as a user would, with bytecode on, and return what it printed."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment | {"PATH": path, "DVC_NO_ANALYTICS": "1"} | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a fresh checkout of the files as they are now, without anything that a pipeline made."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    run(folder, "git", "init", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-qm", "checkout")
    run(folder, "dvc", "repro")
    return folder


@pytest.mark.requirement("URS-81")
def test_a_fresh_checkout_repeats_the_pipeline_and_stays_clean(checkout: Path) -> None:
    # dvc.lock holds the hash of every output: it is unchanged only if all of them came out the same.
    assert run(checkout, "git", "status", "--porcelain") == ""
    assert artefact.read(checkout / "models" / "demo" / "artefact").validation["passed"] is True


def test_a_second_run_does_nothing(checkout: Path) -> None:
    assert "up to date" in run(checkout, "dvc", "repro")
    assert "up to date" in run(checkout, "dvc", "status")


@pytest.mark.requirement("URS-83")
def test_editing_the_calibration_arithmetic_reruns_calibrate(checkout: Path) -> None:
    module = checkout / "pat" / "core" / "pls" / "lanes.py"
    original = module.read_text()
    module.write_text(original + "\n# edited\n")
    try:
        status = run(checkout, "dvc", "status")
    finally:
        module.write_text(original)
    assert "calibrate:" in status
    assert "preprocess:" not in status


@pytest.mark.slow
@pytest.mark.requirement("URS-80")
@pytest.mark.parametrize(("threads", "scheduler"), [("2", "threads"), ("1", "processes"), ("2", "processes")])
def test_threads_and_schedulers_change_no_output_of_any_stage(checkout: Path, threads: str, scheduler: str) -> None:
    # dvc.lock holds the hash of every output, of one BLAS thread and Dask's threads.
    before = (checkout / "dvc.lock").read_bytes()
    settings = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PAT_SCHEDULER": scheduler}
    run(checkout, "dvc", "repro", "--force", "--no-run-cache", "export", **settings)
    assert (checkout / "dvc.lock").read_bytes() == before
