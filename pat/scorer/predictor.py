"""The method's arithmetic, compiled from an artefact's content: spectra in; content, T2 and Q out."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pat.artefact import Content
from pat.core import diagnostics
from pat.core.endpoint.health import axis_direction
from pat.core.preprocess import Treatment, saturated
from pat.core.types import Array, BoolArray
from pat.errors import ArtefactError, InputError
from pat.scorer.compiled import Method, Single


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
    if type(given) is np.ndarray:  # to know of masked arrays, numpy has first to be asked for them
        return given
    if isinstance(given, np.ma.MaskedArray) and given.dtype.kind in "iuf":
        return np.ma.filled(given.astype(np.float64), np.nan)
    return given


def numbers(given: Any) -> Array | None:
    """Return a new array of what was given, NaN where it is masked; None where that is not real numbers."""
    try:
        found = np.array(unmasked(given))
    except (TypeError, ValueError, OverflowError):
        return None
    return found.astype(np.float64, copy=False) if found.dtype.kind in "iuf" else None


def fingerprint(x: Array) -> str:
    """Hash of a spectrum (p,), C-contiguous, by which one that comes again number for number is known.

    Notes
    -----
    Two sums, modulo 2^64, of the numbers' bits times fixed random odd factors: whole numbers, so that every processor
    finds the same. It takes a fifth of the time of a cryptographic hash, which nothing here asks for: whoever can make
    spectra can send the same one twice.

    References
    ----------
    Carter and Wegman, *J. Comput. Syst. Sci.* 18 (1979) 143; Lemire and Kaser, *Comput. J.* 57 (2014) 1624.
    """
    first, second = _factors(x.size).dot(x.view(np.uint64)).tolist()
    return f"{first:016x}{second:016x}"


@lru_cache(maxsize=16)
def _factors(n: int) -> NDArray[np.uint64]:
    # Written out from SHA-256 and not from numpy's generators, whose streams may change between versions.
    words = (hashlib.sha256(f"fingerprint {i}".encode()).digest() for i in range(-(-n // 2)))
    found = np.frombuffer(b"".join(words), dtype="<u8")[: 2 * n].reshape(2, n)
    return found.astype(np.uint64) | np.uint64(1)


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
    t2_limit, q_limit : float
        Largest Hotelling's T2 and Q residuals of a spectrum that the model knows.
    saturation : float
        Absorbance (AU) at and above which a spectrum is saturated.
    axis_direction : ndarray of shape (p_treated,)
        What a shift of the axis by 1 nm leaves of the mean spectrum; see `pat.core.endpoint.health`.

    Raises
    ------
    ArtefactError
        If the content does not hold together.
    """

    def __init__(self, content: Content) -> None:
        document = content.document
        try:
            self.wavelength, self._shape = content.wavelength, content.wavelength.shape
            self.treat = Treatment(content.wavelength, document["ranges"], document["steps"])
            self.q_limit = float(document["limits"]["q_residuals"])
            saturation = document["saturation"]
            self.saturation = math.inf if saturation is None else float(saturation)
            self.t2_limit = float(document["limits"]["hotelling_t2"])
            self._low, self._high = float(document["analyte"]["low"]), float(document["analyte"]["high"])
            model = content.model()
            if self.treat.wavelength.size != model.x_mean.size:
                raise InputError(
                    f"the treated axis has {self.treat.wavelength.size} wavelengths, the model {model.x_mean.size}"
                )
            self._method = Method(self.treat, model)
            self.axis_direction = axis_direction(model, self.treat.wavelength)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"the artefact's content does not hold together: {error!r}") from error

    def single(self) -> Single:
        """Return what measures one spectrum after the other, in rooms of its own; see `pat.scorer.compiled.Single`."""
        return self._method.single()

    def within(self, value: Array | float, t2: Array | float, q: Array | float) -> BoolArray:
        """Whether spectra are in scope; what could not be computed (NaN) is not."""
        return diagnostics.in_scope(value, t2, q, (self._low, self._high), self.t2_limit, self.q_limit)

    def predict(self, absorbance: Any) -> Prediction:
        """Predict spectra of shape (n, p) or (p,); see `pat.scorer.Scorer.predict`."""
        if type(absorbance) is np.ndarray and absorbance.dtype == np.float64 and absorbance.shape == self._shape:
            return self._predict_one(absorbance)  # what comes most often needs no more looking at
        x = self._spectra(absorbance)
        return self._predict_one(x[0]) if x.shape[0] == 1 else self._predict_many(x)

    def _spectra(self, absorbance: Any) -> NDArray[Any]:
        """Return what was given as numbers of shape (n, p), of whatever type they have."""
        given, p = unmasked(absorbance), self.wavelength.size
        try:
            ready = isinstance(given, np.ndarray) and given.dtype.kind in "iuf"
            x = given if ready else np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"spectra must be numbers of shape (n, {p}): {error}") from error
        x = x if x.ndim > 1 else x.reshape(1, -1)
        if x.ndim != 2 or x.shape[1] != p:
            raise InputError(f"spectra must have shape (n, {p}) or ({p},), got {x.shape}")
        return x

    def _predict_one(self, given: NDArray[Any]) -> Prediction:
        x = np.ascontiguousarray(given, dtype=np.float64)
        value, t2, q, peak = self._method.evaluate_one(x)
        in_scope = peak < self.saturation and bool(self.within(value, t2, q))
        found = np.array((value, t2, q))
        return Prediction(found[:1], found[1:2], found[2:], np.array((in_scope,)))

    def _predict_many(self, x: NDArray[Any]) -> Prediction:
        out, in_scope = np.empty((3, x.shape[0])), np.empty(x.shape[0], dtype=np.bool_)
        for start in range(0, x.shape[0], self._method.rows_at_once):
            rows = slice(start, start + self._method.rows_at_once)
            part = np.ascontiguousarray(x[rows], dtype=np.float64)
            # What overflows is infinite, in scope of nothing: an answer, not a warning.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                self._method.evaluate_into(part, out[:, rows])
            in_scope[rows] = ~saturated(part, self.saturation) & self.within(*out[:, rows])
        value, t2, q = out
        return Prediction(value, t2, q, in_scope)
