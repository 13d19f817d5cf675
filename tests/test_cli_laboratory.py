"""`pat import` to `pat score`, as a chemometrician types them, on the sample campaign (simulated)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pat.cli import main

ROOT = Path(__file__).parents[1]
SAMPLES, METHOD = ROOT / "data_samples", ROOT / "models" / "demo" / "method.yaml"
FILES = ("calibration", "validation", "repeatability", "accepted_blends", "blends", "specificity")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Import and calibrate once."""
    folder = tmp_path_factory.mktemp("work")
    spectra = [str(SAMPLES / f"{name}.csv") for name in FILES]
    batches = str(SAMPLES / "batches.csv")
    assert main(["import", *spectra, "--batches", batches, "--to", str(folder / "raw.zarr")]) == 0
    assert main(["calibrate", str(METHOD), "--data", str(folder / "raw.zarr"), "--out", str(folder / "out")]) == 0
    return folder


def step(command: str, work: Path, *more: str) -> int:
    return main([command, str(METHOD), "--data", str(work / "raw.zarr"), "--out", str(work / "out"), *more])


def test_the_whole_road(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert step("validate", work, "--truth", str(SAMPLES / "truth.csv"), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] is True
    # The campaign states 0.12 within runs and 0.18 between lots and days: about 0.22 together, 12 lots.
    assert 0.16 < found["figures"]["rmsep"] < 0.28
    artefact = work / "artefact"
    assert step("export", work, "--to", str(artefact)) == 0
    assert step("report", work, "--to", str(work / "report.html")) == 0
    assert "SIMULATED" in (work / "report.html").read_text()
    assert main(["verify", str(artefact)]) == 0
    capsys.readouterr()
    assert main(["score", str(artefact), str(SAMPLES / "blends.csv"), "--allow-unreleased", "--json"]) == 0
    assert "NaN" not in capsys.readouterr().out


def test_blends_without_their_truth_cannot_be_judged(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert step("validate", work) == 2
    assert "truth of the validation blends" in capsys.readouterr().err
