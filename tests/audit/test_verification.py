"""Each kind of tampering is found, and the first bad entry named. All entries are simulated."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from benchmarks.trail import TAMPERINGS, Lines, rebuilt, recorder, rehashed, simulated_lines, write
from pat.audit import Report, Trail, read_anchors, verify, write_anchor
from pat.audit.anchors import sign_head
from pat.errors import InputError, TrailError, TrustError
from pat.trust import PrivateKey, Signed, Trust

N = 40
ANCHORED = (10, 30)


@pytest.fixture(scope="module")
def lines() -> Lines:
    return simulated_lines(N)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[PrivateKey, Trust]:
    return recorder(tmp_path_factory.mktemp("site") / "trust")


@pytest.fixture(scope="module")
def heads(lines: Lines, recording: tuple[PrivateKey, Trust], tmp_path_factory: pytest.TempPathFactory) -> list[Signed]:
    path = tmp_path_factory.mktemp("signed") / "trail.jsonl"
    found = []
    for number in ANCHORED:
        write(path, lines[:number])
        found.append(sign_head(Trail.open(path), recording[0]))
    return found


def verified(tmp_path: Path, lines: Lines, *given: object) -> Report:
    write(tmp_path / "trail.jsonl", lines)
    return verify(tmp_path / "trail.jsonl", *given)  # type: ignore[arg-type]


@pytest.mark.requirement("URS-62")
def test_a_good_trail_holds_and_says_what_is_not_anchored(lines, heads, recording, tmp_path):
    report = verified(tmp_path, lines, heads, recording[1])
    assert report.holds
    assert (report.entries, report.anchors, report.anchored, report.not_anchored) == (N, 2, 30, 10)
    assert verified(tmp_path, lines).not_anchored == N
    json.dumps(report.to_dict(), allow_nan=False)


# What the first bad entry is, by the way each tampering is done to entry n; of a chain made anew as a whole it is known
# only that it is not before the first entry that no head stands for.
EXPECTED = {"reordered": lambda n: n + 1, "rebuilt": lambda n: 1 + max(a for a in (0, *ANCHORED) if a < n)}


@pytest.mark.requirement("URS-61")
@pytest.mark.parametrize("n", [2, 3, 17, 28])
@pytest.mark.parametrize("kind", TAMPERINGS)
def test_each_kind_is_found_and_the_first_bad_entry_named(kind, n, lines, heads, recording, tmp_path):
    report = verified(tmp_path, TAMPERINGS[kind](lines, n), heads, recording[1])
    assert report.problem is not None
    assert (report.problem.kind, report.problem.entry) == (kind, EXPECTED.get(kind, lambda n: n)(n))
    assert "does NOT hold" in report.in_words()


@pytest.mark.parametrize("kind", sorted(set(TAMPERINGS) - {"rebuilt", "truncated"}))
def test_all_but_two_are_found_without_signed_heads(kind, lines, tmp_path):
    report = verified(tmp_path, TAMPERINGS[kind](lines, 17))
    assert report.problem is not None
    assert report.problem.kind == kind


@pytest.mark.parametrize("n", range(1, N + 1))
def test_no_entry_can_be_altered_unnoticed(n, lines, tmp_path):
    """Every entry in turn, a letter of its action exchanged."""
    changed = lines[n - 1].replace(b'"action":"', b'"action":"X', 1)
    report = verified(tmp_path, [*lines[: n - 1], changed, *lines[n:]])
    assert report.problem is not None
    assert (report.problem.kind, report.problem.entry, report.problem.line) == ("altered", n, n)
    assert report.entries == n - 1


@pytest.mark.requirement("URS-61")
def test_no_byte_of_an_entry_can_be_altered_unnoticed(lines, tmp_path):
    short = lines[:3]
    for at in range(len(short[1])):
        line = short[1][:at] + bytes([short[1][at] ^ 1]) + short[1][at + 1 :]
        report = verified(tmp_path, [short[0], line, short[2]])
        assert report.problem is not None
        assert report.problem.entry == 2


def test_a_line_that_is_no_entry_is_found(lines, tmp_path):
    report = verified(tmp_path, [*lines[:5], b"not an entry", *lines[5:]])
    assert report.problem is not None
    assert (report.problem.kind, report.problem.line) == ("altered", 6)


def test_an_entry_that_was_copied_to_the_end_is_found(lines, tmp_path):
    report = verified(tmp_path, [*lines, lines[9]])
    assert report.problem is not None
    assert (report.problem.kind, report.problem.entry, report.problem.line) == ("inserted", 10, N + 1)


def test_an_entry_that_was_put_in_unlinked_is_found(lines, tmp_path):
    forged = rehashed(lines[9], prev="0" * 64, reason="put in")
    report = verified(tmp_path, [*lines[:9], forged, *lines[9:]])
    assert report.problem is not None
    assert (report.problem.kind, report.problem.line) == ("inserted", 10)


def test_what_a_killed_writer_left_cannot_be_taken_away(tmp_path):
    trail = Trail.open(tmp_path / "trail.jsonl")
    trail.record("note", kind="test", id="x")
    with open(trail.path, "ab") as stream:
        stream.write(b'{"torn')
    trail.record("note", kind="test", id="x")
    whole = trail.path.read_bytes()
    assert verify(trail.path).holds
    for other in (whole.replace(b'{"torn\n', b""), whole.replace(b'{"torn\n', b'{"tort\n')):
        trail.path.write_bytes(other)
        report = verify(trail.path)
        assert report.problem is not None
        assert report.problem.entry == 3


@pytest.mark.requirement("URS-65")
def test_run_numbers_leave_no_gap(tmp_path):
    trail = Trail.open(tmp_path / "trail.jsonl")
    for batch in ("B-1", "B-2", "B-3"):
        with trail.open_run(batch, artefact="a" * 64):
            pass
    lines = trail.path.read_bytes().splitlines()
    write(trail.path, rebuilt(lines, 4, run=5, runs=5))
    report = verify(trail.path)
    assert report.problem is not None
    assert (report.problem.kind, report.problem.entry) == ("run numbers", 4)


def test_a_head_of_another_trail_is_refused(lines, heads, recording, tmp_path):
    report = verified(tmp_path, simulated_lines(N), heads, recording[1])
    assert report.problem is not None
    assert report.problem.kind == "rebuilt"


@pytest.mark.requirement("URS-62")
def test_a_head_that_no_recorder_signed_proves_nothing(lines, heads, recording, tmp_path):
    write(tmp_path / "trail.jsonl", lines)
    trail = Trail.open(tmp_path / "trail.jsonl")
    stranger = sign_head(trail, PrivateKey.generate())
    with pytest.raises(TrustError, match="unknown key"):
        verify(trail.path, [stranger], recording[1])
    author, trust = recorder(tmp_path / "authors", roles=("author",))
    with pytest.raises(TrustError, match="not for recorder"):
        verify(trail.path, [sign_head(trail, author)], trust)
    with pytest.raises(InputError, match="need `trust`"):
        verify(trail.path, heads)
    signed = recording[0].sign({"format": "something else", "time": "2026-11-24T08:00:00Z"})
    with pytest.raises(TrustError, match="expected the signed head"):
        verify(trail.path, [signed], recording[1])


@pytest.mark.requirement("URS-62")
def test_heads_are_kept_outside_the_trails_folder(lines, heads, recording, tmp_path):
    write(tmp_path / "trail.jsonl", lines)
    trail = Trail.open(tmp_path / "trail.jsonl")
    with pytest.raises(InputError, match="where the trail itself lies"):
        write_anchor(heads[0], tmp_path / "heads", trail)
    (tmp_path / "audit").mkdir()
    write(tmp_path / "audit" / "trail.jsonl", lines)
    trail = Trail.open(tmp_path / "audit" / "trail.jsonl")
    for head in heads:
        write_anchor(head, tmp_path / "heads", trail)
    assert verify(trail.path, read_anchors([tmp_path / "heads"]), recording[1]).anchored == 30
    with pytest.raises(InputError, match="got none"):
        read_anchors([tmp_path / "audit"])


def test_there_must_be_a_trail(tmp_path, recording):
    with pytest.raises(TrailError, match="expected an audit trail, got none"):
        verify(tmp_path / "none.jsonl")
    with pytest.raises(TrailError, match="with entries to sign"):
        sign_head(Trail.open(tmp_path / "none.jsonl"), recording[0])


def test_an_empty_file_lacks_what_was_signed(tmp_path, heads, recording):
    report = verified(tmp_path, [], heads, recording[1])
    assert report.problem is not None
    assert (report.problem.kind, report.problem.entry) == ("truncated", 1)


def test_many_entries_verify_in_seconds(tmp_path):
    """Two thousand, in a time that makes a hundred thousand take less than ten seconds; `benchmarks.trail` has all."""
    write(tmp_path / "trail.jsonl", simulated_lines(2000))
    begin = time.process_time()
    assert verify(tmp_path / "trail.jsonl").entries == 2000
    assert time.process_time() - begin < 0.2
