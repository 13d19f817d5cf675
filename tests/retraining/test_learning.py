"""A champion whose steps have learnt: a challenger learns anew, from old and new references together (simulated)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pat import artefact
from pat.calibration import calibrate
from pat.errors import InputError
from pat.export import export
from pat.method import Method
from pat.retraining import Status
from pat.scorer import Scorer
from pat.spectra import open_store, write_store
from pat.validation.run import validate
from tests.retraining.settled import run
from tests.small_campaign import YAML, dataset

STEPS: list[dict[str, Any]] = [{"step": "msc"}, {"step": "osc", "n_components": 1}]
ALL = [*(f"C{i}" for i in range(1, 7)), "N1", "N2", "N3"]


def written(**keys: Any) -> Method:
    return Method.from_document({**yaml.safe_load(YAML), "preprocessing": STEPS, **keys})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    method = written()
    (tmp_path / "method.yaml").write_text(yaml.safe_dump(method.document()), encoding="utf-8")
    write_store(dataset(), tmp_path / "raw.zarr")
    raw = open_store(tmp_path / "raw.zarr")
    calibration = calibrate(method, raw)
    validation = validate(method, calibration, None, raw)
    export(tmp_path / "artefact", method, calibration, None, validation, raw, "<html></html>")
    return tmp_path


def test_a_challenger_is_what_calibrating_on_all_references_gives(folder: Path) -> None:
    outcome = run(folder)
    assert outcome.status is Status.REGISTERED
    assert outcome.new_batches == ["N1", "N2", "N3"]
    assert outcome.folder is not None
    raw = open_store(folder / "raw.zarr")
    expected = calibrate(written(), raw, ALL)
    content = artefact.read(outcome.folder / "artefact").content
    assert content.document["steps"] == expected.steps
    assert content.document["steps"] != artefact.read(folder / "artefact").content.document["steps"]
    scorer = Scorer.load(outcome.folder / "artefact", allow_unreleased=True)
    model, x = expected.model, raw["absorbance"].values
    direct = (expected.learnt.treatment(expected.wavelength)(x) - model.x_mean) @ model.coefficients[-1] + model.y_mean
    np.testing.assert_allclose(scorer.predict(x).value, direct, rtol=1e-10)


@pytest.mark.parametrize(
    "steps", [STEPS[:1], [STEPS[0], {"step": "osc", "n_components": 2}], [{"step": "msc", "reference": [1.0] * 60}]]
)
def test_other_steps_are_another_method(folder: Path, steps: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match="retraining changes the data and nothing else: expected steps"):
        run(folder, method=written(preprocessing=steps))
