"""``pat calibrate``, ``validate``, ``export`` and ``report``: from a store to an artefact, step by step.

The four share a working folder: each writes its part there and reads the parts before it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pat.cli.framework import Command, Outcome, facts, table
from pat.files import place

if TYPE_CHECKING:
    from pat.homogeneity import HomogeneityModel

_CALIBRATION, _HOMOGENEITY, _VALIDATION = "calibration", "homogeneity", "validation"


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", type=Path, help="method.yaml")
    parser.add_argument("--data", metavar="STORE", required=True, type=place, help="store of raw spectra, or its URL")
    parser.add_argument("--out", metavar="DIR", required=True, type=Path, help="working folder of the four steps")


def _validate_arguments(parser: argparse.ArgumentParser) -> None:
    _shared(parser)
    parser.add_argument("--truth", metavar="FILE", type=Path, help="CSV with the truth of the validation blends")


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    _shared(parser)
    parser.add_argument("--to", metavar="ARTEFACT", required=True, type=Path, help="folder of the artefact")


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    _shared(parser)
    parser.add_argument("--to", metavar="FILE", required=True, type=Path, help="HTML file to write")


def _homogeneity(folder: Path) -> HomogeneityModel | None:
    """Return the homogeneity model of a working folder, where the method has one."""
    from pat.homogeneity import HomogeneityModel

    return HomogeneityModel.load(folder / _HOMOGENEITY) if (folder / _HOMOGENEITY).exists() else None


def _calibrate(args: argparse.Namespace) -> Outcome:
    from pat.calibration import calibrate
    from pat.homogeneity import learn
    from pat.method import Method
    from pat.spectra import open_store
    from pat.treatment import treat

    method = Method.load(args.method)
    raw = open_store(args.data)
    calibration = calibrate(method, raw, progress="calibrating")
    calibration.save(args.out / _CALIBRATION)
    document: dict[str, object] = {"out": args.out, "batches": len(calibration.batches), **calibration.figures}
    if method.homogeneity is not None:
        model = learn(method, calibration, treat(method, raw), progress="learning the end-point rule")
        model.save(args.out / _HOMOGENEITY)
        document |= {"accepted_batches": model.plateau.n_batches, "repeatability": model.repeatability.sd}
    return Outcome(document, facts(document))


def _validate(args: argparse.Namespace) -> Outcome:
    import pandas as pd

    from pat.calibration import Calibration
    from pat.method import Method
    from pat.spectra import open_store
    from pat.validation.run import validate

    calibration = Calibration.load(args.out / _CALIBRATION)
    truth = pd.read_csv(args.truth) if args.truth else None
    found = validate(
        Method.load(args.method),
        calibration,
        _homogeneity(args.out),
        open_store(args.data),
        truth,
        progress="validating",
    )
    found.save(args.out / _VALIDATION)
    rows = [[c["name"], c["required"], c["found"], c["passed"]] for c in found.document["criteria"]]
    verdict = "the acceptance gate is passed" if found.passed else "the acceptance gate is NOT passed"
    text = table(["criterion", "required", "found", "met"], rows) + f"\n{verdict}"
    return Outcome(found.document, text, exit_code=0 if found.passed else 1)


def _page(args: argparse.Namespace) -> str:
    from pat.assembly import assemble
    from pat.calibration import Calibration
    from pat.method import Method
    from pat.report import build
    from pat.spectra import open_store
    from pat.treatment import treat
    from pat.validation.run import Validation

    method, calibration = Method.load(args.method), Calibration.load(args.out / _CALIBRATION)
    homogeneity, raw = _homogeneity(args.out), open_store(args.data)
    return build(
        method,
        calibration,
        Validation.load(args.out / _VALIDATION),
        raw=raw,
        treated=treat(method, raw),
        homogeneity=homogeneity,
        digest=assemble(method, calibration, homogeneity).digest,
    )


def _export(args: argparse.Namespace) -> Outcome:
    from pat.calibration import Calibration
    from pat.export import export
    from pat.method import Method
    from pat.spectra import open_store
    from pat.validation.run import Validation

    method, calibration = Method.load(args.method), Calibration.load(args.out / _CALIBRATION)
    validation, raw = Validation.load(args.out / _VALIDATION), open_store(args.data)
    digest = export(args.to, method, calibration, _homogeneity(args.out), validation, raw, _page(args))
    document = {"artefact": args.to, "digest": digest}
    return Outcome(document, facts(document))


def _report(args: argparse.Namespace) -> Outcome:
    from pat.files import write_bytes

    write_bytes(args.to, _page(args).encode())
    document = {"report": args.to}
    return Outcome(document, facts(document))


COMMANDS = (
    Command("calibrate", "Calibrate a method and learn its end-point rule", _shared, _calibrate, computes=True),
    Command(
        "validate",
        "Validate a calibrated method on batches never used before",
        _validate_arguments,
        _validate,
        computes=True,
    ),
    Command("export", "Write the artefact of a validated method", _export_arguments, _export, computes=True),
    Command(
        "report", "Write the report of a validated method as one HTML page", _report_arguments, _report, computes=True
    ),
)
