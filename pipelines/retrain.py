"""What a scheduler calls for the demo: samples and the references that came later -> `pat retrain`.

Exit codes are those of `pat retrain`: 0 a challenger waits for a person, 1 refused, 2 wrong input, 3 nothing new.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pat import cli
from pat.readers.csv import read_csv
from pat.spectra import write_store
from pipelines.stage import main

METHOD = Path("models/demo/method.yaml")
SAMPLES = Path("data_samples")
STORE = Path("models/demo/challengers/raw.zarr")
SPECTRA = ("calibration", "validation", "repeatability", "accepted_blends", "blends", "new_references")


def run() -> None:
    """Import what there is, and retrain; further arguments, such as ``--json``, go to `pat retrain`."""
    raw = read_csv([SAMPLES / f"{name}.csv" for name in SPECTRA], SAMPLES / "batches.csv")
    STORE.parent.mkdir(parents=True, exist_ok=True)
    write_store(raw, STORE, replace=True)
    truth = ["--truth", str(SAMPLES / "truth.csv")]
    sys.exit(cli.main(["retrain", str(METHOD), "--data", str(STORE), *truth, *sys.argv[1:]]))


if __name__ == "__main__":
    main(run)
