"""Running means of a batch: written out, and by what they say of a film, a shifted axis and a drifting lamp."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from pat.core import pls
from pat.core.endpoint import Status
from pat.core.endpoint.health import Drift, DriftWatch, axis_direction
from tests.simulated import RULE

N, P = 4, 30
DIRECTION = np.random.default_rng(91).standard_normal(P)


def _readings(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 92])
    return rng.standard_normal((n, P)), 0.5 + 0.1 * rng.standard_normal((n, 2))


def _written_out(residual: np.ndarray, presentation: np.ndarray) -> Drift:
    """Weights of an exponentially weighted mean of weight 2/5 that is a plain mean while 1/k is larger."""
    weights = np.zeros(len(residual))
    for k in range(1, len(residual) + 1):
        new = max(0.4, 1.0 / k)
        weights[: k - 1] *= 1.0 - new
        weights[k - 1] = new
    mean = weights @ residual
    first = np.zeros(2)
    for k, row in enumerate(presentation[:N], start=1):
        first += max(0.4, 1.0 / k) * (row - first)
    shift = float(np.linalg.lstsq(DIRECTION[:, None], mean, rcond=None)[0][0])
    level, contrast = weights @ presentation - first
    return Drift(float((mean**2).sum()), shift, float(level), float(contrast))


def test_the_running_means_are_those_written_out():
    residual, presentation = _readings(30, 1)
    watch = DriftWatch(N, DIRECTION)
    for i in range(30):
        found = watch.take(residual[i], presentation[i])
        if i < 2 * N - 1:
            assert np.isnan(found).all()
        else:
            np.testing.assert_allclose(found, _written_out(residual[: i + 1], presentation[: i + 1]), rtol=1e-12)


def test_an_interruption_needs_a_block_in_a_row_again_but_forgets_nothing():
    residual, presentation = _readings(20, 2)
    watch = DriftWatch(N, DIRECTION)
    for i in range(12):
        watch.take(residual[i], presentation[i])
    watch.interrupt()
    found = [watch.take(residual[i], presentation[i]) for i in range(12, 20)]
    assert [math.isnan(drift.axis) for drift in found] == [True] * 3 + [False] * 5
    np.testing.assert_allclose(found[-1], _written_out(residual, presentation), rtol=1e-12)
    watch.restart()
    again = [watch.take(residual[i], presentation[i]) for i in range(12)][-1]
    np.testing.assert_allclose(again, _written_out(residual[:12], presentation[:12]), rtol=1e-12)


def test_a_snapshot_carries_on_bit_for_bit():
    residual, presentation = _readings(20, 3)
    straight = relay = DriftWatch(N, DIRECTION)
    for i in range(20):
        expected = straight.take(residual[i], presentation[i])
        if relay is not straight:
            assert repr(relay.take(residual[i], presentation[i])) == repr(expected)
        relay = DriftWatch(N, DIRECTION)
        relay.restore(json.loads(json.dumps(straight.snapshot(), allow_nan=False)))


def _bands(wavelength: np.ndarray, content: np.ndarray, shift: float = 0.0) -> np.ndarray:
    """Spectra (n, p) of one band that grows with the content, over two that do not."""
    at = wavelength - shift
    active, other = np.exp(-(((at - 1100.0) / 20.0) ** 2)), np.exp(-(((at - 1150.0) / 30.0) ** 2))
    return np.asarray(content[:, None] * active + other + 0.5 * np.exp(-(((at - 1060.0) / 15.0) ** 2)))


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize("shift", [-0.4, 0.1, 0.5])
def test_a_shift_of_the_axis_comes_back_in_nm(shift, gap):
    wavelength = np.arange(1000.0, 1220.0, 2.0)
    if gap:
        wavelength = wavelength[(wavelength < 1120.0) | (wavelength > 1135.0)]
    content = np.linspace(0.5, 1.5, 20)
    x = _bands(wavelength, content)
    model = pls.fit(pls.moments(x, content, x.mean(axis=0), float(content.mean())), 1)
    direction = axis_direction(model, wavelength)
    shifted = _bands(wavelength, np.ones(20), shift) - model.x_mean
    residual = shifted - (shifted @ model.rotations) @ model.loadings.T
    watch = DriftWatch(N, direction)
    found = [watch.take(row, np.array([0.5, 0.1])) for row in residual][-1]
    # Central differences over 2 nm of bands 15 nm wide, and terms of the second order in the shift: 2 %.
    assert found.axis == pytest.approx(shift, rel=0.02)
    assert found.residual == pytest.approx(shift**2 * float(direction @ direction), rel=0.05)


def test_an_axis_that_the_model_explains_says_nothing():
    watch = DriftWatch(N, np.zeros(P))
    residual, presentation = _readings(9, 5)
    assert [watch.take(*pair) for pair in zip(residual, presentation, strict=True)][-1].axis == 0.0


def test_each_fault_has_its_own_status():
    watch = DriftWatch(N, np.full(P, 1e-4))  # |g|^2 = 3e-7
    normal = Drift(1e-8, 0.001, 0.01, 0.001)
    assert watch.fault(RULE, Drift()) is watch.fault(RULE, normal) is None
    # Limits: 1.5e-7, 0.02 nm, 0.1 AU and 0.02 AU.
    assert watch.fault(RULE, normal._replace(residual=1.6e-7)) is Status.FOULED
    assert watch.fault(RULE, normal._replace(axis=-0.021)) is Status.AXIS_SHIFT
    # A shift of 0.6 nm makes 0.36 * 3e-7 = 1.08e-7 of the residual: more than half of 2e-7, less than half of 3e-7.
    assert watch.fault(RULE, normal._replace(axis=0.6, residual=2e-7)) is Status.AXIS_SHIFT
    assert watch.fault(RULE, normal._replace(axis=0.6, residual=3e-7)) is Status.FOULED
    for changed in ({"level": 0.11}, {"level": -0.11}, {"contrast": 0.021}, {"contrast": -0.021}):
        assert watch.fault(RULE, normal._replace(**changed)) is Status.LAMP_DRIFT
    wide = replace(RULE, level_drift_limit=1.0)
    assert watch.fault(wide, normal._replace(level=0.9)) is None
