"""The operating characteristic of a rule, against probabilities known by calculation and its own promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pat.errors import InputError
from pat.homogeneity import homogeneity_threshold
from pat.homogeneity.follow import Evidence
from pat.homogeneity.study import CURVES, SHARES, Conditions, Contender, Study, conditions_of, others, study
from pat.plots import operating_characteristic, to_png
from tests.simulated import RULE

# A short run with a threshold for a risk of 5 %.
SHORT = replace(
    RULE, repeatability=0.1, slope=0.97, ratios=(0.5, 0.8), weights=(1.0, 1.1), centre_size=10, pocket_window=15,
    quiet_window=1, block_size=8, upper_factor=1.0, min_revolutions=20, max_revolutions=120,
)  # fmt: skip
BOUNDS, ESTIMATES = Conditions(0.3, 0.1, 0.97), Conditions(0.1, 0.11, 1.0)


@pytest.fixture(scope="module")
def rule() -> Contender:
    return Contender("this rule", replace(SHORT, threshold=homogeneity_threshold(SHORT, 0.3, 0.05)), Evidence())


@pytest.fixture(scope="module")
def found(rule: Contender) -> Study:
    """Follow a thousand blends of each kind, twice by the same rule."""
    return study([rule, replace(rule, name="again")], BOUNDS, ESTIMATES, 0.05, blends=1)


def test_what_a_rule_does_by_true_rsd(found: Study) -> None:
    only = found.rules[0]
    rsd = [chance.true_rsd for chance in only.at_bounds]
    assert rsd == pytest.approx([3.0 * share for share in SHARES])
    shares = np.array([chance.declared / chance.blends for chance in only.at_bounds])
    # The chance falls as the RSD grows: certain far below the limit, the chosen risk at it, nothing far above it.
    assert shares[0] > 0.99
    assert only.at_bounds[SHARES.index(1.0)].low <= 0.05
    assert shares[-1] < 0.01
    assert (np.diff(shares) <= 0.03).all()
    # Every bound is on the careful side, so that a blend at the limit has a smaller chance under the estimates.
    at = SHARES.index(1.0)
    assert only.at_estimates[at].declared < only.at_bounds[at].declared
    assert [delay.course for delay in only.delays] == list(CURVES)
    assert found.to_dict()["simulated"] is True


def test_delays_are_counted_from_the_true_end_point(found: Study) -> None:
    # exp(-0.09 n) 60 % falls to 3 %, floor 1 %, at n = ln(sqrt(.3599 / .0008)) / .09 = 33.9; at .045, 67.9.
    fast, good, slow, below = found.rules[0].delays
    assert (fast.true_endpoint, good.true_endpoint) == (34, 68)
    assert slow.true_endpoint > 120 - 1  # not within this run: the last revolution stands for it
    assert fast.blends == 1000  # whole thousands
    assert fast.missed == 0
    assert 5 < fast.median < fast.ninety_percent < 60
    assert below.missed > good.missed


def test_every_rule_follows_the_same_blends(found: Study) -> None:
    first, second = found.rules
    assert replace(second, name=first.name) == first


def test_the_other_rules_have_their_guards_and_the_same_limits(rule: Contender) -> None:
    names = [other.name for other in others(rule.rule)]
    assert names == ["15 x 10 blocks", "20 x 5 blocks", "30 x 1 block", "blocks 10, 20, 40", "one CUSUM", "four CUSUMs"]
    for other in others(rule.rule):
        assert replace(other.rule, ratios=rule.rule.ratios, weights=rule.rule.weights) == rule.rule


def test_conditions_come_from_the_claim() -> None:
    claim = {"autocorrelation": 0.2, "autocorrelation_upper": 0.35, "repeatability": 0.12}
    assert conditions_of(SHORT, claim) == (Conditions(0.35, 0.1, 0.97), Conditions(0.2, 0.12, 1.0))


def test_rules_for_different_limits_are_not_compared(rule: Contender) -> None:
    other = replace(rule, rule=replace(rule.rule, max_rsd=5.0))
    with pytest.raises(InputError, match="rules for one limit, target and run length, got 2"):
        study([rule, other], BOUNDS, ESTIMATES, 0.05)
    with pytest.raises(InputError, match="at least 1 blend of each kind, got 0"):
        study([rule], BOUNDS, ESTIMATES, 0.05, blends=0)


def test_the_figure_shows_the_limit_and_every_rule(found: Study) -> None:
    figure = operating_characteristic(found)
    left, right = figure.axes
    upright = [np.asarray(line.get_xdata(), dtype=float).tolist() for line in left.lines]
    assert upright.count([3.0, 3.0]) == 1
    legend = right.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {"this rule", "again"}
    assert "SIMULATED" in figure.get_suptitle()
    drawn = to_png(figure)
    assert drawn.startswith(b"\x89PNG")
    assert drawn == to_png(operating_characteristic(found))
