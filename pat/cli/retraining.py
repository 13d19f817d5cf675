"""``pat retrain`` and ``pat promote``: a scheduler proposes, a person decides."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pat.cli.framework import Command, Outcome, facts
from pat.files import place

if TYPE_CHECKING:
    from pat import retraining


def _method_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", type=Path, help="method.yaml, in the method's folder")


def _retrain_arguments(parser: argparse.ArgumentParser) -> None:
    _method_argument(parser)
    parser.add_argument("--data", metavar="STORE", required=True, type=place, help="store of raw spectra, old and new")
    parser.add_argument("--truth", metavar="FILE", type=Path, help="CSV with the truth of the validation blends")
    parser.add_argument(
        "--champion", metavar="ARTEFACT", type=Path, help="the champion's artefact, where MLflow does not know it"
    )
    parser.epilog = (
        "Exit codes: 0 a challenger is registered and waits for a person, 1 refused (its reason is in MLflow), "
        "2 wrong usage or input, 3 there are no new reference data. Nothing is ever promoted."
    )


def _promote_arguments(parser: argparse.ArgumentParser) -> None:
    _method_argument(parser)
    parser.add_argument("version", metavar="VERSION", type=int, help="number of the registered version")


def _retrain(args: argparse.Namespace) -> Outcome:
    from pat import retraining
    from pat.method import Method
    from pat.readers.truth import read_truth
    from pat.spectra import open_store

    method, folder = Method.load(args.method), args.method.parent
    outcome = retraining.retrain(
        method,
        args.champion or retraining.champion_folder(method, folder),
        open_store(args.data, verify=True),
        folder / retraining.CHALLENGERS,
        truth=read_truth(args.truth) if args.truth else None,
    )
    return Outcome(outcome.to_dict(), _text(args.method, outcome), outcome.exit_code)


_STANDS = {
    "registered": "is registered as challenger",
    "compared_again": "was registered before and is compared again as challenger",
    "already_registered": "is already registered as challenger",
}


def _text(method: Path, outcome: retraining.Outcome) -> str:
    from pat.retraining import summary

    if outcome.comparison is not None:
        return (
            f"{summary(outcome.comparison)}\n"
            f"version {outcome.version} {_STANDS[outcome.status.value]}, in {outcome.folder}\n"
            f"it waits for a person: pat promote {method} {outcome.version}"
        )
    if outcome.status == "refused":
        return f"refused: {outcome.reason}"
    return f"nothing new: the champion {outcome.champion} was made from all reference data that there are"


def _promote(args: argparse.Namespace) -> Outcome:
    from pat import tracking
    from pat.method import Method

    promoted = tracking.promote(Method.load(args.method).name, args.version)
    document = {"champion": promoted.version, "digest": promoted.digest}
    return Outcome(document, facts(document))


COMMANDS = (
    Command(
        "retrain",
        "Make a challenger from new reference data and compare it",
        _retrain_arguments,
        _retrain,
        computes=True,
    ),
    Command("promote", "Make a registered version the champion, as a person decided", _promote_arguments, _promote),
)
