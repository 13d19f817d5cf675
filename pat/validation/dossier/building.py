"""Put the dossier together, in the order of its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr

from pat.artefact import Arrays
from pat.calibration import Calibration
from pat.method import Method
from pat.validation.dossier import figures as shown
from pat.validation.dossier import statements as stated
from pat.validation.dossier.item import Item
from pat.validation.dossier.measured import Readings
from pat.validation.endpoints import EndpointCase
from pat.validation.figures import Figures
from pat.validation.gate import Criterion, Gate


@dataclass(frozen=True)
class Dossier:
    """A dossier.

    Attributes
    ----------
    items : tuple of Item
        In the order of their numbers.
    evidence : dict of str to str or None
        SHA-256 of what the items rest on, by the ids that they name.
    """

    items: tuple[Item, ...]
    evidence: dict[str, str | None]

    @property
    def criteria(self) -> list[Criterion]:
        """Criteria of the method's section ``validation``, beside those of the gate."""
        return [item.criterion for item in self.items if item.criterion is not None]

    def to_dict(self) -> dict[str, Any]:
        """Return the dossier as plain data."""
        return {"items": [item.to_dict() for item in self.items], "evidence": self.evidence}


@dataclass(frozen=True)
class Found:
    """What a validation found, and what it was found with.

    Attributes
    ----------
    method, calibration
    raw : Dataset
        Raw spectra, for the facts of the calibration batches.
    figures, predictions, cases, gate
        Of the validation batches and blends.
    claim : mapping or None
        What the end-point rule promises; None where the method follows no blend.
    repeats, foreign : Readings
        Of the roles ``repeatability`` and ``specificity``.
    robust, parallel : sequence of Item
        Items of perturbed spectra, and of samples beside the readings.
    registration : mapping or None
        The registration that was held to, as plain data.
    digest : str
        Content digest.
    """

    method: Method
    calibration: Calibration
    raw: xr.Dataset
    figures: Figures
    predictions: Arrays
    cases: Sequence[EndpointCase]
    gate: Gate
    claim: Mapping[str, Any] | None
    repeats: Readings
    foreign: Readings
    robust: Sequence[Item]
    parallel: Sequence[Item]
    registration: Mapping[str, Any] | None
    digest: str


def build(found: Found, evidence: dict[str, str | None]) -> Dossier:
    """Build the dossier of a validation.

    Parameters
    ----------
    found : Found
    evidence : dict of str to str or None
        SHA-256 of what the items rest on, by the ids that they name.
    """
    method, calibration, criteria = found.method, found.calibration, found.gate.criteria
    items = [
        *stated.purpose(method),
        *stated.made_from(method, calibration, found.raw),
        *stated.treated(method),
        *stated.chosen(method, calibration),
        *shown.independent(found.figures, found.gate.notes, found.registration),
        *shown.specific(method, found.foreign, bool(found.raw.attrs.get("simulated", False))),
        *shown.accurate(method, found.figures, found.predictions, criteria),
        shown.profiled(method, found.predictions),
        *shown.precise(method, found.repeats),
        *found.robust,
        shown.scoped(found.predictions, method.calibration.scope_confidence),
        *shown.ended(found.cases, found.claim, criteria),
        *(found.parallel if found.claim else ()),
        shown.against_reference(method, found.predictions),
        stated.transferred(calibration),
        *stated.software(found.digest),
        stated.monitored(method),
    ]
    return Dossier((*items, *stated.concluded(items, found.registration)), evidence)
