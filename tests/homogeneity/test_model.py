"""The homogeneity model as a whole: what it is learnt from, what it refuses, and that it comes back from its file."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pat.core import pls
from pat.core.evidence import pocket_window
from pat.errors import InputError, Refusal
from pat.homogeneity import HomogeneityModel, learn
from pat.method import Method
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
    values = pls.predict(made.calibration.model, made.treated["absorbance"].values[rows])
    # One batch, so the pooled standard deviation is the sample's own.
    assert made.homogeneity.repeatability.sd == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert made.homogeneity.rule.repeatability < made.homogeneity.repeatability.sd
    assert made.homogeneity.batches == {"accepted": ["A0", "A1", "A2"], "repeatability": ["R0"]}


def test_the_rule_carries_the_method_and_the_claim_says_so(made: Validated) -> None:
    rule, claim, rules = made.homogeneity.rule, made.homogeneity.claim, made.method.homogeneity
    assert rules is not None
    assert (rule.max_rsd, rule.max_revolutions) == (rules.max_rsd, rules.max_revolutions)
    assert rule.pocket_window == pocket_window(rules.max_revolutions, rules.smallest_pocket, rules.risk_per_batch)
    assert claim["risk_per_batch"] == rules.risk_per_batch
    assert claim["smallest_pocket_share"] == rules.smallest_pocket
    assert claim["scale_of_scrutiny_mg"] == rules.scale_of_scrutiny
    assert claim["slope_lower"] == rule.slope <= 1.0
    risks = claim["risk_at_autocorrelation"]
    assert risks["0"] <= risks["0.3"] <= risks["0.6"]


def test_it_comes_back_from_its_file(made: Validated, tmp_path: Path) -> None:
    made.homogeneity.save(tmp_path)
    assert HomogeneityModel.load(tmp_path) == made.homogeneity
    (tmp_path / "homogeneity.json").write_text("{}")
    with pytest.raises(InputError, match="expected a homogeneity model"):
        HomogeneityModel.load(tmp_path)


def test_noise_above_seven_tenths_of_the_limit_makes_no_rule(made: Validated) -> None:
    noise = made.homogeneity.repeatability.sd / made.method.analyte.target * 100.0
    with pytest.raises(Refusal, match="repeatability must be at most"):
        _learn(changed(made, max_rsd=noise / 0.7 * 0.99))


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


def _learn(made: Validated) -> HomogeneityModel:
    return learn(made.method, made.calibration, made.treated)
