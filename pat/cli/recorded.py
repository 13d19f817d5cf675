"""A command in the audit trail: one entry, from its arguments to its outcome."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from pat.cli.framework import Command, Outcome
from pat.errors import in_one_line

# What a command acts on: the first of these arguments that it has, with what the trail calls it.
_OBJECTS = {
    "artefact": "artefact",
    "method": "method file",
    "registration": "registration",
    "public_key": "key",
    "key_id": "key",
    "to": "place",
    "folder": "folder",
    "file": "file",
    "out": "folder",
}
# Of the parser, not of the work.
_NOT_ARGUMENTS = ("command", "json", "scheduler")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def recorded_run(
    command: Command, args: argparse.Namespace, run: Callable[[Command, argparse.Namespace], Outcome]
) -> Outcome:
    """Run a command so that the audit trail has an entry of it, whatever comes of it.

    Parameters
    ----------
    command : Command
    args : Namespace
        Recorded, but for what has a passphrase in its name or gives access to a URL.
    run : callable
        Runs the command with the arguments.

    Raises
    ------
    TrailError
        If the entry could not be written: then nothing was done.
    """
    from pat.audit.recording import recorded

    arguments = plain_arguments(args)
    name = next((name for name in _OBJECTS if arguments.get(name)), None)
    kind, about = (_OBJECTS[name], str(arguments[name])) if name else ("command", command.name)
    reason = str(arguments.get("reason") or arguments.get("comment") or "")
    with recorded(command.name, kind=kind, id=about, arguments=arguments, reason=reason) as work, in_one_line():
        work.version = arguments.get("version")
        outcome = run(command, args)
        said = outcome.document
        work.digests = digests(said)
        # The one that was made or used, by whatever of its names the command calls it.
        work.artefact = next((work.digests[key] for key in ("digest", "artefact") if key in work.digests), None)
        work.who = said["person"] if isinstance(said.get("person"), str) else None
        work.end(outcome.exit_code)
    return outcome


def plain_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of a command as plain JSON, without passphrases and what is none."""
    given = {name: value for name, value in vars(args).items() if name not in _NOT_ARGUMENTS and value is not None}
    return {name: _plain(value) for name, value in sorted(given.items()) if "passphrase" not in name}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)) else str(value)


def digests(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 hashes that a command's document has at its top."""
    return {key: value for key, value in document.items() if isinstance(value, str) and _SHA256.fullmatch(value)}
