"""``pat calibrate``, ``validate``, ``export`` and ``report``: from a store to an artefact, step by step.

The four share a working folder: each writes its part there and reads the parts before it. They compute with the same
kernels as the pipeline's stages, so that both give the same content digest.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pat.cli.framework import Command, Outcome, facts, table
from pat.errors import InputError
from pat.files import place

if TYPE_CHECKING:
    import xarray as xr

    from pat.calibration import Calibration
    from pat.homogeneity import HomogeneityModel
    from pat.method import Method
    from pat.validation.run import Validation

_CALIBRATION, _HOMOGENEITY, _VALIDATION = "calibration", "homogeneity", "validation"
_Parts: TypeAlias = "tuple[Method, Calibration, HomogeneityModel | None]"


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", type=Path, help="method.yaml")
    parser.add_argument("--data", metavar="STORE", required=True, type=place, help="store of raw spectra, or its URL")
    parser.add_argument("--out", metavar="DIR", required=True, type=Path, help="working folder of the four steps")


def _validate_arguments(parser: argparse.ArgumentParser) -> None:
    _shared(parser)
    _truth_argument(parser)
    parser.add_argument(
        "--parallel", metavar="FILE", type=Path, help="CSV with thief samples or dosage units: batch,value"
    )
    parser.add_argument("--registration", metavar="FILE", type=Path, help="what `pat register` committed to")
    parser.add_argument(
        "--reopen", metavar="REASON", default="", help="why a set that another model has opened is opened again"
    )


def _truth_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--truth", metavar="FILE", type=Path, help="CSV with the truth of the validation blends")


def _register_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", type=Path, help="method.yaml")
    parser.add_argument("--data", metavar="STORE", required=True, type=place, help="store of raw spectra, or its URL")
    _truth_argument(parser)
    parser.add_argument("--to", metavar="FILE", required=True, type=Path, help="JSON file to write, once")


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    _shared(parser)
    parser.add_argument("--to", metavar="ARTEFACT", required=True, type=Path, help="folder of the artefact")


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    _shared(parser)
    parser.add_argument("--to", metavar="FILE", required=True, type=Path, help="HTML file to write")


def _refuse_store(args: argparse.Namespace, written: Path) -> None:
    """Refuse to write into the store: raw spectra are never changed."""
    if isinstance(args.data, str):  # a URL, where no file of this machine lies
        return
    target, store = written.resolve(), args.data.resolve()
    if target == store or store in target.parents:
        raise InputError(f"{written}: expected a place outside the store {args.data}, which is never changed")


def _refuse_sources(args: argparse.Namespace) -> None:
    """Refuse to write, with ``--to``, over what the command reads."""
    _refuse_store(args, args.to)
    target = args.to.resolve()
    for name, read in (("METHOD", args.method), ("--data", args.data), ("--out", args.out)):
        if isinstance(read, Path) and (target == read.resolve() or target in read.resolve().parents):
            raise InputError(f"{args.to}: expected a place of its own, got one that {name} ({read}) lies in")


def _parts(args: argparse.Namespace) -> _Parts:
    """Return the method, and what `pat calibrate` made of it."""
    from pat.calibration import Calibration
    from pat.homogeneity import HomogeneityModel
    from pat.method import Method

    method, calibration = Method.load(args.method), Calibration.load(args.out / _CALIBRATION)
    return method, calibration, HomogeneityModel.load(args.out / _HOMOGENEITY) if method.homogeneity else None


def _calibrate(args: argparse.Namespace) -> Outcome:
    from pat.calibration import calibrate
    from pat.homogeneity import HomogeneityModel, learn
    from pat.method import Method
    from pat.spectra import open_store
    from pat.treatment import treat
    from pat.validation.run import Validation

    _refuse_store(args, args.out)
    method = Method.load(args.method)
    raw = open_store(args.data, verify=True)
    calibration = calibrate(method, raw, progress="calibrating")
    document: dict[str, object] = {"out": args.out, "batches": len(calibration.batches), **calibration.figures}
    model = None
    if method.homogeneity:
        treated = treat(calibration.learnt, raw)
        model = learn(method, calibration, treated, progress="learning the end-point rule")
    calibration.save(args.out / _CALIBRATION)
    # What was learnt and validated with another calibration is out of date, and would be refused.
    HomogeneityModel.remove(args.out / _HOMOGENEITY)
    Validation.remove(args.out / _VALIDATION)
    if model is not None:
        model.save(args.out / _HOMOGENEITY)
        document |= {"accepted_batches": model.plateau.n_batches, "repeatability": model.repeatability.sd}
    return Outcome(document, facts(document))


def _register(args: argparse.Namespace) -> Outcome:
    from pat.method import Method
    from pat.readers.truth import read_truth
    from pat.spectra import open_store
    from pat.validation.registration import register

    _refuse_store(args, args.to)
    truth = read_truth(args.truth) if args.truth else None
    found = register(Method.load(args.method), open_store(args.data, verify=True), truth)
    found.save(args.to)
    shown = {role: f"{len(names)} batches" for role, names in found.batches.items()}
    document = {"registration": args.to, **found.to_dict()}
    kept = ("registration", "registered", "criteria_sha256", "data_sha256", "sha256")
    return Outcome(document, facts({key: document[key] for key in kept} | shown))


def _validate(args: argparse.Namespace) -> Outcome:
    from pat.assembly import assemble
    from pat.readers.samples import read_samples
    from pat.readers.truth import read_truth
    from pat.spectra import open_store
    from pat.validation.gate import PLAIN
    from pat.validation.opening import opened
    from pat.validation.run import validate

    _refuse_store(args, args.out)
    method, calibration, homogeneity = _parts(args)
    truth = read_truth(args.truth) if args.truth else None
    raw = open_store(args.data, verify=True)
    digest = assemble(method, calibration, homogeneity).digest
    registration = opened(args.registration, digest, args.reopen) if args.registration else None
    found = validate(
        method,
        calibration,
        homogeneity,
        raw,
        truth,
        parallel=read_samples(args.parallel) if args.parallel else None,
        registration=registration,
        progress="validating",
    )
    found.save(args.out / _VALIDATION)
    rows = [[PLAIN[c["name"]], c["required"], c["found"], c["passed"]] for c in found.document["criteria"]]
    verdict = "the acceptance gate is passed" if found.passed else "the acceptance gate is NOT passed"
    text = "\n".join([table(["criterion", "required", "found", "met"], rows), *found.document["notes"], verdict])
    return Outcome(found.document, text, exit_code=0 if found.passed else 1)


def _validated(args: argparse.Namespace) -> tuple[_Parts, Validation, xr.Dataset, str]:
    """Return all of a method that was calibrated and validated: its parts, validation, raw spectra and report."""
    from pat.compute import computing
    from pat.report import build
    from pat.spectra import open_store
    from pat.treatment import treat
    from pat.validation.run import Validation

    method, calibration, homogeneity = _parts(args)
    validation = Validation.load(args.out / _VALIDATION)
    raw = calibration.spectra_of(open_store(args.data, verify=True))
    with computing("drawing the report"):
        treated = treat(calibration.learnt, raw)
        page = build(method, calibration, validation, raw=raw, treated=treated, homogeneity=homogeneity)
    return (method, calibration, homogeneity), validation, raw, page


def _export(args: argparse.Namespace) -> Outcome:
    from pat.export import export

    _refuse_sources(args)
    parts, validation, raw, page = _validated(args)
    digest = export(args.to, *parts, validation, raw, page)
    document = {"artefact": args.to, "digest": digest}
    return Outcome(document, facts(document))


def _report(args: argparse.Namespace) -> Outcome:
    from pat.files import write_bytes

    _refuse_sources(args)
    if args.to.is_file() and not args.to.read_bytes()[:15].lower().startswith(b"<!doctype html"):
        raise InputError(f"{args.to}: expected a new file or a page to replace, got a file of another kind")
    *_, page = _validated(args)
    write_bytes(args.to, page.encode())
    document = {"report": args.to}
    return Outcome(document, facts(document))


COMMANDS = (
    Command(
        "register",
        "Commit to criteria and validation data before opening them",
        _register_arguments,
        _register,
        records=True,
    ),
    Command(
        "calibrate", "Calibrate a method and learn its end-point rule", _shared, _calibrate, computes=True, records=True
    ),
    Command(
        "validate",
        "Validate a calibrated method on batches never used before",
        _validate_arguments,
        _validate,
        computes=True,
        records=True,
    ),
    Command(
        "export", "Write the artefact of a validated method", _export_arguments, _export, computes=True, records=True
    ),
    Command(
        "report",
        "Write the report of a validated method as one HTML page",
        _report_arguments,
        _report,
        computes=True,
        records=True,
    ),
)
