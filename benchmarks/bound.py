"""What no end-point rule can do better: a test that knows all of a blend but its floor, and looks once, at the end.

By the lemma of Neyman and Pearson (*Phil. Trans. R. Soc. A* 231 (1933) 289) the likelihood ratio misses the fewest
blends of all tests with a chosen risk. Here it is told the course of the blend, the autocorrelation and the method's
noise, and has the readings of the whole run. A rule knows none of this and decides as it goes, so it misses more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pat.core.types import Array

TARGET, LIMIT, REVOLUTIONS = 10.0, 0.03, 300
BLENDS = 20_000
_SEED = 815_200


@dataclass(frozen=True)
class Course:
    """A blend of which everything is known: shares of the mean, noise in % w/w."""

    floor: float
    phi: float
    noise: float
    slope: float
    rate: float = 0.045
    start: float = 0.60

    @property
    def spread(self) -> Array:
        """SD of the predictions (% w/w) at every revolution, without the noise."""
        turn = np.arange(1.0, REVOLUTIONS + 1.0)
        decay = math.sqrt(self.start**2 - self.floor**2) * np.exp(-self.rate * turn)
        return np.asarray(self.slope * TARGET * np.hypot(self.floor, decay))

    def draw(self, n: int, seed: int) -> Array:
        """Deviations of predictions from the mean (revolutions, n), normal and AR(1)."""
        rng = np.random.default_rng([_SEED, seed])
        own, value = rng.standard_normal(n), np.empty((REVOLUTIONS, n))
        for turn, spread in enumerate(self.spread.tolist()):
            value[turn] = spread * own + self.noise * rng.standard_normal(n)
            own = self.phi * own + math.sqrt(1.0 - self.phi**2) * rng.standard_normal(n)
        return value

    def log_likelihood(self, value: Array) -> Array:
        """Log likelihood (n,) of deviations (revolutions, n), by a Kalman filter."""
        found, mean, variance = np.zeros(value.shape[1]), np.zeros(value.shape[1]), 1.0
        for now, spread in zip(value, self.spread.tolist(), strict=True):
            total = spread**2 * variance + self.noise**2
            error, gain = now - spread * mean, spread * variance / total
            found -= 0.5 * (math.log(total) + error**2 / total)
            mean, variance = mean + gain * error, (1.0 - gain * spread) * variance
            mean, variance = self.phi * mean, self.phi**2 * variance + 1.0 - self.phi**2
        return found


def missed_at_best(true: Course, at_limit: Course, risk: float) -> float:
    """Share of blends of the true course that the best test of a risk does not tell from those at the limit.

    Parameters
    ----------
    true, at_limit : Course
        What the blend is, and what it must be told from: the same course down to the limit, under the bounds that the
        rule is made for.
    risk : float
        Chance that one at the limit is declared.
    """
    limit, blend = at_limit.draw(BLENDS, 1), true.draw(BLENDS, 2)
    least = np.quantile(true.log_likelihood(limit) - at_limit.log_likelihood(limit), 1.0 - risk)
    return float((true.log_likelihood(blend) - at_limit.log_likelihood(blend) < least).mean())
