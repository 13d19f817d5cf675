"""The command line: outcomes, errors, exit codes, and what is printed for people and for machines."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pat import __version__, cli
from pat.cli.framework import WIDTH, Command, Outcome, facts, table, to_json
from pat.errors import ArtefactError, InputError, MissingExtra, PatError, Refusal, SpectraError
from tests.simulated import spectra
from tests.wide_csv import write_csv


def no_arguments(parser: ArgumentParser) -> None:
    """A command that takes nothing."""


@pytest.fixture
def run_command(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run ``pat probe`` with a body that the test gives."""

    def run(body: Any, *argv: str) -> int:
        monkeypatch.setattr(cli, "COMMANDS", (Command("probe", "A probe", no_arguments, body),))
        return cli.main(["probe", *argv])

    return run


def test_outcome_is_text_for_people_and_one_document_for_machines(run_command, capsys):
    def body(args: Namespace) -> Outcome:
        return Outcome({"rmsep": np.float64("nan"), "n": np.int64(3)}, "three batches", exit_code=1)

    assert run_command(body) == 1
    assert capsys.readouterr().out == "three batches\n"
    assert run_command(body, "--json") == 1
    assert json.loads(capsys.readouterr().out) == {"rmsep": None, "n": 3}


@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError, 2), (SpectraError, 2), (MissingExtra, 2), (ArtefactError, 1), (Refusal, 1), (PatError, 1)],
)
def test_errors_say_why_and_set_the_exit_code(error, code, run_command, capsys):
    def body(args: Namespace) -> Outcome:
        raise error("`block_size` must be at least 3, got 1")

    assert run_command(body) == code
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "pat: `block_size` must be at least 3, got 1\n")
    assert run_command(body, "--json") == code
    assert json.loads(capsys.readouterr().out) == {
        "error": {"kind": error.__name__, "message": "`block_size` must be at least 3, got 1"}
    }


def test_a_missing_package_names_the_install_command(run_command, capsys):
    def body(args: Namespace) -> Outcome:
        raise ModuleNotFoundError("No module named 'xarray.core'", name="xarray.core")

    assert run_command(body) == 2
    error = capsys.readouterr().err
    assert "`pat probe` needs xarray" in error
    assert 'pip install "pat-blend[lab]"' in error


@pytest.mark.parametrize("name", ["pat.nowhere", "sqlite3", None])
def test_a_module_of_our_own_that_is_missing_is_a_fault_and_not_an_extra(name, run_command):
    def body(args: Namespace) -> Outcome:
        raise ModuleNotFoundError("gone", name=name)

    with pytest.raises(ModuleNotFoundError, match="gone"):
        run_command(body)


def test_a_file_that_is_not_there_is_wrong_input(run_command, capsys, tmp_path):
    assert run_command(lambda args: open(tmp_path / "absent.csv")) == 2
    assert capsys.readouterr().err == f"pat: No such file or directory: {tmp_path / 'absent.csv'}\n"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "raw.zarr"), 2, "No space left on device: raw.zarr"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), 2, "Read-only file system"),
        (OSError("no number"), 2, "no number"),
        (FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), "out"), 2, "File exists: out"),
        (
            UnicodeDecodeError("utf-8", b"a\xfcb", 1, 2, "no"),
            2,
            "expected text in UTF-8, got the byte 0xfc at position 1",
        ),
        (KeyboardInterrupt(), 130, "interrupted; what was complete is kept, and no file is half written"),
    ],
)
def test_what_the_system_raises_is_one_line(error, code, message, run_command, capsys):
    def body(args: Namespace) -> Outcome:
        raise error

    assert run_command(body) == code
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"pat: {message}\n")


def test_ctrl_c_in_the_middle_of_a_computation_is_one_line_and_leaves_nothing(tmp_path):
    program = """
import sys, time
import numpy as np
from pat import cli
from pat.cli.framework import Command, Outcome
from pat.compute import apply_rows
from pat.spectra import derive, write_store
from tests.small_spectra import small_spectra

def slow(x):
    time.sleep(0.2)
    return x

def run(args):
    ds = small_spectra((300, 501), 400)
    lazy = apply_rows(slow, ds["absorbance"].chunk(spectrum=2), ds["wavelength"])
    print("begins", flush=True)
    write_store(derive(ds, lazy), sys.argv[1] + "/treated.zarr", progress="treating")
    return Outcome({}, "done")

cli.COMMANDS = (Command("probe", "A probe", lambda parser: None, run),)
sys.exit(cli.main(["probe"]))
"""
    argv = [sys.executable, "-c", program, str(tmp_path)]
    root = Path(__file__).parents[1]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == b"begins\n"
        until = time.monotonic() + 30.0
        while not any(tmp_path.glob(".treated.zarr.*/absorbance/zarr.json")):
            assert time.monotonic() < until
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        assert child.stderr.read() == b"pat: interrupted; what was complete is kept, and no file is half written\n"
        assert child.wait(timeout=30) == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["import", "a.csv"]])
def test_wrong_usage_exits_2(argv, capsys):
    assert cli.main(argv) == 2
    assert capsys.readouterr().err.startswith("usage: pat")


def test_version_and_help_exit_0(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"pat {__version__}\n"
    assert cli.main(["--help"]) == 0
    listed = re.findall(r"^    (\w+) ", capsys.readouterr().out, flags=re.MULTILINE)
    assert listed == list(dict.fromkeys(command.name.partition(" ")[0] for command in cli.COMMANDS))


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself_and_has_json(command, capsys):
    assert cli.main([*command.name.split(), "--help"]) == 0
    assert "--json" in capsys.readouterr().out
    assert not command.summary.endswith(".")


def test_a_closed_pipe_is_no_error():
    # 200,000 lines are more than a pipe holds, so that the writer meets the closed end.
    program = """
import sys
from pat import cli
from pat.cli.framework import Command, Outcome
outcome = Outcome({}, "line\\n" * 200_000)
cli.COMMANDS = (Command("probe", "A probe", lambda parser: None, lambda args: outcome),)
sys.exit(cli.main(["probe"]))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"line\n"
        process.stdout.close()
        assert process.wait() == 0


class Colour(StrEnum):
    RED = "red"


def test_json_takes_what_commands_hold():
    document = {
        "numbers": np.array([[1.5, np.inf], [-np.inf, np.nan]]),
        "flag": np.bool_(True),
        "count": np.uint8(7),
        "time": np.datetime64("2026-03-01T08:00:00.5", "ns"),
        "text": np.str_("é"),
        "path": Path("a/b"),
        "colour": Colour.RED,
        "nested": ({"x": float("nan")}, None, 10**20),
        1: "key",
    }
    assert json.loads(to_json(document)) == {
        "numbers": [[1.5, None], [None, None]],
        "flag": True,
        "count": 7,
        "time": "2026-03-01T08:00:00.500000000",
        "text": "é",
        "path": "a/b",
        "colour": "red",
        "nested": [{"x": None}, None, 10**20],
        "1": "key",
    }


def test_json_is_one_line():
    assert "\n" not in to_json({"text": "two\nlines"})


def test_a_table_fits_the_terminal_and_cuts_only_its_widest_column():
    text = table(["name", "value", "path"], [["B-1", 1.0, "x" * 200], ["B-2", 12345.678, "short"]])
    lines = text.splitlines()
    assert max(map(len, lines)) == WIDTH
    assert lines[1].startswith("B-1       1.000  xxx")
    assert lines[1].endswith("…")
    assert lines[2] == "B-2   1.235e+04  short"


def test_facts_are_aligned():
    assert facts({"a": 1, "long name": None}) == "a          1\nlong name  -"


def test_import_writes_the_store_that_pat_spectra_reads(tmp_path, capsys):
    from pat.spectra import batches_with_role, open_store

    absorbance = {"B-1": spectra(np.full(4, 9.0), seed=1), "B-2": spectra(np.full(3, 11.0), seed=2)}
    write_csv(tmp_path / "spectra.csv", absorbance)
    (tmp_path / "batches.csv").write_text("batch,role\nB-1,calibration\nB-2,validation\n")
    store = tmp_path / "raw.zarr"
    argv = ["import", str(tmp_path / "spectra.csv"), "--to", str(store), "--batches", str(tmp_path / "batches.csv")]
    assert cli.main([*argv, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["spectra"], document["wavelengths"], document["batches"]) == (7, 60, 2)
    found = open_store(store)
    assert document["sha256"] == found.attrs["sha256"]
    assert document["saturated"] == 0
    assert document["roles"]["validation"] == {"batches": 1, "spectra": 3}
    assert document["roles"]["accepted"] == {"batches": 0, "spectra": 0}
    assert cli.main(argv) == 0  # the same spectra again change nothing
    assert re.search(r"^validation +1 +3$", capsys.readouterr().out, flags=re.MULTILINE)
    assert batches_with_role(found, "validation") == ["B-2"]
    rows = np.flatnonzero(found["batch"].values == "B-1")
    np.testing.assert_array_equal(found["absorbance"].values[rows], absorbance["B-1"])


@pytest.mark.parametrize("target", ["file", "folder", "."])
def test_import_leaves_alone_what_is_not_a_store(tmp_path, capsys, monkeypatch, target):
    write_csv(tmp_path / "spectra.csv", {"B-1": spectra(np.full(4, 9.0), seed=1)})
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["import", "spectra.csv", "--to", target]) == 2
    assert "this exists and is not a store" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "thesis.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "spectra.csv"]


def test_import_says_so_where_batches_have_no_roles(tmp_path, capsys):
    write_csv(tmp_path / "spectra.csv", {"B-1": spectra(np.full(4, 9.0), seed=1)})
    assert cli.main(["import", str(tmp_path / "spectra.csv"), "--to", str(tmp_path / "raw.zarr")]) == 0
    assert "The batches have no roles: give --batches FILE" in capsys.readouterr().out


def test_import_names_the_bad_cell_and_leaves_no_store(tmp_path, capsys):
    write_csv(tmp_path / "spectra.csv", {"B-1": spectra(np.full(4, 9.0), seed=1)})
    lines = (tmp_path / "spectra.csv").read_text().splitlines()
    cells = lines[2].split(",")
    cells[6] = "broken"  # the wavelength 1004 nm, after five columns that are none and 1000 nm
    lines[2] = ",".join(cells)
    (tmp_path / "spectra.csv").write_text("\n".join(lines))
    assert cli.main(["import", str(tmp_path / "spectra.csv"), "--to", str(tmp_path / "raw.zarr")]) == 2
    error = capsys.readouterr().err
    assert "1004" in error
    assert "broken" in error
    assert not list(tmp_path.glob("*.zarr*"))
