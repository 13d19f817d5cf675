"""What steps learn from: counts, means and sums of squares of calibration spectra, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pat.core.types import Array
from pat.errors import InputError


@dataclass(frozen=True)
class Summary:
    """Moments of spectra about their own mean.

    Attributes
    ----------
    n : int
        Spectra.
    mean : ndarray of shape (p,)
    squares : ndarray of shape (p,)
        Sums of squares about the mean.
    cross : tuple of (xx (p, p), xy (p,), mean of y) or None
        Sums of products about the means, with reference values; None where none were asked for.
    """

    n: int
    mean: Array
    squares: Array
    cross: tuple[Array, Array, float] | None = None

    @classmethod
    def of(cls, x: Array, y: Array | None = None) -> Summary:
        """Summarise spectra (n, p), and how they vary with reference values y (n,); rows without one are left out.

        Raises
        ------
        InputError
            If a spectrum is not finite.
        """
        if y is not None:
            x, y = x[~np.isnan(y)], y[~np.isnan(y)]
        bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
        if bad.size:
            raise InputError(
                f"a treatment learns from finite spectra, got row {bad[0]} that is not ({bad.size} in all)"
            )
        if x.shape[0] == 0:
            return cls(0, np.zeros(x.shape[1]), np.zeros(x.shape[1]), _no_products(x.shape[1], y))
        mean = x.mean(axis=0)
        centred = x - mean
        squares = (centred * centred).sum(axis=0)
        if y is None:
            return cls(x.shape[0], mean, squares)
        mean_y = float(y.mean())
        return cls(x.shape[0], mean, squares, (centred.T @ centred, centred.T @ (y - mean_y), mean_y))

    @classmethod
    def combine(cls, parts: Sequence[Summary]) -> Summary:
        """Put summaries together, in the order given, so that the bits repeat (Chan, Golub and LeVeque, 1979).

        Raises
        ------
        InputError
            If there are none.
        """
        if not parts:
            raise InputError("a treatment learns from at least 1 batch, got 0")
        total = parts[0]
        for part in parts[1:]:
            total = total._with(part)
        return total

    def _with(self, other: Summary) -> Summary:
        if 0 in (self.n, other.n):
            return self if other.n == 0 else other
        n = self.n + other.n
        apart, share = other.mean - self.mean, self.n * other.n / n
        mean = self.mean + apart * (other.n / n)
        squares = self.squares + other.squares + share * apart * apart
        if self.cross is None or other.cross is None:
            return Summary(n, mean, squares)
        (xx, xy, mean_y), (other_xx, other_xy, other_y) = self.cross, other.cross
        apart_y = other_y - mean_y
        cross = (
            xx + other_xx + share * np.outer(apart, apart),
            xy + other_xy + share * apart_y * apart,
            mean_y + apart_y * (other.n / n),
        )
        return Summary(n, mean, squares, cross)

    def deviation(self) -> Array:
        """Sample standard deviations (n - 1), shape (p,).

        Raises
        ------
        InputError
            For fewer than 2 spectra.
        """
        if self.n < 2:
            raise InputError(f"standard deviations need at least 2 spectra, got {self.n} sample(s)")
        return np.sqrt(self.squares / (self.n - 1))

    def products(self) -> tuple[Array, Array]:
        """X'X (p, p) and X'y (p,), centred.

        Raises
        ------
        InputError
            If there are no reference values.
        """
        if self.cross is None:
            raise InputError("this step learns from reference values, and none were given")
        return self.cross[0], self.cross[1]


def _no_products(n_wavelengths: int, y: Array | None) -> tuple[Array, Array, float] | None:
    if y is None:
        return None
    return np.zeros((n_wavelengths, n_wavelengths)), np.zeros(n_wavelengths), 0.0
