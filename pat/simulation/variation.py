"""What differs between lots, days and readings, and how much: the components of error, apart and stated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pat.core.types import Array
from pat.simulation.mixing import TARGET
from pat.simulation.spectra import COMPONENTS, Scatter

REPEATABILITY = 0.12
"""SD of predictions of one uniform material read again and again, at 10 % w/w (% w/w): scatter and noise."""
LOT_DAY_SD = 0.18
"""SD of the bias that a new lot on a new day brings, at 10 % w/w (% w/w)."""


@dataclass(frozen=True)
class ErrorComponents:
    """Sizes of the errors that the generator adds; the two figures above are what they come to in a prediction.

    Attributes
    ----------
    lot_absorptivity, day_absorptivity : float
        Relative SD of the API's effective absorptivity between lots (crystal habit, fineness) and between days (set-up,
        reference). No calibration can tell it from content: it becomes the bias of lots and days.
    moisture, mcc_share, lubricant : float
        SD between production lots of moisture (% w/w), of the share of MCC in the filler, and of magnesium stearate
        (% w/w).
    packing, baseline, slope : float
        SD between lots of the gain (relative), the offset (AU) and the tilt (AU).
    gain, offset, tilt, curvature : float
        SD between the spectra of one run: gain (relative) and baseline (AU).
    """

    lot_absorptivity: float = 0.0145
    day_absorptivity: float = 0.0145
    moisture: float = 0.5
    mcc_share: float = 0.01
    lubricant: float = 0.05
    packing: float = 0.025
    baseline: float = 0.03
    slope: float = 0.001
    gain: float = 0.05
    offset: float = 0.02
    tilt: float = 0.003
    curvature: float = 0.002


ERRORS = ErrorComponents()


@dataclass(frozen=True)
class Lot:
    """Raw materials of one lot.

    Attributes
    ----------
    name : str
        Identifier.
    absorptivity : float
        Factor on the API's absorption.
    moisture, lubricant : float
        Sorbed water and magnesium stearate (% w/w).
    mcc_share : float
        Mass of microcrystalline cellulose over that of both fillers.
    gain, offset, tilt : float
        What the lot's particle size and packing do to every spectrum (factor, AU, AU).
    """

    name: str = "nominal"
    absorptivity: float = 1.0
    moisture: float = 3.5
    lubricant: float = 0.75
    mcc_share: float = 0.40
    gain: float = 1.0
    offset: float = 0.15
    tilt: float = 0.03


@dataclass(frozen=True)
class Day:
    """Conditions of one day: factor on the API's absorption, and temperature of the room (degrees C)."""

    name: str = "nominal"
    absorptivity: float = 1.0
    temperature: float = 23.0


def draw_lot(name: str, rng: np.random.Generator, errors: ErrorComponents = ERRORS) -> Lot:
    """Draw a production lot: its moisture stays within 2 to 5 %."""
    z = rng.standard_normal(7)
    return Lot(
        name,
        absorptivity=1.0 + errors.lot_absorptivity * z[0],
        moisture=float(np.clip(3.5 + errors.moisture * z[1], 2.0, 5.0)),
        lubricant=0.75 + errors.lubricant * z[2],
        mcc_share=0.40 + errors.mcc_share * z[3],
        gain=float(np.exp(errors.packing * z[4])),
        offset=0.15 + errors.baseline * z[5],
        tilt=0.03 + errors.slope * z[6],
    )


def draw_day(name: str, rng: np.random.Generator, errors: ErrorComponents = ERRORS) -> Day:
    """Draw a day: the room is at 20 to 26 degrees C."""
    return Day(name, 1.0 + errors.day_absorptivity * rng.standard_normal(), rng.uniform(20.0, 26.0))


def composition(content: Array, lot: Lot, mcc_share: Array) -> Array:
    """Mass fractions of all materials when the API's content is given.

    Parameters
    ----------
    content : Array of shape (n,)
        API (% w/w).
    lot : Lot
        Gives moisture and lubricant, which it has at the target content.
    mcc_share : Array of shape (n,)
        Mass of MCC over that of both fillers, in what each spectrum sees.

    Returns
    -------
    Array of shape (n, n_materials)
        In the order of `COMPONENTS`; each row sums to 1. What is not API keeps its proportions and shrinks or grows.
    """
    rest = 1.0 - content / 100.0
    lubricant, water = lot.lubricant / (100.0 - TARGET), lot.moisture / (100.0 - TARGET)
    filler = 1.0 - lubricant - water
    parts = {
        "api": content / 100.0,
        "lactose": rest * filler * (1.0 - mcc_share),
        "mcc": rest * filler * mcc_share,
        "mgst": rest * lubricant,
        "water": rest * water,
    }
    return np.stack([parts[name] for name in COMPONENTS], axis=1)


def draw_scatter(n: int, lot: Lot, rng: np.random.Generator, errors: ErrorComponents = ERRORS) -> Scatter:
    """Draw the scatter of `n` spectra about that of their lot."""
    z = rng.standard_normal((4, n))
    return Scatter(
        gain=lot.gain * np.exp(errors.gain * z[0]),
        offset=lot.offset + errors.offset * z[1],
        tilt=lot.tilt + errors.tilt * z[2],
        curvature=errors.curvature * z[3],
    )
