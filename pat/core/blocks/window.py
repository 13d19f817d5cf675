"""The last spectra of a batch being mixed, and what its last block says."""

from __future__ import annotations

import math
from collections import deque
from typing import Any, NamedTuple

import numpy as np

from pat.core.blocks import distances
from pat.core.blocks.components import Components, principal_components
from pat.core.blocks.constants import Constants
from pat.core.blocks.material import AGAINST, MOST_SEPARATE, require_block_size
from pat.core.blocks.predictions import block_median, rmsnv, successive_sd
from pat.core.blocks.registry import plan
from pat.core.blocks.ring import Ring
from pat.core.blocks.spectral import ewma_step, ewma_weight, mean_and_variance, mean_square_difference, spread_about
from pat.core.elementwise import ratio, sqrt
from pat.core.plain import finite_or_none, number_or_nan
from pat.core.types import Array
from pat.errors import InputError

# Columns kept for each spectrum, from the last: its novelty, contrast and level, Q and T2; before them its contents.
_NOVELTY, _PRESENTATION = -1, slice(-3, -1)
_AT = {"value": 0, "t2": -5, "q": -4}


class Apart(NamedTuple):
    """How far a spectrum lies from those of the last two blocks.

    Attributes
    ----------
    steps : ndarray of shape (m, p)
        Those spectra, oldest first, less this one; valid until the next is asked for.
    squared : ndarray of shape (m,)
        Their squared distances, at most 1e300.
    """

    steps: Array
    squared: Array

    @property
    def nearest(self) -> float:
        """Distance from the nearest of them; infinite where there are none."""
        return distances.nearest_of(self.squared)


class BlockStatistics(NamedTuple):
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
        self._n_contents = 1 if self._constants.targets is None else self._constants.targets.size
        self._treated, self._marks = Ring(2 * n, width), Ring(MOST_SEPARATE * n, self._n_contents + 5)
        self._steps = np.empty((2 * n, width))
        self._lagged, self._lags = Ring(2 * n, 2 * n + 1), np.empty(2 * n + 1)
        self._blocks: deque[tuple[float, float]] = deque(maxlen=n + 1)  # MBSD and spectral variance of whole blocks
        self._weight = ewma_weight(n)
        self._forget()

    def _forget(self) -> None:
        for ring in (self._treated, self._marks, self._lagged):
            ring.clear()
        self._blocks.clear()
        self._lags[0], self._lags[1:] = 0.0, np.nan
        self._least, self._change = math.nan, math.nan
        # Principal components by the number of the spectrum that their block ends with: a block's are wanted again
        # when it has become the block before.
        self._known: dict[int, Components] = {}
        self._moments: dict[tuple[str, bool], tuple[float, float]] = {}  # of blocks of marks, until the next spectrum
        self._pushed = 0

    @property
    def full(self) -> bool:
        """Whether there is a whole block."""
        return self._pushed >= self.block_size

    @property
    def values(self) -> Array:
        """Predictions of the last block, or what there is of it; a view, valid until the next push."""
        return self._marks.last(min(len(self._marks), self.block_size))[:, 0]

    def apart(self, treated: Array) -> Apart:
        """Return how far a treated spectrum (p,) lies from those of the last two blocks."""
        m = len(self._treated)
        steps = np.subtract(self._treated.tail(m), treated, out=self._steps[:m])
        return Apart(steps, distances.squared_lengths(steps))

    def push(
        self,
        treated: Array,
        contents: float | Array,
        presentation: Array | tuple[float, float],
        scope: tuple[float, float] = (math.nan, math.nan),
        apart: Apart | None = None,
    ) -> None:
        """Append a spectrum.

        Parameters
        ----------
        treated : ndarray of shape (p,)
        contents : float or ndarray of shape (K,)
            Its prediction (analyte units), or those of K components, the analyte first.
        presentation : ndarray of shape (2,), or (float, float)
            Its level and contrast (AU).
        scope : (float, float)
            Its Hotelling's T2 and Q residuals.
        apart : Apart, optional
            What `apart` says of it, where that is known already.

        Raises
        ------
        InputError
            If there are not as many contents as targets.
        """
        k = self._n_contents
        given = (contents,) if isinstance(contents, float) else np.ravel(contents).tolist()
        if self._constants.targets is not None and len(given) != k:
            raise InputError(f"expected {k} contents, one for each target, got {len(given)}")
        # What needs more than these numbers is computed when it is asked for.
        marks = np.array((*given[:k], *scope, *presentation, math.nan))
        if self._pushed >= 2 * self.block_size:
            before = self._marks.tail(2 * self.block_size)[:, _PRESENTATION]
            marks[_NOVELTY] = distances.nearest(before, marks[_PRESENTATION])
        self._take(marks, treated, self.apart(treated) if apart is None else apart)

    def _take(self, marks: Array, treated: Array, apart: Apart) -> None:
        """Append a spectrum's marks, itself, and what follows from them."""
        n, before = self.block_size, len(apart.squared)
        self._lags[1 : before + 1] = apart.squared[::-1]
        if before:
            single = mean_square_difference(apart.squared.item(-1), self._width)
            self._change = ewma_step(self._change, single, self._weight)
        self._marks.push(marks)
        self._lagged.push(self._lags)
        self._treated.push(treated)
        self._pushed += 1
        self._known.pop(self._pushed - n - 1, None)
        self._moments.clear()
        if self._pushed >= n:
            mbsd, variance = map(float, spread_about(apart.steps[before - n + 1 :]))
            self._least = self._least if self._least <= mbsd or math.isnan(mbsd) else mbsd
            self._blocks.append((mbsd, variance))

    def statistics(self) -> BlockStatistics:
        """Return what the last block says, as far as the verdicts need it."""
        if not self.full:
            return BlockStatistics()
        last = self._marks.tail(self.block_size)
        level, contrast = successive_sd(last[:, _PRESENTATION].T).tolist()
        return BlockStatistics(
            mbsd=self.mbsd,
            moving_f=ratio(self.earlier_spectral_variance, self.spectral_variance),
            mean=self.mean("value"),
            sd=sqrt(self.variance("value")),
            level_step=level,
            contrast_step=contrast,
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
        return self._mark(mark, self._marks.tail(self.block_size))

    def _mark(self, mark: str, rows: Array) -> Array:
        if mark == "rmsnv":
            targets = self._constants.targets
            return np.full(len(rows), np.nan) if targets is None else rmsnv(rows[:, : self._n_contents], targets)
        return rows[:, _AT[mark]]

    def mean(self, mark: str, *, earlier: bool = False) -> float:
        """Mean over the last block, or over the one before."""
        return self._moments_of(mark, earlier)[0]

    def variance(self, mark: str, *, earlier: bool = False) -> float:
        """Sample variance over the last block, or over the one before."""
        return self._moments_of(mark, earlier)[1]

    def _moments_of(self, mark: str, earlier: bool) -> tuple[float, float]:
        if (mark, earlier) not in self._moments:
            n = self.block_size
            block = self._mark(mark, self._marks.tail(2 * n if earlier else n)[:n])
            mean, variance = mean_and_variance(block)
            self._moments[mark, earlier] = float(mean), float(variance)
        return self._moments[mark, earlier]

    def _of_block(self, column: int, earlier: bool = False) -> float:
        if len(self._blocks) <= (self.block_size if earlier else 0):
            return math.nan
        return self._blocks[0 if earlier else -1][column]

    def separate(self, count: int) -> Array:
        """Predictions (count, n) of the last blocks that do not overlap."""
        return self._marks.tail(count * self.block_size)[:, 0].reshape(count, self.block_size)

    @property
    def mbsd(self) -> float:
        """MBSD of the last block."""
        return self._of_block(0)

    @property
    def least_mbsd(self) -> float:
        """Smallest MBSD so far."""
        return self._least

    @property
    def spectral_variance(self) -> float:
        """Spectral variance of the last block."""
        return self._of_block(1)

    @property
    def earlier_spectral_variance(self) -> float:
        """Spectral variance of the block before."""
        return self._of_block(1, earlier=True)

    @property
    def change(self) -> float:
        """Exponentially weighted mean square of differences."""
        return self._change

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
