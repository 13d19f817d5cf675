"""Chains under cross-validation, with the work that they share done once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pat.calibration.choice import components_by_rule, root_mean_square
from pat.core import pls
from pat.core.crossval import Group, LinearMap, left_out_through
from pat.core.pls import Moments
from pat.core.preprocess import Treatment, fit_treatment, learns, split_linear
from pat.core.types import Array, BoolArray, IntArray
from pat.errors import InputError
from pat.files import canonical_json
from pat.search.results import ChainScore, OuterFold
from pat.search.space import Chain


@dataclass(frozen=True)
class Data:
    """Raw calibration spectra in memory, every one with a reference value, ordered by group.

    Attributes
    ----------
    wavelength : ndarray of shape (p,)
        Native axis (nm).
    x : ndarray of shape (n, p)
        Raw spectra.
    y : ndarray of shape (n,)
        Reference values.
    codes : ndarray of int, shape (n,)
        Group of each spectrum, 0 to G - 1: what cross-validation leaves out together.
    """

    wavelength: Array
    x: Array
    y: Array
    codes: IntArray


def outer_folds(n_groups: int, n_folds: int) -> list[IntArray]:
    """Deal the groups out to outer folds in turn, so that each has early ones and late ones.

    Raises
    ------
    InputError
        If there are fewer than two folds, or a fold would leave fewer than 3 groups to choose among.
    """
    if n_folds == 0:
        return []
    folds = [np.arange(i, n_groups, n_folds) for i in range(n_folds)]
    if n_folds < 2 or n_groups - folds[0].size < 3:
        raise InputError(
            f"outer folds must be from 2 to {n_groups} of {n_groups} groups, and leave at least 3 groups to choose "
            f"among, got {n_folds}"
        )
    return folds


def in_families(chains: Sequence[Chain], wavelength: Array) -> list[list[Chain]]:
    """Put chains together that share all but the linear steps at their end.

    Parameters
    ----------
    chains : sequence of Chain
    wavelength : ndarray of shape (p,)
        Native axis (nm).

    Returns
    -------
    list of list of Chain
        Families by the first of their members.
    """
    families: dict[bytes, list[Chain]] = {}
    for chain in chains:
        ranges, head, _ = _parts(chain, wavelength)
        families.setdefault(canonical_json([ranges, head]), []).append(chain)
    return list(families.values())


def _parts(chain: Chain, wavelength: Array) -> tuple[list[Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """Ranges of a chain, its steps up to the last one that is not linear or learns, and the linear steps after it."""
    document = chain.method.document()
    ranges, steps = document["spectra"]["ranges"], document["preprocessing"]
    # A step that learns leaves the axis as it is, so the others compile without it.
    n_linear = Treatment(wavelength, ranges, [step for step in steps if not learns(step)]).n_linear
    n_fixed = next((i for i, step in enumerate(reversed(steps)) if learns(step)), len(steps))
    n_head = len(steps) - min(n_linear, n_fixed)
    return ranges, steps[:n_head], steps[n_head:]


def score_family(family: Sequence[Chain], data: Data, folds: Sequence[IntArray]) -> Iterator[ChainScore]:
    """Cross-validate the chains of a family, all in step.

    Parameters
    ----------
    family : sequence of Chain
        As `in_families` puts them together.
    data : Data
    folds : sequence of ndarray of int
        Groups of each outer fold, for the nested estimate; none leaves it out.

    Yields
    ------
    ChainScore
        One for each chain; a chain that these data do not suffice for says why, and stops no other.
    """
    try:
        yield from _score_together(family, data, folds)
    except InputError as error:
        if len(family) > 1:
            for chain in family:
                yield from score_family([chain], data, folds)
        else:
            yield ChainScore(family[0].key, family[0].label, problem=str(error).splitlines()[0])


def _score_together(family: Sequence[Chain], data: Data, folds: Sequence[IntArray]) -> list[ChainScore]:
    rules = family[0].method.calibration
    whole = _Family.of(family, data)
    every = np.ones(data.y.size, dtype=bool)
    chosen = [_chosen(one, data, every, rules.component_rule) for one in whole.each_left_out(every)]
    outer: list[list[OuterFold]] = [[] for _ in family]
    for groups in folds:
        out = np.isin(data.codes, groups)
        inner = [_chosen(one, data, ~out, rules.component_rule) for one in whole.each_left_out(~out)]
        tested = whole.left_out(out)
        for kept, (rmsecv, _, a), predicted in zip(outer, inner, tested, strict=True):
            codes = np.unique(data.codes[out], return_inverse=True)[1]
            squares = np.bincount(codes, (predicted[:, a - 1] - data.y[out]) ** 2)
            sizes = np.bincount(codes)
            kept.append(OuterFold(a, float(rmsecv[a - 1]), tuple(squares.tolist()), tuple(sizes.tolist())))
    return [
        ChainScore(chain.key, chain.label, tuple(rmsecv.tolist()), tuple(error.tolist()), a, tuple(of_chain))
        for chain, (rmsecv, error, a), of_chain in zip(family, chosen, outer, strict=True)
    ]


def _chosen(predicted: Array, data: Data, among: BoolArray, rule: str) -> tuple[Array, Array, int]:
    """RMSECV and its standard error (A,) of predictions of some spectra, and the components that the rule chooses."""
    # Components that some fold does not hold are none to choose from.
    errors = (predicted - data.y[among, None])[:, np.isfinite(predicted).all(axis=0)]
    if not errors.shape[1]:
        raise InputError("a fold holds nothing that varies with the reference values")
    groups = np.unique(data.codes[among], return_inverse=True)[1]
    return *root_mean_square(errors, groups), components_by_rule(rule, errors, groups)


@dataclass(frozen=True)
class _Family:
    """Chains that share their first steps.

    Attributes
    ----------
    ranges, head : list
        What they share.
    maps : list of LinearMap
        The linear steps of each after it.
    most : int
        Most components.
    treated : tuple of (ndarray of shape (n, p), Moments) or None
        Spectra after the shared steps and their moments; None where a shared step learns, which it does from other
        spectra each time.
    """

    ranges: list[Any]
    head: list[dict[str, Any]]
    data: Data
    maps: list[LinearMap]
    most: int
    treated: tuple[Array, Moments] | None

    @classmethod
    def of(cls, family: Sequence[Chain], data: Data) -> _Family:
        ranges, head, _ = _parts(family[0], data.wavelength)
        learning = any(map(learns, head))
        fixed = fit_treatment(data.wavelength, ranges, head, data.x, data.y) if learning else head
        treat = Treatment(data.wavelength, ranges, fixed)
        maps = [_linear(treat.wavelength, _parts(chain, data.wavelength)[2]) for chain in family]
        most = family[0].method.calibration.max_components
        treated = None if learning else _treated(treat, data, np.ones(data.y.size, dtype=bool))
        return cls(ranges, head, data, maps, most, treated)

    def each_left_out(self, among: BoolArray) -> list[Array]:
        """Predictions (n, A) by each chain of some spectra, every group of them left out of them in turn."""
        groups = [(self.data.codes == code) & among for code in np.unique(self.data.codes[among])]
        if self.treated is None:
            found = [self._relearnt(among & ~out, out) for out in groups]
            return [np.concatenate(of_chain) for of_chain in zip(*found, strict=True)]
        x, total = self.treated
        if not among.all():
            total = pls.without(total, pls.moments(x[~among], self.data.y[~among], total.shift_x, total.shift_y))
        return left_out_through(total, [self._group(x, out) for out in groups], self.maps, self.most)

    def left_out(self, out: BoolArray) -> list[Array]:
        """Predictions (n, A) by each chain of some spectra that are left out together."""
        if self.treated is None:
            return self._relearnt(~out, out)
        x, total = self.treated
        return left_out_through(total, [self._group(x, out)], self.maps, self.most)

    def _relearnt(self, training: BoolArray, out: BoolArray) -> list[Array]:
        """Predictions of spectra by what the steps, and the models, learnt from the training spectra alone."""
        data, both = self.data, training | out
        steps = fit_treatment(data.wavelength, self.ranges, self.head, data.x[training], data.y[training])
        x, total = _treated(Treatment(data.wavelength, self.ranges, steps), data, both)
        return left_out_through(total, [self._group(x, out[both], data.y[both])], self.maps, self.most)

    def _group(self, x: Array, out: BoolArray, y: Array | None = None) -> Group:
        y = self.data.y if y is None else y
        return Group("some groups", x[out], y[out])


def _treated(treat: Treatment, data: Data, among: BoolArray) -> tuple[Array, Moments]:
    x, y = treat(data.x[among]), data.y[among]
    if not np.isfinite(x).all():
        bad = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise InputError(f"spectrum {bad} of the calibration is not finite after treatment")
    return x, pls.moments(x, y, x.mean(axis=0), float(y.mean()))


def _linear(wavelength: Array, steps: Sequence[dict[str, Any]]) -> LinearMap:
    return LinearMap(*split_linear(Treatment(wavelength, [], steps))[1:])
