"""The chain that a method compiles to, what it learns from calibration spectra, and its linear end as a matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pat.core.indexing import consecutive
from pat.core.preprocess.axis import check_axis, inside_ranges
from pat.core.preprocess.compiled import Compiled
from pat.core.preprocess.steps import (
    Step,
    compile_step,
    fit_levels,
    fit_step,
    learns_from_calibration,
    learns_from_levels,
    needs_references,
)
from pat.core.preprocess.summary import Summary
from pat.core.types import Array
from pat.errors import InputError

# So many values at a time pass through all steps (2 MB): few enough to stay in the processor's largest cache meanwhile,
# enough to make the calls of numpy cheap. Whole groups of spectra suit the products.
_VALUES, _GROUP = 2**18, 16


class Treatment:
    """A method's wavelength ranges and preprocessing steps, compiled for one axis.

    Parameters
    ----------
    wavelength : array_like of shape (p_in,)
        Native axis of the instrument (nm), strictly increasing.
    ranges : sequence of (low, high)
        Closed ranges (nm) to keep, selected before the first step; empty keeps all.
    steps : sequence of mappings
        The steps in order, each with its name under ``step`` and its parameters beside it. A step that learns from
        calibration spectra must have done so: `fit_treatment` gives such steps.

    Attributes
    ----------
    wavelength_in : ndarray of shape (p_in,)
        The native axis.
    wavelength : ndarray of shape (p_out,)
        The axis of the treated spectra.
    steps : tuple of mappings
        The steps as they were given.

    Raises
    ------
    InputError
        For an axis that does not increase, an unknown step, parameters that do not fit the axis, or a step that has
        still to learn something.

    Notes
    -----
    A spectrum's treated values have the same bits whether it comes alone, in a block or in a chunk, on one processor.
    What cannot be computed is NaN, in the spectrum concerned and in no other.

    Examples
    --------
    >>> axis = np.linspace(1000.0, 1200.0, 101)
    >>> treat = Treatment(axis, [[1050.0, 1150.0]], [{"step": "snv"}])
    >>> treat(np.sin(axis / 40.0)).shape
    (51,)
    """

    def __init__(self, wavelength: Any, ranges: Sequence[Sequence[float]], steps: Sequence[Step]) -> None:
        self.wavelength_in = self.wavelength = np.asarray(wavelength, dtype=np.float64)
        check_axis(self.wavelength_in)
        self.ranges, self.steps = tuple(ranges), tuple(steps)
        self._keep = consecutive(np.flatnonzero(inside_ranges(self.wavelength_in, ranges)))
        self._steps: list[Compiled] = []
        # Ranges are a step like any other, and none where they keep everything.
        for step in [*([{"step": "select", "ranges": ranges}] if len(ranges) else []), *steps]:
            self._steps.append(compile_step(step, self.wavelength))
            self.wavelength = self._steps[-1].wavelength

    def __reduce__(self) -> tuple[type[Treatment], tuple[Any, ...]]:
        # Compiled steps are functions; another process compiles its own.
        return Treatment, (self.wavelength_in, self.ranges, self.steps)

    def head(self, n_steps: int) -> Treatment:
        """Return the treatment by the ranges and the first `n_steps` steps alone."""
        return Treatment(self.wavelength_in, self.ranges, self.steps[:n_steps])

    @property
    def compiled(self) -> tuple[Compiled, ...]:
        """The steps as they were compiled, with the ranges before them where they select."""
        return tuple(self._steps)

    @property
    def n_linear(self) -> int:
        """Number of steps at the end that are linear, or linear and an offset; ranges are not counted."""
        affine = [step.affine for step in self._steps[len(self._steps) - len(self.steps) :]]
        return next((i for i, is_affine in enumerate(reversed(affine)) if not is_affine), len(affine))

    def presentation(self, absorbance: Array) -> Array:
        """Level and contrast of raw spectra (..., p_in): mean and sample SD (AU) over the wavelengths kept; (..., 2).

        How the powder lies before the sensor (packing, grain size, distance) decides them more than what it is made
        of: a moving bed makes them vary, and SNV removes them.
        """
        kept = np.ascontiguousarray(absorbance[..., self._keep])
        n_kept = np.float64(kept.shape[-1])
        found = np.empty((*kept.shape[:-1], 2))
        # Numpy's mean and std, to the bit, without what they cost for one spectrum.
        mean = np.add.reduce(kept, axis=-1, keepdims=True) / n_kept
        centred = kept - mean
        centred *= centred
        found[..., 0] = mean[..., 0]
        found[..., 1] = np.sqrt(np.add.reduce(centred, axis=-1) / (n_kept - 1.0))
        return found

    def presentation_of_one(self) -> Callable[[Array], tuple[float, float]]:
        """Return what gives `presentation` of one spectrum (p_in,), to the same bits, in rooms of its own.

        The formula stands here a second time because arrays of one value cost more than the arithmetic.
        """
        keep, centred = self._keep, np.empty(self.wavelength_in[self._keep].size)
        n_kept = centred.size

        def of_one(x: Array) -> tuple[float, float]:
            kept = x[keep]
            mean = float(np.add.reduce(kept)) / n_kept
            np.subtract(kept, mean, out=centred)
            np.multiply(centred, centred, out=centred)
            squares = float(np.add.reduce(centred))
            return mean, math.sqrt(squares / (n_kept - 1)) if n_kept > 1 else math.nan

        return of_one

    def __call__(self, absorbance: Any) -> Array:
        """Treat spectra of shape (..., p_in) on the native axis; returns (..., p_out).

        Raises
        ------
        InputError
            If the last axis does not have p_in values.
        """
        x = np.asarray(absorbance)
        if x.ndim == 0 or x.shape[-1] != self.wavelength_in.size:
            raise InputError(f"spectra must have {self.wavelength_in.size} wavelengths, got shape {x.shape}")
        rows = x.reshape(-1, x.shape[-1])
        treated = np.empty((rows.shape[0], self.wavelength.size))
        at_once = max(_VALUES // rows.shape[1] // _GROUP, 1) * _GROUP
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for start in range(0, rows.shape[0], at_once):
                part = np.ascontiguousarray(rows[start : start + at_once], dtype=np.float64)
                _run(self._steps, part, treated[start : start + at_once])
        return treated.reshape(*x.shape[:-1], self.wavelength.size)


def _run(steps: Sequence[Compiled], x: Array, out: Array) -> None:
    """Pass spectra (n, p_in) through steps into an array (n, p_out), both C-contiguous."""
    # SNV and its like end in an offset and a factor for each spectrum. A derivative does not see the offset, and the
    # factor may as well wait until after it, which saves two of the passes over the spectra.
    offset: Array | None = None
    factor: Array | None = None
    for i, step in enumerate(steps):
        if factor is not None and not step.blind_to_offset:
            x, offset, factor = _corrected(x, offset, factor, np.empty(x.shape)), None, None
        if step.correction is not None:
            offset, factor = step.correction(x)
        else:
            target = out if i == len(steps) - 1 else np.empty((x.shape[0], step.wavelength.size))
            step.into(x, target)
            x, offset = target, None
    if factor is not None:
        _corrected(x, offset, factor, out)
    elif x is not out:
        out[...] = x


def _corrected(x: Array, offset: Array | None, factor: Array, out: Array) -> Array:
    if offset is not None:
        np.subtract(x, offset, out=out)
        x = out
    np.multiply(x, factor, out=out)
    return out


def split_linear(treatment: Treatment) -> tuple[Treatment, Array, Array]:
    """Split a treatment into what is not linear, and a matrix with an offset for the linear steps at its end.

    Parameters
    ----------
    treatment : Treatment

    Returns
    -------
    head : Treatment
        By the ranges and all steps up to the last one that is not linear.
    matrix : ndarray of shape (p_out, p_head)
        A.
    offset : ndarray of shape (p_out,)
        b: the treatment of x is A head(x) + b.

    Notes
    -----
    With it the moments of treated spectra follow from those of the head's, centred: X'X becomes A X'X A', and X'y
    becomes A X'y; and a regression vector on treated spectra becomes A' times itself on those of the head.

    Examples
    --------
    >>> axis = np.linspace(1000.0, 1200.0, 101)
    >>> derivative = {"step": "savitzky_golay", "window": 9, "polyorder": 2, "deriv": 1}
    >>> treat = Treatment(axis, [], [{"step": "snv"}, derivative, {"step": "select", "ranges": [[1050, 1150]]}])
    >>> head, matrix, offset = split_linear(treat)
    >>> [step["step"] for step in head.steps], matrix.shape
    (['snv'], (51, 101))
    """
    n_head = len(treatment.steps) - treatment.n_linear
    head = treatment.head(n_head)
    tail = Treatment(head.wavelength, [], treatment.steps[n_head:])
    # The steps are asked, not written down a second time: what they make of 0, and of a 1 at each wavelength.
    offset = tail(np.zeros(head.wavelength.size))
    return head, (tail(np.eye(head.wavelength.size)) - offset).T.copy(), offset


def fit_treatment(
    wavelength: Any,
    ranges: Sequence[Sequence[float]],
    steps: Sequence[Step],
    spectra: Any,
    references: Any = None,
) -> list[dict[str, Any]]:
    """Give steps what they learn from calibration spectra.

    Parameters
    ----------
    wavelength, ranges, steps
        As of `Treatment`, except that steps may say ``calibration`` in place of what they shall learn, and EPO
        ``{"levels": [...]}`` in place of difference spectra: raw spectra, an array for each level of a disturbance.
    spectra : array_like of shape (n, p_in)
        Calibration spectra on the native axis.
    references : array_like of shape (n,), optional
        Reference values, NaN where there is none; OSC learns from them.

    Returns
    -------
    list of dict
        Plain JSON: numbers where a step said ``calibration``; the others as they were.

    Raises
    ------
    InputError
        As `Treatment`, and where spectra are not finite or not enough to learn from.

    Notes
    -----
    Spectra that test a model should not be among those that its treatment learnt from: cross-validation that is to
    be free of that fits the treatment anew without the batch that it leaves out. Once in the method, the numbers are
    fixed references like any other constant of it.
    """
    x = np.atleast_2d(np.asarray(spectra, dtype=np.float64))
    y = None if references is None else np.asarray(references, dtype=np.float64)

    def summarise(treat: Treatment, with_references: bool) -> Summary:
        return Summary.of(treat(x), y if with_references else None)

    return fit_treatment_by(wavelength, ranges, steps, summarise)


def fit_treatment_by(
    wavelength: Any,
    ranges: Sequence[Sequence[float]],
    steps: Sequence[Step],
    summarise: Callable[[Treatment, bool], Summary],
) -> list[dict[str, Any]]:
    """`fit_treatment` to spectra that are not at hand as one array.

    Parameters
    ----------
    wavelength, ranges, steps
        As of `Treatment`.
    summarise : callable
        Takes the treatment so far, and whether reference values are needed; gives the `Summary` of the calibration
        spectra treated by it. It is called once for each step that learns from them.
    """
    done: list[dict[str, Any]] = []
    for step in steps:
        if learns_from_levels(step):
            done.append(fit_levels(step, Treatment(wavelength, ranges, done)))
        elif learns_from_calibration(step):
            summary = summarise(Treatment(wavelength, ranges, done), needs_references(step))
            done.append(fit_step(step, summary))
        else:
            done.append(dict(step))
    return done
