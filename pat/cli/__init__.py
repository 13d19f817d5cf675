"""The command ``pat``: parse, call `pat`, print.

A group of commands is one file here that ends in a tuple ``COMMANDS``; the tuple below joins them in the
order in which ``pat --help`` lists them. Files of this package import nothing but the standard library when
they are loaded; a command imports what it needs when it runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pat import __version__, kernels
from pat.cli import (
    audit,
    diagnostics,
    importing,
    integrity,
    laboratory,
    line,
    release,
    reproducing,
    retraining,
    search,
    simulate,
    study,
    transfer,
    trust,
)
from pat.cli.framework import Command, Outcome, to_json
from pat.cli.recorded import recorded_run
from pat.errors import MissingExtra, PatError, in_one_line

COMMANDS: tuple[Command, ...] = (
    *importing.COMMANDS,
    *laboratory.COMMANDS,
    *diagnostics.COMMANDS,
    *search.COMMANDS,
    *study.COMMANDS,
    *transfer.COMMANDS,
    *line.COMMANDS,
    *release.COMMANDS,
    *trust.COMMANDS,
    *audit.COMMANDS,
    *integrity.COMMANDS,
    *reproducing.COMMANDS,
    *retraining.COMMANDS,
    *simulate.COMMANDS,
)

GROUPS: dict[str, str] = {
    "audit": "Read, verify, copy and anchor the audit trail",
    "key": "Make a private key to sign with",
    "trust": "Say who may sign what, under the root key of a site",
}
"""What a command of two words, such as `pat audit show`, has as its first one, and what that one is about."""

_SCHEDULER = "where to compute: threads, processes, synchronous, or tcp://... of a Dask cluster"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; those of the process by default.

    Returns
    -------
    int
        0 for done, 1 for a refusal or an artefact that does not hold, 2 for wrong usage or input, 130 after Ctrl-C.
    """
    try:
        args = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed the help, or what was wrong
        return int(stop.code or 0)
    try:
        with in_one_line():
            outcome = _run(args)
            print(to_json(outcome.document) if args.json else outcome.text, flush=True)
    except PatError as error:
        return _report(error, args.json)
    except BrokenPipeError:  # the reader has seen enough, as in ``pat score ... | head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return outcome.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pat",
        description="In-line NIR blend uniformity: calibrate in the laboratory, score on the line.",
    )
    parser.add_argument("--version", action="version", version=f"pat {__version__}")
    # argparse gives the names of commands the width of this metavar: a short one would break their lines.
    commands = parser.add_subparsers(title="commands", metavar="COMMAND ARG", required=True)
    groups: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for command in COMMANDS:
        group, _, name = command.name.rpartition(" ")
        if group and group not in groups:
            found = commands.add_parser(group, help=GROUPS[group], description=f"{GROUPS[group]}.")
            groups[group] = found.add_subparsers(title="commands", metavar="COMMAND ARG", required=True)
        within = groups[group] if group else commands
        _add(within.add_parser(name, help=command.summary, description=f"{command.summary}."), command)
    return parser


def _add(parser: argparse.ArgumentParser, command: Command) -> None:
    command.arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document (null, never NaN)")
    if command.computes:
        parser.add_argument("--scheduler", metavar="NAME", help=_SCHEDULER)
    parser.set_defaults(command=command)


def _run(args: argparse.Namespace) -> Outcome:
    command: Command = args.command
    try:
        return recorded_run(command, args, _computed) if command.records else _computed(command, args)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "pat") or package in sys.stdlib_module_names:
            raise
        raise MissingExtra(
            f'`pat {command.name}` needs {package}, which is not installed: pip install "pat-blend[lab]"'
        ) from error


def _computed(command: Command, args: argparse.Namespace) -> Outcome:
    """Run a command; one that computes, where the user chose."""
    if not command.computes:
        return command.run(args)
    kernels.pin()  # before numpy is loaded
    from pat import compute

    with compute.scheduler(args.scheduler):
        return command.run(args)


def _report(error: PatError, as_json: bool) -> int:
    print(f"pat: {error}", file=sys.stderr)
    if as_json:
        print(to_json({"error": {"kind": type(error).__name__, "message": str(error)}}))
    return error.exit_code
