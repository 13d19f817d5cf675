"""The pinned kernels: for the laboratory, before numpy, and never against what somebody has set."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from pat import cli, kernels

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="kernels are pinned on x86-64 alone")


def pinned_after(program: str, **environment: str) -> list[str]:
    """Run a program in a fresh interpreter, and return what it leaves in the two settings."""
    left = f"import os; print(*(os.environ.get(name) for name in {NAMES}), sep='|')"
    clean = {name: value for name, value in os.environ.items() if name not in NAMES}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{program}\n{left}"],
        cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()[-1].split("|")


def test_numpy_knows_what_is_pinned():
    # With -W error, a feature whose name numpy does not know would end the program.
    program = "from pat import kernels; kernels.pin(); import numpy"
    assert pinned_after(program) == ["Haswell", "X86_V4 AVX512_ICL AVX512_SPR"]


def test_what_somebody_has_set_wins():
    assert pinned_after("from pat import kernels; kernels.pin()", OPENBLAS_CORETYPE="Prescott")[0] == "Prescott"


def test_where_numpy_is_loaded_it_is_too_late():
    assert pinned_after("import numpy; from pat import kernels; kernels.pin()") == ["None", "None"]


@pytest.mark.requirement("URS-80")
def test_a_command_of_the_laboratory_is_pinned_as_the_stages_are():
    options = ["calibrate", "nowhere.yaml", "--data", "nowhere.zarr", "--out", "nowhere"]
    program = f"from pat import cli; assert cli.main({options}) == 2"
    assert pinned_after(program) == pinned_after("import pipelines") == ["Haswell", "X86_V4 AVX512_ICL AVX512_SPR"]


class _PinnedError(Exception):
    pass


def _pin() -> None:
    raise _PinnedError


@pytest.mark.parametrize("name", ["calibrate", "validate", "export", "report", "retrain", "search", "outliers"])
def test_every_command_of_the_laboratory_pins_before_it_does_anything(name, monkeypatch):
    monkeypatch.setattr(kernels, "pin", _pin)
    (command,) = (command for command in cli.COMMANDS if command.name == name)
    with pytest.raises(_PinnedError):
        cli._run(argparse.Namespace(command=command, scheduler=None))


def test_the_line_takes_what_its_machine_has():
    commands = [["verify", "nowhere"], ["score", "nowhere", "nowhere.csv"]]
    program = f"from pat import cli; assert [cli.main(command) for command in {commands}] == [1, 1]"
    assert pinned_after(program) == ["None", "None"]
