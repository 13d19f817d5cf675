"""Copies of a trail: complete, counted, safe to open, and JSON becomes the same file again."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from pat.audit import Trail, export, verify
from pat.errors import InputError

SPY = '<script>alert("x")</script>'


@pytest.fixture
def trail(tmp_path):
    trail = Trail.open(tmp_path / "trail.jsonl")
    for i in range(5):
        trail.record("note", kind="test", id=f"ä-{i}", old={"a": i}, new={"a": i + 1}, reason=SPY)
    with open(trail.path, "ab") as stream:
        stream.write(b'{"torn \xff')
    trail.record("note", kind="test", id="=1+1", version=3)
    return trail


@pytest.mark.requirement("URS-64")
def test_json_becomes_the_same_file_again(trail, tmp_path):
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(export.restored(export.to_json(trail, verify(trail.path))))
    assert copy.read_bytes() == trail.path.read_bytes()
    assert verify(copy).head == verify(trail.path).head


def test_json_of_a_tampered_trail_keeps_what_was_found(trail):
    trail.path.write_bytes(trail.path.read_bytes().replace(b'"note"', b'"gone"', 1))
    data = export.to_json(trail, verify(trail.path))
    assert json.loads(data)["verified"]["problem"]["kind"] == "altered"
    assert export.restored(data) == trail.path.read_bytes()


def test_what_lost_an_entry_is_no_copy(trail):
    document = json.loads(export.to_json(trail, verify(trail.path)))
    spoilt: object
    for spoilt in (
        {**document, "lines": document["lines"][:-1]},
        {**document, "lines": document["lines"][:-1], "entries": document["entries"] - 1},
        {**document, "format": "another"},
        [],
    ):
        with pytest.raises(InputError, match="expected an exported audit trail"):
            export.restored(json.dumps(spoilt).encode())


@pytest.mark.requirement("URS-64")
def test_csv_has_a_row_an_entry_and_says_which_of_how_many(trail):
    rows = list(csv.DictReader(io.StringIO(export.to_csv(trail, verify(trail.path)))))
    entries = list(trail.entries())
    assert [(row["entry"], row["of"], row["hash"]) for row in rows] == [(str(e.number), "7", e.hash) for e in entries]
    assert json.loads(rows[1]["old"]) == {"a": 0}
    assert rows[1]["reason"] == SPY
    assert rows[-1]["id"] == "'=1+1"  # no formula for a spreadsheet


@pytest.mark.requirement("URS-64")
def test_html_has_every_entry_and_their_count_and_runs_nothing(trail):
    page = export.to_html(trail, verify(trail.path))
    assert "Entries on these pages: 7<" in page
    assert "End of 7 entries" in page
    assert [entry.hash for entry in trail.entries() if entry.hash not in page] == []
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)  # it stands by itself


def test_a_copy_ends_with_the_head_that_was_verified(trail):
    report = verify(trail.path)
    trail.record("note", kind="test", id="later")
    document = json.loads(export.to_json(trail, report))
    assert document["entries"] == 7
    assert report.head is not None
    assert document["lines"][-1]["hash"] == report.head.hash
