"""A pipeline that is killed, or interrupted, in the middle: never a broken store, and the next run completes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pat.spectra import open_store
from tests.pipelines.closure import ROOT
from tests.simulated import spectra
from tests.wide_csv import write_csv

STAGE = """\
stages:
  import:
    cmd: python -m pipelines.import_spectra batches.csv raw.zarr spectra.csv
    deps: [batches.csv, spectra.csv]
    outs: [raw.zarr]
"""
REPRO = [sys.executable, "-m", "dvc", "repro"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one stage, which takes a second or so."""
    batches = {f"B-{i}": spectra(np.full(800, 9.0), seed=i) for i in range(3)}
    write_csv(tmp_path / "spectra.csv", batches)
    (tmp_path / "batches.csv").write_text("batch,role\n" + "".join(f"{name},accepted\n" for name in batches))
    (tmp_path / "dvc.yaml").write_text(STAGE)
    subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=tmp_path, env=surroundings(), check=True
    )
    return tmp_path


def surroundings() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}


def begin(project: Path) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(REPRO, cwd=project, env=surroundings(), stdout=quiet, stderr=quiet, start_new_session=True)


@pytest.mark.requirement("URS-03")
def test_kill_9_of_the_whole_group_leaves_no_broken_store_and_the_next_run_completes(project: Path) -> None:
    child = begin(project)
    until = time.monotonic() + 60.0
    while not any(project.glob(".raw.zarr.*.part")):  # the stage is writing
        assert child.poll() is None
        assert time.monotonic() < until
        time.sleep(0.001)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if (project / "raw.zarr").exists():  # the last moment of writing is short: it may have been past
        open_store(project / "raw.zarr", verify=True)
    subprocess.run(REPRO, cwd=project, env=surroundings(), check=True, capture_output=True)
    assert open_store(project / "raw.zarr", verify=True).sizes["spectrum"] == 2400
    assert not [path.name for path in project.iterdir() if path.name.startswith(".raw.zarr")]


def test_ctrl_c_waits_for_dvc_and_says_that_it_was_interrupted(tmp_path: Path) -> None:
    # DVC is played by a program that, as DVC does, puts things in order after Ctrl-C.
    (tmp_path / "dvc").mkdir()
    (tmp_path / "dvc" / "__init__.py").touch()
    (tmp_path / "dvc" / "__main__.py").write_text(
        "import time\n"
        "try:\n    print('stage', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.5); print('in order', flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines.run"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        while b"stage" not in child.stdout.readline():
            assert child.poll() is None
        os.killpg(child.pid, signal.SIGINT)
        assert b"in order" in child.stdout.read()
        assert child.stderr.read() == b"run: interrupted; what was complete is kept, and no file is half written\n"
        assert child.wait(timeout=30) == 130
