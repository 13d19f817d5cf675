"""What every preprocessing transformer shares: the wavelength axis, fitting, names of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from pat.core.preprocess import Treatment, fit_treatment
from pat.core.types import Array
from pat.errors import InputError


class Step(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A preprocessing step as a transformer; a subclass names it, and its parameters are those of the step.

    Attributes
    ----------
    wavelength_in_ : ndarray of shape (n_features_in_,)
        Axis of the spectra that it was fitted to (nm): the parameter `wavelength`; where that is None the names of
        the features, if they are numbers; else 0, 1, 2, ...
    wavelength_ : ndarray of shape (n_features_out,)
        Axis of the transformed spectra (nm).
    treatment_ : Treatment
        The compiled step, with what it has learnt.
    """

    _step = ""
    _needs_y = False
    wavelength: ArrayLike | None

    def _documents(self) -> list[dict[str, Any]]:
        """Return the step as `pat.core.preprocess` takes it; a parameter of None is left out."""
        given = {key: value for key, value in self.get_params(deep=False).items() if key != "wavelength"}
        return [{"step": self._step, **{key: value for key, value in given.items() if value is not None}}]

    def _learns_from_references(self) -> bool:
        return self._needs_y

    def fit(self, X: Any, y: Any = None) -> Self:
        """Compile the step for the axis, and learn from calibration spectra what it needs.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Spectra.
        y : array_like of shape (n_samples,), optional
            Reference values; only OSC uses them.

        Raises
        ------
        InputError
            If the parameters do not fit the axis, or the spectra are not enough to learn from.
        """
        if self._learns_from_references():
            X, y = validate_data(
                self, X, y, dtype=np.float64, y_numeric=True, ensure_min_features=2, ensure_min_samples=2
            )
        else:
            X, y = validate_data(self, X, dtype=np.float64, ensure_min_features=2), None
        self.wavelength_in_ = self._axis()
        steps = fit_treatment(self.wavelength_in_, [], self._documents(), X, y)
        self.treatment_ = Treatment(self.wavelength_in_, [], steps)
        self.wavelength_ = self.treatment_.wavelength
        return self

    def transform(self, X: Any) -> Array:
        """Treat spectra of shape (n_samples, n_features); what cannot be computed is NaN."""
        check_is_fitted(self)
        return self.treatment_(validate_data(self, X, dtype=np.float64, reset=False))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Names of the transformed features: those of the input where it has that wavelength, else the wavelength.

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the input, where it had none when fitting.
        """
        check_is_fitted(self)
        names = self._names_in(input_features)
        known = dict(zip(self.wavelength_in_.tolist(), names, strict=True))
        return np.array([known.get(nm, repr(nm)) for nm in self.wavelength_.tolist()], dtype=object)

    def _names_in(self, given: ArrayLike | None) -> Sequence[str]:
        fitted = getattr(self, "feature_names_in_", None)
        if given is None:
            return [f"x{i}" for i in range(self.n_features_in_)] if fitted is None else list(fitted)
        names = np.asarray(given, dtype=object)
        if names.shape != (self.n_features_in_,):
            raise InputError(
                f"input_features should have length equal to number of features ({self.n_features_in_}), "
                f"got {names.size}"
            )
        if fitted is not None and not np.array_equal(fitted, names):
            raise InputError("input_features is not equal to feature_names_in_")
        return list(names)

    def _axis(self) -> Array:
        if self.wavelength is not None:
            axis = np.asarray(self.wavelength, dtype=np.float64)
            if axis.shape != (self.n_features_in_,):
                raise InputError(f"`wavelength` must have {self.n_features_in_} values, got shape {axis.shape}")
            return axis
        try:
            return np.array([float(name) for name in self.feature_names_in_])
        except (AttributeError, ValueError):
            return np.arange(float(self.n_features_in_))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self._learns_from_references()
        return tags
