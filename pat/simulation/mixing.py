"""How a blend mixes: kinetics, the faults that a blend can have, and the truth of every revolution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from pat.core.types import Array
from pat.errors import InputError

TARGET = 10.0
"""Content that the product should have (% w/w)."""
PHI = 0.4
"""Autocorrelation from one revolution to the next of the part of the content that comes from mixing."""
DEAD_ZONE_SHARE = 0.15
"""Share of the readings that come from pockets, when there are pockets."""
POCKET = 0.40
"""How far a pocket is from the mean, relative, with either sign."""


@dataclass(frozen=True)
class Mixing:
    """The course of one blend. Standard deviations are relative (1 = 100 % of the mean).

    Attributes
    ----------
    rate : float
        Rate r at which the standard deviation decays (1/revolution); its variance decays at 2 r.
    start, floor : float
        RSD at loading and for ever after, at the scale of scrutiny, beam sampling included.
    layer : float
        Deviation of the mean at the sensor at loading: positive when the API was loaded nearest to it.
    layer_rate : float
        Rate at which that deviation decays (1/revolution).
    assay : float
        Mean content over target.
    pocket_share : float
        Share of the readings that come from pockets of unmixed powder.
    demix_onset, demix_rsd, demix_length : float
        Revolution at which de-mixing begins (inf: never), the RSD that it adds in the end, and its length
        (revolutions).
    fouling_onset, fouling_length, film : float
        Revolution at which a film begins to grow on the window (inf: never), how long it grows (revolutions), and the
        fraction of the window that it covers in the end.
    """

    rate: float = 0.045
    start: float = 0.60
    floor: float = 0.010
    layer: float = 0.25
    layer_rate: float = 0.06
    assay: float = 1.0
    pocket_share: float = 0.0
    demix_onset: float = np.inf
    demix_rsd: float = 0.06
    demix_length: float = 110.0
    fouling_onset: float = np.inf
    fouling_length: float = 80.0
    film: float = 0.60


GOOD = Mixing()
SLOW = Mixing(rate=0.020, layer_rate=0.027)
MIXING: dict[str, Mixing] = {
    "good": GOOD,
    "fast": Mixing(rate=0.090, layer_rate=0.12),
    "slow": SLOW,
    "below": Mixing(floor=0.022),
    "limit": Mixing(start=0.030, floor=0.030, layer=0.0),
    "demix": Mixing(demix_onset=140.0),
    "dead_zone": Mixing(pocket_share=DEAD_ZONE_SHARE),
    "low_assay": Mixing(assay=0.90),
    "fouling": replace(SLOW, fouling_onset=60.0),
}
"""The nominal course of every kind of blend.

`below` ends under a limit of 3 % but near it. `limit` stays exactly on it: the share of such blends that a rule calls
uniform is the risk that the rule promises."""


def draw_mixing(kind: str, rng: np.random.Generator) -> Mixing:
    """Vary the nominal course of a kind as batches vary.

    Parameters
    ----------
    kind : str
        A key of `MIXING`.
    rng : numpy.random.Generator
        Source of the variation.

    Returns
    -------
    Mixing
        Rate +-10 %, a layer of either sign, and for the faults their time and size: de-mixing begins at revolution
        120-160, adds 4-8 % RSD and takes 80-150 revolutions; a film begins at 40-90, over powder that mixes well or
        slowly.

    Raises
    ------
    InputError
        If there is no such kind.
    """
    if kind not in MIXING:
        raise InputError(f"`kind` must be one of {', '.join(MIXING)}, got {kind!r}")
    nominal = MIXING[kind]
    mixed_slowly = kind != "fouling" or rng.random() < 0.5
    pace = np.exp(0.10 * rng.standard_normal())
    course = nominal if mixed_slowly else replace(nominal, rate=GOOD.rate, layer_rate=GOOD.layer_rate)
    return replace(
        course,
        rate=course.rate * pace,
        layer=nominal.layer * rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 1.4),
        layer_rate=course.layer_rate * pace,
        demix_onset=nominal.demix_onset + rng.uniform(-20.0, 20.0),
        demix_rsd=rng.uniform(0.04, 0.08),
        demix_length=rng.uniform(80.0, 150.0),
        fouling_onset=nominal.fouling_onset + rng.uniform(-20.0, 30.0),
        fouling_length=rng.uniform(60.0, 100.0),
    )


@dataclass(frozen=True)
class Powder:
    """What a spectrum sees of a powder (the scale of scrutiny) and how coarse the powder is.

    Attributes
    ----------
    scrutinised_mass : float
        Mass that one spectrum sees (mg).
    diameter : float
        Diameter of the grain of mean mass (um).
    density : float
        Density of a grain (g/cm3).
    mass_cv : float
        Coefficient of variation of the grains' masses.
    """

    scrutinised_mass: float = 25.0
    diameter: float = 45.0
    density: float = 1.3
    mass_cv: float = 0.5

    def sampling_rsd(self, content: float) -> float:
        """Relative SD of the API in what one spectrum sees, even in a perfect random mixture.

        Parameters
        ----------
        content : float
            Mean content (% w/w).

        Returns
        -------
        float
            RSD (1 = 100 %); 0 of a placebo, in which no grain of the API is.

        Notes
        -----
        RSD^2 = (1 - p)/p * m (1 + C^2) / M for grains of mean mass m with coefficient of variation C in a scrutinised
        mass M, those of the API and of the excipients alike.

        References
        ----------
        Stange, Chem.-Ing.-Tech. 26 (1954) 331.
        """
        fraction = content / 100.0
        if fraction == 0.0:
            return 0.0
        grain_mg = self.density * np.pi / 6.0 * (self.diameter * 1e-4) ** 3 * 1e3
        variance = (1.0 - fraction) / fraction * grain_mg * (1.0 + self.mass_cv**2) / self.scrutinised_mass
        return float(np.sqrt(variance))


POWDER = Powder()


@dataclass(frozen=True)
class Truth:
    """What was really in front of the sensor: arrays of shape (n,).

    Attributes
    ----------
    value : Array
        Content of the powder that the spectrum saw, or would have seen through a clean window (% w/w).
    mean : Array
        Mean content of the powder that passes the sensor at that revolution (% w/w).
    rsd : Array
        Population RSD at the scale of scrutiny (% of the mean): mixing, pockets and beam sampling, without the
        instrument's noise.
    film : Array
        Fraction of the window that is covered.
    """

    value: Array
    mean: Array
    rsd: Array
    film: Array


def population_mean(mixing: Mixing, revolution: Array) -> Array:
    """Mean content at the sensor, shape (n,), % w/w: target times assay times the layer that fades."""
    result: Array = TARGET * mixing.assay * (1.0 + mixing.layer * np.exp(-mixing.layer_rate * revolution))
    return result


def mixing_rsd(mixing: Mixing, revolution: Array) -> Array:
    """RSD of mixing and beam sampling, without pockets.

    Parameters
    ----------
    mixing : Mixing
        The course of the blend.
    revolution : Array of shape (n,)
        Revolutions since loading.

    Returns
    -------
    Array of shape (n,)
        Relative standard deviation (1 = 100 %).

    Notes
    -----
    sigma^2(N) = floor^2 + (start^2 - floor^2) e^(-2 r N) + demix_rsd^2 (1 - e^(-(N - N_d)/length))^2, the last term
    from the onset N_d of de-mixing. Mixing is of the first order, as in Rose.

    References
    ----------
    Rose, Trans. Inst. Chem. Eng. 37 (1959) 47.
    """
    decay = mixing.floor**2 + (mixing.start**2 - mixing.floor**2) * np.exp(-2.0 * mixing.rate * revolution)
    since = np.maximum(revolution - mixing.demix_onset, 0.0)
    result: Array = np.sqrt(decay + (mixing.demix_rsd * -np.expm1(-since / mixing.demix_length)) ** 2)
    return result


def population_rsd(mixing: Mixing, revolution: Array) -> Array:
    """RSD of all the powder that passes the sensor, pockets included, shape (n,), % of the mean."""
    result: Array = 100.0 * np.sqrt(mixing_rsd(mixing, revolution) ** 2 + mixing.pocket_share * POCKET**2)
    return result


def film_fraction(mixing: Mixing, revolution: Array) -> Array:
    """Fraction of the window that a film covers, shape (n,): a ramp from its onset to its end."""
    return np.clip((revolution - mixing.fouling_onset) / mixing.fouling_length, 0.0, 1.0) * mixing.film


def autocorrelated(n: int, rng: np.random.Generator, phi: float = PHI) -> Array:
    """Return `n` values of a first-order autoregressive series with mean 0 and variance 1, shape (n,)."""
    shocks = np.sqrt(1.0 - phi**2) * rng.standard_normal(n)
    shocks[0] /= np.sqrt(1.0 - phi**2)
    return np.fromiter(accumulate(shocks, lambda last, shock: phi * last + shock), np.float64, n)


def draw_truth(mixing: Mixing, revolution: Array, rngs: tuple[np.random.Generator, ...]) -> Truth:
    """Draw what the sensor saw.

    Parameters
    ----------
    mixing : Mixing
        The course of the blend.
    revolution : Array of shape (n,)
        Revolutions since loading.
    rngs : tuple of three numpy.random.Generator
        Sources of mixing, beam sampling and pockets: apart, so that one changes without the others.

    Returns
    -------
    Truth
        The mixing part is autocorrelated, beam sampling is not. Contents are kept within 0 to 100 % w/w, which matters
        in the first revolutions only.
    """
    blend_rng, beam_rng, pocket_rng = rngs
    n = revolution.size
    beam = POWDER.sampling_rsd(TARGET * mixing.assay)
    blend = np.sqrt(np.maximum(mixing_rsd(mixing, revolution) ** 2 - beam**2, 0.0))
    in_pocket = pocket_rng.random(n) < mixing.pocket_share
    pocket = np.where(in_pocket, POCKET * pocket_rng.choice([-1.0, 1.0], n), 0.0)
    deviation = blend * autocorrelated(n, blend_rng) + beam * beam_rng.standard_normal(n) + pocket
    mean = population_mean(mixing, revolution)
    value = np.clip(mean * (1.0 + deviation), 0.0, 100.0)
    return Truth(value, mean, population_rsd(mixing, revolution), film_fraction(mixing, revolution))
