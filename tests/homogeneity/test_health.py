"""Limits of a healthy sensor: from accepted batches by hand, and through the scorer with what they were learnt from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from pat.core.endpoint.health import Drift
from pat.core.preprocess import Treatment
from pat.errors import Refusal
from pat.homogeneity.health import BatchHealth, batch_health, describe_health
from tests import simulated

BLOCK = 8


def _tolerance_factor(n: int, coverage: float) -> float:
    """One-sided normal tolerance factor at 95 % confidence, by the noncentral t."""
    return float(stats.nct.ppf(0.95, n - 1, np.sqrt(n) * stats.norm.ppf(coverage)) / np.sqrt(n))


def test_limits_are_tolerance_limits_of_the_logs_by_hand():
    rng = np.random.default_rng(95)
    drifts = np.exp(rng.normal([-12.0, -2.0, -4.0, -5.0], 0.2, (6, 4)))
    contrast = np.exp(rng.normal(-2.0, 0.03, 8))
    accepted = [BatchHealth(f"A{i}", Drift(*d), c) for i, (d, c) in enumerate(zip(drifts, contrast, strict=False))]
    static = [BatchHealth(f"R{i}", Drift(), c) for i, c in enumerate(contrast[6:])]
    found = describe_health(accepted, static)
    logs = np.log(drifts)
    expected = np.exp(logs.mean(axis=0) + _tolerance_factor(6, 0.99) * logs.std(axis=0, ddof=1))
    limits = (
        found.residual_drift_limit, found.axis_shift_limit, found.level_drift_limit, found.contrast_drift_limit
    )  # fmt: skip
    np.testing.assert_allclose(limits, expected, rtol=1e-6)
    least = np.log(contrast)
    expected_least = np.exp(least.mean() - _tolerance_factor(8, 0.999) * least.std(ddof=1))
    assert found.least_contrast == pytest.approx(expected_least, rel=1e-6)
    assert (found.n_batches, found.coverage) == (6, 0.99)


def _health(x: np.ndarray, **changed: Any) -> BatchHealth:
    content = simulated.make_content()
    treat = Treatment(simulated.WAVELENGTH, simulated.RANGES, simulated.STEPS)
    given: dict[str, Any] = {"good": np.ones(len(x), dtype=bool), "block_size": BLOCK} | changed
    return batch_health("A", content.model(), treat.wavelength, treat(x), treat.presentation(x), **given)


def test_a_batch_is_followed_as_on_the_line(scorer):
    # The scorer's readings hold the same running means, reading by reading; its largest are the batch's.
    x = simulated.settled(60, 96)
    blend = scorer.start("A")
    readings = [blend.update(row) for row in x]
    found = _health(x)
    fields = ("residual_drift", "axis_shift", "level_drift", "contrast_drift")
    for name, field in zip(Drift._fields, fields, strict=True):
        largest = np.nanmax(np.abs([getattr(reading, field) for reading in readings]))
        assert getattr(found.drift, name) == pytest.approx(largest, rel=1e-6)
    assert found.least_contrast == pytest.approx(min(np.std(x[:, _used()], axis=1, ddof=1)), rel=1e-12)


def _used() -> np.ndarray:
    w = simulated.WAVELENGTH
    return np.flatnonzero(((w >= 1004.0) & (w <= 1116.0)) | ((w >= 1128.0) & (w <= 1232.0)))


def test_too_few_batches_or_readings_make_no_limits():
    one = BatchHealth("A1", Drift(1.0, 1.0, 1.0, 1.0), 1.0)
    with pytest.raises(Refusal, match="at least 3 accepted batches, got 2"):
        describe_health([one, one], [one])
    short = _health(simulated.settled(20, 97), good=np.arange(20) % 7 != 0)
    with pytest.raises(Refusal, match="batch A: expected a block of good readings in a row after its first, got none"):
        describe_health([one, one, short], [])
