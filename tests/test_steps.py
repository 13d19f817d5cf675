"""Steps in a method: each can be written, is what the core runs, and every wrong parameter is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pat.core.preprocess import STEPS as CORE_STEPS
from pat.core.preprocess import fit_treatment
from pat.errors import InputError, MethodError
from pat.method import Method
from pat.steps import STEP_NAMES
from tests.core.preprocess.chains import AXIS, STEPS, references, spectra

DEMO = Path(__file__).parents[1] / "models" / "demo" / "method.yaml"


@pytest.fixture
def document() -> dict[str, Any]:
    document = copy.deepcopy(Method.load(DEMO).document())
    document["spectra"]["ranges"] = []
    return document


def test_the_document_knows_the_steps_of_the_core():
    assert set(STEP_NAMES) == set(CORE_STEPS)
    assert len(set(STEP_NAMES)) == len(STEP_NAMES)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_every_step_can_be_written_comes_back_and_compiles_once_it_has_learnt(document, step):
    document["preprocessing"] = [step]
    method = Method.from_document(document)
    assert method.document()["preprocessing"] == [step]
    jsonschema.validate(method.document(), Method.json_schema())
    learnt = fit_treatment(AXIS, [], method.document()["preprocessing"], spectra(20), references(20))
    again = Method.from_document({**document, "preprocessing": json.loads(json.dumps(learnt))})
    jsonschema.validate(again.document(), Method.json_schema())
    assert again.document()["preprocessing"] == learnt
    treat = again.treatment(AXIS)
    assert treat(spectra(2)).shape == (2, treat.wavelength.size)


@pytest.mark.parametrize("name", ["msc", "emsc", "centre", "scale", "osc"])
def test_a_step_that_has_still_to_learn_says_so_when_it_is_to_treat(document, name):
    document["preprocessing"] = [STEPS[name]]
    with pytest.raises(InputError, match=f"'{name}': it learns from calibration spectra"):
        Method.from_document(document).treatment(AXIS)


@pytest.mark.parametrize(
    ("step", "messages"),
    [
        (
            {"step": "msc", "reference": "mean"},
            ["reference: expected 'calibration', got \"mean\"", 'reference: expected a valid array, got "mean"'],
        ),
        ({"step": "msc", "reference": [1.0]}, ["reference: expected at least 2 items, got [1.0]"]),
        ({"step": "emsc", "degree": -1}, ["degree: expected greater than or equal to 0, got -1"]),
        ({"step": "rnv", "percentile": 101}, ["percentile: expected less than or equal to 100, got 101"]),
        (
            {"step": "gap_segment", "deriv": 1, "segment": 2, "gap": 4},
            ["segment: expected an odd number of points, got 2", "gap: expected an odd number of points, got 4"],
        ),
        (
            {"step": "gap_segment", "deriv": 4, "segment": 1, "gap": 1},
            ["deriv: expected less than or equal to 3, got 4"],
        ),
        ({"step": "normalise", "norm": "l2"}, ["norm: expected 'area', 'maximum' or 'unit_vector', got \"l2\""]),
        ({"step": "select", "ranges": []}, ["ranges: expected at least 1 item, got []"]),
        (
            {"step": "select", "ranges": [[1200, 1100]]},
            ["ranges.0: expected a low end below the high end, got [1200.0, 1100.0]"],
        ),
        (
            {"step": "interpolate", "target": {"low": 1000, "high": 1001, "spacing": 2}},
            ["target.high: expected at least low + spacing (1002), got 1001.0"],
        ),
        (
            {"step": "interpolate", "target": {"low": 1000, "high": 1100}},
            ["target.spacing: expected a value, got nothing"],
        ),
        ({"step": "epo", "spectra": [], "n_components": 1}, ["spectra: expected at least 1 item, got []"]),
        ({"step": "osc", "n_components": 0}, ["n_components: expected greater than or equal to 1, got 0"]),
        (
            {"step": "osc", "n_components": 1, "directions": {"mean": [0.0, 1.0], "weights": [[0.0, 1.0]]}},
            ["directions.loadings: expected a value, got nothing"],
        ),
    ],
)
def test_a_wrong_parameter_is_named(document, step, messages):
    document["preprocessing"] = [{"step": "snv"}, step]
    with pytest.raises(MethodError) as caught:
        Method.from_document(document)
    for message in messages:
        assert f"preprocessing.1.{message}" in str(caught.value)
