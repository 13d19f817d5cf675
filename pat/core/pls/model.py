"""PLS models, for one response and for several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from pat.core.types import Array
from pat.errors import InputError

_Model = TypeVar("_Model", "PLSModel", "PLS2Model")


class RankWarning(UserWarning):
    """Fewer components than asked for: the spectra hold no more that varies with the reference values."""


@dataclass(frozen=True)
class PLSModel:
    """A PLS1 model on centred spectra, for every number of components up to A.

    Every array is in the units of the spectra and of the reference, also where the fit scaled them.

    Attributes
    ----------
    x_mean, y_mean : ndarray of shape (p,), float
        Centres.
    weights, loadings, rotations : ndarray of shape (p, A)
        W, P and R, with scores T = (X - x_mean) R and spectra X - x_mean = T P' + residuals.
    y_loadings : ndarray of shape (A,)
        q.
    coefficients : ndarray of shape (A, p)
        Row a - 1 is the regression vector with a components.
    score_variance : ndarray of shape (A,)
        Sample variances (n - 1) of the calibration scores.
    n_samples : int
        Spectra that the model was fitted to.
    """

    x_mean: Array
    y_mean: float
    weights: Array
    loadings: Array
    y_loadings: Array
    rotations: Array
    coefficients: Array
    score_variance: Array
    n_samples: int

    @property
    def n_components(self) -> int:
        """Number of components A."""
        return int(self.score_variance.size)

    def truncated(self, n_components: int) -> PLSModel:
        """Return the same model with its first `n_components` alone."""
        return _truncated(self, n_components)


@dataclass(frozen=True)
class PLS2Model:
    """A PLS2 model: m responses share the components.

    Attributes
    ----------
    x_mean, y_mean : ndarray of shape (p,), ndarray of shape (m,)
    weights, loadings, rotations : ndarray of shape (p, A)
    y_loadings : ndarray of shape (A, m)
    coefficients : ndarray of shape (A, p, m)
    score_variance : ndarray of shape (A,)
    n_samples : int
        All as in `PLSModel`.
    """

    x_mean: Array
    y_mean: Array
    weights: Array
    loadings: Array
    y_loadings: Array
    rotations: Array
    coefficients: Array
    score_variance: Array
    n_samples: int

    @property
    def n_components(self) -> int:
        """Number of components A."""
        return int(self.score_variance.size)

    def truncated(self, n_components: int) -> PLS2Model:
        """Return the same model with its first `n_components` alone."""
        return _truncated(self, n_components)

    def response(self, index: int) -> PLSModel:
        """Return the model of one response: the same components, and its own column of what predicts."""
        if not 0 <= index < self.y_mean.size:
            raise InputError(f"`index` must be that of one of {self.y_mean.size} responses, got {index}")
        return PLSModel(
            x_mean=self.x_mean,
            y_mean=float(self.y_mean[index]),
            weights=self.weights,
            loadings=self.loadings,
            y_loadings=self.y_loadings[:, index],
            rotations=self.rotations,
            coefficients=self.coefficients[:, :, index],
            score_variance=self.score_variance,
            n_samples=self.n_samples,
        )


def _truncated(model: _Model, a: int) -> _Model:
    if not 1 <= a <= model.n_components:
        raise InputError(f"`n_components` must be from 1 to {model.n_components}, got {a}")
    return replace(
        model,
        weights=model.weights[:, :a],
        loadings=model.loadings[:, :a],
        y_loadings=model.y_loadings[:a],
        rotations=model.rotations[:, :a],
        coefficients=model.coefficients[:a],
        score_variance=model.score_variance[:a],
    )


def scores(model: PLSModel | PLS2Model, X: Array) -> Array:
    """Scores (n, A) of treated spectra X (n, p)."""
    return np.asarray((X - model.x_mean) @ model.rotations)


def predict_all(model: PLSModel | PLS2Model, X: Array) -> Array:
    """Predictions (n, A), or (n, A, m), of treated spectra X (n, p), for each number of components."""
    centred = X - model.x_mean
    if isinstance(model, PLSModel):
        return np.asarray(centred @ model.coefficients.T + model.y_mean)
    return np.asarray(np.matmul(centred, model.coefficients).transpose(1, 0, 2) + model.y_mean)


def predict(model: PLSModel | PLS2Model, X: Array) -> Array:
    """Predictions (n,), or (n, m), of treated spectra X (n, p) with all components of the model."""
    return np.asarray((X - model.x_mean) @ model.coefficients[-1] + model.y_mean)
