"""Stage report: everything that was found -> one self-contained page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pat import artefact
from pat.calibration import Calibration
from pat.compute import computing
from pat.errors import InputError
from pat.files import write_bytes
from pat.homogeneity import HomogeneityModel
from pat.method import Method
from pat.profiles import load_profiles
from pat.report import build
from pat.spectra import open_store
from pat.validation.run import Validation
from pipelines.stage import main, parser


def run() -> None:
    """Write the report."""
    paths = ("method", "raw", "treated", "calibration", "homogeneity", "validation", "artefact", "replay", "report")
    options = parser(__doc__, *paths)
    options.add_argument("--pure", type=Path, help="table of pure-component spectra")
    given = options.parse_args()
    validation = Validation.load(given.validation)
    if artefact.read(given.artefact).validation != validation.document:
        raise InputError(f"{given.artefact}: expected the artefact of {given.validation}, got another: export it again")
    with computing("drawing the report"):
        page = build(
            Method.load(given.method),
            Calibration.load(given.calibration),
            validation,
            raw=open_store(given.raw, verify=True),
            treated=open_store(given.treated, verify=True),
            homogeneity=HomogeneityModel.load(given.homogeneity),
            pure=pd.read_csv(given.pure) if given.pure else None,
            replay=load_profiles(given.replay / "profiles.json")[0],
        )
    write_bytes(given.report, page.encode())
    print(given.report)


if __name__ == "__main__":
    main(run)
