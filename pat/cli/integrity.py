"""``pat integrity``: is the record whole? For a store of spectra, or a scoring run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pat.cli.framework import Command, Outcome, table
from pat.errors import InputError
from pat.files import place, write_bytes

if TYPE_CHECKING:
    from pat.integrity import Report


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", type=place, help="store, its URL, or what `pat score --json` printed")
    parser.add_argument("--artefact", metavar="A", type=Path, help="artefact whose scope the spectra are held against")
    parser.add_argument("--trail", metavar="T", type=Path, help="audit trail in which import or scoring should stand")
    parser.add_argument("--to", metavar="FILE", type=Path, help="HTML page to write")


def _run(args: argparse.Namespace) -> Outcome:
    from pat.integrity import page

    _refuse_within(args)
    report = _examined(args)
    if args.to:
        write_bytes(args.to, page(report).encode())
    return Outcome(report.to_dict(), _text(report), 0 if report.sound else 1)


def _refuse_within(args: argparse.Namespace) -> None:
    """Refuse to write the page over, or into, what is examined."""
    if args.to and isinstance(args.store, Path):
        store, target = args.store.resolve(), args.to.resolve()
        if target == store or store in target.parents:
            raise InputError(f"{args.to}: expected a place outside {args.store}, which is examined and never changed")


def _examined(args: argparse.Namespace) -> Report:
    from pat.integrity import Recorded, examine_run, examine_store, is_run
    from pat.scorer import Scorer

    trail = Recorded.load(args.trail) if args.trail else None
    if is_run(args.store):
        if args.artefact:
            raise InputError("--artefact is for stores: the readings of a run say whether they were in scope")
        return examine_run(args.store, trail=trail)
    scorer = Scorer.load(args.artefact, allow_unreleased=True) if args.artefact else None
    return examine_store(args.store, scorer=scorer, trail=trail, progress=f"examining {args.store}")


def _text(report: Report) -> str:
    from pat.integrity.checks import CHECKS
    from pat.integrity.report import ORDER, amount

    rows = [[item.state, CHECKS[item.check].title, amount(item)] for state in ORDER for item in report.of(state)]
    parts = [f"{report.subject}: {report.conclusion}", table(["answer", "asked for", "found"], rows), report.details()]
    return "\n\n".join(part for part in parts if part)


COMMANDS = (Command("integrity", "Say whether a store or a run is whole (ALCOA+)", _arguments, _run, computes=True),)
