"""Each preprocessing step as a scikit-learn transformer, and a whole chain as one.

Every one takes `wavelength`, the axis of its input (nm); see `pat.estimators.step.Step` for what stands in for it.
In a pipeline with ``set_output(transform="pandas")`` the names of the columns carry the axis from step to step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from pat.core.preprocess import CALIBRATION, learns, needs_references
from pat.errors import InputError
from pat.estimators.step import Step


class Absorbance(Step):
    """Absorbance (AU) of reflectance or transmittance as a share of 1; NaN where that is not above 0."""

    _step = "absorbance"

    def __init__(self, *, wavelength: ArrayLike | None = None) -> None:
        self.wavelength = wavelength


class SNV(Step):
    """Standard normal variate, with the sample standard deviation (n - 1)."""

    _step = "snv"

    def __init__(self, *, wavelength: ArrayLike | None = None) -> None:
        self.wavelength = wavelength


class RobustNormalVariate(Step):
    """Robust normal variate; see `pat.core.preprocess.robust_normal_variate`."""

    _step = "rnv"

    def __init__(self, percentile: float = 25.0, *, wavelength: ArrayLike | None = None) -> None:
        self.percentile = percentile
        self.wavelength = wavelength


class MSC(Step):
    """Multiplicative scatter correction.

    Parameters
    ----------
    reference : array_like of shape (n_features,) or "calibration"
        Spectrum that all are brought to; by default the mean of the spectra that it is fitted to.
    """

    _step = "msc"

    def __init__(self, reference: ArrayLike = CALIBRATION, *, wavelength: ArrayLike | None = None) -> None:
        self.reference = reference
        self.wavelength = wavelength


class EMSC(Step):
    """Extended multiplicative scatter correction; see `pat.core.preprocess.ScatterModel`.

    Parameters
    ----------
    degree : int
        Degree of the polynomial in the wavelength.
    reference : array_like of shape (n_features,) or "calibration"
        Spectrum that all are brought to; by default the mean of the spectra that it is fitted to.
    interferents : array_like of shape (k, n_features), optional
        Spectra whose contribution is taken off.
    """

    _step = "emsc"

    def __init__(
        self,
        degree: int = 2,
        reference: ArrayLike = CALIBRATION,
        interferents: ArrayLike | None = None,
        *,
        wavelength: ArrayLike | None = None,
    ) -> None:
        self.degree = degree
        self.reference = reference
        self.interferents = interferents
        self.wavelength = wavelength


class SavitzkyGolay(Step):
    """Savitzky-Golay smoothing or derivative, per nm; see `pat.core.preprocess.savitzky_golay`."""

    _step = "savitzky_golay"

    def __init__(
        self, window: int = 9, polyorder: int = 2, deriv: int = 1, *, wavelength: ArrayLike | None = None
    ) -> None:
        self.window = window
        self.polyorder = polyorder
        self.deriv = deriv
        self.wavelength = wavelength


class GapSegment(Step):
    """Gap-segment (Norris) derivative, per nm; see `pat.core.preprocess.gap_segment`."""

    _step = "gap_segment"

    def __init__(self, deriv: int = 1, segment: int = 5, gap: int = 5, *, wavelength: ArrayLike | None = None) -> None:
        self.deriv = deriv
        self.segment = segment
        self.gap = gap
        self.wavelength = wavelength


class Detrend(Step):
    """Take off a polynomial in the wavelength; see `pat.core.preprocess.detrend`."""

    _step = "detrend"

    def __init__(self, degree: int = 1, *, wavelength: ArrayLike | None = None) -> None:
        self.degree = degree
        self.wavelength = wavelength


class Normalise(Step):
    """Divide each spectrum by its own norm; see `pat.core.preprocess.normalise`."""

    _step = "normalise"

    def __init__(self, norm: str = "unit_vector", *, wavelength: ArrayLike | None = None) -> None:
        self.norm = norm
        self.wavelength = wavelength


class SelectRanges(Step):
    """Keep closed wavelength ranges [low, high] (nm); none given keeps all."""

    _step = "select"

    def __init__(self, ranges: Sequence[Sequence[float]] = (), *, wavelength: ArrayLike | None = None) -> None:
        self.ranges = ranges
        self.wavelength = wavelength


class Interpolate(Step):
    """Bring spectra to another wavelength axis, inside the one they have.

    Parameters
    ----------
    target : array_like of shape (n_features_out,) or mapping, optional
        Wavelengths (nm), or ``low``, ``high`` and ``spacing`` of an even grid; None keeps the axis.
    kind : {"linear", "cubic"}
        Through the 2 nearest neighbours, or a cubic through 4.
    """

    _step = "interpolate"

    def __init__(
        self,
        target: ArrayLike | Mapping[str, float] | None = None,
        kind: str = "linear",
        *,
        wavelength: ArrayLike | None = None,
    ) -> None:
        self.target = target
        self.kind = kind
        self.wavelength = wavelength

    def _documents(self) -> list[dict[str, Any]]:
        return [{"target": self.wavelength_in_, **document} for document in super()._documents()]


class Centre(Step):
    """Take a reference spectrum off each spectrum; by default the mean of those that it is fitted to."""

    _step = "centre"

    def __init__(self, reference: ArrayLike = CALIBRATION, *, wavelength: ArrayLike | None = None) -> None:
        self.reference = reference
        self.wavelength = wavelength


class Scale(Step):
    """Divide each wavelength by a standard deviation; by default that (n - 1) of the spectra that it is fitted to."""

    _step = "scale"

    def __init__(self, deviation: ArrayLike = CALIBRATION, *, wavelength: ArrayLike | None = None) -> None:
        self.deviation = deviation
        self.wavelength = wavelength


class EPO(Step):
    """External parameter orthogonalisation; see `pat.core.preprocess.epo_directions`.

    Parameters
    ----------
    spectra : array_like of shape (k, n_features) or mapping
        Difference spectra: what a disturbance does to spectra of one sample, treated up to this step. Or
        ``{"levels": [...]}``: spectra of the sample, an array for each level of the disturbance, whose means, less
        the mean of these, are the difference spectra.
    n_components : int
        Directions to take out.
    """

    _step = "epo"

    def __init__(
        self,
        spectra: ArrayLike | Mapping[str, Any] | None = None,
        n_components: int = 1,
        *,
        wavelength: ArrayLike | None = None,
    ) -> None:
        self.spectra = spectra
        self.n_components = n_components
        self.wavelength = wavelength


class OSC(Step):
    """Orthogonal signal correction after Fearn; see `pat.core.preprocess.osc_directions`."""

    _step = "osc"
    _needs_y = True

    def __init__(self, n_components: int = 1, *, wavelength: ArrayLike | None = None) -> None:
        self.n_components = n_components
        self.wavelength = wavelength


class Standardise(Step):
    """Bring spectra of one instrument to the axis and the response of another.

    Parameters
    ----------
    source, target : array_like of shape (n_features,), array_like of shape (n_features_out,)
        Axes (nm) of the two instruments.
    first, weights, inner, outer, offset : array_like
        As of `pat.core.preprocess.Standardisation`; `pat.core.transfer.standardise` learns them from samples that were
        measured on both, and ``Standardise(**vars(found))`` takes them over.
    """

    _step = "standardise"

    def __init__(
        self,
        source: ArrayLike | None = None,
        target: ArrayLike | None = None,
        first: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        inner: ArrayLike = (),
        outer: ArrayLike = (),
        offset: ArrayLike | None = None,
        *,
        wavelength: ArrayLike | None = None,
    ) -> None:
        self.source = source
        self.target = target
        self.first = first
        self.weights = weights
        self.inner = inner
        self.outer = outer
        self.offset = offset
        self.wavelength = wavelength


class Baseline(Step):
    """Subtract a baseline that pybaselines fits to each spectrum.

    Parameters
    ----------
    method : str
        One of `pat.core.baseline.METHODS`.
    parameters : mapping, optional
        Keyword arguments of that method, such as ``{"lam": 1e5}``.
    """

    _step = "baseline"

    def __init__(
        self,
        method: str = "asls",
        parameters: Mapping[str, Any] | None = None,
        *,
        wavelength: ArrayLike | None = None,
    ) -> None:
        self.method = method
        self.parameters = parameters
        self.wavelength = wavelength


class Treat(Step):
    """A whole chain of steps, as a method's document writes it.

    Parameters
    ----------
    steps : sequence of mapping
        Each with its name under ``step``; one that says ``calibration`` learns from the spectra that this is fitted to,
        OSC from their reference values too. `pat.treatment.steps_with_levels` gives those of a method whose EPO names
        batches of a store.
    ranges : sequence of (low, high)
        Closed wavelength ranges (nm) to keep first; none keeps all.

    Examples
    --------
    >>> import numpy as np
    >>> axis = np.linspace(1000.0, 1200.0, 101)
    >>> chain = Treat([{"step": "snv"}, {"step": "detrend", "degree": 1}], [(1050.0, 1150.0)], wavelength=axis)
    >>> chain.fit_transform(np.sin(axis / np.array([[30.0], [40.0]]))).shape
    (2, 51)
    """

    def __init__(
        self,
        steps: Sequence[Mapping[str, Any]] = (),
        ranges: Sequence[Sequence[float]] = (),
        *,
        wavelength: ArrayLike | None = None,
    ) -> None:
        self.steps = steps
        self.ranges = ranges
        self.wavelength = wavelength

    def _documents(self) -> list[dict[str, Any]]:
        if wrong := [step for step in self.steps if not isinstance(step, Mapping)]:
            raise InputError(f"`steps` must be mappings, such as {{'step': 'snv'}}, got {wrong[0]!r}")
        return [{"step": "select", "ranges": self.ranges}, *(dict(step) for step in self.steps)]

    def _learns_from_references(self) -> bool:
        return any(isinstance(step, Mapping) and needs_references(step) and learns(step) for step in self.steps)
