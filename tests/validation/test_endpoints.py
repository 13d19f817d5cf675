"""End-point verdicts, each on a small blend whose truth is written down here."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from pat.core.endpoint import State
from pat.errors import InputError
from pat.validation.endpoints import EndpointCase, Outcome, judge_endpoint


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


def said(
    endpoint: int | None, lost: int | None = None, fault: int | None = None, n: int = 100, well: int | None = None
) -> list[Said]:
    """Readings of a scorer that declares at `endpoint` and notices de-mixing, or a fault until `well`, later."""
    readings = []
    for revolution in range(1, n + 1):
        declared = endpoint is not None and revolution >= endpoint
        state = State.UNIFORM if declared else State.MIXING
        if lost is not None and revolution >= lost:
            state = State.OVERMIXED
        if fault is not None and fault <= revolution < (well or n + 1):
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


@pytest.mark.parametrize(
    ("endpoint", "lost", "wrong", "too_long"),
    [
        # Uniform from 40 to 70. Called so until 75, for 5 revolutions too long; and until 76, for 6.
        (65, 76, 5, False),
        (65, 77, 6, True),
        (35, 71, 5, False),
        (34, 71, 6, True),
        # Both ends count: 3 before and 3 after.
        (37, 74, 6, True),
        (None, None, 0, False),
    ],
)
def test_the_whole_run_is_judged(endpoint: int | None, lost: int | None, wrong: int, too_long: bool) -> None:
    case = judge_endpoint(said(endpoint, lost=lost), truth(range(40, 71)))
    assert (case.uniform_while_not, case.uniform_too_long) == (wrong, too_long)
    assert case.right is (case.outcome is Outcome.ON_TIME and not too_long)


def test_uniform_may_stand_for_the_method_s_tolerance() -> None:
    late = said(65, lost=80)
    assert not judge_endpoint(late, truth(range(40, 71)), tolerance=9).uniform_too_long
    assert judge_endpoint(late, truth(range(40, 71)), tolerance=8).uniform_too_long
    assert judge_endpoint(said(65, lost=72), truth(range(40, 71)), tolerance=0).uniform_too_long


def test_a_fouled_window() -> None:
    """Behind the film the powder does become uniform; the sensor cannot know."""
    fouled = truth(range(60, 101), fouled=range(30, 101))
    seen, unseen = judge_endpoint(said(None, fault=50), fouled), judge_endpoint(said(None), fouled)
    assert (seen.outcome, seen.fault_seen, seen.right) == (Outcome.NONE_DUE, True, True)
    assert (unseen.outcome, unseen.fault_seen, unseen.right) == (Outcome.NONE_DUE, False, False)
    assert judge_endpoint(said(70), fouled).outcome is Outcome.FALSE
    assert judge_endpoint(said(40), fouled).outcome is Outcome.EARLY
    assert judge_endpoint(said(None), truth(range(60, 101))).fault_seen is None


def test_a_window_that_is_fouled_after_a_right_end_point() -> None:
    """Uniform from 40, declared at 50, a film from 70 on."""
    fouled = truth(range(40, 101), fouled=range(70, 101))
    noticed = judge_endpoint(said(50, fault=74), fouled)
    assert (noticed.outcome, noticed.fault_seen, noticed.uniform_while_not) == (Outcome.ON_TIME, True, 4)
    assert noticed.right
    blind = judge_endpoint(said(50), fouled)
    assert (blind.outcome, blind.fault_seen, blind.uniform_while_not) == (Outcome.ON_TIME, False, 31)
    assert blind.uniform_too_long
    assert not blind.right


def test_a_fault_counts_while_the_film_is_there() -> None:
    film = truth(fouled=range(40, 61))
    assert judge_endpoint(said(None, fault=60), film).fault_seen
    assert judge_endpoint(said(None, fault=61), film).fault_seen is False
    assert judge_endpoint(said(None, fault=20, well=40), film).fault_seen is False
    two = truth(fouled=range(40, 61)).assign(state=lambda t: t["state"].where(t["revolution"] < 80, "fouled"))
    assert judge_endpoint(said(None, fault=50, well=60), two).fault_seen is False
    assert judge_endpoint(said(None, fault=50, well=90), two).fault_seen is True


def test_a_film_of_no_more_than_the_tolerance_owes_no_fault() -> None:
    assert judge_endpoint(said(None), truth(fouled=range(40, 45))).fault_seen is None
    assert judge_endpoint(said(None), truth(fouled=range(40, 46))).fault_seen is False
    # Nor does what came after the last reading: the film from 30 on was read for 5 revolutions, or for 6.
    assert judge_endpoint(said(None, n=34), truth(fouled=range(30, 101))).fault_seen is None
    assert judge_endpoint(said(None, n=35), truth(fouled=range(30, 101))).fault_seen is False


def test_a_film_that_was_gone_before_the_blend_was_uniform_excuses_nothing() -> None:
    cleaned = truth(range(60, 101), fouled=range(20, 31))
    assert judge_endpoint(said(None, fault=25, well=35), cleaned).outcome is Outcome.MISSED


def test_what_comes_after_the_last_reading_was_not_missed() -> None:
    assert judge_endpoint(said(None, n=49), truth(range(50, 101))).outcome is Outcome.NONE_DUE
    assert judge_endpoint(said(None, n=50), truth(range(50, 101))).outcome is Outcome.MISSED


def test_order_of_the_truth_does_not_matter() -> None:
    table = truth(range(50, 101))
    turned = table.sample(frac=1.0, random_state=1)
    assert judge_endpoint(said(60), turned) == judge_endpoint(said(60), table)


def test_a_case_is_plain_json() -> None:
    document = judge_endpoint(said(75), truth(range(50, 101))).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert EndpointCase.from_dict(json.loads(json.dumps(document))) == judge_endpoint(said(75), truth(range(50, 101)))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (judge_endpoint(said(75), truth(range(50, 101))), "on time"),
        (judge_endpoint(said(None), truth()), "rightly not declared"),
        (judge_endpoint(said(None), truth(range(50, 101))), "missed"),
        (judge_endpoint(said(20), truth(range(50, 101))), "too early; called uniform for too long"),
        (judge_endpoint(said(60), truth()), "was not uniform; called uniform for too long"),
        (judge_endpoint(said(None), truth(fouled=range(30, 101))), "rightly not declared; fault not seen"),
    ],
)
def test_the_verdict_is_in_words(case: EndpointCase, words: str) -> None:
    assert case.verdict == words


def test_truth_of_two_blends_is_refused() -> None:
    both = pd.concat([truth(), truth().assign(batch="other")])
    with pytest.raises(InputError, match="of one blend, got 2: blend, other"):
        judge_endpoint(said(None), both)


def spoiled(column: str, value: float | str | None, rows: slice) -> pd.DataFrame:
    table = truth(range(50, 101))
    cells = table[column].tolist()
    cells[rows] = [value] * len(cells[rows])
    return table.assign(**{column: pd.Series(cells, dtype=object)})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        # A truth that nobody knows is not a truth in which the blend was never uniform.
        (
            spoiled("uniform", np.nan, slice(0, 100)),
            "`uniform` to be 0 or 1, got something else at revolution 1 to 100",
        ),
        (spoiled("uniform", None, slice(3, 4)), "at revolution 4$"),
        (spoiled("uniform", 0.5, slice(0, 1)), "at revolution 1$"),
        (spoiled("uniform", "yes", slice(9, 10)), "at revolution 10$"),
        (spoiled("state", np.nan, slice(0, 2)), "expected a `state` everywhere, got none at revolution 1 to 2"),
        (spoiled("state", " ", slice(0, 1)), "expected a `state` everywhere, got none at revolution 1"),
        (spoiled("revolution", np.nan, slice(0, 1)), "a whole revolution in every row, got nan"),
        (spoiled("revolution", 1.5, slice(0, 1)), "a whole revolution in every row, got 1.5"),
        (spoiled("revolution", 2, slice(0, 1)), "expected each revolution once, got twice 2$"),
        (truth(range(50, 101)).iloc[:90], "every revolution that was read, got none of 91 to 100$"),
        (truth(range(50, 101)).iloc[[*range(1, 20), *range(21, 100)]], "got none of 1, 21$"),
        (truth(range(50, 101)).iloc[::2], r"got none of 2, 4, 6, 8, 10 and 45 more$"),
        (truth().drop(columns="state"), "expected the column `state`, got batch, revolution, uniform"),
    ],
)
def test_a_truth_that_is_none_is_refused(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=f"truth of batch 'blend': .*{message}"):
        judge_endpoint(said(None), table)


def test_revolutions_that_were_not_read_may_be_unknown() -> None:
    known = truth(range(50, 101)).iloc[20:90]
    assert judge_endpoint(said(60)[20:90], known).outcome is Outcome.ON_TIME


def test_readings_of_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="expected at least one reading to judge, got none"):
        judge_endpoint([], truth())
