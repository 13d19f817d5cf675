"""End-points of many simulated blends through the demo's artefact, against their truth."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd
from rich.progress import track

from pat.artefact import Content
from pat.scorer import Scorer, State
from pat.simulation import simulate_run, uniform
from pat.validation.endpoints import EndpointCase, Outcome, judge_endpoint

# 500 blends, each of its own lot and day.
BLENDS = {"good": 150, "slow": 100, "demix": 75, "low_assay": 60, "dead_zone": 60, "fouling": 55}
_SEED = 77_001


@dataclass(frozen=True)
class Summary:
    """What became of the blends of one kind.

    Attributes
    ----------
    kind : str
    blends, declared, early, false, missed, faults : int
        How many there were; were declared uniform; were so more than 5 revolutions before the truth; were so though
        they never were or no longer were; became uniform and were not declared; were called a sensor fault.
    uniform_while_not : int
        Blends with any reading in state UNIFORM while the blend was not.
    longest_wrong : int
        Most readings of one blend in state UNIFORM while it was not.
    median_delay, ninety_percent : float
        Revolutions from the true to the declared end-point; NaN where there is none.
    """

    kind: str
    blends: int
    declared: int
    early: int
    false: int
    missed: int
    faults: int
    uniform_while_not: int
    longest_wrong: int
    median_delay: float
    ninety_percent: float


def _follow(content: Content, blend: tuple[str, int]) -> EndpointCase:
    kind, number = blend
    run = simulate_run(kind, [_SEED, number])
    follower = Scorer(content).start(f"{kind} {number}")
    readings = [follower.update(x, int(turn)) for x, turn in zip(run.absorbance, run.revolution, strict=True)]
    truth = pd.DataFrame(
        {
            "batch": f"{kind} {number}",
            "revolution": run.revolution.astype(int),
            "uniform": uniform(run.truth).astype(int),
            "state": np.where(run.truth.film > 0.0, "fouled", "clean"),
        }
    )
    return judge_endpoint(readings, truth, kind=kind)


def study(content: Content, blends: Mapping[str, int], *, progress: bool = False) -> list[Summary]:
    """Follow simulated blends and count what became of them.

    Parameters
    ----------
    content : Content
        Content of an artefact with an end-point rule.
    blends : mapping of str to int
        How many of each kind.
    progress : bool, default False
        Show a progress bar.
    """
    jobs = [(kind, number) for kind, count in blends.items() for number in range(count)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        done = pool.map(partial(_follow, content), jobs, chunksize=5)
        cases = list(track(done, "simulated blends", len(jobs), disable=not progress))
    return [_summary(kind, [case for case in cases if case.kind == kind]) for kind in blends]


def _summary(kind: str, cases: list[EndpointCase]) -> Summary:
    outcomes = Counter(case.outcome for case in cases)
    delays = [float(case.delay) for case in cases if case.delay is not None] or [math.nan]
    wrong = [case.uniform_while_not for case in cases]
    return Summary(
        kind=kind,
        blends=len(cases),
        declared=sum(case.found_endpoint is not None for case in cases),
        early=outcomes[Outcome.EARLY],
        false=outcomes[Outcome.FALSE],
        missed=outcomes[Outcome.MISSED],
        faults=sum(State.SENSOR_FAULT.value in case.states for case in cases),
        uniform_while_not=sum(n > 0 for n in wrong),
        longest_wrong=max(wrong),
        median_delay=float(np.median(delays)),
        ninety_percent=float(np.quantile(delays, 0.9)),
    )


def table(summaries: list[Summary]) -> str:
    """Return the summaries as a table that fits a terminal."""
    head = f"{'kind':<10}{'blends':>7}{'declared':>9}{'early':>6}{'false':>6}{'missed':>7}{'fault':>6}"
    head += f"{'wrong':>6}{'longest':>8}{'delay':>7}{'90 %':>6}"
    lines = [head]
    for s in summaries:
        lines.append(
            f"{s.kind:<10}{s.blends:>7}{s.declared:>9}{s.early:>6}{s.false:>6}{s.missed:>7}{s.faults:>6}"
            f"{s.uniform_while_not:>6}{s.longest_wrong:>8}{s.median_delay:>7.0f}{s.ninety_percent:>6.0f}"
        )
    return "\n".join(lines)
