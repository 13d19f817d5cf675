"""After the end-point: does the blend stay what it was? A wider spread, a wider block, a mean that moves away."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from pat.core.endpoint.words import Cause
from pat.core.evidence import Rule, limit_sd, mean_watch_step, watch_cusum
from pat.core.plain import finite_or_none, number_or_nan

# Share of the way to its alarm at which the watch over the spread takes UNIFORM away. A blend that de-mixes slowly may
# cross the limit before the alarm; at a quarter fewer do so unseen, and good blends lose 7 readings in 100 for it.
_UNEASY = 0.25


class Watch:
    """Three watches over a blend since its end-point; together they raise a false alarm at the risk per batch.

    Parameters
    ----------
    rule : Rule

    Notes
    -----
    A CUSUM of the log likelihood ratio of a wider spread, the variance of the last block over that of the quietest of
    the run, and a two-sided CUSUM of the mean about that of the last readings before the end-point. The first compares
    with the spread of accepted batches; the second with this blend itself.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule, self._cusum = rule, watch_cusum(rule)
        self._spread, self._mean = [0.0], np.zeros(2)
        self._least = self._ratio = math.nan
        self._centre = self._unit = math.nan

    def forget(self) -> None:
        """Begin again with what is gathered of the spread: the blend was interrupted, or at rest."""
        self._spread, self._mean = [0.0], np.zeros(2)
        self._least = self._ratio = math.nan

    def begin(self, centre: float) -> None:
        """Take note of the end-point, and of the mean (analyte units) of the last readings before it."""
        self._spread, self._mean = [0.0], np.zeros(2)
        self._compare_with(centre)

    def _compare_with(self, centre: float) -> None:
        # A method without any spread takes every move of its mean for one.
        unit = limit_sd(self._rule, centre)
        self._centre, self._unit = centre, unit if unit > 0.0 else sys.float_info.min

    def block(self, sd: float) -> None:
        """Take the last block's SD (analyte units) into account, before the end-point, too."""
        self._least = self._least if self._least <= sd else sd
        self._ratio = (sd / self._least) ** 2 if self._least > 0.0 else math.nan

    def step(self, z: float, value: float) -> None:
        """Take a reading since the end-point into account: its standardised deviation, and its prediction."""
        self._spread = self._cusum.step_of_one(self._spread, z)
        self._mean = mean_watch_step(self._rule, self._mean, (value - self._centre) / self._unit)

    @property
    def uneasy(self) -> bool:
        """Whether the watch over the spread is a quarter of the way to its alarm."""
        return self._spread[0] >= _UNEASY * self._rule.watch_threshold

    @property
    def alarm(self) -> Cause | None:
        """What has changed since the end-point."""
        rule = self._rule
        if self._spread[0] >= rule.watch_threshold:
            return Cause.WIDER_SPREAD
        if self._ratio > rule.watch_block_ratio:
            return Cause.WIDER_BLOCK
        return Cause.MEAN_DRIFT if max(self._mean.tolist()) >= rule.watch_mean_threshold else None

    def compared(self) -> dict[str, float]:
        """Return what was compared, and with what."""
        rule = self._rule
        return {
            "watch": self._spread[0],
            "watch_limit": rule.watch_threshold,
            "block_ratio": self._ratio,
            "block_ratio_limit": rule.watch_block_ratio,
            "mean_watch": float(self._mean.max()),
            "mean_watch_limit": rule.watch_mean_threshold,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return what was gathered as plain JSON values: null for no number."""
        numbers = {"least": self._least, "ratio": self._ratio, "centre": self._centre}
        plain = {name: finite_or_none(number) for name, number in numbers.items()}
        return {"spread": list(self._spread), "mean": self._mean.tolist()} | plain

    def restore(self, state: dict[str, Any]) -> None:
        """Carry on from a snapshot."""
        self._spread = list(map(float, state["spread"]))
        self._mean = np.array(state["mean"], dtype=np.float64)
        self._least, self._ratio, centre = (number_or_nan(state[name]) for name in ("least", "ratio", "centre"))
        self._compare_with(centre)
