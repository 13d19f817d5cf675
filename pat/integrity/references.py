"""What is known of the spectra of a store: reference values, roles and batch facts."""

from __future__ import annotations

import numpy as np
import xarray as xr

from pat.core.types import BoolArray
from pat.integrity.checks import Item, found
from pat.integrity.order import Rows
from pat.spectra.contract import fact_names, reference_names

# Spectra of these roles are of use by their reference values alone.
_NEED_REFERENCES = ("calibration", "new_reference", "validation")


def examine_references(ds: xr.Dataset, rows: Rows) -> list[Item]:
    """Ask what is known of spectra and batches; nothing lazy is computed.

    Returns
    -------
    list of Item
        ``unreferenced``, ``no_role`` and ``no_facts``.
    """
    names = np.asarray(ds["batch_id"].values).tolist()
    roles = np.asarray(ds["role"].values).tolist() if "role" in ds else [""] * len(names)
    needing = [name for name, role in zip(names, roles, strict=True) if role in _NEED_REFERENCES]
    referenced = np.zeros(rows.batch.size, dtype=bool)
    for analyte in reference_names(ds):
        referenced |= ~np.isnan(np.asarray(ds[analyte].values))
    needs = np.isin(rows.batch.astype(object), needing)
    without_role = [name for name, role in zip(names, roles, strict=True) if not role]
    known = _known(ds, len(names))
    without_facts = [name for name, one in zip(names, known.tolist(), strict=True) if not one]
    return [
        rows.item("unreferenced", np.flatnonzero(needs & ~referenced)),
        _batches("no_role", len(names), without_role),
        _batches("no_facts", len(names), without_facts),
    ]


def _known(ds: xr.Dataset, n: int) -> BoolArray:
    """Whether any fact but the role is known, of each batch."""
    known = np.zeros(n, dtype=bool)
    for fact in fact_names(ds):
        values = np.asarray(ds[fact].values)
        if fact != "role":
            known |= ~np.isnan(values) if values.dtype.kind == "f" else values != ""
    return known


def _batches(check: str, of: int, names: list[str]) -> Item:
    return found(check, of, names, (f"batch {name}" for name in names))
