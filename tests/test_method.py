"""The method document: what a valid one gives, and what a wrong one is told."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from scipy.signal import savgol_filter

from pat.core import baseline
from pat.errors import MethodError
from pat.method import Method

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "models" / "demo" / "method.yaml"
BASELINE = ROOT / "tests" / "data" / "method_with_baseline.yaml"
SCHEMA = ROOT / "models" / "method.schema.json"


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(Method.load(DEMO).document())


def load_text(text: str, folder: Path) -> Method:
    path = folder / "method.yaml"
    path.write_text(text, encoding="utf-8")
    return Method.load(path)


def problems(document: Any) -> list[str]:
    with pytest.raises(MethodError) as raised:
        Method.from_document(document)
    return [line.strip() for line in str(raised.value).splitlines()[1:]]


def test_demo_method_says_what_its_file_says() -> None:
    method = Method.load(DEMO)
    assert method.analyte.name == "api"
    assert method.analyte.target == 10.0
    assert method.spectra.ranges == ((960.0, 1640.0),)
    assert [step.step for step in method.preprocessing] == ["snv", "savitzky_golay"]
    assert method.homogeneity is not None
    assert method.homogeneity.block_size == 20
    assert method.acceptance.slope == (0.9, 1.1)


@pytest.mark.parametrize("path", [DEMO, BASELINE])
def test_document_is_plain_json_and_comes_back_the_same(path: Path) -> None:
    method = Method.load(path)
    text = json.dumps(method.document(), allow_nan=False)
    assert Method.from_document(json.loads(text)) == method
    assert json.dumps(Method.from_document(json.loads(text)).document()) == text


def test_document_does_not_depend_on_the_order_of_keys(document: dict[str, Any]) -> None:
    turned = {key: document[key] for key in reversed(document)}
    assert json.dumps(Method.from_document(turned).document()) == json.dumps(document)


def test_schema_in_the_tree_is_the_one_of_the_type() -> None:
    """Made by: json.dumps(Method.json_schema(), indent=2, ensure_ascii=False) and a newline."""
    expected = json.dumps(Method.json_schema(), indent=2, ensure_ascii=False) + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == expected


def test_schema_describes_every_key_and_takes_the_methods() -> None:
    schema = Method.json_schema()
    for section in [schema, *schema["$defs"].values()]:
        assert section["description"]
        for key, value in section["properties"].items():
            assert value.get("description") or "$ref" in value, key
    for path in (DEMO, BASELINE):
        jsonschema.validate(Method.load(path).document(), schema)


@pytest.mark.requirement("URS-10")
def test_schema_refuses_an_unknown_key(document: dict[str, Any]) -> None:
    document["calibration"]["max_component"] = 3
    with pytest.raises(jsonschema.ValidationError, match="max_component"):
        jsonschema.validate(document, Method.json_schema())


@pytest.mark.requirement("URS-10")
def test_every_problem_is_listed_with_its_path(document: dict[str, Any]) -> None:
    document["name"] = "Demo"
    document["version"] = 1.5
    document["analyte"]["unit"] = "mg"
    document["spectra"]["ranges"] = [[960, "far"]]
    document["preprocessing"] = [
        {"step": "savitzky_golay", "window": 8, "polyorder": 9, "deriv": 10},
        {"step": "mcs"},
    ]
    del document["calibration"]["max_components"]
    document["homogeneity"]["risk_per_batch"] = 0.5
    assert problems(document) == [
        'name: expected text that matches ^[a-z0-9][a-z0-9_-]*$, got "Demo"',
        "version: expected a valid integer, got 1.5",
        'analyte.unit: expected no such key, got "mg"',
        'spectra.ranges.0.1: expected a valid number, got "far"',
        "preprocessing.0.window: expected an odd number of points, got 8",
        "preprocessing.0.polyorder: expected less than the window (8), got 9",
        "preprocessing.0.deriv: expected at most the polyorder (9), got 10",
        "preprocessing.1.step: expected one of absorbance, snv, rnv, msc, emsc, savitzky_golay, gap_segment, detrend, "
        'normalise, select, interpolate, centre, scale, epo, osc, standardise, baseline, got "mcs"',
        "calibration.max_components: expected a value, got nothing",
        "homogeneity.risk_per_batch: expected less than 0.5, got 0.5",
    ]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("analyte.target", 14.0, "target: expected a value between low (7) and high (13), got 14.0"),
        ("analyte.name", "time", "name: expected a name other than absorbance, batch"),
        (
            "spectra.ranges",
            [[1000, 900]],
            "expected a low end below the high end, got [1000.0, 900.0]",
        ),
        (
            "spectra.ranges",
            [[1000, 1100], [1100, 1200]],
            "1: expected a range that begins above 1100 nm",
        ),
        (
            "spectra.ranges",
            [[1200, 1300], [1000, 1100]],
            "1: expected a range that begins above 1300 nm",
        ),
        ("spectra.saturation", 0, "saturation: expected greater than 0, got 0"),
        ("calibration.component_rule", "best", "expected 'first_minimum', 'one_standard_error' or 'van_der_voet', got"),
        ("calibration.scope_confidence", 1.0, "scope_confidence: expected less than 1, got 1.0"),
        ("homogeneity.block_size", 2, "block_size: expected greater than or equal to 3, got 2"),
        ("homogeneity.block_size", 301, "block_size: expected at most max_revolutions (300), got 301"),
        ("homogeneity.min_revolutions", 300, "expected more than min_revolutions (300), got 300"),
        ("homogeneity.max_mean_deviation", 31.0, "max_mean_deviation: expected at most 30 %"),
        (
            "homogeneity.discharge",
            {"risk_per_discharge": 0.01, "max_readings": 59},
            "max_readings: expected greater than or equal to 60, got 59",
        ),
        (
            "homogeneity.discharge",
            {"risk_per_discharge": 0.01, "max_readings": 100, "start_readings": 100},
            "start_readings: expected less than max_readings (100), got 100",
        ),
        ("homogeneity.sensors", {"risk_per_batch": 0.01, "number": 1}, "number: expected greater than or equal to 2"),
        ("homogeneity", None, "acceptance.max_early_endpoints: expected no end-point criterion"),
        ("acceptance.max_rmsep", None, "max_rmsep: expected a valid number, got null"),
        ("acceptance.slope", [1.1, 1.2], "slope: expected a low end below 1"),
        ("acceptance.min_validation_batches", 2, "expected greater than or equal to 3, got 2"),
        ("acceptance.max_early_endpoints", True, "max_early_endpoints: expected a valid integer, got true"),
        ("analyte.target", "10", 'target: expected a valid number, got "10"'),
        ("analyte.target", float("nan"), "target: expected a finite number, got NaN"),
    ],
)
def test_a_wrong_value_is_named(document: dict[str, Any], path: str, value: Any, message: str) -> None:
    *sections, key = path.split(".")
    place = document
    for section in sections:
        place = place[section]
    place[key] = value
    found = problems(document)
    assert any(message in line for line in found), found


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"step": "baseline", "method": "als"}, "preprocessing.0.method: expected one of airpls"),
        (
            {"step": "baseline", "method": "asls", "parameters": {"lamda": 1e5}},
            "preprocessing.0.parameters: expected what pybaselines takes",
        ),
        ({"step": "snv", "ddof": 0}, "preprocessing.0.ddof: expected no such key, got 0"),
        ({"window": 9}, 'preprocessing.0: expected a key `step`, got {"window": 9}'),
    ],
)
def test_a_wrong_step_is_named(document: dict[str, Any], step: dict[str, Any], message: str) -> None:
    document["preprocessing"] = [step]
    assert problems(document)[0].startswith(message)


@pytest.mark.parametrize("name", baseline.METHODS)
def test_every_baseline_that_the_core_knows_can_be_named(document: dict[str, Any], name: str) -> None:
    document["preprocessing"] = [{"step": "baseline", "method": name, "parameters": {}}]
    Method.from_document(document)


@pytest.mark.requirement("URS-10")
def test_a_key_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    text, line = DEMO.read_text(encoding="utf-8"), "  max_components: 10\n"
    text = text.replace(line, line + "  max_components: 3\n") + "version: 2\n"
    with pytest.raises(MethodError) as raised:
        load_text(text, tmp_path)
    assert "calibration.max_components: expected once, got again in line 19" in str(raised.value)
    assert "version: expected once, got again in line" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "is not YAML"),
        ("name: &a x\nproduct: *a\n", "aliases are not taken"),
        ("? [a]\n: b\n", "is not YAML"),
        ("version: !!int x\n", "is not YAML"),
        ("", "document: expected an object, got null"),
        ("- name\n", "document: expected an object"),
    ],
)
def test_what_is_no_method_at_all(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MethodError, match=re.escape(message)):
        load_text(text, tmp_path)


def test_a_missing_file_and_one_that_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="cannot read"):
        Method.load(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MethodError, match="cannot read"):
        Method.load(tmp_path / "binary.yaml")


def test_yaml_1_2_scalars(tmp_path: Path) -> None:
    """PyYAML by itself speaks YAML 1.1: there `1e5` is text, `no` is false and this product is a date."""
    text = BASELINE.read_text(encoding="utf-8")
    text = text.replace('"% w/w"', "no").replace("Test blend, 10 % w/w (simulated)", "2026-01-05")
    method = load_text(text, tmp_path)
    assert method.document()["preprocessing"][0]["parameters"] == {"lam": 1e5, "p": 0.01}
    assert (method.analyte.units, method.product) == ("no", "2026-01-05")
    assert isinstance(yaml.safe_load("1e5"), str)


@pytest.mark.requirement("URS-10")
def test_a_method_does_not_change() -> None:
    method = Method.load(DEMO)
    with pytest.raises(ValueError, match="frozen"):
        method.analyte.target = 11.0  # type: ignore[misc]


def test_treatment_is_the_method_s(document: dict[str, Any]) -> None:
    """SNV by hand, the derivative by scipy."""
    axis = np.linspace(950.0, 1650.0, 71)
    spectra = np.random.default_rng(1).normal(1.0, 0.1, (4, 71)).cumsum(axis=1)
    treatment = Method.from_document(document).treatment(axis)
    kept = spectra[:, (axis >= 960.0) & (axis <= 1640.0)]
    snv = (kept - kept.mean(1, keepdims=True)) / kept.std(1, ddof=1, keepdims=True)
    expected = savgol_filter(snv, 9, 2, deriv=1, delta=10.0, axis=1, mode="interp")
    np.testing.assert_allclose(treatment(spectra), expected, rtol=0, atol=1e-12)
