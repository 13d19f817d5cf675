"""The error tree: everything that `pat` raises on purpose.

::

    PatError
    ├── InputError        wrong usage or input (exit code 2)
    │   ├── SpectraError      spectra that break the data contract
    │   └── MethodError       a method document that does not hold together
    ├── ArtefactError     an artefact that cannot be trusted or read (exit code 1)
    │   └── TrustError        a key, a signature or a list of keys that cannot be trusted
    ├── TrailError        an audit trail that cannot be written, or does not hold (exit code 1)
    ├── Refusal           a clear "no": a criterion not met, a parity not proven (exit code 1)
    ├── MissingExtra      a command whose optional packages are not installed (exit code 2)
    └── Interrupted       a person ended the command (exit code 130)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class PatError(Exception):
    """Base class of all errors that this package raises on purpose."""

    exit_code = 1


class InputError(PatError, ValueError):
    """Wrong usage or input: the message says what was expected and what came."""

    exit_code = 2


class SpectraError(InputError):
    """Spectra that break the data contract; the message names the variable, row and column."""


class MethodError(InputError):
    """A method document with unknown keys, wrong values or steps that do not fit together."""


class ArtefactError(PatError, ValueError):
    """An artefact that is damaged, incomplete, altered or made for another format."""


class TrustError(ArtefactError):
    """A key, a signature, or a site's list of keys or revocations that does not hold; the message says which way."""


class TrailError(PatError):
    """An audit trail that cannot be written or read, or whose entries do not hold."""


class Refusal(PatError):
    """The work was done and the answer is no: a criterion is not met, a proof failed."""


class MissingExtra(PatError, ImportError):
    """A command whose optional packages are not installed; the message names the install command."""

    exit_code = 2


class Interrupted(PatError):
    """A person ended the command before it was done."""

    exit_code = 130


@contextmanager
def in_one_line() -> Iterator[None]:
    """Turn what the system raises (no such file, disk full, Ctrl-C) into this tree, so that a user sees one line.

    Raises
    ------
    InputError
        In place of an `OSError`, but for a closed pipe, and of text that is not UTF-8.
    Interrupted
        In place of `KeyboardInterrupt`.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted("interrupted; what was complete is kept, and no file is half written") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(f"expected text in UTF-8, got the byte 0x{byte:02x} at position {error.start}") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        about = f": {error.filename}" if error.filename else ""
        raise InputError(f"{error.strerror or error}{about}") from error
