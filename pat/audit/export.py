"""Copies of a trail: HTML and CSV for people, JSON that becomes the same file again. Each says how many entries it has.

JSON holds every line, those included that are no entries, so that `restored` gives the very bytes of the trail.
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Iterator
from typing import Any

from pat.audit.entry import Entry
from pat.audit.trail import Trail
from pat.audit.verification import Report
from pat.errors import InputError, TrailError
from pat.files import canonical_json

FORMAT = "pat-trail-export/1"
COLUMNS = (
    "entry", "of", "time (UTC)", "clock", "person", "user", "host", "action", "kind", "id", "version", "run", "old",
    "new", "reason", "artefact", "software", "code", "prev", "hash",
)  # fmt: skip
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _lines(trail: Trail, report: Report) -> Iterator[bytes | Entry]:
    """Give the lines of the trail up to the head that was verified: what came after is for the next copy."""
    for line in trail.lines():
        try:
            found = Entry.parse(line.removesuffix(b"\n"))
        except TrailError:
            yield line
            continue
        yield found
        if report.head is not None and report.holds and found.hash == report.head.hash:
            return


def _entries(trail: Trail, report: Report) -> Iterator[Entry]:
    return (line for line in _lines(trail, report) if isinstance(line, Entry))


def to_json(trail: Trail, report: Report) -> bytes:
    """Return a trail as one JSON document, with what `verify` found.

    Parameters
    ----------
    trail : Trail
    report : Report
        From `pat.audit.verify`, of the same trail.
    """
    lines: list[Any] = []
    for line in _lines(trail, report):
        lines.append(line.to_dict() if isinstance(line, Entry) else {"bytes": line.hex()})
    count = sum("bytes" not in line for line in lines)
    head = {"format": FORMAT, "entries": count, "head": vars(report.head) if report.head else None}
    return canonical_json(head | {"verified": report.to_dict(), "lines": lines})


def restored(data: bytes) -> bytes:
    """Return the bytes of the trail that `to_json` has written, to be verified as any other.

    Parameters
    ----------
    data : bytes

    Raises
    ------
    InputError
        If it is no such document, or does not have the entries that it counts.
    """
    try:
        document = json.loads(data)
        known = document["format"] == FORMAT
        lines, entries, head = document["lines"], document["entries"], document["head"]
        found = [_line(said) for said in lines]
        last = next((said for said in reversed(lines) if "bytes" not in said), None)
        whole = known and entries == sum("bytes" not in said for said in lines) and _same_head(last, head, document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"expected an exported audit trail in JSON, got something else ({error!r})") from error
    if not whole:
        raise InputError("expected an exported audit trail with the entries that it counts, got others")
    return b"".join(found)


def _line(said: dict[str, Any]) -> bytes:
    return bytes.fromhex(said["bytes"]) if said.keys() == {"bytes"} else canonical_json(said) + b"\n"


def _same_head(last: dict[str, Any] | None, head: dict[str, Any] | None, document: dict[str, Any]) -> bool:
    if not document["verified"]["holds"]:  # its head is the last entry before the first bad one
        return True
    return (last and last["hash"]) == (head and head["hash"])


def to_csv(trail: Trail, report: Report) -> str:
    """Return a trail as a table, one row an entry; each says which it is of how many.

    Parameters
    ----------
    trail : Trail
    report : Report
        From `pat.audit.verify`, of the same trail.

    Notes
    -----
    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    rows = [_row(entry) for entry in _entries(trail, report)]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        row[1] = len(rows)
        writer.writerow([_safe(cell) for cell in row])
    return stream.getvalue()


def _safe(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _row(entry: Entry) -> list[object]:
    """Return the cells of an entry in the order of `COLUMNS`; how many there are is not known yet."""
    who, what = entry.who, entry.object
    cells: list[object] = [entry.number, None, entry.time, entry.clock.get("note")]
    cells += [who.get("person"), who.get("user"), who.get("host"), entry.action]
    cells += [what.get("kind"), what.get("id"), what.get("version"), entry.run, _text(entry.old), _text(entry.new)]
    cells += [entry.reason, entry.artefact, entry.software.get("version"), entry.software.get("code_sha256")]
    return [*("" if cell is None else cell for cell in cells), entry.prev, entry.hash]


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


_STYLE = """
body { font: 13px/1.4 system-ui, sans-serif; margin: 2em; color: #111 }
table { border-collapse: collapse; width: 100% }
th, td { border: 1px solid #bbb; padding: 3px 6px; text-align: left; vertical-align: top; overflow-wrap: anywhere }
thead { display: table-header-group } tr { break-inside: avoid }
.bad { color: #a00; font-weight: bold } code { font-size: 11px }
@page { size: A4 landscape; margin: 12mm }
"""
_HEAD = ("entry", "time (UTC)", "who", "action", "object", "old", "new", "reason", "artefact", "software", "hash")


def to_html(trail: Trail, report: Report) -> str:
    """Return a trail as one page that stands by itself and prints, with what `verify` found.

    Parameters
    ----------
    trail : Trail
    report : Report
        From `pat.audit.verify`, of the same trail.
    """
    rows = [_html_row(entry) for entry in _entries(trail, report)]
    head = "".join(f"<th>{name}</th>" for name in _HEAD)
    verdict = f'<p class="{"good" if report.holds else "bad"}">{html.escape(report.in_words())}</p>'
    last = f"<p>head: <code>{report.head.hash}</code>, {report.head.time}</p>" if report.head else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Audit trail</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>Audit trail</h1>\n{verdict}{last}"
        f"<p>Entries on these pages: {len(rows)}</p>\n<table><thead><tr>{head}</tr></thead><tbody>\n"
        + "\n".join(rows)
        + f"\n</tbody></table>\n<p>End of {len(rows)} entries.</p>\n</body></html>\n"
    )


def _html_row(entry: Entry) -> str:
    who, what, note = entry.who, entry.object, entry.clock.get("note")
    named = [str(part) for part in (what.get("kind"), what.get("id"), what.get("version")) if part is not None]
    cells = [
        str(entry.number),
        f"{entry.time} ({note})" if note else entry.time,
        " / ".join(str(who[key]) for key in ("person", "user", "host") if who.get(key)),
        entry.action if entry.run is None else f"{entry.action} (run {entry.run})",
        " ".join(named),
        _text(entry.old) or "",
        _text(entry.new) or "",
        entry.reason,
        entry.artefact or "",
        f"{entry.software.get('version')} {entry.software.get('code_sha256')}",
        entry.hash,
    ]
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
