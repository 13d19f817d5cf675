"""Which standardisation: by cross-validation on the transfer samples alone.

Each transfer sample is left out in turn, standardised by what the others teach, and predicted by the calibration as it
is. What is asked for is the prediction from the sample's spectrum on the old instrument, not its reference value: that
is all a transfer can give back, it leaves out the calibration's own error and the laboratory's, which would drown the
difference of two instruments in ten samples, and it needs no reference analysis. The smallest error of some hundred
candidates flatters the best of them: what a transfer is worth, its validation says.

A map may stand before the steps or after any of them. On raw spectra it has to undo gain, offset and packing of powder
at once, and a few samples do not teach it that; after SNV or a derivative what is left is what instruments differ by.
Where is one of the things chosen; between instruments whose axes differ, steps that know the old axis come after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pat.calibration import Calibration
from pat.core import pls
from pat.core.preprocess import Standardisation, Treatment
from pat.core.transfer import Settings, leave_one_out, standardise, usual_settings
from pat.core.types import Array
from pat.transfer.pairing import Pairs


@dataclass(frozen=True)
class Candidate:
    """A way to standardise, with its error.

    Attributes
    ----------
    after : int
        Number of preprocessing steps before it.
    settings : Settings
    rmse : float
        Root mean squared difference of left-out predictions from those of the old instrument, in analyte units.
    """

    after: int
    settings: Settings
    rmse: float

    @property
    def method(self) -> str:
        """``ds`` or ``pds``."""
        return "ds" if self.settings.window is None else "pds"


@dataclass(frozen=True)
class Choice:
    """All candidates, the best of them, and what it makes of each transfer sample that was left out.

    Attributes
    ----------
    candidates : tuple of Candidate
    best : Candidate
    left_out : ndarray of shape (n, p_treated)
        Spectra of the new instrument, each standardised by what the others taught, and treated.
    """

    candidates: tuple[Candidate, ...]
    best: Candidate
    left_out: Array

    def best_of_each(self) -> list[Candidate]:
        """Return the best candidate of each method and each place among the steps."""
        kinds = dict.fromkeys((each.after, each.method) for each in self.candidates)
        return [min((c for c in self.candidates if (c.after, c.method) == kind), key=_error) for kind in kinds]


def _error(candidate: Candidate) -> float:
    return candidate.rmse


@dataclass(frozen=True)
class Place:
    """A place among the steps: the treatment before it, of either instrument, and after it."""

    after: int
    old: Treatment
    new: Treatment
    rest: Treatment


def places(calibration: Calibration, wavelength_new: Array) -> Iterator[Place]:
    """Places at which spectra may be standardised, the first before all steps."""
    ranges, steps = calibration.learnt.document()["spectra"]["ranges"], calibration.steps
    same = np.array_equal(wavelength_new, calibration.wavelength)
    for after in range(len(steps) + 1 if same else 1):
        old, new = (Treatment(axis, ranges, steps[:after]) for axis in (calibration.wavelength, wavelength_new))
        yield Place(after, old, new, Treatment(old.wavelength, [], steps[after:]))


def choose(calibration: Calibration, wavelength_new: Array, pairs: Pairs, methods: Sequence[str]) -> Choice:
    """Choose place, method, window and penalty by leaving out one transfer sample at a time.

    Parameters
    ----------
    calibration : Calibration
        Of the old instrument.
    wavelength_new : ndarray of shape (p,)
        Native axis of the new one (nm).
    pairs : Pairs
        The transfer samples.
    methods : sequence of str
        Some of ``ds`` and ``pds``.

    Returns
    -------
    Choice
        Among equals, the first: before fewer steps, and by what changes spectra less.
    """
    wanted = predictions(calibration, calibration.learnt.treatment(calibration.wavelength)(pairs.old))
    found: list[tuple[Candidate, Array]] = []
    for place in places(calibration, wavelength_new):
        tried = [s for s in _settings(pairs, place) if ("ds" if s.window is None else "pds") in methods]
        axes = place.old.wavelength, place.new.wavelength
        spectra = leave_one_out(place.old(pairs.old), place.new(pairs.new), tried, *axes)
        treated = place.rest(spectra)
        errors = np.sqrt(((predictions(calibration, treated) - wanted) ** 2).mean(axis=1)).tolist()
        found += [(Candidate(place.after, s, e), t) for s, e, t in zip(tried, errors, treated, strict=True)]
    candidates = tuple(candidate for candidate, _ in found)
    best, left_out = min(found, key=lambda one: one[0].rmse)
    return Choice(candidates, best, left_out)


def _settings(pairs: Pairs, place: Place) -> list[Settings]:
    """Return settings that fit; a window on another axis has to hold the two neighbours of a wavelength."""
    least = 1 if np.array_equal(place.old.wavelength, place.new.wavelength) else 3
    every = usual_settings(len(pairs.batch), place.new.wavelength.size)
    return [s for s in every if s.window is None or s.window >= least]


def predictions(calibration: Calibration, treated: Array) -> Array:
    """Predictions (...) of treated spectra (..., p)."""
    return pls.predict(calibration.model, treated)


def learn(
    calibration: Calibration, wavelength_new: Array, pairs: Pairs, best: Candidate
) -> tuple[Standardisation, list[dict[str, Any]]]:
    """Learn the chosen map from all transfer samples; returns it, and the steps with it in its place."""
    place = next(one for one in places(calibration, wavelength_new) if one.after == best.after)
    axes = place.old.wavelength, place.new.wavelength
    found = standardise(place.old(pairs.old), place.new(pairs.new), best.settings, *axes)
    steps = calibration.steps
    return found, [*steps[: best.after], found.step(), *steps[best.after :]]
