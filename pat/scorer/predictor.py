"""The method's arithmetic, compiled from an artefact's content: spectra in; content, T2 and Q out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pat.artefact import Content
from pat.core import diagnostics
from pat.core.preprocess import Treatment, saturated
from pat.core.types import Array, BoolArray
from pat.errors import ArtefactError, InputError


@dataclass(frozen=True)
class Prediction:
    """What the model says of spectra, one by one.

    Attributes
    ----------
    value : ndarray of shape (n,)
        Predicted content (analyte units); NaN for a spectrum that is not finite.
    hotelling_t2, q_residuals : ndarray of shape (n,)
        Distance inside and outside the model.
    in_scope : ndarray of bool, shape (n,)
        Finite, below saturation, inside the limits of T2 and Q, and a content that the method is validated for. A
        value out of scope is not a result.
    """

    value: Array
    hotelling_t2: Array
    q_residuals: Array
    in_scope: BoolArray


def unmasked(given: Any) -> Any:
    """Return what was given; of a masked array the numbers, with NaN where they are masked."""
    if isinstance(given, np.ma.MaskedArray) and given.dtype.kind in "iuf":
        return np.ma.filled(given.astype(np.float64), np.nan)
    return given


class Predictor:
    """Treatment, model and limits of a method.

    Parameters
    ----------
    content : Content
        Content of an artefact.

    Attributes
    ----------
    wavelength : ndarray of shape (p,)
        Native axis (nm).
    treat : Treatment
        From the native axis to the treated one.
    q_limit : float
        Largest Q residuals of a spectrum that the model knows.
    saturation : float
        Absorbance (AU) at and above which a spectrum is saturated.

    Raises
    ------
    ArtefactError
        If the content does not hold together.
    """

    def __init__(self, content: Content) -> None:
        document = content.document
        try:
            self.wavelength = content.wavelength
            self.treat = Treatment(content.wavelength, document["ranges"], document["steps"])
            self.q_limit = float(document["limits"]["q_residuals"])
            saturation = document["saturation"]
            self.saturation = math.inf if saturation is None else float(saturation)
            self._t2_limit = float(document["limits"]["hotelling_t2"])
            self._low, self._high = float(document["analyte"]["low"]), float(document["analyte"]["high"])
            self._model = content.model()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"the artefact's content does not hold together: {error!r}") from error
        if self.treat.wavelength.size != self._model.x_mean.size:
            raise ArtefactError(
                f"the treated axis has {self.treat.wavelength.size} wavelengths, the model {self._model.x_mean.size}"
            )

    def evaluate(self, treated: Array) -> tuple[Array, Array, Array]:
        """Return content, T2 and Q (n,) of treated spectra (n, p_treated)."""
        return diagnostics.evaluate(self._model, treated)

    def within(self, value: Array, t2: Array, q: Array) -> BoolArray:
        """Whether spectra are in scope; what could not be computed (NaN) is not."""
        return diagnostics.in_scope(value, t2, q, (self._low, self._high), self._t2_limit, self.q_limit)

    def predict(self, absorbance: Any) -> Prediction:
        """Predict spectra of shape (n, p) or (p,); see `pat.scorer.Scorer.predict`."""
        try:
            x = np.atleast_2d(np.asarray(unmasked(absorbance), dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise InputError(f"spectra must be numbers of shape (n, {self.wavelength.size}): {error}") from error
        if x.ndim != 2 or x.shape[1] != self.wavelength.size:
            raise InputError(
                f"spectra must have shape (n, {self.wavelength.size}) or ({self.wavelength.size},), got {x.shape}"
            )
        finite = np.isfinite(x).all(axis=1)
        out = np.full((3, x.shape[0]), np.nan)
        if finite.any():
            with np.errstate(over="ignore", invalid="ignore"):
                out[:, finite] = self.evaluate(self.treat(x[finite]))
        value, t2, q = out
        return Prediction(value, t2, q, ~saturated(x, self.saturation) & self.within(value, t2, q))
