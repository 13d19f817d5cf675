"""Residuals of calibration spectra in units of what each could be expected to have."""

from __future__ import annotations

import math

import numpy as np

from pat.core.types import Array
from pat.errors import InputError


def studentised_residuals(residuals: Array, leverage: Array, n_components: int) -> Array:
    """Internally Studentised residuals of calibration spectra.

    Parameters
    ----------
    residuals : ndarray of shape (n,)
        Reference less fitted value, or the other way round, of every calibration spectrum.
    leverage : ndarray of shape (n,)
        Their leverages, the mean's share 1/n included.
    n_components : int
        A; the model has A + 1 parameters.

    Raises
    ------
    InputError
        If there are fewer than A + 2 spectra, or a leverage of 1, whose residual is 0 whatever the reference value.

    Notes
    -----
    e / (s sqrt(1 - h)) with s^2 = sum e^2 / (n - A - 1). Exact for a regression on given scores; PLS finds its scores
    with the help of the same reference values, so its residuals are a little smaller still. Errors that batches share
    make neighbours alike: for calibrations of batches, judge cross-validated residuals.

    References
    ----------
    Cook and Weisberg, *Residuals and Influence in Regression* (1982), 2.2.
    """
    degrees = residuals.size - n_components - 1
    if degrees < 1:
        raise InputError(f"Studentised residuals need at least {n_components + 2} spectra, got {residuals.size}")
    if not (leverage < 1.0).all():
        raise InputError(f"leverages must be below 1, got {leverage.max():g}")
    s = math.sqrt(float(residuals @ residuals) / degrees)
    return np.asarray(residuals / (s * np.sqrt(1.0 - leverage)))


def deleted_residuals(residuals: Array, leverage: Array, n_components: int) -> Array:
    """Externally Studentised (deleted) residuals: s is that of the calibration without the spectrum itself.

    Parameters
    ----------
    residuals, leverage : ndarray of shape (n,)
    n_components : int
        As for `studentised_residuals`.

    Returns
    -------
    ndarray of shape (n,)
        Each follows Student's t with n - A - 2 degrees of freedom.

    Raises
    ------
    InputError
        If there are fewer than A + 3 spectra, or a leverage of 1.

    References
    ----------
    Cook and Weisberg, *Residuals and Influence in Regression* (1982), 2.2.
    """
    degrees = residuals.size - n_components - 2
    if degrees < 1:
        raise InputError(f"deleted residuals need at least {n_components + 3} spectra, got {residuals.size}")
    r = studentised_residuals(residuals, leverage, n_components)
    # r^2 cannot exceed n - A - 1: there the spectrum alone has a residual, and without it s is 0.
    left = np.maximum(degrees + 1.0 - r * r, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(r * np.sqrt(degrees / left))
