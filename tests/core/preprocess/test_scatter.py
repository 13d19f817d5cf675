"""Corrections of single spectra against hand computation, exact arithmetic, scikit-learn, scipy and chemotools."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import detrend as scipy_detrend
from sklearn.preprocessing import Normalizer

from pat.core.preprocess import ScatterModel, absorbance, detrend, normalise, robust_normal_variate, snv
from pat.errors import InputError
from tests.peers import (
    ExtendedMultiplicativeScatterCorrection,
    MultiplicativeScatterCorrection,
)
from tests.peers import RobustNormalVariate as OtherRobust

AXIS = np.linspace(950.0, 1650.0, 90)
UNEVEN = 1e7 / np.linspace(10500.0, 6100.0, 90)
REFERENCE = 0.5 + 0.2 * np.sin(AXIS / 60.0) + 0.3 * np.exp(-(((AXIS - 1300.0) / 40.0) ** 2))


def _spectra(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    gain, offset = rng.uniform(0.7, 1.4, (n, 1)), rng.uniform(-0.1, 0.3, (n, 1))
    return np.asarray(offset + gain * REFERENCE + 1e-3 * rng.standard_normal((n, AXIS.size)))


def test_absorbance_by_hand():
    np.testing.assert_allclose(absorbance(np.array([1.0, 0.1, 0.01, 0.5])), [0.0, 1.0, 2.0, math.log10(2.0)])
    assert np.isnan(absorbance(np.array([0.0, -0.1, np.nan]))).all()


@pytest.mark.parametrize("level", [0.0, 1.0, 30.0, 1e4, 1e8])
def test_snv_is_exact_however_far_the_spectrum_lies_from_zero(level):
    # Fractions hold what the floats hold; the mean's rounding alone costs level * 1e-16 of the deviation's 0.2.
    x = level + _spectra(1)[0]
    exact = [Fraction(value) for value in x]
    mean = sum(exact) / len(exact)
    sd = math.sqrt(sum((value - mean) ** 2 for value in exact) / (len(exact) - 1))
    expected = [float(value - mean) / sd for value in exact]
    np.testing.assert_allclose(snv(x), expected, rtol=0, atol=5e-14 + 1e-14 * level)


def test_robust_normal_variate_by_hand():
    # 25th percentile of 0..8 is 2; the readings up to it, 0, 1, 2, have mean 1 and sample deviation 1.
    found = robust_normal_variate(np.arange(9.0)[::-1].copy())
    np.testing.assert_allclose(found, np.arange(9.0)[::-1] - 2.0)


@pytest.mark.requirement("URS-11")
@pytest.mark.parametrize("percentile", [10.0, 25.0, 60.0, 100.0])
def test_robust_normal_variate_against_chemotools(percentile):
    # Chemotools 0.5 divides by the population deviation of the same readings.
    x = _spectra(6)
    theirs = OtherRobust(percentile=percentile, epsilon=0.0).fit(x).transform(x)
    count = (x <= np.percentile(x, percentile, axis=1, keepdims=True)).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        robust_normal_variate(x, percentile), theirs * np.sqrt((count - 1) / count), rtol=0, atol=1e-12
    )


def test_robust_normal_variate_of_what_has_no_spread_below_is_nan():
    x = np.array([[1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0]])
    found = robust_normal_variate(x)
    assert np.isnan(found[0]).all()
    low = [1.0, 2.0]  # at or below 2.75, the percentile
    np.testing.assert_allclose(found[1], (x[1] - 2.75) / statistics.stdev(low))


@pytest.mark.parametrize(("norm", "theirs"), [("area", "l1"), ("maximum", "max"), ("unit_vector", "l2")])
def test_normalise_against_scikit_learn(norm, theirs):
    x = _spectra(5) - 0.6
    np.testing.assert_allclose(normalise(x, norm), Normalizer(theirs).fit_transform(x), rtol=1e-14)
    assert np.isnan(normalise(np.zeros((2, 4)), norm)).all()


def test_normalise_by_something_else():
    with pytest.raises(InputError, match="must be one of area, maximum, unit_vector, got 'l2'"):
        normalise(_spectra(1), "l2")


@pytest.mark.requirement("URS-11")
def test_detrend_against_scipy():
    x = _spectra(5)
    np.testing.assert_allclose(detrend(x, AXIS, 0), scipy_detrend(x, axis=1, type="constant"), rtol=0, atol=1e-13)
    np.testing.assert_allclose(detrend(x, AXIS, 1), scipy_detrend(x, axis=1, type="linear"), rtol=0, atol=1e-13)


def test_detrend_against_polynomials_fitted_one_by_one_on_an_uneven_axis():
    x = _spectra(3)
    expected = [row - np.polynomial.Polynomial.fit(UNEVEN, row, 3)(UNEVEN) for row in x]
    np.testing.assert_allclose(detrend(x, UNEVEN, 3), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("degree", [-1, 89, 90])
def test_detrend_by_a_degree_that_does_not_fit(degree):
    with pytest.raises(InputError, match=f"`degree` must be from 0 to 88 on this axis, got {degree}"):
        detrend(_spectra(1), AXIS, degree)


@pytest.mark.requirement("URS-11")
def test_msc_against_chemotools():
    x = _spectra(8)
    other = MultiplicativeScatterCorrection(method="mean").fit(x)
    found = ScatterModel(AXIS, x.mean(axis=0), 0)(x)
    np.testing.assert_allclose(found, other.transform(x), rtol=0, atol=1e-12)


def test_msc_against_straight_lines_fitted_one_by_one():
    x = _spectra(4)
    for row, found in zip(x, ScatterModel(UNEVEN, REFERENCE, 0)(x), strict=True):
        slope, offset = statistics.linear_regression(REFERENCE, row)
        np.testing.assert_allclose(found, (row - offset) / slope, rtol=0, atol=1e-12)


@pytest.mark.requirement("URS-11")
@pytest.mark.parametrize("n_interferents", [0, 1, 2])
@pytest.mark.parametrize("degree", [0, 1, 2, 4])
def test_emsc_against_chemotools(degree, n_interferents):
    x = _spectra(8)
    bands = np.exp(-(((AXIS - np.array([[1100.0], [1450.0]])) / 30.0) ** 2))[:n_interferents]
    other = ExtendedMultiplicativeScatterCorrection(
        order=degree, reference=REFERENCE, interferences=bands if n_interferents else None
    ).fit(x)
    found = ScatterModel(AXIS, REFERENCE, degree, bands)(x)
    np.testing.assert_allclose(found, other.transform(x), rtol=0, atol=1e-11)


def test_emsc_takes_off_exactly_what_was_put_on():
    rng = np.random.default_rng(3)
    band = np.exp(-(((UNEVEN - 1100.0) / 30.0) ** 2))
    t = (UNEVEN - 1300.0) / 400.0
    c = rng.uniform(-0.3, 0.3, (6, 4))
    gain = rng.uniform(0.5, 2.0, (6, 1))
    x = c[:, :1] + c[:, 1:2] * t + c[:, 2:3] * t**2 + c[:, 3:] * band + gain * REFERENCE
    np.testing.assert_allclose(ScatterModel(UNEVEN, REFERENCE, 2, [band])(x), np.tile(REFERENCE, (6, 1)), atol=1e-12)


def test_a_spectrum_that_does_not_resemble_the_reference_is_nan_and_no_other():
    x = _spectra(3)
    expected = ScatterModel(AXIS, REFERENCE, 1)(x)
    x[1] = 2.0 - x[1]
    found = ScatterModel(AXIS, REFERENCE, 1)(x)
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]], expected[[0, 2]])


@pytest.mark.parametrize(
    ("reference", "degree", "interferents", "message"),
    [
        (np.ones(90), 0, (), "cannot be told apart at 90 wavelengths"),
        (np.zeros(90), 0, (), "cannot be told apart"),
        (1e-3 * AXIS, 1, (), "degree 1, the reference and the 0 interferents cannot be told apart"),
        (REFERENCE, 1, [2.0 * REFERENCE + 1.0], "the 1 interferents cannot be told apart"),
        (REFERENCE[:-1], 0, (), "`reference` must have the 90 wavelengths that this step treats, got 89"),
        (REFERENCE * np.nan, 0, (), "`reference` must be finite numbers"),
        (REFERENCE, 0, [[1.0, 2.0]], "`interferents` must have the 90 wavelengths that this step treats, got 2"),
        ("calib", 0, (), "`reference` must be spectra of 90 wavelengths, got "),
    ],
)
def test_a_model_that_cannot_be(reference, degree, interferents, message):
    with pytest.raises(InputError, match=message):
        ScatterModel(AXIS, reference, degree, interferents)


@given(gain=st.floats(1e-3, 1e3), offset=st.floats(-1e2, 1e2), tilt=st.floats(-1.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_gain_offset_and_slope_of_a_spectrum_do_not_matter(gain, offset, tilt):
    x = _spectra(1)
    changed = gain * x + offset
    size = 1e-13 * (1.0 + (abs(offset) + abs(tilt)) / gain)
    np.testing.assert_allclose(snv(changed), snv(x), rtol=0, atol=20 * size)
    msc, emsc = ScatterModel(AXIS, REFERENCE, 0), ScatterModel(AXIS, REFERENCE, 1)
    np.testing.assert_allclose(msc(changed), msc(x), rtol=0, atol=size)
    tilted = changed + tilt * (AXIS - 1300.0) / 350.0
    np.testing.assert_allclose(emsc(tilted), emsc(x), rtol=0, atol=5 * size)
    np.testing.assert_allclose(normalise(gain * x, "area"), normalise(x, "area"), rtol=1e-12)
