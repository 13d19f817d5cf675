"""What the statistics are computed from: the blocks of a whole run, each ending at one reading."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np

from pat.core.blocks.components import Components, principal_components
from pat.core.blocks.constants import Constants
from pat.core.blocks.distances import between, lagged_distances, within
from pat.core.blocks.predictions import block_mean, rmsnv
from pat.core.blocks.ring import blocks_of, padded
from pat.core.blocks.spectral import ewma, ewma_weight, mean_square_difference, sample_variance, spread
from pat.core.blocks.target import conformity_index, correlation_dissimilarity, cosine_dissimilarity
from pat.core.types import Array
from pat.errors import InputError

N_co = TypeVar("N_co", float, Array, covariant=True)

MOST_SEPARATE = 5
"""Most blocks that Brown-Forsythe may compare."""


class Material(Protocol[N_co]):
    """What is known of a block of n spectra and of those before, of one (live) or of every reading of a run.

    Leading axes are none for one block, of which single numbers are floats, and (m,) for those that end at each of m
    readings. What does not exist yet is NaN.
    """

    @property
    def block_size(self) -> int:
        """Spectra in a block, n."""

    def block(self, mark: str) -> Array:
        """One number for each spectrum of the block, shape (..., n); see `Marks`."""

    def mean(self, mark: str, *, earlier: bool = False) -> N_co:
        """Mean (...) over the block, or over the one before, of "value" or "rmsnv"."""

    def variance(self, mark: str, *, earlier: bool = False) -> N_co:
        """Sample variance (...) over the block, or over the one before, of "value" or "rmsnv"."""

    def separate(self, count: int) -> Array:
        """Predictions (..., count, n) of the block and those before it, none of which overlap."""

    @property
    def mbsd(self) -> N_co:
        """MBSD (...)."""

    @property
    def least_mbsd(self) -> N_co:
        """Smallest MBSD (...) so far."""

    @property
    def spectral_variance(self) -> N_co:
        """Spectral variance (...)."""

    @property
    def earlier_spectral_variance(self) -> N_co:
        """Spectral variance (...) of the block before."""

    @property
    def change(self) -> N_co:
        """Exponentially weighted mean square of differences (...)."""

    @property
    def components(self) -> Components:
        """Principal components of the block."""

    @property
    def rear(self) -> Components:
        """Principal components of the block before."""

    @property
    def between(self) -> Array:
        """Squared distances (..., n, n) from the block's spectra to those of the block before."""


KEPT = ("value", "rmsnv", "t2", "q")
"""Numbers of one spectrum that block statistics are computed from: the analyte's prediction, RMSNV, Hotelling's T2 and
Q residuals."""

AGAINST = {
    "correlation": correlation_dissimilarity,
    "cosine": cosine_dissimilarity,
    "conformity": conformity_index,
}
"""Such numbers that treated spectra give beside a reference: dissimilarities and the conformity index."""


@dataclass(frozen=True)
class RunReadings:
    """The readings of a whole run, in their order; a statistic asks for what it needs.

    Attributes
    ----------
    values : ndarray of shape (m,) or (m, K)
        Predictions (analyte units), of the analyte or of K components with the analyte first.
    treated : ndarray of shape (m, p), optional
        Treated spectra.
    hotelling_t2, q_residuals : ndarray of shape (m,), optional

    Raises
    ------
    InputError
        If they are not of one length.
    """

    values: Array
    treated: Array | None = None
    hotelling_t2: Array | None = None
    q_residuals: Array | None = None

    def __post_init__(self) -> None:
        """Refuse readings of several lengths."""
        for name, found in vars(self).items():
            axes = {"values": (1, 2), "treated": (2,)}.get(name, (1,))
            if found is not None and (found.ndim not in axes or len(found) != len(self.values)):
                raise InputError(f"`{name}` must have {len(self.values)} rows, one for each reading, got {found.shape}")

    def get(self, name: str) -> Array:
        """Return the readings of one kind.

        Raises
        ------
        InputError
            If there are none.
        """
        found: Array | None = getattr(self, name)
        if found is None:
            raise InputError(f"expected readings with `{name}`, got none")
        return found


class RunMaterial:
    """Every block of a run; see `Material`. What several statistics need is computed once, where one of them asks.

    Parameters
    ----------
    run : RunReadings
    block_size : int
        Spectra in a block, n.
    constants : Constants

    Raises
    ------
    InputError
        For a block size below 3.
    """

    def __init__(self, run: RunReadings, block_size: int, constants: Constants) -> None:
        require_block_size(block_size)
        self._run, self._constants, self.block_size = run, constants, block_size
        self._marks: dict[str, Array] = {}

    def _column(self, mark: str) -> Array:
        values = self._run.values.reshape(len(self._run.values), -1)
        given = self._constants
        if mark in AGAINST and given.reference is not None:
            return AGAINST[mark](self._run.get("treated"), given.reference)
        if mark == "rmsnv" and given.targets is not None:
            return rmsnv(values, given.targets)
        return values[:, 0] if mark == "value" else self._run.get({"t2": "hotelling_t2", "q": "q_residuals"}[mark])

    def block(self, mark: str) -> Array:
        """See `Material`."""
        if mark not in self._marks:
            self._marks[mark] = blocks_of(self._column(mark), self.block_size)
        return self._marks[mark]

    def mean(self, mark: str, *, earlier: bool = False) -> Array:
        """See `Material`."""
        found = block_mean(self.block(mark))
        return self._before(found) if earlier else found

    def variance(self, mark: str, *, earlier: bool = False) -> Array:
        """See `Material`."""
        found = sample_variance(self.block(mark))
        return self._before(found) if earlier else found

    def separate(self, count: int) -> Array:
        """See `Material`."""
        found = blocks_of(self._column("value"), count * self.block_size)
        return found.reshape(-1, count, self.block_size)

    @cached_property
    def _spread(self) -> Array:
        treated, n = self._run.get("treated"), self.block_size
        # One block at a time stays in the cache: several times faster than all blocks at once.
        found = [spread(treated[end - n : end]) for end in range(n, len(treated) + 1)]
        return padded(np.reshape(found, (-1, 2)), len(treated))

    @property
    def mbsd(self) -> Array:
        """See `Material`."""
        return self._spread[:, 0]

    @property
    def least_mbsd(self) -> Array:
        """See `Material`."""
        return np.asarray(np.fmin.accumulate(self.mbsd))

    @property
    def spectral_variance(self) -> Array:
        """See `Material`."""
        return self._spread[:, 1]

    @property
    def earlier_spectral_variance(self) -> Array:
        """See `Material`."""
        return self._before(self.spectral_variance)

    @property
    def change(self) -> Array:
        """See `Material`."""
        single = mean_square_difference(self._lagged[1:, 1], self._run.get("treated").shape[1])
        return padded(ewma(single, ewma_weight(self.block_size)), len(self._lagged))

    @cached_property
    def _lagged(self) -> Array:
        return lagged_distances(self._run.get("treated"), 2 * self.block_size)

    @cached_property
    def components(self) -> Components:
        """See `Material`."""
        return principal_components(within(blocks_of(self._lagged, self.block_size)))

    @property
    def rear(self) -> Components:
        """See `Material`."""
        found = self.components
        return Components(*(self._before(part) for part in (found.eigenvalues, found.vectors, found.row_means)))

    @property
    def between(self) -> Array:
        """See `Material`."""
        return between(blocks_of(self._lagged, 2 * self.block_size))

    def _before(self, series: Array) -> Array:
        """Return what a series (m, ...) was a block earlier."""
        return padded(series, len(series) + self.block_size)[: len(series)]


def require_block_size(block_size: int) -> None:
    """Refuse blocks of fewer than 3 spectra.

    Raises
    ------
    InputError
    """
    if block_size < 3:
        raise InputError(f"`block_size` must be at least 3, got {block_size}")
