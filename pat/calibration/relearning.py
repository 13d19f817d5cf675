"""Cross-validation of a method with steps that learn: they learn anew without each fold, from the others alone.

A scatter correction that has seen the mean of all spectra knows a little of those that it is tested on; orthogonal
signal correction knows their reference values. A search learns by the same functions, those of `pat.calibration.known`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from pat import compute
from pat.calibration.cross_validation import Fold, completed, rows_to_keep
from pat.calibration.folds import Folds
from pat.calibration.known import Source, moments_of
from pat.core.crossval import Group, held_out
from pat.core.preprocess import learns_from_calibration, needs_references, unlearnt
from pat.errors import InputError
from pat.method import Method
from pat.spectra import batch_names, select_batches
from pat.treatment import has_to_learn, require_raw, steps_with_levels

_Steps = list[dict[str, Any]]

# Relative difference of what a step learns twice from the same spectra, in another order.
_SAME = 1e-6
_COMPARED = 2048


def relearns(method: Method) -> bool:
    """Whether cross-validation of the method learns steps of it anew without each fold.

    Those are the steps that still say ``calibration``, and OSC whatever it says. What EPO learns from batches of its
    own is the same without any fold.
    """
    steps = method.document()["preprocessing"]
    return any(learns_from_calibration(step) or needs_references(step) for step in steps)


def takes_raw(method: Method) -> bool:
    """Whether the method can be calibrated on raw spectra alone, for it has steps that learn."""
    return has_to_learn(method) or relearns(method)


def require_no_references(method: Method, what: str) -> None:
    """Refuse a method with a step that learns from reference values.

    Raises
    ------
    InputError
        With the step's name.
    """
    if any(map(needs_references, method.document()["preprocessing"])):
        raise InputError(
            f"{what} takes the treatment for fixed, and OSC learns from reference values: it would know those of "
            "the spectra that are left out. Expected a method without `osc`; `pat search` learns it anew each time"
        )


@dataclass(frozen=True)
class _Out:
    """A fold to leave out, and the raw spectra of all folds one after the other."""

    name: str
    rows: range
    source: Source


def relearn_each_out(method: Method, ds: xr.Dataset, folds: Folds, progress: str | None = None) -> list[Fold]:
    """Test every fold on the treatment and model of all others.

    Parameters
    ----------
    method : Method
        As it is written. A step that says ``calibration`` learns from the other folds; so does OSC that has learnt,
        which must have done so from the spectra of these very folds.
    ds : Dataset
        Raw spectra, those that EPO learns from among them. Each process holds one copy of the folds' spectra, in their
        own precision, and each task a few thousand of them treated and one fold.
    folds : Folds
        Of the same spectra treated.
    progress : str, optional
        Label of a progress bar.

    Raises
    ------
    InputError
        If the spectra are treated already, or OSC has learnt from others than these: their cross-validation would be
        that of another method.
    """
    require_raw(method, ds)
    names, analyte = batch_names(folds.spectra), method.analyte.name
    source = Source(select_batches(ds, names).isel(spectrum=np.concatenate(folds.rows)), analyte)
    ranges, written = method.document()["spectra"]["ranges"], steps_with_levels(method, ds, names)
    if any(needs_references(step) and not learns_from_calibration(step) for step in written):
        compute.map_items(partial(_require_same, ranges, written), [source])
    ends = np.cumsum([0, *(rows.size for rows in folds.rows)]).tolist()
    items = [_Out(folds.called(i), range(ends[i], ends[i + 1]), source) for i in range(len(folds.names))]
    most, keep = method.calibration.max_components, rows_to_keep(folds)
    one = partial(_left_out, ranges, _unlearnt(written), most=most, keep=keep)
    return compute.map_items(one, items, progress=progress)


def _left_out(ranges: list[Any], steps: _Steps, fold: _Out, *, most: int, keep: int) -> Fold:
    known = fold.source.known()
    every, out = np.arange(known.y.size), np.array(fold.rows)
    treat = known.learn(ranges, steps, np.delete(every, out))
    group = Group(fold.name, known.treated(treat, out), known.y[out])
    total = moments_of(partial(known.treated, treat), known.y, every)
    [found] = held_out(total, [group], most, keep=keep)
    return completed(group, found, most)


def _unlearnt(steps: _Steps) -> _Steps:
    return [unlearnt(step) if needs_references(step) else step for step in steps]


def _require_same(ranges: list[Any], written: _Steps, source: Source) -> None:
    """Refuse directions of OSC that are not those of these spectra."""
    known = source.known()
    every = np.arange(known.y.size)
    some = every[:: max(1, every.size // _COMPARED)]
    own, found = (known.learn(ranges, steps, every)(known.x[some]) for steps in (written, _unlearnt(written)))
    if not np.max(np.abs(own - found)) <= _SAME * np.max(np.abs(own)):
        raise InputError(
            "OSC must have learnt from the calibration batches, all of them and no others, so that cross-validation "
            "can learn it anew without each fold; got other directions. Write `directions: calibration`"
        )
