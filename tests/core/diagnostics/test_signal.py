"""Net analyte signal, sensitivity, noise and limit of detection: by hand, by definition, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from pat.core import pls
from pat.core.diagnostics import (
    detection_limits,
    evaluate,
    leverage,
    net_analyte_signal,
    prediction_noise,
    sensitivity,
)
from pat.errors import InputError


def test_net_analyte_signal_is_what_the_interferents_cannot_make() -> None:
    # Noise-free mixtures of three spectra: the net signal of one unit of the first is its part at right angles to the
    # others (Lorber 1986), and the sensitivity is the length of that part.
    rng = np.random.default_rng(5)
    pure, c = rng.random((3, 15)), rng.random((12, 3))
    x = c @ pure
    model = pls.fit(pls.moments(x, c[:, 0], x.mean(axis=0), float(c[:, 0].mean())), 3)
    b = model.coefficients[-1]
    others = pure[1:]
    own = pure[0] - pure[0] @ np.linalg.pinv(others) @ others
    np.testing.assert_allclose(net_analyte_signal(pure[:1], b)[0], own, atol=1e-8)
    assert sensitivity(b) == pytest.approx(np.linalg.norm(own), rel=1e-8)
    # The interferents have none.
    np.testing.assert_allclose(net_analyte_signal(others, b), 0.0, atol=1e-8)


def test_noise_of_predictions_knows_correlated_noise() -> None:
    # Simulated: 400 readings of 5 samples, noise with covariance S: the root of b'Sb.
    rng = np.random.default_rng(6)
    root = np.tril(np.ones((4, 4)))
    codes = np.repeat(np.arange(5), 400)
    b = np.ones(4)
    x = 10.0 * rng.standard_normal((5, 4))[codes] + rng.standard_normal((2000, 4)) @ root.T
    assert prediction_noise(x, codes, b) == pytest.approx(np.sqrt(b @ root @ root.T @ b), rel=0.05)


def test_limit_of_detection_by_hand() -> None:
    # Contents 1, 2, 3 about 2, SS = 2: the nearest blank has leverage 1/3 + 4/2 = 7/3. No background: the leverages are
    # those of the contents, and both limits agree: 3.3 sqrt(0.1^2 (1 + 7/3) + 0.2^2 7/3).
    fitted = np.array([1.0, 2.0, 3.0])
    alone = 1.0 / 3.0 + (fitted - 2.0) ** 2 / 2.0
    expected = 3.3 * np.sqrt(0.01 * (1.0 + 7.0 / 3.0) + 0.04 * 7.0 / 3.0)
    assert detection_limits(alone, fitted, 2.0, 0.1, 0.2) == pytest.approx((expected, expected))
    # A background that adds 0.5 to the leverage of one: its blank has 7/3 + 0.5.
    low, high = detection_limits(alone + np.array([0.0, 0.5, 0.0]), fitted, 2.0, 0.1, 0.2)
    assert low == pytest.approx(expected)
    assert high == pytest.approx(3.3 * np.sqrt(0.01 * (1.0 + 17.0 / 6.0) + 0.04 * 17.0 / 6.0))


def test_a_blank_is_rarely_beyond_half_the_limit_of_detection() -> None:
    # Simulated: with 5 % false alarms and 5 % misses, the decision lies half way. Contents 0 to 2, one analyte and one
    # interferent, white noise; blanks with average background; nominal 5 % above, 3.3 being rounded up from 3.29.
    rng = np.random.default_rng(7)
    pure = np.array([[1.0, 0.5, 0.2, 0.0], [0.0, 0.4, 1.0, 0.3]])
    beyond = []
    for _ in range(400):
        c = np.column_stack([rng.uniform(0, 2, 20), rng.normal(1.0, 0.3, 20)])
        x = c @ pure + 0.02 * rng.standard_normal((20, 4))
        y = c[:, 0] + 0.02 * rng.standard_normal(20)
        model = pls.fit(pls.moments(x, y, x[0], 0.0), 2)
        fitted, t2, _ = evaluate(model, x)
        noise = 0.02 / sensitivity(model.coefficients[-1])
        low, _ = detection_limits(leverage(t2, 20), fitted, model.y_mean, noise, 0.02)
        blanks = np.column_stack([np.zeros(50), np.full(50, 1.0)]) @ pure + 0.02 * rng.standard_normal((50, 4))
        beyond.append(np.mean(pls.predict(model, blanks) > low / 2.0))
    assert 0.035 < np.mean(beyond) < 0.065


def test_what_cannot_be_computed_is_said() -> None:
    with pytest.raises(InputError, match="read at least twice, got none"):
        prediction_noise(np.ones((3, 2)), np.arange(3), np.ones(2))
    with pytest.raises(InputError, match="contents that vary"):
        detection_limits(np.ones(3), np.ones(3), 1.0, 0.1, 0.1)
    with pytest.raises(InputError, match=r"one shape, got \(3,\) and \(2,\)"):
        detection_limits(np.ones(3), np.ones(2), 1.0, 0.1, 0.1)
