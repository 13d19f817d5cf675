"""Nested cross-validation against two plain loops, and what it is for: an error without the optimism of a choice."""

from __future__ import annotations

import numpy as np
import pytest

from pat.calibration import nested_cross_validation
from pat.calibration.choice import components_by_rule, rms_interval
from pat.calibration.nested import nested_predictions
from pat.core import pls
from pat.core.crossval import Group, leave_groups_out
from pat.errors import InputError
from tests.calibration.mixtures import method, mixtures


def _loops(X, y, codes, most, rule):
    """Nested cross-validation as it is written in a textbook, every model fitted from its rows."""
    predicted, chosen = np.empty(y.size), []
    for outer in range(codes.max() + 1):
        train = codes != outer
        errors = np.empty((int(train.sum()), most))
        kept = codes[train]
        for inner in np.unique(kept):
            model = pls.fit(pls.Rows.of(X[train][kept != inner], y[train][kept != inner]), most)
            errors[kept == inner] = pls.predict_all(model, X[train][kept == inner]) - y[train][kept == inner, None]
        a = components_by_rule(rule, errors, np.unique(kept, return_inverse=True)[1])
        chosen.append(a)
        predicted[~train] = pls.predict(pls.fit(pls.Rows.of(X[train], y[train]), a), X[~train])
    return predicted, chosen


@pytest.mark.parametrize("rule", ["first_minimum", "one_standard_error", "van_der_voet"])
@pytest.mark.parametrize(("by", "n_batches"), [("batch", 9), ("lot", 18)])
def test_it_is_two_loops(rule, by, n_batches):
    ds = mixtures(n_batches, 4, seed=5, noise=0.02)
    ds["api"][3] = np.nan
    found = nested_cross_validation(method(component_rule=rule, folds=by), ds)
    known = ~np.isnan(ds["api"].values)
    X, y = ds["absorbance"].values[known], ds["api"].values[known]
    codes = np.repeat(np.arange(n_batches) // (3 if by == "lot" else 1), 4)[known]
    predicted, chosen = _loops(X, y, codes, 4, rule)
    np.testing.assert_array_equal(found.chosen, chosen)
    np.testing.assert_allclose(found.predicted, predicted, rtol=1e-9)
    np.testing.assert_array_equal(found.reference, y)
    np.testing.assert_array_equal(found.batch, ds["batch"].values[known].tolist())
    assert found.rmse == pytest.approx(np.sqrt(np.mean((predicted - y) ** 2)), rel=1e-8)
    squares = [((predicted - y)[codes == fold] ** 2).sum() for fold in range(codes.max() + 1)]
    np.testing.assert_allclose(found.interval, rms_interval(np.array(squares), np.bincount(codes)), rtol=1e-7)


def test_where_it_runs_does_not_matter(monkeypatch):
    found = nested_cross_validation(method(), mixtures(8, 4))
    monkeypatch.setenv("PAT_SCHEDULER", "synchronous")
    other = nested_cross_validation(method(), mixtures(8, 4))
    np.testing.assert_array_equal(found.predicted, other.predicted)
    assert found.rmse == other.rmse


def test_two_folds_must_leave_enough():
    with pytest.raises(InputError, match=r"at most 9 for these spectra \(10 without"):
        nested_cross_validation(method(max_components=10), mixtures(4, 5))


def test_its_error_is_that_of_new_batches_and_the_smallest_rmsecv_is_too_small():
    """Few noisy batches, many components to choose from: 60 data sets, each with 100 new batches for the truth.

    Every model is of all batches but one, as are those of RMSECV; the truth is that of such a model and its choice.
    """
    rng = np.random.default_rng(6)
    p, n_groups, per_group, most = 12, 8, 2, 8
    codes = np.repeat(np.arange(n_groups), per_group)
    mean_square: dict[str, list[float]] = {"nested": [], "smallest": [], "true": []}
    covered = []
    direction = rng.standard_normal(p) / np.sqrt(p)

    def draw(n: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        X = rng.standard_normal((n * size, p)) + np.repeat(rng.standard_normal((n, p)), size, axis=0)
        return X, X @ direction + rng.standard_normal(n * size)

    for _ in range(60):
        X, y = draw(n_groups, per_group)
        new_X, new_y = draw(100, per_group)
        total = pls.moments(X, y, X[0], y[0])
        groups = [Group(str(g), X[codes == g], y[codes == g]) for g in range(n_groups)]
        predicted, chosen = nested_predictions(total, groups, most, "first_minimum")
        rows = np.arange(y.size)
        squares = (predicted[rows, chosen[codes] - 1] - y) ** 2
        mean_square["nested"].append(float(squares.mean()))
        mean_square["smallest"].append(float(leave_groups_out(X, y, codes, most).rmsecv.min() ** 2))
        of_new = []
        for g in range(n_groups):
            model = pls.fit(pls.Rows.of(X[codes != g], y[codes != g]), int(chosen[g]))
            of_new.append(float(np.mean((pls.predict(model, new_X) - new_y) ** 2)))
        mean_square["true"].append(float(np.mean(of_new)))
        lower, upper = rms_interval(squares.reshape(n_groups, per_group).sum(axis=1), np.bincount(codes))
        covered.append(lower <= np.sqrt(mean_square["true"][-1]) <= upper)
    mean = {name: float(np.mean(values)) for name, values in mean_square.items()}
    error = np.std(np.array(mean_square["nested"]) - mean_square["true"], ddof=1) / np.sqrt(60)
    assert abs(mean["nested"] - mean["true"]) < 3.0 * error
    assert mean["smallest"] < mean["true"] - 3.0 * error
    assert np.mean(covered) >= 0.9
