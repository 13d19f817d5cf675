"""How far a spectrum lies from what the model knows: Hotelling's T2 inside it, Q residuals outside it."""

from __future__ import annotations

from collections.abc import Callable

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


class Evaluator:
    """`evaluate` of one model, compiled: prediction and scores come out of one product, Q from what they leave.

    Parameters
    ----------
    model : PLSModel

    Raises
    ------
    ValueError
        If the model's arrays do not fit together.

    Notes
    -----
    With scores t and prediction in one product of the centred spectrum c with (R, b), Q = |c - P t|^2. The forms that
    need no residual, such as |c|^2 - 2 t'P'c + t'P'P t, lose in cancellation what the model fits: for a spectrum with
    Q of 1e-10 |c|^2 they are off by 1e-6 of it.
    """

    def __init__(self, model: PLSModel) -> None:
        self._mean = np.ascontiguousarray(model.x_mean)
        self._directions = np.vstack([model.rotations.T, model.coefficients[-1]])
        self._loadings = np.ascontiguousarray(model.loadings.T)
        self._y_mean = model.y_mean
        with np.errstate(divide="ignore"):
            self._precision = 1.0 / model.score_variance
        if self._loadings.shape != (self._precision.size, self._mean.size):
            raise ValueError(
                f"loadings must be of {self._mean.size} wavelengths and {self._precision.size} components, "
                f"got {self._loadings.shape[::-1]}"
            )
        self.of_one()(np.zeros(self._mean.size))  # which proves that all others fit, too

    def into(self, treated: Array, out: Array) -> None:
        """Fill an array (3, n) with prediction, T2 and Q of treated spectra (n, p), which become their residuals."""
        treated -= self._mean
        found = treated @ self._directions.T
        scores = found[:, :-1]
        treated -= scores @ self._loadings
        np.add(found[:, -1], self._y_mean, out=out[0])
        np.matmul(scores * scores, self._precision, out=out[1])
        np.vecdot(treated, treated, out=out[2])

    def of_one(self, residual: Array | None = None) -> Callable[[Array], tuple[float, float, float]]:
        """Return what gives prediction, T2 and Q of one treated spectrum (p,), in rooms of its own, for one thread.

        Parameters
        ----------
        residual : ndarray of shape (p,), optional
            Room for what the model leaves of the spectrum.
        """
        mean, directions, loadings, precision = self._mean, self._directions, self._loadings, self._precision
        y_mean = self._y_mean
        residual = np.empty(mean.size) if residual is None else residual
        modelled, found = np.empty(mean.size), np.empty(len(directions))
        scores, squares = found[:-1], np.empty(precision.size)

        def evaluate_one(treated: Array) -> tuple[float, float, float]:
            np.subtract(treated, mean, out=residual)
            np.dot(directions, residual, out=found)
            np.dot(scores, loadings, out=modelled)
            np.subtract(residual, modelled, out=residual)
            np.multiply(scores, scores, out=squares)
            return float(found[-1]) + y_mean, float(squares.dot(precision)), float(residual.dot(residual))

        return evaluate_one


def in_scope(
    value: Array | float,
    t2: Array | float,
    q: Array | float,
    content: tuple[float, float],
    t2_limit: float,
    q_limit: float,
) -> BoolArray:
    """Whether spectra are what the model knows, and their content what it is validated for.

    Parameters
    ----------
    value, t2, q : ndarray of shape (n,), or float
        As `evaluate` returns them.
    content : (float, float)
        Lowest and highest content that the method is validated for (analyte units); beyond it a prediction is an
        extrapolation.
    t2_limit, q_limit : float
        Largest Hotelling's T2 and Q residuals.

    Returns
    -------
    ndarray of bool, shape (n,), or () for one spectrum
        False where anything is NaN.
    """
    low, high = content
    return np.asarray((value >= low) & (value <= high) & (t2 <= t2_limit) & (q <= q_limit))
