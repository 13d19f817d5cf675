"""How far a spectrum lies from what the model knows: Hotelling's T2 inside it, Q residuals outside it."""

from __future__ import annotations

import numpy as np

from pat.core import pls
from pat.core.pls import PLSModel
from pat.core.types import Array, BoolArray


def hotelling_t2(scores: Array, score_variance: Array) -> Array:
    """Hotelling's T2 of scores (n, A): the sum of squared scores, each over its calibration variance (A,).

    References
    ----------
    Hotelling, in *Techniques of Statistical Analysis* (1947) 111; for PLS scores, which are uncorrelated.
    """
    return np.asarray((scores * scores / score_variance).sum(axis=-1))


def q_residuals(centred: Array, scores: Array, loadings: Array) -> Array:
    """Q residuals: squared length of what the components leave of a spectrum.

    Parameters
    ----------
    centred : ndarray of shape (n, p)
        Treated spectra less the model's mean.
    scores : ndarray of shape (n, A)
    loadings : ndarray of shape (p, A)

    Returns
    -------
    ndarray of shape (n,)

    References
    ----------
    Jackson and Mudholkar, *Technometrics* 21 (1979) 341.
    """
    residual = centred - scores @ loadings.T
    return np.asarray((residual * residual).sum(axis=-1))


def evaluate(model: PLSModel, treated: Array) -> tuple[Array, Array, Array]:
    """Prediction, T2 and Q of treated spectra.

    Parameters
    ----------
    model : PLSModel
    treated : ndarray of shape (n, p)

    Returns
    -------
    value, hotelling_t2, q_residuals : ndarray of shape (n,)
        In analyte units, dimensionless, and in squared units of the treated spectra.
    """
    t = pls.scores(model, treated)
    q = q_residuals(treated - model.x_mean, t, model.loadings)
    return pls.predict(model, treated), hotelling_t2(t, model.score_variance), q


def in_scope(
    value: Array, t2: Array, q: Array, content: tuple[float, float], t2_limit: float, q_limit: float
) -> BoolArray:
    """Whether spectra are what the model knows, and their content what it is validated for.

    Parameters
    ----------
    value, t2, q : ndarray of shape (n,)
        As `evaluate` returns them.
    content : (float, float)
        Lowest and highest content that the method is validated for (analyte units); beyond it a prediction is an
        extrapolation.
    t2_limit, q_limit : float
        Largest Hotelling's T2 and Q residuals.

    Returns
    -------
    ndarray of bool, shape (n,)
        False where anything is NaN.
    """
    low, high = content
    return np.asarray((value >= low) & (value <= high) & (t2 <= t2_limit) & (q <= q_limit))
