"""Stage export: a validated method -> the artefact, after proof that the scorer computes the same numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pat.calibration import Calibration
from pat.compute import computing
from pat.export import export
from pat.homogeneity import HomogeneityModel
from pat.method import Method
from pat.report import build
from pat.spectra import open_store
from pat.validation.run import Validation
from pipelines.stage import main, parser


def run() -> dict[str, str]:
    """Export the artefact."""
    options = parser(__doc__, "method", "raw", "treated", "calibration", "homogeneity", "validation", "artefact")
    options.add_argument("--pure", type=Path, help="table of pure-component spectra, for the report")
    given = options.parse_args()
    method, calibration = Method.load(given.method), Calibration.load(given.calibration)
    homogeneity, validation = HomogeneityModel.load(given.homogeneity), Validation.load(given.validation)
    raw, treated = open_store(given.raw, verify=True), open_store(given.treated, verify=True)
    with computing("drawing the report"):
        report = build(
            method,
            calibration,
            validation,
            raw=raw,
            treated=treated,
            homogeneity=homogeneity,
            pure=pd.read_csv(given.pure) if given.pure else None,
        )
    digest = export(given.artefact, method, calibration, homogeneity, validation, raw, report)
    print(digest)
    return {"digest": digest}


if __name__ == "__main__":
    main(run)
