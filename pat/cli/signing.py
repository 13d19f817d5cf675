"""What commands that sign share: the key's file and its passphrase, the folder of trust, dates."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pat.cli.framework import table
from pat.errors import InputError

if TYPE_CHECKING:
    from pat.release import Signature
    from pat.trust import PrivateKey

PASSPHRASE_FILE = "PAT_PASSPHRASE_FILE"
"""Variable that names the file of a passphrase, where nobody is there to type one."""


def trust_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--trust``."""
    parser.add_argument(
        "--trust",
        metavar="DIR",
        type=Path,
        help="folder of trust (default: PAT_TRUST, else the system's: /etc/pat/trust)",
    )


def key_arguments(parser: argparse.ArgumentParser, option: str = "--key", whose: str = "your private key") -> None:
    """Add the option that names the file of a private key, and ``--passphrase-file``."""
    parser.add_argument(option, dest="key", metavar="FILE", type=Path, required=True, help=f"file of {whose}")
    passphrase_argument(parser)


def passphrase_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--passphrase-file``."""
    parser.add_argument(
        "--passphrase-file",
        metavar="FILE",
        type=Path,
        help=f"first line: the passphrase (default: {PASSPHRASE_FILE}, else you are asked)",
    )


def date(text: str) -> str:
    """Return a time as records have it, from a date or a time (UTC) that a user typed."""
    from pat.trust import times

    try:
        return times.from_user(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(
            f"expected a date (UTC), 2027-11-24 or 2027-11-24T08:00:00Z: {error}"
        ) from error


def passphrase(file: Path | None, about: object, *, twice: bool = False) -> str:
    """Return a passphrase: the first line of a file, else what a person types.

    Parameters
    ----------
    file : Path or None
        By default what ``PAT_PASSPHRASE_FILE`` names.
    about : object
        What it is for, to be shown.
    twice : bool
        Ask twice, for a new key.

    Raises
    ------
    InputError
        If the file has none, there is nobody to ask, or what was typed twice differs.
    """
    if file is None and (named := os.environ.get(PASSPHRASE_FILE)):
        file = Path(named)
    if file is not None:
        first = file.read_text(encoding="utf-8").splitlines()[:1]
        if not first or not first[0]:
            raise InputError(f"{file}: expected a passphrase in the first line, got none")
        return first[0]
    if not sys.stdin.isatty():
        raise InputError(
            f"no terminal to ask for the passphrase of {about}: use --passphrase-file or {PASSPHRASE_FILE}"
        )
    typed = getpass.getpass(f"passphrase of {about}: ")
    if twice and getpass.getpass("again: ") != typed:
        raise InputError("the two passphrases differ: nothing was written")
    return typed


def load_key(args: argparse.Namespace) -> PrivateKey:
    """Return the private key that the arguments name.

    Raises
    ------
    TrustError
        If the passphrase is wrong, or the file holds no key.
    """
    from pat.trust import PrivateKey

    return PrivateKey.load(args.key, passphrase(args.passphrase_file, args.key))


def signed_by(signatures: Iterable[Signature]) -> str:
    """Return the table of who has signed, when and with what meaning, as 21 CFR 11.50 asks for."""
    rows = [[said.printed_name, said.meaning, said.time, said.comment] for said in signatures]
    return table(["signed by", "meaning", "time (UTC)", "comment"], rows)
