"""Moving-block statistics, and the ring buffers that a batch being mixed keeps them in.

Each statistic is computed from the block's own samples. Nothing is updated by adding the new and subtracting the
old, which would keep the rounding error of a spike long after the spike has left the block.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pat.core.types import Array
from pat.errors import InputError

# A distance that overflows: snapshots are plain JSON, which has no infinity.
_FARTHEST = 1e300


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


def successive_sd(values: Array) -> Array:
    """Return the standard deviation of blocks (..., n) from the differences of successive values.

    Notes
    -----
    The square root of the sum of squared differences over 2 (n - 1). A drift hardly adds to it, and a single step adds
    little: it says how far values jump from one to the next.

    References
    ----------
    Von Neumann, Kent, Bellinson and Hart, *Ann. Math. Statist.* 12 (1941) 153.
    """
    steps = np.diff(values, axis=-1)
    return np.asarray(np.sqrt((steps * steps).sum(axis=-1) / (2.0 * (values.shape[-1] - 1))))


def nearest(rows: Array, row: Array) -> float:
    """Euclidean distance from a row (p,) to the nearest of `rows` (m, p); infinite where there are none."""
    apart = rows - row
    return math.sqrt(float((apart * apart).sum(axis=-1).min())) if len(rows) else math.inf


def novelty(rows: Array, reach: int) -> Array:
    """Distance from each row (m, p) to the nearest of the `reach` rows before it, shape (m,).

    The first rows are compared with what there is before them; the first one of all has the distance infinity.
    """
    return np.array([nearest(rows[max(0, i - reach) : i], rows[i]) for i in range(len(rows))])


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


@dataclass(frozen=True)
class BlockStatistics:
    """What the last block of a batch says; NaN where there are not enough spectra.

    Attributes
    ----------
    mbsd : float
        Moving-block standard deviation (treated absorbance).
    moving_f : float
        Spectral variance of the block before over that of the last one.
    mean, sd : float
        Of the predictions (analyte units).
    level_step, contrast_step : float
        Successive-difference SD of the raw spectra's mean (level) and SD (contrast) over the used wavelengths (AU).
    novelty : float
        Median distance (AU) of a spectrum's level and contrast from the nearest of the two blocks before it.
    """

    mbsd: float = math.nan
    moving_f: float = math.nan
    mean: float = math.nan
    sd: float = math.nan
    level_step: float = math.nan
    contrast_step: float = math.nan
    novelty: float = math.nan


class Window:
    """The last spectra of a batch, as many as its moving blocks need.

    Parameters
    ----------
    block_size : int
        Spectra in a block, n.
    width : int
        Wavelengths of a treated spectrum.
    """

    def __init__(self, block_size: int, width: int) -> None:
        self._n = block_size
        self._treated, self._presentation = Ring(2 * block_size, width), Ring(2 * block_size, 2)
        self._values, self._novelty = Ring(block_size, 1), Ring(block_size, 1)
        self._rings = {
            "treated": self._treated,
            "presentation": self._presentation,
            "values": self._values,
            "novelty": self._novelty,
        }

    @property
    def full(self) -> bool:
        """Whether there is a whole block."""
        return len(self._values) == self._n

    @property
    def values(self) -> Array:
        """Predictions of the last block, or what there is of it; a view, valid until the next push."""
        return self._values.last(len(self._values))[:, 0]

    def distance(self, treated: Array) -> float:
        """Distance of a treated spectrum (p,) from the nearest of the last two blocks."""
        return nearest(self._treated.last(len(self._treated)), treated)

    def push(self, treated: Array, value: float, presentation: Array) -> None:
        """Append a spectrum: treated (p,), its prediction (analyte units), and its level and contrast (2,), AU."""
        if len(self._presentation) == 2 * self._n:
            self._novelty.push(min(nearest(self._presentation.last(2 * self._n), presentation), _FARTHEST))
        self._treated.push(treated)
        self._values.push(value)
        self._presentation.push(presentation)

    def statistics(self) -> BlockStatistics:
        """Return what the last block says."""
        n = self._n
        if not self.full:
            return BlockStatistics()
        block, two = self._treated.last(n), len(self._treated) == 2 * n
        steps = successive_sd(self._presentation.last(n).T)
        return BlockStatistics(
            mbsd=float(mbsd(block)),
            moving_f=float(moving_f(self._treated.last(n, skip=n), block)) if two else math.nan,
            mean=float(block_mean(self.values)),
            sd=float(block_sd(self.values)),
            level_step=float(steps[0]),
            contrast_step=float(steps[1]),
            novelty=float(np.median(self._novelty.last(n))) if len(self._novelty) == n else math.nan,
        )

    def snapshot(self) -> dict[str, list[list[float]]]:
        """Return the rows of every ring as plain numbers."""
        return {name: ring.to_list() for name, ring in self._rings.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Hold exactly the rows of a snapshot."""
        for name, ring in self._rings.items():
            ring.refill(state[name])
