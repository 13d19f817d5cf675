"""Some groups left out in turn, in step."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pat.core.pls import Moments, Rows
from pat.core.pls.fitting import lane_of_moments, lane_of_rows, there_and_back
from pat.core.pls.lanes import Lanes, Solution, solve
from pat.core.pls.moments import Spectra
from pat.core.types import Array

# Folds that advance together, so few that their rows stay in a large cache from one component to the next; and the rows
# (bytes) that they may have together, unless one fold alone has more.
_IN_STEP = 8
_TOGETHER = 2**26


def blocks_in_step(sizes: Sequence[int], n_wavelengths: int) -> list[range]:
    """Folds that `held_out` should take at a time: they depend on the data alone, and so do the bits.

    Parameters
    ----------
    sizes : sequence of int
        Rows of each fold.
    n_wavelengths : int

    Returns
    -------
    list of range
        Consecutive folds.

    Examples
    --------
    >>> blocks_in_step([200] * 18, 800)
    [range(0, 8), range(8, 16), range(16, 18)]
    >>> blocks_in_step([20_000, 4_000, 4_000, 4_000], 800)
    [range(0, 1), range(1, 3), range(3, 4)]
    """
    starts, rows = [0], 0
    for i, size in enumerate(sizes):
        rows += size
        if i > starts[-1] and (i - starts[-1] == _IN_STEP or 8 * n_wavelengths * rows > _TOGETHER):
            starts.append(i)
            rows = size
    return [range(a, b) for a, b in itertools.pairwise([*starts, len(sizes)])]


@dataclass(frozen=True)
class Group:
    """Rows that are left out together.

    Attributes
    ----------
    name : str
        How errors and warnings call it.
    x : ndarray of shape (n, p)
        Treated spectra, each with all its references.
    y : ndarray of shape (n,) or (n, m)
    weights : ndarray of shape (n,), optional
        All above 0, and the same that are in the moments of all rows.
    """

    name: str
    x: Spectra
    y: Array
    weights: Array | None = None


@dataclass(frozen=True)
class Kept:
    """Some rows of a group, and what their residuals follow from for every number of components.

    Attributes
    ----------
    centred : ndarray of shape (k, p)
        Spectra less the mean of all other groups.
    scores : ndarray of shape (k, A)
    loadings : ndarray of shape (A, p)
    """

    centred: Array
    scores: Array
    loadings: Array

    def residuals(self, n_components: int) -> Array:
        """Return what so many components leave of each spectrum, shape (k, p)."""
        return np.asarray(self.centred - self.scores[:, :n_components] @ self.loadings[:n_components])


@dataclass(frozen=True)
class HeldOut:
    """A group under the models of all other groups, with 1, 2, ... A components.

    Attributes
    ----------
    predicted : ndarray of shape (n, A) or (n, A, m)
    t2, q : ndarray of shape (n, A) or (n, A, m)
        Hotelling's T2, and Q residuals in squared units of the treated spectra; with m responses under PLS2, (n, A).
    n_components : int
        Components that the other groups hold, at most A; columns beyond them are NaN.
    kept : tuple of Kept
        One for each response, or one under PLS2, with as many rows as were to be kept; empty where none were.
    """

    predicted: Array
    t2: Array
    q: Array
    n_components: int
    kept: tuple[Kept, ...] = ()


def held_out(
    total: Moments,
    groups: Sequence[Group],
    n_components: int,
    *,
    joint: bool = False,
    scale_x: bool = False,
    scale_y: bool = False,
    distances: bool = True,
    keep: int = 0,
) -> list[HeldOut]:
    """Leave each of some groups out in turn, all of them in step.

    Parameters
    ----------
    total : Moments
        Moments of all rows, these groups included.
    groups : sequence of Group
        As many as are to advance together, see `blocks_in_step`; they need not be all.
    n_components : int
        Most components, A.
    joint : bool, optional
        Of several responses: one PLS2 for all, in place of a PLS1 for each.
    scale_x, scale_y : bool, optional
        Divide by the standard deviations of each fold's own rows.
    distances : bool, optional
        Whether to compute T2 and Q; without, they have shape (n, 0).
    keep : int, optional
        Most rows of each group, evenly spread, whose residuals are wanted later.

    Returns
    -------
    list of HeldOut
        In the order of the groups; equal, to rounding, to fitting each fold alone.

    Raises
    ------
    InputError
        If a fold has too few rows for so many components, or nothing in it varies.

    References
    ----------
    The training moments as a difference: Engstroem and Jensen, *J. Chemometrics* 39 (2025) e70008.
    """
    rows = [shifted(total, group) for group in groups]
    shape = () if joint else total.shift_y.shape
    each = int(np.prod(shape, dtype=np.int64))
    parts = [lane_of_rows(part) for part in rows]
    lanes = _training_lanes(total, parts, [f"without {group.name}: " for group in groups], each)

    def product(v: Array) -> Array:
        out = v @ total.xx
        for part, lane in zip(rows, _lanes_of(len(rows), each), strict=True):
            out[lane] -= there_and_back(part, v[lane])
        return out

    found = solve(lanes, product, n_components, scale_x=scale_x, scale_y=scale_y)
    return [
        _held_out(found, range(lane.start, lane.stop), part, shape, distances, keep)
        for part, lane in zip(rows, _lanes_of(len(rows), each), strict=True)
    ]


def _training_lanes(total: Moments, parts: Sequence[Lanes], names: Sequence[str], each: int) -> Lanes:
    """Return the moments of all rows less those of each part; `each` responses take a lane of their own."""
    whole = lane_of_moments(total)

    def spectra(name: str) -> Array:
        return np.repeat(np.concatenate([getattr(whole, name) - getattr(part, name) for part in parts]), each, axis=0)

    def responses(name: str) -> Array:
        less = np.concatenate([getattr(whole, name) - getattr(part, name) for part in parts])
        if each == 1:
            return less
        return np.moveaxis(less, -1, 1).reshape(len(parts) * each, *less.shape[1:-1], 1)

    return Lanes(
        **{name: spectra(name) for name in ("n", "weight", "sum_x", "squares")},
        **{name: responses(name) for name in ("sum_y", "yy", "xy")},
        shift_x=whole.shift_x,
        shift_y=whole.shift_y if each == 1 else np.tile(whole.shift_y, len(parts))[:, None],
        names=[name for name in names for _ in range(each)],
    )


def shifted(total: Moments, group: Group) -> Rows:
    """Rows of a group about the shifts of the moments of all."""
    none = np.zeros(total.shift_y.shape, dtype=np.int64)
    x = np.subtract(group.x, total.shift_x, dtype=np.float64, order="C")
    return Rows(x, group.y - total.shift_y, group.weights, 0, none, total.shift_x, total.shift_y)


def _lanes_of(n_groups: int, each: int) -> list[slice]:
    return [slice(i * each, (i + 1) * each) for i in range(n_groups)]


def _held_out(found: Solution, lanes: range, rows: Rows, shape: tuple[int, ...], distances: bool, keep: int) -> HeldOut:
    each = [_in_lane(found, lane, rows, distances) for lane in lanes]
    predicted, t2, q = (np.stack(arrays, axis=-1) for arrays in zip(*each, strict=True))
    n, a = predicted.shape[:2]
    return HeldOut(
        predicted=predicted.reshape(n, a, *rows.shift_y.shape),
        t2=t2.reshape(n, -1, *shape),
        q=q.reshape(n, -1, *shape),
        n_components=int(found.found[lanes.start : lanes.stop].min()),
        kept=tuple(_kept(found, lane, rows, keep) for lane in lanes if keep),
    )


def _kept(found: Solution, lane: int, rows: Rows, keep: int) -> Kept:
    n = rows.x.shape[0]
    some = np.unique(np.linspace(0, n - 1, min(n, keep)).round().astype(np.int64))
    centred = rows.x[some] - (found.x_mean[lane] - rows.shift_x)
    return Kept(centred, centred @ found.rotations[lane].T, found.loadings[lane])


def _in_lane(found: Solution, lane: int, rows: Rows, distances: bool) -> tuple[Array, Array, Array]:
    """Predictions (n, A, m), T2 and Q (n, A) of shifted rows under one lane's models."""
    centred = rows.x - (found.x_mean[lane] - rows.shift_x)
    t = centred @ found.rotations[lane].T
    predicted = found.y_mean[lane] + np.cumsum(t[:, :, None] * found.y_loadings[lane], axis=1)
    beyond = np.arange(t.shape[1]) >= found.found[lane]
    predicted[:, beyond] = np.nan
    if not distances:
        return predicted, t[:, :0], t[:, :0]
    variance = np.where(beyond, np.nan, found.score_variance[lane])
    q = _q_residuals(centred, t, found.loadings[lane])
    q[:, beyond] = np.nan
    return predicted, np.cumsum(t * t / variance, axis=1), q


def _q_residuals(centred: Array, t: Array, P: Array) -> Array:
    """Q residuals (n, A) after 1, 2, ... A components, from centred spectra, scores (n, A) and loadings (A, p).

    The residual after the last component is formed as it is. Each one before it is that plus t p' of a component, so
    its square follows without another pass over the spectra; nothing large is subtracted from anything.
    """
    residual = centred - t @ P
    along, gram = residual @ P.T, P @ P.T
    q = np.empty(t.shape)
    q[:, -1] = np.einsum("ij,ij->i", residual, residual)
    for a in range(t.shape[1] - 1, 0, -1):
        q[:, a - 1] = q[:, a] + t[:, a] * (2.0 * along[:, a] + t[:, a] * gram[a, a])
        along = along + t[:, [a]] * gram[a]
    return q
