from __future__ import annotations

import numpy as np

from pat.readers.survey import roles, saturated
from tests.small_spectra import small_spectra


def test_roles_are_counted_and_those_that_nobody_has_are_seen():
    counted = roles(small_spectra((5, 3, 4)))
    assert counted["calibration"] == (1, 5)
    assert counted["accepted"] == (2, 7)
    assert counted["validation"] == (0, 0)
    assert roles(small_spectra(facts=None)) == {}


def test_saturated_spectra_are_counted():
    absorbance = small_spectra().absorbance.values.copy()
    assert saturated(small_spectra(absorbance=absorbance)) == 0
    absorbance[2, 3:6] = 4.0  # clipped in three channels side by side
    absorbance[5, [1, 3, 5]] = 4.0  # single channels at the top are peaks
    absorbance[7, 1] = 12.0
    assert saturated(small_spectra(absorbance=absorbance)) == 1  # the top is 12 now, and nothing is clipped there
    absorbance[7, 1] = 0.5
    assert saturated(small_spectra(absorbance=absorbance)) == 1
    absorbance[9] = np.full(12, 4.0)
    assert saturated(small_spectra(absorbance=absorbance)) == 2
