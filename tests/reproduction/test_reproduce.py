"""Artefacts that are rebuilt in a clean checkout: identical, equal or not, and what makes the answer worthless."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pat import artefact
from pat.cli import main
from pat.environment import code_sha256
from pat.errors import ArtefactError, Refusal
from pat.files import readable_json
from pat.reproduction import reproduce
from pat.reproduction.checkout import Pipeline, git
from pat.spectra import write_store
from tests.site import make_site
from tests.small_campaign import YAML, dataset

ROOT = Path(__file__).resolve().parents[2]
ARTEFACT = Path("models/small/artefact")
BUILD = """\
from pat import kernels

kernels.pin()
from pat.calibration import calibrate
from pat.export import export
from pat.method import Method
from pat.spectra import open_store
from pat.validation.run import validate

if __name__ == "__main__":
    method, raw = Method.load("models/small/method.yaml"), open_store("raw.zarr", verify=True)
    calibration = calibrate(method, raw)
    validation = validate(method, calibration, None, raw)
    export("models/small/artefact", method, calibration, None, validation, raw, "<html></html>")
"""
PIPELINE = """\
stages:
  build:
    cmd: python build.py
    deps: [build.py, models/small/method.yaml, raw.zarr]
    outs:
      - models/small/artefact: {persist: true}
"""


def run(folder: Path, *words: str, **settings: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment = clean | {"PATH": path, "DVC_NO_ANALYTICS": "1"} | settings
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-qm", "as it is")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project (simulated) whose one stage has made an artefact, all committed; nobody changes it."""
    folder = tmp_path_factory.mktemp("made") / "project"
    shutil.copytree(ROOT / "pat", folder / "pat", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "models" / "small").mkdir(parents=True)
    (folder / "models" / "small" / "method.yaml").write_text(YAML)
    (folder / "build.py").write_text(BUILD)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / ".gitignore").write_text("__pycache__/\n")
    (folder / ".dvcignore").write_text("__pycache__/\n")
    write_store(dataset(), folder / "raw.zarr")
    run(folder, "git", "init", "-q")
    run(folder, sys.executable, "-m", "dvc", "init", "-q")
    run(folder, sys.executable, "-m", "dvc", "repro", "-q")
    commit(folder)
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy of it for a test to change."""
    return Path(shutil.copytree(made, tmp_path / "project"))


@pytest.fixture
def played(made: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the stages give the artefact that is there already, after a change; how they run is the first test's."""

    def play(change: Callable[[Path], None] = lambda folder: None) -> None:
        def instead(self: Pipeline, trail: Path) -> None:
            shutil.copytree(made / ARTEFACT, self.folder / ARTEFACT)
            change(self.folder)

        monkeypatch.setattr(Pipeline, "run", instead)

    return play


@pytest.mark.requirement("URS-81")
def test_the_artefact_of_a_commit_comes_out_bit_for_bit(project, monkeypatch, capfd):
    monkeypatch.chdir(project)
    (project / "note.txt").write_text("not committed\n")
    before = git(project, "status", "--porcelain")
    assert main(["reproduce", str(ARTEFACT), "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert (said["verdict"], said["held"], said["differences"], said["faults"]) == ("identical", True, [], [])
    assert said["promise"].startswith("the same bits, for the CPU kernel is the recorded one")
    assert said["digest"] == said["rebuilt_digest"] == artefact.read(ARTEFACT).content.digest
    assert sorted(said["inputs"]) == ["build.py", "models/small/method.yaml", "raw.zarr"]
    assert said["commit"] == git(project, "rev-parse", "HEAD")
    assert "1 file of the project differ" in said["notes"][0]
    assert git(project, "status", "--porcelain") == before


@pytest.mark.requirement("URS-80")
@pytest.mark.parametrize(
    ("threads", "scheduler"), [("2", "threads"), pytest.param("2", "processes", marks=pytest.mark.slow)]
)
def test_threads_and_schedulers_change_no_byte(project, threads, scheduler):
    before = (project / ARTEFACT / "manifest.json").read_bytes()
    shutil.rmtree(project / ARTEFACT)
    settings = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PAT_SCHEDULER": scheduler}
    run(project, "python", "build.py", **settings)
    assert (project / ARTEFACT / "manifest.json").read_bytes() == before


def released(project: Path, home: Path, **changed: Any) -> Path:
    """Release the artefact to a folder outside the project; `changed` replaces what it says of its source."""
    source = {
        "git_commit": git(project, "rev-parse", "HEAD"),
        "git_dirty": "false",
        "code_sha256": code_sha256(project / "pat"),
        "method": "models/small/method.yaml",
    }
    site = make_site(home / "trust")
    site.approve(project / ARTEFACT, home=home)
    return site.release(project / ARTEFACT, home=home, source=source | changed)


@pytest.mark.requirement("URS-81")
def test_a_release_is_rebuilt_from_its_commit_though_the_project_has_gone_on(project, tmp_path, played):
    folder = released(project, tmp_path / "released")
    (project / "models" / "small" / "method.yaml").write_text(YAML.replace("window: 7", "window: 9"))
    later = commit(project)
    played()
    result = reproduce(folder, project)
    assert result.commit != later
    assert result.released
    assert result.held
    # The artefact in the project belongs to the commit before: its lock file does not fit this one.
    [fault] = reproduce(project / ARTEFACT, project).faults
    assert "dvc.lock was written with another models/small/method.yaml" in fault


@pytest.mark.requirement("URS-81")
def test_an_input_that_changes_meanwhile_makes_the_answer_worthless(project, played):
    played(lambda folder: (folder / "models" / "small" / "method.yaml").write_text(YAML + "# edited\n") and None)
    result = reproduce(project / ARTEFACT, project)
    assert result.verdict == "identical"
    assert not result.held
    assert result.faults == ["models/small/method.yaml was changed while the stages ran, so that they prove nothing"]


def test_a_release_of_other_code_or_pins_is_a_fault(project, tmp_path, played):
    (project / "requirements").mkdir()
    (project / "requirements" / "dev.txt").write_text(
        "numpy==0.1 ; python_version > '3'\npandas==0.2 ; python_version < '3'\n"
    )
    commit(project)
    folder = released(project, tmp_path / "released", code_sha256="1" * 64, requirements_sha256="2" * 64)
    played()
    result = reproduce(folder, project)
    assert [fault.split(" 1")[0].split(" 2")[0] for fault in result.faults] == [
        "the release says code_sha256",
        "the release says requirements_sha256",
    ]
    assert result.notes == [f"numpy 0.1 is pinned, {np.__version__} is installed"]


def rewritten(folder: Path, change: Callable[[artefact.Artefact], None], **source: str) -> None:
    """Write the artefact in a folder anew, after a change."""
    found = artefact.read(folder)
    change(found)
    artefact.write(
        folder, found.content.__class__(found.content.arrays, found.content.document), found.known_answers,
        found.known_blend, found.validation, "<html></html>", found.manifest["source"] | source,
    )  # fmt: skip


def moved(by: float) -> Callable[[artefact.Artefact], None]:
    def change(found: artefact.Artefact) -> None:
        found.content.arrays["coefficients"] = found.content.arrays["coefficients"] * (1.0 + by)

    return change


@pytest.mark.requirement("URS-81", "URS-82")
@pytest.mark.parametrize(
    ("by", "kernel", "verdict", "held"),
    [
        (1e-13, None, "equal", False),  # the recorded kernel promises the bits
        (1e-13, "another", "equal", True),
        (1e-7, "another", "differs", False),
    ],
)
def test_which_promise_is_due_is_decided_by_the_kernel(project, played, by, kernel, verdict, held):
    source = {} if kernel is None else {"kernel": kernel}
    played(lambda folder: rewritten(folder / ARTEFACT, moved(by), **source))
    result = reproduce(project / ARTEFACT, project)
    assert (result.verdict, result.held) == (verdict, held)
    assert result.promise.startswith("the same bits" if kernel is None else "equal within 1e-09")
    assert "array coefficients" in [difference.part for difference in result.differences]
    assert ("NOT kept" in result.in_words()) is not held
    json.loads(readable_json(result.to_dict()))


@pytest.mark.requirement("URS-81")
def test_a_model_that_answers_otherwise_is_named_part_by_part(project, played):
    def change(found: artefact.Artefact) -> None:
        found.content.document["limits"]["q_residuals"] *= 2.0
        found.content.document["claim"] = "none"
        found.known_answers["value"] = found.known_answers["value"] + 0.1

    played(lambda folder: rewritten(folder / ARTEFACT, change))
    result = reproduce(project / ARTEFACT, project)
    assert {difference.part for difference in result.differences} == {
        "document.limits.q_residuals",
        "document.claim",
        "known answer value",
    }
    assert (result.verdict, result.held) == ("differs", False)


def test_what_cannot_be_rebuilt_is_refused(project, tmp_path):
    outside = Path(shutil.copytree(project / ARTEFACT, tmp_path / "outside"))
    with pytest.raises(Refusal, match="nothing says which commit it comes from"):
        reproduce(outside, project)
    with pytest.raises(Refusal, match="does not say by git_commit"):
        reproduce(released(project, tmp_path / "bare", git_commit=None), project)
    with pytest.raises(Refusal, match="`git cat-file` does not do it"):
        reproduce(released(project, tmp_path / "unknown", git_commit="0" * 40), project)
    with pytest.raises(Refusal, match=r"models/other/artefact: expected the output of a DVC stage"):
        reproduce(released(project, tmp_path / "other", method="models/other/method.yaml"), project)
    with pytest.raises(Refusal, match="`git rev-parse` does not do it"):
        reproduce(outside, tmp_path)


def test_an_input_that_is_not_in_the_commit_is_refused(project):
    (project / "dvc.yaml").write_text(PIPELINE.replace("raw.zarr]", "raw.zarr, secret.csv]"))
    commit(project)
    with pytest.raises(Refusal, match=r"secret\.csv: an input that is not in the commit"):
        reproduce(project / ARTEFACT, project)


def test_a_release_of_another_artefact_is_refused(project, tmp_path):
    folder = released(project, tmp_path / "released")
    rewritten(folder / "artefact", moved(1e-3))
    with pytest.raises(ArtefactError, match="the release is one of artefact"):
        reproduce(folder, project)


def test_stages_that_fail_are_a_refusal(project, capfd):
    (project / "build.py").write_text("raise SystemExit('no spectra today')\n")
    commit(project)
    with pytest.raises(Refusal, match=r"the stages up to 'build' did not run to their end here \(exit code"):
        reproduce(project / ARTEFACT, project)
    assert "no spectra today" in capfd.readouterr().err


@pytest.mark.requirement("URS-81")
@pytest.mark.slow
def test_the_demo_is_rebuilt_bit_for_bit():
    """The project as it is committed gives the demo's artefact once more; skips where there is none of that commit."""
    place = ROOT / "models" / "demo" / "artefact"
    if not place.is_dir() or git(ROOT, "status", "--porcelain"):
        pytest.skip("the demo's artefact belongs to a commit only where `make run` has made it and all is committed")
    result = reproduce(place, ROOT)
    assert (result.verdict, result.held, result.faults) == ("identical", True, ())
