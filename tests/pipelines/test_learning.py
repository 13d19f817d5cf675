"""A method with steps that learn, through the stages and through the commands: the same calibration (simulated)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pat import artefact
from pat.calibration import Calibration, calibrate
from pat.calibration.outliers import outlier_report
from pat.cli import main
from pat.homogeneity import HomogeneityModel
from pat.method import Method
from pat.scorer import Scorer
from pat.spectra import open_store, write_store
from pat.treatment import treated_by
from pipelines import calibrate as stage_calibrate
from pipelines import homogeneity as stage_homogeneity
from pipelines import preprocess as stage_preprocess
from tests.small_campaign import YAML, dataset
from tests.validated import small_method, validated

STEPS: dict[str, list[dict[str, Any]]] = {
    "msc": [{"step": "msc"}, {"step": "savitzky_golay", "window": 9, "polyorder": 2, "deriv": 1}],
    "osc": [{"step": "snv"}, {"step": "osc", "n_components": 1}],
    "epo": [{"step": "epo", "spectra": {"batches": ["N1", "N2"]}, "n_components": 1}],
}


def staged(monkeypatch: pytest.MonkeyPatch, stage: Any, *paths: Path) -> None:
    monkeypatch.setattr(sys, "argv", [stage.__name__, *map(str, paths)])
    stage.run()


def stages(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Calibration:
    places = [folder / name for name in ("method.yaml", "raw.zarr", "treated.zarr")]
    staged(monkeypatch, stage_preprocess, *places)
    staged(monkeypatch, stage_calibrate, *places, folder / "stage")
    return Calibration.load(folder / "stage")


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_stages_and_commands_give_one_calibration_and_a_scorer(steps, monkeypatch, tmp_path):
    method = Method.from_document({**yaml.safe_load(YAML), "preprocessing": steps, "acceptance": {"max_rmsep": 9.0}})
    (tmp_path / "method.yaml").write_text(yaml.safe_dump(method.document()), encoding="utf-8")
    write_store(dataset(new_reference="interference"), tmp_path / "raw.zarr")
    of_stage = stages(monkeypatch, tmp_path)
    # What the first stage learnt to treat the spectra by is what the second one did.
    treated = open_store(tmp_path / "treated.zarr")
    assert treated_by(of_stage.learnt, treated) is treated
    words = [str(tmp_path / "method.yaml"), "--data", str(tmp_path / "raw.zarr"), "--out", str(tmp_path / "out")]
    for command in ("calibrate", "validate", "outliers"):
        assert main([command, *words]) == 0
    assert main(["export", *words, "--to", str(tmp_path / "artefact")]) == 0
    raw = open_store(tmp_path / "raw.zarr")
    by_hand = calibrate(method, raw)
    for other in (of_stage, Calibration.load(tmp_path / "out" / "calibration")):
        assert other.sha256 == by_hand.sha256
        np.testing.assert_array_equal(other.cross_validation.predicted, by_hand.cross_validation.predicted)
    predicted = outlier_report(by_hand, raw).spectra["predicted"].to_numpy()
    a = by_hand.model.n_components
    np.testing.assert_array_equal(predicted, by_hand.cross_validation.predicted[:, a - 1])
    assert artefact.read(tmp_path / "artefact").content.document["steps"] == by_hand.steps
    scorer, model = Scorer.load(tmp_path / "artefact", allow_unreleased=True), by_hand.model
    x = raw["absorbance"].values
    direct = (by_hand.learnt.treatment(by_hand.wavelength)(x) - model.x_mean) @ model.coefficients[-1] + model.y_mean
    np.testing.assert_allclose(scorer.predict(x).value, direct, rtol=1e-10)


@pytest.mark.slow
def test_an_end_point_rule_is_learnt_from_what_the_stages_treated(monkeypatch, tmp_path):
    method = Method.from_document({**small_method().document(), "preprocessing": STEPS["osc"]})
    (tmp_path / "method.yaml").write_text(yaml.safe_dump(method.document()), encoding="utf-8")
    write_store(validated().raw, tmp_path / "raw.zarr")
    stages(monkeypatch, tmp_path)
    places = [tmp_path / name for name in ("method.yaml", "treated.zarr", "stage", "homogeneity")]
    staged(monkeypatch, stage_homogeneity, *places)
    words = [str(tmp_path / "method.yaml"), "--data", str(tmp_path / "raw.zarr"), "--out", str(tmp_path / "out")]
    assert main(["calibrate", *words]) == 0
    of_command = HomogeneityModel.load(tmp_path / "out" / "homogeneity")
    assert HomogeneityModel.load(tmp_path / "homogeneity").rule == of_command.rule
