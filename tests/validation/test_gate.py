"""The acceptance gate: each criterion met and not met, and the validations that it refuses to judge."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pat.errors import Refusal
from pat.method import Method
from pat.validation.endpoints import EndpointCase, Outcome
from pat.validation.figures import Figures
from pat.validation.gate import Gate, assess, require_independent

DOCUMENT = Method.load(Path(__file__).parents[2] / "models" / "demo" / "method.yaml").document()
FIGURES = Figures(
    n=200,
    n_batches=10,
    n_missing=0,
    rmsep=0.22,
    sep=0.21,
    bias=-0.06,
    batch_bias=-0.06,
    bias_p=0.3,
    bias_critical=0.14,
    slope=1.02,
    slope_p=0.5,
    intercept=-0.2,
    intercept_p=0.5,
    response_slope=0.97,
    response_slope_lower=0.93,
    r2=0.98,
    rpd=7.0,
    rer=20.0,
)


def blend(outcome: Outcome, delay: int | None = None, batch: str = "B") -> EndpointCase:
    return EndpointCase(batch, "good", 50, None, outcome, delay, 0, ("MIXING",))


def judge(acceptance: dict[str, Any], figures: Figures = FIGURES, cases: list[EndpointCase] | None = None) -> Gate:
    method = Method.from_document({**DOCUMENT, "acceptance": {"max_rmsep": 0.3, **acceptance}})
    return assess(method, figures, cases or [], validation=["V1"], used=["C1"])


@pytest.mark.parametrize(
    ("acceptance", "changed", "passed"),
    [
        ({}, {"rmsep": 0.30}, True),
        ({}, {"rmsep": 0.31}, False),
        ({"max_sep": 0.25}, {}, True),
        ({"max_sep": 0.20}, {}, False),
        ({"max_bias": 0.06}, {}, True),
        ({"max_bias": 0.05}, {}, False),
        ({"bias_alpha": 0.05}, {}, True),
        ({"bias_alpha": 0.05}, {"bias_p": 0.04}, False),
        ({"bias_alpha": 0.05}, {"bias_p": math.nan}, False),
        ({"slope": [0.9, 1.1]}, {}, True),
        ({"slope": [0.9, 1.1]}, {"slope": 1.11}, False),
        ({"slope": [0.9, 1.1]}, {"slope": math.nan}, False),
        ({"min_r2": 0.95}, {}, True),
        ({"min_r2": 0.95}, {"r2": 0.9}, False),
    ],
)
def test_criteria_on_figures(acceptance: dict[str, Any], changed: dict[str, float], passed: bool) -> None:
    gate = judge(acceptance, replace(FIGURES, **changed))  # type: ignore[arg-type]
    assert gate.passed is passed
    assert [criterion.name for criterion in gate.criteria] == ["min_validation_batches", "max_rmsep", *acceptance]


@pytest.mark.parametrize(
    ("key", "outcome"),
    [
        ("max_early_endpoints", Outcome.EARLY),
        ("max_false_endpoints", Outcome.FALSE),
        ("max_missed_endpoints", Outcome.MISSED),
        ("max_unseen_faults", Outcome.FAULT_UNSEEN),
    ],
)
def test_criteria_that_count_blends(key: str, outcome: Outcome) -> None:
    others = [blend(other) for other in Outcome if other is not outcome]
    assert judge({key: 0}, cases=others).passed
    assert not judge({key: 0}, cases=[*others, blend(outcome)]).passed
    assert judge({key: 1}, cases=[*others, blend(outcome)]).passed


def test_median_delay_is_that_of_blends_on_time() -> None:
    cases = [blend(Outcome.ON_TIME, delay) for delay in (10, 30, 80)] + [blend(Outcome.EARLY, -40)]
    gate = judge({"max_median_delay": 30}, cases=cases)
    assert gate.passed
    assert gate.criteria[-1].found == 30
    assert not judge({"max_median_delay": 29}, cases=cases).passed


@pytest.mark.parametrize("key", ["max_early_endpoints", "max_false_endpoints", "max_median_delay"])
def test_a_criterion_with_nothing_to_judge_by_is_not_met(key: str) -> None:
    gate = judge({key: 5})
    assert not gate.passed
    assert gate.criteria[-1].found is None


def test_every_criterion_of_the_method_is_judged() -> None:
    """Keys of the acceptance section that are no criteria: the tolerance, which says how blends are judged."""
    gate = assess(Method.from_document(DOCUMENT), FIGURES, [blend(Outcome.ON_TIME, 30)], validation=["V"], used=["C"])
    asked = {key for key, value in DOCUMENT["acceptance"].items() if value is not None} - {"endpoint_tolerance"}
    assert {criterion.name for criterion in gate.criteria} == asked


def test_a_gate_is_plain_json_and_says_what_failed() -> None:
    gate = judge({"max_sep": 0.20, "slope": [0.9, 1.1]}, replace(FIGURES, slope=math.nan))
    document = gate.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == json.loads(json.dumps(document))
    assert document["criteria"][2] == {"name": "max_sep", "required": "<= 0.2 % w/w", "found": 0.21, "passed": False}
    with pytest.raises(Refusal) as raised:
        gate.require()
    assert "max_sep: required <= 0.2 % w/w, found 0.21" in str(raised.value)
    assert "slope: required 0.9 to 1.1, found nothing to judge by" in str(raised.value)
    assert "max_rmsep" not in str(raised.value)
    judge({}).require()


def test_too_few_batches_get_no_verdict() -> None:
    with pytest.raises(Refusal, match="at least 8 batches with reference values, got 7"):
        judge({"min_validation_batches": 8}, replace(FIGURES, n_batches=7))


@pytest.mark.parametrize(
    ("validation", "used", "lots", "message"),
    [
        (["V1", "C1"], ["C1", "C2"], None, "batches must be new, but the method was made from C1"),
        (["V1"], ["C1"], {"V1": "L1", "C1": "L1"}, "lots must be new, but the method was made from lots L1"),
        (list("abcdefg"), list("abcdefg"), None, "a, b, c, d, e and 2 more"),
    ],
)
def test_a_validation_on_what_was_used_is_refused(
    validation: list[str], used: list[str], lots: dict[str, str] | None, message: str
) -> None:
    with pytest.raises(Refusal, match=message):
        require_independent(validation, used, lots)


def test_unknown_lots_are_no_common_lot() -> None:
    require_independent(["V1", "V2"], ["C1", "C2"], {"V1": "", "C1": "", "V2": "L2", "C2": "L3"})


def test_a_blend_that_the_rule_was_made_from_is_refused() -> None:
    with pytest.raises(Refusal, match="made from C1"):
        judge({}, cases=[blend(Outcome.ON_TIME, 10, batch="C1")])
