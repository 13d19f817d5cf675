"""The benchmark of slow faults: a fault that nobody can miss is found at once, and none where there is none."""

from __future__ import annotations

import math

import numpy as np

from benchmarks import faults
from pat.assembly import assemble
from pat.scorer import Cause, Scorer
from pat.simulation import with_lamp_drift
from tests.validated import validated


def test_figures_are_of_what_the_scorer_said():
    made = validated()
    scorer = Scorer(assemble(made.method, made.calibration, made.homogeneity))

    def dimmed(seed, given):
        return with_lamp_drift(faults._sound(seed, given), faults.ONSET, 1.0, offset=5.0)

    none = faults.measure(scorer, faults.FAULTS[0], 2)
    assert (none.before, none.found) == (0.0, 0.0)
    assert math.isnan(none.named)
    assert math.isinf(none.delay)
    seen = faults.measure(scorer, faults.Fault("dim", Cause.BAD_READINGS, dimmed), 2)
    # 5 AU more is saturated: a fault after as many such readings as make one.
    assert (seen.found, seen.named, seen.uniform) == (1.0, 1.0, 0.0)
    assert seen.delay == seen.late == scorer.require_rule().fault_run
    text = faults.table([none, seen], 2).splitlines()
    assert "SIMULATED" in text[0]
    assert len({len(line) for line in text[1:]}) == 1


def test_a_quantile_is_one_of_the_delays():
    assert faults._quantile(np.array([1.0, 4.0, math.inf]), 0.5) == 4.0
    assert math.isinf(faults._quantile(np.array([1.0, math.inf]), 0.9))
