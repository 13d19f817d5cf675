"""The summary of a comparison: words that a person understands, within the width of a terminal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pat.retraining import Drift, Finding, compare, summary
from pat.retraining.drift import REFERENCES
from pat.validation.endpoints import EndpointCase, Outcome


def comparison(champion: list[EndpointCase], challenger: list[EndpointCase]) -> dict[str, Any]:
    y = np.linspace(9.0, 11.0, 8)
    document = compare(y, y + 0.1, y - 0.2, np.repeat(["A", "B", "C", "D"], 2)).to_dict()
    sides = {
        side: {"digest": digit * 64, "figures": document[side], "endpoints": [case.to_dict() for case in cases]}
        for side, digit, cases in (("champion", "a", champion), ("challenger", "b", challenger))
    }
    drift = Drift("a" * 64, ["A", "B"], (Finding("bias", REFERENCES, "not shown", True, "CUSUM below 3.50", {}),))
    head = {"method": "demo", "units": "% w/w", "simulated": True, "new_batches": ["N1", "N2"]}
    return {**document, **head, "drift": drift.to_dict(), **sides}


def case(batch: str, true: int | None, found: int | None, outcome: Outcome, **more: Any) -> EndpointCase:
    given = {"uniform_while_not": 0, "uniform_too_long": False, "fault_seen": None, **more}
    return EndpointCase(batch=batch, kind="", true_endpoint=true, found_endpoint=found, outcome=outcome, delay=None,
                        states=("MIXING",), **given)  # fmt: skip


def test_end_points_are_compared_in_words() -> None:
    before = [case("B01", 63, 103, Outcome.ON_TIME), case("B02", None, None, Outcome.NONE_DUE)]
    after = [
        case("B01", 63, 55, Outcome.EARLY, uniform_while_not=8, uniform_too_long=True),
        case("B02", None, None, Outcome.NONE_DUE, fault_seen=False),
    ]
    lines = summary(comparison(before, after)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("blend "))
    assert [" ".join(line.split()) for line in lines[start:]] == [
        "blend true champion challenger",
        "B01 63 103 on time 55 too early",
        "challenger: too early; called uniform for too long",
        "B02 - - rightly not declared - rightly not declared",
        "challenger: rightly not declared; fault not seen",
    ]
    assert max(map(len, lines)) <= 80
    assert not any("_" in line for line in lines)


def test_every_outcome_fits_the_table() -> None:
    cases = [case(f"B{i:02d}", 200, 300, outcome) for i, outcome in enumerate(Outcome)]
    lines = summary(comparison(cases, cases)).splitlines()
    assert max(map(len, lines)) <= 80
    for outcome in Outcome:
        assert sum(line.count(f"300 {outcome.words}") for line in lines) == 2


def test_a_figure_that_cannot_be_had_is_a_dash() -> None:
    document = comparison([], [])
    document["squared_error_difference"]["p_value"] = None
    text = summary(document)
    assert "p - (4 batches)" in text
    assert "blend " not in text
    # Errors of 0.1 and -0.2: RMSEP and bias as they are.
    assert "RMSEP, % w/w               0.100       0.200" in text
    assert math.isclose(document["champion"]["figures"]["bias"], 0.1)


def test_what_was_not_shown_is_never_called_equal() -> None:
    document = comparison([], [])
    text = " ".join(summary(document).split())
    # Errors of 0.1 and -0.2 in every batch, but for rounding: a spread of nothing, and a ratio of two.
    assert "NOT shown to have an RMSEP below 1.1 times the champion's: ratio 2.00" in text
    document["verdict"] = "no difference shown"
    document["detectable"] = [{"power": 0.8, "difference": 0.02, "rmsep_ratio": None}]
    document["non_inferiority"] = {
        "margin": 1.1, "ratio": 1.0, "upper": None, "p_value": 0.4, "power_if_equal": 0.12, "verdict": "not shown"
    }  # fmt: skip
    text = " ".join(summary(document).split())
    assert "with 80 % power 0.02 (% w/w)², errors larger by any factor may be missed" in text
    assert "That no difference is shown does not mean that there is none." in text
    assert "NOT shown to have an RMSEP below 1.1 times the champion's: ratio 1.00, without bound" in text
    assert "Two equally good models would be shown so in 12 of 100 such cases." in text
    document["detectable"][0]["difference"] = None
    assert "how small a difference the test finds cannot be said" in " ".join(summary(document).split())
