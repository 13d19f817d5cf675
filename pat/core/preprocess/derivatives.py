"""Smoothing and derivatives along the wavelength axis: Savitzky-Golay and gap-segment (Norris)."""

from __future__ import annotations

import math
from functools import lru_cache
from operator import index

import numpy as np

from pat.core.preprocess.axis import spacing
from pat.core.preprocess.products import product, slide, tile_of
from pat.core.types import Array, IntArray
from pat.errors import InputError


@lru_cache(maxsize=64)
def _savitzky_golay_weights(window: int, polyorder: int, deriv: int, delta: float) -> tuple[Array, Array, Array]:
    """Tile of the centred weights, and the weights of every point of the first and last half window.

    A polynomial is fitted to the window by least squares; its derivative at position u is a weighted sum of the
    window's points. Column i of the second and third array holds the weights for the i-th point of the spectrum's
    first and last half window, where the window cannot be centred (scipy's mode ``interp``).
    """
    half = window // 2
    # Positions from -1 to 1 keep the powers of wide windows within reach of the least squares.
    scale = float(max(half, 1))
    positions = np.arange(-half, half + 1) / scale
    fit = np.linalg.pinv(positions[:, None] ** np.arange(polyorder + 1))
    powers = np.arange(deriv, polyorder + 1)
    factors = np.array([math.factorial(k) / math.factorial(k - deriv) for k in powers])
    at = (positions[:, None] ** (powers - deriv)) * factors
    weights = (at @ fit[deriv:]) / (delta * scale) ** deriv
    return tile_of(weights[half]), weights[:half].T.copy(), weights[half + 1 :].T.copy()


def check_savitzky_golay(window: int, polyorder: int, deriv: int, n_wavelengths: int) -> None:
    """Raise `InputError` if the parameters do not fit together, or the window is longer than the spectrum."""
    window, polyorder, deriv = index(window), index(polyorder), index(deriv)
    if window < 3 or window % 2 == 0 or not 0 <= deriv <= polyorder < window:
        raise InputError(
            "Savitzky-Golay needs an odd `window` of at least 3, and `window` > `polyorder` >= `deriv` >= 0, "
            f"got window {window}, polyorder {polyorder}, deriv {deriv}"
        )
    if n_wavelengths < window:
        raise InputError(f"Savitzky-Golay `window` of {window} points is longer than the {n_wavelengths} wavelengths")


def savitzky_golay(x: Array, window: int, polyorder: int, deriv: int, delta: float) -> Array:
    """Savitzky-Golay smoothing or derivative along evenly spaced wavelengths.

    Parameters
    ----------
    x : ndarray of shape (..., n_wavelengths)
        Spectra.
    window : int
        Odd number of points that the polynomial is fitted to.
    polyorder : int
        Degree of the polynomial, less than `window`.
    deriv : int
        Order of the derivative, at most `polyorder`; 0 smooths.
    delta : float
        Spacing of the wavelengths (nm); derivatives are per nm.

    Returns
    -------
    ndarray of shape (..., n_wavelengths)
        At the ends the polynomial of the outermost window is evaluated off its centre.

    Raises
    ------
    InputError
        If the parameters do not fit together or the spectrum is shorter than the window.

    References
    ----------
    Savitzky and Golay, *Anal. Chem.* 36 (1964) 1627; end points after Gorry, *Anal. Chem.* 62 (1990) 570.
    """
    check_savitzky_golay(window, polyorder, deriv, x.shape[-1])
    rows = np.ascontiguousarray(x, dtype=np.float64).reshape(-1, x.shape[-1])
    out = np.empty(rows.shape)
    savitzky_golay_into(rows, out, window, polyorder, deriv, delta)
    return out.reshape(x.shape)


def savitzky_golay_into(x: Array, out: Array, window: int, polyorder: int, deriv: int, delta: float) -> None:
    """`savitzky_golay` of spectra (n, p) into an array (n, p), both C-contiguous, parameters as they must be."""
    tile, head, tail = _savitzky_golay_weights(window, polyorder, deriv, delta)
    half, last = window // 2, x.shape[1] - window // 2
    slide(x, tile, out, half)
    out[:, :half] = product(x[:, :window], head)
    out[:, last:] = product(x[:, x.shape[1] - window :], tail)


def uneven_weights(wavelength: Array, window: int, polyorder: int, deriv: int) -> tuple[IntArray, Array]:
    """First point (p,) and weights (p, window) of each point's window on an axis of uneven steps, in nm.

    The same least squares fit as on an even axis, each window at its own wavelengths: interferometers measure at
    wavenumbers of even steps, which in nm are not even.
    """
    first = np.clip(np.arange(wavelength.size) - window // 2, 0, wavelength.size - window)
    offsets = wavelength[first[:, None] + np.arange(window)] - wavelength[:, None]
    scale = np.abs(offsets).max(axis=1)
    fit = np.linalg.pinv((offsets / scale[:, None])[:, :, None] ** np.arange(polyorder + 1))
    # At offset 0 only one term of the derivative is left.
    return first, fit[:, deriv] * (math.factorial(deriv) / scale**deriv)[:, None]


def weighted_into(x: Array, out: Array, first: IntArray, weights: Array) -> None:
    """Form the sums out[:, i] = sum_k weights[i, k] x[:, first[i] + k] of spectra (n, p) into an array (n, q)."""
    out[...] = 0.0
    for k in range(weights.shape[1]):
        out += weights[:, k] * x[:, first + k]


@lru_cache(maxsize=64)
def gap_segment_kernel(deriv: int, segment: int, gap: int) -> tuple[float, ...]:
    """Weights of the gap-segment derivative at a spacing of 1.

    `deriv` + 1 segments, each a mean of `segment` points, with `gap` points between neighbours, take the signs of the
    binomial difference; the whole is scaled so that the derivative of a polynomial of degree `deriv` is exact.

    Raises
    ------
    InputError
        If `deriv` is not from 1 to 3, or `segment` or `gap` is not odd.
    """
    if not 1 <= deriv <= 3 or segment < 1 or segment % 2 == 0 or gap < 1 or gap % 2 == 0:
        raise InputError(
            "a gap-segment derivative needs `deriv` from 1 to 3 and odd `segment` and `gap`, "
            f"got deriv {deriv}, segment {segment}, gap {gap}"
        )
    kernel = np.zeros((deriv + 1) * segment + deriv * gap)
    for k in range(deriv + 1):
        at = k * (segment + gap)
        kernel[at : at + segment] = math.comb(deriv, k) * (-1) ** (deriv - k)
    positions = np.arange(kernel.size) - kernel.size // 2
    return tuple((kernel * (math.factorial(deriv) / (kernel @ positions**deriv))).tolist())


def gap_segment(x: Array, deriv: int, segment: int, gap: int, delta: float) -> Array:
    """Gap-segment (Norris) derivative along evenly spaced wavelengths.

    Parameters
    ----------
    x : ndarray of shape (..., n_wavelengths)
        Spectra.
    deriv : int
        Order of the derivative, 1 to 3.
    segment : int
        Odd number of points that each segment averages; 1 is Norris' gap derivative.
    gap : int
        Odd number of points between two neighbouring segments.
    delta : float
        Spacing of the wavelengths (nm); derivatives are per nm.

    Returns
    -------
    ndarray of shape (..., n_wavelengths - w + 1)
        The filter is w = (deriv + 1) segment + deriv gap points long; at the ends, where it does not fit, there is no
        derivative, and these points are left out.

    Raises
    ------
    InputError
        If the parameters do not fit together or the spectrum is shorter than the filter.

    Notes
    -----
    The scale makes the derivative of a polynomial of degree `deriv` exact, after Hopkins, *NIR news* 14(5) (2003) 10.

    References
    ----------
    Norris and Williams, *Cereal Chem.* 61 (1984) 158.
    """
    filtered = GapSegment(np.arange(x.shape[-1]) * np.float64(delta), deriv, segment, gap)
    rows = np.ascontiguousarray(x, dtype=np.float64).reshape(-1, x.shape[-1])
    out = np.empty((rows.shape[0], filtered.wavelength.size))
    filtered(rows, out)
    return out.reshape(*x.shape[:-1], -1)


class GapSegment:
    """The filter of `gap_segment` for an evenly spaced stretch of an axis.

    Parameters
    ----------
    wavelength : ndarray of shape (p,)
        Axis, nm.
    deriv, segment, gap : int
        See `gap_segment`.

    Attributes
    ----------
    wavelength : ndarray of shape (p - w + 1,)
        Where there is a derivative.

    Raises
    ------
    InputError
        If the parameters do not fit together, or the axis.
    """

    def __init__(self, wavelength: Array, deriv: int, segment: int, gap: int) -> None:
        weights = np.array(gap_segment_kernel(deriv, segment, gap))
        if weights.size > wavelength.size:
            raise InputError(
                f"a gap-segment derivative of {weights.size} points is longer than the {wavelength.size} wavelengths "
                f"from {wavelength[0]:g} to {wavelength[-1]:g} nm"
            )
        delta = spacing(wavelength)
        if delta is None:
            raise InputError(
                "a gap-segment derivative needs evenly spaced wavelengths (nm), got steps from "
                f"{np.diff(wavelength).min():g} to {np.diff(wavelength).max():g} nm: interpolate first"
            )
        half = weights.size // 2
        self.wavelength = wavelength[half : wavelength.size - half]
        self._tile = tile_of(weights / delta**deriv)

    def __call__(self, x: Array, out: Array) -> None:
        """Fill an array (n, p - w + 1) with the derivatives of spectra (n, p), C-contiguous."""
        sums = np.empty(x.shape)
        slide(x, self._tile, sums)
        out[...] = sums[:, : self.wavelength.size]
