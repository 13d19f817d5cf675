"""Ed25519 signatures (RFC 8032) by `cryptography`: imported only where a signature is made or checked."""

from __future__ import annotations

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pat.errors import TrustError

__all__ = ["Ed25519PrivateKey", "decrypted", "encrypted", "generate", "holds", "public_of"]


def generate() -> Ed25519PrivateKey:
    """Return a new private key from the system's random numbers."""
    return Ed25519PrivateKey.generate()


def public_of(private: Ed25519PrivateKey) -> bytes:
    """Return the 32 bytes of the public key."""
    return private.public_key().public_bytes_raw()


def holds(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature (64 bytes) of a message was made with the private key of a public one (32 bytes)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def encrypted(private: Ed25519PrivateKey, passphrase: str) -> bytes:
    """Return the private key as PKCS8 PEM, encrypted by a passphrase."""
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )


def decrypted(pem: bytes, passphrase: str, where: object) -> Ed25519PrivateKey:
    """Return the private key that `encrypted` has written.

    Raises
    ------
    TrustError
        If the passphrase is wrong, or it is no Ed25519 key that is encrypted by one.
    """
    if b"-----BEGIN ENCRYPTED PRIVATE KEY-----" not in pem:
        came = "a private key that is not encrypted" if b"PRIVATE KEY-----" in pem else "something else"
        raise TrustError(f"{where}: expected a private key encrypted by a passphrase (PKCS8 PEM), got {came}")
    try:
        private = serialization.load_pem_private_key(pem, passphrase.encode() or b"\x00")
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        raise TrustError(f"{where}: wrong passphrase, or the file of the key is damaged") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise TrustError(f"{where}: expected an Ed25519 key, got {type(private).__name__.strip('_')}")
    return private
