"""Stores and runs against the audit trail: nothing was imported or scored without an entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr

from pat.audit.entry import Entry
from pat.audit.runs import CLOSED, OPENED
from pat.audit.trail import Trail
from pat.audit.verification import Report, verify
from pat.integrity.checks import Item, found
from pat.integrity.order import Rows

NO_TRAIL = "no audit trail was given"
_NO_ENTRY = "no entry says when it was recorded"
# The clocks of a spectrometer and of the machine that records need not agree to the second.
_CLOCKS_AGREE = np.timedelta64(60, "s")


@dataclass(frozen=True)
class Recorded:
    """An audit trail that was read: whether its chain holds, and its entries about imports and batches.

    Attributes
    ----------
    report : pat.audit.verification.Report
    imports, batches : sequence of Entry
        In their order.
    """

    report: Report
    imports: Sequence[Entry]
    batches: Sequence[Entry]

    @classmethod
    def load(cls, path: str | Path) -> Recorded:
        """Read a trail.

        Raises
        ------
        TrailError
            If there is none, or it cannot be read.
        """
        imports, batches = [], []
        for entry in Trail.open(path).entries():
            if entry.action.startswith("import"):
                imports.append(entry)
            elif entry.object["kind"] == "batch":
                batches.append(entry)
        return cls(verify(path), imports, batches)

    def item(self) -> Item:
        """Return whether the chain holds."""
        problem = self.report.problem
        where = () if problem is None else (problem.text,)
        return Item("trail", len(where), self.report.entries + len(where), where)


def examine_import(ds: xr.Dataset, rows: Rows, trail: Recorded | None) -> list[Item]:
    """Ask whether the trail has the import of a store, or of the one that it was made from.

    Returns
    -------
    list of Item
        ``trail``, ``no_entry`` and ``imported_before``.
    """
    if trail is None:
        return [Item(check, not_examined=NO_TRAIL) for check in ("trail", "no_entry", "imported_before")]
    hashes = [str(ds.attrs[name]) for name in ("sha256", "derived_from") if name in ds.attrs]
    entries = [entry for entry in trail.imports if not _made(entry).isdisjoint(hashes)]
    if not entries:
        absent = Item("no_entry", 1, 1, (f"no entry of an import names the content {' or '.join(hashes)}",))
        return [trail.item(), absent, Item("imported_before", not_examined=_NO_ENTRY)]
    recorded = np.datetime64(datetime.fromisoformat(entries[0].time).astimezone(UTC).replace(tzinfo=None), "ns")
    after = np.flatnonzero(rows.time.astype("M8[ns]") > recorded + _CLOCKS_AGREE)
    return [trail.item(), Item("no_entry", 0, 1), rows.item("imported_before", after)]


def _made(entry: Entry) -> set[str]:
    """Hashes of what a piece of work has made; none where it was refused."""
    return set(entry.new.get("digests", {}).values()) if isinstance(entry.new, dict) else set()


def examine_scoring(batches: Sequence[str], digest: str, trail: Recorded | None) -> list[Item]:
    """Ask whether the trail has the scoring of batches by an artefact, from opening to close.

    Returns
    -------
    list of Item
        ``trail``, ``no_entry`` and ``aborted``.
    """
    if trail is None:
        return [Item(check, not_examined=NO_TRAIL) for check in ("trail", "no_entry", "aborted")]
    mine = [entry for entry in trail.batches if entry.artefact == digest]
    opened, closed = ({str(e.object["id"]) for e in mine if e.action == action} for action in (OPENED, CLOSED))
    absent = [batch for batch in batches if batch not in opened]
    left = [batch for batch in batches if batch in opened - closed]
    return [
        trail.item(),
        found("no_entry", len(batches), absent, (f"batch {batch} was never opened in the trail" for batch in absent)),
        found("aborted", len(batches), left, (f"batch {batch}" for batch in left)),
    ]
