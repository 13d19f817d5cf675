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


def leverage(t2: Array, n_samples: int) -> Array:
    """Leverage of spectra: how much they would weigh in a calibration of `n_samples` spectra, or do weigh in it.

    Parameters
    ----------
    t2 : ndarray of shape (n,)
        Hotelling's T2 under the model.
    n_samples : int
        Spectra that the model was fitted to.

    Notes
    -----
    With scores t and centred calibration scores T, h = 1/n + t'(T'T)^-1 t = 1/n + T2 / (n - 1): score variances are
    those of n - 1. The leverages of the calibration spectra add up to A + 1.

    References
    ----------
    Martens and Naes, *Multivariate Calibration* (1989), 5.2; ASTM E1655.
    """
    return np.asarray(1.0 / n_samples + t2 / (n_samples - 1))


def full_distance(t2: Array, q: Array, t2_scale: float, q_scale: float) -> Array:
    """Full distance: T2 and Q in one number, each on the scale at which it is a chi-square.

    Parameters
    ----------
    t2, q : ndarray of shape (n,)
        Hotelling's T2 and Q residuals.
    t2_scale, q_scale : float
        g of each, where it follows g times a chi-square; see `pat.limits.full_distance_limit`.

    References
    ----------
    Pomerantsev, *J. Chemometrics* 22 (2008) 601; Pomerantsev and Rodionova, *J. Chemometrics* 28 (2014) 429. The
    combined index of Yue and Qin, *Ind. Eng. Chem. Res.* 40 (2001) 4403, weighs with the two limits instead.
    """
    return np.asarray(t2 / t2_scale + q / q_scale)


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
