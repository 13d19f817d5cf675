"""Faults of the sensor in the middle of a run: an empty window, a film, a failing lamp, an axis that shifts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pat.core.types import Array
from pat.errors import InputError
from pat.simulation.runs import Run, Seed, simulate_run
from pat.simulation.spectra import MICRONIR, Instrument


def _ramp(run: Run, onset: float, length: float) -> Array:
    """From 0 at revolution `onset` to 1, `length` revolutions later: shape (n, 1)."""
    return np.asarray(np.clip((run.revolution - onset) / length, 0.0, 1.0)[:, None])


def with_empty_window(run: Run, first: int, count: int, seed: Seed, *, instrument: Instrument = MICRONIR) -> Run:
    """Return a run in which no powder lay before the window for some readings: what is seen is like the reference.

    Parameters
    ----------
    run : Run
    first, count : int
        Index of the first of these readings, and how many there are.
    seed : int or sequence of int
    instrument : Instrument
        Gives the noise.

    Raises
    ------
    InputError
        If there are no such readings.
    """
    if not 0 <= first <= first + count <= len(run.absorbance):
        raise InputError(f"empty readings must be among {len(run.absorbance)}, got {first} to {first + count - 1}")
    absorbance = run.absorbance.copy()
    rows = absorbance[first : first + count]
    rows[:] = instrument.noise * np.random.default_rng(seed).standard_normal(rows.shape)
    return replace(run, absorbance=absorbance)


def with_film(run: Run, film: Array, onset: float, length: float, covered: float) -> Run:
    """Return a run in which a film grows on the window: x becomes (1 - f) x + f x_film.

    Parameters
    ----------
    run : Run
    film : ndarray of shape (p,)
        Spectrum of the film (AU).
    onset, length : float
        Revolution at which it begins, and how many it grows for.
    covered : float
        Fraction f of the window that it covers in the end.
    """
    fraction = covered * _ramp(run, onset, length)
    truth = replace(run.truth, film=np.maximum(run.truth.film, fraction[:, 0]))
    return replace(run, absorbance=(1.0 - fraction) * run.absorbance + fraction * film, truth=truth)


def with_lamp_drift(run: Run, onset: float, length: float, *, offset: float = 0.0, gain: float = 0.0) -> Run:
    """Return a run in which the lamp or the detector drifts: an offset (AU) and a relative gain grow in equal steps.

    Parameters
    ----------
    run : Run
    onset, length : float
        Revolution at which it begins, and how many it lasts.
    offset, gain : float
        What is added (AU), and the share by which absorbance has grown, in the end.
    """
    grown = _ramp(run, onset, length)
    return replace(run, absorbance=(1.0 + gain * grown) * run.absorbance + offset * grown)


def simulate_axis_shift(kind: str, seed: Seed, onset: int, shift: float, **given: Any) -> Run:
    """Simulate a run whose wavelength axis jumps.

    Parameters
    ----------
    kind : str
    seed : int or sequence of int
    onset : int
        Index of the first reading on the shifted axis.
    shift : float
        From there on a band is read at a wavelength that is so much longer (nm).
    **given
        As of `pat.simulation.simulate_run`.
    """
    instrument: Instrument = given.pop("instrument", MICRONIR)
    moved = replace(instrument, wavelength_shift=instrument.wavelength_shift + shift)
    before, after = (simulate_run(kind, seed, instrument=which, **given) for which in (instrument, moved))
    return replace(before, absorbance=np.vstack([before.absorbance[:onset], after.absorbance[onset:]]))
