"""Hotelling's T2 and Q residuals by hand, by identities that hold exactly, and against the Mahalanobis distance."""

from __future__ import annotations

import numpy as np

from pat.core import diagnostics, pls


def _model(n: int, p: int, a: int) -> tuple[pls.PLSModel, np.ndarray]:
    rng = np.random.default_rng([n, p, 31])
    x = rng.standard_normal((n, 5)) @ rng.standard_normal((5, p)) + 0.2 * rng.standard_normal((n, p)) + 3.0
    y = x[:, 0] - x[:, -1] + 0.1 * rng.standard_normal(n)
    return pls.fit(pls.moments(x, y, x.mean(axis=0), float(y.mean())), a), x


def test_t2_by_hand():
    # 1^2 / 1 + 2^2 / 4 = 2, and 3^2 / 1 + 1^2 / 4 = 9.25.
    scores, variance = np.array([[1.0, 2.0], [-3.0, 1.0]]), np.array([1.0, 4.0])
    np.testing.assert_array_equal(diagnostics.hotelling_t2(scores, variance), [2.0, 9.25])


def test_q_by_hand():
    # With one loading (1, 0, 0) and score 2, (2, 3, 4) leaves (0, 3, 4): 25.
    q = diagnostics.q_residuals(np.array([[2.0, 3.0, 4.0]]), np.array([[2.0]]), np.array([[1.0], [0.0], [0.0]]))
    np.testing.assert_array_equal(q, [25.0])


def test_t2_of_the_calibration_spectra_adds_up_to_n_minus_1_times_a():
    # Each score's sum of squares is n - 1 times its sample variance.
    for n, a in ((30, 1), (30, 4), (11, 6)):
        model, x = _model(n, 20, a)
        _, t2, _ = diagnostics.evaluate(model, x)
        np.testing.assert_allclose(t2.sum(), (n - 1) * a, rtol=1e-10)


def test_t2_with_every_component_is_the_mahalanobis_distance():
    model, x = _model(40, 6, 6)
    new = x[:9] + 0.5
    centred = new - x.mean(axis=0)
    expected = np.einsum("ij,jk,ik->i", centred, np.linalg.inv(np.cov(x, rowvar=False)), centred)
    _, t2, q = diagnostics.evaluate(model, new)
    np.testing.assert_allclose(t2, expected, rtol=1e-8)
    np.testing.assert_allclose(q, 0.0, atol=1e-20 * (centred**2).sum())


def test_q_and_scores_share_the_energy_of_a_pca():
    # With orthonormal loadings |x|^2 = |t|^2 + Q for every single spectrum (Pythagoras).
    rng = np.random.default_rng(32)
    x = rng.standard_normal((25, 12))
    loadings = np.linalg.svd(x, full_matrices=False)[2][:4].T
    scores = x @ loadings
    q = diagnostics.q_residuals(x, scores, loadings)
    np.testing.assert_allclose((scores**2).sum(axis=1) + q, (x**2).sum(axis=1), rtol=1e-12)


def test_q_and_scores_share_the_energy_of_the_calibration_spectra():
    # PLS residuals are orthogonal to its scores over the calibration set: |X|^2 = |T P'|^2 + sum of Q.
    model, x = _model(30, 20, 3)
    _, _, q = diagnostics.evaluate(model, x)
    modelled = pls.scores(model, x) @ model.loadings.T
    np.testing.assert_allclose((modelled**2).sum() + q.sum(), ((x - x.mean(axis=0)) ** 2).sum(), rtol=1e-10)


def test_the_mean_spectrum_lies_at_the_centre():
    model, x = _model(30, 20, 3)
    value, t2, q = diagnostics.evaluate(model, model.x_mean[None, :])
    assert (value[0], t2[0], q[0]) == (model.y_mean, 0.0, 0.0)


def test_what_the_model_cannot_see_goes_to_q_alone():
    # A direction orthogonal to the rotations changes no score; its squared length is added to Q.
    model, x = _model(30, 20, 3)
    full = np.linalg.svd(np.column_stack([model.rotations, model.loadings]), full_matrices=True)[0]
    unseen = 2.0 * full[:, -1]
    before, after = diagnostics.evaluate(model, x[:4]), diagnostics.evaluate(model, x[:4] + unseen)
    np.testing.assert_allclose(after[0], before[0], rtol=1e-10)
    np.testing.assert_allclose(after[1], before[1], rtol=1e-8)
    residual = (x[:4] - model.x_mean) - pls.scores(model, x[:4]) @ model.loadings.T
    np.testing.assert_allclose(after[2], ((residual + unseen) ** 2).sum(axis=1), rtol=1e-10)


def test_scope_is_inside_every_limit_and_nan_is_outside() -> None:
    nan = np.nan
    value = np.array([10.0, 6.9, 7.0, 13.0, 13.1, 10.0, 10.0, nan, 10.0, 10.0])
    t2 = np.array([5.0, 5.0, 5.0, 20.0, 5.0, 20.1, 5.0, 5.0, nan, 5.0])
    q = np.array([1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 2.1, 1.0, 1.0, nan])
    found = diagnostics.in_scope(value, t2, q, (7.0, 13.0), 20.0, 2.0)
    np.testing.assert_array_equal(found, [True, False, True, True, False, False, False, False, False, False])


def test_leverage_is_the_diagonal_of_the_hat_matrix() -> None:
    model, x = _model(30, 20, 4)
    t = np.column_stack([np.ones(30), pls.scores(model, x)])
    _, t2, _ = diagnostics.evaluate(model, x)
    h = diagnostics.leverage(t2, 30)
    np.testing.assert_allclose(h, np.diag(t @ np.linalg.pinv(t)), rtol=1e-8)
    np.testing.assert_allclose(h.sum(), 5.0, rtol=1e-10)


def test_full_distance_by_hand() -> None:
    np.testing.assert_array_equal(diagnostics.full_distance(np.array([6.0]), np.array([0.5]), 2.0, 0.25), [5.0])
