"""End-point verdicts, each on a small blend whose truth is written down here."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from pat.core.endpoint import State
from pat.errors import InputError
from pat.validation.endpoints import Outcome, judge_endpoint


@dataclass(frozen=True)
class Said:
    revolution: int
    state: State
    endpoint: int | None


def truth(uniform: range = range(0), fouled: range = range(0), n: int = 100) -> pd.DataFrame:
    """A blend of `n` revolutions, numbered from 1, uniform and fouled where the ranges say so."""
    revolution = np.arange(1, n + 1)
    return pd.DataFrame(
        {
            "batch": "blend",
            "revolution": revolution,
            "uniform": np.isin(revolution, uniform).astype(int),
            "state": np.where(np.isin(revolution, fouled), "fouled", "clean"),
        }
    )


def said(endpoint: int | None, lost: int | None = None, fault: int | None = None, n: int = 100) -> list[Said]:
    """Readings of a scorer that declares at `endpoint` and notices de-mixing, or a fault, later."""
    readings = []
    for revolution in range(1, n + 1):
        declared = endpoint is not None and revolution >= endpoint
        state = State.UNIFORM if declared else State.MIXING
        if lost is not None and revolution >= lost:
            state = State.OVERMIXED
        if fault is not None and revolution >= fault:
            state = State.SENSOR_FAULT
        readings.append(Said(revolution, state, endpoint if declared else None))
    return readings


@pytest.mark.parametrize(
    ("found", "outcome", "delay"),
    [
        (75, Outcome.ON_TIME, 25),
        (50, Outcome.ON_TIME, 0),
        (45, Outcome.ON_TIME, -5),
        (44, Outcome.EARLY, -6),
        (None, Outcome.MISSED, None),
    ],
)
def test_a_blend_that_becomes_uniform(found: int | None, outcome: Outcome, delay: int | None) -> None:
    case = judge_endpoint(said(found), truth(range(50, 101)), kind="good")
    assert (case.batch, case.kind, case.true_endpoint) == ("blend", "good", 50)
    assert (case.found_endpoint, case.outcome, case.delay) == (found, outcome, delay)


def test_the_tolerance_is_the_method_s() -> None:
    assert judge_endpoint(said(44), truth(range(50, 101)), tolerance=6).outcome is Outcome.ON_TIME
    assert judge_endpoint(said(49), truth(range(50, 101)), tolerance=0).outcome is Outcome.EARLY


def test_a_blend_that_never_becomes_uniform() -> None:
    assert judge_endpoint(said(None), truth()).outcome is Outcome.NONE_DUE
    case = judge_endpoint(said(60), truth())
    assert (case.outcome, case.true_endpoint, case.delay) == (Outcome.FALSE, None, None)
    assert case.uniform_while_not == 41


def test_a_blend_that_de_mixes() -> None:
    de_mixing = truth(range(40, 71))
    assert judge_endpoint(said(65, lost=71), de_mixing).outcome is Outcome.ON_TIME
    assert judge_endpoint(said(75), de_mixing).outcome is Outcome.FALSE
    # Declared at 65, uniform to 70, noticed at 80: wrong from 71 to 79.
    case = judge_endpoint(said(65, lost=80), de_mixing)
    assert case.uniform_while_not == 9
    assert case.states == ("MIXING", "UNIFORM", "OVERMIXED")


def test_readings_within_the_tolerance_are_not_wrong() -> None:
    assert judge_endpoint(said(46), truth(range(50, 101))).uniform_while_not == 0
    assert judge_endpoint(said(40), truth(range(50, 101))).uniform_while_not == 5


def test_a_fouled_window() -> None:
    """Behind the film the powder does become uniform; the sensor cannot know."""
    fouled = truth(range(60, 101), fouled=range(30, 101))
    assert judge_endpoint(said(None, fault=50), fouled).outcome is Outcome.NONE_DUE
    assert judge_endpoint(said(None), fouled).outcome is Outcome.FAULT_UNSEEN
    assert judge_endpoint(said(70), fouled).outcome is Outcome.FALSE
    assert judge_endpoint(said(40), fouled).outcome is Outcome.EARLY


def test_order_of_the_truth_does_not_matter() -> None:
    table = truth(range(50, 101))
    turned = table.sample(frac=1.0, random_state=1)
    assert judge_endpoint(said(60), turned) == judge_endpoint(said(60), table)


def test_a_case_is_plain_json() -> None:
    document = judge_endpoint(said(75), truth(range(50, 101))).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["outcome"] == "on_time"


def test_truth_of_two_blends_is_refused() -> None:
    both = pd.concat([truth(), truth().assign(batch="other")])
    with pytest.raises(InputError, match="of one blend, got 2: blend, other"):
        judge_endpoint(said(None), both)
