"""Contributions add up to the statistic that they share out."""

from __future__ import annotations

import numpy as np
import pytest

from pat.core import pls
from pat.core.diagnostics import evaluate, q_contributions, t2_contributions
from pat.core.types import Array


def model(a: int = 3) -> tuple[pls.PLSModel, Array]:
    rng = np.random.default_rng(41)
    x = rng.standard_normal((30, 5)) @ rng.standard_normal((5, 20)) + 0.2 * rng.standard_normal((30, 20))
    y = x[:, 0] - x[:, -1]
    return pls.fit(pls.moments(x, y, x[0], 0.0), a), x


@pytest.mark.requirement("URS-14")
def test_contributions_add_up() -> None:
    fitted, x = model()
    _, t2, q = evaluate(fitted, x + 0.3)
    np.testing.assert_allclose(t2_contributions(fitted, x + 0.3).sum(axis=1), t2, rtol=1e-10)
    np.testing.assert_allclose(q_contributions(fitted, x + 0.3).sum(axis=1), q, rtol=1e-10)


def test_contributions_by_hand() -> None:
    # One component with rotation and loading (0.6, 0.8), score variance 4, centre (1, 1): (2, 3) is (1, 2) centred,
    # with score 2.2 and T2 2.2^2 / 4 = 1.21, of which 1 * 0.6 * 2.2 / 4 = 0.33 and 2 * 0.8 * 2.2 / 4 = 0.88.
    # Its residual is (1 - 1.32, 2 - 1.76) = (-0.32, 0.24).
    r = np.array([[0.6], [0.8]])
    one = np.ones(1)
    simple = pls.PLSModel(
        x_mean=np.ones(2), y_mean=0.0, weights=r, loadings=r, y_loadings=one, rotations=r, coefficients=r.T,
        score_variance=4.0 * one, n_samples=10,
    )  # fmt: skip
    spectrum = np.array([[2.0, 3.0]])
    np.testing.assert_allclose(t2_contributions(simple, spectrum), [[0.33, 0.88]], rtol=1e-12)
    np.testing.assert_allclose(q_contributions(simple, spectrum), [[0.1024, 0.0576]], rtol=1e-12)


@pytest.mark.requirement("URS-14")
def test_a_spike_is_found_where_it_is() -> None:
    fitted, x = model()
    spiked = x[:1].copy()
    spiked[0, 13] += 5.0
    assert np.argmax(q_contributions(fitted, spiked)[0]) == 13
