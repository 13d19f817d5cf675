"""``pat reproduce``: rebuild an artefact from its recorded inputs, and say whether it comes out the same."""

from __future__ import annotations

import argparse
from pathlib import Path

from pat.cli.framework import Command, Outcome


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artefact", metavar="ARTEFACT", type=Path, help="released folder, or an artefact's")
    parser.add_argument(
        "--project", metavar="DIR", type=Path, default=Path(), help="checkout that has its commit (this folder)"
    )


def _run(args: argparse.Namespace) -> Outcome:
    from pat.reproduction import reproduce

    result = reproduce(args.artefact, args.project)
    return Outcome(result.to_dict(), result.in_words(), 0 if result.held else 1)


COMMANDS = (Command("reproduce", "Rebuild an artefact from its recorded inputs and compare the two", _arguments, _run),)
