"""From treated spectra and reference values to a calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from pat.calibration.cross_validation import Fold, cross_validation, leave_each_out
from pat.calibration.model import Calibration, CrossValidation
from pat.calibration.preparation import prepare
from pat.calibration.relearning import relearn_each_out, relearns
from pat.core import pls
from pat.core.pls import Moments, PLSModel
from pat.limits import hotelling_t2_limit, scaled_f_limit, three_moment_limit
from pat.method import Method
from pat.spectra import batch_facts
from pat.validation.figures import figures_of_merit


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
        Raw spectra, or spectra that `treat` has treated by this method; raw ones where a step learns, which it does
        anew without each fold of cross-validation.
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
        fold would split a batch; if a step learns and the spectra are treated, or OSC has learnt from others than
        these; or if what EPO learns from is part of the calibration.

    Notes
    -----
    Steps that say ``calibration`` learn from the spectra with reference values: for the model from all of them, which
    is what the artefact carries, and for cross-validation from those of the other folds. A reference that the method
    gives as numbers is the same in every fold.

    The number of components follows from RMSECV by the method's rule; see `components_by_rule`. The limits of T2 and Q
    come from spectra under models that did not see their fold, since a model's own calibration spectra lie closer to it
    than any new spectrum will, and allow for the folds being few: `pat.limits.scaled_f_limit` of T2,
    `pat.limits.three_moment_limit` of the residuals, of up to 4096 spectra from all folds.
    """
    given, rules = prepare(method, ds, batches, split_batches=split_batches, progress=progress), method.calibration
    folds, treated, total = given.folds, given.treated, given.moments()
    if relearns(method):
        found = relearn_each_out(method, ds, folds, progress)
    else:
        found = leave_each_out(method, folds, total, progress)
    a, validated = cross_validation(rules.component_rule, folds, found)
    model = pls.fit(total, rules.max_components).truncated(a)
    return Calibration(
        method=method,
        steps=given.learnt.document()["preprocessing"],
        wavelength=np.asarray(treated.attrs["native_wavelength"], dtype=np.float64),
        model=model,
        t2_limit=_t2_limit(validated, rules.scope_confidence),
        q_limit=_q_limit(found, a, rules.scope_confidence),
        cross_validation=validated,
        figures=_figures(model, total, validated, rules.scope_confidence) | {"n_folds": len(folds.names)},
        batches=given.names,
        lots={name: lot for name, lot in batch_facts(treated, "lot").items() if lot and name in given.names},
        data_sha256=str(treated.attrs["raw_sha256"]),
    )


def _t2_limit(validated: CrossValidation, confidence: float) -> float:
    return scaled_f_limit(validated.t2, np.unique(validated.fold, return_inverse=True)[1], confidence)


def _q_limit(found: Sequence[Fold], n_components: int, confidence: float) -> float:
    residuals = [fold.kept.residuals(n_components) for fold in found]
    codes = np.repeat(np.arange(len(residuals)), [part.shape[0] for part in residuals])
    return three_moment_limit(np.concatenate(residuals), codes, confidence)


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
