"""The regressor keeps scikit-learn's contract, and gives scikit-learn's numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.cross_decomposition import PLSRegression as Other
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from pat.core.crossval import leave_groups_out
from pat.core.pls import RankWarning
from pat.errors import InputError
from pat.estimators import PLSRegression


def _known(estimator: PLSRegression) -> dict[str, str]:
    """The standard deviation of weighted rows counts rows, not weights: scores differ by one factor, predictions not.

    That factor is why weights may be multiplied by any number without changing anything, as in ikpls.
    """
    return {"check_sample_weight_equivalence_on_dense_data": "one factor in all scores"} if estimator.scale else {}


@parametrize_with_checks([PLSRegression(), PLSRegression(n_components=1, scale=True)], expected_failed_checks=_known)
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def _data(n: int, p: int, seed: int, m: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 24])
    k = min(n, p)
    x = (rng.standard_normal((n, k)) * 0.8 ** np.arange(k)) @ rng.standard_normal((k, p)) + rng.standard_normal(p)
    y = x[:, :4] @ rng.standard_normal((4, m)) + 0.3 * rng.standard_normal((n, m))
    return x, y[:, 0] if m == 1 else y


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize(("n", "p", "m"), [(50, 20, 1), (20, 150, 1), (50, 20, 3)])
def test_numbers_are_scikit_learn_s(scale, n, p, m):
    x, y = _data(n, p, seed=n, m=m)
    new = _data(9, p, seed=99)[0]
    found = PLSRegression(5, scale=scale).fit(x, y)
    for a in range(1, 6):
        other = Other(a, scale=scale, tol=1e-15, max_iter=100_000).fit(x, y)
        np.testing.assert_allclose(found.predict(new, n_components=a), other.predict(new), rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(found.predict_all(new)[:, a - 1], other.predict(new), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.coef_, other.coef_, atol=1e-6 * np.abs(other.coef_).max())
    np.testing.assert_allclose(new @ found.coef_.T + found.intercept_, other.predict(new).reshape(9, m), rtol=1e-6)
    sign = np.sign((found.transform(x) * other.transform(x)).sum(axis=0))
    np.testing.assert_allclose(found.transform(new), other.transform(new) * sign, rtol=1e-5, atol=1e-6)
    back, expected = found.inverse_transform(found.transform(new)), other.inverse_transform(other.transform(new))
    np.testing.assert_allclose(back, expected, rtol=1e-5, atol=1e-6)
    assert found.score(x, y) == pytest.approx(other.score(x, y), rel=1e-7)


def test_weights_pass_through_a_pipeline_and_a_search():
    x, y = _data(60, 12, seed=3)
    weights = np.random.default_rng(1).integers(0, 3, 60).astype(float)
    groups = np.repeat(np.arange(6), 10)
    with sklearn.config_context(enable_metadata_routing=True):
        model = PLSRegression().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"n_components": [1, 3]}, cv=GroupKFold(3))
        search.fit(x, y, sample_weight=weights, groups=groups)
    repeated = np.repeat(np.arange(60), weights.astype(int))
    expected = PLSRegression(search.best_params_["n_components"]).fit(x[repeated], y[repeated])
    np.testing.assert_allclose(search.best_estimator_.coef_, expected.coef_, rtol=1e-8)


def test_cross_val_predict_is_that_in_step():
    x, y = _data(60, 30, seed=4)
    codes = np.repeat(np.arange(6), 10)
    found = cross_val_predict(PLSRegression(4), x, y, groups=codes, cv=GroupKFold(6))
    np.testing.assert_allclose(found, leave_groups_out(x, y, codes, 4).predicted[:, -1], rtol=1e-9)


def test_missing_references_are_skipped_and_counted():
    x, y = _data(40, 15, seed=5, m=2)
    y[::7, 0] = np.nan
    known = ~np.isnan(y[:, 0])
    for targets in (y[:, 0], y):
        found = PLSRegression(3).fit(x, targets)
        assert found.n_missing_ == 6
        np.testing.assert_allclose(found.coef_, PLSRegression(3).fit(x[known], targets[known]).coef_, rtol=1e-8)
    y[1, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        PLSRegression(3).fit(x, y)


def test_names_of_features_and_scores():
    x, y = _data(30, 6, seed=6)
    frame = pd.DataFrame(x, columns=[f"{w} nm" for w in range(1000, 1060, 10)])
    found = make_pipeline(StandardScaler().set_output(transform="pandas"), PLSRegression(2)).fit(frame, y)
    assert found[-1].feature_names_in_.tolist() == frame.columns.tolist()
    assert found.get_feature_names_out().tolist() == ["plsregression0", "plsregression1"]
    scores = clone(found[-1]).set_output(transform="pandas").fit(frame, y).transform(frame)
    assert scores.columns.tolist() == ["plsregression0", "plsregression1"]


def test_single_precision_is_taken_as_it_is():
    x, y = _data(300, 10, seed=7)
    single = x.astype(np.float32)
    found, expected = PLSRegression(4).fit(single, y), PLSRegression(4).fit(single.astype(np.float64), y)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-8)
    assert found.coef_.dtype == np.float64


@pytest.mark.parametrize("columns", [np.array, pd.DataFrame])
def test_a_column_of_references_is_one_response_whose_predictions_are_a_column(columns):
    # As scikit-learn's own class has it: no warning, and as many dimensions out as in.
    x, y = _data(40, 15, seed=9)
    column = columns({"api": y} if columns is pd.DataFrame else y[:, None])
    found, flat = PLSRegression(3).fit(x, column), PLSRegression(3).fit(x, y)
    other = Other(3, scale=False).fit(x, column)
    assert found.predict(x).shape == other.predict(x).shape == (40, 1)
    np.testing.assert_allclose(found.predict(x), other.predict(x), rtol=1e-8)
    np.testing.assert_array_equal(found.predict(x, n_components=2)[:, 0], flat.predict(x, n_components=2))
    np.testing.assert_array_equal(found.predict_all(x)[:, :, 0], flat.predict_all(x))
    assert type(found.model_) is type(flat.model_)
    assert flat.predict(x).shape == (40,)


@pytest.mark.parametrize("wrong", ["3", 1.5, 2.0, True, None])
def test_components_that_are_no_whole_number(wrong):
    x, y = _data(20, 6, seed=8)
    with pytest.raises(InputError, match=f"`n_components` must be a whole number from 1, got {wrong!r}"):
        PLSRegression(wrong).fit(x, y)
    if wrong is not None:
        with pytest.raises(InputError, match=f"`n_components` must be a whole number from 1, got {wrong!r}"):
            PLSRegression(2).fit(x, y).predict(x, n_components=wrong)


def test_components_may_be_numpy_s_and_scaling_is_yes_or_no():
    x, y = _data(20, 6, seed=8)
    assert PLSRegression(2).set_params(n_components=np.int64(2)).fit(x, y).n_components_ == 2
    with pytest.raises(InputError, match="`scale` must be True or False, got 'no'"):
        PLSRegression(2).set_params(scale="no").fit(x, y)


def test_too_many_components():
    x, y = _data(20, 6, seed=8)
    with pytest.raises(InputError, match="from 1 to 6 for 20 spectra of 6 wavelengths, got 7"):
        PLSRegression(7).fit(x, y)
    with pytest.raises(InputError, match="from 1 to 2, got 3"):
        PLSRegression(2).fit(x, y).predict(x, n_components=3)
    with pytest.warns(RankWarning, match="component 2 of 4: what component 3 would"):
        found = PLSRegression(4).fit(x[:, [0, 1, 0, 1, 0]], y)
    assert found.n_components_ == 2
