"""The record of a release: what may be used, for what, until when, and on whose word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pat.errors import ArtefactError, TrustError
from pat.release.signatures import MEANINGS, Signature, require_owner
from pat.trust import Signed, Trust, times
from pat.trust.signed import require_fields, require_format

FORMAT = "pat-release/1"
_TEXTS = (
    "digest",
    "manifest_sha256",
    "product",
    "name",
    "valid_until",
    "meaning",
    "printed_name",
    "person",
    "role",
    "key_id",
    "time",
    "comment",
)
_FIELDS = ("format", *_TEXTS, "version", "instruments", "signatures", "trust", "trail", "source")


@dataclass(frozen=True)
class Release:
    """A release that was proven.

    Attributes
    ----------
    digest, manifest_sha256 : str
        Of the artefact; see `Signature`.
    product, name : str
    version : int
        Of the method.
    instruments : tuple of str
        Instruments that it may be used with; any where there are none.
    valid_until : str
        First moment at which it may no longer be used (UTC).
    signatures : tuple of Signature
        Authorship, review, approval and, last, the release itself.
    trust : dict
        Root and numbers of the lists that it was made under.
    trail : dict or None
        Head of the audit trail when it was made.
    source : dict
        What it was made from and with.
    stale : str or None
        Why the site's list of revocations may be out of date.
    """

    digest: str
    manifest_sha256: str
    product: str
    name: str
    version: int
    instruments: tuple[str, ...]
    valid_until: str
    signatures: tuple[Signature, ...]
    trust: dict[str, Any]
    trail: dict[str, Any] | None
    source: dict[str, Any]
    stale: str | None

    @property
    def time(self) -> str:
        """When it was released (UTC)."""
        return self.signatures[-1].time

    def refuse_expired(self, where: object) -> None:
        """Refuse to use it after its time, and by a clock that stands before it.

        Raises
        ------
        ArtefactError
            If it has expired, or was released at a time that this machine's clock has not reached.
        """
        clock = times.parse(times.now())
        if clock < times.parse(self.time):
            raise ArtefactError(
                f"{where}: not yet valid, it was released at {self.time}, and this machine's clock says "
                f"{clock:%Y-%m-%dT%H:%M:%SZ}: it is wrong, or the record is"
            )
        if clock >= times.parse(self.valid_until):
            raise ArtefactError(f"{where}: expired, it was released for use until {self.valid_until}")

    def refuse_use(self, product: str | None, instrument: str | None, where: object) -> None:
        """Refuse to use it for another product, or with an instrument that it was not released for.

        Raises
        ------
        ArtefactError
            If so, or if it was released for some instruments and none is named.
        """
        if product is not None and product != self.product:
            raise ArtefactError(f"{where}: wrong product, it was released for {self.product!r}, got {product!r}")
        allowed = ", ".join(self.instruments)
        if allowed and instrument is None:
            raise ArtefactError(f"{where}: instrument not named, it was released for {allowed} alone")
        if allowed and instrument not in self.instruments:
            raise ArtefactError(f"{where}: wrong instrument, it was released for {allowed}, got {instrument}")

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        said = vars(self) | {"instruments": list(self.instruments), "time": self.time}
        return said | {"signatures": [signature.to_dict() for signature in self.signatures]}


def document(
    own: Signature,
    facts: Mapping[str, Any],
    files: Mapping[str, str],
    trust: Trust,
    trail: Mapping[str, Any] | None,
    source: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what is signed for a release.

    Parameters
    ----------
    own : Signature
        Who releases what.
    facts : mapping
        ``product``, ``name``, ``version``, ``instruments`` and ``valid_until``.
    files : mapping of str to str
        SHA-256 of every signature's file, by its name.
    trust : Trust
    trail : mapping or None
    source : mapping
    """
    rest = {"signatures": dict(files), "trust": trust.numbers, "trail": trail, "source": dict(source)}
    return {"format": FORMAT, **own.to_dict(), **facts, **rest}


def proven(signed: Signed, trust: Trust) -> tuple[dict[str, Any], Signature]:
    """Return the document of a release, and its own signature, after proof that it counts.

    Raises
    ------
    TrustError
        If it does not hold together, or its signature does not count (`Trust.verify`).
    """
    where = signed.where
    require_format(signed.document, FORMAT, where)
    said = require_fields(signed.document, _FIELDS, where)
    _require_types(said, where)
    if (said["meaning"], said["role"]) != ("release", MEANINGS["release"]):
        raise TrustError(f"{where}: expected a release by an approver, got {said['meaning']} by {said['role']}")
    trust.refuse_older(said["trust"], where)
    require_owner(signed, said["role"], trust)
    return said, Signature(**{name: said[name] for name in Signature.__dataclass_fields__})


def _require_types(said: Mapping[str, Any], where: object) -> None:
    numbers = said["trust"]
    whole = all(isinstance(said[name], str) for name in _TEXTS) and type(said["version"]) is int
    whole = whole and isinstance(said["instruments"], list) and all(isinstance(x, str) for x in said["instruments"])
    whole = whole and all(isinstance(said[name], dict) for name in ("signatures", "trust", "source"))
    whole = whole and isinstance(said["trail"], dict | None)
    whole = whole and set(numbers) == {"root", "keys", "revocations"}
    if not whole or not all(type(numbers[name]) is int for name in ("keys", "revocations")):
        raise TrustError(f"{where}: a value is not what a release has there")
    times.signed_moment(said["valid_until"], where)


def release_of(said: Mapping[str, Any], given: tuple[Signature, ...], own: Signature, trust: Trust) -> Release:
    """Return a release from its proven document and signatures."""
    taken = {name: said[name] for name in ("digest", "manifest_sha256", "product", "name", "version", "valid_until")}
    kept = {name: said[name] for name in ("trust", "trail", "source")}
    instruments = tuple(said["instruments"])
    return Release(**taken, **kept, instruments=instruments, signatures=(*given, own), stale=trust.stale)
