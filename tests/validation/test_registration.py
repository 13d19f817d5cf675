"""Registration: what it commits to, what it refuses, and how often a sealed set may be opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pat.audit import Trail, verify
from pat.errors import InputError, Refusal
from pat.method import Method
from pat.validation.opening import open_once, opened
from pat.validation.registration import Registration, criteria_sha256, register, require_registered
from pat.validation.run import validate
from tests.small_campaign import YAML, Campaign, dataset, write_campaign


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return write_campaign(tmp_path_factory.mktemp("small"))


@pytest.fixture
def registration(small: Campaign) -> Registration:
    return register(small.method, small.raw, None)


def changed(method: Method, section: str, **keys: Any) -> Method:
    document = method.document()
    document[section] |= keys
    return Method.from_document(document)


def test_it_names_the_sealed_batches_and_tells_none_of_their_values(registration: Registration) -> None:
    assert registration.batches == {"validation": ["V1", "V2", "V3", "V4"]}
    said = json.dumps(registration.to_dict())
    assert not any(level in said for level in ("7.5", "11.0", "12.5"))


@pytest.mark.requirement("URS-29")
def test_a_validation_by_what_was_registered_says_so(small: Campaign, registration: Registration) -> None:
    found = validate(small.method, small.calibration, None, small.raw, registration=registration)
    assert found.document["registration"] == registration.to_dict()
    items = {item["id"]: item for item in found.document["dossier"]["items"]}
    assert items["7.2"]["verdict"] == "passed"
    assert found.document["dossier"]["evidence"]["registration"] == registration.sha256


def test_without_a_registration_the_dossier_says_so(small: Campaign) -> None:
    items = {item["id"]: item for item in small.validation.document["dossier"]["items"]}
    assert items["7.2"]["verdict"] == "not shown"
    assert "not registered" in items["16.1"]["found"]


@pytest.mark.requirement("URS-29")
@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ("acceptance", {"max_rmsep": 0.6}),
        ("acceptance", {"max_bias": 0.1}),
        ("validation", {"accuracy_limit": 9.0}),
        ("validation", {"intended_use": "another"}),
        ("analyte", {"high": 15.0}),
    ],
)
def test_other_criteria_are_refused_by_name(
    small: Campaign, registration: Registration, section: str, keys: dict[str, Any]
) -> None:
    with pytest.raises(Refusal, match="the acceptance criteria changed"):
        require_registered(registration, changed(small.method, section, **keys), small.raw, None)


def test_what_only_makes_the_model_may_change(small: Campaign, registration: Registration) -> None:
    require_registered(registration, changed(small.method, "calibration", max_components=3), small.raw, None)


@pytest.mark.requirement("URS-29")
def test_a_reference_or_a_reading_of_the_set_that_changes_in_its_last_digit_is_refused(
    small: Campaign, registration: Registration
) -> None:
    row = int(np.flatnonzero(small.raw["batch"].values == "V2")[3])
    for name in ("api", "absorbance"):
        other = small.raw.load().copy(deep=True)
        place = (row,) if name == "api" else (row, 5)
        other[name].values[place] = np.nextafter(other[name].values[place], 99.0)
        with pytest.raises(Refusal, match="the spectra or their references changed"):
            require_registered(registration, small.method, other, None)


def test_batches_that_are_not_of_the_set_may_change(small: Campaign, registration: Registration) -> None:
    other = small.raw.load().copy(deep=True)
    other["absorbance"].values[other["batch"].values == "C1"] += 0.01
    require_registered(registration, small.method, other, None)


def test_another_set_of_batches_is_refused(small: Campaign, registration: Registration) -> None:
    with pytest.raises(Refusal, match="the batches"):
        require_registered(registration, small.method, dataset(new_reference="validation"), None)


def test_a_key_that_nobody_sets_changes_no_hash() -> None:
    method = Method.from_document(json.loads(json.dumps(_plain(YAML))))
    assert method.document()["validation"]["accuracy_limit"] is None
    assert criteria_sha256(method) == criteria_sha256(changed(method, "validation", accuracy_limit=None))


def _plain(text: str) -> Any:
    import yaml

    return yaml.safe_load(text)


def test_what_is_written_comes_back_and_is_never_replaced(tmp_path: Path, registration: Registration) -> None:
    path = tmp_path / "registration.json"
    registration.save(path)
    assert Registration.load(path) == registration
    before = path.read_bytes()
    with pytest.raises(Refusal, match="never changed"):
        registration.save(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("key", ["method", "criteria_sha256", "data_sha256", "truth_sha256", "batches", "registered"])
def test_an_edited_one_is_refused(tmp_path: Path, registration: Registration, key: str) -> None:
    path = tmp_path / "registration.json"
    registration.save(path)
    document = json.loads(path.read_bytes())
    document[key] = {"validation": []} if key == "batches" else "2026-01-01T00:00:00Z"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="edited"):
        Registration.load(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "null"])
def test_what_is_no_registration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InputError, match="expected a registration"):
        Registration.load(tmp_path / "r.json")


@pytest.mark.requirement("URS-29")
def test_a_set_opens_for_one_model(tmp_path: Path, registration: Registration) -> None:
    trail = Trail.open(tmp_path / "trail.jsonl")
    open_once(trail, registration, "a" * 64)
    open_once(trail, registration, "a" * 64)  # the same model learns nothing from being judged again
    with pytest.raises(Refusal, match="was opened on .* for the model aaaaaaaaaaaa"):
        open_once(trail, registration, "b" * 64)
    open_once(trail, registration, "b" * 64, "the first model was withdrawn")
    entries = [entry for entry in trail.entries() if entry.action == "open validation set"]
    assert [entry.artefact for entry in entries] == ["a" * 64, "a" * 64, "b" * 64]
    assert [entry.new["openings"] for entry in entries] == [1, 2, 3]
    assert entries[-1].reason == "the first model was withdrawn"
    assert verify(trail.path).holds


def test_another_set_is_another_matter(tmp_path: Path, small: Campaign, registration: Registration) -> None:
    trail = Trail.open(tmp_path / "trail.jsonl")
    open_once(trail, registration, "a" * 64)
    open_once(trail, register(changed(small.method, "acceptance", max_rmsep=0.6), small.raw, None), "b" * 64)


def test_a_file_that_was_edited_opens_nothing(tmp_path: Path, registration: Registration) -> None:
    path, trail = tmp_path / "registration.json", Trail.open(tmp_path / "trail.jsonl")
    registration.save(path)
    path.write_bytes(path.read_bytes().replace(b'"small"', b'"large"'))
    with pytest.raises(InputError, match="edited"):
        opened(path, "a" * 64, trail=trail)
    assert trail.head is None
