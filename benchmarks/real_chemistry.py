"""End-point rules on blends of real chemistry: simulated compositions, spectra composed of measured scans.

`benchmarks.two_powders` calibrates a method by the product's own path and learns its rule. The scorer follows, spectrum
by spectrum, blends that are composed of scans which neither has seen. The published statistics, which elsewhere have
eight synthetic channels, have the same spectra here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from rich.progress import track

from benchmarks import published
from benchmarks.blends import Blends, mix
from benchmarks.comparison import OURS, Found, Row, quantiles, row, table, upper
from benchmarks.composed import measured_scans
from benchmarks.two_powders import KINDS, LIMIT, MEAN_RANGE, NEAR, PHI, TARGET, Line, contents, method, prepare
from pat.core import blocks
from pat.core.blocks import RunReadings
from pat.core.endpoint import State
from pat.core.types import Array
from pat.errors import InputError
from pat.scorer import Scorer

BLENDS = 600
"""Composed of each kind."""
_SEED = 816_100
# Blends that one task follows.
_CHUNK = 20
# Blocks in a row that a published statistic has to keep its limit.
_CONSECUTIVE = 10
# States that say that a declared blend is no longer what it was.
_ALARMS = (State.OVERMIXED, State.OUT_OF_SCOPE, State.SENSOR_FAULT)
_NOTES = """\
False: declared while the true RSD is above the limit or the true mean out of range. worst: largest upper 95 % limit of
a false end-point (%) of all kinds but d.05, which is outside the claim. easy: good, slow and fast blends. found, late:
of blends that de-mix after a right end-point, and revolutions from leaving the limit to the alarm. alarms: good blends
that raise one. d: dead zone, share of +-80 %; dm: de-mixing, early and late.
After the rules of the literature, each statistic of `pat.core.blocks` under what accepted blends keep (95 % of them,
95 % confidence), 10 blocks of 20 in a row."""


def judge(line: Line, count: int, every: bool, job: tuple[int, int]) -> list[Row]:
    """Follow `count` blends of one kind by the scorer, and if asked by every published statistic.

    Parameters
    ----------
    line : Line
    count : int
    every : bool
    job : tuple of int
        Number of the kind in `KINDS`, and of these blends among those of the kind.
    """
    kind, rng = KINDS[job[0]], np.random.default_rng([_SEED, 1, *job])
    mixing, scorer = mix(kind, PHI, count, rng), Scorer(line.content)
    spectra = [line.powder.spectra(content, rng) for content in contents(mixing).T]
    runs = [_readings(line, scorer, one) for one in spectra]
    blends = Blends(
        value=np.stack([run.values for run, _ in runs], axis=1),
        channels=np.stack([treated for _, treated in runs], axis=1),
        known=np.ones(mixing.rsd.shape, dtype=bool),
        uniform=mixing.uniform(LIMIT, MEAN_RANGE),
        rsd=mixing.rsd,
    )
    found = {OURS: Found(*np.transpose([_scored(scorer, one) for one in spectra]))}
    if every:
        found |= {rule.name: Found(*published.follow(rule, blends, line.reference)) for rule in published.rules()}
        found |= dict(_by_statistics(line, scorer, [run for run, _ in runs]))
    return [row(name, kind, blends, one) for name, one in found.items()]


def _readings(line: Line, scorer: Scorer, spectra: Array) -> tuple[RunReadings, Array]:
    """Return the readings of a blend from its spectra (m, p), and the treated spectra."""
    predicted, treated = scorer.predict(spectra), line.method.treatment(scorer.wavelength)(spectra)
    return RunReadings(predicted.value, treated, predicted.hotelling_t2, predicted.q_residuals), treated


def _scored(scorer: Scorer, spectra: Array) -> tuple[float, float]:
    """Revolutions at which the scorer declares a blend, and at which it takes that back; NaN for never."""
    blend, declared = scorer.start("blend"), np.nan
    for turn, x in enumerate(spectra, start=1):
        reading = blend.update(x, turn)
        if np.isnan(declared):
            declared = np.nan if reading.endpoint is None else float(reading.endpoint)
        elif reading.state in _ALARMS:
            return declared, float(turn)
    return declared, np.nan


def _by_statistics(line: Line, scorer: Scorer, runs: Sequence[RunReadings]) -> Iterator[tuple[str, Found]]:
    """Yield what each published statistic finds under the limit that accepted blends keep."""
    size = scorer.require_rule().block_size
    every = [blocks.every_series(run, size, line.constants) for run in runs]
    for name, limit in scorer.statistic_limits.items():
        series = np.stack([of[name] for of in every], axis=1)
        good = (series <= limit.high) & (series >= (-np.inf if limit.low is None else limit.low))
        yield name, Found(*published.declared(good, _CONSECUTIVE))


def compare(line: Line, count: int, *, every: bool = True, progress: str | None = None) -> list[Row]:
    """Follow composed blends of every kind.

    Parameters
    ----------
    line : Line
    count : int
        Blends of each kind; rounded up to whole tasks of 20.
    every : bool
        By every published statistic as well, and not by the scorer alone.
    progress : str, optional
        Label of a progress bar.
    """
    jobs = [(kind, chunk) for chunk in range(-(-count // _CHUNK)) for kind in range(len(KINDS))]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        done = pool.map(partial(judge, line, _CHUNK, every), jobs)
        parts = list(track(done, progress or "", len(jobs), disable=progress is None))
    return [together(same) for kind in range(len(KINDS)) for same in zip(*parts[kind :: len(KINDS)], strict=True)]


def together(rows: Sequence[Row]) -> Row:
    """Join what one rule did with several lots of blends of one kind."""
    joined: dict[str, Any] = {}
    for name in (field.name for field in fields(Row)):
        values = [getattr(one, name) for one in rows]
        if isinstance(values[0], np.ndarray):
            joined[name] = np.concatenate(values)
        else:
            joined[name] = values[0] if isinstance(values[0], str) else sum(values)
    return Row(**joined)


def our_table(rows: Sequence[Row]) -> str:
    """Return what the scorer did with the blends of each kind.

    Parameters
    ----------
    rows : sequence of Row
        As `compare` returns; those of other rules are left out.
    """
    head = f"{'kind':<18}{'blends':>7}{'declared':>10}{'false':>7}{'share':>9}{'upper 95 %':>12}{'missed':>8}"
    lines = [f"{head}{'delay, median/90 %':>20}{'left':>6}{'found':>7}{'late':>9}"]
    for r in (one for one in rows if one.rule == OURS):
        share, most = 100.0 * r.false / r.blends, 100.0 * upper(r.false, r.blends)
        counts = f"{r.kind:<18}{r.blends:>7}{r.declared:>10}{r.false:>7}{share:>7.2f} %{most:>10.2f} %{r.missed:>8}"
        seen = f"{r.left:>6}{r.found:>7}{quantiles(r.late):>9}" if r.left else f"{'-':>6}{'-':>7}{'-':>9}"
        lines.append(f"{counts}{quantiles(r.delays):>20}{seen}")
    return "\n".join(lines)


def main() -> None:
    """Print what the scorer and every published rule did; where there are no measured spectra, say so."""
    try:
        scans = measured_scans()
    except InputError as error:
        print(f"skipped: {error}")
        return
    line = prepare(method(), scans)
    claim, found = line.content.document["claim"], line.content.document["n_components"]
    print(
        f"Spectra MEASURED, mixing SIMULATED: {BLENDS} blends of each kind, limit {LIMIT:g} % RSD at {TARGET:g} % w/w"
    )
    print(
        f"{found} components; repeatability {claim['repeatability']:.2f} % w/w, at least "
        f"{claim['repeatability_lower']:.2f}; slope at least {claim['slope_lower']:.3f}; autocorrelation "
        f"{claim['autocorrelation']:.2f}, at most {claim['autocorrelation_upper']:.2f}, in truth {PHI:g}"
    )
    rows = compare(line, BLENDS, progress="composed blends")
    print(f"\n{OURS}\n{our_table(rows)}\n\n{_NOTES}\n\n{table(rows, KINDS, NEAR)}")


if __name__ == "__main__":
    main()
