"""The benchmark of preprocessing compares like with like: its answers agree before any time is taken."""

from __future__ import annotations

import numpy as np
import pytest

from tests import peers  # noqa: F401  # chemotools is imported in peace, before the benchmark does so


@pytest.mark.parametrize("window", [9, 15])
def test_all_programs_give_the_same_spectra(window):
    from benchmarks.preprocess import rows

    x = np.random.default_rng(1).normal(0.5, 0.1, (50, 80)).cumsum(axis=1)
    found = rows(window, x)
    assert [row.peer for row in found] == ["chemotools", "scipy"]
    assert all(row.ours > 0.0 and row.theirs > 0.0 for row in found)
