"""The integrity of a store of spectra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pat.compute import computing
from pat.errors import InputError, SpectraError
from pat.integrity.checks import CHECKS, Item
from pat.integrity.order import Rows, examine_order
from pat.integrity.readings import examine_readings
from pat.integrity.references import examine_references
from pat.integrity.report import Report, examined
from pat.integrity.trail import Recorded, examine_import
from pat.scorer import Scorer
from pat.spectra.contract import check_metadata
from pat.spectra.places import place_of
from pat.spectra.store import content_sha256, open_store

_OF_READINGS = ("duplicates", "non_finite", "saturated", "out_of_scope")


def examine_store(
    path: str | Path, *, scorer: Scorer | None = None, trail: Recorded | None = None, progress: str | None = None
) -> Report:
    """Examine a store; absorbance is read chunk by chunk, twice: for its hash, and for what it holds.

    Parameters
    ----------
    path : path-like or URL
        The store. One that is damaged, or breaks the data contract, is examined as far as it can be read.
    scorer : Scorer, optional
        Of the artefact whose scope is asked for; the store holds raw spectra then.
    trail : Recorded, optional
        The audit trail in which the import should stand.
    progress : str, optional
        Label of a progress bar.

    Returns
    -------
    Report

    Raises
    ------
    SpectraError
        If there is no store.
    InputError
        If the artefact expects spectra on another axis.
    """
    if place_of(path).root() is None:
        open_store(path)  # raises what is said where there is no store
    try:
        ds = open_store(path, unchecked=True)
        rows = Rows(ds)
    except SpectraError as error:
        return Report(str(path), examined("store"), _unreadable(error))
    if scorer is not None:
        _require_axis(ds, scorer)
    items = [_contract(ds), *examine_order(rows), *_read(ds, rows, scorer, progress), *examine_references(ds, rows)]
    return Report(str(path), _facts(ds, rows), [*items, *examine_import(ds, rows, trail)])


def _require_axis(ds: xr.Dataset, scorer: Scorer) -> None:
    axis, expected = np.asarray(ds["wavelength"].values), scorer.wavelength
    if axis.shape != expected.shape or not np.allclose(axis, expected, rtol=0.0, atol=1e-6):
        expected_axis, came = (f"{a.size} wavelengths from {a[0]:g} to {a[-1]:g} nm" for a in (expected, axis))
        raise InputError(f"the artefact expects raw spectra on {expected_axis}, got a store with {came}")


def _contract(ds: xr.Dataset) -> Item:
    try:
        check_metadata(ds)
    except SpectraError as error:
        return Item("contract", 1, 0, (str(error),))
    return Item("contract")


def _read(ds: xr.Dataset, rows: Rows, scorer: Scorer | None, progress: str | None) -> list[Item]:
    """Ask what takes reading the absorbance; a chunk that cannot be read is not what was stored."""
    recorded = str(ds.attrs["sha256"])
    try:
        with computing(progress, graphs=2):
            computed = content_sha256(ds)
            items = examine_readings(ds, rows, scorer)
    except SpectraError as error:
        return [Item("hash", 1, 1, (str(error),)), *_not_examined(_OF_READINGS)]
    where = () if computed == recorded else (f"expected SHA-256 {recorded}, got {computed}",)
    return [Item("hash", len(where), 1, where), *items]


def _unreadable(error: SpectraError) -> list[Item]:
    left_out = [check for check in CHECKS if check not in ("hash", *_OF_RUNS)]
    return [Item("hash", 1, 1, (str(error),)), *_not_examined(left_out)]


_OF_RUNS = ("statuses", "unreleased", "other_artefact", "aborted")


def _not_examined(checks: tuple[str, ...] | list[str]) -> list[Item]:
    return [Item(check, not_examined="the store cannot be read") for check in checks]


def _facts(ds: xr.Dataset, rows: Rows) -> dict[str, Any]:
    times = np.datetime_as_string(rows.time[[rows.time.argmin(), rows.time.argmax()]].astype("M8[ns]"), unit="s")
    return {
        **examined("store"),
        "spectra": ds.sizes["spectrum"],
        "batches": ds.sizes["batch_id"],
        "instruments": sorted(set(rows.instrument.tolist())),
        "first": f"{times[0]}Z",
        "last": f"{times[1]}Z",
        "simulated": bool(ds.attrs.get("simulated", False)),
        "sha256": ds.attrs["sha256"],
        "derived_from": ds.attrs.get("derived_from"),
    }
