"""The forecast: its likelihood by hand, what it carries on by brute force, its coverage by simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pat.core import forecast, kinetics
from pat.core.blocks import BlockStatistics
from pat.core.endpoint import Endpoint, Status
from pat.core.evidence import Gathered, Rule, blend_rsd_upper, clean_step, homogeneity_cusum, limit_sd, quiet_step
from pat.core.kinetics import Curves
from tests.simulated import RULE

# 3 % RSD at 10 % w/w, repeatability 1.2 %, slope 0.97, 300 revolutions: the method of the demo.
METHOD = replace(
    RULE,
    repeatability=0.115,
    slope=0.97,
    threshold=9.2,
    centre_size=20,
    block_size=20,
    pocket_window=52,
    quiet_sd=1.8,
    quiet_window=46,
    quiet_cost=46,
    upper_factor=1.37,
    watch_ratios=(0.38, 0.65),
    watch_threshold=8.2,
    min_revolutions=40,
    max_revolutions=300,
)
NOTHING = Gathered(np.zeros(len(METHOD.ratios)), 0, 0, 0)


def blend(seed: int, n: int = 300, *, rate: float = 0.09, floor: float = 0.01, phi: float = 0.4) -> np.ndarray:
    """Simulated predictions (n,): RSD from 60 % to a floor, the variance decaying at `rate`, noise of 0.12 % w/w.

    The blend's own part is AR(1). A blend starts off its mean by up to a quarter, as a layered one does.
    """
    rng = np.random.default_rng([seed, 91])
    turn = np.arange(1.0, n + 1.0)
    shocks = rng.standard_normal(n) * math.sqrt(1.0 - phi**2)
    shocks[0] /= math.sqrt(1.0 - phi**2)
    for t in range(1, n):
        shocks[t] += phi * shocks[t - 1]
    rsd = np.sqrt(floor**2 + (0.6**2 - floor**2) * np.exp(-rate * turn))
    layer = 1.0 + rng.uniform(-0.25, 0.25) * np.exp(-0.7 * rate * turn)
    return np.asarray(10.0 * layer * np.maximum(1.0 + rsd * shocks, 0.0) + 0.12 * rng.standard_normal(n))


# The likelihood


def test_the_likelihood_is_that_of_normal_deviations():
    # scipy's normal log density, summed over the readings, up to what no parameter changes.
    values, turns = blend(1, 40), np.arange(40.0)
    deviations = kinetics._deviations(METHOD, values)
    axes = Curves(np.array([0.05, 0.2]), np.array([3.0, 400.0, 9e3]), np.array([0.2, 1.5]))
    found = kinetics.log_likelihood(axes, deviations, kinetics._weights(axes.rate, turns, deviations.size))
    expected = np.zeros(found.shape)
    for i, rate in enumerate(axes.rate):
        for j, start in enumerate(axes.start):
            for k, floor in enumerate(axes.floor):
                variance = floor * (1.0 + start * np.exp(-rate * turns))
                for t in range(4, 40):
                    before = slice(max(0, t - 20), t)
                    size = t - before.start
                    centre = values[before].mean()
                    own = variance[t] + variance[before].sum() / size**2
                    unit = float(limit_sd(METHOD, np.asarray(centre)))
                    expected[i, j, k] += stats.norm.logpdf((values[t] - centre) / unit, scale=math.sqrt(own))
    # Half of the information: readings depend on each other.
    np.testing.assert_allclose(found - found[0, 0, 0], 0.5 * (expected - expected[0, 0, 0]), rtol=1e-9, atol=1e-9)


def test_courses_are_drawn_about_the_true_one():
    # 20 blends of independent readings: what is drawn holds the truth, and its middle is near it.
    places = np.random.default_rng(2).uniform(-0.5, 0.5, (3, 200))
    noise = kinetics.noise_share(METHOD)
    rates, floors = [], []
    for seed in range(20):
        drawn = kinetics.draw_curves(METHOD, np.arange(1.0, 151.0), blend(seed, 150, phi=0.0), places)
        rates.append(np.median(drawn.rate) / 0.09)
        floors.append(np.median(drawn.floor) / (noise + (1.0 - noise) * (1.0 / 3.0) ** 2))
    assert np.median(rates) == pytest.approx(1.0, abs=0.1)
    assert np.median(floors) == pytest.approx(1.0, abs=0.15)


def test_the_variance_of_a_course_by_hand():
    curves = Curves(np.array([0.1]), np.array([99.0]), np.array([0.25]))
    np.testing.assert_allclose(curves.variance(np.array([0.0, 10.0])), [[25.0, 0.25 * (1.0 + 99.0 / math.e)]])


# Carried on by the rule


def _steps(rule: Rule, run: np.ndarray, mean: float, gathered: Gathered, first: int, now: int) -> float:
    """Follow readings (limit SDs about `mean`) one by one by the functions that follow a blend live."""
    cusum, total = homogeneity_cusum(rule), gathered.cusum
    clean, quiet, good = np.asarray(gathered.clean), np.asarray(gathered.quiet), gathered.run
    unit = float(limit_sd(rule, np.asarray(mean)))
    for t in range(first, run.size):
        z = np.asarray((run[t] - run[t - rule.centre_size : t].mean()) / math.sqrt(1.0 + 1.0 / rule.centre_size))
        clean, quiet = clean_step(rule, clean, np.abs(z)), quiet_step(rule, quiet, np.abs(z))
        total, good = cusum.step(total, z), good + 1
        last = mean + unit * run[t + 1 - min(good, rule.pocket_window, t + 1) : t + 1].mean()
        if (
            total.max() >= rule.threshold
            and clean >= rule.pocket_window
            and quiet >= rule.quiet_window
            and abs(last / rule.target - 1.0) * 100.0 <= rule.max_mean_deviation
            and run[t + 1 - rule.block_size : t + 1].std(ddof=1) * rule.upper_factor <= 1.0
            and good >= 2 * rule.block_size
            and now + t + 1 - first >= rule.min_revolutions
        ):
            return t + 1.0 - first
    return math.inf


@pytest.mark.parametrize("quiet_cost", [46, 12])
@pytest.mark.parametrize("now", [25, 60, 90])
def test_what_is_carried_on_is_declared_where_the_rule_declares_it(now, quiet_cost):
    # Brute force: every blend that is carried on, again, reading by reading. One alternative, so that it is the best.
    rule = replace(METHOD, quiet_cost=quiet_cost, ratios=(0.5,), weights=(1.0,), min_revolutions=95)
    values, turns = blend(5, now), np.arange(1.0, now + 1.0)
    gathered = Gathered(np.array([0.7]), min(now - 20, 9), min(now - 20, 4), min(now, 30))
    rng = np.random.default_rng(6)
    curves = Curves(rng.uniform(0.05, 0.2, 64), rng.uniform(1.0, 900.0, 64), rng.uniform(0.2, 0.7, 64))
    found = forecast.declared_after(rule, curves, turns, values, gathered)
    run, n_past, mean = forecast._carried_on(rule, curves, turns, values, 300 - now)
    expected = [_steps(rule, run[i], mean[i], gathered, n_past, now) for i in range(64)]
    np.testing.assert_array_equal(found, expected)
    assert 0.3 < np.isfinite(found).mean()
    assert len(set(found)) > 10


def test_no_revolutions_are_left_at_the_end_of_the_run():
    values = blend(7)
    curves = Curves(np.full(3, 0.1), np.full(3, 1.0), np.full(3, 0.2))
    assert np.isinf(forecast.declared_after(METHOD, curves, np.arange(1.0, 301.0), values, NOTHING)).all()


# What is forecast


def _run(values: np.ndarray, moments: tuple[int, ...]) -> tuple[int | None, dict[int, forecast.Forecast]]:
    """Follow predictions by the state machine; its end-point, and the forecasts at some moments before it."""
    endpoint, found, turns = Endpoint(METHOD), {}, np.arange(1.0, values.size + 1.0)
    n, declared = METHOD.block_size, None
    for t, value in enumerate(values, start=1):
        block, upper = BlockStatistics(), math.nan
        if t >= n:
            last = values[t - n : t]
            upper = float(blend_rsd_upper(METHOD, last))
            # Everything that is not asked of predictions passes.
            block = BlockStatistics(
                mbsd=2.0 * METHOD.least_mbsd, moving_f=1.0, mean=last.mean(), sd=1.0, level_step=1.0,
                contrast_step=1.0, novelty=1.0,
            )  # fmt: skip
        decision = endpoint.observe(Status.OK, t, float(value), True, block, upper)
        declared = decision.endpoint
        if declared is not None:
            break
        if t in moments:
            found[t] = forecast.forecast(METHOD, turns[:t], values[:t], endpoint.gathered)
    return declared, found


def _covered(kinds: dict[str, float], blends: int, moments: tuple[int, ...]) -> dict[tuple[str, int], float]:
    """Share of the blends of each kind that were declared within their forecast, by the moment of it."""
    inside: dict[tuple[str, int], list[bool]] = {}
    for kind, rate in kinds.items():
        for seed in range(blends):
            declared, found = _run(blend(1000 + seed, rate=rate), moments)
            if declared is None:
                continue
            for moment, made in found.items():
                left, low, high = declared - moment, made.remaining_low, made.remaining_high
                inside.setdefault((kind, moment), []).append(
                    low is not None and high is not None and low <= left <= high
                )
    return {key: float(np.mean(held)) for key, held in inside.items() if len(held) >= 0.3 * blends}


# Rates of the variance.
KINDS = {"good": 0.09, "slow": 0.04, "fast": 0.16}


def test_the_interval_holds_the_end_point():
    # Simulated blends of three kinds; each moment of the forecast has 40 of them or fewer, so all are taken together.
    found = _covered(KINDS, 40, (35, 70, 100))
    assert len(found) >= 5
    assert np.mean(list(found.values())) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_interval_holds_nine_in_ten_at_every_moment(kind):
    # Of 500 simulated blends 0.873 or more are expected inside where the chance is 0.9 (binomial, 2.5 %).
    found = _covered({kind: KINDS[kind]}, 500, (35, 50, 70, 90, 120))
    assert min(found.values()) >= 0.873, found


def test_a_floor_above_the_limit_is_said_not_to_be_attainable():
    _, found = _run(blend(11, floor=0.06), (25, 150))
    assert found[25].attainable is None
    late = found[150]
    assert late.attainable is False
    assert late.confidence is not None
    assert late.confidence >= 0.95
    assert late.remaining is late.remaining_low is late.remaining_high is None
    assert late.floor_rsd == pytest.approx(6.0, rel=0.25)
    assert "not attainable" in late.reason


def test_a_blend_off_its_target_is_not_expected_to_be_declared():
    _, found = _run(0.9 * blend(12), (120,))
    assert found[120].probability == 0.0
    assert found[120].attainable is True
    assert found[120].reason == "not within 300 revolutions"


def test_a_forecast_just_before_the_end_point_comes_true():
    for seed in (13, 14, 15):
        declared, found = _run(blend(seed), tuple(range(20, 300)))
        assert declared is not None
        last = found[declared - 1]
        assert last.remaining_low == 1
        assert last.remaining in (1, 2)
        assert last.probability is not None
        assert last.probability > 0.9
        assert last.attainable is True


def test_too_few_readings_give_no_forecast():
    values = blend(14, 19)
    found = forecast.forecast(METHOD, np.arange(1.0, 20.0), values, NOTHING)
    assert found == forecast.Forecast()
    assert set(found.to_dict().values()) == {None, "too few readings to forecast from"}


def test_the_same_readings_give_the_same_forecast_and_stay_as_they_were():
    values, turns = blend(15, 60), np.arange(1.0, 61.0)
    kept = values.copy()
    values.flags.writeable = turns.flags.writeable = False
    assert forecast.forecast(METHOD, turns, values, NOTHING) == forecast.forecast(METHOD, turns, values, NOTHING)
    np.testing.assert_array_equal(values, kept)


@pytest.mark.parametrize(
    "values", [np.full(60, 10.0), np.zeros(60), np.full(60, -5.0), np.linspace(0.0, 100.0, 60), 1e6 * blend(16, 60)]
)
def test_odd_readings_give_an_answer_without_a_warning(values):
    bare = replace(METHOD, repeatability=0.0)
    for rule in (METHOD, bare):
        found = forecast.forecast(rule, np.arange(1.0, 61.0), values, NOTHING)
        assert found.probability is not None
        assert 0.0 <= found.probability <= 1.0
