"""Which samples to send to the laboratory: Kennard-Stone, duplex and SPXY, in memory for the samples alone.

Distances are Euclidean, on the data as given: scale them, or hand over scores, where that is meant. Ties go to the
sample that stands first, so that a selection repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from pat.core.types import Array, BoolArray, IntArray
from pat.errors import InputError

# Numbers in one block of distances (16 MB of float64).
_BLOCK = 1 << 21
# Directions whose distances are looked at first, and samples that these directions come from.
_DIRECTIONS, _SAMPLE = 12, 512
# Far above the rounding of a distance, relative to the largest ones: what lies so near is computed without short cuts.
_SLACK = 1e-7


class _Distances:
    """Distances between rows: a sum of Euclidean distances in one or more tables, each in a unit of its own.

    Every such distance obeys the triangle inequality, and is no shorter than that of projections of the rows; both
    spare most of the work and neither changes a selection.
    """

    def __init__(self, *tables: tuple[Array, float]) -> None:
        # Differences are formed from the data as given: a shift would round equal distances apart.
        self._tables = [(np.ascontiguousarray(table, dtype=np.float64), unit) for table, unit in tables]
        self.n = self._tables[0][0].shape[0]
        self._short = [(_projected(table), unit) for table, unit in self._tables]
        self._radius = np.zeros(self.n)
        for table, unit in self._tables:
            self._radius += np.linalg.norm(table - table.mean(axis=0), axis=1) / unit
        self._slack = _SLACK * float(self._radius.max())

    def between(self, a: IntArray, b: IntArray) -> Array:
        """Distances (m,) of rows `a` from rows `b`, from differences, which are the same both ways; one may be one."""
        a, b = np.broadcast_arrays(a, b)
        found = np.zeros(a.size)
        for table, unit in self._tables:
            step = max(1, _BLOCK // table.shape[1])
            for start in range(0, a.size, step):
                difference = table[a[start : start + step]] - table[b[start : start + step]]
                found[start : start + step] += np.sqrt(np.einsum("ij,ij->i", difference, difference)) / unit
        return found

    def bring_near(self, nearest: Array, i: int) -> None:
        """Lower the distances (n,) to the nearest selected row by those to row `i`, just selected."""
        bound = np.zeros(self.n)
        for table, unit in self._short:
            difference = table - table[i]
            bound += np.sqrt(np.einsum("ij,ij->i", difference, difference)) / unit
        rows = np.flatnonzero(bound - self._slack < nearest)
        nearest[rows] = np.minimum(nearest[rows], self.between(rows, np.array([i])))

    def farthest_pair(self, rows: IntArray) -> tuple[int, int]:
        """Two of the rows that lie farthest apart, the first ones in order among equals."""
        order = rows[np.argsort(-self._radius[rows], kind="stable")]
        far = self._radius[order]
        tables = [(table[order] - table.mean(axis=0), unit) for table, unit in self._tables]
        best = float(self.between(order, order[:1]).max())
        found = [(0.0, int(rows[0]), int(rows[1]))]
        step = max(1, _BLOCK // order.size)
        for start in range(0, order.size, step):
            # No pair is farther apart than both are from the centre together.
            reach = int(np.searchsorted(-far, far[start] - best + self._slack, side="right"))
            if reach <= start:
                break
            block = _quick(tables, start, start + step, reach)
            best = max(best, float(block.max()) - self._slack)
            found += self._farthest_of(order[start : start + step], order[start:reach], block > best - self._slack)
        return min(found)[1:]

    def _farthest_of(self, a: IntArray, b: IntArray, candidate: BoolArray) -> list[tuple[float, int, int]]:
        """Negative distance and rows of the farthest candidate pair, the first among equals; none gives nothing."""
        i, j = np.nonzero(candidate)
        if not i.size:
            return []
        first, second = np.minimum(a[i], b[j]), np.maximum(a[i], b[j])
        distance = self.between(first, second)
        k = np.lexsort((second, first, -distance))[0]
        return [(-float(distance[k]), int(first[k]), int(second[k]))]


def _quick(tables: list[tuple[Array, float]], start: int, stop: int, reach: int) -> Array:
    """Distances of rows `start` to `stop` from rows `start` to `reach` by a matrix product: quick, and rounded."""
    found: Array = np.zeros((1, 1))
    for table, unit in tables:
        x, y = table[start:stop], table[start:reach]
        square = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y) - 2.0 * (x @ y.T)
        found = found + np.sqrt(np.maximum(square, 0.0)) / unit
    return found


def _projected(table: Array) -> Array:
    """Coordinates of the rows on a few directions at right angles, those in which they vary most."""
    if table.shape[1] <= _DIRECTIONS:
        return table
    some = table[np.linspace(0, table.shape[0] - 1, min(_SAMPLE, table.shape[0])).astype(np.int64)]
    return np.asarray(table @ np.linalg.svd(some, full_matrices=False)[2][:_DIRECTIONS].T)


def kennard_stone(X: ArrayLike, n_selected: int) -> IntArray:
    """Select samples that cover the space of spectra evenly.

    Parameters
    ----------
    X : array_like of shape (n, p)
        Treated spectra or scores.
    n_selected : int
        How many, from 2 to n.

    Returns
    -------
    ndarray of int, shape (n_selected,)
        Rows in the order of their selection: the two farthest apart, then again and again the one farthest from its
        nearest selected neighbour.

    Raises
    ------
    InputError
        If X is not a finite table that varies, or `n_selected` does not fit it.

    References
    ----------
    Kennard and Stone, *Technometrics* 11 (1969) 137.

    Examples
    --------
    >>> kennard_stone(np.array([[0.0], [1.0], [4.0], [10.0]]), 3)
    array([0, 3, 2])
    """
    table = _table("X", X)
    _require_count("n_selected", n_selected, 2, table.shape[0])
    return _max_min(_Distances((table, 1.0)), n_selected)


def spxy(X: ArrayLike, y: ArrayLike, n_selected: int) -> IntArray:
    """Select samples that cover spectra and contents together (sample set partitioning based on joint x-y distances).

    Parameters
    ----------
    X : array_like of shape (n, p)
        Treated spectra or scores.
    y : array_like of shape (n,) or (n, m)
        Reference values.
    n_selected : int
        How many, from 2 to n.

    Returns
    -------
    ndarray of int, shape (n_selected,)
        Rows in the order of their selection, as by `kennard_stone` with distances in X and in y, each over its largest,
        added.

    Raises
    ------
    InputError
        If X or y are not finite tables of one length, one of them does not vary, or `n_selected` does not fit.

    References
    ----------
    Galvao et al., *Talanta* 67 (2005) 736.
    """
    table, values = _table("X", X), _table("y", y, column=True)
    if values.shape[0] != table.shape[0]:
        raise InputError(f"X and y must have one length, got {table.shape[0]} and {values.shape[0]}")
    _require_count("n_selected", n_selected, 2, table.shape[0])
    return _max_min(_Distances((table, _diameter(table)), (values, _diameter(values))), n_selected)


def duplex(X: ArrayLike, n_each: int) -> tuple[IntArray, IntArray]:
    """Select two sets that cover the space of spectra alike, one to calibrate and one to test.

    Parameters
    ----------
    X : array_like of shape (n, p)
        Treated spectra or scores.
    n_each : int
        Samples of each set, from 2 to n / 2; those left over go, as a rule, to the first.

    Returns
    -------
    first, second : ndarray of int, shape (n_each,)
        Rows in the order of their selection: the two farthest apart, the two farthest apart of the rest, then in turn
        for each set the one farthest from its nearest neighbour in that set.

    Raises
    ------
    InputError
        If X is not a finite table that varies, or `n_each` does not fit it.

    References
    ----------
    Snee, *Technometrics* 19 (1977) 415.

    Examples
    --------
    >>> duplex(np.array([[0.0], [1.0], [4.0], [6.0], [9.0], [10.0]]), 3)
    (array([0, 5, 2]), array([1, 4, 3]))
    """
    table = _table("X", X)
    _require_count("n_each", n_each, 2, table.shape[0] // 2)
    distances, free = _Distances((table, 1.0)), np.ones(table.shape[0], dtype=np.bool_)
    sets: list[list[int]] = []
    for _ in range(2):
        sets.append(list(distances.farthest_pair(np.flatnonzero(free))))
        free[sets[-1]] = False
    nearest = [_nearest(distances, chosen) for chosen in sets]
    for turn in range(2 * (n_each - 2)):
        _add_farthest(distances, nearest[turn % 2], sets[turn % 2], free)
    return np.array(sets[0]), np.array(sets[1])


def _max_min(distances: _Distances, n_selected: int) -> IntArray:
    free = np.ones(distances.n, dtype=np.bool_)
    chosen = list(distances.farthest_pair(np.arange(distances.n)))
    free[chosen] = False
    nearest = _nearest(distances, chosen)
    while len(chosen) < n_selected:
        _add_farthest(distances, nearest, chosen, free)
    return np.array(chosen)


def _nearest(distances: _Distances, chosen: Sequence[int]) -> Array:
    """Distance of every row to the nearest of those chosen."""
    nearest = np.full(distances.n, np.inf)
    for i in chosen:
        distances.bring_near(nearest, i)
    return nearest


def _add_farthest(distances: _Distances, nearest: Array, chosen: list[int], free: BoolArray) -> None:
    i = int(np.argmax(np.where(free, nearest, -1.0)))
    chosen.append(i)
    free[i] = False
    distances.bring_near(nearest, i)


def _diameter(table: Array) -> float:
    distances = _Distances((table, 1.0))
    i, j = distances.farthest_pair(np.arange(distances.n))
    return float(distances.between(np.array([i]), np.array([j]))[0])


def _table(name: str, given: ArrayLike, *, column: bool = False) -> Array:
    """Return numbers that vary as a table, those of one dimension as a `column` where they may be."""
    try:
        table = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"`{name}` must be a table of finite numbers, got {error}") from error
    if column and table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2 or 0 in table.shape or not np.isfinite(table).all():
        raise InputError(f"`{name}` must be a table of finite numbers, got shape {table.shape}")
    if (table == table[0]).all():
        raise InputError(f"`{name}` must vary, got {table.shape[0]} rows that are all alike")
    return table


def _require_count(name: str, count: int, low: int, high: int) -> None:
    if not isinstance(count, Integral) or isinstance(count, bool):
        raise InputError(f"`{name}` must be a whole number, got {count!r}")
    if not low <= count <= high:
        raise InputError(f"`{name}` must be from {low} to {high} for these samples, got {count}")
