"""Preprocessing steps by name: how each compiles for an axis, and what it learns from calibration spectra."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from pat.core.indexing import consecutive
from pat.core.preprocess import axis as axes
from pat.core.preprocess import derivatives, projection, resampling, scatter
from pat.core.preprocess.compiled import Compiled
from pat.core.preprocess.scatter import RowCorrection, ScatterModel, as_spectra
from pat.core.preprocess.standardisation import Standardisation
from pat.core.preprocess.summary import Summary
from pat.core.types import Array
from pat.errors import InputError

Step = Mapping[str, Any]

CALIBRATION = "calibration"
"""What a step says in place of numbers that it shall learn from the calibration spectra."""
# The parameter that says so, by step.
_LEARNT = {
    "msc": "reference",
    "emsc": "reference",
    "centre": "reference",
    "scale": "deviation",
    "osc": "directions",
    "epo": "spectra",
}
# Below this share of what it was computed from, a difference is rounding.
_ROUNDING = 1e-12


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


def _removing(wavelength: Array, mean: Array | None, weights: Array, loadings: Array) -> Compiled:
    def into(x: Array, out: Array) -> None:
        out[...] = projection.removed(x, mean, weights, loadings)

    return Compiled(wavelength, into, affine=True, removal=(weights, loadings))


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
    basis = scatter.polynomial_basis(wavelength, degree)
    return _removing(wavelength, None, basis, basis)


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
    here = consecutive(np.flatnonzero(axes.inside_ranges(wavelength, ranges)))

    def into(x: Array, out: Array) -> None:
        out[...] = x[:, here]

    return Compiled(wavelength[here], into, affine=True)


def _interpolate(wavelength: Array, target: Any, kind: str = "linear") -> Compiled:
    wanted = resampling.grid(**target) if isinstance(target, Mapping) else np.asarray(target, dtype=np.float64)
    first, weights = resampling.interpolation_weights(wavelength, wanted, kind)
    return Compiled(wanted, lambda x, out: derivatives.weighted_into(x, out, first, weights), affine=True)


def _standardise(
    wavelength: Array, source: Any, target: Any, first: Any, weights: Any, inner: Any, outer: Any, offset: Any
) -> Compiled:
    given = {"source": source, "target": target, "first": first, "weights": weights}
    found = Standardisation.of_step(given | {"inner": inner, "outer": outer, "offset": offset})
    found.require_source(wavelength)
    axes.check_axis(found.target)
    if not len(found.inner):
        return Compiled(found.target, found.into, affine=True)
    band = Compiled(found.target, found.band_into, affine=True)
    return Compiled(found.target, found.into, affine=True, removal=(found.inner.T, -found.outer.T), band=band)


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
    if isinstance(spectra, str | Mapping):
        raise InputError("it learns from batches of a store: learn from spectra that hold them first")
    directions = projection.epo_directions(spectra, n_components, wavelength.size)
    return _removing(wavelength, None, directions, directions)


def _osc(wavelength: Array, n_components: int, directions: Any = CALIBRATION) -> Compiled:
    found = _known(directions)
    mean, weights, loadings = (
        as_spectra(name, found[name], wavelength.size) for name in ("mean", "weights", "loadings")
    )
    if not len(weights) == len(loadings) == n_components:
        raise InputError(f"OSC must have {n_components} weights and loadings, got {len(weights)} and {len(loadings)}")
    return _removing(wavelength, mean, weights.T.copy(), loadings.T.copy())


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
    "standardise": _standardise,
}
STEPS = tuple(sorted(_COMPILERS))
"""Names of all steps."""
# Parameters, of whatever step, that are counts.
_WHOLE = ("degree", "deriv", "gap", "n_components", "polyorder", "segment", "window")


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
        _require_parameters(_COMPILERS[name], parameters)
        return _COMPILERS[name](wavelength, **parameters)
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(f"preprocessing step {name!r}: {error}") from error


def _require_parameters(compiler: Callable[..., Compiled], given: Mapping[str, Any]) -> None:
    _, *takes = inspect.signature(compiler).parameters.values()
    if unknown := [key for key in given if key not in {one.name for one in takes}]:
        raise InputError(f"expected {_in_words([one.name for one in takes])}, got `{unknown[0]}`")
    if missing := [one.name for one in takes if one.default is one.empty and one.name not in given]:
        raise InputError(f"expected {_in_words(missing)}, got nothing for it")
    for key in given:
        if key in _WHOLE and (not isinstance(given[key], Integral) or isinstance(given[key], bool)):
            raise InputError(f"`{key}` must be a whole number, got {given[key]!r}")


def _in_words(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names) or "no parameter"


def learns(step: Step) -> bool:
    """Whether a step has still to learn from spectra.

    Examples
    --------
    >>> learns({"step": "msc", "reference": "calibration"}), learns({"step": "msc", "reference": [0.3, 0.4, 0.6]})
    (True, False)
    """
    return learns_from_calibration(step) or learns_from_levels(step)


def learns_from_calibration(step: Step) -> bool:
    """Whether what a step has still to learn lies in the spectra that a model is calibrated on."""
    name = str(step.get("step"))
    return name in _LEARNT and name != "epo" and isinstance(step.get(_LEARNT[name], CALIBRATION), str)


def learns_from_levels(step: Step) -> bool:
    """Whether a step has still to learn from spectra of its own, taken at several levels of a disturbance: EPO."""
    return step.get("step") == "epo" and isinstance(step.get("spectra"), str | Mapping)


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


def as_asked(learnt: Sequence[Step], asked: Sequence[Step]) -> list[Step]:
    """Return steps that have learnt, with what the steps of another chain ask for in place of what they learnt.

    They are equal to the other chain if, and only if, they can have become what they are by learning.

    Examples
    --------
    >>> learnt = [{"step": "msc", "reference": [0.3, 0.4]}, {"step": "snv"}]
    >>> as_asked(learnt, [{"step": "msc", "reference": "calibration"}, {"step": "detrend"}])
    [{'step': 'msc', 'reference': 'calibration'}, {'step': 'snv'}]
    """
    n = len(asked)
    return [_as_asked(step, asked[i]) if i < n else step for i, step in enumerate(learnt)]


def _as_asked(has: Step, asks: Step) -> Step:
    if not learns(asks) or learns(has) or has.get("step") != asks["step"]:
        return has
    parameter = _LEARNT[str(asks["step"])]
    return {**has, parameter: asks.get(parameter, CALIBRATION)}


def fit_step(step: Step, summary: Summary) -> dict[str, Any]:
    """Return a step with what it learns from a summary of calibration spectra, as plain numbers."""
    name = str(step.get("step"))
    if summary.n == 0:
        raise InputError(f"`{name}` learns from at least 1 spectrum, got 0")
    if (asked := step.get(_LEARNT[name], CALIBRATION)) != CALIBRATION:
        raise InputError(f"`{_LEARNT[name]}` of `{name}` must be numbers or `{CALIBRATION}`, got {asked!r}")
    found: Any
    if name == "osc":
        _require_parameters(_osc, {key: value for key, value in step.items() if key != "step"})
        xx, xy = summary.products()
        weights, loadings = projection.osc_directions(xx, xy, step["n_components"])
        found = {"mean": summary.mean.tolist(), "weights": weights.T.tolist(), "loadings": loadings.T.tolist()}
    elif name == "scale":
        # Where all spectra are the same, their deviation may be rounding in place of 0.
        deviation = summary.deviation()
        size = np.maximum(np.abs(summary.mean), deviation.max())
        found = np.where(deviation > _ROUNDING * size, deviation, 0.0).tolist()
    else:
        if name != "centre" and np.abs(summary.mean).max() <= _ROUNDING * np.sqrt(summary.squares.max() / summary.n):
            raise InputError(f"{name!r} has no reference in the mean of centred spectra, which is zero")
        found = summary.mean.tolist()
    return {**step, _LEARNT[name]: found}


def fit_levels(step: Step, treat: Callable[[Array], Array]) -> dict[str, Any]:
    """Return EPO with the difference spectra that it learns from spectra at several levels of a disturbance.

    Parameters
    ----------
    step : mapping
        Its ``spectra`` are ``{"levels": [...]}``: raw spectra, an array of shape (n_i, p_in) for each level.
    treat : callable
        Treats raw spectra up to this step.

    Returns
    -------
    dict
        Plain numbers: the mean of each level's treated spectra, less the mean of these means.

    Raises
    ------
    InputError
        If there are fewer than 2 levels, a level has no spectra or one that is not finite, or they are not at hand.
    """
    asked = step["spectra"]
    if not isinstance(asked, Mapping) or "levels" not in asked:
        raise InputError(f"`epo` learns from batches of a store ({asked}), which are not at hand here")
    found = [Summary.of(np.asarray(treat(level))) for level in asked["levels"]]
    if len(found) < 2 or any(summary.n == 0 for summary in found):
        raise InputError(f"`epo` needs spectra at 2 or more levels, got {[summary.n for summary in found]} of them")
    means = np.array([summary.mean for summary in found])
    return {**step, "spectra": (means - means.mean(axis=0)).tolist()}
