"""End-points of many simulated blends through the demo's artefact, against their truth and against its claim."""

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
from scipy import stats

from pat.artefact import Content
from pat.core.blocks import BlockStatistics, sliding
from pat.core.endpoint import Endpoint, Status
from pat.core.evidence import Rule, blend_rsd_upper, blend_sd
from pat.core.types import Array
from pat.scorer import Scorer, State
from pat.simulation import simulate_run, uniform
from pat.simulation.mixing import autocorrelated
from pat.validation.endpoints import EndpointCase, Outcome, judge_endpoint

# 500 blends, each of its own lot and day.
BLENDS = {"good": 150, "slow": 100, "demix": 75, "low_assay": 60, "dead_zone": 60, "fouling": 55}
_SEED = 77_001


@dataclass(frozen=True)
class AtLimit:
    """A blend whose RSD stays exactly at the limit, by pockets in a quieter powder.

    Attributes
    ----------
    share : float
        Share of the readings that see a pocket; 0 for a blend that varies normally.
    side : int
        Pockets are richer (1), poorer (-1), or both.
    powder : float
        SD of the powder between them, as a share of the limit.
    """

    share: float = 0.0
    side: int = 0
    powder: float = 1.0


# The worst that the claim covers, and, with smaller pockets than the registered 0.15, what it does not.
AT_LIMIT = {
    "normal": AtLimit(),
    "pockets 0.15, richer": AtLimit(0.15, 1, 0.0),
    "pockets 0.15, poorer": AtLimit(0.15, -1, 0.0),
    "pockets 0.15, both": AtLimit(0.15, 0, 0.0),
    "pockets 0.15, both, powder 1 %": AtLimit(0.15, 0, 1.0 / 3.0),
    "pockets 0.20, both, powder 1 %": AtLimit(0.20, 0, 1.0 / 3.0),
    "pockets 0.30, richer": AtLimit(0.30, 1, 0.0),
    "outside: pockets 0.10, powder 1 %": AtLimit(0.10, 1, 1.0 / 3.0),
    "outside: pockets 0.05, powder 1 %": AtLimit(0.05, 1, 1.0 / 3.0),
}


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


def _predictions(rule: Rule, kind: AtLimit, phi: float, rng: np.random.Generator) -> Array:
    """Predictions of a blend at the limit, one for each revolution, written apart from `pat.homogeneity.risk`."""
    n, q = rule.max_revolutions, kind.share
    deviation = kind.powder * autocorrelated(n, rng, phi)
    if q:
        side = kind.side if kind.side else rng.choice([-1.0, 1.0], n)
        pockets = (rng.random(n) < q) * side - kind.side * q
        deviation += math.sqrt((1.0 - kind.powder**2) / (q - (kind.side * q) ** 2)) * pockets
    blend = float(blend_sd(rule, np.asarray(rule.target))) * deviation
    return np.asarray(rule.target + blend + rule.repeatability * rng.standard_normal(n))


def _declared(content: Content, blend: tuple[str, int]) -> bool:
    """Whether a blend at the limit is declared, where the spectra give no reason against it."""
    kind, number = blend
    rule = Rule.from_dict(content.document["rule"])
    rng = np.random.default_rng([_SEED, list(AT_LIMIT).index(kind), number])
    values = _predictions(rule, AT_LIMIT[kind], content.document["claim"]["autocorrelation_upper"], rng)
    quiet = BlockStatistics(rule.least_mbsd, 1.0, rule.target, 1.0, 1.0, 1.0, 1.0)
    first, endpoint = rule.block_size - 1, Endpoint(rule)
    upper = np.concatenate([np.full(first, np.nan), blend_rsd_upper(rule, sliding(values, rule.block_size))])
    for turn, (value, bound) in enumerate(zip(values.tolist(), upper.tolist(), strict=True), start=1):
        if endpoint.observe(Status.OK, turn, value, True, quiet, bound).endpoint is not None:
            return True
    return False


def false_endpoints(content: Content, blends: int, *, progress: bool = False) -> dict[str, int]:
    """Count the declared of so many simulated blends of each kind in `AT_LIMIT`.

    Parameters
    ----------
    content : Content
        Content of an artefact with an end-point rule.
    blends : int
        How many of each kind.
    progress : bool, default False
        Show a progress bar.
    """
    jobs = [(kind, number) for kind in AT_LIMIT for number in range(blends)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        done = pool.map(partial(_declared, content), jobs, chunksize=50)
        declared = list(track(done, "at the limit", len(jobs), disable=not progress))
    found = Counter(kind for (kind, _), was in zip(jobs, declared, strict=True) if was)
    return {kind: found[kind] for kind in AT_LIMIT}


def risk_table(found: Mapping[str, int], blends: int) -> str:
    """Return the counts as a table with shares and their upper 95 % limits."""
    lines = [f"{'at the limit for ever':<36}{'blends':>7}{'declared':>9}{'share':>8}{'upper 95 %':>12}"]
    for kind, declared in found.items():
        share, upper = 100.0 * declared / blends, 100.0 * float(stats.beta.ppf(0.95, declared + 1, blends - declared))
        lines.append(f"{kind:<36}{blends:>7}{declared:>9}{share:>6.1f} %{upper:>10.1f} %")
    return "\n".join(lines)


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
