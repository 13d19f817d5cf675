"""Chains under cross-validation, with the work that they share done once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pat.calibration.choice import components_by_rule, root_mean_square
from pat.core import pls
from pat.core.crossval import leave_groups_out
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
        families.setdefault(_prefix(chain, wavelength), []).append(chain)
    return list(families.values())


def _prefix(chain: Chain, wavelength: Array) -> bytes:
    document = chain.method.document()
    steps = document["preprocessing"]
    if any(map(learns, steps)):
        return canonical_json([chain.key])
    treatment = chain.method.treatment(wavelength)
    return canonical_json([document["spectra"]["ranges"], steps[: len(steps) - treatment.n_linear]])


def score_family(family: Sequence[Chain], data: Data, folds: Sequence[IntArray]) -> Iterator[ChainScore]:
    """Cross-validate the chains of a family.

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
        One for each chain; a chain that these data do not suffice for says why.
    """
    first = family[0].method.document()["preprocessing"]
    if any(map(learns, first)):
        yield from (_guarded(chain, partial(_score_learning, chain, data, folds)) for chain in family)
        return
    head, _, _ = split_linear(family[0].method.treatment(data.wavelength))
    x = head(data.x)
    whole = _moments(x, data.y)
    for chain in family:
        yield _guarded(chain, partial(_score_tail, chain, x, whole, data, folds))


def _guarded(chain: Chain, score: Callable[[], ChainScore]) -> ChainScore:
    """Let a chain that cannot be calibrated say so, and stop no other."""
    try:
        return score()
    except InputError as error:
        return ChainScore(chain.key, chain.label, problem=str(error).splitlines()[0])


def _moments(x: Array, y: Array) -> Moments:
    if not np.isfinite(x).all():
        bad = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise InputError(f"spectrum {bad} of the calibration is not finite after treatment")
    return pls.moments(x, y, x.mean(axis=0), float(y.mean()))


def _score_tail(chain: Chain, x: Array, whole: Moments, data: Data, folds: Sequence[IntArray]) -> ChainScore:
    """Score a chain from the spectra and moments of its head, of which its last steps make linear combinations."""
    treatment = chain.method.treatment(data.wavelength)
    n_head = len(treatment.steps) - treatment.n_linear
    tail = Treatment(treatment.head(n_head).wavelength, [], treatment.steps[n_head:])
    treated = tail(x) if treatment.n_linear else x
    total = _through(tail, whole) if treatment.n_linear else whole
    return _score(chain, treated, total, data, folds)


def _through(tail: Treatment, m: Moments) -> Moments:
    """Moments of spectra that linear steps have treated, from those before: X'X becomes A X'X A', and so on."""
    offset = tail(np.zeros(m.shift_x.size))

    def linear(rows: Array) -> Array:
        return np.asarray(tail(rows) - offset)

    xx = linear(np.ascontiguousarray(linear(m.xx).T))
    return replace(m, xx=(xx + xx.T) / 2.0, xy=linear(m.xy), sum_x=linear(m.sum_x), shift_x=tail(m.shift_x))


def _score(chain: Chain, x: Array, whole: Moments, data: Data, folds: Sequence[IntArray]) -> ChainScore:
    """Cross-validate treated spectra, among all groups and among those that each outer fold leaves."""
    rule, most = chain.method.calibration.component_rule, chain.method.calibration.max_components
    rmsecv, error, a = _cross_validated(x, data.y, data.codes, whole, most, rule)
    outer = []
    for groups in folds:
        out = np.isin(data.codes, groups)
        rest = pls.without(whole, pls.moments(x[out], data.y[out], whole.shift_x, whole.shift_y))
        within, _, chosen = _cross_validated(x[~out], data.y[~out], data.codes[~out], rest, most, rule)
        predicted = pls.predict(pls.fit(rest, chosen), x[out])
        outer.append(_outer_fold(chosen, within, predicted, data.y[out]))
    return _chain_score(chain, rmsecv, error, a, outer)


def _cross_validated(
    x: Array, y: Array, codes: IntArray, total: Moments, most: int, rule: str
) -> tuple[Array, Array, int]:
    """RMSECV and its standard error (A,), and the number of components that the rule chooses."""
    found = leave_groups_out(x, y, codes, most, total=total, distances=False)
    return _chosen(found.predicted, y, codes, rule)


def _chosen(predicted: Array, y: Array, codes: IntArray, rule: str) -> tuple[Array, Array, int]:
    # Components that some fold does not hold are none to choose from.
    errors = (predicted - y[:, None])[:, np.isfinite(predicted).all(axis=0)]
    if not errors.shape[1]:
        raise InputError("a fold holds nothing that varies with the reference values")
    groups = np.unique(codes, return_inverse=True)[1]
    return *root_mean_square(errors, groups), components_by_rule(rule, errors, groups)


def _outer_fold(a: int, rmsecv: Array, predicted: Array, y: Array) -> OuterFold:
    return OuterFold(a, float(rmsecv[a - 1]), float(((predicted - y) ** 2).sum()), y.size)


def _chain_score(chain: Chain, rmsecv: Array, error: Array, a: int, outer: list[OuterFold]) -> ChainScore:
    return ChainScore(chain.key, chain.label, tuple(rmsecv.tolist()), tuple(error.tolist()), a, tuple(outer))


def _score_learning(chain: Chain, data: Data, folds: Sequence[IntArray]) -> ChainScore:
    """Score a chain whose steps learn from spectra: they learn anew without each group that is left out."""
    rule = chain.method.calibration.component_rule
    every = np.ones(data.y.size, dtype=bool)
    rmsecv, error, a = _chosen(_left_out(chain, data, every), data.y, data.codes, rule)
    outer = []
    for groups in folds:
        out = np.isin(data.codes, groups)
        predicted = _left_out(chain, data, ~out)
        within, _, chosen = _chosen(predicted[~out], data.y[~out], data.codes[~out], rule)
        outer.append(_outer_fold(chosen, within, _learnt(chain, data, ~out, out, chosen)[:, -1], data.y[out]))
    return _chain_score(chain, rmsecv, error, a, outer)


def _left_out(chain: Chain, data: Data, among: BoolArray) -> Array:
    """Predictions (n, A) of each of some groups by the chain without it; NaN for the other groups."""
    most = chain.method.calibration.max_components
    predicted = np.full((data.y.size, most), np.nan)
    for group in np.unique(data.codes[among]):
        out = data.codes == group
        found = _learnt(chain, data, among & ~out, out, most)
        predicted[out, : found.shape[1]] = found
    return predicted


def _learnt(chain: Chain, data: Data, training: BoolArray, tested: BoolArray, most: int) -> Array:
    """Predictions (n, A) of tested spectra by steps and a model that learnt from the training spectra."""
    document = chain.method.document()
    ranges, steps = document["spectra"]["ranges"], document["preprocessing"]
    fitted = fit_treatment(data.wavelength, ranges, steps, data.x[training], data.y[training])
    treat = Treatment(data.wavelength, ranges, fitted)
    model = pls.fit(_moments(treat(data.x[training]), data.y[training]), most)
    return pls.predict_all(model, treat(data.x[tested]))
