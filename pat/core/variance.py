"""Components of variance between and within batches, whose spectra share a lot and a day."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pat.core.types import Array, IntArray
from pat.errors import InputError


@dataclass(frozen=True)
class VarianceComponents:
    """One-way components of variance of n values in B batches.

    Attributes
    ----------
    mean : float
        Mean of the values, or the centre that was given.
    ms_between, ms_within : float
        Mean squares between and within batches; the latter is 0 where every batch has one value.
    df_between, df_within : int
        Their degrees of freedom.
    batch_size : float
        n0, the size of batch that the expectation of the mean square between batches holds.
    effective_batch_size : float
        Sum of squared batch sizes over n: with how many spectra a spectrum shares its batch, itself included.

    Notes
    -----
    E(MS between) = within + n0 between, E(MS within) = within.

    References
    ----------
    Searle, Casella and McCulloch, *Variance Components* (1992), 3.6.
    """

    mean: float
    ms_between: float
    ms_within: float
    df_between: int
    df_within: int
    batch_size: float
    effective_batch_size: float

    @property
    def within(self) -> float:
        """Variance within batches."""
        return self.ms_within

    @property
    def between(self) -> float:
        """Variance between batches; 0 where batches differ no more than their spectra do."""
        return max(0.0, self.ms_between - self.ms_within) / self.batch_size

    @property
    def total(self) -> float:
        """Variance of one value of a new batch."""
        return self.between + self.within

    @property
    def total_df(self) -> float:
        """Satterthwaite's degrees of freedom of `total`; infinite where it is 0.

        References
        ----------
        Satterthwaite, *Biometrics Bulletin* 2 (1946) 110.
        """
        if self.total == 0.0:
            return math.inf
        if self.between == 0.0:
            return float(self.df_between + self.df_within)
        a, b = self.ms_between / self.batch_size, (1.0 - 1.0 / self.batch_size) * self.ms_within
        return self.total**2 / (a**2 / self.df_between + (b**2 / self.df_within if self.df_within else 0.0))

    @property
    def design_effect(self) -> float:
        """How many times the variance of a mean exceeds that of as many independent values (Kish 1965)."""
        share = self.between / self.total if self.total > 0.0 else 0.0
        return 1.0 + (self.effective_batch_size - 1.0) * share

    @property
    def mean_variance(self) -> float:
        """Variance of the mean of all values."""
        return self.total * self.design_effect / (self.df_between + self.df_within + 1)


def variance_components(values: Array, codes: IntArray, centre: float | None = None) -> VarianceComponents:
    """Estimate the components of variance between and within batches by the analysis of variance.

    Parameters
    ----------
    values : ndarray of shape (n,)
    codes : ndarray of int, shape (n,)
        Batch of each value, 0 to B - 1.
    centre : float, optional
        Known mean. Errors about 0 keep a bias that all batches share; by default the values' own mean is taken off.

    Raises
    ------
    InputError
        If there are fewer than 2 batches, or values that are not finite.
    """
    sizes = np.bincount(codes)
    n, n_batches = values.size, sizes.size
    if n_batches < 2 or codes.size != n or not sizes.all():
        raise InputError(f"components of variance need at least 2 batches, got {n_batches} for {n} values")
    if not np.isfinite(values).all():
        raise InputError(f"values must be finite; {(~np.isfinite(values)).sum()} are not")
    batch_mean = np.bincount(codes, values) / sizes
    mean = float(values.mean()) if centre is None else centre
    df_between, df_within = n_batches - (centre is None), n - n_batches
    squares = float((sizes**2).sum())
    return VarianceComponents(
        mean=mean,
        ms_between=float((sizes * (batch_mean - mean) ** 2).sum()) / df_between,
        ms_within=float(((values - batch_mean[codes]) ** 2).sum()) / df_within if df_within else 0.0,
        df_between=df_between,
        df_within=df_within,
        batch_size=n / n_batches if centre is not None else (n - squares / n) / df_between,
        effective_batch_size=squares / n,
    )
