"""The acceptance gate: each criterion met and not met, and the validations that it refuses to judge."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pat.errors import Refusal
from pat.method import AcceptanceCriteria, Method, ValidationRules
from pat.validation.endpoints import EndpointCase, Outcome
from pat.validation.figures import Figures
from pat.validation.gate import PLAIN, Gate, assess, require_independent

# Keys that are no criteria: how blends and models are compared, what a person states, and what a limit is set on.
NO_CRITERIA = {
    *("endpoint_tolerance", "retraining_margin", "intended_use", "risk_level", "reference_method", "reference_error"),
    *("qualification", "monitoring", "accuracy_share", "allowed_change"),
}
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


LOTS = {"V1": "L1", "B": "L2", "C1": "L3"}


def blend(outcome: Outcome, delay: int | None = None, batch: str = "B", **more: Any) -> EndpointCase:
    case = EndpointCase(batch, "good", 50, None, outcome, delay, 0, False, None, ("MIXING",))
    return replace(case, **more)


def judge(acceptance: dict[str, Any], figures: Figures = FIGURES, cases: list[EndpointCase] | None = None) -> Gate:
    method = Method.from_document({**DOCUMENT, "acceptance": {"max_rmsep": 0.3, **acceptance}})
    return assess(method, figures, cases or [], validation=["V1"], used=["C1"], lots=LOTS)


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
    ],
)
def test_criteria_that_count_end_points(key: str, outcome: Outcome) -> None:
    others = [blend(other) for other in Outcome if other is not outcome]
    assert judge({key: 0}, cases=others).passed
    assert not judge({key: 0}, cases=[*others, blend(outcome)]).passed
    assert judge({key: 1}, cases=[*others, blend(outcome)]).passed


def test_uniform_for_too_long_is_counted_whatever_the_end_point() -> None:
    right = [blend(outcome) for outcome in Outcome]
    for outcome in Outcome:
        cases = [*right, blend(outcome, uniform_while_not=6, uniform_too_long=True)]
        assert not judge({"max_uniform_while_not": 0}, cases=cases).passed
        assert judge({"max_uniform_while_not": 1}, cases=cases).passed
    # As many readings as they like below the tolerance: the judging says which are too many.
    assert judge({"max_uniform_while_not": 0}, cases=[blend(Outcome.ON_TIME, uniform_while_not=5)]).passed


def test_unseen_faults_are_counted_whatever_the_end_point() -> None:
    seen = [blend(outcome, fault_seen=True) for outcome in Outcome]
    assert judge({"max_unseen_faults": 0}, cases=seen).passed
    for outcome in Outcome:
        gate = judge({"max_unseen_faults": 0}, cases=[*seen, blend(outcome, fault_seen=False), blend(outcome)])
        assert not gate.passed
        assert (gate.criteria[-1].required, gate.criteria[-1].found) == ("<= 0 of 6 with a fouled window", 1)


@pytest.mark.parametrize(
    ("key", "case"),
    [
        # No film on any window, and no blend that became uniform: nothing was shown.
        ("max_unseen_faults", blend(Outcome.ON_TIME)),
        ("max_missed_endpoints", blend(Outcome.NONE_DUE, true_endpoint=None)),
        ("max_early_endpoints", blend(Outcome.NONE_DUE, true_endpoint=None)),
    ],
)
def test_blends_that_cannot_show_a_fault_are_no_evidence(key: str, case: EndpointCase) -> None:
    gate = judge({key: 5}, cases=[case])
    assert not gate.passed
    assert gate.criteria[-1].found is None


def test_median_delay_is_that_of_blends_on_time() -> None:
    cases = [blend(Outcome.ON_TIME, delay) for delay in (10, 30, 80)] + [blend(Outcome.EARLY, -40)]
    gate = judge({"max_median_delay": 30}, cases=cases)
    assert gate.passed
    assert gate.criteria[-1].found == 30
    assert not judge({"max_median_delay": 29}, cases=cases).passed


@pytest.mark.requirement("URS-28")
@pytest.mark.parametrize(
    "key",
    ["max_early_endpoints", "max_false_endpoints", "max_uniform_while_not", "max_unseen_faults", "max_median_delay"],
)
def test_a_criterion_with_nothing_to_judge_by_is_not_met(key: str) -> None:
    gate = judge({key: 5})
    assert not gate.passed
    assert gate.criteria[-1].found is None


@pytest.mark.requirement("URS-28")
def test_every_criterion_of_the_method_is_judged() -> None:
    cases = [blend(Outcome.ON_TIME, 30, fault_seen=True)]
    gate = assess(Method.from_document(DOCUMENT), FIGURES, cases, validation=["V"], used=["C"])
    assert gate.passed
    asked = {key for key, value in DOCUMENT["acceptance"].items() if value is not None} - NO_CRITERIA
    assert {criterion.name for criterion in gate.criteria} == asked


def test_every_criterion_has_its_line_in_words() -> None:
    keys = (set(AcceptanceCriteria.model_fields) | set(ValidationRules.model_fields)) - NO_CRITERIA
    assert set(PLAIN) == keys
    assert len(set(PLAIN.values())) == len(keys)
    assert not any("_" in words or words in keys for words in PLAIN.values())


def test_too_few_batches_get_no_verdict() -> None:
    with pytest.raises(Refusal, match="at least 8 batches with reference values, got 7"):
        judge({"min_validation_batches": 8}, replace(FIGURES, n_batches=7))


@pytest.mark.requirement("URS-20")
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


def test_unknown_lots_are_noted() -> None:
    method = Method.from_document({**DOCUMENT, "acceptance": {"max_rmsep": 0.3}})
    cases = [blend(Outcome.ON_TIME, 30, batch="B1")]

    def notes(lots: dict[str, str] | None) -> tuple[str, ...]:
        return assess(method, FIGURES, cases, validation=["V1"], used=["C1", "C2"], lots=lots).notes

    of_validation = "Independence of lots is not shown: no lot is known of {} validation batches ({})."
    of_used = "Independence of lots is not shown: no lot is known of {} batches that the method was made from ({})."
    assert notes(None) == notes({}) == (of_validation.format(2, "B1, V1"), of_used.format(2, "C1, C2"))
    assert notes({"V1": "L1", "B1": "", "C1": "L2", "C2": "L3"}) == (of_validation.format(1, "B1"),)
    assert notes({"V1": "L1", "B1": "L4", "C1": "L2", "C2": "L3"}) == ()


@pytest.mark.requirement("URS-20")
def test_a_blend_of_a_lot_that_was_used_is_refused() -> None:
    """Not only the validation samples: a blend too, and any batch that the rule was made from."""
    method = Method.from_document({**DOCUMENT, "acceptance": {"max_rmsep": 0.3}})
    lots = {"V1": "L1", "B1": "L9", "C1": "L2", "A1": "L9"}
    with pytest.raises(Refusal, match="made from lots L9"):
        assess(method, FIGURES, [blend(Outcome.ON_TIME, 30, "B1")], validation=["V1"], used=["C1", "A1"], lots=lots)


@pytest.mark.requirement("URS-20")
def test_a_blend_that_the_rule_was_made_from_is_refused() -> None:
    with pytest.raises(Refusal, match="made from C1"):
        judge({}, cases=[blend(Outcome.ON_TIME, 10, batch="C1")])
