"""Matrix products along spectra that give each spectrum the same bits, whatever else is in the block.

A BLAS picks its kernel by the number of rows that are left over, and kernels round differently: one spectrum times
a matrix is not, to the last bit, a row of the product of many. In full groups of rows one kernel does all the work.
So rows are filled up to whole groups with zeros, and a product is small enough to stay on one thread.
"""

from __future__ import annotations

import numpy as np

from pat.core.types import Array

# Rows that every known kernel takes as whole groups.
_GROUP = 16
# OpenBLAS splits a product among threads, at any row, where its three sizes multiply to more than this.
_ONE_THREAD = 2**18


def product(x: Array, matrix: Array) -> Array:
    """Spectra (n, p) times a matrix (p, q)."""
    n = x.shape[0]
    if short := -n % _GROUP:
        x = np.concatenate([x, np.zeros((short, x.shape[1]))])
    size = max(_ONE_THREAD // max(matrix.size, 1) // _GROUP, 1) * _GROUP
    parts = [x[start : start + size] @ matrix for start in range(0, x.shape[0], size)]
    return (parts[0] if len(parts) == 1 else np.concatenate(parts))[:n] if parts else np.empty((0, matrix.shape[1]))


def tile_of(kernel: Array) -> Array:
    """Matrix (K, T) that takes K neighbouring points to the T values of a sliding sum with a kernel (w,).

    T is the least multiple of 8 with T >= w - 1, so that windows which start 2 T apart do not overlap.
    """
    tile = max(-(-(kernel.size - 1) // 8) * 8, 8)
    matrix = np.zeros((tile + kernel.size - 1, tile))
    for j in range(tile):
        matrix[j : j + kernel.size, j] = kernel
    return matrix


def slide(x: Array, tile: Array, out: Array, shift: int = 0) -> None:
    """Sliding sums along spectra: out[:, shift + i] = sum_j kernel[j] x[:, i + j].

    Parameters
    ----------
    x : ndarray of shape (n, p), C-contiguous
        Spectra. One that is not finite gives NaN around the place, and changes no other.
    tile : ndarray of shape (K, T)
        What `tile_of` gives for the kernel of w = K - T + 1 points.
    out : ndarray of shape (n, p), C-contiguous, n >= 1
        Its p - w + 1 columns from `shift` on, which is less than w, become the sums; the others nothing of use.
    shift : int
        First of these columns.

    Notes
    -----
    A band matrix times each spectrum, as two products of many short windows: the block is one long row, windows of
    K points start every T points, and every other one of them makes a matrix without a copy.
    """
    n, p = x.shape
    w = tile.shape[0] - tile.shape[1] + 1
    flat = out.reshape(-1)[shift:]
    _slide(x.reshape(-1), tile, flat)
    # Where the window lies on two spectra its sums are of no use, except that they show what spills over: a tile that
    # takes NaN from one spectrum to the next holds some of them.
    item = flat.itemsize
    across = np.ndarray((n - 1, w - 1), flat.dtype, flat, (p - w + 1) * item, (p * item, item))
    if not np.isfinite(across).all():
        bad = ~np.isfinite(np.vecdot(x, np.ones(p)))
        _slide(np.where(bad[:, None], 0.0, x).reshape(-1), tile, flat)
        for i in np.flatnonzero(bad):
            _slide(x[i], tile, out[i, shift:])


def _slide(x: Array, tile: Array, out: Array) -> None:
    width, step = tile.shape
    n_out = x.size - (width - step)
    pairs = n_out // (2 * step) // _GROUP * _GROUP
    _tiles(x, tile, out, pairs)
    done = pairs * 2 * step
    if done < n_out:
        # What is left of the block, filled up with zeros to whole groups of windows.
        pairs = -(-(n_out - done) // (2 * step * _GROUP)) * _GROUP
        rest = np.zeros(pairs * 2 * step + width)
        rest[: x.size - done] = x[done:]
        sums = np.empty(pairs * 2 * step)
        _tiles(rest, tile, sums, pairs)
        out[done:n_out] = sums[: n_out - done]


def _tiles(x: Array, tile: Array, out: Array, pairs: int) -> None:
    width, step = tile.shape
    at_once = max(_ONE_THREAD // tile.size // _GROUP, 1) * _GROUP
    for start in (0, step):
        for first, many, count in ((0, pairs // at_once, at_once), (pairs - pairs % at_once, 1, pairs % at_once)):
            at = start + first * 2 * step
            if many and count:
                np.matmul(
                    _windows(x, at, many, count, width, step), tile, out=_windows(out, at, many, count, step, step)
                )


def _windows(flat: Array, at: int, many: int, count: int, width: int, step: int) -> Array:
    """View of every other window, from one that starts at `at`: (many, count, width), without a copy."""
    # This constructor checks its bounds, and takes a tenth of the time of numpy's as_strided.
    apart = 2 * step * flat.itemsize
    strides = (count * apart, apart, flat.itemsize)
    return np.ndarray((many, count, width), flat.dtype, flat, at * flat.itemsize, strides)
