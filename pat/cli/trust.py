"""``pat key`` and ``pat trust``: private keys, and who may sign what in the eyes of a site."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pat.cli.framework import Command, Outcome, facts, table
from pat.cli.signing import date, key_arguments, load_key, passphrase, passphrase_argument, trust_argument

if TYPE_CHECKING:
    from pat.trust import Revocations, Trust

_ROOT = ("--root-key", "the site's root key")


def _new_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="where the private key goes; FILE.pub is for the root")
    passphrase_argument(parser)


def _due(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--next-due", metavar="DATE", type=date, required=required, help="by when the next list of revocations comes"
    )


def _init_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path, help="new folder of trust, to be copied to every line")
    key_arguments(parser, *_ROOT)
    _due(parser, required=True)


def _grant_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("public_key", metavar="PUBLIC_KEY", type=Path, help="the person's FILE.pub, from `pat key new`")
    parser.add_argument("--person", metavar="ID", required=True, help="unique id, never given to another person")
    parser.add_argument("--name", metavar="NAME", required=True, help="printed name, shown with every signature")
    parser.add_argument(
        "--role", dest="roles", metavar="ROLE", action="append", required=True,
        help="author, reviewer, approver or recorder; may be given again",
    )  # fmt: skip
    parser.add_argument("--from", dest="valid_from", metavar="DATE", type=date, help="valid from (default: now)")
    parser.add_argument("--until", dest="valid_until", metavar="DATE", type=date, required=True, help="valid until")
    trust_argument(parser)
    key_arguments(parser, *_ROOT)


def _withdraw_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key_id", metavar="KEY_ID", help="id of the key, from `pat trust show`")
    parser.add_argument(
        "--reason", choices=("compromised", "retired"), required=True,
        help="compromised: no signature of it counts; retired: what was released before --since stays",
    )  # fmt: skip
    revocation_arguments(parser)


def revocation_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every revocation takes."""
    parser.add_argument("--comment", metavar="TEXT", required=True, help="why, in words")
    parser.add_argument("--since", metavar="DATE", type=date, help="from when (default: now)")
    _due(parser, required=False)
    trust_argument(parser)
    key_arguments(parser, *_ROOT)


def _renew_arguments(parser: argparse.ArgumentParser) -> None:
    _due(parser, required=True)
    trust_argument(parser)
    key_arguments(parser, *_ROOT)


def _new(args: argparse.Namespace) -> Outcome:
    from pat.trust import PrivateKey

    key = PrivateKey.generate()
    public = key.save(args.file, passphrase(args.passphrase_file, args.file, twice=True))
    found = {"key": key.id, "private": args.file, "public": public}
    note = "The private key and its passphrase are yours alone; whoever holds the root key\ngets the public one."
    return Outcome(found, f"{facts(found)}\n\n{note}")


def _init(args: argparse.Namespace) -> Outcome:
    from pat.trust import root

    trust = root.init(args.folder, load_key(args), args.next_due)
    return _shown(trust)


def _grant(args: argparse.Namespace) -> Outcome:
    from pat.trust import default_folder, now, root
    from pat.trust.keys import read_public

    key = root.grant(
        args.trust or default_folder(),
        load_key(args),
        read_public(args.public_key),
        person=args.person,
        printed_name=args.name,
        roles=tuple(args.roles),
        valid_from=args.valid_from or now(),
        valid_until=args.valid_until,
    )
    said = {"key": key.id, "name": key.printed_name, "person": key.person, "roles": ", ".join(key.roles)}
    return Outcome({"granted": key.to_dict()}, facts(said | {"from": key.valid_from, "until": key.valid_until}))


def revoke(args: argparse.Namespace, kind: str, id_: str, reason: str) -> Outcome:
    """Add one entry to the list of revocations."""
    from pat.trust import Revocation, default_folder, now, root

    entry = Revocation(kind, id_, args.since or now(), reason, args.comment)
    listed = root.revoke(args.trust or default_folder(), load_key(args), entry, args.next_due)
    said = {kind: id_, "revoked as of": entry.date, "reason": f"{reason}: {entry.comment}"}
    return _listed(listed, {kind: id_, **vars(entry)}, said)


def _listed(listed: Revocations, document: dict[str, Any], said: dict[str, Any]) -> Outcome:
    now = {"number": listed.number, "next_due": listed.next_due}
    text = facts(said | {"list": f"number {listed.number}, the next one due by {listed.next_due}"})
    return Outcome(document | now, f"{text}\n\nIt counts where the folder of trust has been copied to: every line.")


def _withdraw(args: argparse.Namespace) -> Outcome:
    return revoke(args, "key", args.key_id, args.reason)


def _renew(args: argparse.Namespace) -> Outcome:
    from pat.trust import default_folder, root

    return _listed(root.renew(args.trust or default_folder(), load_key(args), args.next_due), {}, {})


def _show(args: argparse.Namespace) -> Outcome:
    from pat.trust import Trust

    return _shown(Trust.load(args.trust))


def _shown(trust: Trust) -> Outcome:
    from pat.trust import root

    ring, revoked = trust.ring, trust.revocations
    head = {
        "folder": trust.folder,
        "root key": trust.root_id,
        "keys": f"number {ring.number} of {ring.time}",
        "revocations": f"number {revoked.number} of {revoked.time}, the next one due by {revoked.next_due}",
    }
    parts = [facts(head), *([f"Beware: {trust.stale}."] if trust.stale else [])]
    if ring.keys:
        rows = [[key.id, key.printed_name, ", ".join(key.roles), key.valid_until[:10]] for key in ring.keys.values()]
        parts.append(table(["key", "name", "roles", "until"], rows))
    if revoked.entries:
        lines = [
            f"{entry.kind} {entry.id}\n  {entry.reason} as of {entry.date}: {entry.comment}"
            for entry in revoked.entries
        ]
        parts.append("\n".join(["revoked", *lines]))
    return Outcome(root.describe(trust), "\n\n".join(parts))


COMMANDS = (
    Command(
        "key new",
        "Make a private key, encrypted by a passphrase, and its public key",
        _new_arguments,
        _new,
        records=True,
    ),
    Command("trust init", "Found a folder of trust under a root key", _init_arguments, _init, records=True),
    Command("trust grant", "Let a person's key sign in some roles", _grant_arguments, _grant, records=True),
    Command("trust withdraw", "Revoke a key", _withdraw_arguments, _withdraw, records=True),
    Command(
        "trust renew",
        "Sign the list of revocations anew, before it is stale",
        _renew_arguments,
        _renew,
        records=True,
    ),
    Command("trust show", "Show keys, roles and revocations, proven by the root", trust_argument, _show),
)
