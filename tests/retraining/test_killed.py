"""Killed at any step, a retraining leaves the old state or the new one, and the next run completes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.retraining.killing import STEPS
from tests.retraining.settled import run, settle
from tests.small_campaign import Campaign

pytestmark = pytest.mark.requirement("URS-73")

ROOT = Path(__file__).parents[2]


def killed_at(made: Campaign, tmp_path: Path, steps: list[str]) -> list[dict[str, Any]]:
    """Outcome of each step; beside them an undisturbed run, as the first."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    source = settle(made, tmp_path / "source")
    arguments = [sys.executable, "-m", "tests.retraining.killing", str(source), str(tmp_path), *steps]
    done = subprocess.run(
        arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def check(found: list[dict[str, Any]], steps: list[str], expected: Any) -> None:
    assert [case["step"] for case in found] == steps
    for case in found:
        # It was killed there, and not before: a step that is never reached would end with 0.
        assert (case["step"], case["ended"], case["again"]) == (case["step"], -signal.SIGKILL, 0)
        assert (case["digest"], case["version"]) == (expected.digest, expected.version)
        assert {**case["comparison"], "made_from": 0} == {**expected.comparison, "made_from": 0}
        assert (case["champion"], case["challenger"]) == (1, expected.version)
        assert (case["trail"], case["left"]) == (True, [])
        assert case["status"] in ("registered", "compared_again", "already_registered")


def test_killed_at_the_steps_that_leave_the_most_behind(made, folder, tmp_path):
    steps = ["before the artefact is swapped in", "after the version"]
    check(killed_at(made, tmp_path / "killed", steps), steps, run(folder))


@pytest.mark.slow
def test_killed_at_every_step(made, folder, tmp_path):
    check(killed_at(made, tmp_path / "killed", []), list(STEPS), run(folder))
