"""Groups left out in turn under several linear treatments of the same spectra, all folds of all treatments in step.

With spectra x and a treatment z = A x, X'X of the treated spectra is A X'X A'. So the treatments share X'X and the rows
of the spectra as they were before: each component costs one matrix product with each for all of them, and the treated
spectra are never formed. What is left to each treatment is its own matrix, which is narrow around its diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pat.core.crossval.folds import Group, blocks_in_step, shifted
from pat.core.pls import Moments, Rows
from pat.core.pls.fitting import cached_blocks, lane_of_moments, lane_of_rows
from pat.core.pls.lanes import Lanes, Solution, solve
from pat.core.types import Array
from pat.errors import InputError

# Outputs whose inputs are looked at together: wide enough for fast products, narrow enough to leave zeros out.
_TILE = 64


class LinearMap:
    """A linear treatment z = A x + b.

    Parameters
    ----------
    matrix : ndarray of shape (p_out, p_in)
        A; where it has zeros far from its diagonal, they cost nothing.
    offset : ndarray of shape (p_out,)
        b.
    """

    def __init__(self, matrix: Array, offset: Array) -> None:
        self.n_out, self.n_in = matrix.shape
        self.offset = offset
        self._tiles: list[tuple[slice, slice, Array]] = []
        for start in range(0, self.n_out, _TILE):
            part = matrix[start : start + _TILE]
            used = np.flatnonzero(part.any(axis=0))
            first, last = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
            here = part[:, first:last].T.copy()
            self._tiles.append((slice(start, start + part.shape[0]), slice(first, last), here))

    def forward(self, x: Array) -> Array:
        """Return A x (k, p_out) of each row x (k, p_in), without the offset."""
        out = np.empty((x.shape[0], self.n_out))
        for outputs, inputs, here in self._tiles:
            np.matmul(x[:, inputs], here, out=out[:, outputs])
        return out

    def back(self, z: Array) -> Array:
        """Return A' z (k, p_in) of each row z (k, p_out)."""
        out = np.zeros((z.shape[0], self.n_in))
        for outputs, inputs, here in self._tiles:
            out[:, inputs] += z[:, outputs] @ here.T
        return out

    def squares(self, xx: Array) -> Array:
        """Diagonal (p_out,) of A X'X A'."""
        parts = [((xx[inputs, inputs] @ here) * here).sum(axis=0) for _, inputs, here in self._tiles]
        return np.concatenate(parts)


def left_out_through(
    total: Moments, groups: Sequence[Group], maps: Sequence[LinearMap], n_components: int
) -> list[Array]:
    """Leave each of some groups out in turn, under every one of some linear treatments.

    Parameters
    ----------
    total : Moments
        Moments of all rows before these treatments, of one response.
    groups : sequence of Group
        As `held_out` takes them, before these treatments; they need not be all.
    maps : sequence of LinearMap
        The treatments.
    n_components : int
        Most components, A.

    Returns
    -------
    list of ndarray of shape (n, A)
        Predictions by the models without the group, for each treatment, groups one after the other: equal, to rounding,
        to those of `held_out` on treated spectra. NaN beyond the components of a fold.

    Raises
    ------
    InputError
        As `held_out`, for any of the treatments.
    """
    if least := [one.n_out for one in maps if one.n_out < n_components]:
        raise InputError(f"`n_components` must be from 1 to {least[0]} for {least[0]} wavelengths, got {n_components}")
    blocks = blocks_in_step([group.y.shape[0] for group in groups], total.sum_x.size)
    found = [_in_step(total, groups[block.start : block.stop], maps, n_components) for block in blocks]
    return [np.concatenate([part[i] for part in found]) for i in range(len(maps))]


def _in_step(total: Moments, groups: Sequence[Group], maps: Sequence[LinearMap], n_components: int) -> list[Array]:
    rows = [shifted(total, group) for group in groups]
    before = _training(total, rows, [f"without {group.name}: " for group in groups])
    mean = before.sum_x / before.weight[:, None]
    n_folds = len(groups)
    scores = [np.zeros((len(maps), n_components, part.x.shape[0])) for part in rows]
    places = [slice(i * n_folds, (i + 1) * n_folds) for i in range(len(maps))]
    component = iter(range(n_components))

    def product(r: Array) -> Array:
        a = next(component)
        u = np.concatenate([one.back(r[place, : one.n_out]) for one, place in zip(maps, places, strict=True)])
        out = u @ total.xx
        for i, part in enumerate(rows):
            own = slice(i, None, n_folds)
            out[own] -= _there_and_back(part, u[own], scores[i][:, a])
            # Predictions are of scores from the mean of the other groups.
            scores[i][:, a] -= (u[own] @ mean[i])[:, None]
        return np.concatenate(
            [_padded(one.forward(out[place]), r.shape[1]) for one, place in zip(maps, places, strict=True)]
        )

    found = solve(_treated(before, maps, total), product, n_components, scale_x=False, scale_y=False)
    return [
        np.concatenate([_predicted(found, i * n_folds + f, scores[f][i]) for f in range(n_folds)])
        for i in range(len(maps))
    ]


def _training(total: Moments, rows: Sequence[Rows], names: list[str]) -> Lanes:
    """Return all rows less those of each group; the squares stay those of all, to tell rounding from variation."""
    whole, parts = lane_of_moments(total), [lane_of_rows(part) for part in rows]

    def less(name: str) -> Array:
        return np.concatenate([getattr(whole, name) - getattr(part, name) for part in parts])

    return Lanes(
        **{name: less(name) for name in ("n", "weight", "sum_x", "sum_y", "yy", "xy")},
        squares=np.repeat(whole.squares, len(parts), axis=0),
        shift_x=whole.shift_x,
        shift_y=whole.shift_y,
        names=names,
    )


def _treated(before: Lanes, maps: Sequence[LinearMap], total: Moments) -> Lanes:
    """Lanes of every treatment, one after the other; zeros fill up those with fewer wavelengths and change nothing."""
    n_folds, p = before.n.size, max(one.n_out for one in maps)

    def each(values: list[Array]) -> Array:
        return np.concatenate([_padded(value, p) for value in values])

    same = {name: np.concatenate([getattr(before, name)] * len(maps)) for name in ("n", "weight", "sum_y", "yy")}
    return Lanes(
        **same,
        sum_x=each([one.forward(before.sum_x) for one in maps]),
        xy=each([one.forward(before.xy[:, :, 0]) for one in maps])[:, :, None],
        squares=each([np.repeat(one.squares(total.xx)[None], n_folds, axis=0) for one in maps]),
        shift_x=each([np.repeat(one.forward(total.shift_x[None]) + one.offset, n_folds, axis=0) for one in maps]),
        shift_y=before.shift_y,
        names=[*before.names] * len(maps),
    )


def _padded(rows: Array, p: int) -> Array:
    return rows if rows.shape[1] == p else np.pad(rows, ((0, 0), (0, p - rows.shape[1])))


def _there_and_back(rows: Rows, u: Array, scores: Array) -> Array:
    """Put X u in its place (L, n) for vectors u (L, p), and return X'(X u); blocks stay in the cache in between."""
    out = np.zeros(u.shape)
    for block in cached_blocks(rows.x.shape[0]):
        x = rows.x[block]
        t = u @ x.T
        scores[:, block] = t
        out += (t if rows.weights is None else t * rows.weights[block]) @ x
    return out


def _predicted(found: Solution, lane: int, scores: Array) -> Array:
    """Predictions (n, A) from scores (A, n)."""
    predicted = np.asarray(found.y_mean[lane, 0] + np.cumsum(scores.T * found.y_loadings[lane, :, 0], axis=1))
    predicted[:, np.arange(predicted.shape[1]) >= found.found[lane]] = np.nan
    return np.asarray(predicted)
