"""The gap-segment derivative by hand, by brute force, on polynomials, and against chemotools."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pat.core.preprocess import Treatment, gap_segment, savitzky_golay
from pat.errors import InputError
from tests.peers import NorrisWilliams

ALL = [(deriv, segment, gap) for deriv in (1, 2, 3) for segment in (1, 3, 7) for gap in (1, 5, 9)]
AXIS = 1000.0 + 2.0 * np.arange(120)


def _spectra(n: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, AXIS.size)).cumsum(axis=1)


def test_by_hand():
    x = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    # Segments of one point, one point between them: (x[i + 1] - x[i - 1]) / 2 nm at spacing 1.
    np.testing.assert_allclose(gap_segment(x, 1, 1, 1, 1.0), [1.5, 3.0, 6.0])
    # (x[i + 2] - 2 x[i] + x[i - 2]) / 4.
    np.testing.assert_allclose(gap_segment(x, 2, 1, 1, 1.0), [(16.0 - 8.0 + 1.0) / 4.0])


@pytest.mark.parametrize(("deriv", "segment", "gap"), ALL)
def test_means_of_segments_by_brute_force(deriv, segment, gap):
    x, width = _spectra(3), (deriv + 1) * segment + deriv * gap
    found = gap_segment(x, deriv, segment, gap, 2.0)
    assert found.shape == (3, AXIS.size - width + 1)
    step = segment + gap  # points from the middle of a segment to that of the next
    for i in (0, 1, found.shape[1] // 2, found.shape[1] - 1):
        means = [x[:, i + k * step : i + k * step + segment].mean(axis=1) for k in range(deriv + 1)]
        difference = sum((-1) ** (deriv - k) * math.comb(deriv, k) * mean for k, mean in enumerate(means))
        # A difference of order m of means that lie h apart is h^m times the derivative.
        np.testing.assert_allclose(found[:, i], difference / (2.0 * step) ** deriv, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("deriv", "segment", "gap"), ALL)
def test_it_is_exact_for_a_polynomial_of_its_order(deriv, segment, gap):
    t = (AXIS - 1100.0) / 100.0
    polynomial = np.polynomial.Polynomial([0.3, -0.2, 0.5, 0.7][: deriv + 1])
    treat = Treatment(AXIS, [], [{"step": "gap_segment", "deriv": deriv, "segment": segment, "gap": gap}])
    half = ((deriv + 1) * segment + deriv * gap) // 2
    np.testing.assert_array_equal(treat.wavelength, AXIS[half : AXIS.size - half])
    expected = polynomial.deriv(deriv)((treat.wavelength - 1100.0) / 100.0) / 100.0**deriv
    np.testing.assert_allclose(treat(polynomial(t)), expected, rtol=1e-8)


@pytest.mark.parametrize(("deriv", "segment", "gap"), [(1, 3, 3), (1, 5, 1), (2, 3, 3), (2, 5, 7)])
def test_against_chemotools_up_to_its_scale(deriv, segment, gap):
    # Chemotools 0.5 counts its gap from the middle of the first segment to that of the last, and scales otherwise.
    x = _spectra(4)
    other = NorrisWilliams(window_length=segment, gap_size=deriv * (segment + gap) + 1, deriv=deriv).fit(x)
    found = gap_segment(x, deriv, segment, gap, 1.0)
    half = (AXIS.size - found.shape[1]) // 2
    theirs = other.transform(x)[:, half : AXIS.size - half]
    scale = (deriv * (segment + gap) + 1) / (segment + gap) ** deriv
    np.testing.assert_allclose(found, theirs * scale, rtol=0, atol=1e-11)


def test_each_segment_of_the_axis_loses_its_own_ends():
    step = {"step": "gap_segment", "deriv": 1, "segment": 3, "gap": 3}
    low, high = [1000.0, 1080.0], [1120.0, 1200.0]
    treat, x = Treatment(AXIS, [low, high], [step]), _spectra(3)
    apart = [Treatment(AXIS, [part], [step]) for part in (low, high)]
    np.testing.assert_array_equal(treat.wavelength, np.concatenate([part.wavelength for part in apart]))
    np.testing.assert_array_equal(treat(x), np.concatenate([part(x) for part in apart], axis=1))


@pytest.mark.parametrize(
    ("deriv", "segment", "gap", "message"),
    [
        (0, 3, 3, "`deriv` from 1 to 3 and odd `segment` and `gap`, got deriv 0, segment 3, gap 3"),
        (4, 1, 1, "got deriv 4"),
        (1, 2, 3, "got deriv 1, segment 2"),
        (1, 3, 4, "gap 4"),
        (1, 3, -1, "gap -1"),
        (1, 57, 7, "derivative of 121 points is longer than the 120 wavelengths from 1000 to 1238 nm"),
    ],
)
def test_parameters_that_do_not_fit(deriv, segment, gap, message):
    with pytest.raises(InputError, match=message):
        Treatment(AXIS, [], [{"step": "gap_segment", "deriv": deriv, "segment": segment, "gap": gap}])


def test_it_needs_even_steps():
    with pytest.raises(InputError, match="needs evenly spaced wavelengths .* interpolate first"):
        Treatment(
            1e7 / np.linspace(10000.0, 6000.0, 100), [], [{"step": "gap_segment", "deriv": 1, "segment": 3, "gap": 3}]
        )


def test_a_spectrum_that_is_not_finite_spoils_no_other():
    x = _spectra(9)
    clean = savitzky_golay(x, 9, 2, 1, 2.0), gap_segment(x, 1, 5, 5, 2.0)
    x[3, 5], x[6, -1] = np.inf, np.nan
    with np.errstate(invalid="ignore"):
        found = savitzky_golay(x, 9, 2, 1, 2.0), gap_segment(x, 1, 5, 5, 2.0)
    for before, after in zip(clean, found, strict=True):
        np.testing.assert_array_equal(np.delete(after, [3, 6], axis=0), np.delete(before, [3, 6], axis=0))
        assert not np.isfinite(after[[3, 6]]).all(axis=1).any()
