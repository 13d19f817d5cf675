"""Products along spectra: the right numbers, the same bits in any company, and no spectrum spoils another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pat.core.preprocess import products
from pat.core.preprocess.products import product, slide, tile_of


def _random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def _slid(x: np.ndarray, kernel: np.ndarray, shift: int = 0) -> np.ndarray:
    out = np.empty(x.shape)
    slide(x, tile_of(kernel), out, shift)
    return out[:, shift : shift + x.shape[1] - kernel.size + 1]


@pytest.mark.parametrize("width", [3, 4, 8, 9, 10, 25, 101])
@pytest.mark.parametrize("p", [101, 128, 333])
def test_slide_is_numpy_correlate_of_each_spectrum(width, p):
    x, kernel = _random(37, p), _random(width, seed=1)
    for shift in (0, width // 2):
        expected = np.array([np.correlate(row, kernel, "valid") for row in x])
        np.testing.assert_allclose(_slid(x, kernel, shift), expected, rtol=0, atol=1e-12)


def test_a_large_block_is_cut_so_that_it_stays_on_one_thread(monkeypatch):
    x, kernel, matrix = _random(60, 200), _random(15, seed=1), _random(200, 7, seed=2)
    whole = _slid(x, kernel), product(x, matrix)
    sizes = []
    matmul = np.matmul

    def watched(a, b, **kwargs):
        sizes.append(a.shape[-2] * b.size)
        return matmul(a, b, **kwargs)

    monkeypatch.setattr(products, "_ONE_THREAD", 20_000)
    monkeypatch.setattr(np, "matmul", watched)
    np.testing.assert_array_equal(_slid(x, kernel), whole[0])
    np.testing.assert_array_equal(product(x, matrix), whole[1])
    assert sizes
    assert max(sizes) <= 20_000


@given(n=st.integers(1, 40), q=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_product_has_the_same_bits_for_any_number_of_rows(n, q, seed):
    x, matrix = _random(n, 61, seed=seed), _random(61, q, seed=seed + 1)
    found = product(x, matrix)
    np.testing.assert_allclose(found, np.einsum("ij,jk->ik", x, matrix), rtol=0, atol=1e-12)
    for i in range(n):
        np.testing.assert_array_equal(product(x[i : i + 1], matrix)[0], found[i])


def test_a_product_of_nothing():
    assert product(np.empty((0, 5)), np.ones((5, 2))).shape == (0, 2)


@given(
    width=st.sampled_from([3, 5, 9, 11, 21]),
    p=st.integers(21, 60),
    where=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 59)), min_size=1, max_size=4),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
)
@settings(max_examples=60, deadline=None)
def test_what_is_not_finite_stays_in_its_own_spectrum(width, p, where, value):
    x, kernel = _random(12, p), _random(width, seed=1)
    clean = _slid(x, kernel)
    spoilt = x.copy()
    for row, column in where:
        spoilt[row, column % p] = value
    with np.errstate(invalid="ignore"):
        found = _slid(spoilt, kernel)
    bad = {row for row, _ in where}
    good = [i for i in range(12) if i not in bad]
    np.testing.assert_array_equal(found[good], clean[good])
    assert all(not np.isfinite(found[i]).all() for i in bad)
