"""``pat key``, ``trust``, ``approve``, ``release``, ``revoke``, and what ``verify`` and ``score`` say of a release."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pat import artefact, cli
from pat.cli.framework import WIDTH
from pat.trust import times
from tests import simulated
from tests.site import PASSPHRASE
from tests.wide_csv import write_csv

PRODUCT = "Two powders (simulated)"
PEOPLE = {
    "anna": ("a.muster", "Anna Muster", "author"),
    "ben": ("b.beispiel", "Ben Beispiel", "reviewer"),
    "carla": ("c.cetera", "Carla Cetera", "approver"),
}


def pat(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, demo_artefact: Path) -> Path:
    """A folder with a site's keys and trust, made by the commands, and a copy of the artefact in ``model``."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "passphrase").write_text(f"{PASSPHRASE}\n")
    given = ("--passphrase-file", folder / "passphrase")
    for name in ("root", *PEOPLE):
        assert pat("key", "new", folder / f"{name}.key", *given) == 0
    root = ("--root-key", folder / "root.key", *given)
    assert pat("trust", "init", folder / "trust", *root, "--next-due", "2099-01-01") == 0
    for name, (person, printed, role) in PEOPLE.items():
        named = ("--person", person, "--name", printed, "--role", role, "--until", "2100-01-01")
        trust = ("--trust", folder / "trust")
        assert pat("trust", "grant", folder / f"{name}.key.pub", *named, *root, *trust) == 0
    shutil.copytree(demo_artefact, folder / "model" / "artefact")
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder for one test, and a user who has seen no other."""
    monkeypatch.setenv("PAT_PASSPHRASE_FILE", str(tmp_path / "place" / "passphrase"))
    monkeypatch.setenv("PAT_TRUST", str(tmp_path / "place" / "trust"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Path(shutil.copytree(made, tmp_path / "place"))


def approve(place: Path, name: str, role: str | None = None) -> int:
    return pat("approve", place / "model/artefact", "--as", role or PEOPLE[name][2], "--key", place / f"{name}.key")


def release(place: Path, *more: object) -> int:
    return pat("release", place / "model/artefact", "--key", place / "carla.key", "--until", "2099-12-31", *more)


@pytest.fixture
def released(place: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    for name in PEOPLE:
        assert approve(place, name) == 0
    assert release(place, "--instrument", "NIR-1") == 0
    capsys.readouterr()
    return place / "model" / "released" / artefact.read(place / "model/artefact").content.digest


@pytest.fixture
def spectra(tmp_path: Path) -> Path:
    write_csv(tmp_path / "spectra.csv", {"B-1": simulated.settled(60, seed=2)})
    return tmp_path / "spectra.csv"


def test_from_a_key_to_a_scored_batch(released, spectra, capsys):
    used = ("--instrument", "NIR-1", "--product", PRODUCT)
    assert pat("score", released, spectra, *used, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["unreleased"] is False
    assert {reading["unreleased"] for reading in document["batches"][0]["readings"]} == {False}
    assert document["release"]["valid_until"] == "2099-12-31T00:00:00Z"
    assert pat("score", released, spectra, *used) == 0
    text = capsys.readouterr().out
    assert "has not been released" not in text
    assert "batch B-1: end-point at revolution" in text
    # Without the release, by an explicit word, the same numbers are exploration.
    assert pat("score", released, spectra, "--allow-unreleased", "--json") == 0
    explored = json.loads(capsys.readouterr().out)
    assert explored["unreleased"] is True
    assert explored["release"] is None
    for one, other in zip(explored["batches"][0]["readings"], document["batches"][0]["readings"], strict=True):
        assert one | {"unreleased": False} == other


@pytest.mark.requirement("URS-51")
@pytest.mark.parametrize("command", ["verify", "score"])
def test_printed_name_time_and_meaning_of_every_signature_are_shown(command, released, spectra, capsys):
    """21 CFR 11.50 (a) and (b): in the display and in the print of the signed record."""
    argv = [command, released, *([spectra] if command == "score" else []), "--instrument", "NIR-1"]
    assert pat(*argv, "--json") == 0
    signatures = json.loads(capsys.readouterr().out)["release"]["signatures"]
    assert [said["meaning"] for said in signatures] == ["authorship", "review", "approval", "release"]
    assert pat(*argv) == 0
    text = capsys.readouterr().out
    for said in signatures:
        (line,) = [line for line in text.splitlines() if f" {said['meaning']} " in line and said["time"] in line]
        assert line.startswith(said["printed_name"])
    assert max(map(len, text.splitlines())) <= max(WIDTH, len(f"artefact        {released}"))


def test_verify_says_whether_it_is_released(released, place, capsys):
    assert pat("verify", released, "--instrument", "NIR-1", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["released"], document["known_blend_readings"]) == (True, 80)
    assert pat("verify", released, "--instrument", "NIR-1") == 0
    assert "released        yes, for use until 2099-12-31T00:00:00Z" in capsys.readouterr().out
    assert pat("verify", place / "model/artefact") == 0
    text = capsys.readouterr().out
    assert "released        no, for exploration alone" in text
    assert "signed by" not in text


def test_a_stale_list_of_revocations_is_printed(released, monkeypatch, capsys):
    monkeypatch.setattr(times, "now", lambda: "2099-06-01T00:00:00Z")
    assert pat("verify", released, "--instrument", "NIR-1") == 0
    assert "Beware: the list of revocations (number 1" in capsys.readouterr().out
    assert pat("trust", "show") == 0
    assert "Beware: the list of revocations (number 1" in capsys.readouterr().out


def _refused(capsys: pytest.CaptureFixture[str], code: int, words: str) -> None:
    captured = capsys.readouterr()
    assert code != 0
    assert words in captured.err, captured.err
    assert captured.err.startswith("pat: ")


@pytest.mark.parametrize("command", ["verify", "score"])
@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "instrument not named, it was released for NIR-1 alone"),
        (["--instrument", "NIR-2"], "wrong instrument, it was released for NIR-1, got NIR-2"),
        (["--instrument", "NIR-1", "--product", "Other"], "wrong product, it was released for"),
        (["--instrument", "NIR-1", "--trust", "/nowhere"], "/nowhere: no folder of trust"),
    ],
)
def test_what_it_is_not_released_for(command, more, words, released, spectra, capsys):
    code = pat(command, released, *([spectra] if command == "score" else []), *more)
    _refused(capsys, code, words)
    assert code == 1


def test_expired_revoked_and_a_revoked_key(released, place, monkeypatch, capsys):
    use = ("verify", released, "--instrument", "NIR-1")
    with monkeypatch.context() as patch:
        patch.setattr(times, "now", lambda: "2099-12-31T00:00:00Z")
        _refused(capsys, pat(*use), "expired, it was released for use until 2099-12-31T00:00:00Z")
    root = ("--root-key", place / "root.key", "--comment", "lost on a train")
    assert pat("trust", "show", "--json") == 0
    keys = json.loads(capsys.readouterr().out)["keys"]["keys"]
    (ben,) = [key["id"] for key in keys if key["person"] == "b.beispiel"]
    assert pat("trust", "withdraw", ben, "--reason", "compromised", *root) == 0
    assert "number 2" in capsys.readouterr().out
    _refused(capsys, pat(*use), f"key {ben} was revoked as of")
    assert pat("revoke", released, *root) == 0
    assert released.name in capsys.readouterr().out
    _refused(capsys, pat("revoke", released.name, *root), "was revoked before")
    assert pat("trust", "show") == 0
    text = capsys.readouterr().out
    assert f"artefact {released.name}\n  withdrawn as of " in text
    assert f"key {ben}\n  compromised as of " in text
    assert ": lost on a train" in text


def test_a_revoked_artefact(released, place, capsys):
    assert pat("revoke", released.name, "--root-key", place / "root.key", "--comment", "biased") == 0
    capsys.readouterr()
    _refused(capsys, pat("verify", released, "--instrument", "NIR-1"), "revoked as of")


@pytest.mark.requirement("URS-55")
def test_the_order_of_steps_and_who_may_take_them(place, capsys):
    _refused(capsys, approve(place, "ben"), "must have been signed by its author, and it has not")
    assert approve(place, "anna") == 0
    assert "Anna Muster  authorship" in capsys.readouterr().out
    _refused(capsys, approve(place, "anna", "reviewer"), "is for author, and not for reviewer")
    _refused(capsys, approve(place, "carla"), "must have been reviewed, and it has not")
    _refused(capsys, release(place), "must have been approved, and it has not")
    assert approve(place, "ben") == 0
    assert approve(place, "carla") == 0
    capsys.readouterr()
    assert release(place) == 0
    assert "instruments  any" in capsys.readouterr().out
    assert release(place) == 0  # the same again
    _refused(capsys, release(place, "--instrument", "NIR-2"), "released before")


@pytest.mark.requirement("URS-53")
def test_an_author_with_every_role_approves_nothing(place, capsys):
    named = ("--person", "d.dehn", "--name", "Dora Dehn", "--until", "2100-01-01")
    roles = ("--role", "author", "--role", "reviewer", "--role", "approver")
    assert pat("key", "new", place / "dora.key") == 0
    root = ("--root-key", place / "root.key")
    assert pat("trust", "grant", place / "dora.key.pub", *named, *roles, *root) == 0
    assert approve(place, "dora", "author") == 0
    assert approve(place, "ben") == 0
    capsys.readouterr()
    _refused(
        capsys, approve(place, "dora", "approver"), "Dora Dehn is the author: an author can neither review, approve"
    )


def test_nobody_signs_an_artefact_that_gives_other_readings(place, content, capsys):
    """Every hash fits, and the known blend comes out otherwise here."""
    known: Any = simulated.known_blend(content)
    simulated.write_artefact(place / "model/artefact", content, known_blend=known | {"mbsd": 2.0 * known["mbsd"]})
    _refused(capsys, approve(place, "anna"), "known blend's mbsd")
    assert not (place / "model/approvals").exists()


@pytest.mark.requirement("URS-54")
def test_a_wrong_passphrase_and_a_wrong_root_key(place, monkeypatch, capsys):
    (place / "wrong").write_text("not the passphrase\n")
    argv = ("approve", place / "model/artefact", "--as", "author", "--key", place / "anna.key")
    _refused(capsys, pat(*argv, "--passphrase-file", place / "wrong"), "anna.key: wrong passphrase")
    (place / "wrong").write_text("\n")
    _refused(
        capsys, pat(*argv, "--passphrase-file", place / "wrong"), "expected a passphrase in the first line, got none"
    )
    _refused(
        capsys, pat("trust", "renew", "--next-due", "2099-02-01", "--root-key", place / "anna.key"), "the root's is"
    )
    assert pat("trust", "renew", "--next-due", "2099-02-01", "--root-key", place / "root.key") == 0
    monkeypatch.delenv("PAT_PASSPHRASE_FILE")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    capsys.readouterr()
    _refused(capsys, pat(*argv), "no terminal to ask for the passphrase of")


def test_a_person_is_asked_for_a_new_passphrase_twice(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("PAT_PASSPHRASE_FILE", raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    typed = iter([PASSPHRASE, "something else", PASSPHRASE, PASSPHRASE])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    _refused(capsys, pat("key", "new", tmp_path / "x.key"), "the two passphrases differ")
    assert not (tmp_path / "x.key").exists()
    assert pat("key", "new", tmp_path / "x.key") == 0
    assert (tmp_path / "x.key").is_file()
    assert PASSPHRASE not in capsys.readouterr().out


def test_a_date_that_is_none(place, capsys):
    assert pat("release", place / "model/artefact", "--key", place / "carla.key", "--until", "31.12.2099") == 2
    assert "expected a date (UTC)" in capsys.readouterr().err


@pytest.mark.requirement("URS-60", "URS-67")
def test_what_was_done_and_what_was_refused_is_in_the_audit_trail(place, tmp_path, monkeypatch, capsys):
    """Every refusal that the issue names, each with its own message, by the trail itself."""
    monkeypatch.setenv("PAT_TRAIL", str(tmp_path / "own" / "trail.jsonl"))
    (place / "wrong").write_text("not the passphrase\n")
    key = ("--as", "author", "--key", place / "anna.key")
    assert approve(place, "ben") == 1
    assert pat("approve", place / "model/artefact", *key, "--passphrase-file", place / "wrong") == 1
    assert approve(place, "anna") == 0
    assert release(place) == 1
    entries = [json.loads(line) for line in (tmp_path / "own" / "trail.jsonl").read_text().splitlines()]
    said = [json.dumps(entry) for entry in entries if entry["action"] in ("approve", "release")]
    assert len(said) == 4
    for text, words in zip(
        said, ("signed by its author, and it has not", "wrong passphrase", "a.muster", "approved"), strict=True
    ):
        assert words in text
        assert PASSPHRASE not in text


def test_each_refusal_that_a_line_may_meet_is_in_the_audit_trail(
    released, place, spectra, tmp_path, monkeypatch, capsys
):
    """Expired, another product, a pasted signature, a revoked key, a revoked artefact: by its own message, recorded."""
    trail = tmp_path / "own" / "trail.jsonl"
    monkeypatch.setenv("PAT_TRAIL", str(trail))
    root = ("--root-key", place / "root.key", "--comment", "lost")
    ben = json.loads(next((released / "approvals").glob("review-*")).read_bytes())["document"]["key_id"]
    (review,), (approval,) = ((released / "approvals").glob(f"{meaning}-*") for meaning in ("review", "approval"))
    whole = review.read_bytes()

    def refused(words: str, *more: object) -> None:
        """Score, and find the refusal in the trail's last entry."""
        assert pat("score", released, spectra, "--instrument", "NIR-1", *more) == 1
        assert words in capsys.readouterr().err
        last = json.loads(trail.read_text().splitlines()[-1])
        assert last["action"] == "score"
        assert words in json.dumps(last)

    with monkeypatch.context() as patch:
        patch.setattr(times, "now", lambda: "2100-01-01T00:00:00Z")
        refused("expired, it was released for use until")
    refused("wrong product, it was released for", "--product", "Other")
    review.write_bytes(approval.read_bytes())
    refused("altered or damaged since the release")
    review.write_bytes(whole)
    assert pat("trust", "withdraw", ben, "--reason", "compromised", *root) == 0
    refused(f"key {ben} was revoked as of")
    assert pat("score", place / "model/artefact", spectra) == 1
    assert "has not been released" in trail.read_text()
