"""Training sets as differences of moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pat.core.pls import Moments
from pat.core.pls.fitting import lane_of_moments
from pat.core.pls.lanes import Lanes
from pat.core.types import Array


def training_lanes(total: Moments, parts: Sequence[Lanes], names: Sequence[str], each: int) -> Lanes:
    """Return the moments of all rows less those of each part; `each` responses take a lane of their own."""
    whole = lane_of_moments(total)

    def spectra(name: str) -> Array:
        return np.repeat(np.concatenate([getattr(whole, name) - getattr(part, name) for part in parts]), each, axis=0)

    def responses(name: str) -> Array:
        less = np.concatenate([getattr(whole, name) - getattr(part, name) for part in parts])
        if each == 1:
            return less
        return np.moveaxis(less, -1, 1).reshape(len(parts) * each, *less.shape[1:-1], 1)

    return Lanes(
        **{name: spectra(name) for name in ("n", "weight", "sum_x", "squares")},
        **{name: responses(name) for name in ("sum_y", "yy", "xy")},
        shift_x=whole.shift_x,
        shift_y=whole.shift_y if each == 1 else np.tile(whole.shift_y, len(parts))[:, None],
        names=[name for name in names for _ in range(each)],
    )
