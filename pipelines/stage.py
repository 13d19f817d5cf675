"""What every stage shares: its paths, and how an error ends it with one clear line for DVC and for people."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from pathlib import Path

from pat import compute
from pat.audit.recording import recorded
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


def main(run: Callable[[], Mapping[str, str] | None]) -> None:
    """Run a stage where ``--scheduler`` says; a user's mistake, a full disk or Ctrl-C becomes a line and exit code.

    The audit trail has an entry of it, as of a command of ``pat``, with the hashes that `run` returns; a stage that
    could not be recorded is not run.
    """
    stage = Path(sys.argv[0]).stem
    try:
        with recorded(stage, kind="stage", id=stage, arguments=sys.argv[1:]) as work, in_one_line():
            with compute.scheduler(_COMPUTES.parse_known_args()[0].scheduler):
                work.digests = run()
            work.artefact = (work.digests or {}).get("digest")
    except PatError as error:
        print(f"{stage}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
