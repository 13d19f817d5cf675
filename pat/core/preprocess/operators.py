"""What a run of linear steps amounts to: one operator, a band beside the diagonal and a few directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pat.core.indexing import consecutive
from pat.core.preprocess.compiled import Compiled
from pat.core.types import Array, IntArray

# Wavelengths that come out of the band at a time: few enough that little of a tile is zero, enough for a product.
_TILE = 16
# What steps are asked with is so large that the offset of an affine step vanishes in its rounding.
_LOUD = 2.0**100
# Below this share of the sum of its weights' sizes, what an operator makes of a constant is rounding.
_ROUNDING = 1e-14


class Operator:
    """x -> A x + b of a run of affine steps, where A is a band plus a few directions.

    Parameters
    ----------
    steps : sequence of Compiled
        Affine steps in order; none gives the identity.
    n_in : int
        Wavelengths that enter.

    Attributes
    ----------
    n_in, n_out : int
        Wavelengths that enter and leave.
    offset : ndarray of shape (n_out,) or None
        b; None where it is zero.
    blind_to_offset : bool
        Whether A 1 is zero, to rounding.

    Notes
    -----
    The steps are asked what they make of a 1 at each wavelength, not written down a second time. Those that take
    directions out of spectra (detrend, EPO, OSC), x - P W'(x - m), or put some in (direct standardisation) would fill
    the matrix; they are kept as what they are, carried through the steps before and after: A = B + U V', with B as
    narrow as the filters.
    """

    def __init__(self, steps: Sequence[Compiled], n_in: int) -> None:
        image, outer, inner, offset = _folded(steps, n_in)
        self.n_in, self.n_out = n_in, image.shape[1]
        self.offset = offset if offset.any() else None
        self.blind_to_offset = _blind(image, outer, inner)
        # A filter alone knows best how to treat a block.
        self._alone = steps[0] if len(steps) == 1 and self.offset is None else None
        self._inner, self._outer = (inner.T.copy() if len(outer) else None), outer
        used = np.flatnonzero(image.any(axis=1))
        self._columns = consecutive(used)
        self._all = used.size == n_in
        image = image[used]
        self._diagonal = _diagonal(image)
        self._ones = self._diagonal is not None and bool((self._diagonal == 1.0).all())
        self._starts, self._tiles = _tiled(image) if self._diagonal is None else (np.zeros(0, np.intp), np.empty(0))

    def into(self, x: Array, out: Array) -> None:
        """Fill an array (n, n_out) with A x of spectra (n, n_in), C-contiguous; the offset is not added."""
        if self._alone is not None:
            self._alone.into(x, out)
            return
        kept = x if self._all else x[:, self._columns]
        if self._diagonal is not None:
            np.multiply(kept, self._diagonal, out=out)
        else:
            self._band_into(kept, out)
        if self._inner is not None:
            out += (x @ self._inner.T) @ self._outer

    def _band_into(self, x: Array, out: Array) -> None:
        width = self._tiles.shape[2]
        for i, start in enumerate(self._starts.tolist()):
            place, first = out[:, i * _TILE : (i + 1) * _TILE], max(start, 0)
            part = x[:, first : start + width]
            tile = self._tiles[i, : place.shape[1], first - start : first - start + part.shape[1]]
            np.matmul(part, tile.T, out=place)

    def of_one(self) -> Callable[[Array], Array]:
        """Return what takes one spectrum (n_in,) to A x (n_out,), each time in the same array, its own.

        Where A only takes neighbouring wavelengths out, what comes back is a view of what was given.
        """
        band = self._band_of_one()
        if self._inner is None:
            return band
        inner, outer = self._inner, self._outer
        shares, removed, out = np.empty(len(inner)), np.empty(self.n_out), np.empty(self.n_out)

        def whole(x: Array) -> Array:
            np.dot(inner, x, out=shares)
            np.dot(shares, outer, out=removed)
            return np.add(band(x), removed, out=out)

        return whole

    def _band_of_one(self) -> Callable[[Array], Array]:
        columns, diagonal = self._columns, self._diagonal
        if self._ones:
            return (lambda x: x) if self._all else lambda x: x[columns]
        if diagonal is not None:
            scaled = np.empty(self.n_out)
            return lambda x: np.multiply(x[columns], diagonal, out=scaled)
        apart = np.diff(self._starts)
        if (apart == apart[:1]).all():
            return self._even_band_of_one(int(apart[0]) if apart.size else 0)
        sums = np.empty((*self._tiles.shape[:2], 1))
        places = np.arange(self.n_in)[columns][self._starts[:, None] + np.arange(self._tiles.shape[2])]
        windows = np.empty((*places.shape, 1))
        tiles, gathered, out = self._tiles, windows[:, :, 0], sums.reshape(-1)[: self.n_out]

        def banded(x: Array) -> Array:
            # The places are known to be inside; to check them costs numpy a copy.
            x.take(places, out=gathered, mode="clip")
            np.matmul(tiles, windows, out=sums)
            return out

        return banded

    def _even_band_of_one(self, step: int) -> Callable[[Array], Array]:
        """Windows that start at even steps are a view of the spectrum, with room for those that reach beyond it."""
        used = np.arange(self.n_in)[self._columns]
        first, width = int(self._starts[0]), self._tiles.shape[2]
        room, sums = np.zeros((len(self._tiles) - 1) * step + width), np.empty(len(self._tiles) * _TILE)
        begin, end = max(first, 0), min(first + room.size, used.size)
        source, inside = consecutive(used[begin:end]), room[begin - first : end - first]
        products, out = _products(self._tiles, room, step, sums), sums[: self.n_out]

        def banded(x: Array) -> Array:
            inside[...] = x[source]
            for a, b, place in products:
                np.matmul(a, b, out=place)
            return out

        return banded


def _products(tiles: Array, room: Array, step: int, sums: Array) -> list[tuple[Array, Array, Array]]:
    """Factors, and where their products go, that take windows of a room to the sums of all tiles."""
    m, _, width = tiles.shape
    windows = np.ndarray((m, width), room.dtype, room, 0, (step * 8, 8))
    places = sums.reshape(m, _TILE)
    alike = m > 4 and 2 * step >= width and bool((tiles[1:-1] == tiles[1]).all())
    if not alike:
        return [(tiles, windows[:, :, None], places[:, :, None])]
    # A filter has the same weights all along, but for the ends. Every other window overlaps none, as BLAS wants it.
    ends, tile = slice(0, m, m - 1), tiles[1].T.copy()
    return [
        (windows[1:-1:2], tile, places[1:-1:2]),
        (windows[2:-1:2], tile, places[2:-1:2]),
        (tiles[ends], windows[ends, :, None], places[ends, :, None]),
    ]


def _folded(steps: Sequence[Compiled], n_in: int) -> tuple[Array, Array, Array, Array]:
    """Return B' (n_in, n_out), U' (k, n_out), V (n_in, k) and b (n_out,) of the steps' A = B + U V'."""
    image, outer, inner, offset = np.eye(n_in), np.empty((0, n_in)), np.empty((n_in, 0)), np.zeros((1, n_in))
    for step in steps:
        if step.removal is None:
            image, outer, offset = _linear_part(step, image), _linear_part(step, outer), _applied(step, offset)
        else:
            weights, loadings = step.removal
            inner = np.column_stack([inner, -(image @ weights + inner @ (outer @ weights))])
            if step.band is not None:
                image, outer = _linear_part(step.band, image), _linear_part(step.band, outer)
            outer, offset = np.vstack([outer, loadings.T]), _applied(step, offset)
    return image, outer, inner, offset[0]


def _applied(step: Compiled, rows: Array) -> Array:
    out = np.empty((rows.shape[0], step.wavelength.size))
    step.into(np.ascontiguousarray(rows), out)
    return out


def _linear_part(step: Compiled, rows: Array) -> Array:
    """Return A x of rows (n, p) under an affine step."""
    if not len(rows):
        return np.empty((0, step.wavelength.size))
    nothing = _applied(step, np.zeros((1, rows.shape[1])))
    return (_applied(step, rows * _LOUD) - nothing) / _LOUD


def _blind(image: Array, outer: Array, inner: Array) -> bool:
    constant = image.sum(axis=0) + inner.sum(axis=0) @ outer
    size = np.abs(image).sum(axis=0) + np.abs(inner).sum(axis=0) @ np.abs(outer)
    return bool((np.abs(constant) <= _ROUNDING * size).all())


def _diagonal(image: Array) -> Array | None:
    """Return the diagonal of a matrix that has nothing beside it, else None."""
    if image.shape[0] != image.shape[1]:
        return None
    diagonal = np.diagonal(image).copy()
    return diagonal if np.count_nonzero(image) == np.count_nonzero(diagonal) else None


def _tiled(image: Array) -> tuple[IntArray, Array]:
    """Cut B' (n_in, n_out) into tiles of 16 columns; returns each tile's first row (m,) and weights (m, 16, K).

    K rows hold all that is not zero in the widest tile. Where it costs little, first rows are at even steps; the first
    of all may then lie before the matrix, and the last K rows reach beyond it.
    """
    n_in, n_out = image.shape
    there = image != 0.0
    first = np.where(there.any(axis=0), there.argmax(axis=0), n_in)
    last = n_in - there[::-1].argmax(axis=0)
    edges = np.arange(0, n_out, _TILE)
    lows = np.minimum.reduceat(first, edges)
    highs = np.maximum.reduceat(np.where(first < n_in, last, 0), edges)
    width = int(max((highs - lows).max(initial=1), 1))
    step = int(np.median(np.diff(lows))) if lows.size > 1 else 0
    even = (lows - step * np.arange(lows.size)).min() + step * np.arange(lows.size)
    if (reach := int((highs - even).max())) <= width + _TILE // 4:
        starts, width = even.astype(np.intp), max(reach, 1)
    else:
        starts = np.minimum(lows, n_in - width).astype(np.intp)
    tiles = np.zeros((edges.size, _TILE, width))
    for i, (start, edge) in enumerate(zip(starts.tolist(), edges.tolist(), strict=True)):
        first = max(start, 0)
        part = image[first : start + width, edge : edge + _TILE].T
        tiles[i, : part.shape[0], first - start : first - start + part.shape[1]] = part
    return starts, tiles
