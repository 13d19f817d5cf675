"""The dossier: every item is there, judged by what the method asks, and rests on what it names."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pat.artefact import pack
from pat.calibration import Calibration, calibrate
from pat.errors import InputError, SpectraError
from pat.method import Method
from pat.profiles import Profile
from pat.readers.samples import read_samples
from pat.scorer import Scorer
from pat.spectra import build
from pat.validation.dossier import Readings, readings_of
from pat.validation.dossier.compared import compared
from pat.validation.run import Validation, validate
from tests import simulated
from tests.small_campaign import PER_BATCH, YAML
from tests.validated import Validated, validated

# Content (% w/w) of each batch by role, and its kind.
_BATCHES = {
    "calibration": [("static", c) for c in (6.5, 8.0, 9.5, 10.5, 12.0, 13.5)],
    "validation": [("static", c) for c in (7.5, 8.0, 9.0, 9.5, 11.0, 12.5)],
    "repeatability": [("static", 10.0)] * 3,
    "specificity": [("double_strength", 20.0), ("double_strength", 20.0), ("near", 10.0)],
}


def spectra() -> xr.Dataset:
    """Batches of every role of a dossier; those of ``repeatability`` differ by 0.2 % w/w from day to day."""
    rows = [(role, kind, content) for role, batches in _BATCHES.items() for kind, content in batches]
    names = [f"{role[0].upper()}{i}" for i, (role, _, _) in enumerate(rows)]
    shift = [0.2 * (i - 13) if role == "repeatability" else 0.0 for i, (role, _, _) in enumerate(rows)]
    content = np.repeat([c + s for (_, _, c), s in zip(rows, shift, strict=True)], PER_BATCH)
    foreign = np.repeat([role == "specificity" for role, _, _ in rows], PER_BATCH)
    return build(
        simulated.spectra(content, seed=21),
        wavelength=simulated.WAVELENGTH,
        batch=np.repeat(names, PER_BATCH),
        time=np.datetime64("2026-03-02T08:00", "ns") + np.arange(content.size) * np.timedelta64(10, "s"),
        instrument=["NIR-1"] * content.size,
        references={"api": (np.where(foreign, np.nan, content), "% w/w")},
        facts={
            "batch_id": names,
            "role": [role for role, _, _ in rows],
            "kind": [kind for _, kind, _ in rows],
            "lot": [f"L-{name}" for name in names],
        },
    )


def method(**rules: Any) -> Method:
    import yaml

    return Method.from_document({**yaml.safe_load(YAML), "validation": rules})


@pytest.fixture(scope="module")
def raw() -> xr.Dataset:
    return spectra()


def judged(raw: xr.Dataset, **rules: Any) -> tuple[Calibration, Validation, dict[str, dict[str, Any]]]:
    asked = method(**rules)
    calibration = calibrate(asked, raw)
    found = validate(asked, calibration, None, raw)
    return calibration, found, {item["id"]: item for item in found.document["dossier"]["items"]}


@pytest.fixture(scope="module")
def open_end(raw: xr.Dataset) -> tuple[Calibration, Validation, dict[str, dict[str, Any]]]:
    """A dossier of a method that states nothing and sets no limit."""
    return judged(raw)


@pytest.mark.requirement("URS-31")
def test_every_item_of_the_checklist_is_there_in_order(open_end: Any) -> None:
    numbers = [tuple(map(int, number.split("."))) for number in open_end[2]]
    assert numbers == sorted(numbers)
    assert {first for first, _ in numbers} == set(range(1, 17))


@pytest.mark.requirement("URS-31")
def test_what_the_method_does_not_say_is_not_shown(open_end: Any) -> None:
    items = open_end[2]
    for number in ("1.1", "1.2", "2.2", "2.3", "3.1", "7.2", "12.1", "15.1"):
        assert items[number]["verdict"] == "not shown", number
    assert "not shown" in items["16.1"]["found"]
    assert items["16.2"]["verdict"] == "passed"


def test_a_figure_without_a_limit_is_stated_and_adds_no_criterion(open_end: Any) -> None:
    items = open_end[2]
    assert all(items[number]["verdict"] == "stated" for number in ("5.2", "8.1", "9.5", "9.6", "9.7", "10.1"))
    assert {c["name"] for c in open_end[1].document["criteria"]} == {"min_validation_batches", "max_rmsep"}


def test_precision_is_that_of_the_repeat_readings(raw: xr.Dataset, open_end: Any) -> None:
    calibration, found, items = open_end
    scorer = Scorer(found.content(method(), calibration, None))
    rows = np.char.startswith(raw["batch"].values.astype("U8"), "R")
    value = scorer.predict(raw["absorbance"].values[rows]).value.reshape(3, PER_BATCH)
    within = value.var(axis=1, ddof=1).mean()
    between = max(value.mean(axis=1).var(ddof=1) - within / PER_BATCH, 0.0)
    precision = items["9.6"]["values"]
    assert precision["repeatability"]["sd"] == pytest.approx(np.sqrt(within), rel=1e-12)
    assert precision["intermediate"]["sd"] == pytest.approx(np.sqrt(within + between), rel=1e-12)


def test_refusals_are_counted_by_kind(open_end: Any) -> None:
    items = open_end[2]
    assert [items["8.1"]["values"][key] for key in ("kind", "n", "refused")] == ["double_strength", 16, 16]
    assert items["8.2"]["values"]["kind"] == "near"
    assert items["8.2"]["values"]["refused"] < 8
    # Clopper-Pearson: 16 of 16 has the lower limit 0.025^(1/16).
    assert items["8.1"]["values"]["lower"] == pytest.approx(0.025 ** (1 / 16), rel=1e-9)


@pytest.mark.parametrize(
    ("rules", "number", "verdict"),
    [
        ({"max_rmsecv_ratio": 5.0}, "5.2", "passed"),
        ({"max_rmsecv_ratio": 0.5}, "5.2", "failed"),
        ({"min_refused": 0.9}, "8.1", "passed"),
        ({"min_refused": 0.9}, "8.2", "failed"),
        ({"accuracy_limit": 60.0}, "9.5", "passed"),
        ({"accuracy_limit": 0.01}, "9.5", "failed"),
        ({"max_repeatability": 1.0}, "9.6", "passed"),
        ({"max_repeatability": 1e-4}, "9.6", "failed"),
        ({"max_intermediate_precision": 1.0}, "9.7", "passed"),
        ({"max_intermediate_precision": 1e-4}, "9.7", "failed"),
        ({"reference_error": 1.0, "max_rmsep_ratio": 1.4}, "12.1", "passed"),
        ({"reference_error": 1e-4, "max_rmsep_ratio": 1.4}, "12.1", "failed"),
    ],
)
def test_a_limit_judges_its_item_and_the_whole(
    raw: xr.Dataset, rules: dict[str, float], number: str, verdict: str
) -> None:
    _, found, items = judged(raw, **rules)
    assert items[number]["verdict"] == verdict
    name = next(key for key in rules if key != "reference_error")
    mine = [c for c in found.document["criteria"] if c["name"] == name]
    assert mine
    assert all(c["found"] is not None for c in mine)
    assert found.passed == all(item["verdict"] != "failed" for item in items.values())
    if verdict == "failed":
        assert not found.passed
        assert number in items["16.1"]["found"]
        assert items["16.2"]["verdict"] == "failed"


@pytest.mark.requirement("URS-28", "URS-31")
def test_a_limit_that_nothing_can_be_judged_by_is_not_met(raw: xr.Dataset) -> None:
    roles = np.array(["held_out" if r in ("repeatability", "specificity") else r for r in raw["role"].values.tolist()])
    fewer = raw.assign_coords(role=("batch_id", roles.astype(np.dtypes.StringDType())))
    _, found, items = judged(fewer, max_repeatability=1.0, min_refused=0.9)
    assert not found.passed
    assert {items["8.1"]["verdict"], items["9.6"]["verdict"]} == {"failed"}
    assert "nothing to judge by" in found.unmet


@pytest.mark.requirement("URS-31")
def test_evidence_is_named_and_its_hashes_are_those_of_the_numbers(raw: xr.Dataset, open_end: Any) -> None:
    calibration, found, items = open_end
    evidence = found.document["dossier"]["evidence"]
    assert {name for item in items.values() for name in item["evidence"]} <= set(evidence)
    assert evidence["validation_predictions"] == hashlib.sha256(pack(found.predictions)).hexdigest()
    scorer = Scorer(found.content(method(), calibration, None))
    repeats = readings_of(scorer, raw, "repeatability")
    assert evidence["repeatability"] == hashlib.sha256(pack(repeats.arrays())).hexdigest()
    other = replace(repeats, value=np.nextafter(repeats.value, 99.0))
    assert evidence["repeatability"] != hashlib.sha256(pack(other.arrays())).hexdigest()


def test_readings_of_a_role_that_no_batch_has_are_none(raw: xr.Dataset, open_end: Any) -> None:
    calibration, found, _ = open_end
    none = readings_of(Scorer(found.content(method(), calibration, None)), raw, "accepted")
    assert isinstance(none, Readings)
    assert none.value.shape == none.in_scope.shape == none.batch.shape == (0,)


@pytest.fixture(scope="module")
def followed() -> Validated:
    return validated()


def test_a_method_that_follows_blends_shows_its_rule(followed: Validated) -> None:
    items = {item["id"]: item for item in followed.validation.document["dossier"]["items"]}
    cases = followed.validation.document["endpoints"]
    good = sum(case["true_endpoint"] is not None for case in cases)
    assert f"of {good} right" in items["11.1"]["found"]
    assert items["11.3"]["values"] == followed.homogeneity.claim["risk_at_limit"]
    assert followed.validation.document["dossier"]["evidence"]["validation_blends"]


def profile(batch: str, states: list[str], values: list[float]) -> Profile:
    columns: dict[str, Any] = {"revolution": list(range(len(values))), "state": states, "value": values}
    return Profile(batch, "good", None, None, {}, columns)


def samples(**of_batch: list[float]) -> pd.DataFrame:
    return pd.DataFrame([(batch, value) for batch, values in of_batch.items() for value in values], columns=_COLUMNS)


_COLUMNS = ["batch", "value"]
_BLEND = profile("B1", ["MIXING"] + ["UNIFORM"] * 4, [55.0, 9.8, 10.2, 9.9, 10.1])


@pytest.mark.requirement("URS-27")
def test_samples_are_set_beside_the_readings_of_a_uniform_blend() -> None:
    asked = method(parallel_margin=0.5)
    [item] = compared(asked, [_BLEND], samples(B1=[10.0, 10.3, 9.7, 10.2, 9.8]))
    assert item.verdict == "passed"
    assert item.values["bias"]["value"] == pytest.approx(0.0, abs=1e-12)  # both means are 10.0; 55 was not uniform
    [item] = compared(asked, [_BLEND], samples(B1=[11.0, 11.3, 10.7, 11.2, 10.8]))
    assert item.verdict == "failed"
    assert item.values["bias"]["value"] == pytest.approx(-1.0, abs=1e-12)


def test_a_difference_that_few_samples_cannot_show_to_be_small_fails() -> None:
    [item] = compared(method(parallel_margin=0.5), [_BLEND], samples(B1=[9.0, 10.0, 11.0]))
    assert item.criterion is not None
    assert item.criterion.found == pytest.approx(0.0, abs=1e-12)
    assert item.verdict == "failed"


def test_three_batches_are_judged_over_batches_too() -> None:
    blends = [profile(f"B{i}", ["UNIFORM"] * 4, [9.8, 10.2, 9.9, 10.1]) for i in range(3)]
    given = samples(B0=[9.9, 10.1, 10.0], B1=[10.0, 10.2, 9.95], B2=[9.9, 9.95, 10.05])
    items = list(compared(method(parallel_margin=0.5), blends, given))
    assert [item.id for item in items] == ["11.4", "11.5", "11.6", "11.7"]
    assert items[-1].title.endswith("over batches")
    assert items[-1].verdict == "passed"


def test_samples_without_anything_beside_them_are_refused() -> None:
    asked = method(parallel_margin=0.5)
    with pytest.raises(InputError, match="must be of validation blends"):
        list(compared(asked, [_BLEND], samples(B9=[10.0, 10.0, 10.1])))
    with pytest.raises(InputError, match="never declared uniform"):
        list(compared(asked, [profile("B1", ["MIXING"], [10.0])], samples(B1=[10.0, 10.0, 10.1])))
    with pytest.raises(InputError, match="parallel_margin"):
        list(compared(method(), [_BLEND], samples(B1=[10.0, 10.0, 10.1])))
    [item] = compared(asked, [_BLEND], None)
    assert item.verdict == "not shown"


def test_perturbations_are_tried_and_a_limit_on_what_is_accepted_and_wrong_judges(raw: xr.Dataset) -> None:
    _, found, items = judged(raw, allowed_change=1e-9, max_wrong_share=0.01)
    tried = [item for item in items.values() if item["title"].startswith("Robustness")]
    assert {item["title"].partition(": ")[2] for item in tried} >= {"moisture", "noise", "axis shift", "film", "gain"}
    # Noise moves every result by more than 1e-9, and the smallest is accepted.
    noise = next(item for item in tried if item["title"].endswith("noise"))
    assert noise["verdict"] == "failed"
    assert noise["values"]["dangerous_share"] > 0.5
    assert not found.passed
    _, lenient, items = judged(raw, allowed_change=1e9, max_wrong_share=0.01)
    assert all(item["verdict"] == "passed" for item in items.values() if item["title"].startswith("Robustness"))
    assert lenient.passed


def test_samples_are_read_from_csv(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text("batch,place,value\nB1,top,9.9\nB1,bottom,10.1\n")
    assert read_samples(path).values.tolist() == [["B1", 9.9], ["B1", 10.1]]
    for text, message in (
        ("batch,value\n", "line 2: expected a sample"),
        ("batch\nB1\n", "value"),
        ("batch,value\nB1,much\n", "line 2, column `value`"),
        ("batch,value\n,9.9\n", "line 2, column `batch`"),
    ):
        path.write_text(text)
        with pytest.raises(SpectraError, match=message):
            read_samples(path)
