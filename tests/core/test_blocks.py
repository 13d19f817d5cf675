"""Moving-block statistics by brute force, a spike that leaves nothing behind, and the ring against a deque."""

from __future__ import annotations

import json
import math
import statistics
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pat.core import blocks
from pat.errors import InputError


def _series(m: int, p: int, seed: int = 0) -> np.ndarray:
    return np.asarray(np.random.default_rng([seed, 41]).normal(0.3, 0.01, (m, p)))


def _mbsd(rows: np.ndarray) -> float:
    return statistics.fmean(statistics.stdev(column) for column in rows.T)


# Statistics


@pytest.mark.parametrize("n", [2, 3, 10, 20])
def test_mbsd_is_the_mean_of_the_wavelengths_standard_deviations(n):
    x = _series(30, 7)
    found = blocks.mbsd(blocks.sliding(x, n))
    assert found.shape == (30 - n + 1,)
    expected = [_mbsd(x[i : i + n]) for i in range(30 - n + 1)]  # all n spectra of the block, divided by n - 1
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_moving_f_is_the_ratio_of_summed_variances():
    x = _series(30, 7)
    for n, end in ((5, 10), (5, 30), (10, 25)):
        earlier, later = x[end - 2 * n : end - n], x[end - n : end]
        a, b = (sum(statistics.variance(c) for c in block.T) for block in (earlier, later))
        assert float(blocks.moving_f(earlier, later)) == pytest.approx(a / b, rel=1e-11)


def test_block_mean_and_rsd_by_brute_force():
    values = np.random.default_rng(42).normal(10.0, 0.2, 40)
    windows = blocks.sliding(values, 12)
    for block, mean, sd in zip(windows, blocks.block_mean(windows), blocks.block_sd(windows), strict=True):
        assert mean == pytest.approx(statistics.fmean(block), rel=1e-13)
        assert sd == pytest.approx(statistics.stdev(block), rel=1e-11)
        rsd = 100.0 * statistics.stdev(block) / statistics.fmean(block)
        assert float(blocks.relative(sd, mean)) == pytest.approx(rsd, rel=1e-11)


def test_a_share_of_nothing_is_nan():
    found = blocks.relative(np.array([1.0, 1.0, 1.0, np.nan]), np.array([0.0, -2.0, 4.0, 4.0]))
    np.testing.assert_array_equal(found, [np.nan, np.nan, 25.0, np.nan])


def test_frozen_blocks_have_no_ratio_and_raise_no_warning():
    frozen, moving = np.ones((5, 3)), _series(5, 3)
    assert math.isnan(blocks.moving_f(frozen, frozen))
    assert float(blocks.moving_f(moving, frozen)) == math.inf
    assert float(blocks.moving_f(frozen, moving)) == 0.0
    assert float(blocks.mbsd(frozen)) == 0.0


def test_successive_differences_by_hand_and_what_they_leave_out():
    # Differences 1, -2, 3, 0: 14 over 2 x 4.
    assert float(blocks.successive_sd(np.array([1.0, 2.0, 0.0, 3.0, 3.0]))) == pytest.approx(math.sqrt(14.0 / 8.0))
    # Independent values: the same standard deviation as the sample's own. A drift and a step hardly add to it.
    values = np.random.default_rng(47).normal(0.5, 0.02, 20_000)
    assert float(blocks.successive_sd(values)) == pytest.approx(0.02, rel=0.03)
    still, turn = 1e-4 * np.random.default_rng(48).standard_normal((50, 20)), np.arange(20)
    assert blocks.successive_sd(still + 1e-3 * turn).max() < 0.001
    assert blocks.successive_sd(still + 0.03 * (turn > 9)).max() < 0.03 / 6.0


def test_novelty_is_the_distance_to_the_nearest_of_those_before():
    x = _series(30, 3)
    found = blocks.novelty(x, 7)
    assert found[0] == math.inf
    for i in range(1, 30):
        assert found[i] == pytest.approx(min(math.dist(x[i], x[j]) for j in range(max(0, i - 7), i)), rel=1e-12)
    assert blocks.nearest(x[:0], x[0]) == math.inf
    assert blocks.nearest(x, x[4]) == 0.0


def _window(x: np.ndarray, n: int) -> blocks.Window:
    window = blocks.Window(n, x.shape[1])
    for row in x:
        window.push(row, float(row.sum()), row[:2], (float(row[0]), float(row[1])))
    return window


def test_the_window_says_what_its_last_blocks_give():
    n, x = 5, _series(40, 4)
    for m in range(1, 40):
        window, seen = _window(x[:m], n), x[:m]
        found, block = window.statistics(), seen[-n:]
        assert window.full == (m >= n)
        assert window.apart(x[39]).nearest == blocks.nearest(seen[-2 * n :], x[39])
        if m < n:
            assert all(map(math.isnan, found))
            continue
        np.testing.assert_array_equal(window.values, block.sum(axis=1))
        assert found.mbsd == pytest.approx(_mbsd(block), rel=1e-11)
        assert found.mean == pytest.approx(statistics.fmean(block.sum(axis=1)), rel=1e-12)
        assert found.sd == pytest.approx(statistics.stdev(block.sum(axis=1)), rel=1e-11)
        assert found.level_step == pytest.approx(float(blocks.successive_sd(block[:, 0])), rel=1e-12)
        assert found.contrast_step == pytest.approx(float(blocks.successive_sd(block[:, 1])), rel=1e-12)
        assert math.isnan(found.moving_f) == (m < 2 * n)
        # Only distances from two whole blocks count, and a block of them is needed.
        assert math.isnan(found.novelty) == (m < 3 * n)
        if m >= 3 * n:
            whole = blocks.novelty(x[:m, :2], 2 * n)[-n:]
            assert found.novelty == pytest.approx(statistics.median(whole), rel=1e-12)


def test_a_window_comes_back_from_its_snapshot_and_holds_plain_numbers():
    x = _series(23, 4)
    x[20] = 1e200  # distances that overflow
    with np.errstate(over="ignore"):
        window = _window(x, 4)
    state = json.loads(json.dumps(window.snapshot(), allow_nan=False))
    again = blocks.Window(4, 4)
    again.restore(state)
    with np.errstate(over="ignore", invalid="ignore"):
        assert repr(again.statistics()) == repr(window.statistics())
    assert again.snapshot() == window.snapshot()


def test_a_spike_passes_through_and_leaves_nothing_behind():
    n, at = 10, 20
    x = _series(60, 5, seed=1)
    spiked = x.copy()
    spiked[at] += 1e6
    for function in (blocks.mbsd, lambda b: blocks.block_sd(b[..., 0]), lambda b: blocks.block_mean(b[..., 0])):
        clean, found = function(blocks.sliding(x, n)), function(blocks.sliding(spiked, n))
        inside = slice(at - n + 1, at + 1)
        assert (found[inside] > 1e4).all()
        outside = np.delete(np.arange(clean.size), np.r_[inside])
        np.testing.assert_allclose(found[outside], clean[outside], rtol=1e-9)


def test_sliding_holds_every_run_of_neighbours_once():
    x = _series(6, 2)
    found = blocks.sliding(x, 4)
    assert found.shape == (3, 4, 2)
    for i in range(3):
        np.testing.assert_array_equal(found[i], x[i : i + 4])
    assert blocks.sliding(x, 6).shape == (1, 6, 2)


@pytest.mark.parametrize(("n", "c4"), [(10, 0.9727), (15, 0.9823), (20, 0.9869), (30, 0.9914)])
def test_the_block_sd_has_the_known_bias_of_a_sample_sd(n, c4):
    # E[s] = c4 sigma; a divisor of n would give c4 sqrt((n - 1) / n), 5 % less at n = 10.
    values = np.random.default_rng(43).standard_normal((40_000, n))
    assert float(blocks.block_sd(values).mean()) == pytest.approx(c4, abs=4.0 / math.sqrt(2 * n * 40_000))


# The ring


def test_a_ring_that_is_not_full_says_what_it_holds():
    ring = blocks.Ring(4, 2)
    assert len(ring) == 0
    assert ring.to_list() == []
    ring.push([1.0, 2.0])
    with pytest.raises(InputError, match="asked for 2 rows 0 back, the buffer holds 1"):
        ring.last(2)
    with pytest.raises(InputError, match="asked for 1 rows 1 back, the buffer holds 1"):
        ring.last(1, skip=1)


@given(capacity=st.integers(1, 6), width=st.integers(1, 3), rows=st.integers(0, 30), data=st.data())
@settings(max_examples=120, deadline=None)
def test_the_ring_is_a_deque(capacity, width, rows, data):
    ring, expected = blocks.Ring(capacity, width), deque[list[float]](maxlen=capacity)
    for i in range(rows):
        row = [float(10 * i + j) for j in range(width)]
        ring.push(row)
        expected.append(row)
        assert len(ring) == len(expected)
        skip = data.draw(st.integers(0, len(expected)))
        n = data.draw(st.integers(0, len(expected) - skip))
        held = list(expected)
        np.testing.assert_array_equal(
            ring.last(n, skip=skip), np.reshape(held[len(held) - skip - n : len(held) - skip], (n, width))
        )
    assert ring.to_list() == list(expected)


@given(
    capacity=st.integers(1, 5),
    before=st.integers(0, 12),
    after=st.integers(0, 12),
)
@settings(max_examples=60, deadline=None)
def test_a_refilled_ring_carries_on_like_the_one_it_came_from(capacity, before, after):
    ring, copy = blocks.Ring(capacity, 2), blocks.Ring(capacity, 2)
    for i in range(3):
        copy.push([-1.0, float(i)])  # what was in it before does not matter
    for i in range(before):
        ring.push([float(i), 0.5])
    copy.refill(ring.to_list())
    for i in range(after):
        ring.push([float(i), 1.5])
        copy.push([float(i), 1.5])
        assert ring.to_list() == copy.to_list()
    assert len(ring) == len(copy)
