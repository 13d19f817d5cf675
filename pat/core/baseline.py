"""Baseline correction by pybaselines: the one place where scoring may need more than numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from pat.core.types import Array
from pat.errors import InputError, MissingExtra

METHODS = ("airpls", "arpls", "asls", "drpls", "imodpoly", "rolling_ball", "snip")


class Baseline:
    """Subtract a baseline that pybaselines fits to each spectrum.

    Parameters
    ----------
    wavelength : ndarray of shape (n_wavelengths,)
        Axis (nm) that the baseline is fitted along.
    method : str
        One of `METHODS`.
    parameters : mapping
        Keyword arguments of that method in pybaselines, such as ``lam``.

    Raises
    ------
    InputError
        For an unknown method, parameters that pybaselines does not take, or fewer than 3 wavelengths.
    MissingExtra
        If pybaselines is not installed.
    """

    def __init__(self, wavelength: Array, method: str, parameters: Mapping[str, Any]) -> None:
        if method not in METHODS:
            raise InputError(f"baseline `method` must be one of {', '.join(METHODS)}, got {method!r}")
        if wavelength.size < 3:
            raise InputError(f"a baseline needs at least 3 wavelengths, got {wavelength.size}")
        try:
            import pybaselines
        except ImportError as error:
            raise MissingExtra(
                "this method has a baseline step, which needs pybaselines: pip install pybaselines"
            ) from error
        self._make = pybaselines.Baseline
        self._wavelength, self._method, self._parameters = wavelength, method, dict(parameters)
        try:
            self._fitter()(np.sin(wavelength) + 2.0, **self._parameters)
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(f"baseline method {method!r} with {dict(parameters)}: {error}") from error

    def _fitter(self) -> Callable[..., Any]:
        # pybaselines keeps work arrays in the object and is not thread-safe, so each call makes its own.
        fit: Callable[..., Any] = getattr(self._make(self._wavelength, check_finite=False), self._method)
        return fit

    def __call__(self, x: Array) -> Array:
        """Return the spectra of shape (..., n_wavelengths) less their baselines.

        A spectrum that is not finite, or that the fit breaks down on, gives NaN: a sensor may send anything, and
        no spectrum may stop the batch or the block that it comes in.
        """
        rows = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
        fit = self._fitter()
        out = np.full(rows.shape, np.nan)
        for i, row in enumerate(rows):
            if np.isfinite(row).all():
                with suppress(ArithmeticError, ValueError), np.errstate(all="ignore"):
                    out[i] = row - fit(row, **self._parameters)[0]
        return out.reshape(x.shape)
