"""``pat audit``: read the audit trail, verify it, copy it, sign its head, ask it. Nothing here changes an entry."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pat.cli.framework import WIDTH, Command, Outcome, facts, table
from pat.cli.signing import key_arguments, load_key, trust_argument
from pat.errors import InputError, TrailError

if TYPE_CHECKING:
    from pat.audit import Entry, Report
    from pat.audit.questions import Scored, Standing

_FORMATS = ("html", "csv", "json")


def _trail(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trail",
        metavar="FILE",
        type=Path,
        help="the trail (default: PAT_TRAIL, else pat/trail.jsonl in the user's folder for state)",
    )


def _anchors(parser: argparse.ArgumentParser) -> None:
    _trail(parser)
    parser.add_argument(
        "--anchors",
        metavar="PLACE",
        nargs="+",
        type=Path,
        default=[],
        help="signed heads, or folders of them, from `pat audit anchor`",
    )
    trust_argument(parser)


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    _trail(parser)
    parser.add_argument("--last", metavar="N", type=int, default=20, help="how many entries (default 20; 0 shows all)")
    parser.add_argument("--action", metavar="NAME", help="those of one action alone, such as release or 'open batch'")
    parser.add_argument("--about", metavar="TEXT", help="those alone whose object or artefact has this in its name")


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    _anchors(parser)
    parser.add_argument("--to", metavar="FILE", type=Path, required=True, help="new file: .html, .csv or .json")


def _anchor_arguments(parser: argparse.ArgumentParser) -> None:
    _trail(parser)
    parser.add_argument("--to", metavar="DIR", type=Path, required=True, help="folder outside that of the trail")
    key_arguments(parser)


def _which_arguments(parser: argparse.ArgumentParser) -> None:
    _anchors(parser)
    parser.add_argument("batch", metavar="BATCH", nargs="?", help="which artefact scored this batch")
    parser.add_argument("--day", metavar="DAY", help="what was champion, and what released, at the end of that day")


def _show(args: argparse.Namespace) -> Outcome:
    from pat.audit import Trail

    trail = Trail.open(args.trail)
    found = [entry for entry in trail.entries() if _asked(entry, args)]
    shown = found[-args.last :] if args.last > 0 else found
    rows = [[entry.number, entry.time[:19], _who(entry), _action(entry), _object(entry)] for entry in shown]
    head = {"trail": trail.path, "entries": len(found), "shown": len(shown)}
    document = head | {"shown": [entry.to_dict() for entry in shown]}
    return Outcome(document, f"{facts(head)}\n\n{table(['', 'time (UTC)', 'who', 'action', 'object'], rows)}")


def _asked(entry: Entry, args: argparse.Namespace) -> bool:
    names = f"{entry.object['id']} {entry.artefact or ''}"
    return (not args.action or entry.action == args.action) and (not args.about or args.about in names)


def _who(entry: Entry) -> str:
    return str(entry.who.get("person") or entry.who.get("user"))


def _action(entry: Entry) -> str:
    said = entry.new if isinstance(entry.new, dict) else {}
    more = f": {said['outcome']}" if "outcome" in said else f": {said['after']}" if "after" in said else ""
    return f"{entry.action}{more}"


def _object(entry: Entry) -> str:
    run = "" if entry.run is None else f" (run {entry.run})"
    return f"{entry.object['kind']} {entry.object['id']}{run}"


def _verified(args: argparse.Namespace) -> Report:
    from pat.audit import read_anchors, verify
    from pat.trust import Trust

    anchors = read_anchors(args.anchors)
    return verify(args.trail, anchors, Trust.load(args.trust) if anchors else None)


def _verify(args: argparse.Namespace) -> Outcome:
    report = _verified(args)
    return Outcome(report.to_dict(), _in_words(report), 0 if report.holds else 1)


def _in_words(report: Report) -> str:
    said: dict[str, Any] = {"trail": report.path, "entries that hold": report.entries}
    if report.head:
        said |= {"head": f"{report.head.hash[:16]}... of {report.head.time}"}
    said |= {
        "signed heads": report.anchors or "none: a chain made anew, or without its end, would not show",
        "not yet anchored": f"{report.not_anchored} entries",
        "scoring runs": f"{report.opened}, numbered without a gap" if report.holds else report.opened,
        "still open": ", ".join(f"{run} ({batch})" for run, batch in report.open_runs.items()) or "none",
        "killed writers": f"{len(report.torn)} left part of an entry" if report.torn else "none left anything",
    }
    notes = [f"entry {number}: {note}" for number, note in report.clock]
    if report.unfinished:
        notes.append(f"{report.unfinished} bytes at the end are no entry; the next one will say so")
    verdict = "The trail holds." if report.problem is None else f"The trail does NOT hold: {report.problem.text}"
    return "\n\n".join([facts(said), *(["\n".join(notes)] if notes else []), textwrap.fill(verdict, WIDTH)])


def _export(args: argparse.Namespace) -> Outcome:
    from pat.audit import Trail, export
    from pat.files import write_bytes

    kind = args.to.suffix.removeprefix(".").lower()
    if kind not in _FORMATS:
        raise InputError(f"{args.to}: expected a name that ends in .html, .csv or .json, got {args.to.suffix!r}")
    if args.to.exists():
        raise InputError(f"{args.to}: expected a new file, got one that is there")
    report, trail = _verified(args), Trail.open(args.trail)
    made = {"html": export.to_html, "csv": export.to_csv}
    data = export.to_json(trail, report) if kind == "json" else made[kind](trail, report).encode()
    write_bytes(args.to, data)
    document = {"export": args.to, "entries": report.entries, "head": report.head and report.head.hash}
    text = f"{facts(document)}\n\n{textwrap.fill(report.in_words(), WIDTH)}"
    return Outcome(document | {"verified": report.to_dict()}, text, 0 if report.holds else 1)


def _anchor(args: argparse.Namespace) -> Outcome:
    from pat.audit import Trail, verify, write_anchor

    trail = Trail.open(args.trail)
    report = verify(trail.path)
    if report.problem is not None:
        raise TrailError(f"nothing is signed: {report.in_words()}")
    signed = trail.sign_head(load_key(args))
    document = {
        "anchor": write_anchor(signed, args.to, trail),
        "entry": signed.document["number"],
        "hash": signed.document["hash"],
        "key": signed.key_id,
    }
    return Outcome(document, facts(document))


def _which(args: argparse.Namespace) -> Outcome:
    from pat.audit import Trail, questions

    if (args.batch is None) == (args.day is None):
        raise InputError("expected a BATCH, or a --day, got " + ("neither" if args.batch is None else "both"))
    report, trail = _verified(args), Trail.open(args.trail)
    if report.problem is not None:
        raise TrailError(f"no answer can be trusted: {report.in_words()}")
    entries = islice(trail.entries(), report.entries)
    if args.batch is not None:
        runs = questions.scored(entries, args.batch)
        return Outcome({"batch": args.batch, "runs": [run.to_dict() for run in runs]}, _runs(args.batch, runs))
    stood = questions.standing(entries, _day(args.day))
    return Outcome({"day": args.day, "artefacts": [one.to_dict() for one in stood]}, _stood(args.day, stood))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"a day must be written as 2026-11-24, got {text!r}") from None


def _runs(batch: str, runs: Sequence[Scored]) -> str:
    if not runs:
        return f"No run of batch {batch} is in this trail."
    parts = [
        facts(
            {
                f"run {run.run}": f"{run.outcome}, {run.state}",
                "artefact": run.artefact,
                "opened": run.opened,
                "ended": f"{run.ended} ({run.reason})" if run.ended else None,
            }
        )
        for run in runs
    ]
    return "\n\n".join([f"batch {batch}", *parts])


def _stood(day: str, stood: Sequence[Standing]) -> str:
    if not stood:
        return f"No artefact was champion or released at the end of {day}, as far as this trail goes."
    parts = [facts({one.standing: one.of, "artefact": one.artefact, "since": one.since}) for one in stood]
    return "\n\n".join([f"at the end of {day} (UTC)", *parts])


COMMANDS = (
    Command("audit show", "Show the last entries of the audit trail", _show_arguments, _show),
    Command("audit verify", "Prove that no entry was altered, removed or put in", _anchors, _verify),
    Command("audit export", "Copy the trail to HTML, CSV or JSON", _export_arguments, _export, records=True),
    Command("audit anchor", "Sign the last entry, to be kept elsewhere", _anchor_arguments, _anchor, records=True),
    Command("audit which", "Say which artefact scored a batch, or stood on a day", _which_arguments, _which),
)
