"""The ring buffer of a batch being mixed, and every run of neighbours of a whole one."""

from __future__ import annotations

from typing import Any

import numpy as np

from pat.core.types import Array
from pat.errors import InputError


def sliding(series: Array, size: int) -> Array:
    """Every run of `size` neighbours along the first axis: (m, ...) gives (m - size + 1, size, ...)."""
    windows = np.lib.stride_tricks.sliding_window_view(series, size, axis=0)
    return np.ascontiguousarray(np.moveaxis(windows, -1, 1))


def padded(series: Array, length: int) -> Array:
    """Put NaN before a series (k, ...), so that it has `length` rows and ends where it did."""
    out = np.full((length, *series.shape[1:]), np.nan)
    out[length - len(series) :] = series
    return out


def blocks_of(series: Array, size: int) -> Array:
    """Return, for each row of a series (m, ...), the block that ends there, shape (m, size, ...).

    The first blocks are not full: NaN stands for what came before the first row.
    """
    return sliding(padded(series, len(series) + size - 1), size)


class Ring:
    """The last `capacity` rows that were pushed.

    Parameters
    ----------
    capacity : int
        Most rows kept.
    width : int
        Values in a row.
    """

    def __init__(self, capacity: int, width: int) -> None:
        # Each row is stored twice, `capacity` apart, so that the last rows are always one contiguous slice.
        self._rows = np.full((2 * capacity, width), np.nan)
        self._capacity, self._pushed = capacity, 0

    def __len__(self) -> int:
        return min(self._pushed, self._capacity)

    def push(self, row: Any) -> None:
        """Append a row, dropping the oldest where the buffer is full."""
        at = self._pushed % self._capacity
        self._rows[at] = self._rows[at + self._capacity] = row
        self._pushed += 1

    def last(self, n: int, skip: int = 0) -> Array:
        """Return `n` rows, oldest first, that end `skip` rows before the newest; a view, valid until the next push.

        Raises
        ------
        InputError
            If fewer than `n + skip` rows are held.
        """
        if n + skip > len(self):
            raise InputError(f"asked for {n} rows {skip} back, the buffer holds {len(self)}")
        return self.tail(n + skip)[:n]

    def tail(self, n: int) -> Array:
        """Return the last `n` rows, oldest first, NaN in place of those that never came; a view, as `last`.

        Raises
        ------
        InputError
            If the buffer has no room for `n` rows.
        """
        if n > self._capacity:
            raise InputError(f"asked for {n} rows, the buffer has room for {self._capacity}")
        end = (self._pushed - 1) % self._capacity + self._capacity + 1
        return self._rows[end - n : end]

    def to_list(self) -> list[list[float]]:
        """Return the held rows, oldest first, as plain numbers."""
        rows: list[list[float]] = self.last(len(self)).tolist()
        return rows

    def clear(self) -> None:
        """Hold no rows."""
        self._rows.fill(np.nan)
        self._pushed = 0

    def refill(self, rows: Any) -> None:
        """Hold exactly the given rows, oldest first."""
        self.clear()
        for row in rows:
            self.push(row)
