"""The wavelength axis: what may stand on it, its ranges, and the segments that gaps cut it into."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pat.core.types import Array, BoolArray
from pat.errors import InputError

# Neighbouring steps of an axis may differ by this share before it no longer counts as evenly spaced.
_SPACING_TOLERANCE = 0.02
# A step this many times a neighbouring one separates two wavelength segments.
_GAP = 1.5


def check_axis(wavelength: Array) -> None:
    """Raise `InputError` unless an axis (nm) is finite and strictly increasing, of shape (n_wavelengths,)."""
    if wavelength.ndim != 1 or wavelength.size == 0:
        raise InputError(f"the wavelength axis must have shape (n_wavelengths,), got {wavelength.shape}")
    falls = np.flatnonzero(~(np.diff(wavelength) > 0.0))
    if falls.size or not np.isfinite(wavelength).all():
        at = int(falls[0]) if falls.size else 0
        raise InputError(
            "wavelengths must be finite and strictly increasing, got "
            f"{', '.join(f'{value:g}' for value in wavelength[at : at + 2])} nm at position {at}"
        )


def selection(wavelength: Array, ranges: Sequence[Sequence[float]]) -> Array:
    """Wavelengths (nm) that lie inside any of the closed `ranges`; all of them where `ranges` is empty.

    Raises
    ------
    InputError
        If a range holds no wavelength of the axis, or `ranges` are no pairs of numbers.
    """
    return wavelength[inside_ranges(wavelength, ranges)]


def inside_ranges(wavelength: Array, ranges: Sequence[Sequence[float]]) -> BoolArray:
    """Whether each wavelength (p,) is one of `selection`; errors as there."""
    inside = np.full(wavelength.shape, not len(ranges))
    if len(ranges):
        _require_pairs(ranges)
    for low, high in ranges:
        here = (wavelength >= low) & (wavelength <= high)
        if not here.any():
            raise InputError(
                f"wavelength range {low:g}-{high:g} nm holds no point of the axis "
                f"{wavelength[0]:g}-{wavelength[-1]:g} nm"
            )
        inside |= here
    return inside


def _require_pairs(ranges: Sequence[Sequence[float]]) -> None:
    try:
        shape = np.asarray(ranges, dtype=np.float64).shape
    except (TypeError, ValueError):
        shape = ()
    if len(shape) != 2 or shape[1] != 2:
        raise InputError(f"`ranges` must be pairs [low, high] (nm), got {ranges!r}")


def segments(wavelength: Array) -> list[slice]:
    """Return runs of wavelengths without a gap between them."""
    if wavelength.size < 3:
        return [slice(0, wavelength.size)]
    steps = np.diff(wavelength)
    # Steps that are even in 1/cm grow along an axis in nm: a gap is a step far larger than both its neighbours.
    around = np.concatenate([[np.inf], steps, [np.inf]])
    gaps = steps > _GAP * np.minimum(around[:-2], around[2:])
    cuts = [0, *(np.flatnonzero(gaps) + 1), wavelength.size]
    return [slice(int(a), int(b)) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]


def spacing(wavelength: Array) -> float | None:
    """Return the spacing (nm) of an evenly spaced axis of at least 2 points, None where its steps are not even."""
    steps = np.diff(wavelength)
    mean = float(steps.mean())
    return mean if np.ptp(steps) <= _SPACING_TOLERANCE * mean else None
