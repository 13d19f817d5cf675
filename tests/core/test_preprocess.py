"""SNV, Savitzky-Golay and the compiled chain against hand computation, scipy, exact fractions and themselves."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from pat.core.preprocess import Treatment, savitzky_golay, selection, snv
from pat.errors import InputError

AXIS = np.linspace(950.0, 1650.0, 125)
SG: dict[str, Any] = {"step": "savitzky_golay", "window": 9, "polyorder": 2, "deriv": 1}
CHAINS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "snv": [{"step": "snv"}],
    "derivative": [SG],
    "snv, derivative": [{"step": "snv"}, SG],
    "derivative, snv": [SG, {"step": "snv"}],
    "baseline, snv": [{"step": "baseline", "method": "asls", "parameters": {"lam": 1e5}}, {"step": "snv"}],
}


def _spectra(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = 0.5 + 0.2 * np.sin(AXIS / 60.0) + 0.1 * np.cos(AXIS / 23.0)
    return np.asarray(shape * (1.0 + 0.1 * rng.standard_normal((n, 1))) + 1e-3 * rng.standard_normal((n, AXIS.size)))


# SNV


@pytest.mark.requirement("URS-11")
def test_snv_by_hand():
    # 1, 2, 3, 4: mean 5/2, sum of squares 5, divided by n - 1 = 3.
    found = snv(np.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_allclose(found, np.array([-1.5, -0.5, 0.5, 1.5]) / math.sqrt(5.0 / 3.0), rtol=1e-15)


def test_snv_against_the_statistics_module():
    x = _spectra(7)
    for row, found in zip(x, snv(x), strict=True):
        mean, sd = statistics.fmean(row), statistics.stdev(row)  # n - 1
        np.testing.assert_allclose(found, [(v - mean) / sd for v in row], rtol=0, atol=1e-12)


def test_snv_takes_out_gain_and_offset():
    x = _spectra(1)[0]
    np.testing.assert_allclose(snv(3.7 * x - 0.4), snv(x), atol=1e-12)


@pytest.mark.parametrize("level", [0.0, 0.1, 1.0 / 3.0, 0.7, 1.1, -2.3, 1e-12, 123456.789, 1e100])
@pytest.mark.parametrize("size", [2, 3, 7, 124, 125, 1000])
def test_snv_of_a_flat_spectrum_is_nan_and_never_its_rounding(level, size):
    flat = np.full(size, level)
    assert np.isnan(snv(flat)).all()
    flat[::2] = np.nextafter(level, np.inf)  # the last bit flickers
    assert np.isnan(snv(flat)).all() or level == 0.0


def test_snv_of_what_overflows_is_nan_without_a_warning():
    x = _spectra(3)
    x[1, 5] = 1e200
    x[2] = 1.7e308
    found = snv(x)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1:]).all()


def test_snv_of_one_wavelength_is_nan():
    assert np.isnan(snv(np.ones((2, 1)))).all()


# Savitzky-Golay


FILTERS = [
    (window, polyorder, deriv)
    for window in (3, 5, 7, 9, 15, 25, 41)
    for polyorder in range(min(5, window))
    for deriv in range(min(3, polyorder) + 1)
]


@pytest.mark.requirement("URS-11")
@pytest.mark.parametrize(("window", "polyorder", "deriv"), FILTERS)
def test_savitzky_golay_equals_scipy(window, polyorder, deriv):
    x = _spectra(3)
    found = savitzky_golay(x, window, polyorder, deriv, 5.6)
    expected = savgol_filter(x, window, polyorder, deriv=deriv, delta=5.6, mode="interp")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


def _exact_filter(window: int, polyorder: int, deriv: int, position: int) -> np.ndarray:
    """Weights from the normal equations, solved in exact fractions."""
    half, n = window // 2, polyorder + 1
    powers = [[Fraction(x) ** k for k in range(n)] for x in range(-half, half + 1)]
    rows = [[sum((p[a] * p[b] for p in powers), Fraction(0)) for b in range(n)] for a in range(n)]
    for k, row in enumerate(rows):
        row.append(Fraction(math.perm(k, deriv)) * Fraction(position) ** (k - deriv) if k >= deriv else Fraction(0))
    for c in range(n):
        pivot = next(r for r in range(c, n) if rows[r][c])
        rows[c], rows[pivot] = rows[pivot], rows[c]
        rows[c] = [v / rows[c][c] for v in rows[c]]
        for r in range(n):
            if r != c:
                rows[r] = [a - rows[r][c] * b for a, b in zip(rows[r], rows[c], strict=True)]
    return np.array([float(sum(a * row[n] for a, row in zip(p, rows, strict=True))) for p in powers])


@pytest.mark.parametrize(("window", "polyorder", "deriv"), [(9, 2, 1), (51, 6, 0), (51, 8, 2), (101, 8, 0)])
def test_savitzky_golay_weights_are_exact_even_where_scipy_loses_digits(window, polyorder, deriv):
    # The response to a single 1 at each place of the window is the weight there. At (101, 8, 0) scipy's own
    # weights are off by 1e-3.
    impulses = np.eye(window)
    found = savitzky_golay(impulses, window, polyorder, deriv, 1.0)
    for position in (-(window // 2), -1, 0, window // 2):
        expected = _exact_filter(window, polyorder, deriv, position)
        at = position + window // 2
        np.testing.assert_allclose(found[:, at], expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.requirement("URS-11")
def test_derivatives_are_per_nm_up_to_the_ends():
    # A quadratic is reproduced exactly: its first derivative is b + 2 c nm, its second 2 c, at any spacing.
    a, b, c = 0.3, -2e-3, 4e-6
    for spacing in (0.5, 2.0, 6.2):
        nm = 1000.0 + spacing * np.arange(40)
        x = a + b * nm + c * nm**2
        first = Treatment(nm, [], [SG])(x)
        np.testing.assert_allclose(first, b + 2.0 * c * nm, rtol=1e-9)
        second = Treatment(nm, [], [SG | {"deriv": 2}])(x)
        np.testing.assert_allclose(second, 2.0 * c, rtol=1e-6)


@pytest.mark.parametrize(
    ("window", "polyorder", "deriv", "message"),
    [
        (8, 2, 1, "got window 8, polyorder 2, deriv 1"),
        (5, 5, 1, "got window 5, polyorder 5, deriv 1"),
        (5, 2, 3, "got window 5, polyorder 2, deriv 3"),
        (5, 2, -1, "got window 5, polyorder 2, deriv -1"),
        (-3, 2, 1, "got window -3, polyorder 2, deriv 1"),
        (127, 2, 1, "`window` of 127 points is longer than the 125 wavelengths"),
    ],
)
def test_parameters_that_do_not_fit_show_when_the_chain_is_compiled(window, polyorder, deriv, message):
    with pytest.raises(InputError) as caught:
        savitzky_golay(_spectra(1), window, polyorder, deriv, 1.0)
    assert message in str(caught.value)
    with pytest.raises(InputError, match=r"window"):
        Treatment(AXIS, [], [{"step": "savitzky_golay", "window": window, "polyorder": polyorder, "deriv": deriv}])


# An axis of even steps in 1/cm, as interferometers have: 1000 to 1667 nm in steps from 4 to 11 nm.
UNEVEN = 1e7 / np.linspace(10000.0, 6000.0, 100)


@pytest.mark.parametrize(("window", "polyorder", "deriv"), [(5, 2, 0), (9, 2, 1), (9, 3, 2), (15, 4, 3)])
def test_uneven_steps_are_fitted_at_their_own_wavelengths(window, polyorder, deriv):
    # numpy.polynomial fits each window by itself; its derivative is evaluated at the point.
    x = np.sin(UNEVEN / 60.0) + 1e-2 * np.random.default_rng(0).standard_normal(UNEVEN.size)
    steps = [SG | {"window": window, "polyorder": polyorder, "deriv": deriv}]
    expected = []
    for i, nm in enumerate(UNEVEN):
        first = min(max(i - window // 2, 0), UNEVEN.size - window)
        here = slice(first, first + window)
        fitted = np.polynomial.Polynomial.fit(UNEVEN[here], x[here], polyorder)
        expected.append(fitted.deriv(deriv)(nm) if deriv else fitted(nm))
    np.testing.assert_allclose(Treatment(UNEVEN, [], steps)(x), expected, atol=1e-9 * np.abs(expected).max())


def test_an_uneven_axis_has_the_same_bits_in_any_block_and_its_gaps_are_kept():
    x = np.random.default_rng(1).standard_normal((6, UNEVEN.size))
    low, high = [1000.0, 1250.0], [1300.0, 1660.0]
    treat = Treatment(UNEVEN, [low, high], [SG])
    np.testing.assert_array_equal(np.array([treat(row) for row in x]), treat(np.asfortranarray(x)))
    apart = np.concatenate([Treatment(UNEVEN, [part], [SG])(x) for part in (low, high)], axis=1)
    np.testing.assert_array_equal(treat(x), apart)


# The chain


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_a_spectrum_has_the_same_bits_alone_in_a_block_and_in_any_chunking(chain):
    treat = Treatment(AXIS, [[960.0, 1300.0], [1350.0, 1640.0]], chain)
    x = _spectra(24)
    whole = treat(x)
    assert whole.shape == (24, treat.wavelength.size)
    for size in (1, 2, 5, 7, 23):
        chunks = [treat(x[i : i + size]) for i in range(0, 24, size)]
        np.testing.assert_array_equal(np.concatenate(chunks), whole)
    for row, expected in zip(x, whole, strict=True):
        np.testing.assert_array_equal(treat(row), expected)
    np.testing.assert_array_equal(treat(np.asfortranarray(x)), whole)
    np.testing.assert_array_equal(treat(np.repeat(x, 2, axis=0)[::2]), whole)
    np.testing.assert_array_equal(treat(x.reshape(2, 3, 4, -1)).reshape(whole.shape), whole)


@given(
    n=st.integers(1, 9),
    cuts=st.lists(st.integers(0, 9), max_size=4),
    order=st.sampled_from(["C", "F"]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_any_cut_gives_the_same_bits(n, cuts, order, seed):
    treat = Treatment(AXIS, [[960.0, 1640.0]], CHAINS["snv, derivative"])
    x = np.array(_spectra(n, seed), order=order)
    edges = sorted({0, n, *(min(c, n) for c in cuts)})
    parts = [treat(x[a:b]) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    np.testing.assert_array_equal(np.concatenate(parts), treat(x))


@pytest.mark.requirement("URS-11")
def test_a_derivative_never_crosses_a_gap():
    low, high = [1000.0, 1200.0], [1300.0, 1500.0]
    treat = Treatment(AXIS, [low, high], [SG])
    x = _spectra(4)
    apart = np.concatenate([Treatment(AXIS, [part], [SG])(x) for part in (low, high)], axis=1)
    np.testing.assert_array_equal(treat(x), apart)
    changed = np.where(AXIS <= 1200.0, x, x + 1e6)
    left = treat.wavelength <= 1200.0
    np.testing.assert_array_equal(treat(changed)[:, left], treat(x)[:, left])


def test_a_single_missing_point_is_a_gap_too():
    nm = 1000.0 + 2.0 * np.arange(60)
    treat = Treatment(nm, [[1000.0, 1058.0], [1062.0, 1118.0]], [SG])
    x = np.where(nm < 1060.0, 1.0, 5.0)  # a step that would give a large derivative if it were crossed
    np.testing.assert_allclose(treat(x), 0.0, atol=1e-13)


def test_ranges_are_closed_may_overlap_and_keep_the_axis_order():
    nm = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    np.testing.assert_array_equal(selection(nm, [[5.0, 6.0], [2.0, 3.0]]), [2.0, 3.0, 5.0, 6.0])
    np.testing.assert_array_equal(selection(nm, [[2.0, 4.0], [3.0, 5.0]]), [2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(selection(nm, []), nm)
    treat = Treatment(nm, [[5.0, 6.0], [2.0, 3.0]], [])
    np.testing.assert_array_equal(treat(10.0 * nm), [20.0, 30.0, 50.0, 60.0])


def test_steps_run_in_the_order_given():
    x = _spectra(2)
    found = Treatment(AXIS, [], [SG, {"step": "snv"}])(x)
    expected = snv(savgol_filter(x, 9, 2, deriv=1, delta=AXIS[1] - AXIS[0], mode="interp"))
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert not np.allclose(found, Treatment(AXIS, [], [{"step": "snv"}, SG])(x))


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_the_input_stays_as_it_was_and_lists_equal_arrays(chain):
    x = _spectra(3)
    kept = x.copy()
    x.flags.writeable = False
    treat = Treatment(AXIS, [], chain)
    found = treat(x)
    np.testing.assert_array_equal(x, kept)
    assert not np.shares_memory(found, x)
    np.testing.assert_array_equal(treat(x.tolist()), found)
    np.testing.assert_array_equal(treat(x), found)  # a second time, the same
    single = x.astype(np.float32)
    np.testing.assert_array_equal(treat(single), treat(single.astype(np.float64)))


def test_no_spectra_give_no_spectra():
    assert Treatment(AXIS, [[1000.0, 1200.0]], CHAINS["snv, derivative"])(np.zeros((0, 125))).shape[0] == 0


@pytest.mark.parametrize(
    ("ranges", "steps", "message"),
    [
        ([[1700.0, 1800.0]], [], "range 1700-1800 nm holds no point of the axis 950-1650 nm"),
        ([[1100.0, 1000.0]], [], "range 1100-1000 nm holds no point"),
        ([], [{"step": "mcs"}], "must be one of absorbance, baseline, centre, detrend, emsc, epo, gap_segment, "),
        ([], [{"window": 9}], "got None"),
        ([], [{"step": ["snv"]}], "got ['snv']"),
        ([], [{"step": "snv", "ddof": 0}], "ddof"),
        ([], [{"step": "savitzky_golay", "window": 9}], "polyorder"),
        ([], [SG | {"window": 9.0}], "savitzky_golay"),
        ([[1000.0, 1030.0], [1100.0, 1300.0]], [SG], "`window` of 9 points is longer than the 6 wavelengths from "),
    ],
)
def test_errors_name_what_was_expected_and_what_came(ranges, steps, message):
    with pytest.raises(InputError) as caught:
        Treatment(AXIS, ranges, steps)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ([1000.0, 1002.0, 1002.0], "1002, 1002 nm at position 1"),
        ([1000.0, 998.0, 996.0], "1000, 998 nm at position 0"),
        ([1000.0, np.nan, 1004.0], "1000, nan nm at position 0"),
        ([1000.0, 1002.0, np.inf], "strictly increasing"),
        ([[1000.0, 1002.0]], "got (1, 2)"),
        ([], "got (0,)"),
    ],
)
def test_an_axis_that_does_not_increase_is_refused(axis, message):
    with pytest.raises(InputError) as caught:
        Treatment(axis, [], [])
    assert message in str(caught.value)


@pytest.mark.parametrize("shape", [(124,), (3, 126), (125, 3), ()])
def test_spectra_of_another_axis_are_refused(shape):
    with pytest.raises(InputError, match=rf"125 wavelengths, got shape \({', '.join(map(str, shape))}"):
        Treatment(AXIS, [], [])(np.ones(shape))
