"""Distances between the spectra of a batch, of which each is a function of its own two spectra.

They say how new a spectrum is, and they hold all that principal components of a block need. Kept from one spectrum to
the next they are exact, however large a spectrum was that has since left.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from pat.core.types import Array, IntArray
from pat.errors import InputError

# A squared distance that overflows: snapshots are plain JSON, which has no infinity.
FARTHEST = 1e300


def squared_distances(rows: Array, row: Array) -> Array:
    """Squared Euclidean distances (..., m) between rows (..., m, p) and a row (..., p), at most 1e300."""
    return squared_lengths(rows - row)


def squared_lengths(apart: Array) -> Array:
    """Squared Euclidean lengths (..., m) of differences (..., m, p), at most 1e300."""
    return np.asarray(np.minimum(np.vecdot(apart, apart), FARTHEST))


def nearest(rows: Array, row: Array) -> float:
    """Euclidean distance from a row (p,) to the nearest of `rows` (m, p); infinite where there are none."""
    apart = rows - row
    return nearest_of(np.vecdot(apart, apart))


def nearest_of(squared: Array) -> float:
    """Smallest distance of the squared ones (m,); infinite where there are none."""
    return math.sqrt(min(float(np.minimum.reduce(squared)), FARTHEST)) if len(squared) else math.inf


def lagged_distances(rows: Array, reach: int) -> Array:
    """Squared distances from each row to itself and to the `reach` rows before it.

    Parameters
    ----------
    rows : ndarray of shape (..., m, p)
        Treated spectra, one after another.
    reach : int

    Returns
    -------
    ndarray of shape (..., m, reach + 1)
        Column k is the distance to the row k before, 0 for k = 0; NaN where there is none.

    Raises
    ------
    InputError
        If `reach` is below 1.
    """
    if reach < 1:
        raise InputError(f"`reach` must be at least 1, got {reach}")
    out = np.full((*rows.shape[:-1], reach + 1), np.nan)
    for lag in range(min(reach, rows.shape[-2] - 1) + 1):
        out[..., lag:, lag] = squared_distances(rows[..., lag:, :], rows[..., : rows.shape[-2] - lag, :])
    return out


def novelty(rows: Array, reach: int) -> Array:
    """Distance from each row (m, p) to the nearest of the `reach` rows before it, shape (m,).

    The first rows are compared with what there is before them; the first one of all has the distance infinity.
    """
    before = np.fmin.reduce(lagged_distances(rows, reach)[:, 1:], axis=-1)
    return np.where(np.arange(len(rows)) == 0, math.inf, np.sqrt(before))


def within(lagged: Array) -> Array:
    """Squared distances (..., n, n) between the rows of blocks, from lagged ones (..., n, reach + 1).

    Raises
    ------
    InputError
        If they do not reach back to the first row of a block.
    """
    n, reach = _sizes(lagged)
    return np.asarray(_flat(lagged)[..., _places(n, reach)])


def between(lagged: Array) -> Array:
    """Squared distances from the later half of 2 n rows to their earlier half, from lagged ones (..., 2 n, reach + 1).

    Returns
    -------
    ndarray of shape (..., n, n)
        Rows of the later block, columns of the earlier.

    Raises
    ------
    InputError
        If they do not reach back to the first row.
    """
    m, reach = _sizes(lagged)
    return np.asarray(_flat(lagged)[..., _places(m, reach)[m // 2 :, : m // 2]])


def _sizes(lagged: Array) -> tuple[int, int]:
    m, columns = lagged.shape[-2:]
    if columns < m:
        raise InputError(f"distances between {m} rows must reach back {m - 1} rows, got {columns - 1}")
    return m, columns


def _flat(lagged: Array) -> Array:
    return lagged.reshape(*lagged.shape[:-2], -1)


@cache
def _places(n: int, columns: int) -> IntArray:
    """Where in flattened (n, columns) lagged distances that of each pair of rows stands."""
    i, j = np.indices((n, n))
    return np.asarray(np.maximum(i, j) * columns + np.abs(i - j))
