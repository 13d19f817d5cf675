"""Signed documents: plain JSON under an Ed25519 signature, one document a file.

::

    {"document": {"format": ..., ...}, "signature": {"key_id": ..., "value": ...}}

What is signed is the canonical JSON of the document and the key's id. A document's `format` says what it is, so that
one is never taken for another. A file must hold exactly the bytes that `Signed.render` gives: not one of them may be
changed, white space included.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pat.errors import TrustError
from pat.files import canonical_json, readable_json

_ID = re.compile(r"[0-9a-f]{32}")
_PUBLIC = re.compile(r"[0-9a-f]{64}")
_VALUE = re.compile(r"[0-9a-f]{128}")


@dataclass(frozen=True)
class Signed:
    """A document with its signature, not yet checked.

    Attributes
    ----------
    document : dict
        What was signed.
    key_id : str
        Id of the key that it says it was signed with.
    value : str
        The signature, 128 hexadecimal digits.
    where : str
        What it is called in messages.
    """

    document: dict[str, Any]
    key_id: str
    value: str
    where: str

    def envelope(self) -> dict[str, Any]:
        """Return document and signature as plain JSON."""
        return {"document": self.document, "signature": {"key_id": self.key_id, "value": self.value}}

    def render(self) -> bytes:
        """Return the bytes of its file."""
        return readable_json(self.envelope()).encode()


def key_id_of(public: str) -> str:
    """Return the id of a public key (64 hexadecimal digits): the first half of its SHA-256."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()[:32]


def message(document: Mapping[str, Any], key_id: str) -> bytes:
    """Return the bytes that are signed."""
    return canonical_json({"document": document, "key_id": key_id})


def check(signed: Signed, public: str) -> None:
    """Refuse a document that is not what the holder of a public key (64 hexadecimal digits) has signed.

    Raises
    ------
    TrustError
        If a character of the document or of the signature was altered, or another key has made it.
    """
    from pat.trust import ed25519

    if not _PUBLIC.fullmatch(public) or key_id_of(public) != signed.key_id:
        raise TrustError(f"{signed.where}: key {signed.key_id} does not have this public key")
    said = message(signed.document, signed.key_id)
    if not ed25519.holds(bytes.fromhex(public), bytes.fromhex(signed.value), said):
        raise TrustError(
            f"{signed.where}: altered, or never signed by key {signed.key_id}: the signature is not one of this "
            "document"
        )


def from_envelope(envelope: Any, where: object) -> Signed:
    """Return a signed document from its plain JSON.

    Raises
    ------
    TrustError
        If it is not made as one.
    """
    try:
        document, (key_id, value) = envelope["document"], (envelope["signature"][key] for key in ("key_id", "value"))
        whole = set(envelope) == {"document", "signature"} and set(envelope["signature"]) == {"key_id", "value"}
        whole = whole and isinstance(document, dict) and bool(_ID.fullmatch(key_id) and _VALUE.fullmatch(value))
    except (KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise TrustError(f"{where}: expected a signed document, got something else")
    return Signed(document, key_id, value, str(where))


def parse(data: bytes, where: object) -> Signed:
    """Return the signed document in a file's bytes.

    Raises
    ------
    TrustError
        If they are not, byte for byte, what `Signed.render` writes.
    """
    try:
        signed = from_envelope(json.loads(data), where)
        same = signed.render() == data
    except (ValueError, RecursionError) as error:
        if isinstance(error, TrustError):
            raise
        raise TrustError(f"{where}: altered or damaged, cannot be read ({error})") from error
    if not same:
        raise TrustError(f"{where}: altered or damaged, its bytes are not those that were written")
    return signed


def read(path: Path) -> Signed:
    """Return the signed document in a file, read once.

    Raises
    ------
    TrustError
        If there is none, or it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TrustError(f"{path}: cannot be read ({error.strerror})") from error
    return parse(data, path)


def require_fields(document: Any, fields: Iterable[str], where: object) -> dict[str, Any]:
    """Return a document that has exactly these fields.

    Raises
    ------
    TrustError
        If a field is missing, or there is one too many.
    """
    fields = tuple(fields)
    if not isinstance(document, dict) or set(document) != set(fields):
        came = ", ".join(sorted(document)) if isinstance(document, dict) else type(document).__name__
        raise TrustError(f"{where}: expected the fields {', '.join(sorted(fields))}, got {came}")
    return document


def require_format(document: Mapping[str, Any], expected: str, where: object) -> None:
    """Refuse a document of another kind.

    Raises
    ------
    TrustError
        If its `format` is another one.
    """
    if document.get("format") != expected:
        raise TrustError(f"{where}: format must be {expected}, got {document.get('format')!r}")
