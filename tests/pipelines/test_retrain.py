"""The demo's retraining, as a scheduler calls it, on the simulated campaign: end-points are compared too."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pat import artefact, tracking
from pat.calibration import calibrate
from pat.export import export
from pat.homogeneity import learn
from pat.method import Method
from pat.readers.csv import read_csv
from pat.spectra import open_store, write_store
from pat.treatment import treat
from pat.validation.run import validate
from pipelines import retrain

ROOT = Path(__file__).resolve().parents[2]
FIRST = ("calibration", "validation", "repeatability", "accepted_blends", "blends", "specificity")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with the demo's champion, made without DVC."""
    folder = tmp_path_factory.mktemp("project")
    samples, demo = folder / "data_samples", folder / "models" / "demo"
    shutil.copytree(ROOT / "data_samples", samples)
    demo.mkdir(parents=True)
    method = Method.load(shutil.copy(ROOT / "models" / "demo" / "method.yaml", demo))
    write_store(read_csv([samples / f"{name}.csv" for name in FIRST], samples / "batches.csv"), folder / "raw.zarr")
    raw = open_store(folder / "raw.zarr")
    treated = treat(method, raw)
    calibration = calibrate(method, treated)
    homogeneity = learn(method, calibration, treated)
    validation = validate(method, calibration, homogeneity, raw, pd.read_csv(samples / "truth.csv"))
    export(demo / "artefact", method, calibration, homogeneity, validation, raw, "<html></html>")
    return folder


def scheduled(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[Any, dict[str, Any]]:
    monkeypatch.setattr(sys, "argv", ["retrain", "--json"])
    with pytest.raises(SystemExit) as stop:
        retrain.run()
    return stop.value.code, json.loads(capsys.readouterr().out)


def test_later_references_give_a_challenger_with_end_points_compared(project, monkeypatch, capsys):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(project)
    champion = artefact.read("models/demo/artefact")
    code, outcome = scheduled(monkeypatch, capsys)
    assert (code, outcome["status"]) == (0, "registered")
    assert outcome["new_batches"] == [f"N0{i}" for i in range(1, 10)]
    comparison = outcome["comparison"]
    assert comparison["simulated"] is True
    # The simulator's instrument does not change between the campaigns.
    assert comparison["drift"]["called_for"] is False
    assert [f["verdict"] for f in comparison["drift"]["findings"]] == ["not shown"] * 4
    # Two models of nearly the same references err alike, so that even 12 batches show the one no worse.
    assert comparison["non_inferiority"]["verdict"] == "shown"
    assert comparison["non_inferiority"]["power_if_equal"] > 0.9
    for side in ("champion", "challenger"):
        assert comparison[side]["figures"]["n_batches"] == 12
        assert len(comparison[side]["endpoints"]) == 7
    # The champion, followed again from its artefact, is judged as its own validation had judged it.
    known = {case["batch"]: (case["outcome"], case["found_endpoint"]) for case in champion.validation["endpoints"]}
    again = comparison["champion"]["endpoints"]
    assert {case["batch"]: (case["outcome"], case["found_endpoint"]) for case in again} == known
    assert tracking.champion("demo") is None
    waiting = tracking.challenger("demo")
    assert waiting is not None
    assert waiting.digest == outcome["digest"]
    assert artefact.read("models/demo/artefact").content.digest == champion.content.digest
