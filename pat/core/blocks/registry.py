"""Every statistic by its name, for studies and plots: of a whole run, or of the last block of one being mixed.

Small is good for all of them but the block mean, which has a target.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pat.core.blocks import components, predictions, spectral, target
from pat.core.blocks.constants import Constants
from pat.core.blocks.material import MOST_SEPARATE, Material, RunMaterial, RunReadings
from pat.core.elementwise import N, ratio, sqrt
from pat.core.types import Array
from pat.errors import InputError


@dataclass(frozen=True)
class Statistic:
    """A moving-block statistic.

    Attributes
    ----------
    label, unit : str
        For the axis of a plot; the unit of the predictions is "analyte", of the treated spectra "treated".
    paper : str
    of : callable
        The numbers (...), a float for one block, from the material and, by name, the constants that it needs.
    needs : tuple of str
        Names of those constants.
    reads : tuple of str
        What of the readings it needs beside the predictions.
    """

    label: str
    unit: str
    paper: str
    of: Callable[..., Any]
    needs: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


_TREATED = ("treated",)


def _sd(m: Material[N]) -> N:
    return sqrt(m.variance("value"))


def _rsd(m: Material[N]) -> N:
    return predictions.relative(_sd(m), m.mean("value"))


def _rsd_upper(m: Material[N], **constants: float) -> N:
    return predictions.rsd_upper(_sd(m), m.mean("value"), **constants)


def _largest(mark: str) -> Callable[..., Array]:
    return lambda m, **_: target.largest(m.block(mark))


def _rmsnv_t(m: Material[N], targets: Array) -> N:
    means, variances = ((part("rmsnv", earlier=True), part("rmsnv")) for part in (m.mean, m.variance))
    return abs(predictions.student_t(means, variances, m.block_size))


def _brown_forsythe(m: Material[Any], separate_blocks: int) -> Array:
    if not 2 <= separate_blocks <= MOST_SEPARATE:
        raise InputError(f"`separate_blocks` must be from 2 to {MOST_SEPARATE}, got {separate_blocks}")
    return predictions.brown_forsythe(m.separate(separate_blocks))


def _caterpillar(m: Material[Any], n_components: int, residual_limit: float, score_limit: float) -> Array:
    return components.caterpillar(m.rear, m.between, n_components, residual_limit, score_limit)


STATISTICS: dict[str, Statistic] = {
    "mbsd": Statistic("MBSD", "treated", "Sekulic 1996", lambda m: m.mbsd, (), _TREATED),
    "mbsd_ratio": Statistic(
        "MBSD over its smallest so far",
        "1",
        "Momose 2011",
        lambda m: ratio(m.mbsd, m.least_mbsd),
        (),
        _TREATED,
    ),
    "mean_square_difference": Statistic(
        "Mean square of differences, EWMA", "treated^2", "Blanco 2002", lambda m: m.change, (), _TREATED
    ),
    "static_ratio": Statistic(
        "Spectral variance over that of a static probe",
        "1",
        "Momose 2011",
        lambda m, static_variance: spectral.static_ratio(m.spectral_variance, static_variance),
        ("static_variance",),
        _TREATED,
    ),
    "moving_f": Statistic(
        "Moving F",
        "1",
        "Besseling 2015",
        lambda m: ratio(m.earlier_spectral_variance, m.spectral_variance),
        (),
        _TREATED,
    ),
    "moving_f_upper": Statistic(
        "Upper bound of the variance ratio",
        "1",
        "Besseling 2015",
        lambda m, f_quantile: f_quantile * ratio(m.earlier_spectral_variance, m.spectral_variance),
        ("f_quantile",),
        _TREATED,
    ),
    "caterpillar": Statistic(
        "Caterpillar: share outside",
        "1",
        "Flaten 2005",
        _caterpillar,
        ("n_components", "residual_limit", "score_limit"),
        _TREATED,
    ),
    "pc_sda": Statistic(
        "PC-SDA",
        "treated",
        "Puchert 2011",
        lambda m, n_components: components.pc_sda(m.components, n_components),
        ("n_components",),
        _TREATED,
    ),
    "block_mean": Statistic("Block mean", "analyte", "El-Hagrasy 2006", lambda m: m.mean("value")),
    "block_sd": Statistic("Block SD", "analyte", "El-Hagrasy 2006", _sd),
    "block_rsd": Statistic("Block RSD", "%", "El-Hagrasy 2006", _rsd),
    "block_rsd_upper": Statistic("Block RSD, upper bound", "%", "chi-square bound", _rsd_upper, ("upper_factor",)),
    "blend_rsd_upper": Statistic(
        "Blend RSD, upper bound, repeatability removed",
        "%",
        "chi-square bound",
        _rsd_upper,
        ("upper_factor", "repeatability", "slope"),
    ),
    "brown_forsythe": Statistic(
        "Brown-Forsythe of separate blocks", "1", "Brown 1974", _brown_forsythe, ("separate_blocks",)
    ),
    "rmsnv": Statistic("RMSNV, block mean", "analyte", "Shi 2008", lambda m, targets: m.mean("rmsnv"), ("targets",)),
    "rmsnv_t": Statistic("Student's t of RMSNV between blocks", "1", "Shi 2008", _rmsnv_t, ("targets",)),
    "t2_largest": Statistic("Largest T2", "1", "Puchert 2011", _largest("t2"), (), ("hotelling_t2",)),
    "t2_outside": Statistic(
        "Share with T2 outside",
        "1",
        "Puchert 2011",
        lambda m, t2_limit: target.share_outside(m.block("t2"), t2_limit),
        ("t2_limit",),
        ("hotelling_t2",),
    ),
    "q_largest": Statistic("Largest Q", "treated^2", "Jackson 1979", _largest("q"), (), ("q_residuals",)),
    "q_outside": Statistic(
        "Share with Q outside",
        "1",
        "Jackson 1979",
        lambda m, q_limit: target.share_outside(m.block("q"), q_limit),
        ("q_limit",),
        ("q_residuals",),
    ),
    "correlation_dissimilarity": Statistic(
        "Largest 1 - correlation", "1", "Cuesta Sanchez 1995", _largest("correlation"), ("reference",), _TREATED
    ),
    "cosine_dissimilarity": Statistic(
        "Largest 1 - cosine", "1", "Cuesta Sanchez 1995", _largest("cosine"), ("reference",), _TREATED
    ),
    "conformity_index": Statistic(
        "Conformity index", "1", "Ritchie 2003", _largest("conformity"), ("reference", "reference_sd"), _TREATED
    ),
}
"""Every moving-block statistic, by name."""


def plan(constants: Constants) -> dict[str, Callable[[Material[Any]], Any]]:
    """Return, by name, how every statistic is computed whose constants there are."""
    return {name: _ready(name, constants) for name in STATISTICS if not _missing(name, constants)}


def _missing(name: str, constants: Constants) -> list[str]:
    return [need for need in STATISTICS[name].needs if getattr(constants, need) is None]


def _ready(name: str, constants: Constants) -> Callable[[Material[Any]], Any]:
    statistic = STATISTICS[name]
    return partial(statistic.of, **{need: getattr(constants, need) for need in statistic.needs})


def series(name: str, run: RunReadings, block_size: int, constants: Constants | None = None) -> Array:
    """Return a statistic of every block of a run, each where its block ends.

    Parameters
    ----------
    name : str
        One of `STATISTICS`.
    run : RunReadings
        The m readings of the run, in their order.
    block_size : int
        Spectra in a block, n.
    constants : Constants, optional

    Returns
    -------
    ndarray of shape (m,)
        NaN until there are enough readings, and where a reading of the block is NaN.

    Raises
    ------
    InputError
        For an unknown name, a block size below 3, or readings or constants that the statistic needs and did not get.
    """
    if name not in STATISTICS:
        raise InputError(f"expected a statistic out of {', '.join(STATISTICS)}, got {name!r}")
    given = constants or Constants()
    if missing := _missing(name, given):
        raise InputError(f"statistic {name!r} expects the constants `{'`, `'.join(missing)}`, got none")
    found: Array = _ready(name, given)(RunMaterial(run, block_size, given))
    return found


def every_series(run: RunReadings, block_size: int, constants: Constants | None = None) -> dict[str, Array]:
    """Return all of `series` whose readings and constants there are, by name; much of the work is shared."""
    given = constants or Constants()
    material = RunMaterial(run, block_size, given)
    return {
        name: compute(material)
        for name, compute in plan(given).items()
        if all(getattr(run, read) is not None for read in STATISTICS[name].reads)
    }
