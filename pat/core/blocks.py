"""Moving-block statistics, and the ring buffer that a batch being mixed keeps them in.

Each statistic is computed from the block's own samples. Nothing is updated by adding the new and subtracting the
old, which would keep the rounding error of a spike long after the spike has left the block.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pat.core.types import Array
from pat.errors import InputError


def wavelength_variance(block: Array) -> Array:
    """Sample variance (n - 1) at each wavelength of a block of shape (..., n, p); returns (..., p)."""
    centred = block - block.mean(axis=-2, keepdims=True)
    return np.asarray((centred * centred).sum(axis=-2) / (block.shape[-2] - 1))


def mbsd(block: Array) -> Array:
    """Moving-block standard deviation: the mean over the wavelengths of a block's standard deviations.

    Parameters
    ----------
    block : ndarray of shape (..., n, p)
        Treated spectra.

    Returns
    -------
    ndarray of shape (...)
        In units of the treated spectra.

    References
    ----------
    Sekulic et al., *Anal. Chem.* 68 (1996) 509.
    """
    return np.asarray(np.sqrt(wavelength_variance(block)).mean(axis=-1))


def moving_f(earlier: Array, later: Array) -> Array:
    """Ratio of the spectral variances, summed over the wavelengths, of two adjoining blocks (..., n, p).

    References
    ----------
    Besseling et al., *J. Pharm. Biomed. Anal.* 114 (2015) 471.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(wavelength_variance(earlier).sum(axis=-1) / wavelength_variance(later).sum(axis=-1))


def block_mean(values: Array) -> Array:
    """Mean of a block of predictions (..., n)."""
    return np.asarray(values.mean(axis=-1))


def block_sd(values: Array) -> Array:
    """Sample standard deviation (n - 1) of a block of predictions (..., n)."""
    return np.sqrt(wavelength_variance(values[..., None])[..., 0])


def relative(sd: Array, mean: Array) -> Array:
    """Relative standard deviation (%); NaN where the mean is not positive and a share of it means nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(mean > 0.0, 100.0 * sd / mean, np.nan))


def sliding(series: Array, size: int) -> Array:
    """Every run of `size` neighbours along the first axis: (m, ...) gives (m - size + 1, size, ...)."""
    windows = np.lib.stride_tricks.sliding_window_view(series, size, axis=0)
    return np.ascontiguousarray(np.moveaxis(windows, -1, 1))


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
        self._rows = np.zeros((2 * capacity, width))
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
        end = (self._pushed - 1) % self._capacity + self._capacity + 1 - skip
        return self._rows[end - n : end]

    def to_list(self) -> list[list[float]]:
        """Return the held rows, oldest first, as plain numbers."""
        rows: list[list[float]] = self.last(len(self)).tolist()
        return rows

    def refill(self, rows: Any) -> None:
        """Hold exactly the given rows, oldest first."""
        self._pushed = 0
        for row in rows:
            self.push(row)
