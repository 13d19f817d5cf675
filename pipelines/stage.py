"""What every stage shares: its paths, and how an error ends it with one clear line for DVC and for people."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from pat.errors import PatError


def parser(summary: str | None, *paths: str) -> ArgumentParser:
    """Return a parser for the paths that a stage reads and writes, in order."""
    found = ArgumentParser(description=summary)
    for name in paths:
        found.add_argument(name, type=Path)
    return found


def main(run: Callable[[], None]) -> None:
    """Run a stage; an error that `pat` raises on purpose becomes a line and its exit code."""
    try:
        run()
    except PatError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
