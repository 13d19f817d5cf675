"""Simulated blends for the comparison of end-point rules: predictions and a few synthetic channels, with the truth.

Written apart from what calibrates the rules: other random numbers, and contents that are log-normal, so that they are
skewed and never negative while the blend is badly mixed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pat.core.types import Array, BoolArray, IntArray

TARGET, LIMIT, MEAN_RANGE = 10.0, 3.0, 4.0
"""Content (% w/w), largest RSD (%) and largest deviation of the mean (%) of a uniform blend."""
REVOLUTIONS = 300
# Bias of the method in one batch (SD, % w/w): raw materials and day.
_BIAS = 0.18
_SEED = 815_000

# Synthetic channels: what the active and the filler look like after a derivative, and a film on the window.
_AXIS = np.linspace(-1.0, 1.0, 8)


def _band(centre: float) -> Array:
    return np.asarray(-(_AXIS - centre) / 0.3 * np.exp(-(((_AXIS - centre) / 0.3) ** 2)))


ACTIVE, FILLER = _band(-0.2), 0.5 * _band(0.35)
_KNOWN = np.linalg.qr(np.column_stack([ACTIVE, FILLER]))[0]
_FILM = (lambda f: f / np.linalg.norm(f))((g := np.cos(3.0 * _AXIS)) - _KNOWN @ (_KNOWN.T @ g))
_PURE = ACTIVE - FILLER * (ACTIVE @ FILLER) / (FILLER @ FILLER)
FILLER_RSD = 0.5
"""RSD of the filler in what a spectrum sees; it has no say in the content."""
PREDICTOR = _PURE / (_PURE @ ACTIVE)
"""Regression vector: blind to the filler, and of slope 1."""


@dataclass(frozen=True)
class Condition:
    """What the method and the powder are like.

    Attributes
    ----------
    phi : float
        Autocorrelation of the blend.
    repeatability : float
        Of the method (SD, share of target).
    slope : float
        Of predicted on true content, about the target.
    """

    phi: float = 0.3
    repeatability: float = 0.012
    slope: float = 1.0

    @property
    def noise(self) -> float:
        """Noise of a channel."""
        return self.repeatability * TARGET / float(np.linalg.norm(PREDICTOR))


@dataclass(frozen=True)
class Kind:
    """A kind of blend, with a short name for tables; standard deviations and deviations are shares of the mean."""

    name: str
    short: str
    rate: float = 0.045
    start: float = 0.60
    floor: float = 0.010
    layer: float = 0.25
    layer_rate: float = 0.06
    assay: float = 1.0
    pockets: float = 0.0
    pocket_size: float = 0.4
    demix: tuple[float, float] | None = None
    demix_size: tuple[float, float] = (0.04, 0.08)
    film: tuple[float, float] | None = None
    attainable: bool = False
    inside: bool = True


KINDS = (
    Kind("good", "good", attainable=True),
    Kind("slow", "slow", rate=0.020, layer_rate=0.027, attainable=True),
    Kind("fast", "fast", rate=0.090, layer_rate=0.12, attainable=True),
    Kind("layered", "layr", layer=0.5, layer_rate=0.02, attainable=True),
    Kind("floor 2.2 %", "2.2", floor=0.022, attainable=True),
    Kind("floor 3.15 %", "3.15", floor=0.0315),
    Kind("dead zone .15", "d.15", pockets=0.15),
    Kind("dead zone .05", "d.05", pockets=0.05, inside=False),
    Kind("de-mixing early", "dm-e", demix=(75.0, 95.0)),
    Kind("de-mixing late", "dm-l", demix=(150.0, 190.0)),
    Kind("assay 90 %", "90%", assay=0.90),
    Kind("strength 80 %", "80%", assay=0.80),
    Kind("fouled window", "foul", rate=0.030, film=(40.0, 90.0)),
)
"""All kinds; `inside` says whether the claim of the rule covers it."""


@dataclass(frozen=True)
class Blends:
    """Simulated blends of one kind; arrays of shape (revolutions, n) unless it says otherwise.

    Attributes
    ----------
    value : ndarray
        Predictions (% w/w).
    channels : ndarray of shape (revolutions, n, 8)
        Treated spectra.
    known : ndarray of bool
        Whether the spectrum is recognised: its residual within a limit that one in 1e7 exceeds.
    uniform : ndarray of bool
        Whether RSD and mean are in their ranges, and the window clean.
    rsd : ndarray
        True RSD (%).
    """

    value: Array
    channels: Array
    known: BoolArray
    uniform: BoolArray
    rsd: Array

    @property
    def true_endpoint(self) -> IntArray:
        """First uniform revolution (n,); 0 where there is none."""
        return np.where(self.uniform.any(axis=0), self.uniform.argmax(axis=0) + 1, 0)


def autoregressive(shape: tuple[int, int], phi: float, rng: np.random.Generator) -> Array:
    """Stationary AR(1) series (revolutions, n) of variance 1."""
    series = rng.standard_normal(shape)
    series[1:] *= math.sqrt(1.0 - phi**2)
    for turn in range(1, shape[0]):
        series[turn] += phi * series[turn - 1]
    return series


def channels(content: Array, filler: Array, condition: Condition, rng: np.random.Generator) -> Array:
    """Treated spectra (..., 8) of contents (...) in % w/w, with the noise of the method."""
    seen = TARGET + condition.slope * (content - TARGET)
    x = seen[..., None] * ACTIVE + filler[..., None] * FILLER
    x += condition.noise * rng.standard_normal(x.shape)
    return np.asarray(x)


@dataclass(frozen=True)
class Mixing:
    """How blends of one kind mix; arrays of shape (revolutions, n) or such that broadcast to it.

    Attributes
    ----------
    content : ndarray
        Of what each spectrum sees, as a share of the target.
    mean : ndarray
        True mean, as a share of the target.
    rsd : ndarray
        True RSD (%).
    """

    content: Array
    mean: Array
    rsd: Array

    def uniform(self, max_rsd: float, max_mean_deviation: float) -> BoolArray:
        """Whether RSD (%) and mean (deviation in % of target) are in their ranges."""
        return np.asarray((self.rsd <= max_rsd) & (np.abs(100.0 * (self.mean - 1.0)) <= max_mean_deviation))


def mix(kind: Kind, phi: float, n: int, rng: np.random.Generator) -> Mixing:
    """Simulate how `n` blends of a kind mix.

    Parameters
    ----------
    kind : Kind
    phi : float
        Autocorrelation of the blend.
    n : int
    rng : Generator
    """
    shape, turn = (REVOLUTIONS, n), np.arange(1.0, REVOLUTIONS + 1.0)[:, None]
    pace = np.exp(0.1 * rng.standard_normal(n))
    spread = np.hypot(kind.floor, math.sqrt(kind.start**2 - kind.floor**2) * np.exp(-kind.rate * pace * turn))
    if kind.demix:
        onset, size = rng.uniform(*kind.demix, n), rng.uniform(*kind.demix_size, n)
        spread = np.hypot(spread, size * -np.expm1(-np.maximum(turn - onset, 0.0) / rng.uniform(80.0, 150.0, n)))
    layer = rng.choice([-1.0, 1.0], n) * rng.uniform(0.6, 1.4, n) * kind.layer
    mean = kind.assay * np.maximum(1.0 + layer * np.exp(-kind.layer_rate * pace * turn), 0.0)
    log_sd = np.sqrt(np.log1p(spread**2))
    content = np.exp(log_sd * autoregressive(shape, phi, rng) - log_sd**2 / 2.0)
    content += np.where(rng.random(shape) < kind.pockets, kind.pocket_size * rng.choice([-1.0, 1.0], shape), 0.0)
    rsd = 100.0 * np.sqrt(spread**2 + kind.pockets * kind.pocket_size**2)
    return Mixing(mean * np.maximum(content, 0.0), mean, rsd)


def simulate(kind: Kind, condition: Condition, n: int, seed: int) -> Blends:
    """Simulate `n` blends of a kind.

    Parameters
    ----------
    kind : Kind
    condition : Condition
    n : int
    seed : int
    """
    rng = np.random.default_rng([_SEED, seed])
    shape, turn = (REVOLUTIONS, n), np.arange(1.0, REVOLUTIONS + 1.0)[:, None]
    mixing = mix(kind, condition.phi, n, rng)
    x = channels(TARGET * mixing.content, FILLER_RSD * autoregressive(shape, condition.phi, rng), condition, rng)
    film = np.zeros(shape)
    if kind.film:
        onset = rng.uniform(*kind.film, n)
        film = 0.6 * np.clip((turn - onset) / rng.uniform(60.0, 100.0, n), 0.0, 1.0)
        _foul(x, film, onset, condition)
    residual = ((x - (x @ _KNOWN) @ _KNOWN.T) ** 2).sum(axis=-1)
    return Blends(
        value=x @ PREDICTOR + _BIAS * rng.standard_normal(n),
        channels=x,
        known=residual <= condition.noise**2 * stats.chi2.ppf(1.0 - 1e-7, _AXIS.size - 2),
        uniform=mixing.uniform(LIMIT, MEAN_RANGE) & (film == 0.0),
        rsd=mixing.rsd,
    )


def _foul(x: Array, film: Array, onset: Array, condition: Condition) -> None:
    """Let a film of the powder at its onset grow over the window; at 5 % it has a residual of 3 times the noise's."""
    stuck = x[onset.astype(np.int64), np.arange(x.shape[1])]
    own = 3.0 * condition.noise * math.sqrt(_AXIS.size - 2) / 0.05 * _FILM
    x += film[..., None] * (stuck + own - x)
