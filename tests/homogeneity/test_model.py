"""The homogeneity model as a whole: what it is learnt from, what it refuses, and that it comes back from its file."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pat.assembly import assemble
from pat.core import pls
from pat.core.evidence import limit_sd, pocket_window
from pat.errors import InputError, Refusal
from pat.homogeneity import HomogeneityModel, describe_plateaus, learn
from pat.homogeneity.agreement import make_agreement
from pat.homogeneity.model import _readings
from pat.homogeneity.scrutiny import effective_spectra
from pat.homogeneity.segregation import make_alarm
from pat.limits import sd_upper_factor
from pat.method import Method
from pat.scorer import Scorer, Sensors
from pat.spectra import select_batches
from pat.treatment import treat
from tests.validated import Validated, validated


@pytest.fixture(scope="module")
def made() -> Validated:
    return validated()


def changed(made: Validated, **rules: Any) -> Validated:
    document = copy.deepcopy(made.method.document())
    document["homogeneity"] |= rules
    method = Method.from_document(document)
    return replace(made, method=method, calibration=replace(made.calibration, method=method))


def test_repeatability_is_that_of_the_repeat_readings(made: Validated) -> None:
    rows = made.treated["batch"].values == "R0"
    assert "R0" not in made.homogeneity.left_out
    values = pls.predict(made.calibration.model, made.treated["absorbance"].values[rows])
    # One batch, so the pooled standard deviation is the sample's own.
    assert made.homogeneity.repeatability.sd == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert made.homogeneity.rule.repeatability < made.homogeneity.repeatability.sd
    assert made.homogeneity.batches == {"accepted": ["A0", "A1", "A2"], "repeatability": ["R0"]}


@pytest.mark.requirement("URS-32")
def test_the_rule_carries_the_method_and_the_claim_says_so(made: Validated) -> None:
    rule, claim, rules = made.homogeneity.rule, made.homogeneity.claim, made.method.homogeneity
    assert rules is not None
    assert (rule.max_rsd, rule.max_revolutions) == (rules.max_rsd, rules.max_revolutions)
    assert rule.pocket_window == pocket_window(rules.max_revolutions, rules.smallest_pocket, rules.risk_per_batch)
    assert claim["risk_per_batch"] == rules.risk_per_batch
    assert claim["smallest_pocket_share"] == rules.smallest_pocket
    assert claim["scale_of_scrutiny_mg"] == rules.scale_of_scrutiny
    assert claim["slope_lower"] == rule.slope <= 1.0
    assert claim["pocket_risk_per_batch"] == rules.pocket_risk
    risks = claim["risk_at_autocorrelation"]
    assert risks["0"] <= risks["0.3"] <= risks["0.6"]
    assert rule.quiet_sd < rule.pocket_sd
    assert 20 < rule.quiet_window < rules.max_revolutions


@pytest.mark.requirement("URS-32")
def test_the_claim_says_how_many_spectra_make_a_dose_and_which_block_would_do(made: Validated) -> None:
    rule, claim, plateau = made.homogeneity.rule, made.homogeneity.claim, made.homogeneity.plateau
    assert claim["unit_dose_mg"] is claim["spectra_per_dose"] is None
    model = _learn(changed(made, unit_dose=8.0 * claim["scale_of_scrutiny_mg"]))
    said = model.claim["spectra_per_dose"]
    assert effective_spectra(said, plateau.phi_upper) >= 8.0 > effective_spectra(said - 1, plateau.phi_upper)
    # Blends as wide as accepted ones may be pass in a block of the size proposed, at the bound's factor for it.
    proposed, spread = (
        claim["block_size_proposed"],
        math.hypot(plateau.blend_sd_upper, made.homogeneity.repeatability.sd),
    )
    assert spread * sd_upper_factor(proposed, 0.05) <= 1.01 * limit_sd(rule, np.asarray(rule.target))


def test_alarms_that_the_method_registers_are_learnt_and_travel_to_the_line(made: Validated) -> None:
    model, phi = made.homogeneity, made.homogeneity.plateau.phi_upper
    # By the simulations themselves, with what the method says: 1 % in 300 readings, and 2 % of two sensors.
    assert model.alarm == make_alarm(0.01, 300, phi=phi)
    assert model.agreement == make_agreement(model.rule, 0.02, phi=phi, allowed=0.1)
    said = ("false_alarm_per_discharge", "discharge_readings", "false_alarm_of_sensors_per_batch", "sensors")
    assert [model.claim[key] for key in said] == [0.01, 300, 0.02, 2]
    scorer = Scorer(assemble(made.method, made.calibration, model))
    assert (scorer.alarm, scorer.agreement) == (model.alarm, model.agreement)
    line = scorer.start_discharge("B-1")
    line.update(made.raw["absorbance"].values[0])
    assert line.snapshot()["alarm"] == model.alarm.to_dict()
    sensors = Sensors({"left": scorer, "right": scorer}, "B-1")
    assert sensors.snapshot()["agreement"] == model.agreement.to_dict()
    silent = Scorer(assemble(made.method, made.calibration, replace(model, alarm=None, agreement=None)))
    assert (silent.alarm, silent.agreement) == (None, None)
    assert silent.start_discharge("B-1").snapshot()["alarm"] is None
    # Sensors whose artefacts say different things have no agreement, unless somebody gives one.
    assert Sensors({"left": scorer, "right": silent}, "B-1").snapshot()["agreement"] is None


def test_it_comes_back_from_its_file(made: Validated, tmp_path: Path) -> None:
    made.homogeneity.save(tmp_path)
    assert HomogeneityModel.load(tmp_path) == made.homogeneity
    (tmp_path / "homogeneity.json").write_text("{}")
    with pytest.raises(InputError, match="expected a homogeneity model"):
        HomogeneityModel.load(tmp_path)


def test_limits_of_the_published_statistics_are_of_what_the_line_would_say(made: Validated) -> None:
    model, n = made.homogeneity, made.homogeneity.rule.block_size
    scorer = Scorer(assemble(made.method, made.calibration, model))
    largest = []
    for name in model.batches["accepted"]:
        assert name not in model.left_out
        blend = scorer.start(name)
        found = []
        for x in select_batches(made.raw, [name])["absorbance"].values:
            blend.update(x)
            found.append(blend.statistics()["pc_sda"])
        largest.append(max(found[len(found) // 2 + n - 1 :]))
    logs = np.log(largest)
    # Owen's factor from the noncentral t distribution, three batches.
    k = stats.nct.ppf(0.95, 2, stats.norm.ppf(0.95) * math.sqrt(3)) / math.sqrt(3)
    limit = scorer.statistic_limits["pc_sda"]
    assert limit.high == pytest.approx(np.exp(logs.mean() + k * logs.std(ddof=1)), rel=1e-9)
    assert limit == model.witnesses.limits["pc_sda"]
    assert scorer.statistic_limits["mbsd"].high == model.rule.mbsd_limit
    # Plateaus of 65 readings hold no four blocks of 20 that do not overlap.
    assert set(blend.statistics()) - set(scorer.statistic_limits) == {"brown_forsythe"}


def test_noise_above_seven_tenths_of_the_limit_makes_no_rule(made: Validated) -> None:
    noise = made.homogeneity.repeatability.sd / made.method.analyte.target * 100.0
    with pytest.raises(Refusal, match="repeatability must be at most"):
        _learn(changed(made, max_rsd=noise / 0.7 * 0.99))


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        # ln(300 * 0.02 / 0.01) / -ln(0.98) = 316.6; 317 and 20 are more than 300.
        ({"smallest_pocket": 0.02}, "pockets in 0.02 .* by 317 readings .* after 20 .* max_revolutions is 300"),
        # ln(60 * 0.15 / 0.01) / -ln(0.85) = 41.9; 42 and 20 are more than 60.
        ({"max_revolutions": 60}, "pockets in 0.15 .* by 42 readings .* after 20 .* max_revolutions is 60"),
        ({"risk_per_batch": 1e-4}, "20000 simulated blends show a risk of at least 0.00015, not 0.0001"),
    ],
)
def test_a_promise_that_no_run_or_no_simulation_can_keep_makes_no_rule(
    made: Validated, rules: dict[str, float], message: str
) -> None:
    with pytest.raises(Refusal, match=message):
        _learn(changed(made, **rules))


@pytest.mark.parametrize("slope", [np.nan, -0.1, 0.0])
def test_a_slope_that_is_not_known_to_be_positive_makes_no_rule(made: Validated, slope: float) -> None:
    figures = made.calibration.figures | {"slope_lower": slope}
    with pytest.raises(Refusal, match="slope of predicted on reference must be positive"):
        _learn(replace(made, calibration=replace(made.calibration, figures=figures)))


def test_plateaus_of_less_than_three_blocks_make_no_rule(made: Validated) -> None:
    with pytest.raises(Refusal, match="must hold at least 90 spectra"):
        _learn(changed(made, block_size=30))


def test_a_method_without_the_section_has_no_rule(made: Validated) -> None:
    document = made.method.document() | {"homogeneity": None}
    document["acceptance"] = {"max_rmsep": 1.0}
    with pytest.raises(InputError, match="no homogeneity section"):
        learn(Method.from_document(document), made.calibration, made.treated)


# Bad readings


def _with(made: Validated, batch: str, rows: list[int], spoil: Any) -> Validated:
    """Spoil raw spectra of a batch (rows within it), and treat them all."""
    raw, at = made.raw.copy(deep=True), np.flatnonzero(made.raw["batch"].values == batch)
    absorbance = raw["absorbance"].values
    absorbance[at[rows]] = spoil(absorbance[at[rows]])
    return replace(made, raw=raw, treated=treat(made.method, raw).compute())


BAD: dict[str, Any] = {
    "garbage": lambda x: 0.5 + 0.3 * np.random.default_rng(1).standard_normal(x.shape),
    "saturated": lambda x: np.where(np.arange(x.shape[1]) == 60, 2.6, x),
    "foreign": lambda x: x + 0.05 * np.sin(np.arange(x.shape[1]) / 5.0),
    "repeated": lambda x: np.repeat(x[:1], len(x), axis=0),
}


def test_a_bad_reading_of_an_accepted_batch_changes_no_limit_by_much(made: Validated) -> None:
    before = made.homogeneity.plateau
    spoilt = _with(made, "A0", [100], BAD["garbage"])
    spoilt = _with(spoilt, "A1", [101], BAD["saturated"])
    # What is bad before the plateau, when the blend is still being mixed, does not count.
    spoilt = _with(spoilt, "A1", list(range(10, 40)), BAD["garbage"])
    accepted, static = (
        _readings(made.calibration, spoilt.treated, role, made.homogeneity.rule.block_size, None)
        for role in ("accepted", "repeatability")
    )
    known = made.homogeneity.left_out
    assert [run.left_out for run in (*accepted, *static)] == [
        known.get(name, 0) + spoilt_ones for name, spoilt_ones in (("A0", 1), ("A1", 1), ("A2", 0), ("R0", 0))
    ]
    after = describe_plateaus(accepted, static, made.homogeneity.rule.block_size, made.homogeneity.repeatability.sd**2)
    assert after.n_spectra == before.n_spectra - 2
    assert after.mbsd_limit == pytest.approx(before.mbsd_limit, rel=0.1)
    for name in ("least_level_step", "least_contrast_step", "least_novelty", "least_mbsd", "repeat_distance"):
        # Lower limits of three batches lie far below them: what a single value more or less changes is on a log scale.
        assert math.log(getattr(after, name)) == pytest.approx(math.log(getattr(before, name)), abs=0.7)


def test_a_bad_repeat_reading_does_not_enter_the_repeatability(made: Validated) -> None:
    many = _with(made, "R0", [7], BAD["foreign"])
    # One of 30 is more than 2 %.
    with pytest.raises(Refusal, match=r"batch R0: at most 2 % of its readings may be bad .*, got 1 of 30"):
        _learn(many)


@pytest.mark.parametrize("kind", ["garbage", "saturated", "repeated"])
def test_a_batch_with_many_bad_readings_makes_no_rule_and_is_named(made: Validated, kind: str) -> None:
    with pytest.raises(Refusal, match=r"batch A1: at most 2 % .* of 65"):
        _learn(_with(made, "A1", list(range(90, 96)), BAD[kind]))


def test_powder_at_rest_in_an_accepted_batch_makes_no_rule(made: Validated) -> None:
    still = _with(made, "A2", list(range(105, 130)), lambda x: x[0] + x - x.mean(axis=1, keepdims=True))
    with pytest.raises(Refusal, match=r"batch A2: .* powder at rest"):
        _learn(still)


def test_what_is_quieter_than_a_rule_allows_is_what_was_learnt(made: Validated) -> None:
    rule, plateau = made.homogeneity.rule, made.homogeneity.plateau
    assert rule.least_level_step == plateau.least_level_step
    assert rule.repeat_distance == plateau.repeat_distance
    # Lower chi-square bound of a block's SD at one in a thousand runs of 300 blocks, as an SD.
    quantile = stats.chi2.ppf(1e-3 / rule.max_revolutions, rule.block_size - 1) / (rule.block_size - 1)
    assert rule.least_sd == pytest.approx(rule.repeatability * np.sqrt(quantile), rel=1e-9)
    assert "played back" in made.homogeneity.claim["outside"]


def test_spectra_treated_without_what_is_needed_of_the_raw_ones_are_refused(made: Validated) -> None:
    with pytest.raises(InputError, match="must keep `raw_mean` of the raw ones"):
        _learn(replace(made, treated=made.treated.drop_vars("raw_mean")))


def _learn(made: Validated) -> HomogeneityModel:
    return learn(made.method, made.calibration, made.treated)
