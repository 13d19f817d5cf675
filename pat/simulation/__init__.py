"""Blends with known truth, for samples, tests and studies. Everything here is SIMULATED.

Every draw comes from the seed; every spectrum has its truth beside it; every component of error has a name and a size.
"""

from pat.simulation.faults import simulate_axis_shift, with_empty_window, with_film, with_lamp_drift
from pat.simulation.mixing import MIXING, POWDER, TARGET, Mixing, Powder, Truth, draw_mixing
from pat.simulation.runs import Run, simulate_run, simulate_samples, simulate_static, true_endpoint, uniform
from pat.simulation.spectra import COMPONENTS, FT_NIR, MICRONIR, Instrument, pure_spectra
from pat.simulation.variation import (
    ERRORS,
    LOT_DAY_SD,
    REPEATABILITY,
    Day,
    ErrorComponents,
    Lot,
    draw_day,
    draw_lot,
)

__all__ = [
    "COMPONENTS",
    "ERRORS",
    "FT_NIR",
    "LOT_DAY_SD",
    "MICRONIR",
    "MIXING",
    "POWDER",
    "REPEATABILITY",
    "TARGET",
    "Day",
    "ErrorComponents",
    "Instrument",
    "Lot",
    "Mixing",
    "Powder",
    "Run",
    "Truth",
    "draw_day",
    "draw_lot",
    "draw_mixing",
    "pure_spectra",
    "simulate_axis_shift",
    "simulate_run",
    "simulate_samples",
    "simulate_static",
    "true_endpoint",
    "uniform",
    "with_empty_window",
    "with_film",
    "with_lamp_drift",
]
