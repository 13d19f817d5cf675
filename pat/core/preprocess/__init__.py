"""Preprocessing of spectra: each step once, and the chain of them that a method compiles to.

Every step works along the last axis and treats each spectrum alone, in such a way that a spectrum's treated values
have the same bits whether it comes alone, in a block or in a chunk.
"""

from __future__ import annotations

from pat.core.preprocess.axis import selection
from pat.core.preprocess.derivatives import gap_segment, savitzky_golay
from pat.core.preprocess.folding import Folded
from pat.core.preprocess.projection import epo_directions, osc_directions
from pat.core.preprocess.resampling import KINDS, grid, interpolation_weights
from pat.core.preprocess.scatter import (
    NORMS,
    ScatterModel,
    absorbance,
    detrend,
    normalise,
    peak_of_one,
    robust_normal_variate,
    saturated,
    snv,
)
from pat.core.preprocess.standardisation import Standardisation
from pat.core.preprocess.steps import (
    CALIBRATION,
    STEPS,
    Step,
    as_asked,
    learns,
    learns_from_calibration,
    learns_from_levels,
    needs_references,
    unlearnt,
)
from pat.core.preprocess.summary import Summary
from pat.core.preprocess.treatment import Treatment, fit_treatment, fit_treatment_by, split_linear

__all__ = [
    "CALIBRATION",
    "KINDS",
    "NORMS",
    "STEPS",
    "Folded",
    "ScatterModel",
    "Standardisation",
    "Step",
    "Summary",
    "Treatment",
    "absorbance",
    "as_asked",
    "detrend",
    "epo_directions",
    "fit_treatment",
    "fit_treatment_by",
    "gap_segment",
    "grid",
    "interpolation_weights",
    "learns",
    "learns_from_calibration",
    "learns_from_levels",
    "needs_references",
    "normalise",
    "peak_of_one",
    "osc_directions",
    "robust_normal_variate",
    "saturated",
    "savitzky_golay",
    "selection",
    "snv",
    "split_linear",
    "unlearnt",
]
