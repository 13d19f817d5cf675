"""The chain by hand: whatever is out of date, foreign or in the way is refused in one plain line (simulated data)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
import zarr

from pat import artefact
from pat.cli import main
from pat.spectra import open_store, select_batches, write_store
from tests.small_campaign import YAML, dataset

STEPS = ("calibrate", "validate", "export", "report")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A method, a store, and a working folder in which every step was done."""
    folder = tmp_path_factory.mktemp("done")
    (folder / "method.yaml").write_text(YAML)
    write_store(dataset(), folder / "raw.zarr")
    for step in STEPS:
        assert run(folder, step) == 0
    return folder


@pytest.fixture
def work(done: Path, tmp_path: Path) -> Path:
    """Return a copy for one test to change."""
    return Path(shutil.copytree(done, tmp_path / "work"))


def run(work: Path, step: str, *, data: str = "raw.zarr", to: Path | None = None, out: str = "out") -> int:
    words = [step, str(work / "method.yaml"), "--data", str(work / data), "--out", str(work / out)]
    places = {"export": work / "artefact", "report": work / "report.html"}
    return main(words + (["--to", str(to or places[step])] if step in places else []))


def change(work: Path, section: str, **keys: Any) -> None:
    document = yaml.safe_load((work / "method.yaml").read_text())
    document.setdefault(section, {}).update(keys)
    (work / "method.yaml").write_text(yaml.safe_dump(document))


def says(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a refused command said: one line, and no trace of the program."""
    error = capsys.readouterr().err
    assert error.startswith("pat: ")
    assert error.count("\n") == 1
    assert "Error(" not in error
    return error


def test_a_model_that_was_not_validated_again_is_not_exported_as_validated(work, capsys):
    before = artefact.read(work / "artefact").content.digest
    old = shutil.copytree(work / "out" / "validation", work / "kept")
    change(work, "calibration", scope_confidence=0.99)
    assert run(work, "calibrate") == 0
    assert not (work / "out" / "validation").exists()
    for step in ("export", "report"):
        assert run(work, step) == 2
        assert "expected a validation, got none: run `pat validate` first" in says(capsys)
    # Somebody who puts the old one back gets no further.
    shutil.copytree(old, work / "out" / "validation")
    for step in ("export", "report"):
        assert run(work, step) == 2
        assert "the validation is of something else: the method document, the calibration, the model" in says(capsys)
    assert artefact.read(work / "artefact").content.digest == before
    assert run(work, "validate") == 0
    assert run(work, "export") == 0
    assert artefact.read(work / "artefact").content.digest != before


@pytest.mark.requirement("URS-10")
@pytest.mark.parametrize("section", ["acceptance", "analyte", "spectra"])
@pytest.mark.parametrize("step", ["validate", "export", "report"])
def test_a_method_that_changed_since_calibration_is_named(work, capsys, section, step):
    changes: dict[str, dict[str, Any]] = {
        "acceptance": {"max_rmsep": 0.4},
        "analyte": {"high": 15.0},
        "spectra": {"ranges": [[1004.0, 1200.0]]},
    }
    change(work, section, **changes[section])
    assert run(work, step) == 2
    assert f"({section} changed): run `pat calibrate` again" in says(capsys)


@pytest.mark.parametrize("step", ["validate", "export", "report"])
def test_a_step_that_was_not_done_is_named(work, capsys, step):
    assert run(work, step, out="nowhere") == 2
    assert "got none: run `pat calibrate` first" in says(capsys)


def test_spectra_on_another_axis_are_named(work, capsys):
    ds = dataset().isel(wavelength=slice(0, -2))
    write_store(ds, work / "short.zarr")
    assert run(work, "validate", data="short.zarr") == 2
    assert "made on 60 wavelengths from 1000 to 1236 nm, the spectra have 58 wavelengths" in says(capsys)


@pytest.mark.requirement("URS-02")
@pytest.mark.parametrize("step", STEPS)
def test_an_altered_store_and_a_damaged_chunk_are_found_at_every_door(work, capsys, step):
    zarr.open_array(work / "raw.zarr" / "absorbance", mode="r+")[3, 5] = 0.25
    assert run(work, step) == 2
    assert "it was changed" in says(capsys)
    chunk = next(path for path in (work / "raw.zarr" / "absorbance" / "c").rglob("*") if path.is_file())
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    assert run(work, step) == 2
    assert "damaged" in says(capsys)


def test_known_answers_and_report_are_of_the_spectra_that_were_calibrated_on(work, capsys):
    write_store(select_batches(open_store(work / "raw.zarr"), ["C1", "C2", "V1", "V2"]), work / "other.zarr")
    for step in ("export", "report"):
        assert run(work, step, data="other.zarr") == 2
        assert "give --data the store of `pat calibrate`" in says(capsys)


def test_new_batches_may_lie_in_a_store_of_their_own(work, capsys):
    write_store(select_batches(open_store(work / "raw.zarr"), ["V1", "V2", "V3", "V4"]), work / "new.zarr")
    assert run(work, "validate", data="new.zarr") == 0
    assert run(work, "export", data="new.zarr") == 2
    assert run(work, "export") == 0
    source = artefact.read(work / "artefact").manifest["source"]
    hashes = {name: open_store(work / name).attrs["sha256"] for name in ("raw.zarr", "new.zarr")}
    assert source["calibration_data_sha256"] == source["known_answers_data_sha256"] == hashes["raw.zarr"]
    assert source["validation_data_sha256"] == hashes["new.zarr"]


@pytest.mark.parametrize("place", ["own", "raw.zarr", "raw.zarr/in", "method.yaml", "out", "out/calibration", "."])
def test_export_destroys_nothing(work, capsys, place):
    (work / "own").mkdir()
    (work / "own" / "letter.txt").write_text("mine")
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    assert run(work, "export", to=work / place) == 2
    says(capsys)
    assert {path: path.read_bytes() for path in work.rglob("*") if path.is_file()} == before


def test_an_artefact_that_holds_the_working_folder_is_not_replaced(work, capsys):
    shutil.move(work / "out", work / "artefact" / "out")
    assert run(work, "export", out="artefact/out") == 2
    assert "one that --out" in says(capsys)
    assert (work / "artefact" / "out" / "calibration" / "calibration.json").is_file()


@pytest.mark.parametrize("place", ["method.yaml", "out/calibration/calibration.json", "raw.zarr/zarr.json"])
def test_the_report_replaces_a_page_and_nothing_else(work, capsys, place):
    before = (work / place).read_bytes()
    assert run(work, "report", to=work / place) == 2
    says(capsys)
    assert (work / place).read_bytes() == before
    assert run(work, "report") == 0


def test_calibrating_replaces_nothing_of_somebody_else(work, capsys):
    for folder in ("calibration", "validation"):
        (work / "out" / folder / "notes.txt").write_text("mine")
        assert run(work, "calibrate") == 2
        assert "notes.txt too, which would be lost" in says(capsys)
        (work / "out" / folder / "notes.txt").unlink()
    assert run(work, "calibrate", out="raw.zarr/out") == 2
    assert "outside the store" in says(capsys)


@pytest.mark.requirement("URS-28")
def test_a_gate_that_is_not_passed_is_exit_code_1_and_exports_nothing(work, capsys):
    shutil.rmtree(work / "artefact")
    change(work, "acceptance", max_rmsep=1e-6)
    assert run(work, "calibrate") == 0
    assert run(work, "validate") == 1
    assert "NOT passed" in capsys.readouterr().out
    assert run(work, "export") == 1
    assert "validation did not pass (RMSEP: required <= 1e-06 % w/w, found" in says(capsys)
    assert not (work / "artefact").exists()


def test_export_in_json_names_the_digest(work, capsys):
    words = ["export", str(work / "method.yaml"), "--data", str(work / "raw.zarr"), "--out", str(work / "out")]
    assert main([*words, "--to", str(work / "new"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == artefact.read(work / "new").content.digest
