"""Many simulated blends at once through the end-point rule, by the very functions that follow one blend live."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from scipy import stats

from pat.core.evidence import (
    Rule,
    blend_rsd_upper,
    clean_step,
    homogeneity_cusum,
    limit_sd,
    quiet_step,
    standardised,
)
from pat.core.types import Array, BoolArray
from pat.errors import InputError


class Score(Protocol):
    """How a rule sums up what speaks for homogeneity; `Rule.threshold` is how much of it the rule asks for."""

    def begin(self, rule: Rule) -> Step:
        """Return what follows a set of blends from their first reading."""

    def least(self, rule: Rule, risk: float) -> float:
        """Return the lowest threshold that a risk allows, however little the other verdicts let pass."""


class Step(Protocol):
    """Follows a set of n blends."""

    def __call__(self, z: Array, run: Array) -> Array:
        """Return the scores (n,) after deviations z (n,) and all readings (revolutions, n) so far."""


@dataclass(frozen=True)
class Evidence:
    """The weighted likelihood-ratio CUSUMs that a blend is followed by live."""

    def begin(self, rule: Rule) -> Step:
        """Return what follows a set of blends from their first reading."""
        cusum = homogeneity_cusum(rule)
        total: Array = np.zeros(1)

        def step(z: Array, run: Array) -> Array:
            nonlocal total
            total = cusum.step(total, z)
            return np.asarray(total.max(axis=-1))

        return step

    def least(self, rule: Rule, risk: float) -> float:
        """Return what a likelihood ratio needs from a single start (Wald, *Sequential Analysis*, 1947)."""
        return max(rule.weights) * -math.log(risk)


def _block_ratio(rule: Rule, block: Array) -> Array:
    """SD of blocks (size, n) of predictions over that of a blend at the limit, shape (n,)."""
    return np.asarray(block.std(axis=0, ddof=1) / limit_sd(rule, block.mean(axis=0)))


@dataclass(frozen=True)
class ConsecutiveBlocks:
    """Minus the largest SD, as a share of the limit's, of so many moving blocks in a row: the usual rule.

    Attributes
    ----------
    size, consecutive : int
        Readings in a block, and blocks in a row.
    """

    size: int = 20
    consecutive: int = 5

    def __post_init__(self) -> None:
        if self.size < 2 or self.consecutive < 1:
            found = f"{self.size} and {self.consecutive}"
            raise InputError(f"blocks need a `size` of at least 2 and `consecutive` of at least 1, got {found}")

    def begin(self, rule: Rule) -> Step:
        """Return what follows a set of blends from their first reading."""
        last: list[Array] = []

        def step(z: Array, run: Array) -> Array:
            if len(run) >= self.size:
                last.append(_block_ratio(rule, run[-self.size :]))
                del last[: -self.consecutive]
            return -np.max(last, axis=0) if len(last) == self.consecutive else np.full(z.shape, -np.inf)

        return step

    def least(self, rule: Rule, risk: float) -> float:
        """No threshold is too low by itself."""
        return -math.inf


@dataclass(frozen=True)
class SeveralBlocks:
    """Minus the logarithm of the least p-value of moving blocks of several sizes against the limit."""

    sizes: tuple[int, ...] = (10, 20, 40)

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 2:
            raise InputError(f"blocks need `sizes` of at least 2, got {self.sizes}")

    def begin(self, rule: Rule) -> Step:
        """Return what follows a set of blends from their first reading."""
        # A line through points this near stands for the logarithm to 3e-5.
        ratio = np.geomspace(0.02, 20.0, 4000)
        log_p = {size: stats.chi2.logcdf((size - 1) * ratio**2, size - 1) for size in self.sizes}

        def step(z: Array, run: Array) -> Array:
            fits = [size for size in self.sizes if len(run) >= size]
            found = [np.interp(_block_ratio(rule, run[-size:]), ratio, log_p[size]) for size in fits]
            return -np.min(found, axis=0) if found else np.full(z.shape, -np.inf)

        return step

    def least(self, rule: Rule, risk: float) -> float:
        """No threshold is too low by itself."""
        return -math.inf


class Followed(NamedTuple):
    """What a revolution has brought each of n blends: score, readings inside both guards, and all readings so far."""

    score: Array
    clean: Array
    quiet: Array
    run: Array

    def block_passes(self, rule: Rule, candidates: BoolArray) -> BoolArray:
        """Which of the candidates have a last block whose upper bound lies below the limit."""
        passes = candidates.copy()
        blocks = self.run[-rule.block_size :, candidates].T
        passes[candidates] = blend_rsd_upper(rule, blocks) <= rule.max_rsd
        return passes

    def pocket_free(self, rule: Rule) -> BoolArray:
        """Which are free of pockets, far and near."""
        return np.asarray((self.clean >= rule.pocket_window) & (self.quiet >= rule.quiet_window))

    def on_target(self, rule: Rule) -> BoolArray:
        """Which have the mean of their last readings in its range."""
        mean = self.run[-rule.pocket_window :].mean(axis=0)
        return np.asarray(np.abs(100.0 * (mean / rule.target - 1.0)) <= rule.max_mean_deviation)


def deviations(rule: Rule, readings: Iterable[Array]) -> Iterator[tuple[Array, Array]]:
    """Standardised deviations (n,) of each revolution, and all the readings (revolutions, n) up to it.

    Parameters
    ----------
    rule : Rule
    readings : iterable of ndarray of shape (n,)
        Predictions (analyte units) of one revolution after another, `max_revolutions` at the most.
    """
    run = np.empty((rule.max_revolutions, 0))
    for i, value in enumerate(readings):
        run = run if i else np.empty((rule.max_revolutions, value.size))
        run[i] = value
        if i >= rule.centre_size:
            yield standardised(rule, value, run[i - rule.centre_size : i].mean(axis=0)), run[: i + 1]


def follow(rule: Rule, readings: Iterable[Array], score: Score | None = None) -> Iterator[Followed]:
    """Follow n blends from the first reading that can be compared with those before.

    Parameters
    ----------
    rule : Rule
    readings : iterable of ndarray of shape (n,)
        Predictions (analyte units) of one revolution after another.
    score : Score, optional
        What is gathered; the rule's evidence by default.
    """
    step = (score or Evidence()).begin(rule)
    clean = quiet = np.zeros(1)
    for z, run in deviations(rule, readings):
        size = np.abs(z)
        clean, quiet = clean_step(rule, clean, size), quiet_step(rule, quiet, size)
        yield Followed(step(z, run), clean, quiet, run)


def declared_at(rule: Rule, readings: Iterable[Array], score: Score | None = None) -> Array:
    """Return the revolution at which each of n blends is declared, shape (n,); NaN where it never is.

    Parameters
    ----------
    rule : Rule
    readings : iterable of ndarray of shape (n,)
        Predictions (analyte units) of one revolution after another.
    score : Score, optional
        What is gathered; the rule's evidence by default.

    Notes
    -----
    It decides on predictions: homogeneous, pocket free and on target. Verdicts that need spectra are taken to pass.
    """
    found: Array = np.full(1, np.nan)
    for now in follow(rule, readings, score):
        turn = len(now.run)
        found = np.broadcast_to(found, now.score.shape).copy() if found.size != now.score.size else found
        if turn < rule.min_revolutions:
            continue
        free = now.pocket_free(rule) & now.on_target(rule)
        found[now.block_passes(rule, np.isnan(found) & free & (now.score >= rule.threshold))] = turn
    return found
