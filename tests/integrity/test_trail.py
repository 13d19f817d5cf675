"""Stores and scoring runs against the audit trail: what was done without an entry is found (simulated)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pat.audit import Trail
from pat.cli import main
from pat.errors import InputError, TrailError
from pat.integrity import Recorded, Report, examine_run, examine_store, page
from pat.spectra import open_store, select_batches, write_store
from tests import simulated
from tests.small_spectra import small_spectra
from tests.wide_csv import write_csv

DIGEST = "d" * 64


def states(report: Report) -> dict[str, tuple[str, int]]:
    return {item.check: (item.state, item.count) for item in report.items if item.state in ("finding", "note")}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_store(small_spectra((5, 5), references={"api": (np.full(10, 10.0), "% w/w")}), tmp_path / "raw.zarr")
    return tmp_path / "raw.zarr"


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    made = Trail.open(tmp_path / "trail.jsonl")
    made.record("look", kind="person", id="nobody")
    return made


def imported(trail: Trail, store: Path) -> str:
    digest = str(open_store(store).attrs["sha256"])
    trail.record("import", kind="store", id=store.name, new={"digests": {"sha256": digest}})
    return digest


@pytest.mark.requirement("URS-04")
def test_a_store_that_no_entry_is_about_is_a_finding(store, trail):
    assert states(examine_store(store, trail=Recorded.load(trail.path))) == {"no_entry": ("finding", 1)}
    trail.record("import", kind="store", id=str(open_store(store).attrs["sha256"]), new={"digests": {}})  # refused
    assert states(examine_store(store, trail=Recorded.load(trail.path))) == {"no_entry": ("finding", 1)}
    imported(trail, store)
    report = examine_store(store, trail=Recorded.load(trail.path))
    assert states(report) == {}
    assert {item.check for item in report.of("not examined")} == {"out_of_scope"}


def test_a_derived_store_rests_on_the_import_of_the_raw_one(store, trail, tmp_path):
    imported(trail, store)
    write_store(select_batches(open_store(store), ["B1"]), tmp_path / "part.zarr")
    assert states(examine_store(tmp_path / "part.zarr", trail=Recorded.load(trail.path))) == {}


@pytest.mark.requirement("URS-04")
def test_spectra_that_were_measured_after_their_import_are_a_finding(tmp_path, trail):
    at = np.datetime64("2026-03-02T08:00", "ns") + np.arange(10) * np.timedelta64(5, "s")
    at[7:] += np.timedelta64(365 * 200, "D")
    write_store(small_spectra((5, 5), references={"api": (np.full(10, 10.0), "% w/w")}, time=at,
                              revolution=np.full(10, np.nan)), tmp_path / "raw.zarr")  # fmt: skip
    imported(trail, tmp_path / "raw.zarr")
    report = examine_store(tmp_path / "raw.zarr", trail=Recorded.load(trail.path))
    assert states(report) == {"imported_before": ("finding", 3)}


@pytest.mark.requirement("URS-04", "URS-61")
def test_a_trail_that_was_tampered_with_is_a_finding(store, trail):
    imported(trail, store)
    data = trail.path.read_bytes().replace(b'"nobody"', b'"somebody"')
    trail.path.write_bytes(data)
    report = examine_store(store, trail=Recorded.load(trail.path))
    assert states(report) == {"trail": ("finding", 1)}
    assert "entry 2 (line 2) was altered" in report.of("finding")[0].where[0]


def test_no_trail_is_an_error(tmp_path):
    with pytest.raises(TrailError, match="expected an audit trail, got none"):
        Recorded.load(tmp_path / "none.jsonl")


def run_document(*batches: tuple[str, list[int]], **changed: Any) -> dict[str, Any]:
    def reading(turn: int) -> dict[str, Any]:
        return {"revolution": turn, "status": "OK", "in_scope": True, "artefact": DIGEST, "unreleased": False}

    made = [{"batch": name, "readings": [reading(turn) for turn in turns]} for name, turns in batches]
    return {"artefact": DIGEST, "unreleased": False, "batches": made} | changed


def written(tmp_path: Path, document: Any) -> Path:
    (tmp_path / "run.json").write_text(json.dumps(document))
    return tmp_path / "run.json"


def test_a_clean_run_gives_nothing(tmp_path, trail):
    for batch in ("B-1", "B-2"):
        trail.open_run(batch, artefact=DIGEST).close("all spectra were read")
    path = written(tmp_path, run_document(("B-1", [1, 2, 3]), ("B-2", [0, 1, 2])))
    report = examine_run(path, trail=Recorded.load(trail.path))
    assert states(report) == {}
    assert not report.of("not examined")


@pytest.mark.requirement("URS-04")
@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([1, 2, 5, 6], {"gaps": ("finding", 2)}),
        ([4, 5, 6], {"gaps": ("finding", 3)}),
        ([1, 2, 2, 3], {"repeated_revolutions": ("finding", 1)}),
        ([1, 3, 2, 4], {"gaps": ("finding", 1), "repeated_revolutions": ("finding", 1)}),
    ],
)
def test_revolutions_of_a_run(tmp_path, turns, expected):
    assert states(examine_run(written(tmp_path, run_document(("B-1", turns))))) == expected


@pytest.mark.requirement("URS-04")
def test_readings_that_say_that_something_was_wrong(tmp_path):
    document = run_document(("B-1", [1, 2, 3, 4, 5]))
    readings = document["batches"][0]["readings"]
    readings[1]["status"], readings[2]["in_scope"] = "FROZEN", False
    readings[3]["unreleased"], readings[4]["artefact"] = True, "e" * 64
    report = examine_run(written(tmp_path, document))
    assert states(report) == {
        "statuses": ("note", 1),
        "out_of_scope": ("note", 1),
        "unreleased": ("note", 1),
        "other_artefact": ("finding", 1),
    }
    assert report.of("finding")[0].where == ("batch B-1 at revolution 5 (reading 4)",)


def test_readings_of_a_discharge_have_no_revolutions(tmp_path):
    document = run_document(("B-1", [1, 2]))
    for reading in document["batches"][0]["readings"]:
        del reading["revolution"]
    report = examine_run(written(tmp_path, document))
    assert states(report) == {}
    assert {"gaps", "repeated_revolutions"} <= {item.check for item in report.of("not examined")}


@pytest.mark.requirement("URS-04")
def test_batches_that_the_trail_does_not_have_or_that_never_ended(tmp_path, trail):
    trail.open_run("B-1", artefact=DIGEST).abort("power failure")
    trail.open_run("B-2", artefact="e" * 64).close("by another artefact")
    path = written(tmp_path, run_document(("B-1", [1]), ("B-2", [1]), ("B-3", [1])))
    report = examine_run(path, trail=Recorded.load(trail.path))
    assert states(report) == {"no_entry": ("finding", 2), "aborted": ("note", 1)}
    assert report.of("finding")[0].where == tuple(f"batch {b} was never opened in the trail" for b in ("B-2", "B-3"))


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"batches": [{}], "artefact": ""}'])
def test_what_is_no_run_is_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match="expected what `pat score --json` prints"):
        examine_run(tmp_path / "run.json")


def test_what_pat_score_prints_is_a_run(tmp_path, demo_artefact, capsys):
    write_csv(tmp_path / "spectra.csv", {"B-1": simulated.settled(12, 5)})
    command = ["score", str(demo_artefact), str(tmp_path / "spectra.csv"), "--allow-unreleased", "--json"]
    assert main(command) == 0
    (tmp_path / "run.json").write_text(capsys.readouterr().out)
    assert main(["integrity", str(tmp_path / "run.json"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    notes = {item["check"]: item["count"] for item in said["items"] if item["state"] == "note"}
    assert (said["sound"], said["readings"], notes) == (True, 12, {"unreleased": 12})


@pytest.mark.requirement("URS-04")
def test_what_pat_import_does_stands_in_the_trail(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PAT_TRAIL", str(tmp_path / "trail.jsonl"))
    write_csv(tmp_path / "spectra.csv", {"B-1": simulated.settled(12, 5)})
    store = str(tmp_path / "raw.zarr")
    assert main(["import", str(tmp_path / "spectra.csv"), "--to", store]) == 0
    capsys.readouterr()
    assert main(["integrity", store, "--trail", str(tmp_path / "trail.jsonl"), "--json"]) == 0
    states = {item["check"]: item["state"] for item in json.loads(capsys.readouterr().out)["items"]}
    assert (states["trail"], states["no_entry"], states["imported_before"]) == ("clear", "clear", "clear")


def test_the_command_prints_a_table_that_fits_json_and_a_page(tmp_path, store, demo_artefact, capsys):
    assert main(["integrity", str(store)]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 80 or "raw.zarr" in line for line in out.splitlines())
    assert "…" not in out
    page_path = tmp_path / "page.html"
    write_store(small_spectra((5, 5), revolution=[1, 2, 4, 5, 6, 1, 2, 3, 4, 5]), tmp_path / "gap.zarr")
    assert main(["integrity", str(tmp_path / "gap.zarr"), "--json", "--to", str(page_path)]) == 1
    said = json.loads(capsys.readouterr().out)
    assert not said["sound"]
    text = page_path.read_text(encoding="utf-8")
    assert f"Examined (UTC)</dt><dd>{said['examined']}" in text
    assert said["code_sha256"] in text
    assert "Not sound" in text
    assert "1 before batch B1 at revolution 4" in text
    assert all(word not in text for word in ("<script", "http://", "https://", "<link"))
    assert main(["integrity", str(store), "--to", str(store / "page.html")]) == 2
    assert main(["integrity", str(tmp_path / "nowhere.zarr")]) == 2
    assert main(["integrity", str(store), "--artefact", str(demo_artefact)]) == 2  # another axis


def test_the_page_escapes_what_people_call_things(store):
    report = examine_store(store)
    assert "&lt;b&gt;" in page(Report("<b>raw</b>", report.facts, report.items))
