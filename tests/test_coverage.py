"""Limits and intervals keep what they promise, by simulation with known truth; `benchmarks.coverage` is the study."""

from __future__ import annotations

import pytest

from benchmarks.coverage import Case, false_alarms, interval_coverage

OURS = ("T2, scaled F", "Q, scaled F", "Q, three moments", "full distance, scaled F")


@pytest.mark.requirement("URS-15")
def test_false_alarms_of_independent_spectra() -> None:
    """200 spectra in folds of 10, 40 data sets: 4 to 6 % at 95 % and 0.6 to 1.5 % at 99 %."""
    found = false_alarms(Case(20, 10, 0.0), 40)
    for name in ("T2, F for independent spectra", "T2 of calibration spectra, beta", *OURS):
        assert 0.04 < found[name][0] < 0.06, name
        assert 0.006 < found[name][1] < 0.015, name


@pytest.mark.requirement("URS-15")
def test_intervals_hold_in_new_lots_and_far_from_the_centre() -> None:
    """24 lots of 4, 40 data sets: the interval holds where that without lots does not."""
    found = interval_coverage(Case(24, 4, 0.6), 40)
    assert 0.935 < found["new"] < 0.97
    assert 0.93 < found["far"] < 0.98
    assert found["known"] > 0.95
    assert found["sec"] < 0.92
    assert found["constant_far"] < found["far"] - 0.01


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 200, 500])
def test_false_alarms_of_more_independent_spectra(n: int) -> None:
    """200 data sets of every size that the limits are meant for."""
    found = false_alarms(Case(n // 5, 5, 0.0), 200)
    for name in OURS:
        assert 0.04 < found[name][0] < 0.06, name
        assert 0.006 < found[name][1] < 0.015, name


@pytest.mark.requirement("URS-15")
@pytest.mark.slow
@pytest.mark.parametrize("lots", [12, 24, 84])
def test_limits_in_new_lots(lots: int) -> None:
    """Far out, where the scaled chi-square lets many times the nominal 0.01 % pass, these let fewer pass."""
    found = false_alarms(Case(lots, 4, 0.6), 200)
    assert found["T2, scaled F"][3] < found["T2, scaled chi-square"][3]
    assert found["Q, three moments"][3] < 0.6 * found["Q, scaled chi-square"][3]
    for name in ("T2, scaled F", "Q, three moments"):
        assert 0.035 < found[name][0] < 0.06, name
        assert 0.006 < found[name][1] < 0.018, name
