"""``pat verify`` and ``pat score``: what they print is what the scorer says, and nothing bad gets through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pat import cli, discharge
from pat.cli.framework import WIDTH
from pat.cli.wide_csv import read_rows
from pat.core.segregation import Alarm
from pat.errors import SpectraError
from pat.scorer import Scorer
from tests import simulated
from tests.wide_csv import write_csv


@pytest.fixture(scope="module")
def batches() -> dict[str, Any]:
    return {"B-1": simulated.settled(60, seed=2), "B-2": simulated.settled(25, seed=3, mean=8.0)}


@pytest.fixture(scope="module")
def csv_file(batches: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("line") / "spectra.csv"
    write_csv(path, batches)
    return path


def test_score_gives_the_scorers_readings(demo_artefact, csv_file, batches, capsys):
    assert cli.main(["score", str(demo_artefact), str(csv_file), "--allow-unreleased", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    scorer = Scorer.load(demo_artefact, allow_unreleased=True)
    assert document["artefact"] == scorer.digest
    assert document["unreleased"] is True
    assert [batch["batch"] for batch in document["batches"]] == ["B-1", "B-2"]
    for batch in document["batches"]:
        blend = scorer.start(batch["batch"])
        expected = [blend.update(x, revolution=i).to_dict() for i, x in enumerate(batches[batch["batch"]], start=1)]
        assert batch["readings"] == expected
        assert batch["endpoint"] == expected[-1]["endpoint"]


def test_score_prints_a_table_for_people(demo_artefact, csv_file, capsys):
    assert cli.main(["score", str(demo_artefact), str(csv_file), "--allow-unreleased"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("value and mean: api in % w/w\nThis artefact has not been released")
    assert "batch B-1: end-point at revolution" in text
    assert "batch B-2: no end-point" in text
    assert max(map(len, text.splitlines())) <= WIDTH
    assert sum("WARM_UP" in line for line in text.splitlines()) == 2 * 7  # seven before a block of eight is full


def test_score_without_a_rule_predicts_each_spectrum(tmp_path, csv_file, batches, capsys):
    simulated.write_artefact(tmp_path / "predicts", simulated.make_content(rule=None))
    argv = ["score", str(tmp_path / "predicts"), str(csv_file), "--allow-unreleased"]
    assert cli.main([*argv, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["batches"][1]["predictions"]
    expected = Scorer.load(tmp_path / "predicts", allow_unreleased=True).predict(batches["B-2"])
    assert [row["value"] for row in found] == expected.value.tolist()
    assert [row["revolution"] for row in found] == list(range(1, 26))
    assert cli.main(argv) == 0
    assert "in scope" in capsys.readouterr().out


def test_score_refuses_what_is_not_released(demo_artefact, csv_file, capsys):
    assert cli.main(["score", str(demo_artefact), str(csv_file)]) == 1
    assert "--allow-unreleased" in capsys.readouterr().err


def test_score_never_stops_for_a_bad_spectrum(demo_artefact, tmp_path, csv_file, capsys):
    header, *rows = csv_file.read_text().splitlines()
    cells = rows[40].split(",")
    cells[20], cells[21] = "", "nan"
    (tmp_path / "gap.csv").write_text("\n".join([header, *rows[:40], ",".join(cells), *rows[41:], ""]))
    assert cli.main(["score", str(demo_artefact), str(tmp_path / "gap.csv"), "--allow-unreleased", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["batches"][0]["readings"]
    assert first[20]["status"] == "NOT_FINITE"
    assert first[20]["value"] is None
    assert first[21]["status"] == "OK"


def test_score_refuses_another_axis(demo_artefact, tmp_path, csv_file, capsys):
    text = csv_file.read_text().replace("1236\n", "1237\n", 1)
    (tmp_path / "shifted.csv").write_text(text)
    assert cli.main(["score", str(demo_artefact), str(tmp_path / "shifted.csv"), "--allow-unreleased"]) == 2
    error = capsys.readouterr().err
    assert "expects 60 wavelengths from 1000 to 1236 nm, got 60 wavelengths from 1000 to 1237 nm" in error


def test_verify_says_what_was_proved(demo_artefact, capsys):
    assert cli.main(["verify", str(demo_artefact), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["digest"] == Scorer.load(demo_artefact, allow_unreleased=True).digest
    assert (document["known_answers"], document["released"]) == (6, False)
    assert document["validation_passed"] is True
    assert cli.main(["verify", str(demo_artefact)]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= WIDTH


@pytest.mark.parametrize("name", ["manifest.json", "arrays.npz", "known_answers.npz", "validation.json"])
def test_verify_refuses_an_altered_artefact(name, artefact_folder, capsys):
    damaged = bytearray((artefact_folder / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (artefact_folder / name).write_bytes(damaged)
    assert cli.main(["verify", str(artefact_folder)]) == 1
    assert capsys.readouterr().err.startswith("pat: ")


def test_verify_of_nothing_is_refused(tmp_path, capsys):
    assert cli.main(["verify", str(tmp_path)]) == 1
    assert "no artefact here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a column `batch`, got an empty file"),
        ("time,1000,1002\n", "expected a column `batch`, got time, 1000, 1002"),
        ("batch;1000;1002\n", "expected commas between columns and points in decimals, got semicolons"),
        ("batch;1000,5;1002,5\n", "expected commas between columns and points in decimals, got semicolons"),
        ("batch,time\n", "expected columns named after wavelengths in nm, got batch, time"),
        ("batch,1002,1000\n", "column `1000`: wavelengths must increase from column to column"),
        ("batch,1000,1000\n", "column `1000`: wavelengths must increase from column to column"),
        ("batch,1000,1002\nB,1\n", "row 2: expected 3 cells as in the header, got 2"),
        ("batch,1000,1002\nB,1,2\nB,1,x\n", "row 3, column `1002`: expected a number, got 'x'"),
        ("batch,1000\nB,1_0\n", "row 2, column `1000`: expected a number, got '1_0'"),
        (
            "batch,revolution,1000\nB,1.5,1\n",
            "row 2, column `revolution`: expected a whole number, got '1.5'",
        ),
    ],
)
def test_a_csv_that_is_none_is_named_by_row_and_column(text, message, tmp_path):
    (tmp_path / "spectra.csv").write_text(text)
    with pytest.raises(SpectraError) as caught:
        list(read_rows(tmp_path / "spectra.csv")[1])
    assert message in str(caught.value)


def test_a_binary_file_is_no_csv(tmp_path):
    (tmp_path / "spectra.csv").write_bytes(b"batch,1000\n\xff\xfe\x00")
    with pytest.raises(SpectraError, match="expected CSV in UTF-8"):
        list(read_rows(tmp_path / "spectra.csv")[1])


def test_a_header_alone_has_no_spectra(demo_artefact, tmp_path, capsys):
    names = ",".join(f"{nm:g}" for nm in simulated.WAVELENGTH)
    (tmp_path / "empty.csv").write_text(f"batch,{names}\n")
    assert cli.main(["score", str(demo_artefact), str(tmp_path / "empty.csv"), "--allow-unreleased"]) == 2
    assert "expected at least one spectrum" in capsys.readouterr().err


def test_rows_keep_the_files_order_and_skip_empty_lines(tmp_path):
    (tmp_path / "spectra.csv").write_text("\ufeffbatch, revolution ,lot,1000,1002\nB,,L,0.5,\n\nA,3,L,0.25,1e-1\n")
    wavelength, rows = read_rows(tmp_path / "spectra.csv")
    first, second = rows
    assert wavelength.tolist() == [1000.0, 1002.0]
    assert (first.batch, first.revolution) == ("B", None)
    np.testing.assert_array_equal(first.absorbance, [0.5, np.nan])
    assert (second.batch, second.revolution) == ("A", 3)
    np.testing.assert_array_equal(second.absorbance, [0.25, 0.1])


@pytest.fixture(scope="module")
def emptied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """Artefact with a segregation alarm, and spectra of three discharges: even, segregated, short."""
    folder, content = tmp_path_factory.mktemp("emptied"), simulated.make_content()
    alarm = Alarm(0.01, 300, 30, 0.0, 1.0, 1.5, 14.0, 60.0)
    content.document["discharge"] = alarm.to_dict()
    content.document["claim"] = content.document["claim"] | {"spectra_per_dose": 4}
    simulated.write_artefact(folder / "artefact", content)
    even, rich = simulated.settled(70, seed=4), simulated.settled(30, seed=5, mean=10.25)
    discharges = {"even": even, "segregated": np.vstack([even, rich]), "short": even[:20]}
    write_csv(folder / "spectra.csv", discharges)
    return folder / "artefact", folder / "spectra.csv", discharges


def test_score_follows_a_discharge(emptied, capsys):
    artefact, path, discharges = emptied
    argv = ["score", str(artefact), str(path), "--discharge", "--allow-unreleased"]
    assert cli.main([*argv, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    scorer = Scorer.load(artefact, allow_unreleased=True)
    found = {batch["batch"]: batch for batch in document["batches"]}
    assert list(found) == list(discharges)
    for name, batch in found.items():
        line = scorer.start_discharge(name)
        assert batch["readings"] == [line.update(x).to_dict() for x in discharges[name]]
        if name != "short":
            known = discharge.summarise(line.values)
            assert batch["variogram"]["nugget"] == known.variogram.nugget
            assert batch["contrasts"]["tail"]["size"] == known.contrasts.tail.size
            assert batch["doses"]["rsd"] == line.doses().rsd
    assert found["even"]["segregated_at"] is None
    assert 71 <= found["segregated"]["segregated_at"] <= 85
    assert found["short"]["variogram"] is None
    assert found["short"]["refused"] == "a discharge needs at least 60 readings, got 20"


def test_score_says_in_words_what_a_discharge_left(emptied, capsys):
    artefact, path, _ = emptied
    assert cli.main(["score", str(artefact), str(path), "--discharge", "--allow-unreleased"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= WIDTH
    text = text.replace("\n", " ")
    assert "batch even: no segregation alarm " in text
    assert "batch segregated: SEGREGATION ALARM at reading" in text
    assert "the content has moved above what it was" in text
    assert "last 5 % less the rest" in text
    assert "RSD of pseudo-doses" in text
    assert "a discharge needs at least 60 readings, got 20" in text


def test_a_discharge_without_an_alarm_says_so_and_without_a_rule_is_refused(demo_artefact, tmp_path, csv_file, capsys):
    argv = [str(csv_file), "--discharge", "--allow-unreleased"]
    assert cli.main(["score", str(demo_artefact), *argv]) == 0
    assert "batch B-1: no segregation alarm: the method registers none" in capsys.readouterr().out
    simulated.write_artefact(tmp_path / "predicts", simulated.make_content(rule=None))
    assert cli.main(["score", str(tmp_path / "predicts"), *argv]) == 2
    assert "no homogeneity rule" in capsys.readouterr().err
