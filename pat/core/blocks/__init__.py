"""Moving-block statistics, and the ring buffers that a batch being mixed keeps them in.

Each statistic is computed from the block's own samples. Nothing is updated by adding the new and subtracting the
old, which would keep the rounding error of a spike long after the spike has left the block. A function takes blocks
with any leading axes, so the same one serves a whole run and the last block of a batch being mixed. What depends on
a NaN is NaN.
"""

from pat.core.blocks.components import Components, caterpillar, pc_sda, principal_components
from pat.core.blocks.constants import Constants
from pat.core.blocks.distances import between, lagged_distances, nearest, nearest_of, novelty, squared_distances, within
from pat.core.blocks.material import RunReadings
from pat.core.blocks.predictions import (
    block_mean,
    block_median,
    block_sd,
    brown_forsythe,
    relative,
    rmsnv,
    rsd_upper,
    student_t,
    successive_sd,
)
from pat.core.blocks.registry import STATISTICS, Statistic, every_series, series
from pat.core.blocks.ring import Ring, blocks_of, sliding
from pat.core.blocks.spectral import (
    effective_df,
    ewma,
    mbsd,
    mean_square_difference,
    moving_f,
    spectral_variance,
    spread,
    static_ratio,
    wavelength_variance,
)
from pat.core.blocks.target import (
    Reference,
    conformity_index,
    correlation_dissimilarity,
    cosine_dissimilarity,
    largest,
    share_outside,
)
from pat.core.blocks.window import Apart, BlockStatistics, Window
from pat.core.elementwise import ratio

__all__ = [
    "STATISTICS",
    "Apart",
    "BlockStatistics",
    "Components",
    "Constants",
    "Ring",
    "Reference",
    "RunReadings",
    "Statistic",
    "Window",
    "between",
    "block_mean",
    "block_median",
    "block_sd",
    "blocks_of",
    "brown_forsythe",
    "caterpillar",
    "conformity_index",
    "correlation_dissimilarity",
    "cosine_dissimilarity",
    "effective_df",
    "every_series",
    "ewma",
    "lagged_distances",
    "largest",
    "mbsd",
    "mean_square_difference",
    "moving_f",
    "nearest",
    "nearest_of",
    "novelty",
    "pc_sda",
    "principal_components",
    "ratio",
    "relative",
    "rmsnv",
    "rsd_upper",
    "series",
    "share_outside",
    "sliding",
    "spectral_variance",
    "spread",
    "squared_distances",
    "static_ratio",
    "student_t",
    "successive_sd",
    "wavelength_variance",
    "within",
]
