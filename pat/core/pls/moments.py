"""Moments: all that partial least squares needs to know of a data set, in one pass over its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pat.core.types import Array, BoolArray, IntArray
from pat.errors import InputError

Spectra: TypeAlias = NDArray[np.float64] | NDArray[np.float32]

# Rows that are shifted, and widened to double precision, at a time: few enough for a small copy, enough to keep the
# product of each block at full speed.
BLOCK = 4096


@dataclass(frozen=True)
class Moments:
    """Moments of spectra and of one response, or of m responses, about fixed shifts.

    Moments of batches add up, and come off again: one pass serves every model of every subset of the batches.

    Attributes
    ----------
    n, n_missing : int
        Rows that entered, and rows skipped because they have no reference value of some response.
    weight : float
        Sum of the weights of the rows that entered; n where the rows have none.
    sum_x : ndarray of shape (p,)
        Weighted sum of x - shift_x.
    sum_y : ndarray of shape () or (m,)
        Weighted sum of y - shift_y.
    xx : ndarray of shape (p, p)
    xy : ndarray of shape (p,) or (p, m)
    yy : ndarray of shape () or (m,)
        Weighted sums of products of the shifted values; of the responses, the squares alone.
    missing : ndarray of int, shape () or (m,)
        Rows that lack each response.
    shift_x : ndarray of shape (p,)
    shift_y : ndarray of shape () or (m,)
        The shifts, near the means so that centring cancels little.
    """

    n: int
    n_missing: int
    weight: float
    sum_x: Array
    sum_y: Array
    xx: Array
    xy: Array
    yy: Array
    missing: IntArray
    shift_x: Array
    shift_y: Array


_ADDITIVE = [f.name for f in fields(Moments) if not f.name.startswith("shift")]


def moments(
    X: Spectra,
    y: Array,
    shift_x: Array,
    shift_y: float | Array,
    weights: Array | None = None,
    *,
    xx: Array | None = None,
) -> Moments:
    """Moments of spectra and reference values.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Treated spectra, in single or double precision; products are summed in double precision.
    y : ndarray of shape (n,) or (n, m)
        Reference values. A row that lacks one (NaN) is skipped and counted: X'X belongs to all responses, so every
        response is learnt from the same rows.
    shift_x, shift_y : ndarray of shape (p,), and float or ndarray of shape (m,)
        Values near the means, the same for all moments that are to be added.
    weights : ndarray of shape (n,), optional
        Weights of the rows, from 0; a row of weight 0 does not enter and is not counted.
    xx : ndarray of shape (p, p), optional
        X'X of just the rows that enter, where moments with another response hold it already (same spectra, weights
        and `shift_x`); it is then not computed again.

    Returns
    -------
    Moments

    Raises
    ------
    InputError
        If shapes do not fit, weights are negative, or a spectrum that enters is not finite.
    """
    y = np.asarray(y, dtype=np.float64)
    entering = Entering.of(X, y, weights)
    shift_y = np.broadcast_to(np.asarray(shift_y, dtype=np.float64), y.shape[1:])
    sums = _sums(X, y - shift_y, entering, shift_x, xx)
    if not np.isfinite(sums[0]).all():
        raise InputError("spectra with reference values must be finite, and at least one is not")
    return Moments(
        entering.n, entering.n_missing, entering.weight, *sums, entering.missing, np.asarray(shift_x), shift_y
    )


@dataclass(frozen=True)
class Entering:
    """Which rows of a data set enter a model.

    Attributes
    ----------
    rows : ndarray of bool, shape (n,)
        Those that have every reference and a weight above 0.
    weights : ndarray of shape (n,) or None
    n_missing : int
        Rows with a weight that lack a reference.
    missing : ndarray of int, shape () or (m,)
        Rows with a weight that lack each response.
    """

    rows: BoolArray
    weights: Array | None
    n_missing: int
    missing: IntArray

    @classmethod
    def of(cls, X: Spectra, y: Array, weights: Array | None) -> Entering:
        """Look at references y (n,) or (n, m), and check that the shapes fit and the weights are weights."""
        if X.ndim != 2 or y.ndim not in (1, 2) or y.shape[0] != X.shape[0]:
            raise InputError(f"`X` must be (n, p) and `y` (n,) or (n, m), got {X.shape} and {y.shape}")
        given = _checked_weights(weights, y.shape[0])
        weighs = np.ones(y.shape[0], dtype=np.bool_) if given is None else given > 0.0
        unknown = np.isnan(y if y.ndim == 2 else y[:, None]) & weighs[:, None]
        lacking = unknown.any(axis=1)
        missing = np.asarray(unknown.sum(axis=0), dtype=np.int64).reshape(y.shape[1:])
        return cls(weighs & ~lacking, given, int(lacking.sum()), missing)

    @property
    def n(self) -> int:
        """Number of rows that enter."""
        return int(self.rows.sum())

    @property
    def weight(self) -> float:
        """Sum of their weights."""
        return float(self.n) if self.weights is None else float(self.weights[self.rows].sum())


def _checked_weights(weights: Array | None, n: int) -> Array | None:
    if weights is None:
        return None
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (n,):
        raise InputError(f"`weights` must be one for each of the {n} spectra, got shape {given.shape}")
    if not (np.isfinite(given) & (given >= 0.0)).all():
        raise InputError(f"`weights` must be finite and not negative, got {given.min():g} to {given.max():g}")
    return given


def _sums(
    X: Spectra, y: Array, entering: Entering, shift: Array, xx: Array | None
) -> tuple[Array, Array, Array, Array, Array]:
    """Return sums of x and y, X'X, X'y and the squares of y, of shifted y and spectra still to be shifted.

    A row is widened by its references and a 1, so that one product gives all of them.
    """
    p, shape = X.shape[1], y.shape[1:]
    wide = y.reshape(y.shape[0], int(np.prod(shape, dtype=np.int64)))
    room = np.empty((min(BLOCK, y.shape[0]), p + wide.shape[1] + 1))
    sums, product = np.zeros((room.shape[1], room.shape[1])), np.empty((room.shape[1], room.shape[1]))
    for rows in _blocks(entering.rows):
        kept = X[rows]
        block = room[: kept.shape[0]]
        np.subtract(kept, shift, out=block[:, :p])
        block[:, p:-1], block[:, -1] = wide[rows], 1.0
        if entering.weights is not None:
            block *= np.sqrt(entering.weights[rows])[:, None]
        if xx is None:
            # Of an array with itself numpy computes one triangle (BLAS syrk): half the work, and exactly symmetric.
            sums += np.matmul(block.T, block, out=product)
        else:
            sums[:, p:] += block.T @ block[:, p:]
    whole = sums[:p, :p].copy() if xx is None else xx
    sum_y, squares = sums[p:-1, -1].reshape(shape).copy(), np.diagonal(sums)[p:-1].reshape(shape).copy()
    return sums[:p, -1].copy(), sum_y, whole, sums[:p, p:-1].reshape(p, *shape).copy(), squares


def _blocks(enters: BoolArray) -> Iterator[slice | IntArray]:
    """Consecutive blocks of the rows that enter; as slices where all do, which numpy need not copy."""
    for start in range(0, enters.size, BLOCK):
        block = enters[start : start + BLOCK]
        if block.all():
            yield slice(start, start + block.size)
        elif block.any():
            yield start + np.flatnonzero(block)


def _require_same_shift(a: Moments, b: Moments) -> None:
    if not (np.array_equal(a.shift_y, b.shift_y) and np.array_equal(a.shift_x, b.shift_x)):
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


def one_response(m: Moments, index: int) -> Moments:
    """Moments of one of several responses, the rows still being those that have them all.

    Raises
    ------
    InputError
        If there is no such response.
    """
    if m.sum_y.ndim == 0 or not 0 <= index < m.sum_y.size:
        raise InputError(f"`index` must be that of one of {m.sum_y.size} responses, got {index}")
    picked: dict[str, Any] = {
        name: np.asarray(getattr(m, name)[..., index]) for name in ("sum_y", "xy", "yy", "missing", "shift_y")
    }
    return replace(m, **picked)
