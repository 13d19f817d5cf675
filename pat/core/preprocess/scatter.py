"""Corrections of single spectra: absorbance, SNV, robust normal variate, EMSC and MSC, detrend, normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from operator import index
from typing import Any

import numpy as np

from pat.core.preprocess.products import product
from pat.core.types import Array, BoolArray
from pat.errors import InputError

# A deviation below this share of the mean is the rounding of a flat spectrum.
_FLAT = 1e-13
# Where less than this share of the sum of squares is left, taking the mean's part off has cost two digits.
_CANCELS = 1e-2
# Readings that differ by less than this share of the percentile between them are the same.
_TIE = 1e-12
# Columns of a model that are closer to dependent than this cannot be told apart.
_RANK = 1e-10

# Of spectra (n, p): what to take off each (n, 1), and what to multiply it by then (n, 1).
RowCorrection = Callable[[Array], tuple[Array, Array]]


def corrected(x: Array, correction: RowCorrection) -> Array:
    """Spectra (..., p), each less an offset of its own, times a factor of its own."""
    rows = np.ascontiguousarray(x, dtype=np.float64).reshape(-1, x.shape[-1])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        offset, factor = correction(rows)
        return np.asarray(((rows - offset) * factor).reshape(x.shape))


def absorbance(reflectance: Array) -> Array:
    """Absorbance log10(1 / R) in AU of reflectance or transmittance as a share of 1, shape (..., n_wavelengths).

    A reading that is not above 0 has no absorbance and gives NaN.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(-np.log10(np.where(reflectance > 0.0, reflectance, np.nan)))


def saturated(absorbance: Array, limit: float) -> BoolArray:
    """Whether spectra (..., n_wavelengths) reach, at any wavelength, the absorbance `limit` (AU) of saturation.

    One that is not finite has no such answer, and counts as not saturated.
    """
    return np.asarray(np.maximum.reduce(np.abs(absorbance), axis=-1) >= limit)


def peak_of_one(x: Array, room: Array) -> float:
    """Largest absolute value of one spectrum (p,), not finite where that is not; `room` (p,) is written to."""
    # Where there is a NaN, argmax finds the first. Both together take half the time of max.
    return float(np.abs(x, out=room)[room.argmax()])


def snv(x: Array) -> Array:
    """Centre each spectrum and divide it by its own standard deviation (standard normal variate).

    Parameters
    ----------
    x : ndarray of shape (..., n_wavelengths)
        Spectra; absorbance (AU) or anything linear in it.

    Returns
    -------
    ndarray of shape (..., n_wavelengths)
        Dimensionless. A flat spectrum, whose deviation is zero or rounding, gives NaN: it has no shape to speak
        of. So does one whose squares overflow.

    Notes
    -----
    The deviation is the sample one (n - 1), after Barnes, Dhanoa and Lister, *Appl. Spectrosc.* 43 (1989) 772.
    """
    return corrected(x, snv_correction)


def snv_correction(x: Array) -> tuple[Array, Array]:
    """Mean (n, 1) of each spectrum (n, p), and 1 over its deviation (n, 1), NaN where it has none."""
    n_wavelengths = x.shape[1]
    mean = np.vecdot(x, np.ones(n_wavelengths)) / n_wavelengths
    total = np.vecdot(x, x)
    squares = total - n_wavelengths * mean * mean
    # One pass is exact enough unless the mean is large against the deviation; then a second pass is taken.
    if (again := ~(squares > _CANCELS * total)).any():
        centred = x[again] - mean[again, None]
        squares[again] = np.vecdot(centred, centred)
    deviation = np.sqrt(squares / np.float64(n_wavelengths - 1))
    usable = (deviation > _FLAT * np.abs(mean)) & np.isfinite(deviation)
    return mean[:, None], np.where(usable, 1.0 / deviation, np.nan)[:, None]


def snv_of_one(x: Array) -> tuple[float, float]:
    """`snv_correction` of one spectrum (p,), as numbers, to the same bits.

    The formula stands here a second time because an array of one value costs ten times the arithmetic.
    """
    n_wavelengths = x.shape[0]
    mean = float(x.dot(_ones(n_wavelengths))) / n_wavelengths
    total = float(x.dot(x))
    squares = total - n_wavelengths * mean * mean
    if not squares > _CANCELS * total:
        centred = x - mean
        squares = float(centred.dot(centred))
    if n_wavelengths < 2 or not 0.0 <= squares < math.inf:
        return mean, math.nan
    deviation = math.sqrt(squares / (n_wavelengths - 1))
    return mean, 1.0 / deviation if deviation > _FLAT * abs(mean) else math.nan


@lru_cache(maxsize=64)
def _ones(n: int) -> Array:
    return np.ones(n)


def robust_normal_variate(x: Array, percentile: float = 25.0) -> Array:
    """Robust normal variate: SNV with a low percentile in place of the mean.

    Parameters
    ----------
    x : ndarray of shape (..., n_wavelengths)
        Spectra.
    percentile : float
        Percentile q of each spectrum's readings, interpolated linearly.

    Returns
    -------
    ndarray of shape (..., n_wavelengths)
        Less the percentile, divided by the sample deviation (n - 1) of the readings at or below it. NaN where that
        deviation is zero or rounding.

    References
    ----------
    Guo, Wu and Massart, *Anal. Chim. Acta* 382 (1999) 87.
    """
    return corrected(x, lambda rows: robust_correction(rows, percentile))


def robust_correction(x: Array, percentile: float) -> tuple[Array, Array]:
    """Percentile (n, 1) of each spectrum (n, p), and 1 over the deviation of the readings at or below it (n, 1)."""
    level = np.percentile(x, percentile, axis=1, keepdims=True)
    # Readings that are equal but for rounding, as a derivative's ends may be, lie on the same side.
    low = x <= level + _TIE * np.abs(level)
    count = low.sum(axis=1, keepdims=True)
    mean = np.where(low, x, 0.0).sum(axis=1, keepdims=True) / count
    squares = np.where(low, (x - mean) ** 2, 0.0).sum(axis=1, keepdims=True)
    deviation = np.sqrt(squares / (count - 1.0))
    usable = (deviation > _FLAT * np.abs(mean)) & np.isfinite(deviation)
    return level, np.where(usable, 1.0 / deviation, np.nan)


_NORMS: dict[str, Callable[[Array], Array]] = {
    "area": lambda x: np.abs(x).sum(axis=1),
    "maximum": lambda x: np.abs(x).max(axis=1),
    "unit_vector": lambda x: np.sqrt(np.vecdot(x, x)),
}
NORMS = tuple(_NORMS)


def normalise(x: Array, norm: str) -> Array:
    """Divide each spectrum by its own norm.

    Parameters
    ----------
    x : ndarray of shape (..., n_wavelengths)
        Spectra.
    norm : {"area", "maximum", "unit_vector"}
        Sum of the absolute readings, largest absolute reading, or root of the sum of squares.

    Returns
    -------
    ndarray of shape (..., n_wavelengths)
        NaN for a spectrum of zeros.

    Raises
    ------
    InputError
        For another norm.
    """
    return corrected(x, norm_correction(norm))


def norm_correction(norm: str) -> RowCorrection:
    """Row correction that divides by a norm; raises `InputError` for one that is unknown."""
    if norm not in _NORMS:
        raise InputError(f"`norm` must be one of {', '.join(NORMS)}, got {norm!r}")
    measure = _NORMS[norm]

    def correction(x: Array) -> tuple[Array, Array]:
        size = measure(x)
        usable = (size > 0.0) & np.isfinite(size)
        return np.zeros((x.shape[0], 1)), np.where(usable, 1.0 / size, np.nan)[:, None]

    return correction


def polynomials(wavelength: Array, degree: int) -> Array:
    """Powers 0 to `degree` of the axis, scaled to -1 to 1, as columns (p, degree + 1).

    Raises
    ------
    InputError
        If the degree is negative, or there are too few wavelengths for it.
    """
    if not 0 <= index(degree) < wavelength.size - 1:
        raise InputError(f"`degree` must be from 0 to {wavelength.size - 2} on this axis, got {degree}")
    scaled = 2.0 * (wavelength - wavelength[0]) / (wavelength[-1] - wavelength[0]) - 1.0
    return np.asarray(scaled[:, None] ** np.arange(degree + 1))


def polynomial_basis(wavelength: Array, degree: int) -> Array:
    """Orthonormal columns (p, degree + 1) that span `polynomials`, and errors as there."""
    return np.linalg.qr(polynomials(wavelength, degree))[0]


def detrend(x: Array, wavelength: Array, degree: int) -> Array:
    """Take a polynomial off each spectrum, fitted by least squares to all of it.

    Parameters
    ----------
    x : ndarray of shape (..., p)
        Spectra.
    wavelength : ndarray of shape (p,)
        Axis, nm.
    degree : int
        Degree of the polynomial.

    Returns
    -------
    ndarray of shape (..., p)

    Raises
    ------
    InputError
        If there are too few wavelengths for the degree.

    References
    ----------
    Barnes, Dhanoa and Lister, *Appl. Spectrosc.* 43 (1989) 772.
    """
    basis = polynomial_basis(wavelength, degree)
    rows = np.ascontiguousarray(x, dtype=np.float64).reshape(-1, x.shape[-1])
    return np.asarray((rows - product(product(rows, basis), basis.T)).reshape(x.shape))


class ScatterModel:
    """Extended multiplicative scatter correction (EMSC), of which MSC is the case of degree 0.

    Parameters
    ----------
    wavelength : ndarray of shape (p,)
        Axis, nm.
    reference : array_like of shape (p,)
        Spectrum that all are brought to.
    degree : int
        Degree of the polynomial in the wavelength.
    interferents : array_like of shape (k, p)
        Spectra whose contribution is taken off.

    Raises
    ------
    InputError
        If sizes do not fit, or the parts of the model cannot be told apart on this axis.

    Notes
    -----
    Least squares fit x = sum_k c_k t^k + b r + sum_j d_j g_j; what is left of x after the polynomial and the
    interferents, divided by b, is the corrected spectrum. One whose b is not above 0 does not resemble the reference
    at all, and gives NaN.

    References
    ----------
    Martens and Stark, *J. Pharm. Biomed. Anal.* 9 (1991) 625; Geladi, MacDougall and Martens, *Appl. Spectrosc.* 39
    (1985) 491.
    """

    def __init__(self, wavelength: Array, reference: Any, degree: int, interferents: Any = ()) -> None:
        parts = [polynomials(wavelength, degree), as_spectra("reference", [reference], wavelength.size).T]
        if len(interferents):
            parts.append(as_spectra("interferents", interferents, wavelength.size).T)
        model = np.column_stack(parts)
        size = np.linalg.norm(model, axis=0)
        singular = np.linalg.svd(model / np.where(size > 0.0, size, 1.0), compute_uv=False)
        if model.shape[1] >= wavelength.size or singular[-1] < _RANK * singular[0]:
            raise InputError(
                f"the polynomial of degree {degree}, the reference and the {len(interferents)} interferents cannot be "
                f"told apart at {wavelength.size} wavelengths"
            )
        self._reference_at = degree + 1
        self._fit = np.ascontiguousarray(np.linalg.pinv(model).T, dtype=np.float64)
        self._nuisance: Array = np.delete(model, self._reference_at, axis=1).T.copy()

    def __call__(self, x: Array) -> Array:
        """Return corrected spectra of shape (..., p)."""
        rows = np.ascontiguousarray(x, dtype=np.float64).reshape(-1, x.shape[-1])
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = product(rows, self._fit)
            factor = found[:, self._reference_at, None]
            removed = product(np.delete(found, self._reference_at, axis=1), self._nuisance)
            return np.asarray(((rows - removed) / np.where(factor > 0.0, factor, np.nan)).reshape(x.shape))


def as_spectra(name: str, values: Any, n_wavelengths: int) -> Array:
    """Return spectra given as numbers, shape (k, p).

    Raises
    ------
    InputError
        If they are no finite numbers, or of another size.
    """
    try:
        found = np.atleast_2d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InputError(f"`{name}` must be spectra of {n_wavelengths} wavelengths, got {values!r:.60}") from error
    if found.ndim != 2 or found.shape[1] != n_wavelengths:
        raise InputError(
            f"`{name}` must have the {n_wavelengths} wavelengths that this step treats, got {found.shape[-1]}"
        )
    if not np.isfinite(found).all():
        raise InputError(f"`{name}` must be finite numbers")
    return found
