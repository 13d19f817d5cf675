"""The recursion of partial least squares, for many training sets in step.

A *lane* is one training set: a whole calibration, or what is left of it without one batch. Lanes that share X'X advance
together, so that the product of X'X with each lane's rotation becomes one matrix product for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pat.core.types import Array, BoolArray, IntArray
from pat.errors import InputError

# Below this share of the first component's covariance with y, what is left of it is rounding.
_EXHAUSTED = 1e-13
# Below this share of the spectra's sum of squares, the variance in a direction is rounding.
_ROUNDING = 1e-14

# Takes vectors (L, p), gives each lane's X'X, of shifted spectra that are not centred, times its vector: (L, p).
Product = Callable[[Array], Array]


@dataclass(frozen=True)
class Lanes:
    """Moments of L training sets about common shifts, X'X apart; attributes as in `Moments`, lanes first.

    Attributes
    ----------
    n, weight : ndarray of shape (L,)
    sum_x, squares : ndarray of shape (L, p)
        `squares` is the diagonal of X'X.
    sum_y, yy : ndarray of shape (L, m)
    xy : ndarray of shape (L, p, m)
    shift_x, shift_y : ndarray of shape (p,) or (L, p), ndarray of shape (m,) or (L, m)
    names : sequence of str
        How an error calls each lane; empty for a lane that needs no name.
    """

    n: Array
    weight: Array
    sum_x: Array
    squares: Array
    sum_y: Array
    yy: Array
    xy: Array
    shift_x: Array
    shift_y: Array
    names: Sequence[str]


@dataclass(frozen=True)
class Solution:
    """PLS of L lanes with up to A components, in the units of the spectra and responses.

    Attributes
    ----------
    x_mean, y_mean : ndarray of shape (L, p), ndarray of shape (L, m)
    weights, rotations, loadings : ndarray of shape (L, A, p)
        W, R and P; rows beyond a lane's last component are zero.
    y_loadings : ndarray of shape (L, A, m)
    score_variance : ndarray of shape (L, A)
    found : ndarray of int, shape (L,)
        Components that each lane has.
    """

    x_mean: Array
    y_mean: Array
    weights: Array
    rotations: Array
    loadings: Array
    y_loadings: Array
    score_variance: Array
    found: IntArray


def solve(lanes: Lanes, product: Product, n_components: int, *, scale_x: bool, scale_y: bool) -> Solution:
    """Partial least squares of every lane.

    Parameters
    ----------
    lanes : Lanes
    product : callable
    n_components : int
        Most components, A.
    scale_x, scale_y : bool
        Whether wavelengths, and responses, are divided by their sample standard deviations in each lane's own rows.

    Raises
    ------
    InputError
        If there are too few rows for so many components, or the spectra or a response do not vary.
    """
    _require_enough(lanes, n_components)
    mean_x, mean_y = lanes.sum_x / lanes.weight[:, None], lanes.sum_y / lanes.weight[:, None]
    x_mean, y_mean = lanes.shift_x + mean_x, lanes.shift_y + mean_y
    of_x, of_y = lanes.squares - lanes.sum_x * mean_x, lanes.yy - lanes.sum_y * mean_y
    _require_variation(lanes, x_mean, y_mean, of_x, of_y)
    unit_x = _sample_sd(lanes, of_x, _is_rounding(lanes, of_x, lanes.squares, x_mean**2), scale_x)
    unit_y = _sample_sd(lanes, of_y, np.zeros(of_y.shape, dtype=np.bool_), scale_y)
    covariance = (lanes.xy - lanes.sum_x[:, :, None] * mean_y[:, None, :]) / unit_x[:, :, None] / unit_y[:, None, :]

    def centred(v: Array) -> Array:
        v = v / unit_x
        return np.asarray((product(v) - lanes.sum_x * (mean_x * v).sum(axis=1, keepdims=True)) / unit_x)

    W, R, P, Q, tt, found = _components(covariance, centred, (of_x / unit_x**2).sum(axis=1), n_components)
    if not found.all():
        name = lanes.names[int(np.argmin(found))]
        raise InputError(f"{name}PLS found nothing in the spectra that varies with the reference values")
    unit = unit_x[:, None, :]
    variance = tt / (lanes.n - 1.0)[:, None] * (lanes.n / lanes.weight)[:, None]
    return Solution(x_mean, y_mean, W / unit, R / unit, P * unit, Q * unit_y[:, None, :], variance, found)


def _components(
    s: Array, product: Product, total: Array, n_components: int
) -> tuple[Array, Array, Array, Array, Array, IntArray]:
    """Return W, R, P, Q, t't and the number of components found, from covariances s (L, p, m).

    With C = X'X: w is the direction of s that covaries most with y; r is w made C-orthogonal to the rotations before
    it; c = C r, t't = r'c, p = c / t't, q = s'r / t't; s is deflated by p q' t't. A lane whose covariance or variance
    is used up stops, and its zeros change nothing more.
    """
    n_lanes, p, m = s.shape
    W, R, P = (np.zeros((n_lanes, n_components, p)) for _ in range(3))
    Q, tt, found = np.zeros((n_lanes, n_components, m)), np.zeros((n_lanes, n_components)), np.zeros(n_lanes, np.int64)
    live, first = np.ones(n_lanes, dtype=np.bool_), np.zeros(n_lanes)
    for a in range(n_components):
        w, length = _direction(s)
        first = length if a == 0 else first
        live &= length > _EXHAUSTED * first
        w /= np.where(live, length, 1.0)[:, None]
        onto = np.matmul(P[:, :a], w[:, :, None])
        r = w - np.matmul(onto.transpose(0, 2, 1), R[:, :a])[:, 0]
        c = product(r)
        squared = (r * c).sum(axis=1)
        live &= squared > _ROUNDING * total * (r * r).sum(axis=1)
        if not live.any():
            break
        squared = np.where(live, squared, 1.0)
        W[live, a], R[live, a], P[live, a], tt[live, a] = w[live], r[live], (c / squared[:, None])[live], squared[live]
        Q[live, a] = (np.matmul(r[:, None, :], s)[:, 0] / squared[:, None])[live]
        s = s - P[:, a, :, None] * (Q[:, a] * squared[:, None])[:, None, :]
        found[live] = a + 1
    return W, R, P, Q, tt, found


def _direction(s: Array) -> tuple[Array, Array]:
    """Vectors (L, p) along the most covariance with the responses, and their lengths, that covariance.

    Of one response that is s itself; of several, its first left singular vector, signed so that the response which
    weighs most in it weighs positively.
    """
    if s.shape[2] == 1:
        w = s[:, :, 0].copy()
    else:
        v = np.linalg.eigh(np.matmul(s.transpose(0, 2, 1), s))[1][:, :, -1]
        heaviest = np.take_along_axis(v, np.abs(v).argmax(axis=1)[:, None], axis=1)
        w = np.matmul(s, (v * np.sign(heaviest))[:, :, None])[:, :, 0]
    return w, np.sqrt((w * w).sum(axis=1))


def _is_rounding(lanes: Lanes, centred: Array, shifted: Array, squared_mean: Array) -> BoolArray:
    """Whether centred sums of squares are no more than the rounding of the values and sums that they came from."""
    of_values = lanes.n.reshape(-1, *[1] * (centred.ndim - 1)) * squared_mean * (8.0 * np.finfo(np.float64).eps) ** 2
    return np.asarray(~(centred > np.maximum(of_values, _ROUNDING * shifted)))


def _sample_sd(lanes: Lanes, centred: Array, constant: BoolArray, wanted: bool) -> Array:
    """Sample standard deviations to divide by, (L, p) or (L, m): 1 where a column is constant, or none are wanted.

    With weights: the weighted mean square times n / (n - 1), which does not change when all weights are multiplied.
    """
    if not wanted:
        return np.ones(centred.shape)
    variance = centred / lanes.weight[:, None] * (lanes.n / (lanes.n - 1.0))[:, None]
    return np.sqrt(np.where(constant, 1.0, variance))


def _require_enough(lanes: Lanes, n_components: int) -> None:
    least, p = int(np.argmin(lanes.n)), lanes.sum_x.shape[1]
    n = int(lanes.n[least])
    most = min(n - 1, p)
    if not 1 <= n_components <= most:
        raise InputError(
            f"{lanes.names[least]}`n_components` must be from 1 to {most} for {n} spectra of {p} wavelengths, "
            f"got {n_components}"
        )


def _require_variation(lanes: Lanes, x_mean: Array, y_mean: Array, of_x: Array, of_y: Array) -> None:
    flat = _is_rounding(lanes, of_y, lanes.yy, y_mean**2)
    if flat.any():
        lane, response = (int(i) for i in np.argwhere(flat)[0])
        which = f" of response {response}" if of_y.shape[1] > 1 else ""
        raise InputError(
            f"{lanes.names[lane]}PLS needs reference values{which} that vary, got {lanes.n[lane]:.0f} that are all "
            f"{y_mean[lane, response]:g}"
        )
    alike = _is_rounding(lanes, of_x.sum(axis=1), lanes.squares.sum(axis=1), (x_mean**2).sum(axis=1))
    if alike.any():
        lane = int(np.argmax(alike))
        raise InputError(f"{lanes.names[lane]}PLS needs spectra that vary, got {lanes.n[lane]:.0f} that are all alike")
