"""The usual end-point rules of the literature, over all blends at once: under a limit for so many blocks in a row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.blends import LIMIT, MEAN_RANGE, TARGET, Blends
from pat.core.types import Array, BoolArray

FIRST = 40
"""Revolutions before which no rule declares a blend."""
_ALPHA = 0.05


@dataclass(frozen=True)
class Reference:
    """What published rules take from accepted batches.

    Attributes
    ----------
    mbsd_limit : float
        Mean and three standard deviations of the MBSD of their plateaus, blocks of 10.
    degrees_of_freedom : float
        Effective degrees of freedom of one reading's spectral variance.
    target, max_rsd, max_mean_deviation : float
        What a uniform blend is: content (% w/w), and the largest RSD (%) and deviation of the mean (%).
    """

    mbsd_limit: float
    degrees_of_freedom: float
    target: float = TARGET
    max_rsd: float = LIMIT
    max_mean_deviation: float = MEAN_RANGE


@dataclass(frozen=True)
class Rule:
    """A statistic under its limit for so many blocks in a row.

    Attributes
    ----------
    name : str
    good : callable
        Takes blends and reference; says at which revolutions (revolutions, n) the last block is good.
    consecutive : int
    judges_mean : bool
        Whether the mean of the block must lie in its range as well.
    """

    name: str
    good: Callable[[Blends, Reference], BoolArray]
    consecutive: int
    judges_mean: bool = True


def in_a_row(good: BoolArray) -> Array:
    """How many revolutions in a row (revolutions, n) have been good."""
    turn = np.arange(1, len(good) + 1)[:, None]
    return np.asarray(turn - np.maximum.accumulate(np.where(good, 0, turn), axis=0))


def first_where(met: BoolArray) -> Array:
    """First revolution (n,) at which something is met; NaN where it never is."""
    return np.where(met.any(axis=0), met.argmax(axis=0) + 1.0, np.nan)


def _sums(series: Array) -> Array:
    return np.concatenate([np.zeros((1, *series.shape[1:])), series.cumsum(axis=0)])


def moving(series: Array, size: int) -> tuple[Array, Array]:
    """Mean and variance of the last `size` values of series (revolutions, ...); NaN where there are fewer."""
    middle = series.mean(axis=0)
    one, two = _sums(series - middle), _sums((series - middle) ** 2)
    total, squares = one[size:] - one[:-size], two[size:] - two[:-size]
    mean, variance = np.full(series.shape, np.nan), np.full(series.shape, np.nan)
    mean[size - 1 :] = middle + total / size
    variance[size - 1 :] = np.maximum(squares - total**2 / size, 0.0) / (size - 1)
    return mean, variance


def mbsd(channels: Array, size: int) -> Array:
    """Mean over the channels of the moving block's standard deviation (revolutions, n)."""
    parts = [np.sqrt(moving(channels[..., i], size)[1]) for i in range(channels.shape[-1])]
    return np.asarray(np.mean(parts, axis=0))


def _mbsd_good(blends: Blends, reference: Reference) -> BoolArray:
    return np.asarray(mbsd(blends.channels, 10) <= reference.mbsd_limit)


def _rsd_good(size: int, factor: float) -> Callable[[Blends, Reference], BoolArray]:
    """RSD of the predictions, or its upper bound, under the limit; the method's noise is not taken off."""

    def good(blends: Blends, reference: Reference) -> BoolArray:
        mean, variance = moving(blends.value, size)
        return np.asarray(100.0 * factor * np.sqrt(variance) <= reference.max_rsd * mean)

    return good


def _moving_f_good(blends: Blends, reference: Reference) -> BoolArray:
    size = 15
    total = np.sum([moving(blends.channels[..., i], size)[1] for i in range(blends.channels.shape[-1])], axis=0)
    ratio = np.full(total.shape, np.nan)
    ratio[size:] = total[:-size] / total[size:]
    df = (size - 1) * reference.degrees_of_freedom
    return np.asarray(ratio < stats.f.ppf(1.0 - _ALPHA, df, df))


def _brown_forsythe_good(blends: Blends, reference: Reference) -> BoolArray:
    """Whether absolute deviations from the medians of three blocks of 15, one behind the other, have one mean."""
    size, k = 15, 3
    windows = np.lib.stride_tricks.sliding_window_view(blends.value, size, axis=0)
    away = np.abs(windows - np.median(windows, axis=-1, keepdims=True))
    mean, within = away.mean(axis=-1), away.var(axis=-1) * size
    groups = [slice(i * size, len(mean) - (k - 1 - i) * size) for i in range(k)]
    between = size * np.var([mean[g] for g in groups], axis=0) * k
    f = (between / (k - 1)) / (np.sum([within[g] for g in groups], axis=0) / (k * (size - 1)))
    good = np.zeros(blends.value.shape, dtype=bool)
    good[k * size - 1 :] = f < stats.f.ppf(1.0 - _ALPHA, k - 1, k * (size - 1))
    return good


def _upper(size: int) -> float:
    return math.sqrt((size - 1) / stats.chi2.ppf(_ALPHA, size - 1))


def rules() -> Iterator[Rule]:
    """Yield published rules with the block sizes and counts that are in use."""
    for m in (5, 10):
        yield Rule(f"MBSD 10 x {m}, mean + 3 s", _mbsd_good, m, judges_mean=False)
    for m in (5, 10, 15):
        yield Rule(f"RSD 15 x {m}", _rsd_good(15, 1.0), m)
    for n, m in ((15, 5), (15, 10), (20, 5)):
        yield Rule(f"RSD upper bound {n} x {m}", _rsd_good(n, _upper(n)), m)
    for m in (5, 10):
        yield Rule(f"moving F 15 x {m}", _moving_f_good, m, judges_mean=False)
    yield Rule("Brown-Forsythe 3 x 15", _brown_forsythe_good, 1, judges_mean=False)


def follow(rule: Rule, blends: Blends, reference: Reference) -> tuple[Array, Array]:
    """Revolutions (n,) at which blends are declared, and at which they no longer are, as `declared` says."""
    good = rule.good(blends, reference)
    if rule.judges_mean:
        away = np.abs(100.0 * (moving(blends.value, 15)[0] / reference.target - 1.0))
        good &= away <= reference.max_mean_deviation
    return declared(good, rule.consecutive)


def declared(good: BoolArray, consecutive: int) -> tuple[Array, Array]:
    """Revolutions (n,) at which blends are declared, and at which they no longer are; NaN for never.

    A blend no longer is what it was where as many blocks in a row are bad as had to be good.

    Parameters
    ----------
    good : ndarray of bool, shape (revolutions, n)
        Whether the last block is good.
    consecutive : int
        Blocks in a row that have to be.
    """
    turn = np.arange(1, len(good) + 1)[:, None]
    found = first_where((in_a_row(good) >= consecutive) & (turn >= FIRST))
    return found, first_where((in_a_row(~good) >= consecutive) & (turn > found))
