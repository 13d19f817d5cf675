"""Commands and stages in the trail: each has an entry, a refusal too, and nothing is done without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.trail import recorder
from pat import cli
from pat.audit import Trail, verify
from pat.audit.recording import recorded
from pat.audit.runs import CHANGED, CLOSED, OPENED
from pat.cli.framework import WIDTH, Command, Outcome
from pat.errors import Refusal, TrailError
from tests import simulated
from tests.wide_csv import write_csv

ROOT = Path(__file__).resolve().parents[2]
PASSPHRASE = "a horse in a blender, simulated"


@pytest.fixture
def trail(tmp_path, monkeypatch):
    monkeypatch.setenv("PAT_TRAIL", str(tmp_path / "audit" / "trail.jsonl"))
    return Trail.open()


@pytest.fixture
def csv_file(tmp_path):
    write_csv(tmp_path / "spectra.csv", {"B-1": simulated.settled(60, seed=2), "B-2": simulated.settled(25, seed=3)})
    return tmp_path / "spectra.csv"


def run(*argv: object) -> int:
    return cli.main([str(part) for part in argv])


def last(trail):
    *_, entry = trail.entries()
    return entry


@pytest.mark.requirement("URS-60")
def test_a_command_has_one_entry_with_its_outcome_and_digests(trail, csv_file, tmp_path, capsys):
    assert run("import", csv_file, "--to", tmp_path / "raw.zarr", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    entry = last(trail)
    assert entry.number == 2
    assert (entry.action, entry.object["id"]) == ("import", str(tmp_path / "raw.zarr"))
    assert entry.new["outcome"] == "done"
    assert entry.new["exit_code"] == 0
    assert entry.new["digests"] == {"sha256": said["sha256"]}
    assert entry.new["arguments"]["spectra"] == [str(csv_file)]


@pytest.mark.requirement("URS-67")
def test_a_refusal_is_recorded_with_its_words(trail, csv_file, tmp_path, capsys):
    (tmp_path / "raw.zarr").mkdir()
    (tmp_path / "raw.zarr" / "mine.txt").write_text("x")
    assert run("import", csv_file, "--to", tmp_path / "raw.zarr") == 2
    entry = last(trail)
    assert (entry.new["outcome"], entry.new["exit_code"]) == ("refused", 2)
    assert capsys.readouterr().err == f"pat: {entry.new['message']}\n"


def test_a_missing_file_is_recorded_as_the_user_was_told(trail, tmp_path, capsys):
    assert run("import", tmp_path / "none.csv", "--to", tmp_path / "raw.zarr") == 2
    assert last(trail).new["message"] in capsys.readouterr().err


@pytest.mark.requirement("URS-67")
def test_an_artefact_that_is_refused_is_recorded(trail, demo_artefact, csv_file):
    assert run("score", demo_artefact, csv_file) == 1
    entry = last(trail)
    assert (entry.action, entry.new["outcome"]) == ("score", "refused")
    assert "has not been released" in entry.new["message"]


@pytest.mark.requirement("URS-65")
def test_score_records_every_batch(trail, demo_artefact, csv_file, capsys):
    assert run("score", demo_artefact, csv_file, "--allow-unreleased", "--json") == 0
    scored = json.loads(capsys.readouterr().out)
    entries = list(trail.entries())
    for number, batch in enumerate(scored["batches"], start=1):
        mine = [entry for entry in entries if entry.run == number]
        changes = [entry.new for entry in mine if entry.action == CHANGED]
        assert (mine[0].action, mine[0].object["id"], mine[0].artefact) == (OPENED, batch["batch"], scored["artefact"])
        assert changes[:-1] == batch["transitions"]
        assert (changes[-1]["after"], changes[-1]["reason"]) == ("DONE", "end of the readings")
        assert mine[-1].action == CLOSED
    assert verify(trail.path).open_runs == {}
    assert (entries[-1].action, entries[-1].artefact) == ("score", scored["artefact"])


def test_score_without_a_rule_records_its_batches_too(trail, csv_file, tmp_path):
    simulated.write_artefact(tmp_path / "predicts", simulated.make_content(rule=None))
    assert run("score", tmp_path / "predicts", csv_file, "--allow-unreleased") == 0
    assert [entry.action for entry in trail.entries() if entry.run == 2] == [OPENED, CLOSED]


@pytest.mark.requirement("URS-63")
@pytest.mark.parametrize("how", ["folder", "altered", "forbidden"])
def test_nothing_is_done_that_could_not_be_recorded(how, trail, csv_file, tmp_path, monkeypatch, capsys):
    if how == "folder":
        trail.path.mkdir(parents=True)
    elif how == "altered":
        trail.record("note", kind="test", id="x")
        trail.path.write_bytes(trail.path.read_bytes().replace(b'"note"', b'"gone"'))
    else:
        (tmp_path / "file").write_text("no folder can be made here")
        monkeypatch.setenv("PAT_TRAIL", str(tmp_path / "file" / "trail.jsonl"))
    assert run("import", csv_file, "--to", tmp_path / "raw.zarr") == 1
    assert "audit trail" in capsys.readouterr().err
    assert not (tmp_path / "raw.zarr").exists()


def test_work_that_broke_is_recorded_too(trail):
    endings = [
        (RuntimeError("a bug"), ("failed", 1, "RuntimeError: a bug")),
        (Refusal("no"), ("refused", 1, "no")),
        (SystemExit(3), ("no", 3, "")),
        (SystemExit(), ("done", 0, "")),
    ]
    for error, expected in endings:
        with pytest.raises(type(error)), recorded("work", kind="test", id="x", arguments=[]):
            raise error
        said = last(trail).new
        assert (said["outcome"], said["exit_code"], said["message"]) == expected


def test_work_whose_entry_is_lost_at_the_end_says_so(trail):
    def lose() -> None:
        with recorded("work", kind="test", id="x", arguments=[]):
            trail.path.unlink()
            trail.path.mkdir()

    with pytest.raises(TrailError, match="it was done, but that could not be recorded"):
        lose()


def test_secrets_are_left_out(trail, monkeypatch):
    def arguments(parser):
        for name in ("--passphrase-file", "--passphrase", "--data"):
            parser.add_argument(name)

    command = Command("work", "Test", arguments, lambda args: Outcome({"digest": "short"}, ""), records=True)
    monkeypatch.setattr(cli, "COMMANDS", (command,))
    url = "s3://me:secret@host/raw.zarr?token=secret"
    assert run("work", "--passphrase", "secret", "--passphrase-file", "secret.txt", "--data", url) == 0
    entry = last(trail)
    assert "secret" not in entry.line.decode()
    assert entry.new["arguments"] == {"data": "s3://host/raw.zarr?..."}
    assert entry.new["digests"] == {}


@pytest.mark.requirement("URS-60")
def test_thousands_of_files_are_no_reason_to_lose_the_entry(trail):
    with recorded("work", kind="test", id="x" * 10**5, arguments=[f"spectra/{i}.csv" for i in range(10_000)]) as work:
        work.reason = "é" * 10**5
    said = last(trail).new["arguments"]
    assert said["shortened"].startswith('["spectra/0.csv",')
    assert said["bytes"] == len(json.dumps([f"spectra/{i}.csv" for i in range(10_000)], separators=(",", ":")))


def test_every_command_that_makes_something_is_recorded():
    makes = {
        "import", "register", "calibrate", "validate", "export", "report", "search", "score", "transfer", "retrain",
        "promote", "approve", "release", "revoke", "key new", "trust init", "trust grant", "trust withdraw",
        "trust renew", "audit export", "audit anchor",
    }  # fmt: skip
    assert {command.name for command in cli.COMMANDS if command.records} >= makes


@pytest.mark.requirement("URS-63")
def test_there_is_no_switch(monkeypatch):
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "pat" / "audit").glob("*.py"))
    assert text.count("os.environ") == 2  # where the trail lies: PAT_TRAIL and XDG_STATE_HOME


@pytest.mark.requirement("URS-60")
def test_a_stage_of_the_pipeline_is_recorded(trail, tmp_path, csv_file):
    lines = ["batch,role", "B-1,accepted", "B-2,accepted"]
    (tmp_path / "batches.csv").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "pipelines.import_spectra", str(tmp_path / "batches.csv")]
    command += [str(tmp_path / "raw.zarr"), str(csv_file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    entry = last(trail)
    assert (entry.action, entry.object["kind"]) == ("import_spectra", "stage")
    assert entry.new["exit_code"] == done.returncode
    if done.returncode == 0:
        assert entry.new["digests"]["sha256"] in done.stdout
    else:
        assert entry.new["message"] in done.stderr


def test_audit_show_lists_the_last_entries(trail, capsys):
    for i in range(30):
        trail.record("note" if i % 2 else "other", kind="test", id=f"thing {i}")
    assert run("audit", "show", "--last", 3, "--action", "note") == 0
    text = capsys.readouterr().out
    assert [f"thing {i}" in text for i in (23, 25, 27, 29)] == [False, True, True, True]
    assert max(map(len, text.splitlines()[1:])) <= WIDTH  # the first line has the trail's path
    assert run("audit", "show", "--last", 0, "--about", "thing 2", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["shown"]) == 11  # 2, and 20 to 29


def test_audit_verify_export_anchor_and_which(trail, demo_artefact, csv_file, tmp_path, monkeypatch, capsys):
    key, trust = recorder(tmp_path / "trust")
    key.save(tmp_path / "recorder.key", PASSPHRASE)
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    assert run("score", demo_artefact, csv_file, "--allow-unreleased") == 0
    signing = ("--key", tmp_path / "recorder.key", "--passphrase-file", tmp_path / "passphrase")
    assert run("audit", "anchor", "--to", tmp_path / "heads", *signing) == 0
    anchored = ("--anchors", tmp_path / "heads", "--trust", tmp_path / "trust")
    capsys.readouterr()
    assert run("audit", "verify", *anchored, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["holds"], found["anchors"], found["not_anchored"]) == (True, 1, 1)  # that of `audit anchor` itself
    for kind in ("html", "csv", "json"):
        assert run("audit", "export", "--to", tmp_path / f"trail.{kind}", *anchored) == 0
        assert (tmp_path / f"trail.{kind}").stat().st_size > 1000
    assert run("audit", "export", "--to", tmp_path / "trail.json") == 2  # a copy is never overwritten
    capsys.readouterr()
    assert run("audit", "which", "B-2", "--json") == 0
    (scored,) = json.loads(capsys.readouterr().out)["runs"]
    assert (scored["artefact"], scored["outcome"]) == (found_digest(demo_artefact), "closed")
    assert run("audit", "which", "--day", "2026-03-01") == 0
    assert "No artefact was champion or released" in capsys.readouterr().out
    assert run("audit", "which") == 2
    trail.path.write_bytes(trail.path.read_bytes().replace(b'"B-1"', b'"B-9"', 1))
    capsys.readouterr()
    assert run("audit", "verify") == 1
    text = capsys.readouterr().out
    assert "does NOT hold: entry 2 (line 2) was altered" in " ".join(text.split())
    assert max(map(len, text.splitlines()), default=0) <= max(WIDTH, len(str(trail.path)) + 20)
    assert run("audit", "which", "B-2") == 1
    assert run("audit", "anchor", "--to", tmp_path / "heads", *signing) == 1  # nobody signs a trail that does not hold


def found_digest(folder: Path) -> str:
    return str(json.loads((folder / "manifest.json").read_bytes())["digest"])
