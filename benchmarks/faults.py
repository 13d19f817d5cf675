"""Slow faults of the sensor through the demo's artefact: how many are seen, how late, and how often none is one.

SIMULATED good blends, each of a lot and a day of its own, through the whole scorer; a fault begins at revolution 120.
Run with ``python -m benchmarks.faults``. Seeds are disjoint from those of the demo's campaign.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pat.scorer import Cause, Scorer, State
from pat.simulation import (
    MICRONIR,
    Run,
    draw_day,
    draw_lot,
    simulate_axis_shift,
    simulate_run,
    with_film,
    with_lamp_drift,
)
from pat.simulation.spectra import film_spectrum

BLENDS, ONSET, REVOLUTIONS, RAMP = 100, 120, 240, 60
_SEED = 917_400

# Makes a run from the seed and what else `pat.simulation.simulate_run` takes.
Maker = Callable[[tuple[int, ...], Mapping[str, Any]], Run]


@dataclass(frozen=True)
class Fault:
    """A fault of one size.

    Attributes
    ----------
    name : str
        With its size at the end of the ramp.
    cause : Cause or None
        What it should be called; None for blends without any.
    make : callable
    """

    name: str
    cause: Cause | None
    make: Maker


def _sound(seed: tuple[int, ...], given: Mapping[str, Any]) -> Run:
    return simulate_run("good", seed, **given)


def _film(covered: float) -> Maker:
    film = film_spectrum(MICRONIR)
    return lambda seed, given: with_film(_sound(seed, given), film, ONSET, RAMP, covered)


def _lamp(**drift: float) -> Maker:
    return lambda seed, given: with_lamp_drift(_sound(seed, given), ONSET, RAMP, **drift)


def _axis(shift: float) -> Maker:
    return lambda seed, given: simulate_axis_shift("good", seed, ONSET, shift, **given)


FAULTS = (
    Fault("none", None, _sound),
    Fault("film over 1 % of the window", Cause.FOULED_WINDOW, _film(0.01)),
    Fault("film over 5 %", Cause.FOULED_WINDOW, _film(0.05)),
    Fault("lamp drift, offset of 0.05 AU", Cause.LAMP_DRIFT, _lamp(offset=0.05)),
    Fault("lamp drift, offset of 0.2 AU", Cause.LAMP_DRIFT, _lamp(offset=0.2)),
    Fault("gain that grows by 10 %", Cause.LAMP_DRIFT, _lamp(gain=0.1)),
    Fault("gain that grows by 30 %", Cause.LAMP_DRIFT, _lamp(gain=0.3)),
    Fault("axis shift of 0.2 nm, at once", Cause.AXIS_SHIFT, _axis(0.2)),
    Fault("axis shift of 1 nm, at once", Cause.AXIS_SHIFT, _axis(1.0)),
)


@dataclass(frozen=True)
class Seen:
    """What became of the blends with one fault.

    Attributes
    ----------
    fault : str
    before : float
        Share of the blends that were a SENSOR_FAULT before it began.
    found : float
        Share of the others that became one by the end of the run.
    named : float
        Share of those found that were called by the right name.
    delay, late : float
        Median and 90th percentile of the revolutions that took (of all; infinite where it was not found).
    uniform : float
        Share of the blends that were still UNIFORM at the end of the run.
    """

    fault: str
    before: float
    found: float
    named: float
    delay: float
    late: float
    uniform: float


def _followed(scorer: Scorer, run: Run) -> tuple[float, Cause | None, State]:
    """Return when a run became a fault, what that was called, and the state at the end."""
    blend = scorer.start("simulated")
    for x, turn in zip(run.absorbance, run.revolution, strict=True):
        blend.update(x, revolution=int(turn))
    faults = [change for change in blend.transitions if change.after is State.SENSOR_FAULT]
    at = math.inf if not faults else float(faults[0].revolution or 0)
    return at, faults[0].cause if faults else None, blend.state


def measure(scorer: Scorer, fault: Fault, blends: int = BLENDS) -> Seen:
    """Follow simulated blends with one fault.

    Parameters
    ----------
    scorer : Scorer
        Of the demo's axis.
    fault : Fault
    blends : int
        How many; the same ones for every fault.
    """
    found = []
    for k in range(blends):
        rng = np.random.default_rng([_SEED, k])
        given = {"n_revolutions": REVOLUTIONS, "lot": draw_lot(f"L{k}", rng), "day": draw_day("2026-10-01", rng)}
        found.append(_followed(scorer, fault.make((_SEED, k), given)))
    at = np.array([when for when, _, _ in found])
    rest = [(when, name) for when, name, _ in found if not when < ONSET]
    seen = [name for when, name in rest if math.isfinite(when)]
    delays = np.array([when - ONSET for when, _ in rest])
    return Seen(
        fault=fault.name,
        before=float((at < ONSET).mean()),
        found=len(seen) / len(rest) if rest else math.nan,
        named=sum(name is fault.cause for name in seen) / len(seen) if seen else math.nan,
        delay=_quantile(delays, 0.5),
        late=_quantile(delays, 0.9),
        uniform=sum(state is State.UNIFORM for _, _, state in found) / blends,
    )


def _quantile(delays: np.ndarray, share: float) -> float:
    """Quantile that is one of the delays, so that a fault which is not found may be infinite."""
    return float(np.quantile(delays, share, method="inverted_cdf")) if delays.size else math.nan


def table(seen: list[Seen], blends: int) -> str:
    """Return the figures as text."""
    lines = [
        f"{blends} SIMULATED good blends of {REVOLUTIONS} revolutions, a fault from {ONSET} on, ramps over {RAMP}",
        f"{'fault':<32}{'before':>8}{'found':>8}{'named':>8}{'delay':>8}{'90 %':>8}{'UNIFORM':>10}",
    ]
    for one in seen:
        shares = "".join(_percent(share) for share in (one.before, one.found, one.named))
        times = "".join(f"{number:>8.0f}" if math.isfinite(number) else f"{'-':>8}" for number in (one.delay, one.late))
        lines.append(f"{one.fault:<32}{shares}{times}{_percent(one.uniform, 10)}")
    return "\n".join(lines)


def _percent(share: float, width: int = 8) -> str:
    return f"{'-':>{width}}" if math.isnan(share) else f"{100.0 * share:>{width - 2}.0f} %"


def main() -> None:
    """Measure with the demo's artefact, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artefact", type=Path, default=Path("models/demo/artefact"), help="of the demo's axis")
    parser.add_argument("--blends", type=int, default=BLENDS, help="blends with each fault")
    given = parser.parse_args()
    scorer = Scorer.load(given.artefact, allow_unreleased=True)
    print(table([measure(scorer, fault, given.blends) for fault in FAULTS], given.blends))


if __name__ == "__main__":
    main()
