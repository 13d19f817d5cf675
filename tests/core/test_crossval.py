"""Cross-validation in step against every fold fitted alone, scikit-learn, ikpls and R."""

from __future__ import annotations

import numpy as np
import pytest
from ikpls.fast_cross_validation.numpy import PLS as FastCV
from sklearn.cross_decomposition import PLSRegression
from threadpoolctl import threadpool_limits

from pat.core import diagnostics, pls
from pat.core.crossval import Group, LinearMap, held_out, leave_groups_out, left_out_through
from pat.errors import InputError


def _data(n: int, p: int, seed: int, m: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Spectra with falling directions of variation, on a background; responses in units far apart."""
    rng = np.random.default_rng([seed, 23])
    k = min(n, p)
    x = (rng.standard_normal((n, k)) * 0.8 ** np.arange(k)) @ rng.standard_normal((k, p)) + 3.0 * rng.standard_normal(p)
    y = x[:, : min(6, p)] @ rng.standard_normal((min(6, p), m)) + 0.5 * rng.standard_normal((n, m))
    y = y * 10.0 ** np.arange(m) + 10.0
    return x, y[:, 0] if m == 1 else y


def _alone(x, y, train, test, a, weights=None, scale=False):
    """Predictions, T2 and Q of one fold, from the rows themselves, fitted on its own."""
    model = pls.fit(pls.Rows.of(x[train], y[train], None if weights is None else weights[train]), a, scale_x=scale)
    each = [diagnostics.evaluate(model.truncated(k), x[test]) for k in range(1, model.n_components + 1)]
    return tuple(np.column_stack(values) for values in zip(*each, strict=True))


CODES = {
    "even": np.repeat(np.arange(12), 6),
    "uneven": np.sort(np.random.default_rng(0).integers(0, 7, 72)),
    "scattered": np.random.default_rng(1).integers(0, 10, 72) * 5,
    "each": np.arange(72),
}


@pytest.mark.requirement("URS-13")
@pytest.mark.parametrize("p", [20, 150])
@pytest.mark.parametrize("groups", list(CODES))
@pytest.mark.parametrize(("weighted", "scale"), [(False, False), (True, False), (False, True), (True, True)])
def test_every_fold_is_as_if_fitted_alone(p, groups, weighted, scale):
    x, y = _data(72, p, seed=p)
    codes, a = CODES[groups], 8
    weights = np.random.default_rng(2).uniform(0.2, 2.0, 72) if weighted else None
    found = leave_groups_out(x, y, codes, a, weights=weights, scale_x=scale)
    for code in np.unique(codes):
        test = codes == code
        predicted, t2, q = _alone(x, y, ~test, test, a, weights, scale)
        np.testing.assert_allclose(found.predicted[test], predicted, rtol=1e-10)
        np.testing.assert_allclose(found.t2[test], t2, rtol=1e-8)
        np.testing.assert_allclose(found.q[test], q, rtol=1e-8)
    squared = (found.predicted - y[:, None]) ** 2
    expected = np.sqrt(np.average(squared, axis=0, weights=weights))
    np.testing.assert_allclose(found.rmsecv, expected, rtol=1e-12)
    np.testing.assert_array_equal(found.n_components, a)


@pytest.mark.requirement("URS-13")
@pytest.mark.parametrize("scale", [False, True])
def test_rmsecv_is_that_of_scikit_learn_and_ikpls(scale):
    x, y = _data(120, 60, seed=3)
    codes, a = np.repeat(np.arange(10), 12), 10
    found = leave_groups_out(x, y, codes, a, scale_x=scale)
    squares = np.zeros(a)
    for code in range(10):
        train = codes != code
        for k in range(1, a + 1):
            model = PLSRegression(k, scale=scale, tol=1e-14, max_iter=10_000).fit(x[train], y[train])
            squares[k - 1] += ((model.predict(x[~train]) - y[~train]) ** 2).sum()
    np.testing.assert_allclose(found.rmsecv, np.sqrt(squares / 120), rtol=1e-10)
    other = FastCV(algorithm=2, scale_X=scale, scale_Y=False, ddof=1)
    each = other.cross_validate(
        x, y[:, None], a, codes, lambda true, guess: ((guess - true) ** 2).sum(axis=(1, 2)), n_jobs=1, verbose=0
    )
    np.testing.assert_allclose(found.rmsecv, np.sqrt(sum(each.values()) / 120), rtol=1e-10)


@pytest.mark.requirement("URS-13", "URS-85")
def test_gasoline_leave_one_out_is_that_of_r(measured):
    """R 4.2.2, pls 2.8-1: RMSEP(plsr(octane ~ NIR, 10, data = gasoline, validation = "LOO"), "CV")."""
    data = measured("gasoline")
    expected = [
        *(1.32816740133095, 0.381308813302137, 0.257894254377336, 0.241152184024731, 0.2411555368609),
        *(0.229447663329162, 0.219137716228439, 0.227973481806693, 0.242166157907131, 0.244055145676637),
    ]
    found = leave_groups_out(data["absorbance"], data["octane"], np.arange(60), 10)
    np.testing.assert_allclose(found.rmsecv, expected, rtol=1e-9)


def test_gasoline_scaled_in_every_segment_is_that_of_r(measured):
    """The same with scale = TRUE, validation = "CV", segments = 10, segment.type = "consecutive"."""
    data = measured("gasoline")
    expected = [
        *(1.39606037843893, 0.818785773023831, 0.277372550013586, 0.239208786668414, 0.212563928905219),
        *(0.210822266930516, 0.21810677464284, 0.243019087105873, 0.247995280816781, 0.23718345015488),
    ]
    found = leave_groups_out(data["absorbance"], data["octane"], np.arange(60) // 6, 10, scale_x=True)
    np.testing.assert_allclose(found.rmsecv, expected, rtol=1e-9)


def test_corn_pls2_is_that_of_r(measured):
    """plsr(Y ~ X, 8, validation = "CV", segments = 10, segment.type = "consecutive"), Y as in test_pls_forms."""
    data = measured("corn_three_instruments")
    y = np.column_stack([data[name] for name in ("moisture", "oil", "protein", "starch")])
    found = leave_groups_out(data["absorbance_m5"], y, np.arange(80) // 8, 8, joint=True)
    expected = {
        1: [0.315210715707373, 0.18691793146094, 0.497331591217662, 0.850153911958834],
        4: [0.238529777486988, 0.189177005224105, 0.314484381479087, 0.691681029512813],
        8: [0.073806298477045, 0.0888636636718865, 0.18550070777497, 0.395325004071551],
    }
    for a, values in expected.items():
        np.testing.assert_allclose(found.rmsecv[a - 1], values, rtol=1e-7)


# Several responses


@pytest.mark.parametrize("p", [20, 150])
def test_a_model_for_each_response_is_that_of_each_alone(p):
    x, y = _data(72, p, seed=5, m=3)
    codes = CODES["uneven"]
    found = leave_groups_out(x, y, codes, 6)
    for j in range(3):
        alone = leave_groups_out(x, y[:, j], codes, 6)
        np.testing.assert_allclose(found.predicted[..., j], alone.predicted, rtol=1e-10)
        np.testing.assert_allclose(found.t2[..., j], alone.t2, rtol=1e-8)
        np.testing.assert_allclose(found.q[..., j], alone.q, rtol=1e-8)
        np.testing.assert_allclose(found.rmsecv[:, j], alone.rmsecv, rtol=1e-10)


@pytest.mark.parametrize("scale", [False, True])
def test_pls2_in_step_is_as_if_fitted_alone(scale):
    x, y = _data(72, 40, seed=6, m=3)
    codes = CODES["scattered"]
    found = leave_groups_out(x, y, codes, 6, joint=True, scale_x=scale, scale_y=scale)
    assert found.predicted.shape == (72, 6, 3)
    assert found.t2.shape == found.q.shape == (72, 6)
    for code in np.unique(codes):
        test = codes == code
        model = pls.fit_pls2(pls.Rows.of(x[~test], y[~test]), 6, scale_x=scale, scale_y=scale)
        expected = pls.predict_all(model, x[test])
        for j in range(3):
            np.testing.assert_allclose(found.predicted[test][..., j], expected[..., j], rtol=1e-9)
        t2, q = diagnostics.evaluate(model.response(0), x[test])[1:]
        np.testing.assert_allclose(found.t2[test, -1], t2, rtol=1e-8)
        np.testing.assert_allclose(found.q[test, -1], q, rtol=1e-8)


def test_one_response_as_a_column_is_one_response():
    x, y = _data(72, 20, seed=7)
    column = leave_groups_out(x, y[:, None], CODES["even"], 4)
    alone = leave_groups_out(x, y, CODES["even"], 4)
    for name in ("predicted", "t2", "q", "rmsecv"):
        np.testing.assert_allclose(getattr(column, name)[..., 0], getattr(alone, name), rtol=1e-12)


# What was kept


def test_kept_moments_serve_another_batch_and_another_response():
    x, y = _data(72, 30, seed=8, m=2)
    codes = CODES["even"]
    early = codes < 11
    kept = pls.moments(x[early], y[early, 0], x[0], y[0, 0])
    total = pls.combine([kept, pls.moments(x[~early], y[~early, 0], x[0], y[0, 0])])
    expected = leave_groups_out(x, y[:, 0], codes, 6)
    np.testing.assert_allclose(leave_groups_out(x, y[:, 0], codes, 6, total=total).rmsecv, expected.rmsecv, rtol=1e-10)
    second = pls.moments(x, y[:, 1], x[0], y[0, 1], xx=total.xx)
    found = leave_groups_out(x, y[:, 1], codes, 6, total=second)
    np.testing.assert_allclose(found.rmsecv, leave_groups_out(x, y[:, 1], codes, 6).rmsecv, rtol=1e-10)
    with pytest.raises(InputError, match="moments of these 72 spectra, got those of 66"):
        leave_groups_out(x, y[:, 0], codes, 6, total=kept)


def test_threads_and_single_precision_and_order():
    x, y = _data(9_000, 30, seed=10)
    codes = np.random.default_rng(3).integers(0, 20, 9_000)
    with threadpool_limits(1):
        one, two = (leave_groups_out(x, y, codes, 5, threads=threads) for threads in (1, 2))
    for name in ("predicted", "t2", "q", "rmsecv"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    turned = np.random.default_rng(4).permutation(9_000)
    other = leave_groups_out(x[turned], y[turned], codes[turned], 5)
    np.testing.assert_allclose(other.predicted, one.predicted[turned], rtol=1e-10)
    single = x.astype(np.float32)
    np.testing.assert_allclose(
        leave_groups_out(single, y, codes, 5).predicted,
        leave_groups_out(single.astype(np.float64), y, codes, 5).predicted,
        rtol=1e-9,
    )


def test_without_distances_the_predictions_are_the_same():
    x, y = _data(72, 30, seed=11)
    found = leave_groups_out(x, y, CODES["even"], 5, distances=False)
    assert found.t2.shape == found.q.shape == (72, 0)
    np.testing.assert_array_equal(found.predicted, leave_groups_out(x, y, CODES["even"], 5).predicted)


# Missing references, and what cannot be


def test_rows_without_reference_are_neither_learnt_from_nor_predicted():
    x, y = _data(72, 30, seed=12)
    codes, gappy = CODES["even"], y.copy()
    gappy[::5] = np.nan
    gappy[codes == 4] = np.nan  # a whole group: no fold of its own
    x[10] = np.nan
    known = ~np.isnan(gappy)
    found = leave_groups_out(x, gappy, codes, 5)
    expected = leave_groups_out(x[known], y[known], codes[known], 5)
    np.testing.assert_allclose(found.predicted[known], expected.predicted, rtol=1e-10)
    assert np.isnan(found.predicted[~known]).all()
    np.testing.assert_allclose(found.rmsecv, expected.rmsecv, rtol=1e-10)
    assert found.n_components.size == 11


def test_a_fold_that_holds_fewer_components_is_named_and_has_no_number_beyond():
    rng = np.random.default_rng(13)
    codes = np.repeat(np.arange(4), 10)
    x = np.outer(rng.standard_normal(40), rng.standard_normal(25))
    x[codes == 2] += np.outer(rng.standard_normal(10), rng.standard_normal(25))  # alone varies in a second direction
    y = x[:, 0] + 0.1 * rng.standard_normal(40)
    with pytest.warns(pls.RankWarning, match="without group 2, PLS ends at component 1 of 2: what component 2 would"):
        found = leave_groups_out(x, y, codes, 2)
    np.testing.assert_array_equal(found.n_components, [2, 2, 1, 2])
    assert np.isnan(found.predicted[codes == 2, 1]).all()
    assert np.isnan(found.q[codes == 2, 1]).all()
    assert np.isnan(found.t2[codes == 2, 1]).all()
    assert np.isfinite(found.predicted[:, 0]).all()
    assert np.isfinite(found.rmsecv[0])
    assert np.isnan(found.rmsecv[1])


def test_what_cannot_be_validated():
    x, y = _data(24, 30, seed=14)
    codes = np.repeat(np.arange(4), 6)
    with pytest.raises(InputError, match="at least 2 groups with reference values, got 1"):
        leave_groups_out(x, y, np.zeros(24, dtype=int), 3)
    with pytest.raises(InputError, match=r"one for each of the 24 spectra, got shape \(23,\)"):
        leave_groups_out(x, y, codes[1:], 3)
    with pytest.raises(InputError, match="without group 0: `n_components` must be from 1 to 17 for 18 spectra of 30"):
        leave_groups_out(x, y, codes, 18)
    flat = np.where(codes == 3, y, 10.0)
    with pytest.raises(InputError, match="without group 3: PLS needs reference values that vary, got 18 that are all"):
        leave_groups_out(x, flat, codes, 3)


def test_some_groups_of_many():
    x, y = _data(72, 30, seed=15)
    codes = CODES["even"]
    total = pls.moments(x, y, x[0], y[0])
    groups = [Group(f"B{c}", x[codes == c], y[codes == c]) for c in (7, 2)]
    found = held_out(total, groups, 5)
    everything = leave_groups_out(x, y, codes, 5)
    for group, code in zip(found, (7, 2), strict=True):
        np.testing.assert_allclose(group.predicted, everything.predicted[codes == code], rtol=1e-10)


def test_kept_rows_give_the_residuals_of_every_number_of_components():
    x, y = _data(60, 9, 5)
    codes = np.repeat(np.arange(4), 15)
    groups = [Group(str(g), x[codes == g], y[codes == g]) for g in range(4)]
    found = held_out(pls.moments(x, y, x[0], y[0]), groups, 5, keep=15)
    few = held_out(pls.moments(x, y, x[0], y[0]), groups, 5, keep=3)
    for one, some in zip(found, few, strict=True):
        [kept], [three] = one.kept, some.kept
        for a in range(1, 6):
            residuals = kept.residuals(a)
            np.testing.assert_allclose((residuals**2).sum(axis=1), one.q[:, a - 1], rtol=1e-10)
            # The first, the middle and the last row.
            np.testing.assert_allclose(three.residuals(a), residuals[[0, 7, 14]], rtol=1e-12)
    assert held_out(pls.moments(x, y, x[0], y[0]), groups, 5)[0].kept == ()


@pytest.mark.parametrize("weighted", [False, True])
def test_linear_treatments_in_step_are_each_on_treated_spectra(weighted):
    """Narrow and full matrices, some with fewer wavelengths, against `leave_groups_out` on what they make."""
    x, y = _data(84, 70, 8)
    codes = np.repeat(np.arange(12), 7)
    rng = np.random.default_rng(9)
    weights = rng.uniform(0.5, 2.0, 84) if weighted else None
    band = np.sum([rng.standard_normal() * np.eye(70, k=k) for k in range(-3, 4)], axis=0)
    matrices = [np.eye(70), band[3:-3], band[10:40], rng.standard_normal((70, 70)), np.diff(np.eye(70), axis=0)]
    maps = [LinearMap(a, rng.standard_normal(a.shape[0])) for a in matrices]
    total = pls.moments(x, y, x[:5].mean(axis=0), y.mean(), weights)
    groups = [
        Group(str(g), x[codes == g], y[codes == g], None if weights is None else weights[codes == g]) for g in range(12)
    ]
    found = left_out_through(total, groups, maps, 6)
    for a, one, predicted in zip(matrices, maps, found, strict=True):
        expected = leave_groups_out(x @ a.T + one.offset, y, codes, 6, weights=weights, distances=False).predicted
        np.testing.assert_allclose(predicted, expected, rtol=1e-8)
    # One alone, some groups of many.
    few = left_out_through(total, groups[4:6], maps[1:2], 6)[0]
    np.testing.assert_allclose(few, found[1][28:42], rtol=1e-9)


def test_a_linear_map_is_its_matrix():
    rng = np.random.default_rng(2)
    a = rng.standard_normal((150, 90)) * (np.abs(np.arange(150)[:, None] * 0.6 - np.arange(90)) < 5)
    a[130:] = 0.0
    one, x, z = LinearMap(a, np.zeros(150)), rng.standard_normal((3, 90)), rng.standard_normal((3, 150))
    np.testing.assert_allclose(one.forward(x), x @ a.T, atol=1e-13)
    np.testing.assert_allclose(one.back(z), z @ a, atol=1e-13)
    np.testing.assert_allclose(one.squares(x.T @ x), np.diagonal(a @ x.T @ x @ a.T), atol=1e-12)


def test_a_linear_treatment_that_cannot_be():
    x, y = _data(40, 8, 3)
    groups = [Group("a", x[:10], y[:10]), Group("b", x[10:20], y[10:20])]
    total = pls.moments(x, y, x[0], y[0])
    with pytest.raises(InputError, match="`n_components` must be from 1 to 2 for 2 wavelengths, got 3"):
        left_out_through(total, groups, [LinearMap(np.eye(8)[:2], np.zeros(2))], 3)
    # Every spectrum becomes the same, so that nothing varies but rounding.
    flat = np.linalg.qr(np.random.default_rng(1).standard_normal((8, 8)))[0][:4] * 1e-12
    with pytest.raises(InputError, match="without a: PLS needs spectra that vary"):
        left_out_through(total, groups, [LinearMap(flat * 1e-8, np.ones(4))], 3)
