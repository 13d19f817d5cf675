"""``pat simulate``: the sample campaign, with its truth."""

from __future__ import annotations

import argparse
from pathlib import Path

from pat.cli.framework import Command, Outcome, facts


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for the CSV files")
    parser.add_argument("--seed", type=int, help="decides everything that is drawn (default: that of data_samples)")


def _run(args: argparse.Namespace) -> Outcome:
    from pat.simulation.campaign import SEED, write_campaign

    seed = SEED if args.seed is None else args.seed
    paths = write_campaign(args.out, seed)
    document = {"simulated": True, "seed": seed, "folder": args.out, "files": [path.name for path in paths]}
    shown = {**document, "files": ", ".join(path.stem for path in paths)}
    return Outcome(document, facts(shown))


COMMANDS = (Command("simulate", "Write a simulated campaign: calibration, validation, blends", _arguments, _run),)
