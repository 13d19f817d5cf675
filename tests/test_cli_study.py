"""``pat study`` as a chemometrician types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pat.cli import main
from tests import simulated

CLAIM: dict[str, Any] = {
    "risk_per_batch": 0.01,
    "pocket_risk_per_batch": 0.08,
    "smallest_pocket_share": 0.15,
    "autocorrelation": 0.2,
    "autocorrelation_upper": 0.3,
    "repeatability": 0.06,
    "units": "% w/w",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = simulated.make_content(rule=simulated.RULE)
    content.document["claim"] |= CLAIM
    folder = tmp_path_factory.mktemp("study") / "artefact"
    simulated.write_artefact(folder, content)
    return folder


def test_it_prints_both_tables_within_80_columns(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", str(folder), "--blends", "1"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("SIMULATED blends, 1000 of each kind, 200 revolutions, limit 3 % RSD")
    assert "promised: at most 1 % at 3.00 %" in text
    assert "this rule" in text
    assert max(map(len, text.splitlines())) <= 80


def test_machines_get_counts_and_a_figure_is_drawn(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder.parent / "oc.png"
    assert main(["study", str(folder), "--blends", "1", "--plot", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["simulated"] is True
    assert found["bounds"] == {"phi": 0.3, "repeatability": 0.05, "slope": 0.98}
    (rule,) = found["rules"]
    assert all(chance["low"] <= chance["declared"] / chance["blends"] <= chance["high"] for chance in rule["at_bounds"])
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_other_rules_are_made_for_the_same_risks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", str(folder), "--blends", "1", "--compare"]) == 0
    text = capsys.readouterr().out
    assert "20 x 5 blocks" in text
    assert "made for the same risks" in text


def test_an_artefact_without_a_rule_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulated.write_artefact(tmp_path / "predicts", simulated.make_content(rule=None))
    assert main(["study", str(tmp_path / "predicts")]) == 2
    assert "expected an artefact with an end-point rule" in capsys.readouterr().err
