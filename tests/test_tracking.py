"""The record in MLflow: a real SQLite store in a temporary folder, once per artefact, whatever dies half-way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pat import artefact, environment, tracking
from pat.errors import ArtefactError, InputError
from pipelines.track import track
from tests.small_campaign import Campaign, write_campaign

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return write_campaign(tmp_path_factory.mktemp("campaign"))


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its tables and nothing in them; making the tables takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert tracking.champion("small", root=folder) is None
    return folder / "mlflow.db"


@pytest.fixture
def root(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path)
    return tmp_path


def client(root: Path) -> Any:
    """Another way into the same store."""
    from mlflow import MlflowClient  # not above: it starts its telemetry unless `pat.tracking` came first

    return MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")


def runs(root: Path) -> list[Any]:
    found = client(root).get_experiment_by_name("pat-small")
    return [] if found is None else list(client(root).search_runs([found.experiment_id]))


def log(campaign: Campaign, root: Path, **options: Any) -> tracking.TrackedVersion:
    return tracking.log_artefact(
        campaign.artefact,
        method=campaign.method,
        calibration=campaign.calibration,
        validation=campaign.validation,
        root=root,
        **options,
    )


@pytest.mark.requirement("URS-82")
def test_a_run_holds_parameters_figures_hashes_and_the_artefact(campaign, root):
    logged = log(campaign, root, tags={"why": "test"})
    (run,) = runs(root)
    assert (run.info.run_id, run.info.status) == (logged.run_id, "FINISHED")
    parameters, metrics, tags = run.data.params, run.data.metrics, run.data.tags
    assert parameters["analyte.target"] == "10.0"
    assert parameters["preprocessing.1.window"] == "7"
    assert parameters["n_components"] == str(campaign.calibration.model.n_components)
    assert metrics["validation/rmsep"] == campaign.validation.document["figures"]["rmsep"]
    assert metrics["calibration/rmsec"] == campaign.calibration.figures["rmsec"]
    history = client(root).get_metric_history(logged.run_id, "rmsecv_by_components")
    by_step = {point.step: point.value for point in history}
    assert by_step == dict(enumerate(campaign.calibration.cross_validation.rmsecv.tolist(), start=1))
    assert tags["data_sha256"] == campaign.raw.attrs["sha256"]
    assert tags["code_sha256"] == environment.code_sha256()
    assert (tags["gate"], tags["why"]) == ("passed", "test")
    assert {"version.numpy", "version.scikit-learn", "version.pat", "version.python"} <= set(tags)
    kept = root / "mlartifacts" / logged.run_id / "artifacts" / "artefact"
    assert artefact.read(kept).content.digest == logged.digest
    assert {p.name: p.read_bytes() for p in kept.iterdir()} == {
        p.name: p.read_bytes() for p in campaign.artefact.iterdir()
    }


def test_a_run_holds_what_blends_are_judged_by(campaign, root, monkeypatch):
    seen: list[Any] = []

    def figures(document: Any) -> dict[str, float]:
        seen.append(document)
        return {"statistics/limits/mbsd/high": 0.002, "claim/risk_at_limit/pockets 0.15": 0.05, "rule/x": float("inf")}

    monkeypatch.setattr(tracking.attempts, "figures", figures)
    log(campaign, root)
    (run,) = runs(root)
    assert seen == [artefact.read(campaign.artefact).content.document]
    metrics = run.data.metrics
    assert (metrics["statistics/limits/mbsd/high"], metrics["claim/risk_at_limit/pockets 0.15"]) == (0.002, 0.05)
    assert "rule/x" not in metrics


def test_the_registered_version_names_the_digest_and_the_run(campaign, root):
    logged = log(campaign, root)
    (version,) = client(root).search_model_versions("name='pat-small'")
    assert version.source == f"runs:/{logged.run_id}/artefact"
    assert version.tags["artefact_digest"] == artefact.read(campaign.artefact).content.digest
    assert tracking.find("small", logged.digest, root=root) == tracking.TrackedVersion(
        logged.run_id, 1, logged.digest, new=False
    )
    assert tracking.find("small", "0" * 64, root=root) is None


def test_a_digest_is_logged_once(campaign, root):
    first, second = log(campaign, root), log(campaign, root)
    assert (first.new, second.new) == (True, False)
    assert (first.run_id, first.version) == (second.run_id, second.version)
    assert len(runs(root)) == 1
    assert len(client(root).search_model_versions("name='pat-small'")) == 1


def test_two_at_once_log_once(campaign, root):
    with ThreadPoolExecutor(2) as pool:
        logged = list(pool.map(lambda _: log(campaign, root), range(2)))
    assert sorted(one.new for one in logged) == [False, True]
    assert len(runs(root)) == 1


def test_an_attempt_that_died_is_not_taken_as_done_and_is_finished_by_the_next(campaign, root, monkeypatch):
    def die(*_: Any) -> int:  # after the parameters and the artefact, before the version
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr("pat.tracking.attempts.register", die)
        with pytest.raises(ConnectionError):
            log(campaign, root)
    (begun,) = runs(root)
    assert tracking.find("small", begun.data.tags["artefact_digest"], root=root) is None
    logged = log(campaign, root)
    assert (logged.new, logged.run_id, logged.version) == (True, begun.info.run_id, 1)
    history = client(root).get_metric_history(logged.run_id, "rmsecv_by_components")
    assert len(history) == campaign.method.calibration.max_components
    assert not log(campaign, root).new


def test_an_attempt_that_died_after_registering_gives_no_second_version(campaign, root):
    logged = log(campaign, root)
    client(root).delete_tag(logged.run_id, "complete")  # as it is if the process dies just before the last step
    assert tracking.find("small", logged.digest, root=root) is None
    again = log(campaign, root)
    assert (again.new, again.run_id, again.version) == (True, logged.run_id, logged.version)
    assert len(client(root).search_model_versions("name='pat-small'")) == 1


def test_a_version_that_somebody_deleted_is_registered_again(campaign, root):
    log(campaign, root)
    client(root).delete_model_version("pat-small", "1")
    again = log(campaign, root)
    assert again.new
    assert len(runs(root)) == 1


def compare(root: Path, version: tracking.TrackedVersion, key: str, verdict: str) -> Path:
    """Add a comparison to a version; return its file."""
    path = root / "comparison.json"
    path.write_text(f'{{"verdict": "{verdict}"}}')
    tracking.log_comparison("small", version, key, [path], tags={"comparison": verdict}, root=root)
    return path


def test_comparisons_of_one_version_are_added_and_none_is_replaced(campaign, root):
    logged = log(campaign, root)
    first, second = "a" * 64, "b" * 64
    for key, verdict in ((first, "worse"), (second, "better"), (second, "better")):
        path = compare(root, logged, key, verdict)
    assert tracking.has_comparison(logged, second, path, root=root)
    assert not tracking.has_comparison(logged, first, path, root=root)  # another document than was logged under it
    assert not tracking.has_comparison(logged, "c" * 64, path, root=root)
    kept = root / "mlartifacts" / logged.run_id / "artifacts" / "comparisons"
    found = {folder.name: (folder / "comparison.json").read_text() for folder in kept.iterdir()}
    assert found == {first[:12]: '{"verdict": "worse"}', second[:12]: '{"verdict": "better"}'}
    (version,) = client(root).search_model_versions("name='pat-small'")
    assert version.tags["comparison"] == runs(root)[0].data.tags["comparison"] == "better"
    waiting = tracking.challenger("small", root=root)
    assert waiting is not None
    assert waiting.version == logged.version


def test_an_artefact_of_other_parts_is_not_logged(campaign, root):
    """Calibrated or validated again, and not exported again."""
    stale = campaign.validation.document | {"figures": {"rmsep": 0.01}}
    for changed, what in (
        ({"calibration": replace(campaign.calibration, data_sha256="0" * 64)}, "calibration"),
        ({"validation": replace(campaign.validation, document=stale)}, "validation"),
        ({"method": campaign.method.model_copy(update={"version": 2})}, "method document"),
    ):
        with pytest.raises(InputError, match=f"got another {what}: run `pat export` again"):
            log(replace(campaign, **changed), root)
    assert runs(root) == []


@pytest.mark.requirement("URS-70")
def test_only_an_explicit_call_makes_a_champion(campaign, root):
    logged = log(campaign, root)
    compare(root, logged, "a" * 64, "no difference shown")
    assert tracking.champion("small", root=root) is None
    waiting = tracking.challenger("small", root=root)
    assert waiting is not None
    assert waiting.version == logged.version
    promoted = tracking.promote("small", logged.version, root=root)
    assert promoted.digest == logged.digest
    assert tracking.champion("small", root=root) == promoted
    assert tracking.challenger("small", root=root) is None


def test_promoting_a_version_that_is_not_there_names_those_that_are(campaign, root):
    log(campaign, root)
    with pytest.raises(InputError, match=r"expected one of the registered versions \(1\), got 7"):
        tracking.promote("small", 7, root=root)
    with pytest.raises(InputError, match="no version at all"):
        tracking.promote("other", 1, root=root)


def test_a_version_of_somebody_else_is_no_champion_of_ours(root):
    other = client(root)
    other.create_registered_model("pat-small")
    other.create_model_version("pat-small", str(root))
    with pytest.raises(InputError, match="expected a version with a tag `artefact_digest`"):
        tracking.promote("small", 1, root=root)


def test_a_damaged_artefact_is_not_logged(campaign, root, tmp_path):
    damaged = shutil.copytree(campaign.artefact, tmp_path / "damaged")
    (damaged / "arrays.npz").write_bytes(b"")
    with pytest.raises(ArtefactError, match="altered or damaged"):
        tracking.log_artefact(
            damaged,
            method=campaign.method,
            calibration=campaign.calibration,
            validation=campaign.validation,
            root=root,
        )
    assert runs(root) == []


def test_a_refusal_is_recorded_once_with_its_reason_and_registers_nothing(campaign, root):
    def refuse(reason: str) -> str:
        return tracking.log_refusal(reason, method=campaign.method, calibration=campaign.calibration, root=root)

    assert refuse("max_rmsep not met") == refuse("max_rmsep not met")
    assert refuse("slope not met") != refuse("max_rmsep not met")
    found = {run.data.tags["refused"]: run.info.status for run in runs(root)}
    assert found == {"max_rmsep not met": "FAILED", "slope not met": "FAILED"}
    assert client(root).search_model_versions("name='pat-small'") == []


def test_the_store_that_the_environment_names_is_used(campaign, empty_store, tmp_path, monkeypatch):
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "project"
    elsewhere.mkdir()
    root.mkdir()
    shutil.copy(empty_store, elsewhere / "runs.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere / 'runs.db'}")
    logged = log(campaign, root)
    assert list(root.iterdir()) == []
    assert (elsewhere / "mlartifacts" / logged.run_id).is_dir()


def test_nothing_is_reported_to_anybody(tmp_path):
    program = """
from pat import tracking
tracking.champion("small")
from mlflow.telemetry import get_telemetry_client
assert get_telemetry_client() is None
"""
    # A bare environment: much that tests and CI set silences MLflow before this project does.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "mlflow.db").is_file()


def test_the_step_outside_dvc_logs_once_and_chooses_no_champion_unless_told(campaign, root, monkeypatch):
    shutil.copytree(campaign.folder, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.zarr"))
    monkeypatch.chdir(root)
    said = track(Path("."))
    assert "pat-small version 1 registered" in said
    assert "champion: none yet; released, a person makes it one: pat promote method.yaml 1" in said
    assert tracking.champion("small") is None
    said = track(Path("."), first_champion=True)
    assert "version 1 was registered before" in said
    assert said.endswith("champion: version 1 (unreleased)")


@pytest.mark.requirement("URS-70")
def test_the_step_outside_dvc_never_replaces_a_champion(campaign, root, monkeypatch):
    shutil.copytree(campaign.folder, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.zarr"))
    monkeypatch.chdir(root)
    other = client(root)
    other.create_registered_model("pat-small")
    other.create_model_version("pat-small", str(root), tags={"artefact_digest": "0" * 64})
    tracking.promote("small", 1)
    assert track(Path("."), first_champion=True).endswith("champion: version 1 (unreleased)")
    assert "pat-small version 2 registered" not in track(Path("."), first_champion=True)
    champion = tracking.champion("small")
    assert champion is not None
    assert champion.digest == "0" * 64
