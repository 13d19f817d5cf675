"""``pat outliers``: what stands out in a calibration set."""

from __future__ import annotations

import argparse
from pathlib import Path

from pat.cli.framework import Command, Outcome
from pat.files import place


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", type=Path, help="method.yaml")
    parser.add_argument("--data", metavar="STORE", required=True, type=place, help="store of raw spectra, or its URL")
    parser.add_argument("--out", metavar="DIR", required=True, type=Path, help="working folder of pat calibrate")
    parser.add_argument("--confidence", type=float, default=0.99, help="share of ordinary spectra below a limit")


def _outliers(args: argparse.Namespace) -> Outcome:
    from pat.calibration import Calibration
    from pat.calibration.outliers import outlier_report
    from pat.errors import InputError
    from pat.method import Method
    from pat.spectra import open_store

    calibration = Calibration.load(args.out / "calibration")
    if Method.load(args.method) != calibration.method:
        raise InputError(f"{args.out}: expected a calibration of {args.method}, got one of another method")
    found = outlier_report(calibration, open_store(args.data), args.confidence)
    document = {
        "confidence": found.confidence,
        "limits": found.limits.to_dict(orient="index"),
        "flagged": found.flagged.to_dict(orient="records"),
        "batches": found.batches.to_dict(orient="records"),
    }
    return Outcome(document, str(found))


COMMANDS = (
    Command("outliers", "Say which calibration spectra and batches stand out", _arguments, _outliers, computes=True),
)
