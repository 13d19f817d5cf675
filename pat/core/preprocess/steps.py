"""Preprocessing steps by name: how each compiles for an axis, and what it learns from calibration spectra."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pat.core.preprocess import axis as axes
from pat.core.preprocess import derivatives, projection, resampling, scatter
from pat.core.preprocess.scatter import RowCorrection, ScatterModel, as_spectra
from pat.core.preprocess.summary import Summary
from pat.core.types import Array
from pat.errors import InputError

Step = Mapping[str, Any]

CALIBRATION = "calibration"
"""What a step says in place of numbers that it shall learn from the calibration spectra."""
# The parameter that says so, by step.
_LEARNT = {"msc": "reference", "emsc": "reference", "centre": "reference", "scale": "deviation", "osc": "directions"}


@dataclass(frozen=True)
class Compiled:
    """A step compiled for an axis.

    Attributes
    ----------
    wavelength : ndarray of shape (p_out,)
        Axis of what the step gives.
    into : callable
        Takes spectra (n, p_in), C-contiguous and not to be changed, and an array (n, p_out) to fill, C-contiguous.
    affine : bool
        Whether it is x -> A x + b with the same A and b for every spectrum.
    blind_to_offset : bool
        Whether it is x -> A x with A 1 = 0: derivatives are.
    correction : callable or None
        For a step that is (x - offset) factor, with an offset and a factor for each spectrum: what gives these.
    """

    wavelength: Array
    into: Callable[[Array, Array], None]
    affine: bool = False
    blind_to_offset: bool = False
    correction: RowCorrection | None = None


def _of_rows(wavelength: Array, treat: Callable[[Array], Array], *, affine: bool = False) -> Compiled:
    """Step that gives a new array and keeps the axis."""

    def into(x: Array, out: Array) -> None:
        out[...] = treat(x)

    return Compiled(wavelength, into, affine=affine)


def _by_correction(wavelength: Array, correction: RowCorrection) -> Compiled:
    def into(x: Array, out: Array) -> None:
        offset, factor = correction(x)
        np.subtract(x, offset, out=out)
        out *= factor

    return Compiled(wavelength, into, correction=correction)


def _absorbance(wavelength: Array) -> Compiled:
    return _of_rows(wavelength, scatter.absorbance)


def _snv(wavelength: Array) -> Compiled:
    return _by_correction(wavelength, scatter.snv_correction)


def _rnv(wavelength: Array, percentile: float = 25.0) -> Compiled:
    if not 0.0 < percentile <= 100.0:
        raise InputError(f"`percentile` must be above 0 and at most 100, got {percentile}")
    return _by_correction(wavelength, lambda x: scatter.robust_correction(x, percentile))


def _normalise(wavelength: Array, norm: str) -> Compiled:
    return _by_correction(wavelength, scatter.norm_correction(norm))


def _detrend(wavelength: Array, degree: int = 1) -> Compiled:
    scatter.polynomials(wavelength, degree)
    return _of_rows(wavelength, lambda x: scatter.detrend(x, wavelength, degree), affine=True)


def _emsc(wavelength: Array, degree: int = 2, reference: Any = CALIBRATION, interferents: Any = ()) -> Compiled:
    return _of_rows(wavelength, ScatterModel(wavelength, _known(reference), degree, interferents))


def _msc(wavelength: Array, reference: Any = CALIBRATION) -> Compiled:
    return _emsc(wavelength, 0, reference)


def _savitzky_golay(wavelength: Array, window: int, polyorder: int, deriv: int) -> Compiled:
    # A derivative across a gap between two ranges would be of nothing: each segment is treated alone.
    parts = axes.segments(wavelength)
    treats = [_savitzky_golay_along(wavelength[part], window, polyorder, deriv) for part in parts]
    return Compiled(wavelength, _by_parts(parts, parts, treats), affine=True, blind_to_offset=deriv > 0)


def _savitzky_golay_along(wavelength: Array, window: int, polyorder: int, deriv: int) -> Callable[[Array, Array], None]:
    """Savitzky-Golay for one stretch of an axis, whether its steps are even in nm or not."""
    if wavelength.size < window:
        raise InputError(
            f"Savitzky-Golay `window` of {window} points is longer than the {wavelength.size} wavelengths "
            f"from {wavelength[0]:g} to {wavelength[-1]:g} nm"
        )
    # Parameters that do not fit together must show when the chain is compiled, not in the middle of a batch.
    derivatives.check_savitzky_golay(window, polyorder, deriv, wavelength.size)
    delta = axes.spacing(wavelength)
    if delta is not None:
        return lambda x, out: derivatives.savitzky_golay_into(x, out, window, polyorder, deriv, delta)
    first, weights = derivatives.uneven_weights(wavelength, window, polyorder, deriv)
    return lambda x, out: derivatives.weighted_into(x, out, first, weights)


def _gap_segment(wavelength: Array, deriv: int, segment: int, gap: int) -> Compiled:
    parts = axes.segments(wavelength)
    filters = [derivatives.GapSegment(wavelength[part], deriv, segment, gap) for part in parts]
    ends = np.cumsum([0, *(each.wavelength.size for each in filters)])
    places = [slice(int(a), int(b)) for a, b in zip(ends[:-1], ends[1:], strict=True)]
    kept = np.concatenate([each.wavelength for each in filters])
    return Compiled(kept, _by_parts(parts, places, filters), affine=True, blind_to_offset=True)


def _by_parts(
    parts: Sequence[slice], places: Sequence[slice], treats: Sequence[Callable[[Array, Array], None]]
) -> Callable[[Array, Array], None]:
    """Treat each part of the axis alone, and put what it gives in its place."""
    if len(parts) == 1:
        return treats[0]

    def into(x: Array, out: Array) -> None:
        for part, place, treat in zip(parts, places, treats, strict=True):
            treated = np.empty((x.shape[0], place.stop - place.start))
            treat(np.ascontiguousarray(x[:, part]), treated)
            out[:, place] = treated

    return into


def _select(wavelength: Array, ranges: Sequence[Sequence[float]]) -> Compiled:
    kept = axes.selection(wavelength, ranges)
    places = np.flatnonzero(np.isin(wavelength, kept))
    # Neighbours are a view, which costs nothing.
    here = slice(int(places[0]), int(places[-1]) + 1) if np.ptp(places) == places.size - 1 else places

    def into(x: Array, out: Array) -> None:
        out[...] = x[:, here]

    return Compiled(kept, into, affine=True)


def _interpolate(wavelength: Array, target: Any, kind: str = "linear") -> Compiled:
    wanted = resampling.grid(**target) if isinstance(target, Mapping) else np.asarray(target, dtype=np.float64)
    first, weights = resampling.interpolation_weights(wavelength, wanted, kind)
    return Compiled(wanted, lambda x, out: derivatives.weighted_into(x, out, first, weights), affine=True)


def _centre(wavelength: Array, reference: Any = CALIBRATION) -> Compiled:
    mean = as_spectra("reference", [_known(reference)], wavelength.size)[0]
    return _of_rows(wavelength, lambda x: x - mean, affine=True)


def _scale(wavelength: Array, deviation: Any = CALIBRATION) -> Compiled:
    by = as_spectra("deviation", [_known(deviation)], wavelength.size)[0]
    if not (by > 0.0).all():
        at = wavelength[int(np.argmin(by))]
        raise InputError(f"calibration spectra must vary at every wavelength, and do not at {at:g} nm")
    return _of_rows(wavelength, lambda x: x / by, affine=True)


def _epo(wavelength: Array, spectra: Any, n_components: int) -> Compiled:
    directions = projection.epo_directions(spectra, n_components, wavelength.size)
    return _of_rows(wavelength, lambda x: projection.removed(x, None, directions, directions), affine=True)


def _osc(wavelength: Array, n_components: int, directions: Any = CALIBRATION) -> Compiled:
    found = _known(directions)
    mean, weights, loadings = (
        as_spectra(name, found[name], wavelength.size) for name in ("mean", "weights", "loadings")
    )
    if not len(weights) == len(loadings) == n_components:
        raise InputError(f"OSC must have {n_components} weights and loadings, got {len(weights)} and {len(loadings)}")
    w, p = weights.T.copy(), loadings.T.copy()
    return _of_rows(wavelength, lambda x: projection.removed(x, mean, w, p), affine=True)


def _baseline(wavelength: Array, method: str, parameters: Mapping[str, Any] | None = None) -> Compiled:
    # The one step that needs more than numpy: pybaselines is imported for a method that has it, and only then.
    from pat.core.baseline import Baseline

    return _of_rows(wavelength, Baseline(wavelength, method, dict(parameters or {})))


def _known(given: Any) -> Any:
    """Return what a step was given, unless it has still to learn it."""
    if not isinstance(given, str):
        return given
    if given != CALIBRATION:
        raise InputError(f"expected numbers or `{CALIBRATION}`, got {given!r}")
    raise InputError("it learns from calibration spectra: fit the treatment to them first")


_COMPILERS: dict[str, Callable[..., Compiled]] = {
    "absorbance": _absorbance,
    "baseline": _baseline,
    "centre": _centre,
    "detrend": _detrend,
    "emsc": _emsc,
    "epo": _epo,
    "gap_segment": _gap_segment,
    "interpolate": _interpolate,
    "msc": _msc,
    "normalise": _normalise,
    "osc": _osc,
    "rnv": _rnv,
    "savitzky_golay": _savitzky_golay,
    "scale": _scale,
    "select": _select,
    "snv": _snv,
}
STEPS = tuple(sorted(_COMPILERS))
"""Names of all steps."""


def compile_step(step: Step, wavelength: Array) -> Compiled:
    """Compile a step for an axis.

    Parameters
    ----------
    step : mapping
        Its name under ``step`` and its parameters beside it.
    wavelength : ndarray of shape (p,)
        Axis that it treats, nm.

    Raises
    ------
    InputError
        For an unknown step, parameters that do not fit the axis, or a step that has still to learn something.
    """
    parameters = dict(step)
    name = parameters.pop("step", None)
    if not isinstance(name, str) or name not in _COMPILERS:
        raise InputError(f"preprocessing step must be one of {', '.join(STEPS)}, got {name!r}")
    try:
        return _COMPILERS[name](wavelength, **parameters)
    except (TypeError, KeyError, InputError) as error:
        raise InputError(f"preprocessing step {name!r}: {error}") from error


def learns(step: Step) -> bool:
    """Whether a step has still to learn from calibration spectra.

    Examples
    --------
    >>> learns({"step": "msc", "reference": "calibration"}), learns({"step": "msc", "reference": [0.3, 0.4, 0.6]})
    (True, False)
    """
    parameter = _LEARNT.get(str(step.get("step")))
    return parameter is not None and isinstance(step.get(parameter, CALIBRATION), str)


def needs_references(step: Step) -> bool:
    """Whether what a step learns depends on reference values."""
    return step.get("step") == "osc"


def unlearnt(step: Step) -> dict[str, Any]:
    """Return a step that learns as it was before it learnt.

    Examples
    --------
    >>> unlearnt({"step": "msc", "reference": [0.3, 0.4, 0.6]})
    {'step': 'msc', 'reference': 'calibration'}
    """
    return {**step, _LEARNT[str(step["step"])]: CALIBRATION}


def fit_step(step: Step, summary: Summary) -> dict[str, Any]:
    """Return a step with what it learns from a summary of calibration spectra, as plain numbers."""
    name = str(step.get("step"))
    found: Any
    if name == "osc":
        xx, xy = summary.products()
        weights, loadings = projection.osc_directions(xx, xy, step["n_components"])
        found = {"mean": summary.mean.tolist(), "weights": weights.T.tolist(), "loadings": loadings.T.tolist()}
    else:
        found = (summary.deviation() if name == "scale" else summary.mean).tolist()
    return {**step, _LEARNT[name]: found}
