"""What a search says of its own error, against the truth, by simulation; `benchmarks.nested` is the study."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.nested import error_of_winner, searched, study
from pat.search import Space
from pat.search.evaluate import Data
from tests.calibration.mixtures import AXIS, method


def test_the_winner_s_error_by_hand() -> None:
    """One chain without treatment on three exact bands: nothing is left to be wrong."""
    rng = np.random.default_rng(1)
    bands = np.exp(-(((AXIS - np.array([[1100.0], [1300.0], [1500.0]])) / 60.0) ** 2))
    y = rng.normal(10.0, 1.0, (60, 3))
    data = Data(AXIS, y[:40] @ bands, y[:40, 0], np.repeat(np.arange(10), 4))
    found, winner = searched(
        method(max_components=3, component_rule="first_minimum"), Space([], None, [], None), data, 3
    )
    assert found.winner.n_components == 3
    assert error_of_winner(found, winner, data, y[40:] @ bands, y[40:, 0]) < 1e-9
    assert error_of_winner(found, winner, data, y[40:] @ bands, y[40:, 0] + 0.5) == pytest.approx(0.5)


def test_the_smallest_rmsecv_is_too_small_and_the_nested_estimate_is_not() -> None:
    """12 lots of 4, 16 data sets, 60 chains."""
    found = study(12, 4, 16)
    assert found.rmsecv < 0.95 * found.true
    assert found.nested > found.rmsecv
    assert found.nested**2 > (1.0 - 3.0 * found.nested_error) * found.true**2
    assert found.nested_covers >= 12 / 16  # of 0.92, fewer are seen in under 1 % of such studies


@pytest.mark.slow
@pytest.mark.parametrize("lots", [12, 24])
def test_two_hundred_data_sets(lots: int) -> None:
    """The nested estimate errs on the careful side (its searches have fewer lots), and its interval holds the truth."""
    found = study(lots, 4, 200)
    assert found.rmsecv < 0.97 * found.true
    assert found.nested**2 > (1.0 - 2.0 * found.nested_error) * found.true**2
    assert found.nested < 1.2 * found.true
    assert found.nested_covers >= {12: 0.9, 24: 0.95}[lots]
    assert found.nested_width < {12: 2.7, 24: 2.0}[lots]
    assert found.rmsecv_covers < 0.85
