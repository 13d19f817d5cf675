"""PLS from moments against scikit-learn, ikpls, least squares and its own sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ikpls.numpy import PLS as KernelPLS
from sklearn.cross_decomposition import PLSRegression

from pat.core import pls
from pat.core.preprocess import snv
from pat.errors import InputError


def _data(n: int, p: int, seed: int, rank: int | None = None, fall: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    """Spectra of `rank` (or full) directions, each `fall` times the one before, and a response with noise."""
    rng = np.random.default_rng([seed, 21])
    k = rank or min(n, p)
    x = (rng.standard_normal((n, k)) * fall ** np.arange(k)) @ rng.standard_normal((k, p)) + rng.standard_normal(p)
    return x, x[:, : min(4, p)].sum(axis=1) + 0.3 * rng.standard_normal(n) + 10.0


def _moments(x: np.ndarray, y: np.ndarray) -> pls.Moments:
    return pls.moments(x, y, x.mean(axis=0), float(np.nanmean(y)))


def _fit(x: np.ndarray, y: np.ndarray, a: int) -> pls.PLSModel:
    return pls.fit(_moments(x, y), a)


def _close(found: np.ndarray, expected: np.ndarray, relative: float = 1e-8) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * np.abs(expected).max())


# Against other programs


@pytest.mark.requirement("URS-12")
@pytest.mark.parametrize(("n", "p"), [(60, 20), (40, 120), (25, 25), (12, 300)])
def test_coefficients_equal_scikit_learn_and_ikpls(n, p):
    x, y = _data(n, p, seed=n)
    model = _fit(x, y, 8)
    kernel = KernelPLS(algorithm=2, scale_X=False, scale_Y=False).fit(x, y[:, None], 8)
    for a in range(1, 9):
        nipals = PLSRegression(a, scale=False, tol=1e-14, max_iter=10_000).fit(x, y)
        _close(model.coefficients[a - 1], nipals.coef_[0])
        _close(model.coefficients[a - 1], kernel.B[a - 1, :, 0])
        _close(pls.predict_all(model, x)[:, a - 1], nipals.predict(x))


def test_scores_and_loadings_equal_scikit_learn_up_to_sign():
    x, y = _data(40, 30, seed=3)
    model, other = _fit(x, y, 5), PLSRegression(5, scale=False).fit(x, y)
    sign = np.sign((model.rotations * other.x_rotations_).sum(axis=0))
    _close(pls.scores(model, x), other.transform(x) * sign)
    _close(model.loadings, other.x_loadings_ * sign)
    _close(model.weights, other.x_weights_ * sign)
    _close(model.y_loadings, other.y_loadings_[0] * sign)
    np.testing.assert_allclose(model.score_variance, other.transform(x).var(axis=0, ddof=1), rtol=1e-9)


@pytest.mark.parametrize("treated", [False, True], ids=["raw", "snv"])
def test_gasoline_coefficients_equal_scikit_learn_and_ikpls_for_1_to_10_components(measured, treated):
    data = measured("gasoline")
    x, y = data["absorbance"], data["octane"]
    x = snv(x) if treated else x
    model = _fit(x, y, 10)
    kernel = KernelPLS(algorithm=1, scale_X=False, scale_Y=False).fit(x, y[:, None], 10)
    for a in range(1, 11):
        nipals = PLSRegression(a, scale=False, tol=1e-14, max_iter=10_000).fit(x, y)
        _close(model.coefficients[a - 1], nipals.coef_[0])
        _close(model.coefficients[a - 1], kernel.B[a - 1, :, 0])


@pytest.mark.requirement("URS-12", "URS-85")
def test_gasoline_coefficients_equal_r(measured):
    """R 4.2.2, pls 2.8-1: coef(plsr(octane ~ NIR, ncomp = 10, data = gasoline, method = "kernelpls"), ncomp = a)[i].

    With i = c(1, 51, 101, 201, 301, 401).
    """
    data = measured("gasoline")
    expected = {
        1: [-0.0211653482504753, -0.00439105885688501, -0.0226749228732146, -0.0465116987781581, -0.0580889923809647,
            0.138610715662326],
        3: [0.353872019790145, 0.39881819489736, 0.184166837772725, 0.0355131604988671, 0.355861353422322,
            -0.336811267691692],
        6: [0.190543210448595, 0.347518134057416, 0.1512639429429, 0.257656133552072, 0.262039371859583,
            2.33103514728194],
        10: [-0.765542427124572, 0.241637303157034, -0.352105759171812, 1.06396960125506, 0.364839912459562,
             3.1291476592701],
    }  # fmt: skip
    model = _fit(data["absorbance"], data["octane"], 10)
    for a, values in expected.items():
        _close(model.coefficients[a - 1][[0, 50, 100, 200, 300, 400]], np.array(values), 1e-8)


def test_all_components_are_least_squares():
    x, y = _data(50, 6, seed=4)
    model = _fit(x, y, 6)
    expected, *_ = np.linalg.lstsq(np.column_stack([np.ones(50), x]), y, rcond=None)
    _close(model.coefficients[-1], expected[1:], 1e-10)
    assert model.y_mean - model.x_mean @ model.coefficients[-1] == pytest.approx(expected[0], rel=1e-9)


# Moments


def test_moments_by_hand():
    x, y = np.array([[1.0, 2.0], [3.0, 5.0], [0.0, 0.0]]), np.array([10.0, 14.0, np.nan])
    m = pls.moments(x, y, np.array([1.0, 1.0]), 10.0)
    # Shifted rows (0, 1) with 0 and (2, 4) with 4; the third has no reference.
    assert (m.n, m.n_missing, float(m.sum_y), float(m.yy)) == (2, 1, 4.0, 16.0)
    np.testing.assert_array_equal(m.sum_x, [2.0, 5.0])
    np.testing.assert_array_equal(m.xx, [[4.0, 8.0], [8.0, 17.0]])
    np.testing.assert_array_equal(m.xy, [8.0, 16.0])


def _same_model(found: pls.PLSModel, expected: pls.PLSModel, relative: float) -> None:
    for name in ("x_mean", "coefficients", "rotations", "loadings", "score_variance"):
        _close(getattr(found, name), getattr(expected, name), relative)
    assert found.y_mean == pytest.approx(expected.y_mean, rel=1e-13)
    assert found.n_samples == expected.n_samples


def test_combined_batches_equal_all_rows_at_once_and_without_equals_the_rest():
    x, y = _data(60, 25, seed=5)
    shift_x, shift_y = x[:7].mean(axis=0), float(y[:7].mean())
    cuts = [slice(0, 13), slice(13, 14), slice(14, 41), slice(41, 60)]
    parts = [pls.moments(x[c], y[c], shift_x, shift_y) for c in cuts]
    total = pls.combine(parts)
    _same_model(pls.fit(total, 5), _fit(x, y, 5), 1e-10)
    for part, cut in zip(parts, cuts, strict=True):
        rest = np.ones(60, dtype=bool)
        rest[cut] = False
        _same_model(pls.fit(pls.without(total, part), 5), _fit(x[rest], y[rest], 5), 1e-9)


def test_a_sum_in_the_same_order_has_the_same_bits():
    x, y = _data(60, 25, seed=5)
    parts = [pls.moments(x[i::4], y[i::4], x.mean(axis=0), 10.0) for i in range(4)]
    one, other = pls.combine(parts), pls.combine([pls.combine(parts[:2]), *parts[2:]])
    np.testing.assert_array_equal(one.xx, other.xx)
    np.testing.assert_array_equal(pls.fit(one, 4).coefficients, pls.fit(other, 4).coefficients)


@given(far=st.floats(-50.0, 50.0), seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_the_shift_does_not_matter(far, seed):
    x, y = _data(30, 12, seed)
    expected = _fit(x, y, 4)
    found = pls.fit(pls.moments(x, y, x.mean(axis=0) + far, float(y.mean()) - far), 4)
    _same_model(found, expected, 1e-8)


def test_references_that_are_missing_are_skipped_and_counted():
    x, y = _data(40, 15, seed=6)
    known = np.arange(40) % 3 != 0
    gappy = np.where(known, y, np.nan)
    m = _moments(x, gappy)
    assert (m.n, m.n_missing) == (26, 14)
    _same_model(_fit(x, gappy, 4), _fit(x[known], y[known], 4), 1e-10)
    nothing = pls.moments(x[:3], np.full(3, np.nan), x.mean(axis=0), 0.0)
    assert (nothing.n, nothing.n_missing) == (0, 3)
    same = pls.combine([pls.moments(x, gappy, x.mean(axis=0), 0.0), nothing])
    assert (same.n, same.n_missing) == (26, 17)


def test_moments_about_different_shifts_are_not_mixed():
    x, y = _data(20, 5, seed=7)
    a, b, c = (pls.moments(x, y, x[0], 0.0), pls.moments(x, y, x[1], 0.0), pls.moments(x, y, x[0], 1.0))
    for other in (b, c):
        with pytest.raises(InputError, match="different shifts"):
            pls.combine([a, other])
        with pytest.raises(InputError, match="different shifts"):
            pls.without(a, other)
    with pytest.raises(InputError, match="at least 1 batch"):
        pls.combine([])


# Limits of what can be fitted


@pytest.mark.parametrize("fall", [0.7, 0.1])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("rank", [1, 2, 3, 5])
def test_components_stop_where_the_rank_is_used_up(rank, scale, fall):
    # Least squares on what varies is the last model that exists; a component of rounding would leave it.
    for seed in range(40):
        x, y = _data(30, 60, seed, rank=rank, fall=fall)
        with pytest.warns(pls.RankWarning, match=f"component {rank} of 10: what component {rank + 1} would"):
            model = _fit(scale * x, y, 10)
        assert model.n_components == rank
        expected = np.linalg.pinv(x - x.mean(axis=0), rcond=1e-9) @ (y - y.mean()) / scale
        _close(model.coefficients[-1], expected, 1e-5)


def test_as_many_components_as_spectra_allow_reproduce_the_references():
    x, y = _data(12, 40, seed=8)
    model = _fit(x, y, 11)
    assert model.n_components == 11
    np.testing.assert_allclose(pls.predict(model, x), y, rtol=1e-9)


@pytest.mark.parametrize("level", [0.0, 0.1, 10.3, -1e6])
@pytest.mark.parametrize("shift", [0.0, 0.1, 9.9])
def test_references_that_do_not_vary_are_refused(level, shift):
    x, _ = _data(20, 30, seed=9)
    with pytest.raises(InputError, match="reference values that vary, got 20 that are all "):
        pls.fit(pls.moments(x, np.full(20, level), x.mean(axis=0), shift), 3)


@pytest.mark.parametrize("share", [0.0, 0.9, 1.0])
def test_spectra_that_do_not_vary_are_refused(share):
    x, y = np.tile(np.linspace(0.1, 0.9, 30), (20, 1)), np.linspace(8.0, 12.0, 20)
    with pytest.raises(InputError, match="spectra that vary, got 20 that are all alike"):
        pls.fit(pls.moments(x, y, share * x[0], 10.0), 3)


@pytest.mark.parametrize(("n", "p", "a", "most"), [(20, 5, 6, 5), (4, 30, 4, 3), (20, 5, 0, 5), (20, 5, -1, 5)])
def test_too_many_components_are_refused_with_both_numbers(n, p, a, most):
    x, y = _data(n, p, seed=10)
    with pytest.raises(InputError, match=rf"from 1 to {most} for {n} spectra of {p} wavelengths, got {a}"):
        _fit(x, y, a)


# Predictions


def test_every_column_of_predict_all_is_the_truncated_models_prediction():
    x, y = _data(40, 30, seed=11)
    model, new = _fit(x, y, 6), _data(9, 30, seed=12)[0]
    whole = pls.predict_all(model, new)
    assert whole.shape == (9, 6)
    for a in range(1, 7):
        part = model.truncated(a)
        assert part.n_components == a
        np.testing.assert_allclose(pls.predict(part, new), whole[:, a - 1], rtol=1e-12)
        np.testing.assert_allclose(pls.predict(_fit(x, y, a), new), whole[:, a - 1], rtol=1e-10)
        np.testing.assert_array_equal(pls.scores(part, new).shape, (9, a))
    for a in (0, 7):
        with pytest.raises(InputError, match=f"from 1 to 6, got {a}"):
            model.truncated(a)


def test_scores_are_uncorrelated_and_weights_orthonormal():
    x, y = _data(40, 30, seed=13)
    model = _fit(x, y, 6)
    t = pls.scores(model, x)
    _close(t.T @ t, np.diag(39.0 * model.score_variance), 1e-10)
    _close(model.weights.T @ model.weights, np.eye(6), 1e-10)
    _close(model.loadings.T @ model.rotations, np.eye(6), 1e-10)


def test_fitting_leaves_the_data_as_they_were():
    x, y = _data(20, 10, seed=14)
    kept = x.copy(), y.copy()
    x.flags.writeable = y.flags.writeable = False
    _fit(x, y, 3)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(y, kept[1])
