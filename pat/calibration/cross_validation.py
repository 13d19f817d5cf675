"""Leave-one-fold-out cross-validation for every number of components at once, and the choice among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from pat import compute
from pat.calibration.model import CrossValidation
from pat.core import diagnostics, pls
from pat.core.pls import Moments, PLSModel
from pat.core.types import Array, IntArray
from pat.errors import InputError, SpectraError
from pat.method import Method
from pat.spectra import batch_facts, batch_names, select_batches, split_batches

LEAST_FOLDS = 3
"""Fewest folds that an error of cross-validation can be had from."""


def readings(batch: xr.Dataset, analyte: str) -> tuple[Array, Array]:
    """Treated spectra (n, p) and reference values (n,) of one batch; NaN where the laboratory gave none."""
    x, y = np.asarray(batch["absorbance"].values), np.asarray(batch[analyte].values)
    bad = np.flatnonzero(~np.isnan(y) & ~np.isfinite(x).all(axis=1))
    if bad.size:
        name = str(batch["batch"].values[0])
        raise SpectraError(
            f"`absorbance` row {bad[0]} of batch {name!r}: expected finite values after treatment, got "
            f"{(~np.isfinite(x[bad[0]])).sum()} that are not"
        )
    return x, y


@dataclass(frozen=True)
class Tested:
    """One batch under a model that did not see it: reference (n,); the rest (n, A_max), a column for each number."""

    reference: Array
    predicted: Array
    t2: Array
    q: Array


def folds_of(method: Method, treated: xr.Dataset, names: list[str]) -> dict[str, str]:
    """Fold of each batch: the batch itself, its lot or its day, as the method says.

    Raises
    ------
    InputError
        If a batch's lot or day is not known, or the batches have fewer than 3 of them.
    """
    fact = method.calibration.folds
    if fact == "batch":
        return {name: name for name in names}
    known = batch_facts(treated, fact)
    if unknown := [name for name in names if not known.get(name)]:
        raise InputError(
            f"calibration.folds is `{fact}`: expected the {fact} of every batch, got none of {unknown[0]!r}"
        )
    folds = {name: known[name] for name in names}
    if (n := len(set(folds.values()))) < LEAST_FOLDS:
        raise InputError(f"calibration.folds is `{fact}`: expected at least {LEAST_FOLDS} of them, got {n}")
    return folds


def leave_each_out(
    method: Method, treated: xr.Dataset, folds: dict[str, str], total: Moments, progress: str | None
) -> dict[str, Tested]:
    """Test the batches of every fold on the model of all others, whose moments are the total less the fold's."""
    most = method.calibration.max_components

    def one(fold: xr.Dataset) -> dict[str, Tested]:
        label = str(fold["batch"].values[0])
        batches = _known_readings(method, fold.assign_coords(batch=fold["member"]))
        own = pls.combine([pls.moments(x, y, total.shift_x, total.shift_y) for x, y in batches.values()])
        model = pls.fit(pls.without(total, own), most)
        if model.n_components < most:
            raise InputError(
                f"calibration.max_components must be at most {model.n_components}: without "
                f"{method.calibration.folds} {label!r} the spectra hold no more that varies with the reference values"
            )
        return {name: Tested(y, pls.predict_all(model, x), *_distances(model, x)) for name, (x, y) in batches.items()}

    tested = compute.map_batches(one, _by_fold(treated, folds), sorted(set(folds.values())), progress=progress)
    return {name: batch for fold in tested for name, batch in fold.items()}


def _by_fold(treated: xr.Dataset, folds: dict[str, str]) -> xr.Dataset:
    """Select the batches of all folds, a fold's name in `batch` and that of the batch in `member`."""
    chosen = select_batches(treated, folds)
    labels = [folds[name] for name in np.asarray(chosen["batch"].values).tolist()]
    named = chosen.assign_coords(member=chosen["batch"])
    return named.assign_coords(batch=("spectrum", np.array(labels, dtype=np.dtypes.StringDType())))


def _known_readings(method: Method, ds: xr.Dataset) -> dict[str, tuple[Array, Array]]:
    """Return what `readings` gives of each batch, in sorted order, without what has no reference value."""
    known: dict[str, tuple[Array, Array]] = {}
    for name, batch in zip(batch_names(ds), split_batches(ds, batch_names(ds)), strict=True):
        x, y = readings(batch, method.analyte.name)
        known[name] = x[~np.isnan(y)], y[~np.isnan(y)]
    return known


def _distances(model: PLSModel, x: Array) -> tuple[Array, Array]:
    """T2 and Q (n, A) of treated spectra (n, p), a column for each number of components."""
    each = [diagnostics.evaluate(model.truncated(a), x)[1:] for a in range(1, model.n_components + 1)]
    t2, q = zip(*each, strict=True)
    return np.column_stack(t2), np.column_stack(q)


def cross_validation(rule: str, folds: dict[str, str], tested: dict[str, Tested]) -> tuple[int, CrossValidation]:
    """Choose the number of components, and put the batches together."""
    names = sorted(tested)
    sizes = [tested[name].reference.size for name in names]
    reference, predicted, t2, q = (
        np.concatenate([getattr(tested[name], part) for name in names])
        for part in ("reference", "predicted", "t2", "q")
    )
    codes = np.unique([folds[name] for name in names], return_inverse=True)[1]
    rmsecv, standard_error = root_mean_square(predicted - reference[:, None], np.repeat(codes, sizes))
    a = choose_components(rmsecv, standard_error, rule)
    return a, CrossValidation(
        batch=np.repeat(np.array(names, dtype=np.str_), sizes),
        reference=reference,
        predicted=predicted,
        rmsecv=rmsecv,
        rmsecv_se=standard_error,
        t2=np.ascontiguousarray(t2[:, a - 1]),
        q=np.ascontiguousarray(q[:, a - 1]),
    )


def root_mean_square(errors: Array, codes: IntArray) -> tuple[Array, Array]:
    """Root mean square of errors over spectra, and its standard error with what was left out at a time as the unit.

    Parameters
    ----------
    errors : ndarray of shape (n, A)
        Errors, a column for each number of components.
    codes : ndarray of int, shape (n,)
        Fold of each spectrum, 0 to B - 1.

    Returns
    -------
    rms, standard_error : ndarray of shape (A,)

    Notes
    -----
    The mean square m is a ratio of fold totals. With r_b = (sum of squares of fold b) - n_b m, its variance is
    B / (B - 1) * sum(r_b^2) / n^2 (Cochran, *Sampling Techniques* (1977), 6.4), and that of its root a quarter
    of this over m.
    """
    n, n_folds = errors.shape[0], int(codes.max()) + 1
    sums = np.zeros((n_folds, errors.shape[1]))
    np.add.at(sums, codes, errors**2)
    mean_square = sums.sum(axis=0) / n
    residual = sums - np.bincount(codes)[:, None] * mean_square
    variance = n_folds / (n_folds - 1) * (residual**2).sum(axis=0) / n**2
    rms = np.sqrt(mean_square)
    with np.errstate(invalid="ignore", divide="ignore"):
        return rms, np.where(rms > 0.0, np.sqrt(variance) / (2.0 * rms), 0.0)


def choose_components(rmsecv: Array, standard_error: Array, rule: str) -> int:
    """Choose the number of components from RMSECV with 1, 2, ... components.

    Parameters
    ----------
    rmsecv, standard_error : ndarray of shape (A_max,)
    rule : str
        ``first_minimum``: the first local minimum. ``one_standard_error``: the fewest components whose RMSECV lies
        within one standard error of the smallest (Hastie, Tibshirani and Friedman, *The Elements of Statistical
        Learning* (2009), 7.10).

    Examples
    --------
    >>> curve = np.array([0.90, 0.42, 0.40, 0.41, 0.39])
    >>> choose_components(curve, np.full(5, 0.04), "first_minimum")
    3
    >>> choose_components(curve, np.full(5, 0.04), "one_standard_error")
    2
    """
    if rule == "first_minimum":
        rises = np.flatnonzero(np.diff(rmsecv) >= 0.0)
        return int(rises[0]) + 1 if rises.size else rmsecv.size
    best = int(np.argmin(rmsecv))
    return int(np.argmax(rmsecv <= rmsecv[best] + standard_error[best])) + 1
