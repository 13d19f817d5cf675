"""Nested cross-validation: an error that the choice of the number of components has not made smaller.

RMSECV at the number of components that had the smallest RMSECV is too small: the same errors chose it and then judge
it. Here an inner cross-validation of the other folds chooses for each fold that is left out, and that fold judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pat import compute
from pat.calibration.choice import components_by_rule, rms_interval
from pat.calibration.cross_validation import fold_codes, group, groups_of
from pat.calibration.folds import Folds
from pat.calibration.preparation import prepare
from pat.calibration.relearning import require_no_references
from pat.core.crossval import Group, HeldOut, blocks_in_step, held_out
from pat.core.pls import Moments, moments, without
from pat.core.types import Array, IntArray
from pat.errors import InputError
from pat.method import Method


@dataclass(frozen=True)
class NestedCrossValidation:
    """What nested cross-validation found.

    Attributes
    ----------
    rmse : float
        Root mean squared error over spectra of predictions by models whose number of components was chosen without
        them (units of the analyte).
    interval : tuple of float
        Lower and upper end of a 95 % interval for the error in new folds; see `rms_interval`.
    rmsecv : float
        For comparison: RMSECV with the number of components that the rule chooses from all folds.
    n_components : int
        That number.
    fold : list of str
        Outer folds, sorted.
    chosen : ndarray of int, shape (F,)
        Components that the inner cross-validation chose without each of them.
    batch : ndarray of str, shape (n,)
    reference, predicted : ndarray of shape (n,)
        Of each spectrum with a reference value, folds one after the other.
    """

    rmse: float
    interval: tuple[float, float]
    rmsecv: float
    n_components: int
    fold: list[str]
    chosen: IntArray
    batch: NDArray[np.str_]
    reference: Array
    predicted: Array


def nested_cross_validation(
    method: Method,
    ds: xr.Dataset,
    batches: Sequence[str] | None = None,
    *,
    split_batches: bool = False,
    progress: str | None = None,
) -> NestedCrossValidation:
    """Estimate the error of a method whose number of components is chosen by its rule.

    Parameters
    ----------
    method, ds, batches, split_batches, progress
        As in `calibrate`. The treated spectra of the batches are held in memory.

    Returns
    -------
    NestedCrossValidation

    Raises
    ------
    InputError
        As `calibrate`; two folds are left out at a time. A method with OSC is refused; what other steps learn from the
        spectra of all folds is taken for fixed.

    References
    ----------
    Stone, *J. R. Stat. Soc. B* 36 (1974) 111; Filzmoser, Liebmann and Varmuza, *J. Chemometrics* 23 (2009) 160.
    """
    require_no_references(method, "nested cross-validation")
    given, rules = prepare(method, ds, batches, split_batches=split_batches), method.calibration
    folds, total = given.folds, given.moments(left_out=2)
    groups = _in_memory(method, folds)
    predicted, chosen = nested_predictions(total, groups, rules.max_components, rules.component_rule, progress=progress)
    reference, codes = np.concatenate([one.y for one in groups]), fold_codes(folds)
    errors = predicted - reference[:, None]
    a = components_by_rule(rules.component_rule, errors, codes)
    of_choice = np.take_along_axis(predicted, chosen[codes][:, None] - 1, axis=1)
    squares = (of_choice[:, 0] - reference) ** 2
    of_fold = np.asarray(np.bincount(codes, weights=squares), dtype=np.float64)
    return NestedCrossValidation(
        rmse=float(np.sqrt(squares.mean())),
        interval=rms_interval(of_fold, np.bincount(codes)),
        rmsecv=float(np.sqrt(np.mean(errors[:, a - 1] ** 2))),
        n_components=a,
        fold=folds.names,
        chosen=chosen,
        batch=np.array(folds.spectra["batch"].values[np.concatenate(folds.rows)].tolist(), dtype=np.str_),
        reference=reference,
        predicted=of_choice[:, 0],
    )


def _in_memory(method: Method, folds: Folds) -> list[Group]:
    analyte = method.analyte.name
    loaded = compute.load(folds.spectra)
    whole = Folds(loaded, folds.by, folds.names, folds.rows)
    return [group(named, analyte) for named in groups_of(whole, analyte, range(len(folds.names)))]


def nested_predictions(
    total: Moments, groups: Sequence[Group], n_components: int, rule: str, *, progress: str | None = None
) -> tuple[Array, IntArray]:
    """Predictions of every group without it, and the number of components that the others chose.

    Parameters
    ----------
    total : Moments
        Moments of all groups.
    groups : sequence of Group
    n_components : int
        Most components, A.
    rule : str
        As in `components_by_rule`.
    progress : str, optional
        Label of a progress bar.

    Returns
    -------
    predicted : ndarray of shape (n, A)
        Groups one after the other, a column for each number of components.
    chosen : ndarray of int, shape (F,)

    Raises
    ------
    InputError
        If the spectra without some groups hold fewer components.
    """

    def outer(index: int) -> int:
        left_out = groups[index]
        rest = without(total, moments(left_out.x, left_out.y, total.shift_x, total.shift_y))
        inner = [one for i, one in enumerate(groups) if i != index]
        errors = _left_out(rest, inner, n_components) - np.concatenate([one.y for one in inner])[:, None]
        return components_by_rule(rule, errors, np.repeat(np.arange(len(inner)), [one.y.size for one in inner]))

    chosen = compute.map_items(outer, range(len(groups)), progress=progress)
    return _left_out(total, groups, n_components), np.array(chosen, dtype=np.int64)


def _left_out(total: Moments, groups: Sequence[Group], n_components: int) -> Array:
    found: list[HeldOut] = []
    for block in blocks_in_step([one.y.shape[0] for one in groups], total.sum_x.size):
        found += held_out(total, groups[block.start : block.stop], n_components, distances=False)
    least = min(one.n_components for one in found)
    if least < n_components:
        raise InputError(
            f"calibration.max_components must be at most {least}: without two folds the spectra hold no more that "
            "varies with the reference values"
        )
    return np.concatenate([one.predicted for one in found])
