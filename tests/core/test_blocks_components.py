"""Caterpillar and PC-SDA from distances, against a singular value decomposition of the spectra themselves."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from pat.core import blocks
from pat.errors import InputError


def _spectra(m: int, p: int, seed: int) -> np.ndarray:
    """Simulated spectra of two strong directions and noise, on a level as absorbance has."""
    rng = np.random.default_rng([seed, 51])
    return np.asarray(0.6 + rng.normal(size=(m, 2)) @ rng.normal(size=(2, p)) * 0.02 + rng.normal(0.0, 0.002, (m, p)))


def _pca(block: np.ndarray) -> blocks.Components:
    return blocks.principal_components(blocks.within(blocks.lagged_distances(block, block.shape[-2] - 1)))


def _caterpillar(rear: np.ndarray, front: np.ndarray, a: int, residual: float, score: float) -> float:
    lagged = blocks.lagged_distances(np.concatenate([rear, front]), 2 * len(rear) - 1)
    return float(blocks.caterpillar(_pca(rear), blocks.between(lagged), a, residual, score))


def test_distances_within_and_between_blocks_by_brute_force():
    x = _spectra(12, 5, 1)
    lagged = blocks.lagged_distances(x, 11)
    d = [[math.dist(a, b) ** 2 for b in x] for a in x]
    np.testing.assert_allclose(blocks.within(lagged), d, rtol=1e-12)
    np.testing.assert_allclose(blocks.between(lagged), np.array(d)[6:, :6], rtol=1e-12)
    assert np.isnan(lagged[0, 1:]).all()
    # Leading axes are those of as many runs.
    both = np.stack([x, x[::-1]])
    np.testing.assert_array_equal(blocks.lagged_distances(both, 4)[0], lagged[:, :5])


def test_squared_distances_stop_where_they_overflow():
    with np.errstate(over="ignore"):
        assert blocks.squared_distances(np.array([[1e200, 0.0]]), np.zeros(2)) == 1e300


def test_distances_that_do_not_reach_back_are_refused():
    for function in (blocks.within, blocks.between):
        with pytest.raises(InputError, match="between 4 rows must reach back 3 rows, got 2"):
            function(np.zeros((4, 3)))
    with pytest.raises(InputError, match="`reach` must be at least 1, got 0"):
        blocks.lagged_distances(np.zeros((3, 2)), 0)


def test_eigenvalues_and_scores_are_those_of_the_centred_spectra():
    x = _spectra(9, 30, 2)
    found, (u, s, _) = _pca(x), np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(found.eigenvalues[::-1][:8], s[:8] ** 2, rtol=1e-9)
    for k in range(3):  # up to sign
        np.testing.assert_allclose(abs(found.vectors[:, -1 - k] @ u[:, k]), 1.0, rtol=1e-12)


def test_caterpillar_by_hand():
    # Rear: x = -2..2, y orthogonal to it. One component is x, with variance 10 / 4; squared residuals .04 over 3.
    rear = np.array([[-2.0, 0.1], [-1.0, -0.1], [0.0, 0.0], [1.0, -0.1], [2.0, 0.1]])
    # T2 0, 3.6, 0, .4, .4; residual ratios y^2 / (.04 / 3) = 0, 0, 3, 6.75, .75.
    front = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 0.2], [1.0, 0.3], [-1.0, -0.1]])
    assert _caterpillar(rear, front, 1, 5.0, 3.0) == pytest.approx(2.0 / 5.0)
    assert _caterpillar(rear, front, 1, 5.0, 3.7) == pytest.approx(1.0 / 5.0)
    assert _caterpillar(rear, front, 1, 2.9, 3.7) == pytest.approx(2.0 / 5.0)
    assert _caterpillar(rear, front, 1, 0.7, 0.3) == pytest.approx(4.0 / 5.0)


def _by_svd(rear: np.ndarray, front: np.ndarray, a: int, residual: float, score: float) -> float:
    n, mean = len(rear), rear.mean(axis=0)
    _, s, v = np.linalg.svd(rear - mean, full_matrices=False)
    left = float((s[a:] ** 2).sum()) / (n - a - 1)
    outside = 0
    for row in front:
        t = [float((row - mean) @ v[k]) for k in range(a)]
        e = row - mean - sum(t[k] * v[k] for k in range(a))
        t2 = sum(t[k] ** 2 / (s[k] ** 2 / (n - 1)) for k in range(a))
        outside += float(e @ e) / left > residual or t2 > score
    return outside / len(front)


@pytest.mark.parametrize("a", [1, 2, 3])
def test_caterpillar_by_brute_force(a):
    found, expected = [], []
    for seed in range(40):
        x = _spectra(20, 60, 100 + seed)
        x[10:] += 0.004 * (seed % 3)
        # Limits in the middle of what occurs, so that the shares differ.
        found.append(_caterpillar(x[:10], x[10:], a, 1.6, 2.0 * a))
        expected.append(_by_svd(x[:10], x[10:], a, 1.6, 2.0 * a))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(set(expected)) > 4


def test_caterpillar_stays_quiet_and_wakes():
    # Simulated truth: the same spectra in both blocks, or a third direction in the front alone. Nearly all variance
    # lies in the two components, whose T2 has the limit 2 (15^2 - 1) / (15 (15 - 2)) F.95(2, 13) = 2.297 x 3.806.
    quiet, awake = [], []
    for seed in range(60):
        x = _spectra(30, 40, 200 + seed)
        limits = (4.747, 8.743)  # F.95(1, 12), from tables, and T2's
        quiet.append(_caterpillar(x[:15], x[15:], 2, *limits))
        x[15:, ::2] += 0.02 * np.random.default_rng(seed).choice([-1.0, 1.0], (15, 1))
        awake.append(_caterpillar(x[:15], x[15:], 2, *limits))
    assert np.mean(quiet) < 0.1
    assert np.mean(awake) > 0.95


def test_caterpillar_without_residuals_or_numbers_is_nan():
    line = np.outer(np.arange(10.0), [0.6, 0.8])
    assert math.isnan(_caterpillar(line[:5], line[5:], 1, 4.0, 9.0))  # nothing is left beside the component
    assert math.isnan(_caterpillar(line[:5], line[5:], 2, 4.0, 9.0))  # there is no second component
    assert math.isnan(_caterpillar(np.ones((5, 3)), np.ones((5, 3)), 1, 4.0, 9.0))
    for at in (2, 7):
        x = _spectra(10, 6, 3)
        x[at, 1] = np.nan
        assert math.isnan(_caterpillar(x[:5], x[5:], 1, 4.0, 9.0))


@pytest.mark.parametrize(
    ("a", "residual", "score"), [(0, 4.0, 9.0), (4, 4.0, 9.0), (1, 0.0, 9.0), (1, 4.0, -1.0), (1, math.nan, 9.0)]
)
def test_caterpillar_refuses(a, residual, score):
    x = _spectra(10, 6, 4)
    with pytest.raises(InputError, match=rf"from 1 to n - 2 = 3 and both limits positive, got {a}, {residual}"):
        _caterpillar(x[:5], x[5:], a, residual, score)


def test_pc_sda_by_hand():
    # Spectra on a line at 0, 1, 3, 6: one component, steps 1, 2, 3, whose SD is 1.
    line = np.outer([0.0, 1.0, 3.0, 6.0], [0.6, 0.8]) + 5.0
    assert float(blocks.pc_sda(_pca(line), 1)) == pytest.approx(1.0, rel=1e-12)
    # There is no second component to step along.
    assert math.isnan(float(blocks.pc_sda(_pca(line), 2)))


@pytest.mark.parametrize("a", [1, 2, 4])
def test_pc_sda_by_brute_force_over_any_leading_axes(a):
    runs = np.stack([_spectra(11, 25, 300 + k) for k in range(6)]).reshape(2, 3, 11, 25)
    found = blocks.pc_sda(_pca(runs), a)
    for k in np.ndindex(2, 3):
        u, s, _ = np.linalg.svd(runs[k] - runs[k].mean(axis=0), full_matrices=False)
        t = u[:, :a] * s[:a]
        expected = statistics.stdev(math.dist(t[i], t[i + 1]) for i in range(10))
        assert found[k] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "a"), [(2, 1), (5, 0), (5, 5)])
def test_pc_sda_refuses(n, a):
    with pytest.raises(InputError, match=rf"from 1 to n - 1 = {n - 1}, got {n} and {a}"):
        blocks.pc_sda(_pca(_spectra(n, 6, 5)), a)


def test_components_of_a_nan_are_nan_and_the_others_are_not():
    runs = np.stack([_spectra(6, 8, 6)] * 3)
    runs[1, 2, 3] = np.nan
    found = _pca(runs)
    assert np.isnan(found.eigenvalues).all(axis=1).tolist() == [False, True, False]
    assert np.isnan(blocks.pc_sda(found, 1)).tolist() == [False, True, False]
    np.testing.assert_allclose(found.eigenvalues[2], _pca(runs[2]).eigenvalues, rtol=1e-12)
