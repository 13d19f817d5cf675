"""Partial least squares from moments, or from rows: PLS1 and PLS2, for every number of components.

A data set enters through its moments about a common shift: counts, sums, X'X, X'y and y'y. Moments of batches add up,
so one pass over chunked data serves the model, every number of components, and every leave-one-batch-out fold. Where
spectra are long or few, the rows themselves are less work, and give the same model.
"""

from pat.core.pls.fitting import Rows, best_form, fit, fit_pls2, prefers_rows
from pat.core.pls.model import PLS2Model, PLSModel, RankWarning, predict, predict_all, scores
from pat.core.pls.moments import Moments, combine, moments, one_response, without

__all__ = [
    "Moments",
    "PLS2Model",
    "PLSModel",
    "RankWarning",
    "Rows",
    "best_form",
    "combine",
    "fit",
    "fit_pls2",
    "moments",
    "one_response",
    "predict",
    "predict_all",
    "prefers_rows",
    "scores",
    "without",
]
