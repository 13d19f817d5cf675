"""Partial least squares as a scikit-learn regressor."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, TransformerMixin
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from pat.core import pls
from pat.core.types import Array
from pat.errors import InputError


class PLSRegression(TransformerMixin, MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """PLS1 of one response, PLS2 of several; fitted for every number of components at once.

    Parameters
    ----------
    n_components : int, default=2
        Most components. Fewer are kept, with a `pat.core.pls.RankWarning`, where the spectra hold no more.
    scale : bool, default=False
        Divide wavelengths, and in PLS2 responses, by their sample standard deviations (n - 1). Spectra share a unit, so
        by default nothing is scaled; scikit-learn's class of this name scales.

    Attributes
    ----------
    model_ : PLSModel or PLS2Model
        What `pat.core.pls` fitted; a PLS1 model is what an artefact holds.
    n_components_ : int
        Components that were kept, A.
    coef_ : ndarray of shape (n_responses, n_features)
        With all components.
    intercept_ : ndarray of shape (n_responses,)
    x_weights_, x_loadings_, x_rotations_ : ndarray of shape (n_features, A)
        In the units of the spectra.
    y_loadings_ : ndarray of shape (n_responses, A)
    n_missing_ : int
        Rows without all references (NaN), which were skipped.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only where the features had names.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(20, 3)) @ rng.normal(size=(3, 30))
    >>> y = X[:, 4] + 0.5 * X[:, 20]
    >>> model = PLSRegression(n_components=3).fit(X, y)
    >>> model.predict_all(X).shape
    (20, 3)
    >>> round(model.score(X, y), 6)
    1.0
    """

    def __init__(self, n_components: int = 2, *, scale: bool = False) -> None:
        self.n_components = n_components
        self.scale = scale

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

        One response is a PLS1, whether `y` is one-dimensional or a column; predictions have as many dimensions as `y`.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            Treated spectra.
        y : array_like of shape (n,) or (n, n_responses)
            Reference values; NaN where there is none. Such rows are skipped and counted.
        sample_weight : array_like of shape (n,), optional
            Weights, from 0; whole weights are repeats of the row.

        Returns
        -------
        PLSRegression
            The estimator itself.

        Raises
        ------
        InputError
            If a parameter is of another kind, there are too few rows for so many components, or nothing varies.
        """
        spectra = validate_data(self, X, dtype=(np.float64, np.float32), ensure_min_samples=2)
        references = _references(y)
        check_consistent_length(spectra, references)
        self._require_parameters()
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, spectra, dtype=np.float64, ensure_non_negative=True)
        # One response is PLS1 also as a column, of which predictions are a column too.
        self._as_column = references.ndim == 2 and references.shape[1] == 1
        if self._as_column:
            references = references[:, 0]
        data = pls.best_form(spectra, references, self.n_components, weights)
        if references.ndim == 1:
            self.model_: pls.PLSModel | pls.PLS2Model = pls.fit(data, self.n_components, scale_x=self.scale)
        else:
            self.model_ = pls.fit_pls2(data, self.n_components, scale_x=self.scale, scale_y=self.scale)
        self.n_missing_ = data.n_missing
        self._keep(self.model_)
        return self

    def _require_parameters(self) -> None:
        _require_whole("n_components", self.n_components)
        if not isinstance(self.scale, bool | np.bool_):
            raise InputError(f"`scale` must be True or False, got {self.scale!r}")

    def _keep(self, model: pls.PLSModel | pls.PLS2Model) -> None:
        p, a = model.rotations.shape
        self.n_components_ = self._n_features_out = a
        self.coef_ = model.coefficients[-1].reshape(p, -1).T.copy()
        self.intercept_ = np.atleast_1d(model.y_mean) - self.coef_ @ model.x_mean
        self.x_weights_, self.x_loadings_, self.x_rotations_ = model.weights, model.loadings, model.rotations
        self.y_loadings_ = model.y_loadings.reshape(a, -1).T.copy()

    def predict(self, X: ArrayLike, n_components: int | None = None) -> Array:
        """Predict with all components, or with the first `n_components`.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
        n_components : int, optional

        Returns
        -------
        ndarray of shape (n,) or (n, n_responses)
        """
        spectra = self._checked(X)
        if n_components is None:
            return self._in_columns(pls.predict(self.model_, spectra))
        _require_whole("n_components", n_components)
        return self._in_columns(pls.predict(self.model_.truncated(n_components), spectra))

    def predict_all(self, X: ArrayLike) -> Array:
        """Predict with every number of components at once.

        Parameters
        ----------
        X : array_like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, A) or (n, A, n_responses)
            Column a - 1 is the prediction with a components.
        """
        return self._in_columns(pls.predict_all(self._fitted(), self._checked(X)))

    def transform(self, X: ArrayLike, y: ArrayLike | None = None) -> Array:
        """Scores.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
        y : ignored
            Some of scikit-learn's tools hand it over.

        Returns
        -------
        ndarray of shape (n, A)
        """
        return pls.scores(self._fitted(), self._checked(X))

    def inverse_transform(self, X: ArrayLike) -> Array:
        """Spectra that scores stand for.

        Parameters
        ----------
        X : array_like of shape (n, A)
            Scores.

        Returns
        -------
        ndarray of shape (n, n_features)
        """
        model = self._fitted()
        scores = check_array(X, input_name="X", dtype=np.float64)
        return np.asarray(scores @ model.loadings.T + model.x_mean)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Any:
        """Names of the scores, ``plsregression0`` and on."""
        check_is_fitted(self)
        return np.array([f"plsregression{a}" for a in range(self.n_components_)], dtype=object)

    def _in_columns(self, predicted: Array) -> Array:
        return predicted[..., None] if self._as_column else predicted

    def _fitted(self) -> pls.PLSModel | pls.PLS2Model:
        check_is_fitted(self)
        return self.model_

    def _checked(self, X: ArrayLike) -> Array:
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=np.float64, reset=False))

    def __sklearn_tags__(self) -> Any:
        """Say to scikit-learn what this estimator takes."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _references(y: ArrayLike) -> Array:
    """Check references (n,) or (n, m): NaN is one that is missing, infinity is an error."""
    if y is None:
        raise ValueError("This PLSRegression estimator requires y to be passed, but the target y is None.")
    checked = check_array(y, input_name="y", dtype=np.float64, ensure_2d=False, ensure_all_finite="allow-nan")
    return np.asarray(checked if checked.ndim == 2 else column_or_1d(checked))


def _require_whole(name: str, count: object) -> None:
    if not isinstance(count, Integral) or isinstance(count, bool):
        raise InputError(f"`{name}` must be a whole number from 1, got {count!r}")
