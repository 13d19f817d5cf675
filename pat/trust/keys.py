"""Private keys, encrypted by a passphrase wherever they lie, and the public keys that a site is given."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pat.errors import InputError, TrustError
from pat.trust import signed, times
from pat.trust.signed import Signed

if TYPE_CHECKING:
    from pat.trust.ed25519 import Ed25519PrivateKey

PUBLIC_FORMAT = "pat-public-key/1"
_PUBLIC_FIELDS = ("format", "id", "public_key", "time")
LEAST_PASSPHRASE = 12
"""Characters that a passphrase needs: whoever copies the file may guess for as long as they like."""


class PrivateKey:
    """A person's key, or a site's root key: what signs. Two components make a signature: its file and its passphrase.

    Attributes
    ----------
    id : str
        First half of the SHA-256 of the public key, 32 hexadecimal digits.
    public : str
        Public key, 64 hexadecimal digits.
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        from pat.trust import ed25519

        self._private = private
        self.public = ed25519.public_of(private).hex()
        self.id = signed.key_id_of(self.public)

    @classmethod
    def generate(cls) -> PrivateKey:
        """Make a new key."""
        from pat.trust import ed25519

        return cls(ed25519.generate())

    @classmethod
    def load(cls, path: str | Path, passphrase: str) -> PrivateKey:
        """Read a key.

        Parameters
        ----------
        path : path
            File that `save` has written.
        passphrase : str

        Raises
        ------
        TrustError
            If the passphrase is wrong, or the file holds no encrypted Ed25519 key.
        """
        from pat.trust import ed25519

        try:
            pem = Path(path).read_bytes()
        except OSError as error:
            raise TrustError(f"{path}: the private key cannot be read ({error.strerror})") from error
        return cls(ed25519.decrypted(pem, passphrase, path))

    def save(self, path: str | Path, passphrase: str) -> Path:
        """Write the key, encrypted, for its owner's eyes alone, and beside it ``<path>.pub`` for the site's root.

        The private key is written last: where it is, both are.

        Parameters
        ----------
        path : path
            A file that is not there yet: a key is never overwritten.
        passphrase : str
            At least `LEAST_PASSPHRASE` characters.

        Returns
        -------
        Path
            File of the public key.

        Raises
        ------
        InputError
            If the passphrase is too short, or there is a file already.
        """
        from pat.files import write_bytes
        from pat.trust import ed25519

        path = Path(path)
        if len(passphrase) < LEAST_PASSPHRASE:
            raise InputError(f"a passphrase must have at least {LEAST_PASSPHRASE} characters, got {len(passphrase)}")
        _refuse_existing(path)
        public = path.with_name(f"{path.name}.pub")
        write_bytes(public, self.public_document(times.now()).render())
        _write_secret(path, ed25519.encrypted(self._private, passphrase))
        return public

    def sign(self, document: Mapping[str, Any], where: object = "the document") -> Signed:
        """Sign a document.

        Parameters
        ----------
        document : mapping
            Plain JSON, with a `format` that says what it is and the `time` of signing.
        where : object
            What it is called in messages.
        """
        value = self._private.sign(signed.message(document, self.id)).hex()
        return Signed(dict(document), self.id, value, str(where))

    def public_document(self, time: str) -> Signed:
        """Return the public key, signed with the key itself: proof that whoever hands it over has the private one."""
        said = {"format": PUBLIC_FORMAT, "id": self.id, "public_key": self.public, "time": time}
        return self.sign(said, "the public key")


def read_public(path: Path) -> str:
    """Return the public key in a file that `PrivateKey.save` has written, 64 hexadecimal digits.

    Raises
    ------
    TrustError
        If it is none, or altered.
    """
    found = signed.read(path)
    signed.require_format(found.document, PUBLIC_FORMAT, path)
    said = signed.require_fields(found.document, _PUBLIC_FIELDS, path)
    if said["id"] != found.key_id or not isinstance(said["public_key"], str):
        raise TrustError(f"{path}: expected a public key, got a document that names none")
    signed.check(found, said["public_key"])
    return said["public_key"]


def _refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise InputError(f"{path}: expected a file that is not there yet, for a key is never overwritten")


def _write_secret(path: Path, data: bytes) -> None:
    """Write a file that none but its owner reads, whole or not at all, never over another."""
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            _refuse_existing(path)
    finally:
        os.unlink(beside)
