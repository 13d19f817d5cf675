"""Fitting: from moments, or from the rows themselves where that is less work."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pat.core.pls.lanes import Lanes, solve
from pat.core.pls.model import PLS2Model, PLSModel, RankWarning
from pat.core.pls.moments import Entering, Moments, Spectra, moments
from pat.core.types import Array, IntArray
from pat.errors import InputError

# Rows whose product with a vector, and back, is formed at a time: they stay in the cache between the two.
_CACHED = 128
# Mean over standard deviation up to which spectra are taken as they are. Their squares are then up to 17 times those
# about the mean: coefficients are off by 2e-13 of the largest, where shifted spectra give 2e-14 (measured).
_NEAR = 4.0
# Values (32 MB) from which on an array's memory goes back to the system with it.
_LARGE = 2**22


@dataclass(frozen=True)
class Rows:
    """The rows of a data set, shifted: the form that costs less than moments where spectra are long or few.

    Attributes
    ----------
    x : ndarray of shape (n, p)
        Spectra with all references, less `shift_x`, which is near their mean; the caller's own array where that is
        nothing.
    y : ndarray of shape (n,) or (n, m)
        References less `shift_y`.
    weights : ndarray of shape (n,) or None
    n_missing : int
        Rows skipped because they have no reference value of some response.
    missing : ndarray of int, shape () or (m,)
        Rows that lack each response.
    shift_x, shift_y : ndarray of shape (p,), ndarray of shape () or (m,)
    """

    x: Array
    y: Array
    weights: Array | None
    n_missing: int
    missing: IntArray
    shift_x: Array
    shift_y: Array

    @classmethod
    def of(cls, X: Spectra, y: Array, weights: Array | None = None) -> Rows:
        """Take the rows that have references and weight; parameters and errors as `moments`."""
        y = np.asarray(y, dtype=np.float64)
        entering = Entering.of(X, y, weights)
        kept = slice(None) if entering.rows.all() else entering.rows
        x, y, w = X[kept], y[kept], None if entering.weights is None else entering.weights[kept]
        shift_x, shift_y = near_means(x, y)
        shifted = np.asarray(x, dtype=np.float64) if _serves(x, shift_x) else np.subtract(x, shift_x, order="C")
        return cls(shifted, y - shift_y, w, entering.n_missing, entering.missing, shift_x, shift_y)


def near_means(X: Spectra, y: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Means of about a hundred of the rows that enter, from all over: near enough to shift by, and soon known.

    Those of spectra are 0 where every wavelength's mean is within a few of its standard deviations: such spectra need
    no shift.
    """
    entering = np.flatnonzero(Entering.of(X, y, weights).rows)
    if entering.size == 0:
        raise InputError("PLS needs spectra with reference values, got none")
    some = entering[:: max(1, entering.size // 100)]
    mean, deviation = (np.asarray(found(X[some], axis=0, dtype=np.float64)) for found in (np.mean, np.std))
    shift = mean if (np.abs(mean) > _NEAR * deviation).any() else np.zeros(mean.shape)
    return shift, np.asarray(y[some].mean(axis=0))


def _serves(x: Spectra, shift: Array) -> bool:
    """Whether spectra serve as rows as they are, without a copy."""
    return x.dtype == np.float64 and x.flags.c_contiguous and not shift.any()


def prefers_rows(n: int, p: int, n_components: int, *, copied: bool = True) -> bool:
    """Whether so many components of n spectra of p wavelengths cost less from the rows than from moments.

    Parameters
    ----------
    n, p, n_components : int
    copied : bool, optional
        Whether the rows have to be copied, which they are where they must be shifted.

    Notes
    -----
    In units of one multiplication of X'X at full speed, moments cost n p (p + 100), and 15 p^2 for each component. The
    rows cost 19 n p for each component, and sums before the first as much as 4. A copy that is too large for memory to
    be used again costs as much as 4 components where memory is at hand and 40 where a virtual machine has to ask its
    host for it; 12 are counted. Measured on one thread, 100 to 48,000 spectra of 50 to 1600 wavelengths and 2 to 40
    components: with memory at hand, the form that this says is nowhere more than 10 % slower than the other.
    """
    passes = n_components + 4 + (12 if copied and n * p > _LARGE else 0)
    return 19 * n * passes < n * (p + 100) + 15 * n_components * p


def best_form(X: Spectra, y: Array, n_components: int, weights: Array | None = None) -> Moments | Rows:
    """Return the data in the form that `fit` does less work on; both give the same model, to rounding.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Treated spectra.
    y : ndarray of shape (n,) or (n, m)
        Reference values; rows without are skipped and counted.
    n_components : int
    weights : ndarray of shape (n,), optional
    """
    y = np.asarray(y, dtype=np.float64)
    shift_x, shift_y = near_means(X, y, weights)
    if prefers_rows(X.shape[0], X.shape[1], n_components, copied=not _serves(X, shift_x)):
        return Rows.of(X, y, weights)
    return moments(X, y, shift_x, shift_y, weights)


def fit(data: Moments | Rows, n_components: int, *, scale_x: bool = False) -> PLSModel:
    """Fit PLS1 with up to `n_components` components.

    Parameters
    ----------
    data : Moments or Rows
        Calibration data of one response.
    n_components : int
        Most components; fewer come back, with a warning, where the covariance with y is used up before.
    scale_x : bool, optional
        Divide wavelengths by their sample standard deviations (n - 1). The model is still in the units of the spectra.

    Returns
    -------
    PLSModel

    Raises
    ------
    InputError
        If there are too few rows for so many components, or nothing in X varies with y.

    Warns
    -----
    RankWarning
        If there are fewer components; the warning names the first that is missing.

    References
    ----------
    Improved kernel algorithms 1 (rows) and 2 (moments): Dayal and MacGregor, *J. Chemometrics* 11 (1997) 73.
    """
    if data.shift_y.ndim:
        raise InputError(f"PLS1 needs one response, got {data.shift_y.size}; `fit_pls2` takes several")
    return _fitted(data, n_components, scale_x, scale_y=False).response(0)


def fit_pls2(data: Moments | Rows, n_components: int, *, scale_x: bool = False, scale_y: bool = False) -> PLS2Model:
    """Fit PLS2, in which several responses share the components.

    Parameters
    ----------
    data : Moments or Rows
        Calibration data of m responses. Only rows that have all of them enter; `missing` says how many lack each.
        Where many lack one, a PLS1 for each response learns from more.
    n_components : int
    scale_x, scale_y : bool, optional
        Divide wavelengths, and responses, by their sample standard deviations; without `scale_y` the response that
        varies most, in its own units, decides most.

    Returns
    -------
    PLS2Model

    Raises
    ------
    InputError
        As `fit`.

    Warns
    -----
    RankWarning
        As `fit`.

    References
    ----------
    Dayal and MacGregor, as in `fit`: the weights are the first left singular vector of the deflated X'Y.
    """
    return _fitted(data, n_components, scale_x, scale_y)


def _fitted(data: Moments | Rows, n_components: int, scale_x: bool, scale_y: bool) -> PLS2Model:
    lanes = lane_of_rows(data) if isinstance(data, Rows) else lane_of_moments(data)

    def product(v: Array) -> Array:
        return v @ data.xx if isinstance(data, Moments) else there_and_back(data, v)

    found = solve(lanes, product, n_components, scale_x=scale_x, scale_y=scale_y)
    a = int(found.found[0])
    if a < n_components:
        warnings.warn(
            f"PLS ends at component {a} of {n_components}: what component {a + 1} would model is rounding",
            RankWarning,
            stacklevel=3,
        )
    R, Q = found.rotations[0, :a], found.y_loadings[0, :a]
    return PLS2Model(
        x_mean=found.x_mean[0],
        y_mean=found.y_mean[0],
        weights=np.ascontiguousarray(found.weights[0, :a].T),
        loadings=np.ascontiguousarray(found.loadings[0, :a].T),
        y_loadings=Q.copy(),
        rotations=np.ascontiguousarray(R.T),
        coefficients=np.cumsum(R[:, :, None] * Q[:, None, :], axis=0),
        score_variance=found.score_variance[0, :a].copy(),
        n_samples=int(lanes.n[0]),
    )


def lane_of_moments(m: Moments) -> Lanes:
    """Return moments as one lane."""
    return _lane(m.n, m.weight, m.sum_x, np.diagonal(m.xx), m.sum_y, m.yy, m.xy, m)


def lane_of_rows(rows: Rows) -> Lanes:
    """Return the moments of rows, X'X apart, as one lane."""
    n, p = rows.x.shape
    w = np.ones(n) if rows.weights is None else rows.weights
    weighted_y = (rows.y.T * w).T
    sum_x, squares, xy = np.zeros(p), np.zeros(p), np.zeros((p, *rows.y.shape[1:]))
    for block in cached_blocks(n):
        x = rows.x[block]
        # The squares first: of products with vectors, BLAS is slow to fetch a block that is not in the cache yet.
        squares += w[block] @ np.square(x)
        sum_x += w[block] @ x
        xy += x.T @ weighted_y[block]
    if not np.isfinite(sum_x).all():
        raise InputError("spectra with reference values must be finite, and at least one is not")
    sum_y, yy = weighted_y.sum(axis=0), (weighted_y * rows.y).sum(axis=0)
    return _lane(n, float(w.sum()), sum_x, squares, sum_y, yy, xy, rows)


def cached_blocks(n: int) -> Iterator[slice]:
    """Rows of which a product there and back is formed at a time."""
    return (slice(start, start + _CACHED) for start in range(0, n, _CACHED))


def _lane(
    n: int, weight: float, sum_x: Array, squares: Array, sum_y: Array, yy: Array, xy: Array, data: Moments | Rows
) -> Lanes:
    p = sum_x.size
    return Lanes(
        n=np.array([float(n)]),
        weight=np.array([weight]),
        sum_x=sum_x[None],
        squares=squares[None],
        sum_y=sum_y.reshape(1, -1),
        yy=yy.reshape(1, -1),
        xy=xy.reshape(1, p, -1),
        shift_x=data.shift_x,
        shift_y=data.shift_y.reshape(-1),
        names=[""],
    )


def there_and_back(rows: Rows, v: Array) -> Array:
    """X'(X v) for vectors (L, p), by blocks that stay in the cache between the two products."""
    out = np.zeros(v.shape)
    for block in cached_blocks(rows.x.shape[0]):
        x = rows.x[block]
        # For one vector as in `lane_of_rows`: a dot product for each row fetches the block at the speed of memory.
        t = np.vecdot(x, v[0])[None] if len(v) == 1 else v @ x.T
        if rows.weights is not None:
            t *= rows.weights[block]
        out += t @ x
    return out
