"""Validate, author, review, approve, release: each step is refused with its own message where it is not due."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pat import artefact, release
from pat.errors import ArtefactError, InputError, Refusal, TrustError
from pat.release.approving import approvals_folder
from pat.scorer import Scorer
from pat.trust import PrivateKey, times
from tests import tiny
from tests.site import BEGIN, END


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.requirement("URS-51", "URS-55")
def test_the_whole_way_from_an_artefact_to_a_reading(site, folder):
    digest = artefact.read(folder).content.digest
    placed = site.released(folder, instruments=["NIR-2", "NIR-1", "NIR-1"], comment="for line 3")
    assert placed == folder.parent / "released" / digest
    assert _files(placed / "artefact") == _files(folder)
    assert _files(placed / "approvals") == _files(folder.parent / "approvals" / digest)
    scorer = Scorer.load(placed, trust=site.trust, product=tiny.PRODUCT, instrument="NIR-1")
    assert scorer.release is not None
    assert not scorer.unreleased
    assert scorer.release.instruments == ("NIR-1", "NIR-2")
    assert [(said.meaning, said.printed_name, said.role) for said in scorer.release.signatures] == [
        ("authorship", "Anna Muster", "author"),
        ("review", "Ben Beispiel", "reviewer"),
        ("approval", "Carla Cetera", "approver"),
        ("release", "Carla Cetera", "approver"),
    ]
    for said in scorer.release.signatures:
        assert (said.digest, said.manifest_sha256) == (digest, artefact.read(folder).manifest_sha256)
        times.parse(said.time)
    assert json.loads(json.dumps(scorer.release.to_dict()))["valid_until"] == END
    assert scorer.predict(tiny.spectra([10.0], 9)).value[0] == pytest.approx(10.0, abs=0.5)


@pytest.mark.requirement("URS-52")
def test_a_signature_covers_the_very_bytes_of_the_manifest(site, folder):
    """By hand: SHA-256 of the file, which no function of this package has read."""
    import hashlib

    said = site.sign(folder, "author")
    assert said.manifest_sha256 == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


@pytest.mark.requirement("URS-55")
@pytest.mark.parametrize(
    ("done", "next_", "words"),
    [
        ([], "reviewer", "for review the artefact must have been signed by its author, and it has not"),
        ([], "approver", "for approval the artefact must have been reviewed, and it has not"),
        (["author"], "approver", "for approval the artefact must have been reviewed, and it has not"),
        ([], "release", "for release the artefact must have been approved, and it has not"),
        (["author"], "release", "for release the artefact must have been approved, and it has not"),
        (["author", "reviewer"], "release", "for release the artefact must have been approved, and it has not"),
        (["author"], "author", r"Anna Muster has signed this artefact already \(authorship\): a person signs"),
        (["author", "reviewer"], "reviewer", r"Ben Beispiel has signed this artefact already \(review\)"),
        (["author", "reviewer"], "author", "a signature of authorship comes too late: .* has been reviewed already"),
        (["author", "reviewer", "approver"], "reviewer", "of review comes too late: .* has been approved already"),
        (["author", "reviewer", "approver"], "approver", r"Carla Cetera has signed this artefact already \(approval\)"),
    ],
)
def test_a_step_that_is_not_due(site, folder, done, next_, words):
    for role in done:
        site.sign(folder, role)
    before = _files(folder.parent)
    with pytest.raises(Refusal, match=words):
        site.release(folder) if next_ == "release" else site.sign(folder, next_)
    assert _files(folder.parent) == before


@pytest.mark.requirement("URS-53")
@pytest.mark.parametrize("role", ["reviewer", "approver"])
def test_an_author_can_neither_review_nor_approve(site, folder, role):
    """With a key that has every role, and with a second key of the same person."""
    everything = site.grant("d.all", "Dora Dehn", ["author", "reviewer", "approver"])
    second = site.grant("d.all", "Dora Dehn", ["author", "reviewer", "approver"])
    site.sign(folder, "author", everything)
    if role == "approver":
        site.sign(folder, "reviewer")
    for key in (everything, second):
        with pytest.raises(Refusal, match="Dora Dehn is the author: an author can neither review, approve nor release"):
            site.sign(folder, role, key)


@pytest.mark.requirement("URS-53")
def test_neither_author_nor_reviewer_releases(site, folder):
    author = site.grant("d.all", "Dora Dehn", ["author", "approver"])
    reviewer = site.grant("e.all", "Emil Eder", ["reviewer", "approver"])
    site.sign(folder, "author", author)
    site.sign(folder, "reviewer", reviewer)
    site.sign(folder, "approver")
    for key, words in ((author, "Dora Dehn is the author"), (reviewer, r"Emil Eder has signed .* already \(review\)")):
        with pytest.raises(Refusal, match=words):
            release.release(folder, key, site.trust, valid_until=END)
    other = site.grant("f.other", "Franz Fux", ["approver"])
    assert release.release(folder, other, site.trust, valid_until=END).is_dir()


def test_several_may_author_and_review(site, folder):
    site.sign(folder, "author")
    site.sign(folder, "author", site.grant("d", "Dora Dehn", ["author"]))
    site.sign(folder, "reviewer")
    site.sign(folder, "reviewer", site.grant("e", "Emil Eder", ["reviewer"]))
    site.sign(folder, "approver")
    _, record = release.load(site.release(folder), trust=site.trust)
    assert [said.meaning for said in record.signatures] == ["authorship"] * 2 + ["review"] * 2 + ["approval", "release"]


@pytest.mark.requirement("URS-52")
def test_an_artefact_that_is_made_again_with_other_bytes_is_signed_anew(site, folder):
    """The same content digest, another report: what was signed before does not count, and does not stand in the way."""
    site.sign(folder, "author")
    site.sign(folder, "reviewer")
    old = artefact.read(folder)
    tiny.write(folder, report="<!doctype html><title>Another</title>")
    new = artefact.read(folder)
    assert old.content.digest == new.content.digest
    assert old.manifest_sha256 != new.manifest_sha256
    for role in ("reviewer", "approver"):
        with pytest.raises(
            Refusal, match=rf"of other bytes \(manifest {old.manifest_sha256}\): sign this artefact anew"
        ):
            site.sign(folder, role)
    site.approve(folder)
    placed = site.release(folder)
    assert len(list((placed / "approvals").iterdir())) == 3
    assert len(list(approvals_folder(folder.parent, new.content.digest).iterdir())) == 5
    assert Scorer.load(placed, trust=site.trust).digest == new.content.digest


@pytest.mark.requirement("URS-55")
def test_nobody_signs_what_was_not_validated(site, folder, tmp_path):
    cases = {"did not pass": {"passed": False}, "its validation was one of": {"passed": True, "digest": "0" * 64}}
    for words, validation in cases.items():
        tiny.write(tmp_path / "other" / "artefact", validation=validation)
        with pytest.raises(ArtefactError, match=words):
            site.sign(tmp_path / "other" / "artefact", "author")
    (folder / "arrays.npz").write_bytes(b"")
    with pytest.raises(ArtefactError, match=r"arrays\.npz"):
        site.sign(folder, "author")
    with pytest.raises(InputError, match="`role` must be author, reviewer or approver, got 'recorder'"):
        site.sign(tmp_path / "other" / "artefact", "recorder")


def test_a_key_signs_in_its_roles_while_it_is_valid(site, folder):
    with pytest.raises(TrustError, match="is for reviewer, and not for author"):
        site.sign(folder, "author", site.keys["reviewer"])
    with pytest.raises(TrustError, match="unknown key"):
        site.sign(folder, "author", PrivateKey.generate())
    late = site.grant("d", "Dora Dehn", ["author"], valid_until="2021-01-01T00:00:00Z")
    with pytest.raises(TrustError, match="and not at the time of the signature"):
        site.sign(folder, "author", late)
    site.withdraw(site.keys["author"], "retired", BEGIN)
    with pytest.raises(TrustError, match="was revoked as of"):
        site.sign(folder, "author")
    assert not (folder.parent / "approvals").exists()


def test_a_signature_that_counts_no_more_stops_the_way(site, folder):
    site.sign(folder, "author")
    site.withdraw(site.keys["author"], "compromised", times.now())
    with pytest.raises(TrustError, match=r"authorship-.*json: key .* was revoked"):
        site.sign(folder, "reviewer")


@pytest.mark.requirement("URS-52")
def test_a_signature_pasted_on_another_artefact_counts_for_nothing(site, folder, tmp_path):
    site.approve(folder)
    digest = artefact.read(folder).content.digest
    other = tmp_path / "other" / "artefact"
    tiny.write(other, tiny.make_content(version=2))
    own = artefact.read(other).content.digest
    shutil.copytree(approvals_folder(folder.parent, digest), approvals_folder(other.parent, own))
    with pytest.raises(
        TrustError, match=f"was made on artefact {digest}, and this one is {own}: it counts for no other"
    ):
        site.release(other)


def test_a_clock_that_was_put_back_signs_nothing(site, folder, monkeypatch):
    monkeypatch.setattr(times, "now", lambda: "2030-01-02T00:00:00Z")
    site.sign(folder, "author")
    trust = site.trust
    monkeypatch.setattr(times, "now", lambda: "2030-01-01T00:00:00Z")
    with pytest.raises(TrustError, match="the authorship by Anna Muster: signed at 2030-01-02T00:00:00Z"):
        release.sign(folder, site.keys["reviewer"], trust, role="reviewer")


# Append-only


def test_the_same_release_again_changes_nothing(site, folder):
    placed = site.released(folder, instruments=["NIR-1"])
    before = _files(placed)
    assert site.release(folder, instruments=["NIR-1"]) == placed
    assert _files(placed) == before


@pytest.mark.parametrize(
    "changed", [{"instruments": ["NIR-2"]}, {"instruments": []}, {"valid_until": "2099-01-01T00:00:00Z"}]
)
def test_another_release_of_the_same_digest_is_refused(site, folder, changed):
    placed = site.released(folder, instruments=["NIR-1"])
    before = _files(placed)
    with pytest.raises(
        Refusal, match="released before, at .* by Carla Cetera, and a release is never changed: revoke it"
    ):
        site.release(folder, **{"instruments": ["NIR-1"]} | changed)
    assert _files(placed) == before


def test_a_release_that_was_damaged_is_not_taken_for_the_same(site, folder):
    placed = site.released(folder)
    (placed / "artefact" / "report.html").write_text("x")
    with pytest.raises(ArtefactError, match=r"report\.html: altered or damaged"):
        site.release(folder)


def test_two_versions_stand_side_by_side(site, folder):
    first = site.released(folder)
    tiny.write(folder, tiny.make_content(version=2))
    second = site.released(folder)
    assert first.parent == second.parent
    for placed, version in ((first, 1), (second, 2)):
        assert Scorer.load(placed, trust=site.trust).document["version"] == version


def test_a_challenger_is_released_to_the_model_that_it_is_named(site, folder, tmp_path):
    inner = folder.parent / "challengers" / "abc" / "artefact"
    tiny.write(inner, tiny.make_content(version=2))
    site.approve(inner, home=folder.parent)
    placed = site.release(inner, home=folder.parent)
    assert placed.parent == folder.parent / "released"
    assert [path.name for path in inner.parent.iterdir()] == ["artefact"]


def test_what_a_release_cannot_say(site, folder):
    site.approve(folder)
    for until in (BEGIN, times.now()):
        with pytest.raises(InputError, match="`valid_until` must be later than now"):
            site.release(folder, valid_until=until)
    for wrong in ("NIR-1", [""], [1]):
        with pytest.raises(InputError, match="`instruments` must be names"):
            site.release(folder, instruments=wrong)
    with pytest.raises(InputError, match="must be plain JSON"):
        site.release(folder, source={"at": object()})
    assert not (folder.parent / "released").exists()


@pytest.mark.requirement("URS-82")
def test_source_and_trail_are_in_the_signed_record(site, folder):
    head = {"number": 7, "hash": "ab", "time": BEGIN}
    placed = site.released(folder, trail=head, source={"git_commit": "0" * 40})
    _, record = release.load(placed, trust=site.trust)
    assert (record.trail, record.source) == (head, {"git_commit": "0" * 40})
    assert record.trust == site.trust.numbers
