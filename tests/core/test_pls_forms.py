"""PLS from rows and from moments, weighted, scaled, of several responses, from single precision; against others."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ikpls.numpy import PLS as KernelPLS
from sklearn.cross_decomposition import PLSRegression

from pat.core import diagnostics, pls
from pat.errors import InputError

_FORMS = ("moments", "rows")


def _data(n: int, p: int, seed: int, m: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Spectra with falling directions of variation, on a background; responses in units far apart."""
    rng = np.random.default_rng([seed, 22])
    k = min(n, p)
    x = (rng.standard_normal((n, k)) * 0.8 ** np.arange(k)) @ rng.standard_normal((k, p)) + 5.0 * rng.standard_normal(p)
    y = x[:, : min(6, p)] @ rng.standard_normal((min(6, p), m)) + 0.5 * rng.standard_normal((n, m))
    y = y * 10.0 ** np.arange(m) + 10.0
    return x, y[:, 0] if m == 1 else y


def _form(form: str, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> pls.Moments | pls.Rows:
    if form == "rows":
        return pls.Rows.of(x, y, weights)
    return pls.moments(x, y, x.mean(axis=0, dtype=np.float64), np.nanmean(y, axis=0), weights)


def _close(found: np.ndarray, expected: np.ndarray, relative: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=relative * np.abs(expected).max())


def _same(found: pls.PLSModel | pls.PLS2Model, expected: pls.PLSModel | pls.PLS2Model, relative: float) -> None:
    for name in ("x_mean", "y_mean", "weights", "loadings", "y_loadings", "rotations", "coefficients"):
        _close(getattr(found, name), np.asarray(getattr(expected, name)), relative)
    _close(found.score_variance, expected.score_variance, relative)
    assert found.n_samples == expected.n_samples


# Rows and moments


@pytest.mark.parametrize(("n", "p"), [(60, 20), (30, 300), (700, 40), (40, 40)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scale", [False, True])
def test_rows_and_moments_give_the_same_model(n, p, weighted, scale):
    x, y = _data(n, p, seed=n)
    weights = np.random.default_rng(1).uniform(0.0, 3.0, n) * (np.arange(n) % 7 > 0) if weighted else None
    y[::11] = np.nan
    by_rows = pls.fit(pls.Rows.of(x, y, weights), 8, scale_x=scale)
    _same(by_rows, pls.fit(_form("moments", x, y, weights), 8, scale_x=scale), 1e-10)
    assert pls.Rows.of(x, y, weights).n_missing == _form("moments", x, y, weights).n_missing


def test_the_form_with_less_work_is_chosen():
    assert isinstance(pls.best_form(*_data(30, 300, 1), 5), pls.Rows)
    assert isinstance(pls.best_form(*_data(3_000, 60, 1), 20), pls.Moments)
    assert isinstance(pls.best_form(*_data(3_000, 60, 1), 2), pls.Rows)


def test_rows_that_need_no_shift_are_not_copied():
    # A large copy may cost more than the fit: fresh memory is slow on virtual machines.
    x, y = _data(200, 40, seed=5)
    centred = x - x.mean(axis=0)
    assert np.shares_memory(pls.Rows.of(centred, y).x, centred)
    assert not np.shares_memory(pls.Rows.of(x, y).x, x)
    before = centred.copy()
    model = pls.fit(pls.Rows.of(centred, y), 6)
    np.testing.assert_array_equal(centred, before)
    far = pls.fit(pls.moments(centred, y, centred[0], 0.0), 6)
    for name in ("coefficients", "rotations", "loadings", "score_variance"):
        _close(getattr(model, name), getattr(far, name), 1e-10)
    # In an order in which a row is not of a piece, in single precision, or with a reference missing, they are.
    y[3] = np.nan
    for other in (np.asfortranarray(centred), centred.astype(np.float32), centred):
        rows = pls.Rows.of(other, y)
        assert rows.x.flags.c_contiguous
        assert rows.x.dtype == np.float64
        assert not np.shares_memory(rows.x, other)


@given(n=st.integers(8, 40), p=st.integers(2, 60), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_choice_changes_no_number(n, p, seed):
    x, y = _data(n, p, seed)
    a = min(3, n - 1, p)
    chosen = pls.fit(pls.best_form(x, y, a), a)
    for form in _FORMS:
        _close(chosen.coefficients, pls.fit(_form(form, x, y), a).coefficients, 1e-10)


@pytest.mark.parametrize("form", _FORMS)
def test_single_precision_spectra_are_summed_in_double(form):
    # The spectra lie far from zero and vary little: in single precision the products alone would be off by 1e-3.
    rng = np.random.default_rng(3)
    x = (100.0 + 0.05 * _data(9_000, 12, 2)[0]).astype(np.float32)
    y = x[:, :3].astype(np.float64).sum(axis=1) + 0.01 * rng.standard_normal(9_000)
    wide = x.astype(np.float64)
    found = pls.fit(_form(form, x, y), 5)
    _close(found.coefficients, pls.fit(pls.Rows.of(wide, y), 5).coefficients, 1e-9)
    exact = (wide - wide.mean(axis=0)).T @ (wide - wide.mean(axis=0))
    m = _form("moments", x, y)
    assert isinstance(m, pls.Moments)
    _close(m.xx - np.outer(m.sum_x, m.sum_x) / m.n, exact, 1e-13)
    single = x - x.mean(axis=0)
    assert np.abs(single.T @ single - exact).max() / np.abs(exact).max() > 1e-8


# Weights


@pytest.mark.parametrize("form", _FORMS)
def test_whole_weights_are_repeated_rows(form):
    x, y = _data(40, 25, seed=4)
    weights = np.random.default_rng(2).integers(0, 4, 40).astype(np.float64)
    found = pls.fit(_form(form, x, y, weights), 6)
    repeats = weights.astype(int)
    expected = pls.fit(pls.Rows.of(np.repeat(x, repeats, axis=0), np.repeat(y, repeats)), 6)
    for name in ("x_mean", "coefficients", "rotations", "loadings"):
        _close(getattr(found, name), getattr(expected, name), 1e-10)
    assert found.n_samples == int((weights > 0).sum())


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("scale", [False, True])
def test_weighted_fit_is_that_of_ikpls(form, scale):
    x, y = _data(50, 20, seed=5)
    weights = np.random.default_rng(3).uniform(0.1, 3.0, 50)
    other = KernelPLS(algorithm=1, scale_X=scale, scale_Y=False, ddof=1).fit(x, y[:, None], 6, sample_weight=weights)
    model = pls.fit(_form(form, x, y, weights), 6, scale_x=scale)
    for a in range(1, 7):
        expected = other.predict(x, n_components=a)[:, 0]
        _close(pls.predict_all(model, x)[:, a - 1], expected, 1e-10)


def test_all_weights_times_a_number_change_nothing():
    x, y = _data(30, 15, seed=6)
    weights = np.random.default_rng(4).uniform(0.5, 2.0, 30)
    _same(pls.fit(_form("rows", x, y, 7.0 * weights), 5), pls.fit(_form("moments", x, y, weights), 5), 1e-10)


def test_weights_by_hand():
    x, y = np.array([[1.0, 2.0], [3.0, 5.0], [9.0, 9.0], [8.0, 8.0]]), np.array([10.0, 14.0, 11.0, np.nan])
    m = pls.moments(x, y, np.array([1.0, 1.0]), 10.0, np.array([1.0, 2.0, 0.0, 1.0]))
    # Shifted rows (0, 1) with 0 and, twice, (2, 4) with 4; the third has no weight, the fourth no reference.
    assert (m.n, m.n_missing, m.weight) == (2, 1, 3.0)
    np.testing.assert_allclose([m.sum_y, m.yy], [8.0, 32.0])
    np.testing.assert_allclose(m.sum_x, [4.0, 9.0])
    np.testing.assert_allclose(m.xx, [[8.0, 16.0], [16.0, 33.0]])
    np.testing.assert_allclose(m.xy, [16.0, 32.0])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), r"one for each of the 20 spectra, got shape \(3,\)"),
        (-np.ones(20), "not negative, got -1"),
        (np.full(20, np.nan), "finite and not negative"),
    ],
)
def test_what_are_no_weights(weights, message):
    x, y = _data(20, 5, seed=7)
    for form in _FORMS:
        with pytest.raises(InputError, match=message):
            _form(form, x, y, weights)


# Scaling


@pytest.mark.parametrize("form", _FORMS)
def test_scaled_fit_is_that_of_scikit_learn(form):
    x, y = _data(50, 30, seed=8)
    x[:, 7] = 3.25
    model = pls.fit(_form(form, x, y), 6, scale_x=True)
    for a in range(1, 7):
        other = PLSRegression(a, scale=True, tol=1e-14, max_iter=10_000).fit(x, y)
        _close(model.coefficients[a - 1], other.coef_[0], 1e-10)
        _close(pls.predict_all(model, x)[:, a - 1], other.predict(x), 1e-10)
    sign = np.sign((pls.scores(model, x) * other.transform(x)).sum(axis=0))
    _close(pls.scores(model, x), other.transform(x) * sign, 1e-9)
    # The model is in the units of the spectra: what it leaves of one is what scikit-learn's leaves.
    t2, q = diagnostics.evaluate(model, x)[1:]
    left = x - other.inverse_transform(other.transform(x))
    np.testing.assert_allclose(q, (left**2).sum(axis=1), rtol=1e-8)
    np.testing.assert_allclose(t2, (other.transform(x) ** 2 / other.transform(x).var(axis=0, ddof=1)).sum(1), rtol=1e-8)


def test_a_wavelength_of_rounding_is_not_blown_up():
    # A constant that sums do not represent exactly leaves a variance of rounding; scaled to 1 it would be noise.
    x, y = _data(50, 6, seed=9)
    x[:, 2] = 0.1
    others = [0, 1, 3, 4, 5]
    for form in _FORMS:
        model = pls.fit(_form(form, x, y), 3, scale_x=True)
        expected = pls.fit(_form(form, x[:, others], y), 3, scale_x=True)
        _close(model.coefficients[:, others], expected.coefficients, 1e-10)


# Several responses


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize(("n", "p", "m"), [(60, 20, 3), (30, 200, 2), (50, 4, 6)])
def test_pls2_is_that_of_scikit_learn_and_ikpls(form, scale, n, p, m):
    x, y = _data(n, p, seed=n, m=m)
    most = min(6, p)
    model = pls.fit_pls2(_form(form, x, y), most, scale_x=scale, scale_y=scale)
    kernel = KernelPLS(algorithm=1, scale_X=scale, scale_Y=scale, ddof=1).fit(x, y, most)
    for a in range(1, most + 1):
        nipals = PLSRegression(a, scale=scale, tol=1e-15, max_iter=100_000).fit(x, y)
        for j in range(m):  # each in its own units
            _close(model.coefficients[a - 1, :, j], nipals.coef_[j], 1e-6)
            _close(pls.predict_all(model, x)[:, a - 1, j], kernel.predict(x, n_components=a)[:, j], 1e-9)
    sign = np.sign((pls.scores(model, x) * nipals.transform(x)).sum(axis=0))
    _close(pls.scores(model, x), nipals.transform(x) * sign, 1e-6)


def test_corn_pls2_is_that_of_r(measured):
    """R 4.2.2, pls 2.8-1: plsr(Y ~ X, ncomp = 8, method = "kernelpls"), Y moisture, oil, protein, starch; m5.

    coef(m, ncomp = a)[351, , 1], the 351st wavelength.
    """
    data = measured("corn_three_instruments")
    y = np.column_stack([data[name] for name in ("moisture", "oil", "protein", "starch")])
    expected = {
        1: [-0.00825457079187062, 0.00159382667423477, 0.00542136676038798, 0.00384608142552938],
        4: [0.0805711126491642, -0.0349000840191912, -0.786173098528496, 1.18498085424471],
        8: [0.247161913186845, 0.0668853203311575, -1.95818427073826, 4.27118052753981],
    }
    for form in _FORMS:
        model = pls.fit_pls2(_form(form, data["absorbance_m5"], y), 8)
        for a, values in expected.items():
            np.testing.assert_allclose(model.coefficients[a - 1, 350], values, rtol=1e-6)


def test_one_response_of_pls2_is_pls1():
    x, y = _data(40, 30, seed=10)
    _same(pls.fit_pls2(_form("rows", x, y[:, None]), 5).response(0), pls.fit(_form("rows", x, y), 5), 1e-14)


def test_a_response_of_a_pls2_model_predicts_and_judges_as_the_whole():
    x, y = _data(40, 30, seed=11, m=3)
    model = pls.fit_pls2(_form("moments", x, y), 5, scale_y=True)
    for j in range(3):
        value, t2, q = diagnostics.evaluate(model.response(j), x)
        np.testing.assert_allclose(value, pls.predict(model, x)[:, j], rtol=1e-12)
        np.testing.assert_allclose(pls.predict_all(model.response(j), x), pls.predict_all(model, x)[..., j], rtol=1e-12)
    part = model.truncated(2)
    assert part.n_components == 2
    np.testing.assert_allclose(pls.predict(part, x), pls.predict_all(model, x)[:, 1], rtol=1e-12)
    for index in (-1, 3):
        with pytest.raises(InputError, match=f"one of 3 responses, got {index}"):
            model.response(index)


def test_rows_that_lack_a_response_are_skipped_and_counted_for_each():
    x, y = _data(40, 15, seed=12, m=3)
    y[3, 0] = y[5, 2] = y[9, 2] = y[9, 0] = np.nan
    whole = ~np.isnan(y).any(axis=1)
    for form in _FORMS:
        data = _form(form, x, y)
        assert data.n_missing == 3
        np.testing.assert_array_equal(data.missing, [2, 0, 2])
        _same(pls.fit_pls2(data, 4), pls.fit_pls2(_form(form, x[whole], y[whole]), 4), 1e-10)


def test_moments_of_one_of_several_responses():
    x, y = _data(40, 15, seed=13, m=3)
    m = _form("moments", x, y)
    assert isinstance(m, pls.Moments)
    for j in range(3):
        _same(pls.fit(pls.one_response(m, j), 4), pls.fit(_form("rows", x, y[:, j]), 4), 1e-10)
    with pytest.raises(InputError, match="one of 3 responses, got 3"):
        pls.one_response(m, 3)


def test_kept_products_serve_another_response():
    x, y = _data(40, 15, seed=14, m=2)
    kept = _form("moments", x, y[:, 0])
    assert isinstance(kept, pls.Moments)
    other = pls.moments(x, y[:, 1], kept.shift_x, 100.0, xx=kept.xx)
    assert other.xx is kept.xx
    _same(pls.fit(other, 4), pls.fit(_form("rows", x, y[:, 1]), 4), 1e-10)


def test_pls2_adds_and_takes_off_batches():
    x, y = _data(60, 20, seed=15, m=2)
    shift = x[0], y[0]
    parts = [pls.moments(x[i::3], y[i::3], *shift) for i in range(3)]
    total = pls.combine(parts)
    _same(pls.fit_pls2(total, 5), pls.fit_pls2(_form("rows", x, y), 5), 1e-10)
    rest = np.arange(60) % 3 > 0
    _same(pls.fit_pls2(pls.without(total, parts[0]), 5), pls.fit_pls2(_form("rows", x[rest], y[rest]), 5), 1e-9)


# Refusals


@pytest.mark.parametrize("form", _FORMS)
def test_what_cannot_be_fitted(form):
    x, y = _data(20, 30, seed=16, m=2)
    with pytest.raises(InputError, match="PLS1 needs one response, got 2; `fit_pls2` takes several"):
        pls.fit(_form(form, x, y), 3)
    flat = y.copy()
    flat[:, 1] = 7.0
    with pytest.raises(InputError, match="reference values of response 1 that vary, got 20 that are all 7"):
        pls.fit_pls2(_form(form, x, flat), 3)
    with pytest.raises(InputError, match=r"`X` must be \(n, p\) and `y` \(n,\) or \(n, m\), got \(20, 30\) and \(19,"):
        _form(form, x, y[:19])
    x[4, 3] = np.nan
    with pytest.raises(InputError, match="spectra with reference values must be finite"):
        pls.fit(_form(form, x, y[:, 0]), 3)
    y[4] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mean that shifts is not needed of a spectrum that does not enter
        x_mean = np.nanmean(x, axis=0)
    data = pls.Rows.of(x, y[:, 0]) if form == "rows" else pls.moments(x, y[:, 0], x_mean, 10.0)
    assert np.isfinite(pls.fit(data, 3).coefficients).all()


def test_no_reference_at_all():
    x, _ = _data(20, 30, seed=17)
    for a in (1, 19):
        with pytest.raises(InputError, match="PLS needs spectra with reference values, got none"):
            pls.best_form(x, np.full(20, np.nan), a)


@pytest.mark.parametrize("form", _FORMS)
@pytest.mark.parametrize("rank", [1, 3])
def test_pls2_and_rows_stop_where_the_rank_is_used_up(form, rank):
    rng = np.random.default_rng(18)
    x = rng.standard_normal((30, rank)) @ rng.standard_normal((rank, 50))
    y = x[:, :2] + rng.standard_normal((30, 2))
    with pytest.warns(pls.RankWarning, match=f"what component {rank + 1} would model is rounding"):
        model = pls.fit_pls2(_form(form, x, y), 8)
    assert model.n_components == rank
    expected = np.linalg.pinv(x - x.mean(axis=0), rcond=1e-9) @ (y - y.mean(axis=0))
    _close(model.coefficients[-1], expected, 1e-8)
