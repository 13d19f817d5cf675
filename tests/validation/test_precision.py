"""Precision against a published analysis, hand computation and simulation."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from pat.errors import InputError
from pat.validation.precision import precision, precision_by_level
from tests.validation.test_nested import DYESTUFF, PASTES


@pytest.mark.requirement("URS-23")
def test_dyestuff() -> None:
    """SDs 49.51 and 42.00 are published (Box and Tiao 1973; lme4); the repeats' interval is chi-square's."""
    found = precision(DYESTUFF, {"batch": np.repeat(np.arange(6), 5)})
    assert (found.repeatability.sd, found.factors[0].sd) == pytest.approx((49.51, 42.00), abs=5e-3)
    assert found.intermediate.sd == pytest.approx(math.sqrt(1764.05 + 2451.25))
    bounds = [math.sqrt(24 * 2451.25 / stats.chi2.ppf(p, 24)) for p in (0.975, 0.025)]
    assert [found.repeatability.lower, found.repeatability.upper] == pytest.approx(bounds)
    # Satterthwaite: (MSB / 5 + 4 MSW / 5)^2 over its parts.
    a, b = 11271.5 / 5, 0.8 * 2451.25
    assert found.intermediate.df == pytest.approx((a + b) ** 2 / (a**2 / 5 + b**2 / 24))
    assert (found.groups, found.mean, found.n) == ({"batch": 6}, 1527.5, 30)


def test_a_factor_that_adds_nothing_is_zero_and_says_so() -> None:
    found = precision(np.array([9.0, 11.0, 8.9, 11.1, 9.1, 10.9]), {"day": [1, 1, 2, 2, 3, 3]})
    assert (found.factors[0].sd, found.factors[0].below_zero, found.factors[0].lower) == (0.0, True, 0.0)
    assert found.intermediate.sd == pytest.approx(found.repeatability.sd)


def test_no_variation_at_all_is_plain_json() -> None:
    found = precision(np.full(6, 10.0), {"day": [1, 1, 2, 2, 3, 3]}).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["intermediate"]["sd"] == 0.0
    assert found["intermediate"]["df"] is None


def test_levels_one_by_one_and_together() -> None:
    """Pastes as three levels of 20 values: each is the analysis of its part, together the squares are summed."""
    level = np.repeat(["low", "mid", "top"], 20)
    day = np.tile(np.repeat(np.arange(5), 4), 3)
    parts = precision_by_level(PASTES, {"day": day}, level)
    assert [part.level for part in parts] == ["low", "mid", "top"]
    alone = precision(PASTES[20:40], {"day": day[20:40]})
    assert parts[1].repeatability == alone.repeatability
    together = precision(PASTES, {"day": day}, level=level)
    squares = [part.repeatability.sd**2 for part in parts]
    assert together.repeatability.sd == pytest.approx(math.sqrt(np.mean(squares)))
    assert together.repeatability.df == 45


def test_a_level_that_cannot_be_judged_is_named() -> None:
    with pytest.raises(InputError, match="level 12: the component of 'day'"):
        precision_by_level(np.arange(6.0), {"day": [1, 1, 2, 2, 3, 3]}, [10, 10, 10, 10, 12, 12])
    with pytest.raises(InputError, match="`confidence` must lie between 0 and 1, got 95"):
        precision(np.arange(4.0), {"day": [1, 1, 2, 2]}, confidence=95)
