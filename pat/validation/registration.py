"""Registration: criteria and validation data committed to by hash, before anybody has seen how a model does on them.

A validation set is sealed by its registration: the hash says which spectra, which references and which truth, and by
which criteria they will be judged. Nothing in it tells a value. `pat validate` opens the set, and holds it and the
method against what was registered; the opening is recorded in the audit trail.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from pat import compute
from pat.errors import InputError, Refusal
from pat.files import canonical_json, readable_json, sha256, write_bytes
from pat.method import Method
from pat.spectra import batches_with_role
from pat.trust import times

FORMAT = 1
ROLES = ("validation", "blend_validation", "repeatability", "specificity")
"""Roles whose batches a validation judges by; their spectra and references are registered."""


@dataclass(frozen=True)
class Registration:
    """What was committed to.

    Attributes
    ----------
    method : str
        Name of the method.
    criteria_sha256 : str
        Hash of the method's sections ``acceptance`` and ``validation``, of its analyte and of its homogeneity rule.
    data_sha256 : str
        Hash over batches, spectra and reference values of the roles in `ROLES`.
    truth_sha256 : str or None
        Hash of the truth of the validation blends.
    batches : dict of str to list of str
        Batches that are sealed, by role.
    registered : str
        When (UTC).
    """

    method: str
    criteria_sha256: str
    data_sha256: str
    truth_sha256: str | None
    batches: dict[str, list[str]]
    registered: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the registration: its evidence id."""
        return sha256(canonical_json(asdict(self)))

    def to_dict(self) -> dict[str, Any]:
        """Return the registration as plain data, with its own hash."""
        return {**asdict(self), "sha256": self.sha256}

    def save(self, path: Path) -> None:
        """Write the registration as JSON.

        Raises
        ------
        Refusal
            If there is one already: what was registered is never changed.
        """
        if path.exists():
            raise Refusal(
                f"{path}: a registration is there already, and is never changed; register a new set elsewhere"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, readable_json({"format": FORMAT, **self.to_dict()}).encode())

    @classmethod
    def load(cls, path: Path) -> Registration:
        """Read a registration.

        Raises
        ------
        InputError
            If it is none, or was edited.
        """
        try:
            document = json.loads(path.read_bytes())
            said, form = document.pop("sha256"), document.pop("format")
            found = cls(**document)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{path}: expected a registration of `pat register`, got something else") from error
        if form != FORMAT:
            raise InputError(f"{path}: expected a registration of format {FORMAT}, got {form!r}")
        if found.sha256 != said:
            raise InputError(f"{path}: expected a registration as it was written, got an edited one")
        return found


def register(method: Method, raw: xr.Dataset, truth: pd.DataFrame | None) -> Registration:
    """Commit to a method's criteria and to the data that it will be judged by.

    Parameters
    ----------
    method : Method
    raw : Dataset
        Raw spectra with batches of the role ``validation``, and of the others in `ROLES`.
    truth : DataFrame, optional
        Truth of the validation blends.
    """
    return Registration(
        method=method.name,
        criteria_sha256=criteria_sha256(method),
        data_sha256=_sealed_sha256(method, raw),
        truth_sha256=table_sha256(truth),
        batches=_sealed(raw),
        registered=times.now(),
    )


def criteria_sha256(method: Method) -> str:
    """Hash of what a method is judged by; a key that is left out counts as one that does not exist yet."""
    document = method.document()
    kept = ("name", "product", "analyte", "homogeneity", "acceptance", "validation")
    return sha256(canonical_json(_set({key: document[key] for key in kept})))


def _set(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without the keys that nobody has set, so that a new optional key changes no hash."""
    found = {key: _set(value) if isinstance(value, dict) else value for key, value in document.items()}
    return {key: value for key, value in found.items() if value is not None}


def table_sha256(table: pd.DataFrame | None) -> str | None:
    """Return the hash of a table, of the truth for one, every digit included; None where there is none."""
    return None if table is None else sha256(table.to_csv(index=False).encode())


def require_registered(registration: Registration, method: Method, raw: xr.Dataset, truth: pd.DataFrame | None) -> None:
    """Refuse to judge by other criteria or other data than were registered.

    Raises
    ------
    Refusal
        If anything differs; the message names it.
    """
    now = register(method, raw, truth)
    pairs = {
        "the method's name": (registration.method, now.method),
        "the acceptance criteria": (registration.criteria_sha256, now.criteria_sha256),
        "the batches": (registration.batches, now.batches),
        "the spectra or their references": (registration.data_sha256, now.data_sha256),
        "the truth of the blends": (registration.truth_sha256, now.truth_sha256),
    }
    changed = [what for what, (then, found) in pairs.items() if then != found]
    if changed:
        raise Refusal(
            f"validation must be by what was registered on {registration.registered}, but since then "
            f"{' and '.join(changed)} changed: register what is new, on data that nobody has opened"
        )


def _sealed(raw: xr.Dataset) -> dict[str, list[str]]:
    return {role: names for role in ROLES if (names := batches_with_role(raw, role))}


def _sealed_sha256(method: Method, raw: xr.Dataset) -> str:
    names = sorted(name for names in _sealed(raw).values() for name in names)
    analyte = method.analyte.name

    def one(batch: xr.Dataset) -> str:
        found = hashlib.sha256(str(batch["batch"].values[0]).encode())
        for values in (batch["wavelength"].values, batch["absorbance"].values, batch[analyte].values):
            found.update(values.astype("<f8").tobytes())
        found.update(batch["time"].values.astype("<i8").tobytes())
        return found.hexdigest()

    return sha256(canonical_json(compute.map_batches(one, raw, names)))
