"""The wavelength axis: in nm, strictly increasing, without gaps."""

from __future__ import annotations

import numpy as np

from pat.core.types import Array, BoolArray
from pat.errors import SpectraError

_LOWEST_NM, _HIGHEST_NM = 200.0, 30_000.0

# Spectrometers whose channels are even in nm (gratings, filters) end here; those that see further are
# interferometers, whose channels are even in 1/cm. An even axis that goes past is therefore in 1/cm.
_LAST_GRATING_NM = 3_300.0

# A lost channel doubles a step. Real axes bend, but hardly within a neighbourhood of eleven steps.
_LARGEST_STEP = 1.75
_NEIGHBOURS = 5


def check_axis(wavelength: Array, *, gaps: bool = False) -> None:
    """Refuse an axis that is not in nm, does not increase, or has a gap.

    Parameters
    ----------
    wavelength : ndarray of shape (n_wavelengths,)
        At least two, nm.
    gaps : bool, default=False
        Whether the axis may have gaps.

    Raises
    ------
    SpectraError
        The message names the column (counted from 0), what was expected, and what came.
    """
    _refuse(~np.isfinite(wavelength), wavelength, "a finite wavelength in nm")
    outside = (wavelength < _LOWEST_NM) | (wavelength > _HIGHEST_NM)
    hint = "; these look like micrometres: 1 um is 1000 nm" if wavelength.max() < _LOWEST_NM else ""
    _refuse(outside, wavelength, f"nm, between {_LOWEST_NM:g} and {_HIGHEST_NM:g}", hint)
    steps = np.diff(wavelength)
    falls = np.concatenate([[False], steps <= 0.0])
    hint = "; the whole axis falls: turn it round" if np.all(steps < 0.0) else ""
    _refuse(falls, wavelength, "more than in the column before (strictly increasing nm)", hint)
    _refuse_wavenumbers(wavelength)
    if not gaps:
        wide = np.concatenate([[False], steps > _LARGEST_STEP * _usual_steps(steps)])
        _refuse(wide, wavelength, "an axis without gaps", "; the step before it is far larger than its neighbours")


def _refuse(bad: BoolArray, wavelength: Array, expected: str, hint: str = "") -> None:
    if bad.any():
        column = int(np.argmax(bad))
        came = f"{wavelength[column]:.10g}"
        if column and np.isfinite(wavelength[column]):
            came += f" after {wavelength[column - 1]:.10g}"
        raise SpectraError(f"`wavelength` column {column}: expected {expected}, got {came}{hint}")


def _refuse_wavenumbers(wavelength: Array) -> None:
    steps = np.diff(wavelength)
    even = bool(np.ptp(steps) <= 0.01 * steps.mean())
    if even and wavelength[-1] > _LAST_GRATING_NM:
        raise SpectraError(
            f"`wavelength` column {wavelength.size - 1}: expected nm, got an even axis that ends at "
            f"{wavelength[-1]:.10g}; these look like wavenumbers: nm are 1e7 / (1/cm)"
        )


def _usual_steps(steps: Array) -> Array:
    """Median of the eleven steps around each step, shape (n_wavelengths - 1,)."""
    if steps.size == 1:
        return steps
    # Reflected, an end step stands once in its own neighbourhood, so that a gap there does not hide itself.
    padded = np.pad(steps, _NEIGHBOURS, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1)
    usual: Array = np.median(around, axis=-1)
    return usual
