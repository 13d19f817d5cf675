"""A disk that fills up while a store is written: the limit of a process on the size of files stands for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pat.spectra import open_store, write_store
from tests.simulated import WAVELENGTH
from tests.small_spectra import small_spectra
from tests.wide_csv import write_csv

ROOT = Path(__file__).parents[2]
IMPORT = """
import resource, sys
from pat.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
sys.exit(main(["import", sys.argv[1], "--to", sys.argv[2]]))
"""
WRITE = """
import resource, sys
from pat.errors import in_one_line
from pat.spectra import write_store
from tests.small_spectra import small_spectra
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    with in_one_line():
        write_store(small_spectra((300, 501), 400), sys.argv[1], replace=True)
except ValueError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def run(program: str, *arguments: str | Path | int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.requirement("URS-03")
@pytest.mark.parametrize("size", [100, 3_000, 300_000], ids=["metadata", "facts", "absorbance"])
def test_a_store_that_is_there_stays_and_nothing_is_left(tmp_path, size):
    path = tmp_path / "treated.zarr"
    digest = write_store(small_spectra(), path)
    done = run(WRITE, path, size)
    assert (done.returncode, done.stderr) == (1, f"InputError: File too large: {path}\n")
    assert list(tmp_path.iterdir()) == [path]
    assert open_store(path, verify=True).attrs["sha256"] == digest


def test_a_person_reads_one_line(tmp_path, tmp_path_factory, monkeypatch):
    # A trail of its own, which is still below the limit: the command is refused where it cannot be recorded.
    monkeypatch.setenv("PAT_TRAIL", str(tmp_path_factory.mktemp("trail") / "trail.jsonl"))
    rng = np.random.default_rng(0)
    write_csv(tmp_path / "spectra.csv", {"B-1": rng.uniform(0.1, 1.0, (60, WAVELENGTH.size))})
    done = run(IMPORT, tmp_path / "spectra.csv", tmp_path / "raw.zarr", 3_000)
    assert (done.returncode, done.stderr) == (2, f"pat: File too large: {tmp_path / 'raw.zarr'}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["spectra.csv"]
