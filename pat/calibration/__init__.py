"""Calibration: a method and spectra become a PLS model, cross-validated batch by batch, with its limits.

Spectra of one batch share its lot and its day. A cross-validation that split a batch would show the model what it
is then tested on, so whole batches are left out, and every limit comes from spectra that the model did not see.
"""

from pat.calibration.cross_validation import choose_components, root_mean_square
from pat.calibration.fitting import calibrate, require_reference
from pat.calibration.model import Calibration, CrossValidation

__all__ = [
    "Calibration",
    "CrossValidation",
    "calibrate",
    "choose_components",
    "require_reference",
    "root_mean_square",
]
