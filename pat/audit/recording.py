"""A piece of work in the trail: one entry for all of it, whether it was done, refused or failed.

Nothing is done without a record: work that could not be recorded is refused before it begins.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pat.audit.trail import Trail
from pat.errors import Interrupted, PatError, TrailError
from pat.files import canonical_json

DONE, NO, REFUSED, INTERRUPTED, FAILED = "done", "no", "refused", "interrupted", "failed"
# User and password, and the query that a signed address carries its right in.
_USER, _QUERY = re.compile(r"(?<=://)[^\s/@]+@"), re.compile(r"(://[^\s?]+)\?\S+")
_LONGEST = 2000
_MOST_BYTES = 16_384


@dataclass
class Work:
    """What became of a piece of work; whoever does it fills it in.

    Attributes
    ----------
    exit_code : int
        What the process ends with.
    outcome : str
        ``done``; ``no`` where the work was done and the answer is no; ``refused`` with the reason that a user was
        given; ``interrupted`` by a person; ``failed`` where something broke.
    reason : str
        What was refused or broke, in words.
    digests : dict of str to str
        Hashes of what was made or used, by name.
    artefact : str or None
        Content digest of the artefact that was made or used.
    who : str or None
        Unique id of the person who has signed for it.
    version : str or int or None
        Of what was acted on.
    """

    exit_code: int = 0
    outcome: str = DONE
    reason: str = ""
    digests: Mapping[str, str] | None = None
    artefact: str | None = None
    who: str | None = None
    version: str | int | None = None

    def end(self, exit_code: int) -> None:
        """Say that the work is done, and with what exit code."""
        self.exit_code, self.outcome = exit_code, NO if exit_code else DONE

    def broke(self, error: BaseException) -> None:
        """Say what ended the work."""
        if isinstance(error, SystemExit):
            self.end(error.code if isinstance(error.code, int) else int(error.code is not None))
        elif isinstance(error, PatError):
            self.exit_code, self.reason = error.exit_code, str(error)
            self.outcome = INTERRUPTED if isinstance(error, Interrupted) else REFUSED
        else:
            self.exit_code, self.outcome, self.reason = 1, FAILED, f"{type(error).__name__}: {error}"


@contextmanager
def recorded(action: str, *, kind: str, id: str, arguments: object, reason: str = "") -> Iterator[Work]:
    """Do a piece of work under the eyes of the trail (`Trail.open`).

    Parameters
    ----------
    action : str
        What is done: the command.
    kind, id : str
        To what.
    arguments : object
        Plain JSON: with what; secrets of URLs are left out.
    reason : str
        Why, where a person said so.

    Yields
    ------
    Work
        To be filled in.

    Raises
    ------
    TrailError
        Before the work, if it could not be recorded; after it, if what could be at first now cannot.
    """
    trail, work = Trail.open(), Work()
    try:
        trail.require_writable()
    except TrailError as error:
        raise TrailError(f"nothing was done, because nothing is done without a record: {error}") from error
    given = _bounded(without_secrets(arguments))

    def write() -> None:
        said = {"outcome": work.outcome, "exit_code": work.exit_code, "message": _shown(work.reason)}
        new = said | {"arguments": given, "digests": dict(work.digests or {})}
        what: dict[str, Any] = {"kind": kind, "id": _shown(id), "version": work.version}
        trail.record(action, **what, new=new, reason=_shown(reason), who=work.who, artefact=work.artefact)

    try:
        yield work
    except BaseException as error:
        work.broke(error)
        write()
        raise
    try:
        write()
    except TrailError as error:
        raise TrailError(f"it was done, but that could not be recorded: {error}") from error


def without_secrets(value: Any) -> Any:
    """Return plain JSON without what gives access: users and passwords in URLs, and their queries.

    Examples
    --------
    >>> without_secrets(["s3://key:word@host/raw.zarr", "https://host/raw.zarr?sig=abc", 3])
    ['s3://host/raw.zarr', 'https://host/raw.zarr?...', 3]
    """
    if isinstance(value, str):
        return _QUERY.sub(r"\1?...", _USER.sub("", value))
    if isinstance(value, Mapping):
        return {key: without_secrets(item) for key, item in value.items()}
    return [without_secrets(item) for item in value] if isinstance(value, list | tuple) else value


def _bounded(arguments: Any) -> Any:
    """Return arguments as they are, or, where they are thousands of files, their beginning and the hash of all."""
    said = canonical_json(arguments)
    if len(said) <= _MOST_BYTES:
        return arguments
    return {"shortened": said[:_LONGEST].decode(), "bytes": len(said), "sha256": hashlib.sha256(said).hexdigest()}


def _shown(text: str) -> str:
    text = without_secrets(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
