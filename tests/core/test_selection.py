"""Kennard-Stone, duplex and SPXY: by hand, against all distances written out, against astartes, in little memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from pat.core.selection import duplex, kennard_stone, spxy
from pat.core.types import Array
from pat.errors import InputError


def distances(x: Array) -> Array:
    return np.asarray(np.sqrt(((x[:, None, :] - x[None, :, :]) ** 2).sum(axis=-1)))


def farthest_pair(d: Array, free: list[int]) -> list[int]:
    _, i, j = max((float(d[i, j]), -i, -j) for i in free for j in free if i < j)
    return [-i, -j]


def farthest(d: Array, chosen: list[int], free: list[int]) -> int:
    return max(free, key=lambda i: (min(d[i, c] for c in chosen), -i))


def plain_kennard_stone(d: Array, k: int) -> list[int]:
    """As the paper says, with the whole table of distances."""
    chosen = farthest_pair(d, list(range(len(d))))
    while len(chosen) < k:
        chosen.append(farthest(d, chosen, [i for i in range(len(d)) if i not in chosen]))
    return chosen


def plain_duplex(d: Array, k: int) -> tuple[list[int], list[int]]:
    first = farthest_pair(d, list(range(len(d))))
    second = farthest_pair(d, [i for i in range(len(d)) if i not in first])
    while len(second) < k:
        for own in (first, second):
            own.append(farthest(d, own, [i for i in range(len(d)) if i not in first + second]))
    return first, second


def table(seed: int) -> Array:
    """Random numbers, or where the seed is even whole ones, so that many distances are equal."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(5, 36)), int(rng.integers(1, 40))
    return rng.integers(0, 3, (n, p)).astype(np.float64) if seed % 2 == 0 else rng.standard_normal((n, p))


@pytest.mark.parametrize("seed", range(60))
def test_selections_are_those_of_the_whole_table_of_distances(seed: int) -> None:
    x = table(seed)
    n = x.shape[0]
    rng = np.random.default_rng([seed, 1])
    d, k = distances(x), int(rng.integers(2, n + 1))
    assert kennard_stone(x, k).tolist() == plain_kennard_stone(d, k)
    each = int(rng.integers(2, n // 2 + 1))
    first, second = duplex(x, each)
    assert (first.tolist(), second.tolist()) == plain_duplex(d, each)
    y = rng.permutation(n).astype(np.float64)
    both = d / d.max() + np.abs(y[:, None] - y) / (n - 1)
    if seed % 2:  # sums of quotients round, so equal ones are no test
        assert spxy(x, y, k).tolist() == plain_kennard_stone(both, k)


def test_kennard_stone_by_hand() -> None:
    # On 0, 1, 4, 10: the ends, then 4 (4 from 0) before 1 (1 from 0).
    assert kennard_stone(np.array([[0.0], [1.0], [4.0], [10.0]]), 4).tolist() == [0, 3, 2, 1]
    # A square: both diagonals are equal, the first in order is taken; then its corners tie.
    square = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert kennard_stone(square, 4).tolist() == [0, 3, 1, 2]


def test_duplex_by_hand() -> None:
    # Ends 0 and 10; of the rest 1 and 9; then 4 is 4 from {0, 10} and 6 is 3 from {1, 9}.
    first, second = duplex(np.array([[0.0], [1.0], [4.0], [6.0], [9.0], [10.0]]), 3)
    assert (first.tolist(), second.tolist()) == ([0, 5, 2], [1, 4, 3])


def test_spxy_by_hand() -> None:
    # x = 0, 1, 2, 3 and y = 0, 4, 0, 0: over 3 and 4, the pairs (1, 2) and (0, 1) are 4/3 apart, (1, 3) 5/3.
    assert spxy(np.arange(4.0)[:, None], np.array([0.0, 4.0, 0.0, 0.0]), 3).tolist() == [1, 3, 0]


def test_selections_agree_with_astartes() -> None:
    # astartes 1.3.3: KennardStone(X, None, None, {})._samples_idxs and SPXY(X, y, None, {})._samples_idxs.
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((60, 8)), rng.standard_normal(60)
    assert kennard_stone(x, 12).tolist() == [18, 28, 21, 27, 5, 39, 23, 46, 9, 40, 57, 55]
    assert spxy(x, y, 12).tolist() == [23, 54, 21, 9, 28, 13, 22, 46, 32, 18, 39, 5]


def test_alike_samples_are_taken_in_order() -> None:
    # Once both kinds are in, every sample left is as near as can be.
    assert kennard_stone(np.array([[1.0], [1.0], [1.0], [2.0], [1.0]]), 4).tolist() == [0, 3, 1, 2]


def test_lists_are_tables() -> None:
    x = [[0.0], [1.0], [4.0], [6.0], [9.0], [10.0]]
    assert kennard_stone(x, 3).tolist() == kennard_stone(np.array(x), 3).tolist()
    assert [rows.tolist() for rows in duplex(x, 3)] == [[0, 5, 2], [1, 4, 3]]
    assert spxy([[0.0], [1.0], [2.0], [3.0]], [0, 4, 0, 0], 3).tolist() == [1, 3, 0]


def test_a_constant_far_from_zero_changes_nothing() -> None:
    x = np.random.default_rng(6).standard_normal((50, 30))
    np.testing.assert_array_equal(kennard_stone(x + 2.0**20, 20), kennard_stone((x + 2.0**20) - 2.0**20, 20))


def test_the_input_stays_as_it_was() -> None:
    x = np.random.default_rng(7).standard_normal((40, 20))
    x.flags.writeable = False
    kennard_stone(x, 10)
    duplex(x, 10)


def test_memory_grows_with_the_samples_and_not_with_their_pairs() -> None:
    # The table of distances of 6000 samples would take 288 MB; their spectra take 5 MB.
    x = np.random.default_rng(8).standard_normal((6000, 100))
    tracemalloc.start()
    kennard_stone(x, 50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kennard_stone(np.eye(4), 1), "`n_selected` must be from 2 to 4 for these samples, got 1"),
        (lambda: kennard_stone(np.eye(4), 5), "`n_selected` must be from 2 to 4 for these samples, got 5"),
        (lambda: duplex(np.eye(5), 3), "`n_each` must be from 2 to 2 for these samples, got 3"),
        (lambda: kennard_stone(np.eye(4), 2.5), "`n_selected` must be a whole number, got 2.5"),  # type: ignore[arg-type]
        (lambda: duplex(np.eye(5), True), "`n_each` must be a whole number, got True"),
        (lambda: kennard_stone(np.ones((4, 2)), 2), "`X` must vary, got 4 rows that are all alike"),
        (lambda: duplex(np.ones((5, 2)), 2), "`X` must vary, got 5 rows that are all alike"),
        (lambda: kennard_stone([["a"], ["b"]], 2), "`X` must be a table of finite numbers, got could not convert"),
        (lambda: kennard_stone(np.ones(4), 2), r"table of finite numbers, got shape \(4,\)"),
        (lambda: kennard_stone(np.array([[1.0], [np.nan]]), 2), "finite"),
        (lambda: spxy(np.eye(3), np.arange(4.0), 2), "one length, got 3 and 4"),
        (lambda: spxy(np.ones((3, 2)), np.arange(3.0), 2), "`X` must vary, got 3 rows"),
        (lambda: spxy(np.arange(3.0)[:, None], np.ones(3), 2), "`y` must vary, got 3 rows"),
    ],
)
def test_what_cannot_be_selected_is_said(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(InputError, match=message):
        call()
