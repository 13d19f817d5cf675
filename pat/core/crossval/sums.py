"""Groups of which only moments are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pat.core.crossval.training import training_lanes
from pat.core.pls import Moments
from pat.core.pls.fitting import lane_of_moments
from pat.core.pls.lanes import Solution, solve
from pat.core.types import Array, IntArray


def squared_errors(
    total: Moments, parts: Sequence[Moments], n_components: int, *, scale_x: bool = False
) -> tuple[Array, IntArray]:
    """Leave groups out in turn, of which only moments are known: PLS1 without any spectrum.

    Parameters
    ----------
    total : Moments
        Moments of all rows, of one response.
    parts : sequence of Moments
        Of each group that is left out.
    n_components : int
    scale_x : bool, optional

    Returns
    -------
    sums : ndarray of shape (F, A)
        Sums of (weighted) squared errors of each group under the model without it; NaN beyond its components. They are
        differences of sums, so they lose the digits by which y'y exceeds them.
    found : ndarray of int, shape (F,)
        Components of each fold.
    """
    names = [f"without group {i}: " for i in range(len(parts))]
    lanes = training_lanes(total, [lane_of_moments(part) for part in parts], names, 1)
    stack = np.stack([part.xx for part in parts])

    def product(v: Array) -> Array:
        return np.asarray(v @ total.xx - np.matmul(v[:, None, :], stack)[:, 0])

    found = solve(lanes, product, n_components, scale_x=scale_x, scale_y=False)
    sums = np.stack([_squared_errors(found, i, part) for i, part in enumerate(parts)])
    return _nan_beyond(sums, found.found), found.found


def _squared_errors(found: Solution, lane: int, part: Moments) -> Array:
    b = np.cumsum(found.rotations[lane] * found.y_loadings[lane], axis=0)
    offset = found.y_mean[lane, 0] - part.shift_y - b @ (found.x_mean[lane] - part.shift_x)
    of_b = ((b @ part.xx) * b).sum(axis=1)
    cross = 2.0 * (offset * (b @ part.sum_x - part.sum_y) - b @ part.xy)
    return np.asarray(part.yy + part.weight * offset**2 + of_b + cross)


def _nan_beyond(values: Array, found: IntArray) -> Array:
    return np.where(np.arange(values.shape[1]) < found[:, None], values, np.nan)
