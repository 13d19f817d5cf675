"""The folder of trust: each way in which a signature or a list may not hold has its own message."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pat.errors import InputError, TrustError
from pat.trust import PrivateKey, Revocation, Trust, default_folder, root, times
from tests.site import BEGIN, DUE, END, Site, make_site

WHEN = "2025-06-01T12:00:00Z"
DOCUMENT = {"format": "x/1", "time": WHEN}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "trust")


def _at(monkeypatch: pytest.MonkeyPatch, time: str) -> None:
    monkeypatch.setattr(times, "now", lambda: time)


def _resign(site: Site, name: str, **changed: Any) -> None:
    """Change a list and sign it anew by the root."""
    path = site.folder / name
    document = json.loads(path.read_bytes())["document"] | changed
    path.write_bytes(site.root.sign(document).render())


@pytest.mark.requirement("URS-56")
def test_a_signature_by_a_known_key_names_its_person(site):
    made = site.keys["author"].sign(DOCUMENT)
    signer = site.trust.verify(made, role="author")
    assert (signer.person, signer.name, signer.role) == ("a.muster", "Anna Muster", "author")
    assert signer.key_id == site.keys["author"].id
    assert site.trust.verify(made.envelope(), role="author", at=WHEN) == signer
    assert site.trust.verify(json.loads(made.render()), role="author") == signer


def test_an_unknown_key(site):
    with pytest.raises(TrustError, match="unknown key .* not in number 5 of .*keys.json"):
        site.trust.verify(PrivateKey.generate().sign(DOCUMENT), role="author")


def test_the_root_key_signs_no_artefact(site):
    with pytest.raises(TrustError, match="unknown key"):
        site.trust.verify(site.root.sign(DOCUMENT), role="author")
    with pytest.raises(InputError, match="root key signs keys and revocations alone"):
        root.grant(
            site.folder, site.root, site.root.public,
            person="x", printed_name="X", roles=("author",), valid_from=BEGIN, valid_until=END,
        )  # fmt: skip


def test_a_wrong_role(site):
    made = site.keys["author"].sign(DOCUMENT)
    with pytest.raises(TrustError, match="of Anna Muster is for author, and not for approver"):
        site.trust.verify(made, role="approver")


@pytest.mark.parametrize("time", ["2023-12-31T23:59:59Z", "2025-01-01T00:00:00Z", "2030-01-01T00:00:00Z"])
def test_a_key_that_was_not_valid_at_that_time(site, time):
    key = site.grant("d", "D", ["author"], valid_from="2024-01-01T00:00:00Z", valid_until="2025-01-01T00:00:00Z")
    for inside in ("2024-01-01T00:00:00Z", "2024-12-31T23:59:59Z"):
        assert site.trust.verify(key.sign({"time": inside}), role="author").person == "d"
    with pytest.raises(TrustError, match="valid from 2024-01-01T00:00:00Z until 2025-01-01T00:00:00Z, and not at the"):
        site.trust.verify(key.sign({"time": time}), role="author")


def test_a_time_that_is_none(site):
    with pytest.raises(TrustError, match="a time must be UTC"):
        site.trust.verify(site.keys["author"].sign({"format": "x"}), role="author")


@pytest.mark.requirement("URS-56")
def test_a_key_that_may_have_been_stolen_counts_for_nothing_ever(site):
    site.withdraw(site.keys["author"], "compromised", "2025-12-01T00:00:00Z")
    for time in ("2020-01-02T00:00:00Z", WHEN, "2025-12-02T00:00:00Z"):
        with pytest.raises(TrustError, match=r"revoked as of 2025-12-01.*compromised: lost.*no signature of it counts"):
            site.trust.verify(site.keys["author"].sign({"time": time}), role="author")


def test_a_retired_key_s_older_signatures_stay(site):
    site.withdraw(site.keys["author"], "retired", "2025-12-01T00:00:00Z")
    assert site.trust.verify(site.keys["author"].sign({"time": "2025-11-30T23:59:59Z"}), role="author")
    for time in ("2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"):
        with pytest.raises(TrustError, match=r"revoked as of 2025-12-01.*retired: lost.*nothing later counts"):
            site.trust.verify(site.keys["author"].sign({"time": time}), role="author")
    # It turns out later that it was stolen after all.
    site.withdraw(site.keys["author"], "compromised", "2025-12-01T00:00:00Z")
    with pytest.raises(TrustError, match="compromised"):
        site.trust.verify(site.keys["author"].sign({"time": "2025-11-30T23:59:59Z"}), role="author")


def test_an_altered_document(site):
    made = site.keys["author"].sign(DOCUMENT).envelope()
    with pytest.raises(TrustError, match="altered, or never signed"):
        site.trust.verify(made | {"document": DOCUMENT | {"time": "2025-06-02T12:00:00Z"}}, role="author")


def test_no_folder_of_trust_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(
        TrustError, match=r"no folder of trust, root\.json is missing; name one with --trust or PAT_TRUST"
    ):
        Trust.load(tmp_path)
    monkeypatch.setenv("PAT_TRUST", str(tmp_path / "there"))
    assert default_folder() == tmp_path / "there"
    monkeypatch.delenv("PAT_TRUST")
    assert default_folder().parts[-2:] == ("pat", "trust")


@pytest.mark.parametrize("name", ["root.json", "keys.json", "revocations.json"])
def test_every_byte_of_the_lists_counts(site, name):
    site.withdraw(site.keys["author"], "retired", WHEN)
    path = site.folder / name
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(TrustError, match=name.replace(".", r"\.")):
            Trust.load(site.folder)
    path.unlink()
    with pytest.raises(TrustError, match=name.replace(".", r"\.")):
        Trust.load(site.folder)


@pytest.mark.requirement("URS-56")
@pytest.mark.parametrize("name", ["keys.json", "revocations.json"])
def test_a_list_that_another_root_has_signed(site, tmp_path, name):
    other = make_site(tmp_path / "other")
    shutil.copy(other.folder / name, site.folder / name)
    with pytest.raises(TrustError, match=f"{name}.*does not have this public key"):
        Trust.load(site.folder)


def test_a_list_in_the_place_of_another(site):
    shutil.copy(site.folder / "keys.json", site.folder / "revocations.json")
    with pytest.raises(TrustError, match="format must be pat-revocations/1, got 'pat-keys/1'"):
        Trust.load(site.folder)


@pytest.mark.requirement("URS-56")
@pytest.mark.parametrize("name", ["keys.json", "revocations.json"])
def test_an_older_list_than_one_that_was_seen(site, name):
    old = (site.folder / name).read_bytes()
    site.grant("d", "D", ["author"])
    site.revoke("0" * 64)
    assert (site.trust.ring.number, site.trust.revocations.number) == (6, 2)
    (site.folder / name).write_bytes(old)
    with pytest.raises(TrustError, match=rf"{name}: number \d is older than number \d, which was seen here before"):
        Trust.load(site.folder)


def test_a_whole_old_folder_brings_no_memory_along(site, tmp_path):
    shutil.copytree(site.folder, tmp_path / "copy")
    site.revoke("0" * 64)
    assert site.trust.revocations.number == 2
    shutil.rmtree(site.folder)
    shutil.copytree(tmp_path / "copy", site.folder)
    with pytest.raises(TrustError, match="number 1 is older than number 2"):
        Trust.load(site.folder)


def test_a_damaged_memory_is_no_clean_sheet(site, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    trust = site.trust
    (memory,) = (tmp_path / "state" / "pat").glob("trust-*.json")
    assert json.loads(memory.read_bytes()) == {"keys.json": 5, "revocations.json": 1}
    for text in ("", "{", "[]", '{"keys.json": "5"}'):
        memory.write_text(text)
        with pytest.raises(TrustError, match=f"trust-{trust.root_id}.json: which lists were seen here cannot be read"):
            Trust.load(site.folder)


def test_a_line_without_a_place_to_write_remembers_nothing_and_works(site, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert Trust.load(site.folder).numbers["keys"] == 5


def test_a_stale_list_is_reported_and_not_refused(site, monkeypatch):
    assert site.trust.stale is None
    _at(monkeypatch, DUE)
    assert site.trust.stale is not None
    assert f"is stale: a new one was due by {DUE}" in site.trust.stale
    root.renew(site.folder, site.root, "2099-06-01T00:00:00Z")
    assert site.trust.stale is None
    assert site.trust.revocations.number == 2


def test_a_clock_before_the_lists_is_refused(site, monkeypatch):
    _at(monkeypatch, "2021-01-01T00:00:00Z")
    with pytest.raises(TrustError, match=r"keys\.json: signed at .*this machine's clock says 2021-01-01T00:00:00Z"):
        Trust.load(site.folder)


def _keys(site: Site) -> list[dict[str, Any]]:
    return [key.to_dict() for key in site.trust.ring.keys.values()]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda keys: keys[0].update(id="0" * 32), "its id is not that of its public key"),
        (lambda keys: keys[0].update(roles=["king"]), "roles of author, reviewer, approver, recorder"),
        (lambda keys: keys[0].update(roles=[]), "roles of author"),
        (lambda keys: keys[0].update(person=" "), "a key needs an id, a person"),
        (lambda keys: keys[0].update(valid_until=BEGIN), "its validity ends before it begins"),
        (lambda keys: keys[0].update(valid_until="soon"), "a time must be UTC"),
        (lambda keys: keys[0].pop("person"), "expected the fields"),
        (lambda keys: keys[0].update(admin=True), "expected the fields"),
        (lambda keys: keys.append(keys[0]), "a key is there twice"),
        (lambda keys: keys[1].update(person="a.muster"), "a.muster has two names, Anna Muster and Ben Beispiel"),
    ],
)
def test_a_list_of_keys_that_does_not_hold_together(site, change, words):
    keys = _keys(site)
    change(keys)
    _resign(site, "keys.json", keys=keys)
    with pytest.raises(TrustError, match=words):
        Trust.load(site.folder)


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("keys.json", {"number": 0}, "`number` must be a whole number from 1, got 0"),
        ("keys.json", {"number": True}, "`number` must be a whole number"),
        ("keys.json", {"number": "9"}, "`number` must be a whole number"),
        ("keys.json", {"time": "now"}, "a time must be UTC"),
        ("keys.json", {"keys": {}}, "expected a list of keys, got dict"),
        ("keys.json", {"more": 1}, "expected the fields"),
        ("revocations.json", {"revocations": {}}, "expected a list of revocations, got dict"),
        ("revocations.json", {"next_due": None}, "a time must be UTC"),
        ("revocations.json", {"revocations": [{}]}, "expected the fields"),
    ],
)
def test_a_list_that_does_not_hold_together(site, name, changed, words):
    _resign(site, name, **changed)
    with pytest.raises(TrustError, match=words):
        Trust.load(site.folder)


# What the root does


def test_nobody_without_the_root_key_changes_a_list(site):
    before = {path: path.read_bytes() for path in site.folder.iterdir()}
    other = PrivateKey.generate()
    entry = Revocation("artefact", "0" * 64, BEGIN, "withdrawn", "x")
    for act in (
        lambda: root.revoke(site.folder, other, entry),
        lambda: root.renew(site.folder, other, DUE),
        lambda: root.grant(
            site.folder, other, other.public,
            person="x", printed_name="X", roles=("author",), valid_from=BEGIN, valid_until=END,
        ),
    ):  # fmt: skip
        with pytest.raises(TrustError, match="this is key .*, the root's is"):
            act()
    assert {path: path.read_bytes() for path in site.folder.iterdir()} == before


@pytest.mark.requirement("URS-56")
def test_an_id_is_never_given_to_another_person_and_a_key_never_twice(site):
    with pytest.raises(InputError, match="a.muster is Anna Muster: an id is never given to another person"):
        site.grant("a.muster", "Another Anna", ["author"])
    site.grant("a.muster", "Anna Muster", ["author"])  # a new key for the same person
    with pytest.raises(InputError, match="is in the list already, of Anna Muster"):
        root.grant(
            site.folder, site.root, site.keys["author"].public,
            person="z", printed_name="Z", roles=("author",), valid_from=BEGIN, valid_until=END,
        )  # fmt: skip


def test_what_is_not_there_is_not_revoked_and_nothing_twice(site):
    with pytest.raises(InputError, match="expected one of the keys in"):
        site.withdraw(PrivateKey.generate(), "compromised", BEGIN)
    site.revoke("0" * 64)
    with pytest.raises(InputError, match="was revoked before, for the same reason"):
        site.revoke("0" * 64)
    for kind, reason in (("key", "withdrawn"), ("artefact", "retired"), ("king", "x")):
        with pytest.raises(TrustError, match="kind and reason must be of"):
            root.revoke(site.folder, site.root, Revocation(kind, site.keys["author"].id, BEGIN, reason, "x"))
    with pytest.raises(TrustError, match="a revocation needs"):
        root.revoke(site.folder, site.root, Revocation("artefact", "1" * 64, BEGIN, "withdrawn", " "))


def test_a_folder_with_something_in_it_is_left_alone(site, tmp_path):
    with pytest.raises(InputError, match="expected a new or an empty folder"):
        root.init(site.folder, PrivateKey.generate(), DUE)
    assert site.trust.root_id == site.root.id
    with pytest.raises(InputError, match="the next list must be due after this one"):
        root.init(tmp_path / "late", PrivateKey.generate(), BEGIN)
    assert not (tmp_path / "late").exists()
    with pytest.raises(TrustError, match="no folder of trust"):
        root.renew(tmp_path / "nowhere", site.root, DUE)
    assert not (tmp_path / "nowhere").exists()
