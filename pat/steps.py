"""Preprocessing steps as a method names them: each with its parameters, their types and what must hold between them.

What a step does stands in `pat.core.preprocess`. The text under each key is its description in the JSON Schema.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import Field

from pat.core import baseline
from pat.errors import InputError
from pat.sections import Problem, Section

Count = Annotated[int, Field(ge=0)]
Spectrum = Annotated[tuple[float, ...], Field(min_length=2)]
Learnt = Literal["calibration"] | Spectrum


def _odd(section: Section, *keys: str) -> list[Problem]:
    found = [(key, getattr(section, key)) for key in keys]
    return [(key, "an odd number of points", value) for key, value in found if value % 2 == 0]


class Absorbance(Section):
    """Absorbance (AU) of reflectance or transmittance that is given as a share of 1."""

    step: Literal["absorbance"]
    """Name of the step."""


class Snv(Section):
    """Standard normal variate, with the sample standard deviation (n - 1)."""

    step: Literal["snv"]
    """Name of the step."""


class RobustNormalVariate(Section):
    """Robust normal variate: less a low percentile, divided by the deviation (n - 1) of the readings up to it."""

    step: Literal["rnv"]
    """Name of the step."""
    percentile: Annotated[float, Field(gt=0.0, le=100.0)] = 25.0
    """Percentile of each spectrum's readings."""


class Msc(Section):
    """Multiplicative scatter correction: offset and slope against a reference spectrum."""

    step: Literal["msc"]
    """Name of the step."""
    reference: Learnt = "calibration"
    """Spectrum that all are brought to, on the axis of this step; `calibration`: their mean, to be learnt."""


class Emsc(Section):
    """Extended multiplicative scatter correction."""

    step: Literal["emsc"]
    """Name of the step."""
    degree: Count = 2
    """Degree of the polynomial in the wavelength."""
    reference: Learnt = "calibration"
    """Spectrum that all are brought to, on the axis of this step; `calibration`: their mean, to be learnt."""
    interferents: tuple[Spectrum, ...] = ()
    """Spectra on the axis of this step whose contribution is taken off."""


class SavitzkyGolay(Section):
    """Savitzky-Golay smoothing or derivative, per nm."""

    step: Literal["savitzky_golay"]
    """Name of the step."""
    window: Annotated[int, Field(ge=3)]
    """Odd number of points that the polynomial is fitted to."""
    polyorder: Count
    """Degree of the polynomial, less than the window."""
    deriv: Count
    """Order of the derivative, at most the degree; 0 smooths."""

    def _problems(self) -> list[Problem]:
        problems = _odd(self, "window")
        if self.polyorder >= self.window:
            problems.append(("polyorder", f"less than the window ({self.window})", self.polyorder))
        if self.deriv > self.polyorder:
            problems.append(("deriv", f"at most the polyorder ({self.polyorder})", self.deriv))
        return problems


class GapSegment(Section):
    """Gap-segment (Norris) derivative, per nm; the ends of the axis, where it does not fit, are left out."""

    step: Literal["gap_segment"]
    """Name of the step."""
    deriv: Annotated[int, Field(ge=1, le=3)]
    """Order of the derivative."""
    segment: Annotated[int, Field(ge=1)]
    """Odd number of points that each segment averages."""
    gap: Annotated[int, Field(ge=1)]
    """Odd number of points between two neighbouring segments."""

    def _problems(self) -> list[Problem]:
        return _odd(self, "segment", "gap")


class Detrend(Section):
    """Take off a polynomial in the wavelength that is fitted to the whole spectrum."""

    step: Literal["detrend"]
    """Name of the step."""
    degree: Count = 1
    """Degree of the polynomial."""


class Normalise(Section):
    """Divide each spectrum by its own norm."""

    step: Literal["normalise"]
    """Name of the step."""
    norm: Literal["area", "maximum", "unit_vector"]
    """Sum of the absolute readings, largest absolute reading, or root of the sum of squares."""


class Select(Section):
    """Keep wavelength ranges from here on; those under `spectra` are kept before the first step."""

    step: Literal["select"]
    """Name of the step."""
    ranges: Annotated[tuple[tuple[float, float], ...], Field(min_length=1)]
    """Closed wavelength ranges `[low, high]` (nm)."""

    def _problems(self) -> list[Problem]:
        expected = "a low end below the high end"
        return [(f"ranges.{i}", expected, pair) for i, pair in enumerate(self.ranges) if not pair[0] < pair[1]]


class Grid(Section):
    """An evenly spaced axis."""

    low: float
    """First wavelength (nm)."""
    high: float
    """Where the axis ends, at the latest (nm)."""
    spacing: Annotated[float, Field(gt=0.0)]
    """Distance of neighbours (nm)."""

    def _problems(self) -> list[Problem]:
        expected = f"at least low + spacing ({self.low + self.spacing:g})"
        return [] if self.high - self.low >= self.spacing else [("high", expected, self.high)]


class Interpolate(Section):
    """Bring spectra to another wavelength axis, inside the one they have."""

    step: Literal["interpolate"]
    """Name of the step."""
    target: Grid | Spectrum
    """The axis: `low`, `high` and `spacing`, or all its wavelengths (nm)."""
    kind: Literal["linear", "cubic"] = "linear"
    """Through the 2 nearest neighbours, or a cubic through 4."""


class Centre(Section):
    """Take a reference spectrum off each spectrum."""

    step: Literal["centre"]
    """Name of the step."""
    reference: Learnt = "calibration"
    """Spectrum to take off, on the axis of this step; `calibration`: their mean, to be learnt."""


class Scale(Section):
    """Divide each wavelength by the standard deviation (n - 1) of the calibration spectra there."""

    step: Literal["scale"]
    """Name of the step."""
    deviation: Learnt = "calibration"
    """Standard deviations, on the axis of this step; `calibration`: to be learnt."""


class Levels(Section):
    """Spectra of the same sample at several levels of a disturbance, such as dry and moist."""

    batches: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=2)]
    """Batches of the store, one for each level; they have the role `interference`, or none."""


class Epo(Section):
    """External parameter orthogonalisation: take out the directions in which a disturbance moves spectra."""

    step: Literal["epo"]
    """Name of the step."""
    spectra: Literal["interference"] | Levels | Annotated[tuple[Spectrum, ...], Field(min_length=1)]
    """What a disturbance does to spectra of one sample: difference spectra, treated up to this step; or the batches
    that show it, one for each level of the disturbance, from whose mean spectra they are to be learnt. `interference`:
    all batches with that role."""
    n_components: Annotated[int, Field(ge=1)]
    """Directions to take out."""


class Directions(Section):
    """What orthogonal signal correction takes out: spectra lose loadings times the product of weights with them."""

    mean: Spectrum
    """Mean of the calibration spectra, on the axis of this step."""
    weights: Annotated[tuple[Spectrum, ...], Field(min_length=1)]
    """Weights, a spectrum for each direction."""
    loadings: Annotated[tuple[Spectrum, ...], Field(min_length=1)]
    """Loadings, a spectrum for each direction."""


class Osc(Section):
    """Orthogonal signal correction: take out what varies most in the calibration spectra, but not with the analyte."""

    step: Literal["osc"]
    """Name of the step."""
    n_components: Annotated[int, Field(ge=1)]
    """Directions to take out."""
    directions: Literal["calibration"] | Directions = "calibration"
    """The directions; `calibration`: to be learnt."""


class Standardise(Section):
    """Bring spectra of one instrument to the axis and the response of another; `pat transfer` learns it.

    Each wavelength is a weighted sum of neighbouring channels, plus a few directions times the whole spectrum, plus an
    offset.
    """

    step: Literal["standardise"]
    """Name of the step."""
    source: Spectrum
    """Axis of this step (nm), of the instrument that the spectra come from; on another one the step is refused."""
    target: Spectrum
    """Axis that the spectra are brought to (nm)."""
    first: Annotated[tuple[Count, ...], Field(min_length=2)]
    """First channel, counted from 0, that each wavelength of the target is computed from."""
    weights: Annotated[tuple[Annotated[tuple[float, ...], Field(min_length=1)], ...], Field(min_length=2)]
    """For each wavelength of the target the weights of this channel and of those after it, as many for all."""
    inner: tuple[Spectrum, ...] = ()
    """For each direction a spectrum on the source's axis, whose product with the spectrum is its size."""
    outer: tuple[Spectrum, ...] = ()
    """For each direction a spectrum on the target's axis, which is added so many times."""
    offset: Spectrum
    """Spectrum on the target's axis that is added to every one."""


class Baseline(Section):
    """Baseline correction by pybaselines; the scorer then needs pybaselines too."""

    step: Literal["baseline"]
    """Name of the step."""
    method: Annotated[str, Field(min_length=1)]
    """Name of the method in pybaselines, such as `asls`."""
    parameters: dict[str, bool | int | float | str] = {}
    """Keyword arguments of that method, such as `lam`; what is left out takes the default of pybaselines."""

    def _problems(self) -> list[Problem]:
        if self.method not in baseline.METHODS:
            return [("method", f"one of {', '.join(baseline.METHODS)}", self.method)]
        try:
            # Compiling it once finds a wrong parameter here, and not in the middle of a calibration.
            baseline.Baseline(np.linspace(1000.0, 1600.0, 101), self.method, self.parameters)
        except InputError as error:
            return [("parameters", f"what pybaselines takes ({error})", self.parameters)]
        return []


_Step = (
    Absorbance
    | Snv
    | RobustNormalVariate
    | Msc
    | Emsc
    | SavitzkyGolay
    | GapSegment
    | Detrend
    | Normalise
    | Select
    | Interpolate
    | Centre
    | Scale
    | Epo
    | Osc
    | Standardise
    | Baseline
)
Step = Annotated[_Step, Field(discriminator="step")]
STEP_NAMES: tuple[str, ...] = tuple(get_args(kind.model_fields["step"].annotation)[0] for kind in get_args(_Step))
"""Names of all steps, as the document writes them."""
