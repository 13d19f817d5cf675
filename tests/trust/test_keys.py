"""Private keys: encrypted wherever they lie, never overwritten, and of no use without their passphrase."""

from __future__ import annotations

import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from pat.errors import ArtefactError, InputError, TrustError
from pat.trust import LEAST_PASSPHRASE, PrivateKey, signed
from pat.trust.keys import read_public
from tests.site import PASSPHRASE


def test_a_key_comes_back_by_its_passphrase_and_signs_the_same(tmp_path):
    key = PrivateKey.generate()
    key.save(tmp_path / "anna.key", PASSPHRASE)
    again = PrivateKey.load(tmp_path / "anna.key", PASSPHRASE)
    assert (again.id, again.public) == (key.id, key.public)
    # Ed25519 signatures have no randomness in them (RFC 8032, 5.1.6).
    assert again.sign({"format": "x"}) == key.sign({"format": "x"})


def test_a_signature_is_what_another_reader_of_rfc_8032_accepts():
    """By the public key and the bytes that the layout in `pat.trust.signed` describes, not by this package's check."""
    key = PrivateKey.generate()
    made = key.sign({"b": 1, "a": "ü"})
    message = b'{"document":{"a":"\\u00fc","b":1},"key_id":"' + key.id.encode() + b'"}'
    ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public)).verify(bytes.fromhex(made.value), message)


@pytest.mark.requirement("URS-54")
def test_what_lies_on_the_disk_is_encrypted_and_for_its_owner_alone(tmp_path):
    PrivateKey.generate().save(tmp_path / "anna.key", PASSPHRASE)
    pem = (tmp_path / "anna.key").read_bytes()
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    with pytest.raises(TypeError, match="Password was not given"):
        serialization.load_pem_private_key(pem, None)
    assert stat.S_IMODE((tmp_path / "anna.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["anna.key", "anna.key.pub"]


@pytest.mark.requirement("URS-54")
@pytest.mark.parametrize("wrong", ["Correct horse battery", "correct horse batter", "", "x" * 200])
def test_a_wrong_passphrase_has_its_own_message(tmp_path, wrong):
    PrivateKey.generate().save(tmp_path / "anna.key", PASSPHRASE)
    with pytest.raises(TrustError, match=r"anna\.key: wrong passphrase"):
        PrivateKey.load(tmp_path / "anna.key", wrong)


def test_a_trust_error_is_one_of_an_artefact_that_cannot_be_trusted():
    """`Scorer.load` promises a verified artefact or an ArtefactError."""
    assert issubclass(TrustError, ArtefactError)
    assert TrustError.exit_code == 1


def test_what_is_no_encrypted_ed25519_key_is_refused(tmp_path):
    private = ed25519.Ed25519PrivateKey.generate()
    other = rsa.generate_private_key(65537, 2048)
    best = serialization.BestAvailableEncryption(PASSPHRASE.encode())
    shape = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    cases = {
        "a private key that is not encrypted": private.private_bytes(*shape, serialization.NoEncryption()),
        "expected an Ed25519 key, got RSAPrivateKey": other.private_bytes(*shape, best),
        "got something else": b"no key",
    }
    for words, pem in cases.items():
        (tmp_path / "some.key").write_bytes(pem)
        with pytest.raises(TrustError, match=words):
            PrivateKey.load(tmp_path / "some.key", PASSPHRASE)
    with pytest.raises(TrustError, match="cannot be read"):
        PrivateKey.load(tmp_path / "none.key", PASSPHRASE)


def test_a_damaged_key_file_is_refused_or_a_key_that_nobody_knows(tmp_path):
    """The cipher has no tag: bytes of the key itself may come back as others, and then its id is another one."""
    key = PrivateKey.generate()
    key.save(tmp_path / "anna.key", PASSPHRASE)
    whole = (tmp_path / "anna.key").read_bytes()
    refused = 0
    for place in range(40, len(whole) - 40):
        damaged = bytearray(whole)
        damaged[place] ^= 0x01
        (tmp_path / "anna.key").write_bytes(damaged)
        try:
            found = PrivateKey.load(tmp_path / "anna.key", PASSPHRASE)
        except TrustError:
            refused += 1
            continue
        if found.id == key.id:  # a line break, say
            assert found.sign({"format": "x"}) == key.sign({"format": "x"})
        else:
            with pytest.raises(TrustError):
                signed.check(found.sign({"format": "x"}), key.public)
    assert refused > 100


def test_a_key_is_never_overwritten_and_a_short_passphrase_is_refused(tmp_path):
    key = PrivateKey.generate()
    with pytest.raises(InputError, match=f"at least {LEAST_PASSPHRASE} characters, got 5"):
        key.save(tmp_path / "anna.key", "short")
    assert list(tmp_path.iterdir()) == []
    key.save(tmp_path / "anna.key", PASSPHRASE)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="never overwritten"):
        PrivateKey.generate().save(tmp_path / "anna.key", PASSPHRASE)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_public_key_proves_that_its_owner_has_the_private_one(tmp_path):
    anna, ben = PrivateKey.generate(), PrivateKey.generate()
    path = anna.save(tmp_path / "anna.key", PASSPHRASE)
    assert read_public(path) == anna.public
    said = anna.public_document("2026-01-01T00:00:00Z").document
    # Somebody else's key handed in as one's own.
    path.write_bytes(ben.sign(said).render())
    with pytest.raises(TrustError, match="names none"):
        read_public(path)
    path.write_bytes(ben.sign(said | {"id": ben.id}).render())
    with pytest.raises(TrustError, match="does not have this public key"):
        read_public(path)
    path.write_bytes(anna.sign({"format": "pat-keys/1"}).render())
    with pytest.raises(TrustError, match="format must be pat-public-key/1"):
        read_public(path)
