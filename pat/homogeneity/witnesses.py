"""The published statistics in accepted batches: where each lies in their plateaus, and what a batch like them keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pat.core import blocks
from pat.core.blocks import STATISTICS, Constants, Reference, RunReadings
from pat.core.evidence import Rule
from pat.core.types import Array, BoolArray
from pat.core.witnesses import StatisticLimit, Witnesses
from pat.homogeneity.plateau import Readings
from pat.limits import f_quantile, hotelling_t2_limit, log_tolerance_limit, tolerance_limit

# Limits cover this share of batches like the accepted ones, with this confidence.
_COVERAGE, _CONFIDENCE = 0.95, 0.95
_EACH_SIDE = (1.0 + _COVERAGE) / 2.0
# The caterpillar's own limits for a single spectrum.
_CATERPILLAR = 0.95
_COMPONENTS = 2
_SEPARATE_BLOCKS = 4
# Where good spectra vary less than this share of where they vary most, a treatment has fixed them, up to rounding.
_FIXED = 1e-9
_SHARES = ("caterpillar", "t2_outside", "q_outside")


@dataclass(frozen=True)
class Course:
    """The published statistics in the plateau of one accepted batch.

    Attributes
    ----------
    batch : str
    values : dict of str to ndarray of shape (k,)
        Of the k blocks that lie in the plateau whole, with all that the statistic compares them with; by name.
    """

    batch: str
    values: dict[str, Array]


def witnesses_before_limits(accepted: Sequence[Readings], static: Sequence[Readings], block_size: int) -> Witnesses:
    """Learn what the statistics need; their limits, which need the statistics, are yet to come.

    Parameters
    ----------
    accepted, static : sequence of Readings
        Plateaus of accepted batches, and readings of static material.
    block_size : int
        Spectra in a block, n.
    """
    n, a = block_size, min(_COMPONENTS, block_size - 2)
    return Witnesses(
        n_components=a,
        separate_blocks=_SEPARATE_BLOCKS,
        residual_limit=f_quantile(_CATERPILLAR, 1, n - a - 1),
        score_limit=hotelling_t2_limit(n, a, _CATERPILLAR),
        static_variance=_static_variance(static, n),
        reference=_reference(accepted),
        limits={},
    )


def _static_variance(static: Sequence[Readings], block_size: int) -> float:
    """Mean spectral variance of blocks of static material."""
    each = [blocks.spectral_variance(run.in_blocks(run.treated, block_size)) for run in static]
    return float(np.concatenate(each).mean())


def _reference(accepted: Sequence[Readings]) -> Reference:
    """Return the mean of all batches' mean spectra, and the SD of a spectrum about it, within batches and between."""
    mean = np.mean([run.treated.mean(axis=0) for run in accepted], axis=0)
    sd = np.sqrt(np.mean([((run.treated - mean) ** 2).mean(axis=0) for run in accepted], axis=0))
    return Reference(mean, sd if sd.min() > _FIXED * sd.max() else None)


def course(
    batch: str, run: RunReadings, good: BoolArray, usable: BoolArray, constants: Constants, block_size: int, start: int
) -> Course:
    """Compute the published statistics of an accepted batch, as the line does, and keep those of its plateau.

    Parameters
    ----------
    batch : str
    run : RunReadings
        All m readings from the first revolution on; some statistics look back that far.
    good, usable : ndarray of bool, shape (m,)
        Readings in scope; and those that were measured properly, in scope or not, which alone can say how many lie
        outside it.
    constants : Constants
    block_size : int
        Spectra in a block, n.
    start : int
        First reading of the plateau.
    """
    scope = {name for name, one in STATISTICS.items() if {"hotelling_t2", "q_residuals"} & set(one.reads)}
    of_good = blocks.every_series(_only(replace(run, hotelling_t2=None, q_residuals=None), good), block_size, constants)
    of_usable = blocks.every_series(_only(replace(run, treated=None), usable), block_size, constants)
    found = {name: _within(series, int(good[:start].sum())) for name, series in of_good.items()}
    found |= {name: _within(of_usable[name], int(usable[:start].sum())) for name in scope & set(of_usable)}
    return Course(batch, found)


def _only(run: RunReadings, kept: BoolArray) -> RunReadings:
    treated, t2, q = (None if part is None else part[kept] for part in (run.treated, run.hotelling_t2, run.q_residuals))
    return RunReadings(run.values[kept], treated, t2, q)


def _within(series: Array, start: int) -> Array:
    """Values (k,) whose blocks, and those that they are compared with, begin at or after `start`."""
    known = np.flatnonzero(np.isfinite(series))
    # A statistic looks back as far as it takes to have its first value.
    inside = known[known >= start + known[0]] if known.size else known
    return np.asarray(series[inside])


def with_limits(witnesses: Witnesses, rule: Rule, courses: Sequence[Course]) -> Witnesses:
    """Return the witnesses with a limit for each statistic that every accepted batch has.

    Parameters
    ----------
    witnesses : Witnesses
    rule : Rule
        Its block size, and its limit of the MBSD, which is one of its verdicts: the two must not differ.
    courses : sequence of Course
        Of 3 batches at least.

    Notes
    -----
    Each limit is a one-sided normal tolerance limit (95 % of batches like the accepted ones, 95 % confidence) of a
    batch's largest value. It allows for how few batches there are, and for a batch having many blocks. Values that
    cannot be negative are taken on a log scale. Shares of a block's spectra are taken on the scale
    arcsin sqrt((x + 3/8) / (n + 3/4)) of the count x (Anscombe, *Biometrika* 35 (1948) 246), on which counting alone
    makes an SD of 1 / sqrt(4 n + 2): no fewer is believed, so that batches without any such spectrum do not forbid one.
    The block mean has limits on both sides, of a batch's largest and smallest, each of which covers half of the rest.
    """
    names = [name for name in STATISTICS if all(one.values.get(name, np.empty(0)).size for one in courses)]
    limits = {name: _limit(name, [one.values[name] for one in courses], rule) for name in names}
    return replace(witnesses, limits=_with_the_rules(limits, rule))


def _with_the_rules(limits: Mapping[str, StatisticLimit], rule: Rule) -> dict[str, StatisticLimit]:
    return {name: limit._replace(high=rule.mbsd_limit) if name == "mbsd" else limit for name, limit in limits.items()}


def _limit(name: str, values: Sequence[Array], rule: Rule) -> StatisticLimit:
    median = float(np.median(np.concatenate(values)))
    if name == "block_mean":
        highest, lowest = (np.array([pick(v) for v in values]) for pick in (np.max, np.min))
        high, low = (tolerance_limit(values, _EACH_SIDE, _CONFIDENCE) for values in (highest, -lowest))
        return StatisticLimit(median, high, -low)
    largest = np.array([v.max() for v in values])
    if name in _SHARES:
        return StatisticLimit(median, _of_share(largest, rule.block_size))
    return StatisticLimit(median, log_tolerance_limit(largest, _COVERAGE, _CONFIDENCE))


def _of_share(largest: Array, n: int) -> float:
    """Upper tolerance limit of a share of `n` spectra."""
    angles = np.arcsin(np.sqrt((n * largest + 0.375) / (n + 0.75)))
    angle = tolerance_limit(angles, _COVERAGE, _CONFIDENCE, least_sd=1.0 / np.sqrt(4.0 * n + 2.0))
    count = (n + 0.75) * np.sin(min(angle, np.pi / 2.0)) ** 2 - 0.375
    return float(min(count / n, 1.0))
