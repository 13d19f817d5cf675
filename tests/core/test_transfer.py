"""Standardisation against straight loops of numpy and scikit-learn, known instrument differences, and bad input.

All spectra here are simulated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge

from pat.core import diagnostics, pls
from pat.core.preprocess import Standardisation, Treatment
from pat.core.transfer import Settings, leave_one_out, slope_bias, standardise, usual_settings
from pat.errors import InputError

AXIS = 1000.0 + 4.0 * np.arange(60)
_BANDS = np.exp(-(((AXIS - np.array([[1040.0], [1090.0], [1130.0], [1180.0], [1220.0]])) / 22.0) ** 2))


def samples(n: int, seed: int = 0, noise: float = 0.0) -> np.ndarray:
    """Spectra of five components in any shares."""
    rng = np.random.default_rng(seed)
    x = 0.3 + rng.uniform(0.2, 1.0, (n, len(_BANDS))) @ _BANDS
    return np.asarray(x + noise * rng.standard_normal(x.shape))


def by_loops(old: Any, new: Any, width: int | None, model: Any, *, prior: bool, x: Any) -> Any:
    """Piecewise or direct standardisation, a wavelength at a time, by a regression of scikit-learn."""
    p = new.shape[1]
    width = p if width is None else width
    out = np.empty((len(x), p))
    for j in range(p):
        first = min(max(j - width // 2, 0), p - width)
        window = slice(first, first + width)
        own_new, own_x = (new[:, j], x[:, j]) if prior else (0.0, 0.0)
        fitted = model(new[:, window]).fit(new[:, window], old[:, j] - own_new)
        out[:, j] = np.ravel(fitted.predict(x[:, window])) + own_x
    return out


class _ComponentRegression:
    """Regression on the first principal components, from scikit-learn's parts."""

    def __init__(self, n_components: int) -> None:
        self.pca, self.line = PCA(n_components, svd_solver="full"), LinearRegression()

    def fit(self, x: Any, y: Any) -> _ComponentRegression:
        self.line.fit(self.pca.fit_transform(x), y)
        return self

    def predict(self, x: Any) -> Any:
        return self.line.predict(self.pca.transform(x))


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    old = samples(12, 1, noise=1e-3)
    shifted = np.array([np.interp(AXIS - 1.5, AXIS, row) for row in old])
    return old, 0.05 + 1.1 * shifted + 1e-3 * np.random.default_rng(2).standard_normal(old.shape)


@pytest.mark.parametrize("width", [3, 7, None])
@pytest.mark.parametrize("prior", [True, False])
@pytest.mark.parametrize("share", [1e-5, 1e-2])
def test_ridge_is_scikit_learn_s_wavelength_by_wavelength(pair, width, prior, share):
    old, new = pair
    fresh = samples(9, 3)

    def model(z: Any) -> Ridge:
        return Ridge(share * ((z - z.mean(axis=0)) ** 2).sum(), solver="svd")

    found = standardise(old, new, Settings(width, ridge=share, from_zero=not prior), AXIS)
    np.testing.assert_allclose(found(fresh), by_loops(old, new, width, model, prior=prior, x=fresh), rtol=0, atol=1e-10)


@pytest.mark.parametrize("width", [3, 7, None])
@pytest.mark.parametrize("prior", [True, False])
def test_components_are_scikit_learn_s_wavelength_by_wavelength(pair, width, prior):
    old, new = pair
    fresh = samples(9, 3)
    for n in (1, 2, 3):
        found = standardise(old, new, Settings(width, components=n, from_zero=not prior), AXIS)
        other = by_loops(old, new, width, lambda _, n=n: _ComponentRegression(n), prior=prior, x=fresh)
        np.testing.assert_allclose(found(fresh), other, rtol=0, atol=1e-10)


def test_all_components_of_a_window_are_least_squares_and_scikit_learn_s_pls_per_window(pair):
    # Wang, Veltkamp and Kowalski regress by PCR or PLS; with all components of a window both are least squares.
    old, new = pair
    fresh = samples(9, 3, noise=1e-3)
    found = standardise(old, new, Settings(3, components=3, from_zero=True), AXIS)(fresh)
    by_pls = by_loops(old, new, 3, lambda _: PLSRegression(3, scale=False), prior=False, x=fresh)
    np.testing.assert_allclose(found, by_pls, rtol=0, atol=1e-8)
    ones, lines = np.ones((12, 1)), []
    for j in range(AXIS.size):
        first = min(max(j - 1, 0), AXIS.size - 3)
        beta = np.linalg.lstsq(np.hstack([ones, new[:, first : first + 3]]), old[:, j], rcond=None)[0]
        lines.append(beta[0] + fresh[:, first : first + 3] @ beta[1:])
    np.testing.assert_allclose(found, np.array(lines).T, rtol=0, atol=1e-8)


def test_direct_standardisation_without_penalty_goes_through_every_transfer_sample(pair):
    old, new = pair
    for from_zero in (True, False):
        found = standardise(old, new, Settings(components=11, from_zero=from_zero), AXIS)
        np.testing.assert_allclose(found(new), old, rtol=0, atol=1e-9)


def test_gain_and_offset_of_each_wavelength_are_recovered():
    rng = np.random.default_rng(4)
    gain, offset, old = rng.uniform(0.7, 1.4, AXIS.size), rng.uniform(-0.1, 0.2, AXIS.size), samples(6, 5)
    found = standardise(old, (old - offset) / gain, Settings(1, components=1), AXIS)
    np.testing.assert_allclose(found.weights[:, 0], gain, rtol=1e-9)
    np.testing.assert_allclose(found.offset, offset, rtol=0, atol=1e-9)


def test_a_banded_difference_of_instruments_is_undone_for_samples_never_seen():
    rng = np.random.default_rng(6)
    band = np.eye(AXIS.size) + 0.2 * np.eye(AXIS.size, k=1) - 0.15 * np.eye(AXIS.size, k=-1)
    offset = rng.uniform(-0.1, 0.1, AXIS.size)
    new, fresh = samples(8, 7, noise=0.05), samples(20, 8)
    found = standardise(new @ band.T + offset, new, Settings(3, components=3), AXIS)
    inside = slice(1, -1)  # at its ends the window lies off-centre, and holds the band all the same
    np.testing.assert_allclose(found(fresh)[:, inside], (fresh @ band.T + offset)[:, inside], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found(fresh), fresh @ band.T + offset, rtol=0, atol=1e-9)


def test_a_full_linear_difference_is_undone_in_the_space_that_the_samples_span():
    rng = np.random.default_rng(9)
    full = np.eye(AXIS.size) + 0.05 * rng.standard_normal((AXIS.size, AXIS.size))
    new, fresh = samples(7, 10), samples(20, 11)
    for from_zero in (True, False):
        found = standardise(new @ full.T + 0.2, new, Settings(components=5, from_zero=from_zero), AXIS)
        np.testing.assert_allclose(found(fresh), fresh @ full.T + 0.2, rtol=0, atol=1e-8)


def test_another_axis_is_brought_to_the_old_one():
    fine = np.linspace(990.0, 1250.0, 300)
    bands = np.exp(-(((fine - np.array([[1040.0], [1090.0], [1130.0], [1180.0], [1220.0]])) / 22.0) ** 2))
    shares = np.random.default_rng(12).uniform(0.2, 1.0, (30, 5))
    old, new = 0.3 + shares @ _BANDS, 0.1 + 0.9 * shares @ bands
    for settings in (Settings(components=5), Settings(9, ridge=1e-6), Settings(9, components=3, from_zero=True)):
        found = standardise(old[:10], new[:10], settings, AXIS, fine)
        assert found(new[10:]).shape == (20, AXIS.size)
        np.testing.assert_allclose(found(new[10:]), old[10:], rtol=0, atol=2e-3)
    assert np.abs(np.interp(AXIS, fine, new[20]) - old[20]).max() > 0.1


def test_left_out_is_what_the_others_teach(pair):
    old, new = pair
    settings = [Settings(ridge=1e-3), Settings(5, ridge=1e-3), Settings(5, components=2), Settings(components=0)]
    found = leave_one_out(old, new, settings, AXIS)
    for k, each in enumerate(settings):
        for i in (0, 5, 11):
            rest = np.arange(12) != i
            alone = standardise(old[rest], new[rest], each, AXIS)(new[i : i + 1])
            np.testing.assert_allclose(found[k, i : i + 1], alone, rtol=0, atol=1e-13)


def test_shrunk_to_the_own_reading_q_still_sees_foreign_material_and_shrunk_to_zero_it_does_not(pair):
    old, new = pair
    known = samples(60, 13, noise=1e-3)
    y = known[:, 20]
    model = pls.fit(pls.moments(known, y, known.mean(axis=0), float(y.mean())), 5)
    foreign = new + 0.2 * np.exp(-(((AXIS - 1150.0) / 4.0) ** 2))
    limit = np.quantile(diagnostics.evaluate(model, known)[2], 0.99)

    def q_of(from_zero: bool) -> Any:
        found = standardise(old, new, Settings(components=5, from_zero=from_zero), AXIS)
        return diagnostics.evaluate(model, found(foreign))[2]

    assert q_of(False).min() > 50.0 * limit
    assert q_of(True).max() < 0.1 * q_of(False).min()


def test_slope_and_bias_against_numpy():
    rng = np.random.default_rng(14)
    x = rng.standard_normal(9)
    y = 2.0 - 0.7 * x + 0.1 * rng.standard_normal(9)
    np.testing.assert_allclose(slope_bias(x, y), np.polyfit(x, y, 1), rtol=1e-10)


def test_the_step_treats_as_the_map_does(pair):
    old, new = pair
    for settings in (Settings(5, ridge=1e-3), Settings(ridge=1e-3)):
        found = standardise(old, new, settings, AXIS)
        treat = Treatment(AXIS, [], [found.step()])
        np.testing.assert_array_equal(treat(new), found(new))
        np.testing.assert_array_equal(treat(new[3]), found(new)[3])
        np.testing.assert_array_equal(treat.wavelength, AXIS)


def test_the_step_is_refused_on_another_axis_and_where_its_parts_do_not_fit(pair):
    step = standardise(pair[0], pair[1], Settings(5, ridge=1e-3), AXIS).step()
    with pytest.raises(InputError, match="learnt for 60 wavelengths from 1000 to 1236 nm, got 60 from 1001"):
        Treatment(AXIS + 1.0, [], [step])
    for change, message in (
        ({"first": [58] * 60}, "from 0 to 55"),
        ({"weights": [[1.0] * 5] * 59}, "weights"),
        ({"offset": [0.0] * 59}, "offset"),
        ({"inner": [[0.0] * 60]}, "outer"),
        ({"offset": [float("nan")] * 60}, "finite"),
    ):
        with pytest.raises(InputError, match=message):
            Treatment(AXIS, [], [step | change])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"window": 4, "ridge": 0.1}, "odd"),
        ({"window": 0, "ridge": 0.1}, "odd"),
        ({"window": True, "ridge": 0.1}, "odd"),
        ({}, "one of `ridge` and `components`"),
        ({"ridge": 0.1, "components": 1}, "one of `ridge` and `components`"),
        ({"ridge": 0.0}, "above 0"),
        ({"ridge": float("nan")}, "above 0"),
        ({"components": -1}, "whole number"),
        ({"components": 1.5}, "whole number"),
    ],
)
def test_settings_that_do_not_hold_together_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        Settings(**given)


def test_bad_transfer_samples_are_refused(pair):
    old, new = pair
    plain = Settings(ridge=1e-3)
    cases: list[tuple[Any, Any, Settings, tuple[Any, Any], str]] = [
        (old, new[:-1], plain, (AXIS, None), "must pair, got 12 old spectra and 11 new"),
        (old[:2], new[:2], plain, (AXIS, None), "3 or more transfer samples, got 2"),
        (old, new[:, :-1], plain, (AXIS, None), "`new` spectra must have 60 wavelengths"),
        (old, new, plain, (AXIS[:-1], None), "`old` spectra must have 59 wavelengths"),
        (old, new * np.nan, plain, (AXIS, None), "`new` spectra must be finite"),
        (old, [["a"] * 60] * 12, plain, (AXIS, None), "table of numbers"),
        (old, new, Settings(61, ridge=1e-3), (AXIS, None), "`window` must be from 1 to the 60 channels"),
        (old, new, plain, (AXIS, AXIS + 1.0), "no neighbours for 1000 nm"),
        (old, new, Settings(1, ridge=1e-3), (AXIS[1:-1], AXIS), "`old` spectra"),
        (old[:, 1:-1], new, Settings(1, ridge=1e-3), (AXIS[1:-1], AXIS), "`window` must be from 2"),
    ]
    for bad_old, bad_new, settings, (axis, axis_new), message in cases:
        with pytest.raises(InputError, match=message):
            standardise(bad_old, bad_new, settings, axis, axis_new)
    with pytest.raises(InputError, match="4 or more"):
        leave_one_out(old[:3], new[:3], [plain], AXIS)
    for x, y in (
        ([1.0, 2.0], [1.0, 2.0]),
        ([1.0] * 3, [1.0] * 3),
        ([1.0, 2.0, np.nan], [1.0] * 3),
        ([1.0] * 4, [1.0] * 3),
    ):
        with pytest.raises(InputError, match="slope and bias"):
            slope_bias(x, y)


def test_a_channel_that_never_varies_is_left_to_its_offset():
    old, new = samples(6, 15), samples(6, 15)
    old[:, 10], new[:, 10] = 0.4, 0.1
    found = standardise(old, new, Settings(1, ridge=1e-3), AXIS)
    np.testing.assert_allclose(found(new)[:, 10], 0.4, rtol=1e-12)


def test_usual_settings_fit_few_samples_and_few_channels():
    for n, p in ((5, 4), (5, 60), (30, 60)):
        every = list(usual_settings(n, p))
        assert len(every) == len(set(every))
        found = leave_one_out(samples(n, 1)[:, :p], samples(n, 2)[:, :p], every, AXIS[:p])
        assert np.isfinite(found).all()
    assert isinstance(standardise(samples(5), samples(5), every[3], AXIS), Standardisation)
