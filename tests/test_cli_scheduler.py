"""`--scheduler`, once for every command and stage that computes."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import dask
import pytest

from pat import cli
from pat.cli.framework import Command, Outcome
from pipelines.stage import main, parser

COMPUTES = {
    "calibrate",
    "export",
    "integrity",
    "outliers",
    "report",
    "retrain",
    "search",
    "study",
    "transfer",
    "validate",
}


def test_what_computes_takes_a_scheduler():
    assert {command.name for command in cli.COMMANDS if command.computes} == COMPUTES


@pytest.fixture
def probe(monkeypatch):
    """A command ``where`` that says which scheduler it would compute with."""

    def where(args):
        return Outcome({}, str(dask.config.get("scheduler", None)))

    monkeypatch.setattr(cli, "COMMANDS", (Command("where", "Say where", lambda parser: None, where, computes=True),))


@pytest.mark.parametrize("name", ["threads", "processes", "synchronous"])
def test_a_command_computes_where_the_user_says(probe, monkeypatch, capsys, name):
    monkeypatch.setenv("PAT_SCHEDULER", "threads")
    assert cli.main(["where", "--scheduler", name]) == 0
    assert capsys.readouterr().out == f"{name}\n"
    assert dask.config.get("scheduler", None) is None


def test_else_where_the_environment_says(probe, monkeypatch, capsys):
    assert cli.main(["where"]) == 0
    monkeypatch.setenv("PAT_SCHEDULER", "synchronous")
    assert cli.main(["where"]) == 0
    assert capsys.readouterr().out == "None\nsynchronous\n"


def test_an_unknown_scheduler_is_wrong_usage(probe, capsys):
    assert cli.main(["where", "--scheduler", "abacus"]) == 2
    assert "must be one of threads, processes, synchronous or an address, got 'abacus'" in capsys.readouterr().err


def test_the_instruction_sets_are_pinned_before_numpy_is_loaded():
    # In a process of its own: here numpy is loaded long since.
    program = """
import os, sys
from pat import cli
from pat.cli.framework import Command, Outcome
assert "numpy" not in sys.modules
run = lambda args: Outcome({}, str(os.environ.get("OPENBLAS_CORETYPE")))
cli.COMMANDS = (Command("where", "Say where", lambda parser: None, run, computes=True),)
sys.exit(cli.main(["where"]))
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == ("Haswell\n" if platform.machine() in ("x86_64", "AMD64") else "None\n")


@pytest.mark.parametrize("arguments", [["--scheduler", "synchronous", "s3://b/raw.zarr"], ["s3://b/raw.zarr"]])
def test_a_stage_does_too(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["stage", *arguments])
    main(lambda: print(parser(None, "raw").parse_args().raw, dask.config.get("scheduler", None)))
    assert capsys.readouterr().out == f"s3://b/raw.zarr {'synchronous' if len(arguments) > 1 else None}\n"


def test_a_stage_refuses_an_unknown_one(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pipelines/calibrate.py", "--scheduler", "abacus"])
    with pytest.raises(SystemExit) as stopped:
        main(lambda: None)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("calibrate: the scheduler must be one of")
