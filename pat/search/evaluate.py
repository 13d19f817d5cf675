"""Chains under cross-validation, with the work that they share done once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from pat.calibration.choice import components_by_rule, root_mean_square
from pat.calibration.known import Known, moments_of
from pat.core import pls
from pat.core.crossval import Group, LinearMap, blocks_in_step, left_out_through
from pat.core.indexing import consecutive
from pat.core.pls import Moments
from pat.core.preprocess import (
    Step,
    Treatment,
    learns,
    learns_from_calibration,
    learns_from_levels,
    split_linear,
)
from pat.core.types import Array, BoolArray, IntArray
from pat.errors import InputError
from pat.files import canonical_json
from pat.search.results import ChainScore, OuterFold
from pat.search.space import Chain

# Treated spectra (bytes) that a task keeps; more of them are treated anew, some groups at a time, when they are used.
_HELD = 2**27


@dataclass(frozen=True)
class Data(Known):
    """Raw calibration spectra in memory, ordered by group, and what else steps learn from.

    Attributes
    ----------
    wavelength, x, y
        As of `Known`.
    codes : ndarray of int, shape (n,)
        Group of each spectrum, 0 to G - 1: what cross-validation leaves out together.
    levels : mapping, optional
        What EPO learns from, by `level_key` of the step.
    """

    codes: IntArray
    levels: Mapping[bytes, Any] = field(default_factory=dict)


def level_key(step: Step) -> bytes:
    """Key of the spectra that a step learns from at several levels of a disturbance."""
    return canonical_json(step["spectra"])


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
    if not 2 <= n_folds <= n_groups or n_groups - folds[0].size < 3:
        raise InputError(
            f"outer folds must be from 2 to {n_groups} of {n_groups} groups, and leave at least 3 groups to choose "
            f"among, got {n_folds}"
        )
    return folds


def in_families(chains: Sequence[Chain], wavelength: Array) -> list[list[Chain]]:
    """Put chains together that share all but the linear steps at their end, and the most components that they try.

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
        most = chain.method.calibration.max_components
        families.setdefault(canonical_json([ranges, head, most]), []).append(chain)
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
    fixed : _Fixed or None
        Spectra after the shared steps; None where a shared step learns from the calibration, which it does from other
        spectra each time.
    """

    ranges: list[Any]
    head: list[dict[str, Any]]
    data: Data
    maps: list[LinearMap]
    most: int
    fixed: _Fixed | None

    @classmethod
    def of(cls, family: Sequence[Chain], data: Data) -> _Family:
        ranges, asked, _ = _parts(family[0], data.wavelength)
        head = [{**s, "spectra": data.levels[level_key(s)]} if learns_from_levels(s) else s for s in asked]
        treat = data.learn(ranges, head, np.arange(data.y.size))
        maps = [_linear(treat.wavelength, _parts(chain, data.wavelength)[2]) for chain in family]
        most = family[0].method.calibration.max_components
        fixed = None if any(map(learns_from_calibration, head)) else _Fixed.of(treat, data)
        return cls(ranges, head, data, maps, most, fixed)

    def each_left_out(self, among: BoolArray) -> list[Array]:
        """Predictions (n, A) by each chain of some spectra, every group of them left out of them in turn."""
        codes = self.data.codes
        groups = [np.flatnonzero((codes == code) & among) for code in np.unique(codes[among])]
        if self.fixed is None:
            rows = np.flatnonzero(among)
            found = [self._relearnt(np.setdiff1d(rows, out, assume_unique=True), out) for out in groups]
        else:
            total = self.fixed.total
            if not among.all():
                total = pls.without(total, self.fixed.moments(np.flatnonzero(~among)))
            blocks = blocks_in_step([out.size for out in groups], total.sum_x.size)
            found = [self._left_out(total, self.fixed, groups[block.start : block.stop]) for block in blocks]
        return [np.concatenate(of_chain) for of_chain in zip(*found, strict=True)]

    def left_out(self, out: BoolArray) -> list[Array]:
        """Predictions (n, A) by each chain of some spectra that are left out together."""
        if self.fixed is None:
            return self._relearnt(np.flatnonzero(~out), np.flatnonzero(out))
        return self._left_out(self.fixed.total, self.fixed, [np.flatnonzero(out)])

    def _left_out(self, total: Moments, fixed: _Fixed, groups: Sequence[IntArray]) -> list[Array]:
        parts = [Group("some groups", fixed.take(out), self.data.y[out]) for out in groups]
        return left_out_through(total, parts, self.maps, self.most)

    def _relearnt(self, training: IntArray, out: IntArray) -> list[Array]:
        """Predictions of spectra by what the steps, and the models, learnt from the training spectra alone."""
        known = self.data
        take = partial(known.treated, known.learn(self.ranges, self.head, training))
        total = moments_of(take, known.y, np.union1d(training, out))
        return left_out_through(total, [Group("some groups", take(out), known.y[out])], self.maps, self.most)


@dataclass(frozen=True)
class _Fixed:
    """Calibration spectra under a treatment that is the same in every fold, and their moments."""

    treat: Treatment
    known: Known
    held: Array | None
    total: Moments

    @classmethod
    def of(cls, treat: Treatment, known: Known) -> _Fixed:
        every = np.arange(known.y.size)
        few = 8 * every.size * treat.wavelength.size <= _HELD
        held = known.treated(treat, every) if few else None
        take = partial(_take, treat, known, held)
        return cls(treat, known, held, moments_of(take, known.y, every))

    def take(self, rows: IntArray) -> Array:
        """Treated spectra of some rows; the same bits whether they are held or not."""
        return _take(self.treat, self.known, self.held, rows)

    def moments(self, rows: IntArray) -> Moments:
        """Moments of some rows, to be taken off those of all."""
        return moments_of(self.take, self.known.y, rows, self.total)


def _take(treat: Treatment, known: Known, held: Array | None, rows: IntArray) -> Array:
    return known.treated(treat, rows) if held is None else held[consecutive(rows)]


def _linear(wavelength: Array, steps: Sequence[dict[str, Any]]) -> LinearMap:
    return LinearMap(*split_linear(Treatment(wavelength, [], steps))[1:])
