"""The trail: every entry binds the one before, a killed writer spoils nothing, and nothing turns it off."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pat import audit
from pat.audit import Trail, clock, default_place, verify
from pat.audit.entry import Entry
from pat.errors import TrailError

ROOT = Path(__file__).resolve().parents[2]
APPENDER = """
import sys
from pat.audit import Trail
trail = Trail.open(sys.argv[1])
for i in range(int(sys.argv[3])):
    trail.record("note", kind="test", id=sys.argv[2], new=i)
"""


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail.open(tmp_path / "audit" / "trail.jsonl")


def note(trail: Trail, text: str = "x") -> Entry:
    return trail.record("note", kind="test", id=text)


def appender(trail: Trail, name: str, n: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", APPENDER, str(trail.path), name, str(n)], cwd=ROOT)


@pytest.mark.requirement("URS-60")
def test_an_entry_says_who_what_when_why_and_with_what(trail):
    entry = trail.record(
        "approve",
        kind="artefact",
        id="a" * 64,
        version="1.2",
        old=None,
        new={"role": "approver"},
        reason="fit for its purpose",
        who="a.mueller",
        artefact="a" * 64,
    )
    said = json.loads(trail.path.read_bytes().splitlines()[-1])
    assert said == entry.to_dict()
    assert said["number"] == 2  # the first one begins the trail
    assert said["time"].endswith("Z")
    assert said["who"]["person"] == "a.mueller"
    assert said["who"]["user"]
    assert said["object"] == {"kind": "artefact", "id": "a" * 64, "version": "1.2"}
    assert (said["new"], said["reason"]) == ({"role": "approver"}, "fit for its purpose")
    assert set(said["software"]) == {"version", "code_sha256"}
    assert trail.head == entry.head


def test_the_hash_is_that_of_the_line_without_it(trail):
    """By hand: an auditor needs nothing of ours to check a chain, but SHA-256 and JSON."""
    for text in ("one", "two", '"hash":"not this one",'):
        note(trail, text)
    before = "0" * 64
    for line in trail.path.read_bytes().splitlines():
        said = json.loads(line)
        named = said.pop("hash")
        body = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
        assert hashlib.sha256(body).hexdigest() == named
        assert said["prev"] == before
        before = named


@pytest.mark.requirement("URS-63")
def test_there_is_no_way_to_change_or_remove_an_entry():
    verbs = ("edit", "update", "delete", "remove", "clear", "truncate", "disable", "close", "write")
    names = [name for owner in (Trail, Entry) for name in dir(owner) if not name.startswith("_")]
    assert not [name for name in names if name.startswith(verbs)]


@pytest.mark.requirement("URS-63")
@pytest.mark.parametrize("place", ["/dev/null", "/dev/full", "."])
def test_what_would_swallow_entries_is_no_trail(place, monkeypatch):
    monkeypatch.setenv("PAT_TRAIL", place)
    with pytest.raises(TrailError, match="expected a file for the audit trail"):
        Trail.open()


def test_a_pipe_is_no_trail(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TrailError, match="expected a file"):
        Trail.open(tmp_path / "pipe")


@pytest.mark.requirement("URS-63")
def test_there_is_always_a_place(monkeypatch, tmp_path):
    monkeypatch.setenv("PAT_TRAIL", "")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_place() == tmp_path / "pat" / "trail.jsonl"
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_place() == tmp_path / "home" / ".local" / "state" / "pat" / "trail.jsonl"
    monkeypatch.setenv("PAT_TRAIL", str(tmp_path / "own.jsonl"))
    assert default_place() == tmp_path / "own.jsonl"


def test_what_cannot_be_written_is_refused_and_the_trail_holds(trail):
    note(trail)
    for bad in (float("nan"), {1, 2}, "x" * 70_000):
        with pytest.raises(TrailError):
            trail.record("note", kind="test", id="x", new=bad)
    assert verify(trail.path).entries == 2


def test_require_writable_writes_nothing(trail):
    trail.require_writable()
    assert trail.path.read_bytes() == b""
    assert trail.head is None


@pytest.mark.parametrize("lost", [1, 2, 100])
def test_what_a_killed_writer_left_is_set_aside_and_recorded(trail, lost):
    note(trail)
    last = note(trail, "torn")
    whole = trail.path.read_bytes()
    trail.path.write_bytes(whole[:-lost])
    torn = last.line[: len(last.line) + 1 - lost] if lost > 1 else b""
    report = verify(trail.path)
    assert report.holds
    assert report.unfinished == len(torn)
    after = note(trail, "after")
    assert trail.path.read_bytes().startswith(whole[:-lost] + b"\n")  # nothing that was there is gone
    if torn:
        assert after.torn == {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}
    else:  # its line's end alone was missing: the entry is whole
        assert after.prev == last.hash
    report = verify(trail.path)
    assert report.holds
    assert report.torn == ([after.number] if torn else [])


def test_a_first_entry_that_was_never_finished_is_set_aside(trail):
    trail.require_writable()
    trail.path.write_bytes(b'{"action":"begin')
    note(trail)
    report = verify(trail.path)
    assert report.holds
    assert report.torn == [1]


def test_two_writers_killed_one_after_the_other(trail):
    note(trail)
    with open(trail.path, "ab") as stream:
        stream.write(b'{"first torn\n{"second torn')  # the second one had begun a line of its own
    note(trail)
    report = verify(trail.path)
    assert report.holds
    assert report.torn == [3]


def test_nothing_is_appended_to_an_altered_entry(trail):
    note(trail)
    whole = trail.path.read_bytes()
    trail.path.write_bytes(whole.replace(b'"note"', b'"gone"'))
    for act in (trail.require_writable, lambda: note(trail), lambda: trail.head):
        with pytest.raises(TrailError, match=r"last entry was altered .*pat audit verify"):
            act()


def test_appending_reads_the_end_alone(trail, monkeypatch):
    for i in range(60):
        note(trail, str(i))
    read, taken = os.read, []

    def watched(file: int, size: int) -> bytes:
        taken.append(len(found := read(file, size)))
        return found

    monkeypatch.setattr(os, "read", watched)
    note(trail)
    assert sum(taken) <= 4096 < trail.path.stat().st_size


def test_an_entry_longer_than_the_first_look_is_found(trail):
    trail.record("note", kind="test", id="x", new="y" * 50_000)
    assert note(trail).number == 3
    assert verify(trail.path).holds


def test_threads_keep_the_chain_whole(trail):
    threads = [threading.Thread(target=lambda: [note(trail) for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = verify(trail.path)
    assert report.holds
    assert report.entries == 41


@pytest.mark.requirement("URS-60")
def test_processes_that_append_at_the_same_time_keep_the_chain_whole(trail):
    running = [appender(trail, name, 60) for name in ("one", "two")]
    assert [process.wait(60) for process in running] == [0, 0]
    report = verify(trail.path)
    assert report.holds
    assert report.entries == 121
    for name in ("one", "two"):  # each writer's own entries, in its order, none lost
        mine = [entry.new for entry in trail.entries() if entry.object["id"] == name]
        assert mine == list(range(60))


@pytest.mark.requirement("URS-03")
def test_a_trail_survives_kill_9(trail):
    note(trail)
    for kill in range(20):
        before = trail.path.stat().st_size
        process = appender(trail, f"killed {kill}", 10_000)
        end = time.monotonic() + 20
        while trail.path.stat().st_size == before and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(0.0007 * kill)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert trail.path.stat().st_size > before, "it was killed before it wrote anything"
        assert verify(trail.path).holds
        note(trail, "after")
        assert verify(trail.path).holds


@pytest.mark.requirement("URS-66")
def test_a_clock_that_is_set_is_noted(trail, monkeypatch):
    at = {"time": "2026-03-01T12:00:00.000Z", "boot": "b", "uptime": 100.0}
    monkeypatch.setattr(clock, "now", lambda: at["time"])
    monkeypatch.setattr(clock, "running", lambda: {"boot": at["boot"], "uptime": at["uptime"]})
    note(trail)
    steps = [  # time, start of the machine, its seconds since then; what there is to note
        ("2026-03-01T12:00:10.000Z", "b", 110.0, ""),
        ("2026-03-01T13:00:20.000Z", "b", 120.0, "the clock jumped by +3600.0 s"),
        ("2026-03-01T12:00:30.000Z", "b", 130.0, "the clock jumped by -3600.0 s"),
        ("2026-03-01T12:00:29.500Z", "b", 130.5, "the clock reads 0.500 s less"),
        ("2026-03-02T12:00:00.000Z", "c", 5.0, ""),  # started again a day later: nothing speaks against it
        ("2026-03-01T11:00:00.000Z", "d", 5.0, "the clock reads 90000.000 s less"),
    ]
    for moment, boot, uptime, _ in steps:
        at.update(time=moment, boot=boot, uptime=uptime)
        note(trail)
    report = verify(trail.path)
    assert report.holds
    expected = [(i, said) for i, (*_, said) in enumerate(steps, start=3) if said]
    assert [number for number, _ in report.clock] == [number for number, _ in expected]
    for (_, found), (_, said) in zip(report.clock, expected, strict=True):
        assert found.startswith(said)


@pytest.mark.requirement("URS-66")
def test_this_machines_clock_runs_on(trail):
    note(trail)
    note(trail)
    assert verify(trail.path).clock == []


def test_everything_exported_is_there():
    for name in audit.__all__:
        assert hasattr(audit, name)
