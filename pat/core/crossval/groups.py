"""Every group of a data set in memory left out in turn."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from pat.core.crossval.folds import Group, HeldOut, blocks_in_step, held_out
from pat.core.indexing import consecutive
from pat.core.pls import Moments, RankWarning, combine, moments
from pat.core.pls.fitting import near_means
from pat.core.pls.moments import BLOCK, Entering, Spectra
from pat.core.types import Array, BoolArray, IntArray
from pat.errors import InputError


@dataclass(frozen=True)
class LeftOut:
    """Every row under the models that did not see its group.

    Attributes
    ----------
    predicted : ndarray of shape (n, A) or (n, A, m)
        NaN for a row without all references, and beyond the components of a fold.
    t2, q : ndarray of shape (n, A) or (n, A, m)
        As in `HeldOut`.
    rmsecv : ndarray of shape (A,) or (A, m)
        Root of the (weighted) mean squared error of all rows.
    n_components : ndarray of int, shape (F,)
        Components of each fold, groups in sorted order.
    """

    predicted: Array
    t2: Array
    q: Array
    rmsecv: Array
    n_components: IntArray


def leave_groups_out(
    X: Spectra,
    y: Array,
    codes: IntArray,
    n_components: int,
    *,
    weights: Array | None = None,
    total: Moments | None = None,
    joint: bool = False,
    scale_x: bool = False,
    scale_y: bool = False,
    distances: bool = True,
    threads: int = 1,
) -> LeftOut:
    """Leave every group of rows out in turn.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Treated spectra, in single or double precision.
    y : ndarray of shape (n,) or (n, m)
        Reference values; rows that lack one (NaN) are neither learnt from nor predicted.
    codes : ndarray of int, shape (n,)
        Group of each row.
    n_components : int
        Most components, A.
    weights : ndarray of shape (n,), optional
        Weights of the rows, in the models and in RMSECV.
    total : Moments, optional
        Moments of all these rows, where they are known already: when another batch has come, `combine` of what was
        kept and of that batch; for another response of the same rows, `moments` with the kept `xx`.
    joint, scale_x, scale_y, distances
        As in `held_out`.
    threads : int, optional
        Threads that work at the same time; BLAS must then be held to one thread each. The bits are the same.

    Returns
    -------
    LeftOut

    Raises
    ------
    InputError
        If there are fewer than 2 groups, or as `held_out` and `moments`.

    Warns
    -----
    RankWarning
        If a fold holds fewer components; the warning names the group and the first component that is missing.
    """
    y = np.asarray(y, dtype=np.float64)
    entering = Entering.of(X, y, weights)
    members = _members(codes, entering.rows)
    groups = [
        Group(f"group {code}", X[rows], y[rows], None if weights is None else np.asarray(weights)[rows])
        for code, rows in members.items()
    ]
    with ThreadPoolExecutor(threads) as pool:
        whole = _total(X, y, weights, pool) if total is None else total
        _require_same_rows(whole, entering.n)

        def some(block: range) -> list[HeldOut]:
            part = groups[block.start : block.stop]
            return held_out(
                whole, part, n_components, joint=joint, scale_x=scale_x, scale_y=scale_y, distances=distances
            )

        blocks = blocks_in_step([one.y.shape[0] for one in groups], X.shape[1])
        found = [one for block in pool.map(some, blocks) for one in block]
    _warn_of_rank(groups, found, n_components)
    return _left_out(found, list(members.values()), y, weights)


def _total(X: Spectra, y: Array, weights: Array | None, pool: ThreadPoolExecutor) -> Moments:
    shift_x, shift_y = near_means(X, y, weights)

    def some(rows: slice) -> Moments:
        return moments(X[rows], y[rows], shift_x, shift_y, None if weights is None else np.asarray(weights)[rows])

    return combine(list(pool.map(some, [slice(i, i + BLOCK) for i in range(0, X.shape[0], BLOCK)])))


def _members(codes: IntArray, enters: BoolArray) -> dict[int, slice | IntArray]:
    """Rows of each group that enter."""
    codes = np.asarray(codes)
    if codes.shape != enters.shape:
        raise InputError(f"`codes` must be one for each of the {enters.size} spectra, got shape {codes.shape}")
    kept = np.flatnonzero(enters)
    kept = kept[np.argsort(codes[kept], kind="stable")]
    names, starts = np.unique(codes[kept], return_index=True)
    if names.size < 2:
        raise InputError(f"cross-validation needs at least 2 groups with reference values, got {names.size}")
    return dict(zip(names.tolist(), map(consecutive, np.split(kept, starts[1:])), strict=True))


def _warn_of_rank(groups: list[Group], found: list[HeldOut], n_components: int) -> None:
    a, name = min((one.n_components, group.name) for one, group in zip(found, groups, strict=True))
    if a < n_components:
        warnings.warn(
            f"without {name}, PLS ends at component {a} of {n_components}: what component {a + 1} would model is "
            "rounding",
            RankWarning,
            stacklevel=3,
        )


def _require_same_rows(total: Moments, n: int) -> None:
    if total.n != n:
        raise InputError(f"`total` must hold the moments of these {n} spectra, got those of {total.n}")


def _left_out(found: list[HeldOut], members: list[slice | IntArray], y: Array, weights: Array | None) -> LeftOut:
    """Put the groups' results where their rows were."""

    def in_place(name: str) -> Array:
        whole = np.full((y.shape[0], *getattr(found[0], name).shape[1:]), np.nan)
        for rows, one in zip(members, found, strict=True):
            whole[rows] = getattr(one, name)
        return whole

    predicted = in_place("predicted")
    weight = np.ones(y.shape[0]) if weights is None else np.asarray(weights, dtype=np.float64)
    tested = np.concatenate([np.r_[rows] for rows in members])
    squared = (predicted[tested] - y[tested, None]) ** 2
    return LeftOut(
        predicted=predicted,
        t2=in_place("t2"),
        q=in_place("q"),
        rmsecv=np.sqrt(np.average(squared, axis=0, weights=weight[tested])),
        n_components=np.array([one.n_components for one in found], dtype=np.int64),
    )
