"""The last spectra of a batch being mixed, and what its last block says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pat.core.blocks import distances
from pat.core.blocks.components import Components, principal_components
from pat.core.blocks.constants import Constants
from pat.core.blocks.material import AGAINST, KEPT, MOST_SEPARATE, require_block_size
from pat.core.blocks.predictions import block_mean, block_median, rmsnv, successive_sd
from pat.core.blocks.registry import plan
from pat.core.blocks.ring import Ring
from pat.core.blocks.spectral import ewma_step, ewma_weight, mean_square_difference, ratio, sample_variance, spread
from pat.core.plain import finite_or_none, number_or_nan
from pat.core.types import Array

# Columns kept for each spectrum: these marks, its level and contrast, and their novelty.
_PRESENTATION, _NOVELTY = slice(len(KEPT), len(KEPT) + 2), len(KEPT) + 2
# Marks, from the first, whose block means and variances are kept.
_SUMMED = 2


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
    """The last spectra of a batch, as many as its moving blocks need; the `Material` of its last block.

    Parameters
    ----------
    block_size : int
        Spectra in a block, n.
    width : int
        Wavelengths of a treated spectrum.
    constants : Constants, optional
        For `published`.

    Raises
    ------
    InputError
        For a block size below 3.

    Notes
    -----
    What is kept beside the spectra (numbers of one spectrum, distances between two, the spread of a whole block) are
    functions of those spectra alone, so nothing of a spectrum that has left remains. Two numbers look further back by
    what they are: the smallest MBSD so far, and the exponentially weighted mean square of differences.
    """

    def __init__(self, block_size: int, width: int, constants: Constants | None = None) -> None:
        require_block_size(block_size)
        self.block_size, self._width, n = block_size, width, block_size
        self._constants = constants or Constants()
        self._plan = plan(self._constants)
        self._treated, self._marks = Ring(2 * n, width), Ring(MOST_SEPARATE * n, _NOVELTY + 1)
        # Of whole blocks: MBSD, spectral variance, then means and variances of the first marks.
        self._lagged, self._blocks = Ring(2 * n, 2 * n + 1), Ring(n + 1, 2 + 2 * _SUMMED)
        self._weight = ewma_weight(n)
        self._forget()

    def _forget(self) -> None:
        for ring in (self._treated, self._marks, self._lagged, self._blocks):
            ring.clear()
        self._least, self._change = math.nan, math.nan
        # Principal components by the number of the spectrum that their block ends with: a block's are wanted again
        # when it has become the block before.
        self._known: dict[int, Components] = {}
        self._pushed = 0

    @property
    def full(self) -> bool:
        """Whether there is a whole block."""
        return self._pushed >= self.block_size

    @property
    def values(self) -> Array:
        """Predictions of the last block, or what there is of it; a view, valid until the next push."""
        return self._marks.last(min(len(self._marks), self.block_size))[:, 0]

    def apart(self, treated: Array) -> Array:
        """Squared distances of a treated spectrum (p,) from those of the last two blocks, oldest first."""
        return distances.squared_distances(self._treated.last(len(self._treated)), treated)

    def push(
        self,
        treated: Array,
        contents: float | Array,
        presentation: Array,
        scope: tuple[float, float] = (math.nan, math.nan),
        apart: Array | None = None,
    ) -> None:
        """Append a spectrum.

        Parameters
        ----------
        treated : ndarray of shape (p,)
        contents : float or ndarray of shape (K,)
            Its prediction (analyte units), or those of K components, the analyte first.
        presentation : ndarray of shape (2,)
            Its level and contrast (AU).
        scope : (float, float)
            Its Hotelling's T2 and Q residuals.
        apart : ndarray, optional
            What `apart` says of it, where that is known already.
        """
        marks = np.full(_NOVELTY + 1, np.nan)
        # Those against the reference are asked for rarely, and come from the treated spectra then.
        marks[0], marks[2:4], marks[_PRESENTATION] = np.ravel(contents)[0], scope, presentation
        if self._constants.targets is not None:
            marks[1] = rmsnv(np.ravel(contents), self._constants.targets)
        if len(self._treated) == 2 * self.block_size:
            marks[_NOVELTY] = distances.nearest(self._marks.last(2 * self.block_size)[:, _PRESENTATION], presentation)
        self._take(marks, treated, self.apart(treated) if apart is None else apart)

    def _take(self, marks: Array, treated: Array, apart: Array) -> None:
        """Append a spectrum's marks, itself, and what follows from them."""
        n, before = self.block_size, len(apart)
        lagged = np.full(2 * n + 1, np.nan)
        lagged[0], lagged[1 : before + 1] = 0.0, apart[::-1]
        if before:
            single = float(mean_square_difference(apart[-1], self._width))
            self._change = ewma_step(self._change, single, self._weight)
        self._marks.push(marks)
        self._lagged.push(lagged)
        self._treated.push(treated)
        self._pushed += 1
        self._known.pop(self._pushed - n - 1, None)
        if len(self._treated) >= n:
            self._summarise()

    def _summarise(self) -> None:
        mbsd, variance = spread(self._treated.last(self.block_size))
        self._least = float(np.fmin(self._least, mbsd))
        first = self._marks.last(self.block_size)[:, :_SUMMED].T
        self._blocks.push((mbsd, variance, *block_mean(first), *sample_variance(first)))

    def statistics(self) -> BlockStatistics:
        """Return what the last block says, as far as the verdicts need it."""
        if not self.full:
            return BlockStatistics()
        last = self._marks.last(self.block_size)
        steps = successive_sd(last[:, _PRESENTATION].T)
        return BlockStatistics(
            mbsd=float(self.mbsd),
            moving_f=float(ratio(self.earlier_spectral_variance, self.spectral_variance)),
            mean=float(self.mean("value")),
            sd=math.sqrt(self.variance("value")),
            level_step=float(steps[0]),
            contrast_step=float(steps[1]),
            novelty=float(block_median(last[:, _NOVELTY])),
        )

    def published(self) -> dict[str, float]:
        """Return every statistic of `pat.core.blocks.STATISTICS` whose constants there are, by name."""
        return {name: float(compute(self)) for name, compute in self._plan.items()}

    # What the statistics are computed from: see `pat.core.blocks.material.Material`.

    def block(self, mark: str) -> Array:
        """Return one number for each spectrum of the last block."""
        if mark in AGAINST and self._constants.reference is not None:
            return AGAINST[mark](self._treated.tail(self.block_size), self._constants.reference)
        return self._marks.tail(self.block_size)[:, KEPT.index(mark)]

    def mean(self, mark: str, *, earlier: bool = False) -> Array:
        """Mean over the last block, or over the one before."""
        return self._of_block(2 + KEPT.index(mark), earlier)

    def variance(self, mark: str, *, earlier: bool = False) -> Array:
        """Sample variance over the last block, or over the one before."""
        return self._of_block(2 + _SUMMED + KEPT.index(mark), earlier)

    def _of_block(self, column: int, earlier: bool = False) -> Array:
        return self._blocks.tail(self.block_size + 1 if earlier else 1)[0, column]  # type: ignore[no-any-return]

    def separate(self, count: int) -> Array:
        """Predictions (count, n) of the last blocks that do not overlap."""
        return self._marks.tail(count * self.block_size)[:, 0].reshape(count, self.block_size)

    @property
    def mbsd(self) -> Array:
        """MBSD of the last block."""
        return self._of_block(0)

    @property
    def least_mbsd(self) -> Array:
        """Smallest MBSD so far."""
        return np.asarray(self._least)

    @property
    def spectral_variance(self) -> Array:
        """Spectral variance of the last block."""
        return self._of_block(1)

    @property
    def earlier_spectral_variance(self) -> Array:
        """Spectral variance of the block before."""
        return self._of_block(1, earlier=True)

    @property
    def change(self) -> Array:
        """Exponentially weighted mean square of differences."""
        return np.asarray(self._change)

    @property
    def components(self) -> Components:
        """Principal components of the last block."""
        return self._components(0)

    @property
    def rear(self) -> Components:
        """Principal components of the block before."""
        return self._components(self.block_size)

    def _components(self, skip: int) -> Components:
        end, n = self._pushed - skip, self.block_size
        if end not in self._known:
            self._known[end] = principal_components(distances.within(self._lagged.tail(n + skip)[:n]))
        return self._known[end]

    @property
    def between(self) -> Array:
        """Squared distances from the last block's spectra to those of the block before."""
        return distances.between(self._lagged.tail(2 * self.block_size))

    def snapshot(self) -> dict[str, list[Any]]:
        """Return treated spectra, marks, and what looks further back, as plain JSON values: null for no number."""
        return {
            "treated": self._treated.to_list(),
            "marks": [list(map(finite_or_none, row)) for row in self._marks.to_list()],
            "so_far": [finite_or_none(self._least), finite_or_none(self._change)],
        }

    def restore(self, state: dict[str, list[Any]]) -> None:
        """Hold exactly what a snapshot does."""
        self._forget()
        marks, treated = (np.array(state[name], dtype=np.float64) for name in ("marks", "treated"))
        older = len(marks) - len(treated)
        for row in marks[:older]:
            self._marks.push(row)
        with np.errstate(over="ignore", invalid="ignore"):
            for row, spectrum in zip(marks[older:], treated, strict=True):
                self._take(row, spectrum, self.apart(spectrum))
        self._least, self._change = map(number_or_nan, state["so_far"])
