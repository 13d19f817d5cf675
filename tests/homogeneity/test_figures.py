"""Every number that a blend is judged by has a name of its own that a register takes."""

from __future__ import annotations

import re

from pat.homogeneity.figures import figures

DOCUMENT = {
    "rule": {"threshold": 3.5, "ratios": [0.5, 0.8], "block_size": 20},
    "claim": {
        "risk_outside": {"pockets 0.15, autocorrelation 0.3": 0.04},
        "units": "% w/w",
        "unit_dose_mg": None,
        "autocorrelation_assumed": True,
    },
    "statistics": {"limits": {"block_mean": {"median": 10.0, "high": 11.0, "low": 9.0}}},
    "limits": {"q_residuals": 1.0},
}


def test_numbers_alone_under_flat_names() -> None:
    found = figures(DOCUMENT)
    assert found == {
        "rule/threshold": 3.5,
        "rule/ratios/0": 0.5,
        "rule/ratios/1": 0.8,
        "rule/block_size": 20.0,
        "claim/risk_outside/pockets 0.15 autocorrelation 0.3": 0.04,
        "statistics/limits/block_mean/median": 10.0,
        "statistics/limits/block_mean/high": 11.0,
        "statistics/limits/block_mean/low": 9.0,
    }
    assert all(re.fullmatch(r"[\w./ -]+", name) for name in found)  # what MLflow allows


def test_a_method_that_follows_no_blend_has_none() -> None:
    assert figures({"rule": None, "claim": None, "statistics": None}) == {}
