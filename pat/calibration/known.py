"""Raw calibration spectra in memory, once a process, and what steps and models learn from some of them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import xarray as xr

from pat import compute
from pat.core import pls
from pat.core.indexing import consecutive
from pat.core.pls import Moments
from pat.core.preprocess import Summary, Treatment, fit_treatment_by
from pat.core.types import Array, IntArray
from pat.errors import InputError

_T = TypeVar("_T")

# So many spectra are read or treated at a time.
_BLOCK = 2048
# About so many spectra tell a mean to shift moments by.
_NEAR = 100


@dataclass(frozen=True)
class Known:
    """Raw calibration spectra in memory, all with reference values, and the axis they lie on.

    Attributes
    ----------
    wavelength : ndarray of shape (p,)
        Native axis (nm).
    x : ndarray of shape (n, p)
        Raw spectra.
    y : ndarray of shape (n,)
        Reference values.
    """

    wavelength: Array
    x: Array
    y: Array

    def learn(self, ranges: Sequence[Sequence[float]], steps: Sequence[dict[str, Any]], rows: IntArray) -> Treatment:
        """Treatment by steps that have learnt from some of the spectra, a block of them at a time.

        Parameters
        ----------
        ranges, steps
            As of `pat.core.preprocess.fit_treatment`.
        rows : ndarray of int
            Spectra to learn from.

        Raises
        ------
        InputError
            As `fit_treatment`.
        """

        def summarise(treat: Treatment, with_references: bool) -> Summary:
            return _sum(
                Summary.combine,
                (Summary.of(treat(self.x[b]), self.y[b] if with_references else None) for b in _blocks(rows)),
            )

        return Treatment(self.wavelength, ranges, fit_treatment_by(self.wavelength, ranges, steps, summarise))

    def treated(self, treat: Treatment, rows: IntArray) -> Array:
        """Treat some of the spectra.

        Raises
        ------
        InputError
            If one is not finite then.
        """
        x = treat(self.x[consecutive(rows)])
        bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
        if bad.size:
            raise InputError(f"spectrum {rows[bad[0]]} of the calibration is not finite after treatment")
        return x


def moments_of(take: Callable[[IntArray], Array], y: Array, rows: IntArray, about: Moments | None = None) -> Moments:
    """Moments of some treated spectra, a block of them at a time.

    Parameters
    ----------
    take : callable
        Gives the treated spectra (k, p) of k rows.
    y : ndarray of shape (n,)
        Reference values of all rows.
    rows : ndarray of int
        Increasing.
    about : Moments, optional
        Moments that these shall be added to, or taken off.
    """
    if about is None:
        near = rows[:: max(1, rows.size // _NEAR)]
        shift_x, shift_y = take(near).mean(axis=0), np.asarray(y[near].mean())
    else:
        shift_x, shift_y = about.shift_x, about.shift_y
    return _sum(pls.combine, (pls.moments(take(block), y[block], shift_x, shift_y) for block in _blocks(rows)))


def _blocks(rows: IntArray) -> Iterator[IntArray]:
    return (rows[start : start + _BLOCK] for start in range(0, rows.size, _BLOCK))


def _sum(combine: Callable[[Sequence[_T]], _T], parts: Iterator[_T]) -> _T:
    """Put parts together as they come: two of them are in memory."""
    total: list[_T] = []
    for part in parts:
        total = [combine([*total, part])]
    return combine(total)


class Source:
    """Raw calibration spectra that tasks take into memory when they run: a process reads them once for all its tasks.

    Dask would hand every task a copy of its own, and keep the chunks besides.

    Parameters
    ----------
    spectra : Dataset
        Every one with a reference value; lazy or not.
    analyte : str
    """

    def __init__(self, spectra: xr.Dataset, analyte: str) -> None:
        self._spectra, self._analyte = spectra[["absorbance", analyte]], analyte
        self._key = uuid.uuid4().hex

    def known(self) -> Known:
        """Return the spectra; they stay in memory for as long as any task of the process holds what this returns."""
        with _reading:
            found = _in_process.get(self._key)
            if found is None:
                found = _in_process[self._key] = self._read()
            return found

    def _read(self) -> Known:
        spectra = self._spectra
        wavelength, y = (np.asarray(spectra[name].values, dtype=np.float64) for name in ("wavelength", self._analyte))
        absorbance = spectra["absorbance"]
        if absorbance.chunks is None:
            return Known(wavelength, np.asarray(absorbance.values), y)
        x = np.empty(absorbance.shape, dtype=absorbance.dtype)
        # This is a task already, and other tasks wait for these spectra.
        with compute.scheduler("synchronous"):
            for start in range(0, y.size, _BLOCK):
                block = slice(start, start + _BLOCK)
                x[block] = compute.load(absorbance.isel(spectrum=block)).values
        return Known(wavelength, x, y)


_reading = threading.Lock()
_in_process: WeakValueDictionary[str, Known] = WeakValueDictionary()
