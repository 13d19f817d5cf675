"""What every stage shares: its paths, and how an error ends it with one clear line for DVC and for people."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from pat.errors import PatError, in_one_line


def parser(summary: str | None, *paths: str) -> ArgumentParser:
    """Return a parser for the paths that a stage reads and writes, in order."""
    found = ArgumentParser(description=summary)
    for name in paths:
        found.add_argument(name, type=Path)
    return found


def main(run: Callable[[], None]) -> None:
    """Run a stage; a user's mistake, a full disk or Ctrl-C becomes a line and its exit code."""
    try:
        with in_one_line():
            run()
    except PatError as error:
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
