"""Preprocessing of spectra: SNV, Savitzky-Golay, wavelength ranges, and the chain that a method compiles to.

Every step works along the last axis and treats each spectrum alone, tap by tap and not by a matrix product, so
that a spectrum's treated values have the same bits whether it comes alone, in a block or in a chunk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from pat.core.types import Array, BoolArray, IntArray
from pat.errors import InputError

Step = Mapping[str, Any]
_Treat = Callable[[Array], Array]

# Neighbouring steps of an axis may differ by this share before it no longer counts as evenly spaced.
_SPACING_TOLERANCE = 0.02
# So many spectra at a time pass through all steps, and stay in the processor's cache meanwhile.
_ROWS = 64
# A step this many times a neighbouring one separates two wavelength segments.
_GAP = 1.5
# A deviation below this share of the mean is the rounding of a flat spectrum.
_FLAT = 1e-13


def saturated(absorbance: Array, limit: float) -> BoolArray:
    """Whether spectra (..., n_wavelengths) reach, at any wavelength, the absorbance `limit` (AU) of saturation.

    One that is not finite has no such answer, and counts as not saturated.
    """
    return np.asarray(np.abs(absorbance).max(axis=-1) >= limit)


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
    # numpy adds up in the order of the memory, which selecting wavelengths can turn round.
    x = np.ascontiguousarray(x)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        mean = x.mean(axis=-1, keepdims=True)
        centred = x - mean
        deviation = np.sqrt((centred * centred).sum(axis=-1, keepdims=True) / np.float64(x.shape[-1] - 1))
        usable = (deviation > _FLAT * np.abs(mean)) & np.isfinite(deviation)
        return np.asarray(np.where(usable, centred / deviation, np.nan))


@lru_cache(maxsize=64)
def _savitzky_golay_weights(window: int, polyorder: int, deriv: int, delta: float) -> tuple[Array, Array, Array]:
    """Weights of the centre point, and of every point of the first and last half window.

    A polynomial is fitted to the window by least squares; its derivative at position u is a weighted sum of the
    window's points. Row i of the second and third array holds the weights for the i-th point of the spectrum's
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
    return weights[half], weights[:half], weights[half + 1 :]


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
    if window % 2 == 0 or not 0 <= deriv <= polyorder < window:
        raise InputError(
            "Savitzky-Golay needs an odd `window` > `polyorder` >= `deriv` >= 0, "
            f"got window {window}, polyorder {polyorder}, deriv {deriv}"
        )
    length = x.shape[-1]
    if length < window:
        raise InputError(f"Savitzky-Golay `window` of {window} points is longer than the {length} wavelengths")
    centre, head, tail = _savitzky_golay_weights(window, polyorder, deriv, delta)
    half = window // 2
    out = np.zeros(x.shape)
    inner, term = out[..., half : length - half], np.empty((*x.shape[:-1], length - 2 * half))
    for k in range(window):
        np.multiply(x[..., k : k + length - 2 * half], centre[k], out=term)
        inner += term
        out[..., :half] += head[:, k] * x[..., k, None]
        out[..., length - half :] += tail[:, k] * x[..., length - window + k, None]
    return out


def selection(wavelength: Array, ranges: Sequence[Sequence[float]]) -> Array:
    """Wavelengths (nm) that lie inside any of the closed `ranges`; all of them where `ranges` is empty.

    Raises
    ------
    InputError
        If a range holds no wavelength of the axis.
    """
    if not ranges:
        return wavelength
    inside = np.zeros(wavelength.shape, dtype=bool)
    for low, high in ranges:
        here = (wavelength >= low) & (wavelength <= high)
        if not here.any():
            raise InputError(
                f"wavelength range {low:g}-{high:g} nm holds no point of the axis "
                f"{wavelength[0]:g}-{wavelength[-1]:g} nm"
            )
        inside |= here
    return wavelength[inside]


def _segments(wavelength: Array) -> list[slice]:
    """Return runs of wavelengths without a gap between them."""
    if wavelength.size < 3:
        return [slice(0, wavelength.size)]
    steps = np.diff(wavelength)
    # Steps that are even in 1/cm grow along an axis in nm: a gap is a step far larger than both its neighbours.
    around = np.concatenate([[np.inf], steps, [np.inf]])
    gaps = steps > _GAP * np.minimum(around[:-2], around[2:])
    cuts = [0, *(np.flatnonzero(gaps) + 1), wavelength.size]
    return [slice(int(a), int(b)) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]


def _savitzky_golay_along(wavelength: Array, window: int, polyorder: int, deriv: int) -> _Treat:
    """Savitzky-Golay for one stretch of an axis, whether its steps are even in nm or not."""
    if wavelength.size < window:
        raise InputError(
            f"Savitzky-Golay `window` of {window} points is longer than the {wavelength.size} wavelengths "
            f"from {wavelength[0]:g} to {wavelength[-1]:g} nm"
        )
    steps = np.diff(wavelength)
    delta = float(steps.mean())
    # Parameters that do not fit together must show when the chain is compiled, not in the middle of a batch.
    savitzky_golay(np.zeros(wavelength.size), window, polyorder, deriv, delta)
    if np.ptp(steps) <= _SPACING_TOLERANCE * delta:
        return lambda x: savitzky_golay(x, window, polyorder, deriv, delta)
    first, weights = _uneven_weights(wavelength, window, polyorder, deriv)
    return lambda x: _weighted(x, first, weights)


def _uneven_weights(wavelength: Array, window: int, polyorder: int, deriv: int) -> tuple[IntArray, Array]:
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


def _weighted(x: Array, first: IntArray, weights: Array) -> Array:
    out = np.zeros(x.shape)
    for k in range(weights.shape[1]):
        out += weights[:, k] * x[..., first + k]
    return out


def _compile_savitzky_golay(wavelength: Array, window: int, polyorder: int, deriv: int) -> _Treat:
    # A derivative across a gap between two ranges would be of nothing: each segment is treated alone.
    parts = [
        (part, _savitzky_golay_along(wavelength[part], window, polyorder, deriv)) for part in _segments(wavelength)
    ]
    return lambda x: np.concatenate([treat(x[..., part]) for part, treat in parts], axis=-1)


def _compile_baseline(wavelength: Array, method: str, parameters: Mapping[str, Any] | None = None) -> _Treat:
    # The one step that needs more than numpy: pybaselines is imported for a method that has it, and only then.
    from pat.core.baseline import Baseline

    return Baseline(wavelength, method, dict(parameters or {}))


def _compile_snv(wavelength: Array) -> _Treat:
    return snv


_COMPILERS: dict[str, Callable[..., _Treat]] = {
    "snv": _compile_snv,
    "savitzky_golay": _compile_savitzky_golay,
    "baseline": _compile_baseline,
}


def _check_axis(wavelength: Array) -> None:
    if wavelength.ndim != 1 or wavelength.size == 0:
        raise InputError(f"the wavelength axis must have shape (n_wavelengths,), got {wavelength.shape}")
    falls = np.flatnonzero(~(np.diff(wavelength) > 0.0))
    if falls.size or not np.isfinite(wavelength).all():
        at = int(falls[0]) if falls.size else 0
        raise InputError(
            "wavelengths must be finite and strictly increasing, got "
            f"{', '.join(f'{value:g}' for value in wavelength[at : at + 2])} nm at position {at}"
        )


class Treatment:
    """A method's wavelength ranges and preprocessing steps, compiled for one axis.

    Parameters
    ----------
    wavelength : array_like of shape (p_in,)
        Native axis of the instrument (nm), strictly increasing.
    ranges : sequence of (low, high)
        Closed ranges (nm) to keep, selected before the first step; empty keeps all.
    steps : sequence of mappings
        The steps in order, each with its name under ``step`` and its parameters beside it.

    Attributes
    ----------
    wavelength_in : ndarray of shape (p_in,)
        The native axis.
    wavelength : ndarray of shape (p_out,)
        The axis of the treated spectra.

    Raises
    ------
    InputError
        For an axis that does not increase, an unknown step, or parameters that do not fit the axis.

    Examples
    --------
    >>> axis = np.linspace(1000.0, 1200.0, 101)
    >>> treat = Treatment(axis, [[1050.0, 1150.0]], [{"step": "snv"}])
    >>> treat(np.sin(axis / 40.0)).shape
    (51,)
    """

    def __init__(self, wavelength: Any, ranges: Sequence[Sequence[float]], steps: Sequence[Step]) -> None:
        self.wavelength_in = np.asarray(wavelength, dtype=np.float64)
        _check_axis(self.wavelength_in)
        self.wavelength = selection(self.wavelength_in, ranges)
        self._keep = np.isin(self.wavelength_in, self.wavelength)
        self._steps = [self._compile(step) for step in steps]

    def _compile(self, step: Step) -> _Treat:
        parameters = dict(step)
        name = parameters.pop("step", None)
        if not isinstance(name, str) or name not in _COMPILERS:
            raise InputError(f"preprocessing step must be one of {', '.join(sorted(_COMPILERS))}, got {name!r}")
        try:
            return _COMPILERS[name](self.wavelength, **parameters)
        except TypeError as error:
            raise InputError(f"preprocessing step {name!r}: {error}") from error

    def presentation(self, absorbance: Array) -> Array:
        """Level and contrast of raw spectra (..., p_in): mean and sample SD (AU) over the wavelengths kept; (..., 2).

        How the powder lies before the sensor (packing, grain size, distance) decides them more than what it is made
        of: a moving bed makes them vary, and SNV removes them.
        """
        kept = np.ascontiguousarray(absorbance[..., self._keep])
        return np.stack([kept.mean(axis=-1), kept.std(axis=-1, ddof=1)], axis=-1)

    def __call__(self, absorbance: Any) -> Array:
        """Treat spectra of shape (..., p_in) on the native axis; returns (..., p_out).

        Raises
        ------
        InputError
            If the last axis does not have p_in values.
        """
        x = np.asarray(absorbance, dtype=np.float64)
        if x.ndim == 0 or x.shape[-1] != self.wavelength_in.size:
            raise InputError(f"spectra must have {self.wavelength_in.size} wavelengths, got shape {x.shape}")
        rows = x.reshape(-1, x.shape[-1])
        treated = np.empty((rows.shape[0], self.wavelength.size))
        for start in range(0, rows.shape[0], _ROWS):
            part = rows[start : start + _ROWS, self._keep]
            for treat in self._steps:
                part = treat(part)
            treated[start : start + _ROWS] = part
        return treated.reshape(*x.shape[:-1], self.wavelength.size)
