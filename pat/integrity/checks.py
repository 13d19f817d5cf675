"""What the integrity report asks of a store or a run, and how an answer is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FINDING, NOTE = "finding", "note"
"""A finding breaks the integrity of the record; a note is what a reviewer has to know, and may accept."""

CLEAR, NOT_EXAMINED = "clear", "not examined"
UNCOUNTED = "no revolutions were counted"
_SHOWN = 20


@dataclass(frozen=True)
class Check:
    """One question.

    Attributes
    ----------
    title : str
        What is looked for.
    principle : str
        The word of ALCOA+ that it serves.
    kind : {"finding", "note"}
        What it is when something is found.
    unit : str
        What is counted.
    about : str
        What it means, for a reader of the page.
    """

    title: str
    principle: str
    kind: str
    unit: str
    about: str


CHECKS: dict[str, Check] = {
    "hash": Check(
        "content other than its recorded hash", "original", FINDING, "stores",
        "The hash over every value is computed again and compared with the one that was stored with the spectra.",
    ),
    "contract": Check(
        "breaks of the data contract", "accurate", FINDING, "breaks",
        "Names, kinds, units and facts are held against the data contract; the first break is named.",
    ),
    "gaps": Check(
        "revolutions missing in a batch", "complete", FINDING, "revolutions",
        "Steps of the revolution counter above the usual one, and batches that do not begin with the first. What is "
        "missing at the end of a batch cannot be seen in a store.",
    ),
    "repeated_revolutions": Check(
        "revolutions repeated or out of order", "consistent", FINDING, "spectra",
        "A revolution at or below the one before, in one batch on one instrument.",
    ),
    "duplicates": Check(
        "copies of an earlier spectrum", "original", FINDING, "spectra",
        "No two measurements agree in every bit: one of them is a copy, or the sensor stood still.",
    ),
    "clock_reversals": Check(
        "clock gone back", "consistent", FINDING, "spectra",
        "A time at or before that of the spectrum before, in one batch on one instrument.",
    ),
    "simultaneous": Check(
        "one instrument, one time, two batches", "attributable", FINDING, "spectra",
        "Spectra of different batches with the same time and the same instrument.",
    ),
    "late": Check(
        "entries added after later ones", "contemporaneous", FINDING, "spectra",
        "A batch that goes on in the store after spectra of other batches which the same instrument measured later.",
    ),
    "clock_jumps": Check(
        "clock jumps against the revolutions", "consistent", NOTE, "spectra",
        "Time per revolution more than five times, or less than a fifth of, what is usual in the batch: the clock was "
        "set, or the blender stood.",
    ),
    "non_finite": Check(
        "readings that are no numbers", "accurate", FINDING, "spectra",
        "NaN or infinite absorbance.",
    ),
    "saturated": Check(
        "spectra that look saturated", "accurate", NOTE, "spectra",
        "The highest reading of the store in three channels side by side, or a reading above what a powder gives (with "
        "an artefact: above its saturation limit).",
    ),
    "out_of_scope": Check(
        "spectra outside the artefact's scope", "accurate", NOTE, "spectra",
        "Beyond the artefact's limits of T2 or Q, or of the content that it was validated for.",
    ),
    "unreferenced": Check(
        "without the reference they need", "complete", NOTE, "spectra",
        "Spectra to calibrate or validate with, of which no value of the laboratory is known.",
    ),
    "no_role": Check(
        "batches without a role", "attributable", NOTE, "batches",
        "What they are for is unknown: nothing uses them.",
    ),
    "no_facts": Check(
        "batches without facts", "attributable", NOTE, "batches",
        "Neither lot nor product nor any other fact of them is known.",
    ),
    "statuses": Check(
        "readings that came to no valid number", "accurate", NOTE, "readings",
        "Spectra that the scorer set aside: frozen, empty, saturated, out of order, not finite, or of another length.",
    ),
    "unreleased": Check(
        "readings of an unreleased artefact", "attributable", NOTE, "readings",
        "Such readings are for exploration alone.",
    ),
    "other_artefact": Check(
        "readings of another artefact", "consistent", FINDING, "readings",
        "Every reading carries the digest of the artefact that made it.",
    ),
    "trail": Check(
        "signs of tampering in the audit trail", "enduring", FINDING, "entries",
        "The hash chain of the trail is followed from its first entry to its last.",
    ),
    "no_entry": Check(
        "work that the trail has no entry of", "attributable", FINDING, "entries",
        "A store that no entry says was imported, or a batch that no entry says was scored.",
    ),
    "aborted": Check(
        "batches never closed in the trail", "complete", NOTE, "batches",
        "Runs that were aborted, or whose end was never recorded.",
    ),
    "imported_before": Check(
        "measured after they were recorded", "contemporaneous", FINDING, "spectra",
        "An acquisition time later than the entry of the trail that records the import.",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """The answer to one check.

    Attributes
    ----------
    check : str
        Key of `CHECKS`.
    count, of : int
        How many were found, among how many.
    where : tuple of str
        The first places, in words.
    batches : mapping of str to int
        How many in each batch where something was found.
    not_examined : str
        Why the question could not be asked; empty where it was.
    """

    check: str
    count: int = 0
    of: int = 0
    where: tuple[str, ...] = ()
    batches: Mapping[str, int] | None = None
    not_examined: str = ""

    @property
    def share(self) -> float | None:
        """Share that was found, from 0 to 1; None where it is not known among how many."""
        return self.count / self.of if self.of else None

    @property
    def state(self) -> str:
        """``clear``, ``finding``, ``note`` or ``not examined``."""
        if self.not_examined:
            return NOT_EXAMINED
        return CHECKS[self.check].kind if self.count else CLEAR

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        check = CHECKS[self.check]
        return {
            "check": self.check,
            "state": self.state,
            "title": check.title,
            "principle": check.principle,
            "count": self.count,
            "of": self.of,
            "share": self.share,
            "unit": check.unit,
            "where": list(self.where),
            "batches": dict(self.batches or {}),
            "not_examined": self.not_examined or None,
        }


def found(check: str, of: int, batches: Iterable[str], where: Iterable[str], *, count: int | None = None) -> Item:
    """Return the item of what was found, one batch and one place in words for each.

    Parameters
    ----------
    check : str
    of : int
        Among how many.
    batches, where : iterable of str
        Batch and place of each.
    count : int, optional
        If not one for each place.
    """
    by_batch: dict[str, int] = {}
    for batch in batches:
        by_batch[batch] = by_batch.get(batch, 0) + 1
    places = tuple(where)
    return Item(check, len(places) if count is None else count, of, places[:_SHOWN], by_batch)
