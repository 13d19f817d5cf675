"""Partial least squares (one response) from moments.

A data set enters only through its moments about a common shift: counts, sums, X'X, X'y and y'y. Moments of
batches add up, so one pass over chunked data serves the model, every number of components, and every
leave-one-batch-out fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from pat.core.types import Array
from pat.errors import InputError

# Below this share of the first component's covariance with y, what is left of it is rounding.
_EXHAUSTED = 1e-13
# Below this share of the spectra's sum of squares, the variance in a direction is rounding.
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Moments:
    """Moments of spectra and one response about fixed shifts.

    Attributes
    ----------
    n, n_missing : int
        Rows that entered, and rows skipped because they have no reference value.
    sum_x, sum_y : ndarray of shape (p,), float
        Sums of x - shift_x and y - shift_y.
    xx, xy, yy : ndarray of shape (p, p), ndarray of shape (p,), float
        Sums of products of the shifted values.
    shift_x, shift_y : ndarray of shape (p,), float
        The shifts, near the means so that centring cancels little.
    """

    n: int
    n_missing: int
    sum_x: Array
    sum_y: float
    xx: Array
    xy: Array
    yy: float
    shift_x: Array
    shift_y: float


@dataclass(frozen=True)
class PLSModel:
    """A PLS1 model on centred, unscaled spectra, for every number of components up to A.

    Attributes
    ----------
    x_mean, y_mean : ndarray of shape (p,), float
        Centres.
    weights, loadings, rotations : ndarray of shape (p, A)
        W, P and R, with scores T = (X - x_mean) R.
    y_loadings : ndarray of shape (A,)
        q.
    coefficients : ndarray of shape (A, p)
        Row a - 1 is the regression vector with a components.
    score_variance : ndarray of shape (A,)
        Sample variances (n - 1) of the calibration scores.
    n_samples : int
        Spectra that the model was fitted to.
    """

    x_mean: Array
    y_mean: float
    weights: Array
    loadings: Array
    y_loadings: Array
    rotations: Array
    coefficients: Array
    score_variance: Array
    n_samples: int

    @property
    def n_components(self) -> int:
        """Number of components A."""
        return int(self.y_loadings.size)

    def truncated(self, n_components: int) -> PLSModel:
        """Return the same model with its first `n_components` alone."""
        if not 1 <= n_components <= self.n_components:
            raise InputError(f"`n_components` must be from 1 to {self.n_components}, got {n_components}")
        a = n_components
        return replace(
            self,
            weights=self.weights[:, :a],
            loadings=self.loadings[:, :a],
            y_loadings=self.y_loadings[:a],
            rotations=self.rotations[:, :a],
            coefficients=self.coefficients[:a],
            score_variance=self.score_variance[:a],
        )


def moments(X: Array, y: Array, shift_x: Array, shift_y: float) -> Moments:
    """Moments of spectra X (n, p) and reference values y (n,); rows whose y is NaN are skipped and counted."""
    known = ~np.isnan(y)
    x = X[known] - shift_x
    v = y[known] - shift_y
    return Moments(
        n=int(known.sum()),
        n_missing=int((~known).sum()),
        sum_x=x.sum(axis=0),
        sum_y=float(v.sum()),
        xx=x.T @ x,
        xy=x.T @ v,
        yy=float(v @ v),
        shift_x=shift_x,
        shift_y=shift_y,
    )


_ADDITIVE = [f.name for f in fields(Moments) if not f.name.startswith("shift")]


def _require_same_shift(a: Moments, b: Moments) -> None:
    if a.shift_y != b.shift_y or not np.array_equal(a.shift_x, b.shift_x):
        raise InputError("moments about different shifts cannot be added or subtracted")


def combine(parts: Sequence[Moments]) -> Moments:
    """Moments of several batches together, summed in the order given, so that the bits repeat.

    Raises
    ------
    InputError
        If there are none, or they were formed about different shifts.
    """
    if not parts:
        raise InputError("moments of at least 1 batch are needed, got 0")
    total = parts[0]
    for part in parts[1:]:
        _require_same_shift(total, part)
        total = replace(total, **{name: getattr(total, name) + getattr(part, name) for name in _ADDITIVE})
    return total


def without(total: Moments, part: Moments) -> Moments:
    """Moments of `total` less those of `part`, one of the batches in it.

    Raises
    ------
    InputError
        If they were formed about different shifts.
    """
    _require_same_shift(total, part)
    return replace(total, **{name: getattr(total, name) - getattr(part, name) for name in _ADDITIVE})


def _centred(m: Moments) -> tuple[Array, float, Array, Array]:
    """Means, and X'X and X'y about them."""
    mean_x, mean_y = m.sum_x / m.n, m.sum_y / m.n
    xx = m.xx - np.outer(m.sum_x, mean_x)
    return m.shift_x + mean_x, m.shift_y + mean_y, (xx + xx.T) / 2.0, m.xy - m.sum_x * mean_y


def _is_rounding(centred: float, shifted: float, n: int, mean: Array) -> bool:
    """Whether a centred sum of squares is no more than the rounding of the values and sums that it came from."""
    of_values = n * float(mean @ mean) * (8.0 * np.finfo(np.float64).eps) ** 2
    return not centred > max(of_values, _ROUNDING * shifted)


def _require_variation(m: Moments, x_mean: Array, y_mean: float, cxx: Array) -> None:
    of_y = m.yy - m.sum_y**2 / m.n
    if _is_rounding(of_y, m.yy, m.n, np.array([y_mean])):
        raise InputError(f"PLS needs reference values that vary, got {m.n} that are all {y_mean:g}")
    if _is_rounding(float(np.trace(cxx)), float(np.trace(m.xx)), m.n, x_mean):
        raise InputError(f"PLS needs spectra that vary, got {m.n} that are all alike")


def fit(m: Moments, n_components: int) -> PLSModel:
    """Fit PLS1 with up to `n_components` components.

    Parameters
    ----------
    m : Moments
        Moments of the calibration data, p wavelengths.
    n_components : int
        Most components; fewer come back where the covariance with y is used up before.

    Returns
    -------
    PLSModel

    Raises
    ------
    InputError
        If there are too few rows for so many components, or nothing in X varies with y.

    Notes
    -----
    With C = X'X and s = X'y of centred data: w = s / |s|; r is w made C-orthogonal to the rotations before it;
    c = C r, t't = r'c, p = c / t't, q = r's / t't; s is deflated by p q t't. The regression vector with a
    components is the sum of r q over the first a.

    References
    ----------
    Improved kernel algorithm 2: Dayal and MacGregor, *J. Chemometrics* 11 (1997) 73.
    """
    p = m.sum_x.size
    if not 1 <= n_components <= min(m.n - 1, p):
        raise InputError(
            f"`n_components` must be from 1 to {min(m.n - 1, p)} for {m.n} spectra of {p} wavelengths, "
            f"got {n_components}"
        )
    x_mean, y_mean, cxx, s = _centred(m)
    _require_variation(m, x_mean, y_mean, cxx)
    W, P, R = (np.zeros((p, n_components)) for _ in range(3))
    q, tt = np.zeros(n_components), np.zeros(n_components)
    first, total, a = float(np.linalg.norm(s)), float(np.trace(cxx)), 0
    while a < n_components:
        norm = float(np.linalg.norm(s))
        if not norm > _EXHAUSTED * first:
            break
        w = s / norm
        r = w - R[:, :a] @ (P[:, :a].T @ w)
        c = cxx @ r
        if not r @ c > _ROUNDING * total * (r @ r):
            break
        W[:, a], R[:, a], tt[a] = w, r, r @ c
        P[:, a], q[a] = c / tt[a], (r @ s) / tt[a]
        s = s - P[:, a] * (q[a] * tt[a])
        a += 1
    if a == 0:
        raise InputError("PLS found nothing in the spectra that varies with the reference values")
    return PLSModel(
        x_mean=x_mean,
        y_mean=y_mean,
        weights=W[:, :a],
        loadings=P[:, :a],
        y_loadings=q[:a],
        rotations=R[:, :a],
        coefficients=np.cumsum(R[:, :a] * q[:a], axis=1).T.copy(),
        score_variance=tt[:a] / (m.n - 1),
        n_samples=m.n,
    )


def scores(model: PLSModel, X: Array) -> Array:
    """Scores (n, A) of treated spectra X (n, p)."""
    return np.asarray((X - model.x_mean) @ model.rotations)


def predict_all(model: PLSModel, X: Array) -> Array:
    """Predictions (n, A) of treated spectra X (n, p), one column for each number of components."""
    return np.asarray((X - model.x_mean) @ model.coefficients.T + model.y_mean)


def predict(model: PLSModel, X: Array) -> Array:
    """Predictions (n,) of treated spectra X (n, p) with all components of the model."""
    return np.asarray((X - model.x_mean) @ model.coefficients[-1] + model.y_mean)
