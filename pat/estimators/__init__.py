"""Scikit-learn estimators, thin over `pat.core`: what they compute is what the line computes."""

from pat.estimators.pls import PLSRegression
from pat.estimators.preprocessing import (
    EMSC,
    EPO,
    MSC,
    OSC,
    SNV,
    Absorbance,
    Baseline,
    Centre,
    Detrend,
    GapSegment,
    Interpolate,
    Normalise,
    RobustNormalVariate,
    SavitzkyGolay,
    Scale,
    SelectRanges,
    Treat,
)

__all__ = [
    "EMSC",
    "EPO",
    "MSC",
    "OSC",
    "SNV",
    "Absorbance",
    "Baseline",
    "Centre",
    "Detrend",
    "GapSegment",
    "Interpolate",
    "Normalise",
    "PLSRegression",
    "RobustNormalVariate",
    "SavitzkyGolay",
    "Scale",
    "SelectRanges",
    "Treat",
]
