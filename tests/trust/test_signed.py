"""Signed documents: not one byte of their file can be changed, and what is no such document is refused."""

from __future__ import annotations

import json

import pytest

from pat.errors import InputError, TrustError
from pat.trust import PrivateKey, signed, times

KEY = PrivateKey.generate()
DOCUMENT = {"format": "x/1", "name": "Jörg Müller", "time": "2026-01-01T00:00:00Z", "number": 3, "roles": ["a", "b"]}


@pytest.mark.requirement("URS-52")
def test_every_bit_of_the_file_counts(tmp_path):
    whole = KEY.sign(DOCUMENT).render()
    signed.check(signed.parse(whole, "file.json"), KEY.public)
    for place in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            with pytest.raises(TrustError, match=r"file\.json"):
                signed.check(signed.parse(bytes(damaged), "file.json"), KEY.public)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b + b"\n", lambda b: b" " + b, lambda b: b"", lambda b: b * 2]
)
def test_a_file_that_is_cut_or_longer_is_refused(damage):
    with pytest.raises(TrustError, match="altered or damaged"):
        signed.parse(damage(KEY.sign(DOCUMENT).render()), "file.json")


def test_the_same_document_written_otherwise_is_refused():
    envelope = KEY.sign(DOCUMENT).envelope()
    upper = {
        "document": DOCUMENT,
        "signature": envelope["signature"] | {"value": envelope["signature"]["value"].upper()},
    }
    for text in (json.dumps(envelope), json.dumps(envelope, indent=2), json.dumps(envelope, indent=4)):
        with pytest.raises(TrustError, match="its bytes are not those that were written"):
            signed.parse(text.encode(), "file.json")
    with pytest.raises(TrustError, match="expected a signed document"):
        signed.from_envelope(upper, "file.json")


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "7", "{}", '{"document": {}}', '{"document": {}, "signature": 1}', "[" * 100_000, "\x00",
             '{"document": NaN, "signature": {"key_id": "", "value": ""}}', '"\\ud800"']
)  # fmt: skip
def test_what_is_no_signed_document_is_refused(text):
    with pytest.raises(TrustError, match=r"file\.json"):
        signed.parse(text.encode(), "file.json")


def test_another_key_s_signature_does_not_hold():
    other = PrivateKey.generate()
    pasted = signed.Signed(dict(DOCUMENT), KEY.id, other.sign(DOCUMENT).value, "file.json")
    with pytest.raises(TrustError, match="altered, or never signed by key"):
        signed.check(pasted, KEY.public)
    with pytest.raises(TrustError, match="does not have this public key"):
        signed.check(other.sign(DOCUMENT), KEY.public)


@pytest.mark.parametrize(
    "text", ["2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00", "2026-02-30T00:00:00Z", "", None, 7,
             "2026-01-01t00:00:00z", "2026-01-01T00:00:00.1Z", "２０２６-01-01T00:00:00Z"]
)  # fmt: skip
def test_a_time_is_utc_in_one_form(text):
    with pytest.raises(InputError, match="a time must be UTC"):
        times.parse(text)


def test_a_user_may_give_a_date_or_a_time():
    assert times.from_user("2027-11-24") == "2027-11-24T00:00:00Z"
    assert times.from_user("2027-11-24T08:30:00Z") == "2027-11-24T08:30:00Z"
    assert times.parse("2027-11-24T08:30:00.250Z") > times.parse("2027-11-24T08:30:00Z")
    assert times.parse(times.now()) > times.parse("2026-01-01T00:00:00Z")
    with pytest.raises(InputError):
        times.from_user("24.11.2027")
