"""De-mixing after a right end-point, in simulated blends with known truth: how long the demo's rule takes to notice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pat.assembly import assemble
from pat.calibration import calibrate
from pat.homogeneity import learn
from pat.method import Method
from pat.readers.csv import read_csv
from pat.scorer import Scorer
from pat.simulation import simulate_run, uniform
from pat.treatment import treat
from pat.validation.endpoints import EndpointCase, Outcome, judge_endpoint

# Learning the demo's rule takes the time; tests/test_endpoint_study.py has the wider bounds that always run.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
METHOD = Method.load(ROOT / "models" / "demo" / "method.yaml")
FILES = ("calibration", "validation", "repeatability", "accepted_blends", "blends", "specificity")
# Seeds of their own: other blends than those of tests/test_endpoint_study.py and of `make bench`.
_SEED, _BLENDS = 60_113, 30


def judged(scorer: Scorer, number: int) -> EndpointCase:
    run, name = simulate_run("demix", [_SEED, number]), f"demix {number}"
    blend = scorer.start(name)
    readings = [blend.update(x, int(turn)) for x, turn in zip(run.absorbance, run.revolution, strict=True)]
    columns = {"revolution": run.revolution.astype(int), "uniform": uniform(run.truth).astype(int)}
    truth = pd.DataFrame({"batch": name, **columns, "state": "clean"})
    return judge_endpoint(readings, truth, tolerance=METHOD.acceptance.endpoint_tolerance)


@pytest.fixture(scope="module")
def cases() -> list[EndpointCase]:
    samples = ROOT / "data_samples"
    treated = treat(METHOD, read_csv([samples / f"{name}.csv" for name in FILES], samples / "batches.csv"))
    calibration = calibrate(METHOD, treated)
    scorer = Scorer(assemble(METHOD, calibration, learn(METHOD, calibration, treated)))
    return [judged(scorer, number) for number in range(_BLENDS)]


def test_the_end_points_themselves_are_right(cases: list[EndpointCase]) -> None:
    outcomes = [case.outcome for case in cases]
    assert set(outcomes) <= {Outcome.ON_TIME, Outcome.MISSED}
    assert outcomes.count(Outcome.ON_TIME) >= 0.9 * _BLENDS


def test_uniform_does_not_stand_for_longer_than_the_tolerance(cases: list[EndpointCase]) -> None:
    # Of 200 blends 2 were called uniform for 6 and 7 revolutions too long; of 30, one at the most (P = .04 for two),
    # and never for twice the tolerance.
    wrong = np.array([case.uniform_while_not for case in cases])
    assert sum(case.uniform_too_long for case in cases) <= 1
    assert wrong.max() <= 2 * METHOD.acceptance.endpoint_tolerance
    # Of these 200, 192 never said uniform of a blend that no longer was; the mean was 0.15 revolutions.
    assert (wrong > 0).mean() <= 0.15
    assert wrong.mean() <= 0.5


def test_de_mixing_gets_its_name(cases: list[EndpointCase]) -> None:
    # A blend that de-mixes late is no longer called uniform, but its run may end before the alarm.
    named = ["OVERMIXED" in case.states for case in cases if case.outcome is Outcome.ON_TIME]
    assert np.mean(named) >= 0.9
