"""What every stage shares: its paths, and how an error ends it with one clear line for DVC and for people."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from pat import compute
from pat.errors import PatError, in_one_line
from pat.files import place

_COMPUTES = ArgumentParser(add_help=False, allow_abbrev=False)
_COMPUTES.add_argument("--scheduler", metavar="NAME", help="threads, processes, synchronous, or tcp://... of a cluster")


def parser(summary: str | None, *paths: str) -> ArgumentParser:
    """Return a parser for the paths that a stage reads and writes, in order, and for where it computes."""
    found = ArgumentParser(description=summary, parents=[_COMPUTES])
    for name in paths:
        found.add_argument(name, type=place)
    return found


def main(run: Callable[[], None]) -> None:
    """Run a stage where ``--scheduler`` says; a user's mistake, a full disk or Ctrl-C becomes a line and exit code."""
    try:
        with in_one_line(), compute.scheduler(_COMPUTES.parse_known_args()[0].scheduler):
            run()
    except PatError as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
