"""The constants of the rule keep the risk that was chosen: against a simulation written apart from theirs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pat.core.blocks import BlockStatistics
from pat.core.endpoint import Endpoint, Status, Verdict
from pat.core.evidence import Rule
from pat.errors import Refusal
from pat.homogeneity import SteadyBlend, false_endpoint_risk, guarded, homogeneity_threshold, watched
from pat.homogeneity import risk as simulated_risk
from pat.homogeneity.risk import blends_for, quiet_window
from tests.simulated import RULE

RATIOS = (0.35, 0.5, 0.65, 0.8)
# 3 % RSD at 10 % w/w, no noise of the method, 300 revolutions, an upper 95 % bound over blocks of 20.
WHOLE = replace(
    RULE,
    repeatability=0.0,
    slope=1.0,
    ratios=RATIOS,
    threshold=9.24,
    centre_size=20,
    max_revolutions=300,
    block_size=20,
    pocket_sd=3.0,
    pocket_window=52,
    quiet_sd=3.0,
    quiet_window=1,
    upper_factor=float(np.sqrt(19.0 / stats.chi2.ppf(0.05, 19))),
)
# The CUSUM alone: no reading is outlying, every block looks good.
BARE = replace(WHOLE, pocket_sd=1e9, pocket_window=1, quiet_sd=1e9, upper_factor=1e-9)
# The demo's method: repeatability, slope and the spread of its accepted batches, and the nearer guard.
METHOD = replace(WHOLE, repeatability=0.115, slope=0.97, quiet_sd=1.8, quiet_cost=32)
PHI, POWDER = 0.39, 0.38
BLENDS = 5000


def _autoregressive(phi: float, sd: float, seed: int, revolutions: int) -> np.ndarray:
    """Blends (revolutions, BLENDS) with SD `sd` about 10."""
    rng = np.random.default_rng([seed, 71])
    shocks = rng.standard_normal((revolutions, BLENDS))
    shocks[1:] *= math.sqrt(1.0 - phi**2)
    for t in range(1, revolutions):
        shocks[t] += phi * shocks[t - 1]
    return 10.0 + sd * shocks


def _deviations(values: np.ndarray, rule: Rule) -> np.ndarray:
    """Deviations from the mean of the preceding readings, by cumulative sums."""
    k = rule.centre_size
    sums = np.vstack([np.zeros(values.shape[1]), values.cumsum(axis=0)])
    centre = (sums[k:-1] - sums[: -k - 1]) / k
    limit = np.hypot(rule.slope * rule.max_rsd / 100.0 * np.minimum(centre, rule.target), rule.repeatability)
    return np.asarray((values[k:] - centre) / (limit * math.sqrt(1.0 + 1.0 / k)))


def _path(z: np.ndarray, before: float, after: float) -> np.ndarray:
    """Sum of log likelihood ratios since its lowest point, by scipy's densities."""
    gain = stats.norm.logpdf(z, scale=after) - stats.norm.logpdf(z, scale=before)
    path = np.vstack([np.zeros(z.shape[1]), gain.cumsum(axis=0)])
    return np.asarray(path - np.minimum.accumulate(path, axis=0))[1:]


def _spread(rule: Rule, ratio: float) -> float:
    """SD of predictions at `ratio` of the limit, in limit SDs."""
    blend = rule.slope * rule.max_rsd / 100.0 * rule.target
    return math.hypot(ratio * blend, rule.repeatability) / math.hypot(blend, rule.repeatability)


def _inside(z: np.ndarray, limit: float, window: int) -> np.ndarray:
    """Whether none of the last `window` deviations lies beyond `limit`, by cumulative sums."""
    outlying = np.vstack([np.zeros(z.shape[1]), (np.abs(z) > limit).cumsum(axis=0)])
    clean = np.zeros(z.shape, dtype=bool)
    clean[window - 1 :] = outlying[window:] == outlying[:-window]
    return clean


def _counted(z: np.ndarray, rule: Rule) -> np.ndarray:
    """Count of readings inside `quiet_sd`, those outside taking their cost back: the plain sum less its lowest."""
    path = np.where(np.abs(z) > rule.quiet_sd, -rule.quiet_cost, 1).cumsum(axis=0)
    return np.asarray(path - np.minimum(np.minimum.accumulate(path, axis=0), 0))


def _pockets(rule: Rule, share: float, side: int, powder: float, seed: int, phi: float = 0.0) -> np.ndarray:
    """Predictions (revolutions, BLENDS) of blends that pockets bring to the limit, a Markov chain where phi > 0."""
    rng = np.random.default_rng([seed, 74])
    seen = rng.random((300, BLENDS)) < share
    for t in range(1, 300):
        seen[t] = np.where(rng.random(BLENDS) < phi, seen[t - 1], seen[t])
    signs = np.full(seen.shape, float(side)) if side else rng.choice([-1.0, 1.0], seen.shape)
    pockets = np.where(seen, signs, 0.0)
    deviation = (pockets - share * side) / math.sqrt(share - (share * side) ** 2)
    own = rule.slope * 0.3 * math.sqrt(1.0 - powder**2) * deviation
    between = _autoregressive(PHI, rule.slope * 0.3 * powder, seed, 300)
    return np.asarray(own + between + rule.repeatability * rng.standard_normal(own.shape))


def _declared(values: np.ndarray, rule: Rule, threshold: float) -> float:
    """Share of blends for which evidence, pockets and the last block agree at any revolution."""
    z, n = _deviations(values, rule), rule.block_size
    evidence = np.max([_path(z, 1.0, _spread(rule, ratio)) for ratio in rule.ratios], axis=0)
    clean = _inside(z, rule.pocket_sd, rule.pocket_window) & (_counted(z, rule) >= rule.quiet_window)
    squares, sums = (np.vstack([np.zeros(z.shape[1]), (values**p).cumsum(axis=0)]) for p in (2, 1))
    mean = (sums[n:] - sums[:-n]) / n
    sd = np.sqrt(((squares[n:] - squares[:-n]) - n * mean**2) / (n - 1))
    own = np.sqrt(np.maximum((rule.upper_factor * sd) ** 2 - rule.repeatability**2, 0.0)) / rule.slope
    block = (100.0 * own / mean <= rule.max_rsd)[rule.centre_size - n + 1 :]
    return float(((evidence >= threshold) & clean & block).any(axis=0).mean())


def test_the_threshold_of_the_bare_rule():
    # Another simulation of this project gave 9.24; here the bound holds with 95 % confidence, which adds a little.
    found = homogeneity_threshold(BARE, 0.0, 0.01)
    assert found == pytest.approx(9.24, abs=0.6)
    risk = _declared(_autoregressive(0.0, 0.3, 1, 300), BARE, found)
    assert 0.004 <= risk <= 0.01 + 2.0 * math.sqrt(0.01 / BLENDS)


@pytest.mark.parametrize(("phi", "published"), [(0.0, 0.01), (0.3, 0.019), (0.5, 0.051), (0.6, 0.12)])
def test_autocorrelation_raises_the_risk_of_independent_constants(phi, published):
    # Another simulation of this project, constants of independent readings: .019 / .051 / .12 in place of .01.
    found = false_endpoint_risk(BARE, SteadyBlend(phi=phi))
    assert found == pytest.approx(published, rel=0.35)
    apart = _declared(_autoregressive(phi, 0.3, 2, 300), BARE, BARE.threshold)
    error = math.sqrt(found * (1.0 - found) * (1.0 / 20_000 + 1.0 / BLENDS))
    assert found == pytest.approx(apart, abs=3.5 * error)


@pytest.mark.requirement("URS-40")
def test_a_threshold_made_for_the_whole_rule_keeps_the_risk():
    # Autocorrelation, repeatability, slope, the guard against pockets and the block's own bound all together.
    rule = replace(WHOLE, repeatability=0.12, slope=0.95)
    threshold = homogeneity_threshold(rule, 0.4, 0.01)
    blend = _autoregressive(0.4, 0.95 * 0.3, 3, 300)
    values = blend + 0.12 * np.random.default_rng(72).standard_normal(blend.shape)
    apart = _declared(values, rule, threshold)
    assert 0.004 <= apart <= 0.01 + 2.0 * math.sqrt(0.01 / BLENDS)
    found = false_endpoint_risk(replace(rule, threshold=threshold), SteadyBlend(phi=0.4))
    assert found == pytest.approx(apart, abs=3.5 * math.sqrt(0.01 * (1.0 / 20_000 + 1.0 / BLENDS)))
    # What else must pass lets less evidence do.
    assert threshold < homogeneity_threshold(replace(BARE, repeatability=0.12, slope=0.95), 0.4, 0.01)


def test_a_smaller_risk_and_a_longer_run_ask_for_more_evidence():
    short = replace(BARE, max_revolutions=60)
    base = homogeneity_threshold(short, 0.0, 0.05)
    assert homogeneity_threshold(short, 0.0, 0.01) > base
    assert homogeneity_threshold(replace(short, max_revolutions=150), 0.0, 0.05) > base
    assert homogeneity_threshold(short, 0.4, 0.05) > base


@pytest.mark.parametrize(("side", "powder", "pocket_phi"), [(1, 0.0, 0.0), (-1, POWDER, 0.0), (0, POWDER, 0.3)])
def test_blends_of_pockets_are_at_the_limit_and_declared_as_often_as_apart(side, powder, pocket_phi):
    rule = replace(METHOD, threshold=9.2, quiet_window=40)
    values = _pockets(rule, 0.15, side, powder, 6, pocket_phi)
    # What is declared is the limit itself: 3 % of 10, the slope and the noise allowed for.
    assert np.sqrt(values.var() - rule.repeatability**2) / rule.slope == pytest.approx(0.3, rel=0.01)
    apart = _declared(values, rule, rule.threshold)
    found = false_endpoint_risk(rule, SteadyBlend(powder, PHI, 0.15, side, pocket_phi), BLENDS)
    assert found == pytest.approx(apart, abs=3.5 * math.sqrt(2.0 * apart * (1.0 - apart) / BLENDS))
    assert apart > 0.02


@pytest.mark.requirement("URS-40")
def test_both_guards_keep_both_risks():
    # The threshold and the window that belong together, against blends simulated apart: the kinds that they were made
    # for, those in between, larger pockets, and both signs.
    kinds = [SteadyBlend(0.0, PHI, 0.15, -1), SteadyBlend(POWDER, PHI, 0.15, 0), SteadyBlend(0.0, PHI, 0.3, -1)]
    rule = guarded(METHOD, PHI, kinds, 0.01, 0.08)
    blend = _autoregressive(PHI, rule.slope * 0.3, 7, 300)
    values = blend + rule.repeatability * np.random.default_rng(75).standard_normal(blend.shape)
    assert _declared(values, rule, rule.threshold) <= 0.01 + 2.0 * math.sqrt(0.01 / BLENDS)
    found = [
        _declared(_pockets(rule, share, side, powder, 8), rule, rule.threshold)
        for share, side, powder in [(0.15, -1, POWDER), (0.15, 0, 0.2), (0.2, 1, POWDER), (0.3, 1, 0.0), (0.5, 0, 0.0)]
    ]
    assert max(found) <= 0.08 + 2.0 * math.sqrt(0.08 / BLENDS)
    assert found[0] >= 0.03  # no longer a window than it must be


def test_without_the_nearer_guard_pockets_at_the_limit_pass():
    # Why it is there: 3 SDs over 52 revolutions alone let through half of the blends that such pockets bring there.
    rule = replace(METHOD, quiet_sd=3.0)
    rule = replace(rule, threshold=homogeneity_threshold(rule, PHI, 0.01))
    assert false_endpoint_risk(rule, SteadyBlend(0.0, PHI, 0.15, -1), 2000) > 0.4


def test_a_smaller_pocket_risk_asks_for_a_longer_window():
    kinds = [SteadyBlend(0.0, PHI, 0.15, 0)]
    assert quiet_window(METHOD, kinds, 0.04) > quiet_window(METHOD, kinds, 0.2)


def test_so_many_blends_are_simulated_as_show_a_chance():
    assert [blends_for(risk) for risk in (0.2, 0.08, 0.02, 0.01, 1e-6)] == [2000, 5000, 20_000, 20_000, 20_000]


def test_the_limit_that_a_share_exceeds_holds_19_times_in_20():
    # 4,000 values: a share of 1 % is 40, of which the 95 % limit leaves 29 above (binomial: P(29 or fewer) = .045).
    assert stats.binom.cdf(29, 4000, 0.01) < 0.05 < stats.binom.cdf(30, 4000, 0.01)
    assert simulated_risk.exceeded(np.arange(4000.0), 0.01) == 4000 - 29 - 1
    draws = np.random.default_rng(76).random((500, 400))
    assert np.mean([simulated_risk.exceeded(row, 0.05) >= 0.95 for row in draws]) >= 0.95 - 2.0 * math.sqrt(
        0.05 * 0.95 / 500
    )


def test_a_risk_that_no_simulation_of_that_size_shows_is_refused():
    # All of 20,000 blends below it happens 5 times in 100 where the risk is 1.5e-4.
    with pytest.raises(Refusal, match=r"20000 simulated blends show a risk of at least 0.00015, not 0.0001"):
        homogeneity_threshold(replace(BARE, max_revolutions=25), 0.0, 1e-4)


def test_the_evidence_is_never_less_than_a_single_start_needs():
    # A window that nothing comes through leaves no evidence to compare with.
    rule = replace(BARE, max_revolutions=60, pocket_window=80)
    assert homogeneity_threshold(rule, 0.0, 0.01) == pytest.approx(math.log(100.0))


def test_the_same_question_has_the_same_answer():
    rule = replace(BARE, max_revolutions=40)
    assert homogeneity_threshold(rule, 0.3, 0.01) == homogeneity_threshold(rule, 0.3, 0.01)
    assert watched(rule, 0.3, 0.01) == watched(rule, 0.3, 0.01)


def test_the_watches_are_quiet_on_steady_blends_and_see_one_that_grows_or_moves():
    rule = watched(replace(BARE, repeatability=0.1), 0.3, 0.01)
    quiet = _alarms(rule, [0.5] * 300)
    # Any of the three, at the risk in all; each alone has an equal part of it, at least a third.
    assert 0.004 <= quiet.any(axis=0).mean() <= 0.01 + 2.0 * math.sqrt(0.01 / BLENDS)
    for alone in quiet.mean(axis=1):
        assert 0.001 <= alone <= 0.01
    grown = _alarms(rule, [0.5] * 200 + [1.3] * 100)
    assert grown[0].mean() >= 0.95
    # 4 % of the mean within 100 revolutions, no single reading of which is outlying.
    moved = _alarms(rule, [0.5] * 300, np.interp(np.arange(300.0), [100.0, 200.0], [0.0, 0.4]))
    assert moved[2].mean() >= 0.95
    # A spread eight times as wide is seen by the ratio to the quietest block as well.
    wide = _alarms(rule, [0.2] * 200 + [1.6] * 100)
    assert wide[1].mean() >= 0.9


def _alarms(rule: Rule, ratios: list[float], drift: np.ndarray | float = 0.0) -> np.ndarray:
    """Which of the three watches (3, BLENDS) raise an alarm while the SD follows `ratios` of the limit."""
    blend = (_autoregressive(0.3, 0.3, 4, len(ratios)) - 10.0) * np.array(ratios)[:, None]
    noise = rule.repeatability * np.random.default_rng(73).standard_normal(blend.shape)
    values = 10.0 + np.broadcast_to(drift, len(ratios))[:, None] + blend + noise
    before, after = (_spread(rule, ratio) for ratio in rule.watch_ratios)
    spread = _path(_deviations(values, rule), before, after) >= rule.watch_threshold
    return np.array([spread.any(axis=0), _wider_blocks(rule, values), _moved(rule, values)])


def _wider_blocks(rule: Rule, values: np.ndarray) -> np.ndarray:
    """Whether any block is too wide for the quietest so far, from the first block that was compared throughout."""
    whole = np.lib.stride_tricks.sliding_window_view(values, rule.block_size, axis=0)[rule.centre_size :]
    variance = whole.var(axis=-1, ddof=1)
    return np.asarray((variance > rule.watch_block_ratio * np.minimum.accumulate(variance, axis=0)).any(axis=0))


def _moved(rule: Rule, values: np.ndarray) -> np.ndarray:
    """Whether a sum of the mean, less its lowest value so far, reaches the limit on either side."""
    centre = values[: rule.centre_size].mean(axis=0)
    limit = np.hypot(rule.slope * rule.max_rsd / 100.0 * np.minimum(centre, rule.target), rule.repeatability)
    away = (values[rule.centre_size :] - centre) / limit
    reached = np.zeros(values.shape[1], dtype=bool)
    for side in (away, -away):
        path = np.vstack([np.zeros_like(centre), (side - rule.watch_mean_step).cumsum(axis=0)])
        reached |= (path - np.minimum.accumulate(path, axis=0) >= rule.watch_mean_threshold).any(axis=0)
    return reached


def test_the_state_machine_follows_the_very_sums_that_were_calibrated():
    # Reading by reading through `Endpoint`, the verdict turns to PASS exactly where the sum apart from it does.
    # With no end-point before revolution 500 the watch, which begins there, has no say.
    rule = replace(BARE, threshold=3.0, repeatability=0.1, min_revolutions=500, max_revolutions=600)
    values = _autoregressive(0.3, 0.15, 5, 120)[:, :25]
    moving = BlockStatistics(0.1, 1.0, 10.0, 0.1, 0.1, 0.1, 0.1)
    for run in values.T:
        endpoint = Endpoint(rule)
        decisions = [endpoint.observe(Status.OK, i, v, True, moving, 0.0) for i, v in enumerate(run.tolist(), start=1)]
        passed = [d.verdicts.homogeneous is Verdict.PASS for d in decisions]
        reached = [bool(_now(run[: i + 1], rule) >= 3.0) for i in range(run.size)]
        assert passed == reached
        assert any(passed)


def _now(run: np.ndarray, rule: Rule) -> float:
    """Sum that stands at the end of a run: over all starting points, by brute force on the same definition."""
    k = rule.centre_size
    if run.size <= k:
        return 0.0
    centre = np.array([run[i - k : i].mean() for i in range(k, run.size)])
    limit = np.hypot(0.03 * np.minimum(centre, 10.0), rule.repeatability)
    z = (run[k:] - centre) / (limit * math.sqrt(1.0 + 1.0 / k))
    ratios = [stats.norm.logpdf(z, scale=_spread(rule, r)) - stats.norm.logpdf(z) for r in rule.ratios]
    return max(0.0, *(float(gain[::-1].cumsum().max()) for gain in ratios))
