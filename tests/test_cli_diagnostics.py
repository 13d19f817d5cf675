"""``pat outliers`` as a chemometrician types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pat.cli import main
from tests.small_campaign import write_campaign


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_campaign(tmp_path_factory.mktemp("campaign")).folder


def outliers(folder: Path, *more: str) -> int:
    base = ["outliers", str(folder / "method.yaml"), "--data", str(folder / "raw.zarr"), "--out", str(folder / "work")]
    return main([*base, *more])


def test_the_report_is_printed_within_80_columns(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outliers(folder) == 0
    text = capsys.readouterr().out
    assert "of 48 spectra lie beyond a limit at 99 %" in text
    assert max(map(len, text.splitlines())) <= 80


def test_machines_get_tables(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outliers(folder, "--confidence", "0.8", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["limits"]) == {"T2", "Q", "leverage", "residual"}
    assert found["limits"]["leverage"]["extreme"] is None
    assert [batch["batch"] for batch in found["batches"]] == [f"C{i}" for i in range(1, 7)]
    assert sum(batch["flagged"] for batch in found["batches"]) == len(found["flagged"]) > 0
    assert {"batch", "row", "residual", "t2", "q", "leverage", "flags"} <= set(found["flagged"][0])


def test_a_calibration_of_another_method_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = folder / "other.yaml"
    other.write_text((folder / "method.yaml").read_text().replace("window: 7", "window: 9"))
    base = ["outliers", str(other), "--data", str(folder / "raw.zarr"), "--out", str(folder / "work")]
    assert main(base) == 2
    assert "got one of another method" in capsys.readouterr().err
