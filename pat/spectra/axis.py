"""The wavelength axis: in nm, strictly increasing, without gaps."""

from __future__ import annotations

import numpy as np

from pat.core.types import Array, BoolArray
from pat.errors import SpectraError

# What spectrometers of the near infrared reach, with the visible part that some add. The range ends below every
# wavenumber of the near infrared, so that an axis in 1/cm, whichever way round, never passes for one in nm.
_LOWEST_NM, _HIGHEST_NM = 350.0, 3300.0
_LONGEST_MICROMETRES, _HIGHEST_WAVENUMBER = 100.0, 30_000.0

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
    _refuse(outside, wavelength, f"nm, between {_LOWEST_NM:g} and {_HIGHEST_NM:g}", _other_unit(wavelength))
    steps = np.diff(wavelength)
    falls = np.concatenate([[False], steps <= 0.0])
    hint = "; the whole axis falls: turn the columns round" if np.all(steps < 0.0) else ""
    _refuse(falls, wavelength, "more than in the column before (strictly increasing nm)", hint)
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


def _other_unit(wavelength: Array) -> str:
    """Say which unit an axis outside the range has, perhaps, and what to do then."""
    if wavelength.max() < _LONGEST_MICROMETRES:
        return "; these look like micrometres: 1 um is 1000 nm"
    if _HIGHEST_NM < wavelength.max() <= _HIGHEST_WAVENUMBER:
        turn = ", and turn the columns round" if wavelength[0] < wavelength[-1] else ""
        return f"; these look like wavenumbers (1/cm): convert them to nm (1e7 / wavenumber){turn}"
    return ""


def _usual_steps(steps: Array) -> Array:
    """Median of the eleven steps around each step, shape (n_wavelengths - 1,)."""
    if steps.size == 1:
        return steps
    # Reflected, an end step stands once in its own neighbourhood, so that a gap there does not hide itself.
    padded = np.pad(steps, _NEIGHBOURS, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1)
    usual: Array = np.median(around, axis=-1)
    return usual
