"""Calibration: a method and spectra become a PLS model, cross-validated batch by batch, with its limits.

Spectra of one batch share its lot and its day. A cross-validation that split a batch would show the model what it
is then tested on, so whole batches are left out, and every limit comes from spectra that the model did not see.
"""

from pat.calibration.choice import choose_components, root_mean_square, van_der_voet
from pat.calibration.fitting import calibrate
from pat.calibration.model import Calibration, CrossValidation
from pat.calibration.nested import NestedCrossValidation, nested_cross_validation
from pat.calibration.permutation import PermutationTest, permutation_test
from pat.calibration.relearning import takes_raw

__all__ = [
    "Calibration",
    "CrossValidation",
    "NestedCrossValidation",
    "PermutationTest",
    "calibrate",
    "choose_components",
    "nested_cross_validation",
    "permutation_test",
    "root_mean_square",
    "takes_raw",
    "van_der_voet",
]
