"""What a scheduler calls for the demo: the samples and the references that came later -> `pat retrain`.

Exit codes are those of `pat retrain`: 0 a challenger waits for signatures, 1 refused, 2 wrong input, 3 nothing new, 4
readings drift and nothing is new. docs/scheduling.md says more.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from pat import cli
from pat.readers.csv import read_csv
from pat.spectra import write_store
from pipelines.stage import main

METHOD, SAMPLES = Path("models/demo/method.yaml"), Path("data_samples")
SPECTRA = ("calibration", "validation", "repeatability", "accepted_blends", "blends", "specificity", "new_references")
FACTS = ("batches", "new_batches")
# Raw stores are never changed: what came later makes another store, beside the challengers that are made from it.
INPUT = Path("models/demo/challengers/input")


def run() -> None:
    """Import what there is, and retrain; further arguments, such as ``--json``, go to `pat retrain`."""
    INPUT.mkdir(parents=True, exist_ok=True)
    tables = [pd.read_csv(SAMPLES / f"{name}.csv", dtype=str, keep_default_na=False) for name in FACTS]
    pd.concat(tables).to_csv(INPUT / "batches.csv", index=False)
    raw = read_csv([SAMPLES / f"{name}.csv" for name in SPECTRA], INPUT / "batches.csv")
    write_store(raw, INPUT / "raw.zarr", replace=True)
    given = ["--data", str(INPUT / "raw.zarr"), "--truth", str(SAMPLES / "truth.csv"), *sys.argv[1:]]
    sys.exit(cli.main(["retrain", str(METHOD), *given]))


if __name__ == "__main__":
    main(run)
