"""``pat transfer``: a validated method for another instrument, from a few samples that were measured on both."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pat.cli.framework import Command, Outcome, facts, table
from pat.errors import InputError
from pat.files import place

if TYPE_CHECKING:
    from pat.transfer import Transferred

_METHODS = {"auto": ("ds", "pds"), "ds": ("ds",), "pds": ("pds",), "slope_bias": ("slope_bias",)}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", type=Path, help="method.yaml")
    parser.add_argument("--parent", metavar="DIR", required=True, type=Path, help="its working folder, validated")
    parser.add_argument("--data", metavar="STORE", required=True, type=place, help="store of both instruments' spectra")
    parser.add_argument("--old-data", metavar="STORE", type=place, help="store of the old one's, where it is another")
    parser.add_argument("--out", metavar="DIR", required=True, type=Path, help="working folder of the new method")
    parser.add_argument("--from", metavar="INSTRUMENT", required=True, dest="old", help="the method's instrument")
    parser.add_argument("--to", metavar="INSTRUMENT", required=True, dest="new", help="the instrument it is brought to")
    parser.add_argument("--samples", metavar="N", required=True, type=int, help="transfer samples, 5 or more")
    parser.add_argument("--by", choices=tuple(_METHODS), default="auto", help="default: ds or pds, by cross-validation")
    parser.add_argument("--plot", metavar="FILE", type=Path, help="PNG of before and after to write")
    parser.epilog = (
        "Transfer samples are chosen by Kennard-Stone among the batches with the role calibration or new_reference "
        "that both instruments measured. `pat validate` and `pat export` carry on in --out with the same METHOD, on "
        "batches that the new instrument measured."
    )


def _transfer(args: argparse.Namespace) -> Outcome:
    from pat.calibration import Calibration
    from pat.files import write_bytes
    from pat.homogeneity import HomogeneityModel, learn
    from pat.method import Method
    from pat.plots import to_png
    from pat.plots import transfer as plot
    from pat.spectra import open_store, select_instrument
    from pat.transfer import transfer
    from pat.treatment import treat
    from pat.validation.run import Validation

    _refuse_places(args)
    method, parent = Method.load(args.method), Calibration.load(args.parent / "calibration")
    model = HomogeneityModel.load(args.parent / "homogeneity") if method.homogeneity else None
    validation = Validation.load(args.parent / "validation")
    both = open_store(args.data, verify=True)
    new = select_instrument(both, args.new)
    old = select_instrument(open_store(args.old_data, verify=True) if args.old_data else both, args.old)
    by = _METHODS[args.by]
    found = transfer(method, parent, model, validation, old, new, n_samples=args.samples, methods=by)
    calibration = found.calibration
    if method.homogeneity:
        model = learn(method, calibration, treat(calibration.learnt, new), progress="learning the end-point rule")
    calibration.save(args.out / "calibration")
    # What was learnt and validated with another calibration is out of date, and would be refused.
    HomogeneityModel.remove(args.out / "homogeneity")
    Validation.remove(args.out / "validation")
    if model is not None:
        model.save(args.out / "homogeneity")
    if args.plot:
        write_bytes(args.plot, to_png(plot(found)))
    return _outcome(args, found)


def _refuse_places(args: argparse.Namespace) -> None:
    """Refuse to write over what is read: the parent stays as it is, and raw spectra are never changed."""
    sources = [read.resolve() for read in (args.parent, args.data, args.old_data) if isinstance(read, Path)]
    for written in (args.out, args.plot):
        inside = {written.resolve(), *written.resolve().parents} if written else set[Path]()
        if inside & set(sources):
            raise InputError(f"{written}: expected a place of its own, outside --parent and the stores")


def _outcome(args: argparse.Namespace, found: Transferred) -> Outcome:
    record = found.record
    document = {"out": args.out, **record}
    said: dict[str, object] = {
        "out": args.out,
        "parent": record["parent"]["digest"],
        "samples": ", ".join(f"{one['batch']}/{one['reading']}" for one in record["samples"]),
        "RMS difference before": found.figures["rmse_before"],
        "left out, after": found.figures["rmse_left_out"],
    }
    rows = [
        [one["method"], one["after_steps"], one["window"], one["ridge"], one["components"], one["rmse"]]
        for one in record.get("best_of_each", [])
    ]
    headers = ["method", "after steps", "window", "ridge", "components", "left out"]
    return Outcome(document, "\n".join([facts(said), *([table(headers, rows)] if rows else [])]))


COMMANDS = (
    Command(
        "transfer", "Bring a validated method to another instrument", _arguments, _transfer, computes=True, records=True
    ),
)
