"""A treatment folded into as few passes as the algebra allows, for the scorer.

Between two steps that are not linear, all steps become one `Operator`. SNV and its like are, for each spectrum, an
offset and a factor, and what is linear commutes with them: A ((x - offset) factor) = factor A (x - offset), and an
operator that is blind to offsets takes x itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pat.core.preprocess.compiled import Compiled
from pat.core.preprocess.operators import Operator
from pat.core.preprocess.scatter import snv_correction, snv_of_one
from pat.core.preprocess.treatment import Treatment
from pat.core.types import Array


class _Link(NamedTuple):
    """A step that is not linear, or none, and the linear steps after it."""

    step: Compiled | None
    operator: Operator


class Folded:
    """The numbers of a `Treatment`, to rounding, in fewer passes over the spectra.

    Parameters
    ----------
    treatment : Treatment

    Attributes
    ----------
    n_in, n_out : int
        Wavelengths of raw and of treated spectra.

    Notes
    -----
    The unfolded treatment stays what the laboratory computes with, and what this is held to: a relative difference of
    1e-10 at most, in the tests for every order of steps and in each export for the method itself. Unlike there, a
    spectrum alone and in a block may differ in the last bits.
    """

    def __init__(self, treatment: Treatment) -> None:
        self.n_in, self.n_out = treatment.wavelength_in.size, treatment.wavelength.size
        self._links = _links(treatment)

    def into(self, x: Array, out: Array) -> None:
        """Fill an array (n, n_out) with treated spectra (n, n_in), both C-contiguous.

        What cannot be computed is NaN; numpy's warnings are the caller's to silence.
        """
        last = len(self._links) - 1
        for i, (step, operator) in enumerate(self._links):
            target = out if i == last else np.empty((x.shape[0], operator.n_out))
            factor: Array | None = None
            if step is not None:
                x, factor = _prepared(step, operator, x)
            operator.into(x, target)
            if factor is not None:
                target *= factor
            if operator.offset is not None:
                target += operator.offset
            x = target

    def of_one(self) -> Callable[[Array], Array]:
        """Return what treats one spectrum (n_in,), each time in the same array (n_out,), its own.

        It allocates nothing where steps are linear or SNV. Each thread needs one of its own. Numpy warns of nothing but
        numbers that overflow.
        """
        passes = [_of_one(link) for link in self._links]
        out = np.empty(self.n_out)

        def treat(x: Array) -> Array:
            for each in passes:
                x = each(x)
            # A view of what was given, which a selection alone is, would change with it.
            return x if len(passes) > 1 else _copied(x, out)

        return treat


def _copied(x: Array, out: Array) -> Array:
    np.copyto(out, x)
    return out


def _links(treatment: Treatment) -> list[_Link]:
    links: list[_Link] = []
    step: Compiled | None = None
    n_in, run = treatment.wavelength_in.size, list[Compiled]()
    for each in treatment.compiled:
        if each.affine:
            run.append(each)
            continue
        if step is not None or run:  # before the first step that is not linear there may be nothing
            links.append(_Link(step, Operator(run, n_in)))
        step, run, n_in = each, [], each.wavelength.size
    return [*links, _Link(step, Operator(run, n_in))]


def _prepared(step: Compiled, operator: Operator, x: Array) -> tuple[Array, Array | None]:
    """Return spectra (n, p) as the operator after a step takes them, and what to multiply its results by."""
    if step.correction is None:
        out = np.empty((x.shape[0], step.wavelength.size))
        step.into(np.ascontiguousarray(x), out)
        return out, None
    offset, factor = step.correction(x)
    return (x if operator.blind_to_offset else x - offset), factor


def _of_one(link: _Link) -> Callable[[Array], Array]:
    step, offset = link.step, link.operator.offset
    apply = link.operator.of_one()
    if step is None:
        return apply if offset is None else _shifted(apply, offset)
    if step.correction is None:
        treated = np.empty(step.wavelength.size)

        def general(x: Array) -> Array:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                step.into(np.ascontiguousarray(x)[None, :], treated[None, :])
            return apply(treated)

        return general if offset is None else _shifted(general, offset)
    corrected = _corrected_of_one(step, link.operator, apply)
    return corrected if offset is None else _shifted(corrected, offset)


def _shifted(apply: Callable[[Array], Array], offset: Array) -> Callable[[Array], Array]:
    out = np.empty(offset.size)
    return lambda x: np.add(apply(x), offset, out=out)


def _corrected_of_one(step: Compiled, operator: Operator, apply: Callable[[Array], Array]) -> Callable[[Array], Array]:
    correction = snv_of_one if step.correction is snv_correction else _first_of(step)
    centred, out = np.empty(operator.n_in), np.empty(operator.n_out)

    def blind(x: Array) -> Array:
        return np.multiply(apply(x), correction(x)[1], out=out)

    def seeing(x: Array) -> Array:
        offset, factor = correction(x)
        return np.multiply(apply(np.subtract(x, offset, out=centred)), factor, out=out)

    return blind if operator.blind_to_offset else seeing


def _first_of(step: Compiled) -> Callable[[Array], tuple[float, float]]:
    """Return a step's offset and factor for one spectrum (p,), as numbers."""
    correction = step.correction
    assert correction is not None

    def of_one(x: Array) -> tuple[float, float]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            offset, factor = correction(np.ascontiguousarray(x)[None, :])
        return float(offset[0, 0]), float(factor[0, 0])

    return of_one
