"""Cross-validation of a method with a step that has learnt from reference values: it learns anew without each fold.

Orthogonal signal correction knows the reference values of the spectra that it learnt from. Left as it is, it would hand
them to the models that are to be tested on these very spectra. What a scatter correction learns, a mean spectrum, knows
no reference value; it counts as a fixed reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from pat import compute
from pat.calibration.cross_validation import Fold, completed, readings, rows_to_keep
from pat.calibration.folds import Folds
from pat.core import pls
from pat.core.crossval import Group, held_out
from pat.core.preprocess import Treatment, fit_treatment, needs_references, unlearnt
from pat.core.types import Array
from pat.errors import InputError
from pat.method import Method

# Relative difference of what a step learns twice from the same spectra, in another order.
_SAME = 1e-6


def has_learnt_from_references(method: Method) -> bool:
    """Whether a step of the method has learnt from reference values."""
    return any(map(needs_references, method.document()["preprocessing"]))


def require_no_references(method: Method, what: str) -> None:
    """Refuse a method with a step that has learnt from reference values.

    Raises
    ------
    InputError
        With the step's name.
    """
    if has_learnt_from_references(method):
        raise InputError(
            f"{what} takes the treatment for fixed, and OSC has learnt from reference values: it would know those of "
            "the spectra that are left out. Expected a method without `osc`; `pat search` learns it anew each time"
        )


def relearn_each_out(method: Method, raw: xr.Dataset, folds: Folds, progress: str | None = None) -> list[Fold]:
    """Test every fold on the treatment and model of all others.

    Parameters
    ----------
    method : Method
        Its steps have learnt from the spectra of these very folds.
    raw : Dataset
        Raw spectra of the folds' batches, in the same order as `folds.spectra`; they are held in memory.
    folds : Folds
    progress : str, optional
        Label of a progress bar.

    Raises
    ------
    InputError
        If the spectra are treated already, or the steps have learnt from others than these: their cross-validation
        would be that of another method.
    """
    if "treatment" in raw.attrs:
        raise InputError("OSC must be learnt anew without each fold: expected raw spectra, got treated ones")
    x, y = readings(compute.load(raw.isel(spectrum=np.concatenate(folds.rows))), method.analyte.name)
    wavelength, most = np.asarray(raw["wavelength"].values, dtype=np.float64), method.calibration.max_components
    ends = np.cumsum([0, *(rows.size for rows in folds.rows)])
    _require_same(method, wavelength, x, y)

    def one(index: int) -> Fold:
        out = np.zeros(y.size, dtype=bool)
        out[ends[index] : ends[index + 1]] = True
        ranges, steps = _unlearnt(method)
        treat = Treatment(wavelength, ranges, fit_treatment(wavelength, ranges, steps, x[~out], y[~out]))
        treated = treat(x)
        total = pls.moments(treated, y, treated[~out].mean(axis=0), float(y[~out].mean()))
        group = Group(folds.called(index), treated[out], y[out])
        [found] = held_out(total, [group], most, keep=rows_to_keep(folds))
        return completed(group, found, most)

    return compute.map_items(one, range(len(folds.names)), progress=progress)


def _unlearnt(method: Method) -> tuple[list[Any], list[dict[str, Any]]]:
    document = method.document()
    steps = [unlearnt(step) if needs_references(step) else step for step in document["preprocessing"]]
    return document["spectra"]["ranges"], steps


def _require_same(method: Method, wavelength: Array, x: Array, y: Array) -> None:
    """Refuse directions that are not those of these spectra."""
    ranges, steps = _unlearnt(method)
    again = fit_treatment(wavelength, ranges, steps, x, y)
    own, found = method.treatment(wavelength)(x), Treatment(wavelength, ranges, again)(x)
    if not np.max(np.abs(own - found)) <= _SAME * np.max(np.abs(own)):
        raise InputError(
            "OSC must have learnt from the calibration batches, all of them and no others, so that cross-validation "
            "can learn it anew without each fold; got other directions. Write `directions: calibration`, and learn "
            "again from these batches"
        )
