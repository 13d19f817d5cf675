"""From treated spectra and reference values to a calibration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import xarray as xr

from pat import compute
from pat.calibration.cross_validation import Fold, cross_validation, leave_each_out, readings
from pat.calibration.folds import folds_of
from pat.calibration.model import Calibration, CrossValidation
from pat.calibration.relearning import has_learnt_from_references, relearn_each_out
from pat.core import pls
from pat.core.crossval import consecutive
from pat.core.pls import Moments, PLSModel
from pat.errors import InputError
from pat.limits import hotelling_t2_limit, scaled_f_limit, three_moment_limit
from pat.method import Method
from pat.spectra import batch_codes, batch_facts, batch_names, batches_with_role, select_batches
from pat.treatment import treated_by
from pat.validation.figures import figures_of_merit

_LEAST_BATCHES = 3
# Moments of so many batches are held in memory at a time: each has p^2 numbers.
_AT_ONCE = 16


def calibrate(
    method: Method,
    ds: xr.Dataset,
    batches: Sequence[str] | None = None,
    *,
    split_batches: bool = False,
    progress: str | None = None,
) -> Calibration:
    """Calibrate a method.

    Parameters
    ----------
    method : Method
    ds : Dataset
        Raw spectra, or spectra that `treat` has treated by this method; raw ones where a step has learnt from
        reference values (OSC), which cross-validation learns anew without each fold.
    batches : sequence of str, optional
        Batches to calibrate on; by default those with the role ``calibration``, or where batches have no roles, all
        with reference values.
    split_batches : bool, optional
        Allow folds that split a batch, such as random ones: the model is then tested on batches that it has seen.
    progress : str, optional
        Label of a progress bar over the cross-validation.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        If the data do not fit the method, hold saturated calibration spectra, or are too few for it: under 3 batches
        or folds, or fewer spectra or wavelengths than the method's `max_components` needs once a fold is left out; if a
        fold would split a batch; or if a step has learnt from the reference values of other spectra than these.

    Notes
    -----
    The number of components follows from RMSECV by the method's rule; see `components_by_rule`. The limits of T2 and Q
    come from spectra under models that did not see their fold, since a model's own calibration spectra lie closer to it
    than any new spectrum will, and allow for the folds being few: `pat.limits.scaled_f_limit` of T2,
    `pat.limits.three_moment_limit` of the residuals, of up to 4096 spectra from all folds.
    """
    treated, rules = treated_by(method, ds), method.calibration
    names = calibration_batches(method, treated, batches)
    _refuse_saturated(method, treated, names)
    folds = folds_of(method, treated, names, split_batches=split_batches)
    total = total_moments(method, treated, names)
    require_enough(rules.max_components, total.n - folds.largest, total.sum_x.size)
    if has_learnt_from_references(method):
        found = relearn_each_out(method, select_batches(ds, names), folds, progress)
    else:
        found = leave_each_out(method, folds, total, progress)
    a, validated = cross_validation(rules.component_rule, folds, found)
    model = pls.fit(total, rules.max_components).truncated(a)
    return Calibration(
        method=method,
        wavelength=np.asarray(treated.attrs["native_wavelength"], dtype=np.float64),
        model=model,
        t2_limit=_t2_limit(validated, rules.scope_confidence),
        q_limit=_q_limit(found, a, rules.scope_confidence),
        cross_validation=validated,
        figures=_figures(model, total, validated, rules.scope_confidence) | {"n_folds": len(folds.names)},
        batches=names,
        lots={name: lot for name, lot in batch_facts(treated, "lot").items() if lot and name in names},
        data_sha256=str(treated.attrs["raw_sha256"]),
    )


def _t2_limit(validated: CrossValidation, confidence: float) -> float:
    return scaled_f_limit(validated.t2, np.unique(validated.fold, return_inverse=True)[1], confidence)


def _q_limit(found: Sequence[Fold], n_components: int, confidence: float) -> float:
    residuals = [fold.kept.residuals(n_components) for fold in found]
    codes = np.repeat(np.arange(len(residuals)), [part.shape[0] for part in residuals])
    return three_moment_limit(np.concatenate(residuals), codes, confidence)


def require_reference(method: Method, ds: xr.Dataset) -> None:
    """Refuse spectra without reference values of the method's analyte, or in other units than the method's.

    Raises
    ------
    InputError
        If there are none, or the units differ.
    """
    analyte = method.analyte
    if analyte.name not in ds:
        raise InputError(f"the method's analyte is `{analyte.name}`, but the spectra have no reference values of it")
    units = ds[analyte.name].attrs.get("units")
    if units != analyte.units:
        raise InputError(f"`{analyte.name}` must be in {analyte.units!r}, as the method says, got {units!r}")


def calibration_batches(method: Method, treated: xr.Dataset, asked: Sequence[str] | None) -> list[str]:
    """Sorted names of the batches to calibrate on, each with a reference value."""
    analyte = method.analyte
    require_reference(method, treated)
    known = ~np.isnan(treated[analyte.name].values)
    with_reference = set(np.asarray(treated["batch"].values)[known].tolist())
    if asked is None:
        asked = batches_with_role(treated, "calibration") if "role" in treated else sorted(with_reference)
    names = sorted(set(asked))
    if blank := [name for name in names if name not in with_reference]:
        reason = "has no reference value" if blank[0] in batch_names(treated) else "is not among the spectra"
        raise InputError(f"calibration batch {blank[0]!r} {reason} (`{analyte.name}`)")
    if len(names) < _LEAST_BATCHES:
        raise InputError(f"calibration needs at least {_LEAST_BATCHES} batches, got {len(names)}")
    return names


def _refuse_saturated(method: Method, treated: xr.Dataset, names: list[str]) -> None:
    """Refuse saturated spectra with a reference value: a model that learnt from them would call them known."""
    limit, analyte = method.spectra.saturation, method.analyte.name
    if limit is None:
        return
    if "raw_peak" not in treated:
        raise InputError("treated spectra must keep `raw_peak` of the raw ones: treat the raw spectra again")
    chosen = select_batches(treated, names)
    with compute.computing():
        peak, known = chosen["raw_peak"].values, ~np.isnan(chosen[analyte].values)
    found = Counter(np.asarray(chosen["batch"].values)[known & (peak >= limit)].tolist())
    if found:
        some = ", ".join(f"{name} ({n})" for name, n in list(found.items())[:5]) + (", ..." if len(found) > 5 else "")
        raise InputError(
            f"calibration spectra must lie below saturation ({limit:g} AU), got {found.total()} that do not, of "
            f"batches {some}: give them no reference value, in a new store"
        )


def total_moments(method: Method, treated: xr.Dataset, names: list[str], *, progress: str | None = None) -> Moments:
    """Moments of all batches, summed in sorted order, so that the bits repeat; in one pass, a few batches at a time.

    Parameters
    ----------
    method : Method
    treated : Dataset
        Treated spectra, lazy or not, in single or double precision.
    names : list of str
        Batches.
    progress : str, optional
        Label of a progress bar.

    Returns
    -------
    Moments
    """
    analyte = method.analyte
    batches = _split(treated[["absorbance", analyte.name]], names)
    x, y = readings(compute.load(batches[0]), analyte.name)
    shift = np.asarray(x[~np.isnan(y)].mean(axis=0, dtype=np.float64))

    def one(batch: xr.Dataset) -> Moments:
        return pls.moments(*readings(batch, analyte.name), shift, analyte.target)

    total: list[Moments] = []
    for start in range(0, len(names), _AT_ONCE):
        parts = compute.map_items(one, batches[start : start + _AT_ONCE], progress=progress)
        total = [pls.combine([*total, *parts])]
    return total[0]


def _split(spectra: xr.Dataset, names: list[str]) -> list[xr.Dataset]:
    """Return the spectra of each batch, in their order."""
    codes, position = batch_codes(spectra), {name: i for i, name in enumerate(batch_names(spectra))}
    rows = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    return [spectra.isel(spectrum=consecutive(rows[position[name]])) for name in names]


def require_enough(max_components: int, n_least: int, n_wavelengths: int) -> None:
    """Refuse more components than the spectra without the largest fold, or the wavelengths, allow."""
    most = min(n_least - 1, n_wavelengths)
    if max_components > most:
        raise InputError(
            f"calibration.max_components must be at most {most} for these spectra ({n_least} without the largest "
            f"fold, at {n_wavelengths} wavelengths), got {max_components}"
        )


def _figures(model: PLSModel, total: Moments, validated: CrossValidation, confidence: float) -> dict[str, float]:
    a, n = model.n_components, total.n
    of_cv = figures_of_merit(validated.reference, validated.predicted[:, a - 1], validated.batch)
    return {
        "n_components": a,
        "n_spectra": n,
        "n_batches": of_cv.n_batches,
        "n_missing": total.n_missing,
        "rmsec": _rmsec(model, total),
        "rmsecv": of_cv.rmsep,
        "rmsecv_se": float(validated.rmsecv_se[a - 1]),
        "r2": of_cv.r2,
        "bias": of_cv.bias,
        "slope": of_cv.response_slope,
        "slope_lower": of_cv.response_slope_lower,
        "t2_limit_f": hotelling_t2_limit(n, a, confidence),
    }


def _rmsec(model: PLSModel, total: Moments) -> float:
    """Root mean squared error of calibration, with n - A - 1 degrees of freedom.

    Scores are uncorrelated, so each component takes q^2 t't off the sum of squares of y.
    """
    explained = float((model.y_loadings**2 * model.score_variance).sum()) * (total.n - 1)
    left = float(total.yy - total.sum_y**2 / total.n) - explained
    degrees = total.n - model.n_components - 1
    return math.sqrt(max(left, 0.0) / degrees) if degrees > 0 else math.nan
