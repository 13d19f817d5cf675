"""A released folder: whatever is changed in it, removed from it, added to it or swapped is refused by name."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pat import artefact, release
from pat.errors import ArtefactError, TrustError
from pat.files import canonical_json, readable_json
from pat.scorer import Scorer
from pat.trust import PrivateKey, Trust
from tests import tiny
from tests.site import Site, make_site

# Signatures and the record are small: every bit of them; of the artefact one bit of every byte.
SIGNED = ("approvals", "release.json")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_site(tmp_path_factory.mktemp("site") / "trust")


@pytest.fixture(scope="module")
def released(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release, and beside it one of another version; read them, never change them."""
    folder = tmp_path_factory.mktemp("model") / "artefact"
    tiny.write(folder, tiny.make_content(version=2))
    site.released(folder)
    tiny.write(folder)
    return site.released(folder)


@pytest.fixture
def copy(released: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(released, tmp_path / "copy"))


def _other(released: Path) -> Path:
    """The release of the other version."""
    (other,) = (path for path in released.parent.iterdir() if path != released)
    return other


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _places(folder: Path) -> Iterator[tuple[Path, int, int]]:
    """File, byte and bit of everything that is to be flipped."""
    for path in _files(folder):
        signed = path.relative_to(folder).parts[0] in SIGNED
        for place in range(path.stat().st_size):
            yield from ((path, place, bit) for bit in (range(8) if signed else (place % 8,)))


def _flip_each(copy: Path, trust: Trust, places: list[tuple[Path, int, int]]) -> int:
    whole = {path: path.read_bytes() for path in _files(copy)}
    refused = 0
    for path, place, bit in places:
        damaged = bytearray(whole[path])
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        with pytest.raises(ArtefactError) as caught:
            Scorer.load(copy, trust=trust)
        assert path.name in str(caught.value), (path, place, bit, caught.value)
        refused += 1
        path.write_bytes(whole[path])
    Scorer.load(copy, trust=trust)
    return refused


@pytest.mark.requirement("URS-50")
def test_a_flipped_bit_anywhere_is_refused_with_the_file_named(copy, site):
    every = list(_places(copy))
    chosen = random.Random(5).sample(every, 400)
    for path in _files(copy):  # the ends of every file, and some bytes of every small one
        own = [place for place in every if place[0] == path]
        chosen += [own[0], own[-1], *random.Random(6).sample(own, 5)]
    assert _flip_each(copy, site.trust, chosen) == len(chosen)


@pytest.mark.requirement("URS-50")
@pytest.mark.slow
def test_every_single_byte_flipped_in_turn_is_refused_with_the_file_named(copy, site):
    """About 30,000 flips: every byte of the artefact, every bit of the record and of the signatures."""
    every = list(_places(copy))
    size = sum(path.stat().st_size for path in _files(copy))
    assert len({(path, place) for path, place, _ in every}) == size
    refused = _flip_each(copy, site.trust, every)
    print(f"{refused} flips in {size} bytes of {len(_files(copy))} files: refused every time, the file named")


@pytest.mark.parametrize("damage", ["removed", "empty", "cut", "longer", "a folder"])
def test_a_file_that_is_gone_or_cut_is_named(copy, site, damage):
    for path in _files(copy):
        data = path.read_bytes()
        path.unlink()
        if damage == "a folder":
            path.mkdir()
        elif damage != "removed":
            path.write_bytes({"empty": b"", "cut": data[:-1], "longer": data + b"\n"}[damage])
        with pytest.raises(ArtefactError) as caught:
            Scorer.load(copy, trust=site.trust)
        assert path.name in str(caught.value)
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.write_bytes(data)


@pytest.mark.parametrize("name", ["artefact", "approvals"])
def test_a_folder_that_is_gone_is_named(copy, site, name):
    shutil.rmtree(copy / name)
    with pytest.raises(ArtefactError, match=f"{name}: missing, and it was released"):
        Scorer.load(copy, trust=site.trust)


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "approvals/more.json", "approvals/.x", "artefact/model.pkl"])
def test_a_file_too_many_is_named(copy, site, name):
    (copy / name).write_text("{}")
    with pytest.raises(
        ArtefactError, match=r"no part of .*(notes|hidden|more|\.x|model)|(notes|hidden|more|\.x).*: no part"
    ):
        Scorer.load(copy, trust=site.trust)


@pytest.mark.requirement("URS-50")
def test_files_swapped_between_two_releases_are_named(copy, released, site):
    other = _other(released)
    for name, words in (
        ("arrays.npz", r"arrays\.npz: altered or damaged"),
        ("known_answers.npz", r"known_answers\.npz: altered or damaged"),
        ("manifest.json", "this signature was made on artefact"),
    ):
        path = copy / "artefact" / name
        whole = path.read_bytes()
        shutil.copy(other / "artefact" / name, path)
        with pytest.raises(ArtefactError, match=words):
            Scorer.load(copy, trust=site.trust)
        path.write_bytes(whole)
    shutil.rmtree(copy / "artefact")
    shutil.copytree(other / "artefact", copy / "artefact")
    with pytest.raises(TrustError, match=r"release\.json: this signature was made on artefact .*, and this one is"):
        Scorer.load(copy, trust=site.trust)


def test_the_record_of_another_release_is_refused(copy, released, site):
    shutil.copy(_other(released) / "release.json", copy / "release.json")
    with pytest.raises(ArtefactError, match=r"release\.json: this signature was made on artefact"):
        Scorer.load(copy, trust=site.trust)


@pytest.mark.requirement("URS-52")
def test_a_stolen_signature_under_this_release_s_name_is_refused(copy, released, site):
    for path in sorted((_other(released) / "approvals").iterdir()):
        meaning = path.name.partition("-")[0]
        (own,) = (copy / "approvals").glob(f"{meaning}-*.json")
        whole = own.read_bytes()
        own.write_bytes(path.read_bytes())
        with pytest.raises(TrustError, match=rf"{own.name}: altered or damaged since the release"):
            Scorer.load(copy, trust=site.trust)
        own.write_bytes(whole)


def _rehash(folder: Path, edit: Any) -> None:
    """Edit an artefact's manifest and make its own hash anew, as somebody without a key can."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    edit(manifest)
    manifest.pop("sha256")
    manifest["sha256"] = hashlib.sha256(canonical_json(manifest)).hexdigest()
    (folder / "manifest.json").write_text(readable_json(manifest), encoding="utf-8")


@pytest.mark.requirement("URS-50")
def test_a_manifest_hashed_anew_by_somebody_without_a_key_is_refused(copy, site):
    """The artefact is then whole in itself, known answers and all: the signatures alone tell."""
    report = b"<!doctype html><title>Everything is fine</title>"
    (copy / "artefact" / "report.html").write_bytes(report)
    _rehash(
        copy / "artefact",
        lambda m: m["files"].update(
            {"report.html": {"bytes": len(report), "sha256": hashlib.sha256(report).hexdigest()}}
        ),
    )
    assert Scorer.load(copy, allow_unreleased=True).unreleased
    with pytest.raises(ArtefactError, match=r"manifest\.json: altered since it was released, SHA-256 must be"):
        Scorer.load(copy, trust=site.trust)


def _resigned(copy: Path, key: PrivateKey, **changed: Any) -> None:
    """Change the record of a release and sign it with a key."""
    document = json.loads((copy / "release.json").read_bytes())["document"] | {"key_id": key.id} | changed
    (copy / "release.json").write_bytes(key.sign(document).render())


def test_a_record_signed_by_somebody_else_is_refused(copy, site):
    for key, words in (
        (PrivateKey.generate(), r"release\.json: unknown key"),
        (site.keys["author"], "is for author, and not for approver"),
        (site.root, "unknown key"),
        (site.grant("g", "Gerd Gans", ["approver"]), r"it names Carla Cetera \(c.cetera\), and key .* of Gerd Gans"),
    ):
        _resigned(copy, key)
        with pytest.raises(TrustError, match=words):
            Scorer.load(copy, trust=site.trust)


@pytest.mark.requirement("URS-53")
def test_an_approver_alone_makes_no_release(copy, site):
    """Whoever has the approver's key can sign a record, but not what it rests on."""
    key = site.keys["approver"]
    names = sorted(path.name for path in (copy / "approvals").iterdir())
    listed = {name: hashlib.sha256((copy / "approvals" / name).read_bytes()).hexdigest() for name in names}
    for gone, words in (
        ("authorship", "for review the artefact must have been signed by its author, and it has not"),
        ("review", "for approval the artefact must have been reviewed, and it has not"),
        ("approval", "for release the artefact must have been approved, and it has not"),
    ):
        (path,) = (copy / "approvals").glob(f"{gone}-*")
        data = path.read_bytes()
        path.unlink()
        _resigned(copy, key, signatures={name: value for name, value in listed.items() if name != path.name})
        with pytest.raises(ArtefactError, match=words):
            Scorer.load(copy, trust=site.trust)
        path.write_bytes(data)
    _resigned(copy, key, signatures={})
    with pytest.raises(ArtefactError, match="no part of what was released"):
        Scorer.load(copy, trust=site.trust)


def test_steps_in_another_order_of_time_make_no_release(copy, site):
    """A release dated before the approval that it rests on."""
    _resigned(copy, site.keys["approver"], time="2025-01-01T00:00:00Z")
    with pytest.raises(
        ArtefactError, match=r"the release by Carla Cetera is of 2025-01-01T00:00:00Z, and the .* rests on"
    ):
        Scorer.load(copy, trust=site.trust)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"version": "1"}, "a value is not what a release has there"),
        ({"instruments": "NIR-1"}, "a value is not what a release has there"),
        ({"instruments": [1]}, "a value is not what a release has there"),
        ({"signatures": []}, "a value is not what a release has there"),
        ({"trust": {}}, "a value is not what a release has there"),
        ({"trail": 1}, "a value is not what a release has there"),
        ({"valid_until": "never"}, "a time must be UTC"),
        ({"time": "now"}, "a time must be UTC"),
        ({"meaning": "approval"}, "expected a release by an approver, got approval"),
        ({"format": "pat-signature/1"}, "format must be pat-release/1"),
        ({"more": 1}, "expected the fields"),
    ],
)
def test_a_record_that_does_not_hold_together(copy, site, changed, words):
    _resigned(copy, site.keys["approver"], **changed)
    with pytest.raises(TrustError, match=words):
        Scorer.load(copy, trust=site.trust)


def test_a_signature_in_another_form_is_refused(copy, site):
    """An approver lists a document that is signed, but is no signature of this artefact."""
    (path,) = (copy / "approvals").glob("review-*")
    key = site.keys["reviewer"]
    said = json.loads(path.read_bytes())["document"]
    listed = json.loads((copy / "release.json").read_bytes())["document"]["signatures"]
    for changed, words in (
        ({"manifest_sha256": "0" * 64}, "a signature of other bytes"),
        ({"digest": "0" * 64}, "was made on artefact 0000"),
        ({"printed_name": "Ben B."}, r"it names Ben B. \(b.beispiel\), and key .* is that of Ben Beispiel"),
        ({"person": "a.muster"}, "it names Ben Beispiel"),
        ({"role": "approver"}, "a meaning of"),
        ({"meaning": "approval", "role": "approver"}, "is for reviewer, and not for approver"),
        ({"comment": 1}, "expected texts"),
        ({"format": "pat-release/1"}, "format must be pat-signature/1"),
    ):
        data = key.sign(said | changed).render()
        path.write_bytes(data)
        _resigned(copy, site.keys["approver"], signatures=listed | {path.name: hashlib.sha256(data).hexdigest()})
        with pytest.raises(TrustError, match=words):
            Scorer.load(copy, trust=site.trust)


@pytest.mark.requirement("URS-56")
def test_a_key_inside_a_release_counts_for_nothing(copy, site, tmp_path):
    """A whole release by a site of its own, its folder of trust in the artefact or beside it."""
    foreign = make_site(tmp_path / "foreign")
    tiny.write(tmp_path / "model" / "artefact")
    placed = foreign.released(tmp_path / "model" / "artefact")
    with pytest.raises(TrustError, match=f"made under root {foreign.root.id}, this site's is {site.root.id}"):
        Scorer.load(placed, trust=site.trust)
    shutil.copytree(foreign.folder, copy / "trust")
    with pytest.raises(ArtefactError, match="trust: no part of what was released"):
        Scorer.load(copy, trust=site.trust)


def test_a_plain_artefact_is_none_that_was_released(released, site):
    for path in (released / "artefact", released.parents[1] / "artefact"):
        with pytest.raises(ArtefactError, match=r"has not been released \(release.json is missing\)"):
            Scorer.load(path, trust=site.trust)
    assert release.is_released(released)
    assert not release.is_released(released / "artefact")
    assert artefact.read(released / "artefact").content.digest == released.name
