"""Interpolation against numpy, exact cubics and scipy; nothing is made up outside the axis or in its gaps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import BarycentricInterpolator

from pat.core.preprocess import Treatment, grid
from pat.errors import InputError

AXIS = 1e7 / np.linspace(10000.0, 6000.0, 80)  # uneven steps
TARGET = np.linspace(AXIS[0], AXIS[-1], 61)


def _spectra(n: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, AXIS.size)).cumsum(axis=1)


def _treat(kind: str, target: object = TARGET) -> Treatment:
    return Treatment(AXIS, [], [{"step": "interpolate", "target": target, "kind": kind}])


def test_linear_is_numpy_interp():
    x = _spectra(4)
    treat = _treat("linear")
    np.testing.assert_array_equal(treat.wavelength, TARGET)
    expected = [np.interp(TARGET, AXIS, row) for row in x]
    np.testing.assert_allclose(treat(x), expected, rtol=0, atol=1e-12)


def test_cubic_reproduces_cubics():
    polynomial = np.polynomial.Polynomial.fit([AXIS[0], AXIS[-1]], [0.2, 0.9], 1) ** 3
    np.testing.assert_allclose(_treat("cubic")(polynomial(AXIS)), polynomial(TARGET), rtol=1e-10)


def test_cubic_is_the_polynomial_through_the_nearest_four():
    x = _spectra(1)[0]
    found = _treat("cubic")(x)
    for nm, value in zip(TARGET, found, strict=True):
        first = int(np.clip(np.searchsorted(AXIS, nm, side="right") - 2, 0, AXIS.size - 4))
        here = slice(first, first + 4)
        np.testing.assert_allclose(value, BarycentricInterpolator(AXIS[here], x[here])(nm), rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_the_own_axis_gives_the_own_readings(kind):
    x = _spectra(3)
    np.testing.assert_allclose(_treat(kind, AXIS)(x), x, rtol=0, atol=1e-12)


def test_a_grid_by_its_ends_and_spacing():
    np.testing.assert_allclose(grid(1000.0, 1001.0, 0.1), 1000.0 + 0.1 * np.arange(11))
    np.testing.assert_array_equal(grid(1000.0, 1009.0, 4.0), [1000.0, 1004.0, 1008.0])
    treat = _treat("linear", {"low": 1010.0, "high": 1600.0, "spacing": 2.0})
    np.testing.assert_array_equal(treat.wavelength, 1010.0 + 2.0 * np.arange(296))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([999.0, 1100.0], "no neighbours for 999 nm, one of 1 targets outside it or in a gap"),
        ([1100.0, 1700.0, 1800.0], "no neighbours for 1700 nm, one of 2 targets"),
        ([1100.0, 1100.0], "strictly increasing"),
        ({"low": 1100.0, "high": 1101.0, "spacing": 2.0}, "got 1100 to 1101 by 2"),
        ({"low": 1100.0, "high": 1200.0}, "spacing"),
    ],
)
def test_targets_that_cannot_be(target, message):
    with pytest.raises(InputError, match=message):
        _treat("linear", target)


def test_nothing_is_made_up_in_a_gap():
    even = 1000.0 + 2.0 * np.arange(100)
    ranges = [[1000.0, 1060.0], [1100.0, 1198.0]]
    step = {"step": "interpolate", "target": [1050.5, 1080.0, 1120.5]}
    with pytest.raises(InputError, match="no neighbours for 1080 nm"):
        Treatment(even, ranges, [step])
    # Neighbours come from one side of the gap alone: at its edge the cubic leans inwards.
    treat = Treatment(even, ranges, [{"step": "interpolate", "target": [1059.0, 1101.0], "kind": "cubic"}])
    x = np.where(even < 1080.0, 1.0, 5.0)
    np.testing.assert_allclose(treat(x), [1.0, 5.0], rtol=1e-12)


def test_an_unknown_kind():
    with pytest.raises(InputError, match="`kind` must be one of linear, cubic, got 'spline'"):
        _treat("spline")
