"""Spectra on another wavelength axis."""

from __future__ import annotations

import numpy as np

from pat.core.preprocess.axis import check_axis, segments
from pat.core.types import Array, IntArray
from pat.errors import InputError

_NEIGHBOURS = {"linear": 2, "cubic": 4}
KINDS = tuple(_NEIGHBOURS)


def grid(low: float, high: float, spacing: float) -> Array:
    """Evenly spaced axis (nm) from `low` to at most `high`.

    Raises
    ------
    InputError
        Unless the spacing is positive and the two ends lie apart by at least that.
    """
    if not (spacing > 0.0 and high - low >= spacing):
        raise InputError(f"a grid needs a spacing above 0 and ends apart by it, got {low:g} to {high:g} by {spacing:g}")
    # A high end that rounding puts just beyond the last point still counts.
    return np.asarray(low + spacing * np.arange(int(np.floor((high - low) / spacing + 1e-9)) + 1))


def interpolation_weights(wavelength: Array, target: Array, kind: str) -> tuple[IntArray, Array]:
    """Weights that take spectra from one axis to another.

    Parameters
    ----------
    wavelength : ndarray of shape (p,)
        Axis of the spectra, nm.
    target : ndarray of shape (q,)
        Axis wanted, nm.
    kind : {"linear", "cubic"}
        Through the 2 or the 4 nearest neighbours goes a straight line or a cubic (Lagrange).

    Returns
    -------
    first : ndarray of int, shape (q,)
        First neighbour of each target.
    weights : ndarray of shape (q, 2) or (q, 4)

    Raises
    ------
    InputError
        For a target outside the axis or in one of its gaps: nothing is known there.
    """
    if kind not in _NEIGHBOURS:
        raise InputError(f"interpolation `kind` must be one of {', '.join(KINDS)}, got {kind!r}")
    check_axis(target)
    width = _NEIGHBOURS[kind]
    first = np.full(target.size, -1, dtype=np.int64)
    for part in segments(wavelength):
        here = wavelength[part]
        inside = (target >= here[0]) & (target <= here[-1])
        if here.size >= width:
            left = np.searchsorted(here, target[inside], side="right") - width // 2
            first[inside] = part.start + np.clip(left, 0, here.size - width)
    if (lost := np.flatnonzero(first < 0)).size:
        raise InputError(
            f"the axis {wavelength[0]:g}-{wavelength[-1]:g} nm has no neighbours for {target[lost[0]]:g} nm, "
            f"one of {lost.size} targets outside it or in a gap"
        )
    return first, _lagrange(wavelength[first[:, None] + np.arange(width)], target)


def _lagrange(nodes: Array, at: Array) -> Array:
    """Weights (q, k) of the values at nodes (q, k) in the polynomial through them, evaluated at (q,)."""
    weights = np.ones(nodes.shape)
    for j in range(nodes.shape[1]):
        for k in range(nodes.shape[1]):
            if k != j:
                weights[:, j] *= (at - nodes[:, k]) / (nodes[:, j] - nodes[:, k])
    return weights
