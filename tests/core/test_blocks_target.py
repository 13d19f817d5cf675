"""Spectra against a target: by hand, by plain loops, and by scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial import distance

from pat.core import blocks
from pat.errors import InputError


def _spectra(*shape: int) -> np.ndarray:
    return np.asarray(np.random.default_rng([7, *shape]).normal(0.3, 0.05, shape))


def test_shares_and_largest_by_hand():
    t2 = np.array([[1.0, 5.0, 9.0, 2.0], [1.0, 1.0, 1.0, 4.0]])
    assert blocks.share_outside(t2, 4.0).tolist() == [0.5, 0.0]  # a value at the limit is inside
    assert blocks.largest(t2).tolist() == [9.0, 4.0]


def test_what_is_not_known_is_not_inside():
    t2 = np.array([[1.0, np.nan], [np.inf, 1.0]])
    np.testing.assert_array_equal(blocks.share_outside(t2, 4.0), [np.nan, 0.5])
    np.testing.assert_array_equal(blocks.largest(t2), [np.nan, np.inf])
    for limit in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match=f"`limit` must be positive, got {limit}"):
            blocks.share_outside(t2, limit)


def test_dissimilarities_by_hand():
    # Cosine of (3, 4) and (4, 3): 24 / 25. Correlation of (1, 2, 3) and (1, 3, 2): 1 / 2; of a mirror image: -1.
    assert float(blocks.cosine_dissimilarity(np.array([3.0, 4.0]), blocks.Reference([4.0, 3.0]))) == pytest.approx(0.04)
    rising = blocks.Reference([1.0, 2.0, 3.0])
    found = blocks.correlation_dissimilarity(np.array([[1.0, 3.0, 2.0], [9.0, 8.0, 7.0], [20.0, 40.0, 60.0]]), rising)
    np.testing.assert_allclose(found, [0.5, 2.0, 0.0], atol=1e-15)


def test_dissimilarities_by_scipy():
    x, mean = _spectra(2, 4, 30), _spectra(30)
    reference = blocks.Reference(mean)
    for ours, theirs in (
        (blocks.cosine_dissimilarity, distance.cosine),
        (blocks.correlation_dissimilarity, distance.correlation),
    ):
        found = ours(x, reference)
        for i in np.ndindex(2, 4):
            assert found[i] == pytest.approx(float(theirs(x[i], mean)), rel=1e-9)


def test_a_small_dissimilarity_keeps_its_digits():
    # (1, e) against (1, 0): 1 - 1 / sqrt(1 + e^2) = e^2 / 2 to e^4, far below the rounding error of a cosine near 1.
    found = float(blocks.cosine_dissimilarity(np.array([1.0, 1e-9]), blocks.Reference([1.0, 0.0])))
    assert found == pytest.approx(5e-19, rel=1e-12)


def test_spectra_without_a_direction_are_nan():
    reference = blocks.Reference([1.0, 2.0, 4.0])
    assert math.isnan(float(blocks.cosine_dissimilarity(np.zeros(3), reference)))
    assert math.isnan(float(blocks.correlation_dissimilarity(np.ones(3), reference)))
    assert math.isnan(float(blocks.cosine_dissimilarity(np.array([1.0, np.nan, 2.0]), reference)))


def test_conformity_index_by_hand_and_by_brute_force():
    # Off by .1, -.4 and .2 in SDs of .1, .1 and .2: 1, 4, 1.
    reference = blocks.Reference([1.0, 2.0, 3.0], [0.1, 0.1, 0.2])
    assert float(blocks.conformity_index(np.array([1.1, 1.6, 3.2]), reference)) == pytest.approx(4.0)
    assert math.isnan(float(blocks.conformity_index(np.array([1.1, np.nan, 3.2]), reference)))
    x, mean, sd = _spectra(5, 9), _spectra(9), _spectra(1, 9)[0] + 0.1
    found = blocks.conformity_index(x, blocks.Reference(mean, sd))
    for row, value in zip(x, found, strict=True):
        assert value == pytest.approx(max(abs(row[k] - mean[k]) / sd[k] for k in range(9)), rel=1e-12)


def test_a_reference_that_cannot_be_one():
    for mean in ([1.0, np.nan], [2.0, 2.0], [[1.0, 2.0]]):
        with pytest.raises(InputError, match="must be a finite spectrum"):
            blocks.Reference(mean)
    for sd in ([0.1, 0.0], [0.1, np.nan], [0.1]):
        with pytest.raises(InputError, match=r"`sd` must be positive, of shape \(2,\)"):
            blocks.Reference([1.0, 2.0], sd)
    bare = blocks.Reference([1.0, 2.0])
    with pytest.raises(InputError, match="expected a reference with `sd`, got none"):
        blocks.conformity_index(np.ones(2), bare)
    for function in (blocks.cosine_dissimilarity, blocks.correlation_dissimilarity, blocks.conformity_index):
        with pytest.raises(InputError, match=r"expected spectra of 2 wavelengths, as the reference, got \(4, 3\)"):
            function(np.ones((4, 3)), bare)
