"""``pat approve``, ``release`` and ``revoke``: the way of an artefact from the laboratory to the line, and back."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pat import kernels
from pat.cli.framework import Command, Outcome, facts
from pat.cli.signing import date, key_arguments, load_key, signed_by, trust_argument
from pat.cli.trust import revocation_arguments, revoke

if TYPE_CHECKING:
    from pat.artefact import Artefact


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artefact", metavar="ARTEFACT", type=Path, help="the artefact's folder")
    parser.add_argument("--comment", metavar="TEXT", default="", help="what you want to say with it")
    parser.add_argument(
        "--model", metavar="DIR", type=Path, help="folder of approvals/ and released/ (default: around ARTEFACT)"
    )
    trust_argument(parser)
    key_arguments(parser)


def _approve_arguments(parser: argparse.ArgumentParser) -> None:
    _shared(parser)
    parser.add_argument(
        "--as", dest="role", choices=("author", "reviewer", "approver"), required=True, help="what you sign as"
    )


def _release_arguments(parser: argparse.ArgumentParser) -> None:
    _shared(parser)
    parser.add_argument(
        "--until", metavar="DATE", type=date, required=True, help="first day (UTC) on which it may not be used"
    )
    parser.add_argument(
        "--instrument", dest="instruments", metavar="NAME", action="append", default=[],
        help="instrument that it may be used with; may be given again (default: any)",
    )  # fmt: skip


def _revoke_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artefact", metavar="ARTEFACT", help="content digest, released folder or artefact's folder")
    revocation_arguments(parser)


def _proven(folder: Path) -> Artefact:
    """Read an artefact that gives here what it gave in the laboratory: nobody signs another one."""
    from pat import artefact
    from pat.scorer import Scorer
    from pat.scorer.proof import require_known_blend

    found = artefact.read(folder)
    require_known_blend(Scorer.proven(found, folder), found.known_blend, folder)
    return found


def _approve(args: argparse.Namespace) -> Outcome:
    from pat import release
    from pat.trust import Trust

    _proven(args.artefact)
    key, trust = load_key(args), Trust.load(args.trust)
    said = release.sign(args.artefact, key, trust, role=args.role, comment=args.comment, home=args.model)
    text = facts({"artefact": args.artefact, "digest": said.digest, "manifest": said.manifest_sha256})
    return Outcome(said.to_dict(), f"{text}\n\n{signed_by([said])}")


def _release(args: argparse.Namespace) -> Outcome:
    kernels.pin()  # before numpy is loaded: what is recorded is what the laboratory computes with
    from pat import release
    from pat.trust import Trust

    _proven(args.artefact)
    key, trust = load_key(args), Trust.load(args.trust)
    folder = release.release(
        args.artefact,
        key,
        trust,
        valid_until=args.until,
        instruments=args.instruments,
        comment=args.comment,
        home=args.model,
        trail=_trail_head(),
        source=_source(args),
    )
    instrument = args.instruments[0] if args.instruments else None
    _, record = release.load(folder, trust=trust, instrument=instrument)
    said = {
        "released": folder,
        "digest": record.digest,
        "product": record.product,
        "instruments": ", ".join(record.instruments) or "any",
        "valid until": record.valid_until,
    }
    document = {"folder": folder, "person": record.signatures[-1].person, **record.to_dict()}
    return Outcome(document, f"{facts(said)}\n\n{signed_by(record.signatures)}")


def _source(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the artefact is to be rebuilt from: the method beside it, this code and these pins."""
    from pat import environment

    home = args.model or args.artefact.resolve().parent
    method = home / "method.yaml"
    return dict(environment.source(method if method.is_file() else None))


def _trail_head() -> dict[str, Any] | None:
    from pat.audit import Trail

    head = Trail.open().head
    return None if head is None else {"number": head.number, "hash": head.hash, "time": head.time}


def _revoke(args: argparse.Namespace) -> Outcome:
    return revoke(args, "artefact", _digest(args.artefact), "withdrawn")


def _digest(given: str) -> str:
    """Return the content digest that a user named, or that of the artefact in a folder."""
    from pat import artefact, release

    if re.fullmatch(r"[0-9a-f]{64}", given):
        return given
    folder = Path(given)
    return artefact.read(folder / release.ARTEFACT if release.is_released(folder) else folder).content.digest


COMMANDS = (
    Command(
        "approve", "Sign an artefact as its author, reviewer or approver", _approve_arguments, _approve, records=True
    ),
    Command("release", "Release an approved artefact to the line", _release_arguments, _release, records=True),
    Command("revoke", "Revoke an artefact: no line that knows of it uses it", _revoke_arguments, _revoke, records=True),
)
