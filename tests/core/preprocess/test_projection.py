"""EPO and OSC against least squares, chemotools, and what they are defined by."""

from __future__ import annotations

import numpy as np
import pytest

from pat.core.preprocess import Summary, Treatment, epo_directions, fit_treatment, osc_directions
from pat.errors import InputError
from tests.peers import ExternalParameterOrthogonalization, OrthogonalSignalCorrection

P = 40
AXIS = 1000.0 + 5.0 * np.arange(P)


def _data(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    scores = rng.standard_normal((n, 5)) * [3.0, 2.0, 1.0, 0.5, 0.2]
    x = 1.0 + scores @ rng.standard_normal((5, P)) + 0.01 * rng.standard_normal((n, P))
    return x, scores @ [0.1, 0.5, -1.0, 0.3, 0.0] + 0.01 * rng.standard_normal(n)


def test_epo_is_the_residual_of_least_squares_on_its_spectra():
    rng = np.random.default_rng(0)
    disturbance, x = rng.standard_normal((3, P)), _data()[0]
    treat = Treatment(AXIS, [], [{"step": "epo", "spectra": disturbance, "n_components": 3}])
    fitted = np.linalg.lstsq(disturbance.T, x.T, rcond=None)[0]
    np.testing.assert_allclose(treat(x), x - fitted.T @ disturbance, rtol=0, atol=1e-12)
    np.testing.assert_allclose(treat(disturbance), 0.0, atol=1e-13)


def test_epo_against_chemotools():
    # Chemotools 0.5 centres: spectra and their opposites have mean zero, and differences know of no centre.
    x = _data()[0]
    disturbance = np.random.default_rng(1).standard_normal((6, P))
    other = ExternalParameterOrthogonalization(n_components=2)
    other.fit(x, X_external=np.vstack([disturbance, -disturbance]))
    treat = Treatment(AXIS, [], [{"step": "epo", "spectra": disturbance, "n_components": 2}])
    np.testing.assert_allclose(np.diff(treat(x), axis=0), np.diff(other.transform(x), axis=0), rtol=0, atol=1e-12)


def test_osc_against_chemotools():
    x, y = _data()
    other = OrthogonalSignalCorrection(n_components=2, method="fearn").fit(x, y)
    steps = fit_treatment(AXIS, [], [{"step": "osc", "n_components": 2}], x, y)
    found, theirs = Treatment(AXIS, [], steps)(x), other.transform(x)
    np.testing.assert_allclose(found - found.mean(axis=0), theirs - theirs.mean(axis=0), rtol=0, atol=1e-9)


def test_osc_takes_out_scores_of_most_variance_that_do_not_go_with_the_reference():
    x, y = _data()
    centred, reference = x - x.mean(axis=0), y - y.mean()
    weights, loadings = osc_directions(centred.T @ centred, centred.T @ reference, 3)
    scores = centred @ weights
    assert np.abs(scores.T @ reference).max() < 1e-10 * np.abs(scores).max() * np.abs(reference).sum()
    cross = scores.T @ scores
    np.testing.assert_allclose(cross, np.diag(np.diag(cross)), atol=1e-9 * cross.max())
    np.testing.assert_allclose(loadings, centred.T @ scores / (scores**2).sum(axis=0), atol=1e-10)
    # No other unit weight that is orthogonal to X'y gives scores of more variance.
    unit = centred.T @ reference
    tried = np.random.default_rng(3).standard_normal((P, 500))
    tried -= np.outer(unit, unit @ tried) / (unit @ unit)
    tried /= np.linalg.norm(tried, axis=0)
    assert ((centred @ tried) ** 2).sum(axis=0).max() < cross[0, 0] * (1.0 + 1e-12)


@pytest.mark.parametrize("cuts", [(20, 40), (1, 2, 59), (7,)])
def test_osc_from_batches_is_osc_from_all(cuts):
    x, y = _data()
    y[[3, 30]] = np.nan
    parts = [Summary.of(a, b) for a, b in zip(np.split(x, cuts), np.split(y, cuts), strict=True)]
    whole, together = Summary.of(x, y), Summary.combine(parts)
    assert together.n == whole.n == 58
    np.testing.assert_allclose(together.mean, x[~np.isnan(y)].mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(together.deviation(), x[~np.isnan(y)].std(axis=0, ddof=1), rtol=1e-12)
    for found, expected in zip(together.products(), whole.products(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_a_batch_without_references_adds_nothing():
    x, y = _data()
    nothing = Summary.of(x[:5], np.full(5, np.nan))
    whole = Summary.of(x, y)
    for parts in ([nothing, whole], [whole, nothing]):
        np.testing.assert_array_equal(Summary.combine(parts).products()[0], whole.products()[0])


@pytest.mark.parametrize(("n_components", "most"), [(0, 2), (3, 2)])
def test_epo_of_more_directions_than_there_are(n_components, most):
    rng = np.random.default_rng(0)
    spectra = rng.standard_normal((6, 2)) @ rng.standard_normal((2, P))
    with pytest.raises(InputError, match=f"from 1 to the {most} that its spectra hold, got {n_components}"):
        epo_directions(spectra, n_components, P)


def test_osc_that_cannot_be():
    x, y = _data(4)
    centred, reference = x - x.mean(axis=0), y - y.mean()
    with pytest.raises(InputError, match="from 1 to the 2 directions that do not vary with the reference .*, got 3"):
        osc_directions(centred.T @ centred, centred.T @ reference, 3)
    with pytest.raises(InputError, match="needs spectra that vary with the reference values"):
        osc_directions(centred.T @ centred, np.zeros(P), 1)
    with pytest.raises(InputError, match="learns from reference values, and none were given"):
        fit_treatment(AXIS, [], [{"step": "osc", "n_components": 1}], x)
