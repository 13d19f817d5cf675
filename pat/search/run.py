"""A method search from a store to a method: every chain of a space, in parallel, and whatever was done before kept."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pat import compute
from pat.calibration.cross_validation import fold_codes
from pat.calibration.folds import Folds, folds_of
from pat.calibration.known import Source
from pat.core.pls import RankWarning
from pat.core.preprocess import learns_from_levels
from pat.core.types import Array, IntArray
from pat.method import Method
from pat.search.evaluate import Data, in_families, level_key, outer_folds, score_family
from pat.search.results import ChainScore, Progress, Search, conclude
from pat.search.space import Chain, Space
from pat.treatment import calibration_batches, data_sha256, require_raw, steps_with_levels

_OUTER_FOLDS = 5
# Chains of a family that one task takes: enough to share the family's work, few enough to keep every core busy.
_IN_TASK = 16


@dataclass(frozen=True)
class _Task:
    """Some chains of one family, and the spectra that they are tried on."""

    chains: list[Chain]
    source: Source
    codes: IntArray
    levels: dict[bytes, Any]
    outer: list[IntArray]


def search(
    method: Method,
    space: Space,
    ds: xr.Dataset,
    batches: Sequence[str] | None = None,
    *,
    folder: str | Path | None = None,
    n_outer: int = _OUTER_FOLDS,
    progress: str | None = None,
) -> Search:
    """Try every chain of a space under the same cross-validation.

    Parameters
    ----------
    method : Method
        What the space leaves open stays as this method says, the folds of cross-validation among it.
    space : Space
    ds : Dataset
        Raw spectra.
    batches : sequence of str, optional
        Batches to search on; those that `calibrate` would take by default. No other spectrum is looked at.
    folder : path, optional
        Where each score is kept as soon as it is known; a search that was interrupted goes on from there.
    n_outer : int, default 5
        Outer folds of the nested estimate, which costs about as many times the work again; 0 leaves it out.
    progress : str, optional
        Label of a progress bar.

    Returns
    -------
    Search

    Raises
    ------
    InputError
        If the data do not fit the method, no chain can be calibrated, or the folder holds another search.
    MethodError
        If no chain of the space fits the spectra.

    Notes
    -----
    Chains that differ in the linear steps at their end share the spectra and the moments before these steps, and are
    cross-validated in step (`pat.core.crossval.left_out_through`). Steps that learn do so anew without each group that
    is left out, once for all chains that share them; `calibrate` makes them learn by the same functions, and so gives
    the chain the same RMSECV.

    Each process holds the raw calibration spectra once (8 bytes a reading), whatever the number of its tasks. Each task
    keeps at most 128 MiB of treated spectra; more are treated anew, a few thousand or some groups at a time, when they
    are used. Beside them it holds the groups that advance together, 64 MiB, or all of an outer fold, twice. Measured
    with two tasks on threads, five outer folds: 0.3 GB above the start for 8,000 spectra at 800 wavelengths, 1.2 GB
    for 80,000 (raw spectra 0.5 GB of it), 0.6 GB where all chains begin with MSC and there are no outer folds.
    """
    wavelength = np.asarray(ds["wavelength"].values, dtype=np.float64)
    chains, left_out = space.chains(method, wavelength)
    require_raw(method, ds)
    names = calibration_batches(method, ds, batches)
    folds = folds_of(method, ds, names)
    outer = outer_folds(len(folds.names), n_outer)
    kept = None if folder is None else Progress(folder, _header(method, ds, names, n_outer))
    scores = {} if kept is None else {c.key: score for c in chains if (score := kept.known(c.key)) is not None}

    def done(found: list[ChainScore]) -> None:
        for score in found:
            scores[score.key] = score
            if kept is not None:
                kept.keep(score)

    left = [chain for chain in chains if chain.key not in scores]
    tasks = _tasks(left, wavelength, folds, method.analyte.name, _levels(left, ds, names), outer)
    with warnings.catch_warnings():
        # A chain that holds fewer components is compared with those that it holds.
        warnings.simplefilter("ignore", RankWarning)
        compute.map_items(_run, tasks, done=done, progress=progress)
    return conclude([scores[chain.key] for chain in chains], left_out)


def _header(method: Method, ds: xr.Dataset, names: list[str], n_outer: int) -> dict[str, Any]:
    """Say what scores depend on beside their chain."""
    return {
        "method": method.name,
        "analyte": method.document()["analyte"],
        "data": data_sha256(ds),
        "batches": names,
        "outer_folds": n_outer,
    }


def _levels(chains: list[Chain], ds: xr.Dataset, names: list[str]) -> dict[bytes, Any]:
    """Return what EPO learns from in any of the chains."""
    found: dict[bytes, Any] = {}
    for chain in chains:
        asked = [step for step in chain.method.document()["preprocessing"] if learns_from_levels(step)]
        if any(level_key(step) not in found for step in asked):
            at_hand = [step for step in steps_with_levels(chain.method, ds, names) if learns_from_levels(step)]
            found |= {level_key(step): known["spectra"] for step, known in zip(asked, at_hand, strict=True)}
    return found


def _tasks(
    chains: list[Chain],
    wavelength: Array,
    folds: Folds,
    analyte: str,
    levels: dict[bytes, Any],
    outer: list[IntArray],
) -> list[_Task]:
    source = Source(folds.spectra.isel(spectrum=np.concatenate(folds.rows)), analyte)
    return [
        _Task(family[i : i + _IN_TASK], source, fold_codes(folds), levels, outer)
        for family in in_families(chains, wavelength)
        for i in range(0, len(family), _IN_TASK)
    ]


def _run(task: _Task) -> list[ChainScore]:
    known = task.source.known()
    data = Data(known.wavelength, known.x, known.y, task.codes, task.levels)
    return list(score_family(task.chains, data, task.outer))
