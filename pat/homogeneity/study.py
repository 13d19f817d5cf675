"""The operating characteristic of an end-point rule: what it declares, and when, over thousands of simulated blends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from pat import compute
from pat.core.evidence import Rule
from pat.core.types import Array
from pat.errors import InputError
from pat.homogeneity.claim import guarded_shares, pocket_blends
from pat.homogeneity.follow import ConsecutiveBlocks, Evidence, Score, SeveralBlocks, declared_at
from pat.homogeneity.risk import autoregressive, guarded
from pat.limits import binomial_interval
from pat.simulation.mixing import MIXING, mixing_rsd

SHARES = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5)
"""True RSDs at which the chance to be declared is shown, as shares of the limit."""
CURVES = ("fast", "good", "slow", "below")
"""Courses of mixing whose delays are shown, of `pat.simulation.MIXING`."""
# The limit (%) that those courses were written for; for another one they are stretched.
_LIMIT = 3.0
# Blends that one task follows.
_CHUNK = 1000
_SEED = 20_262


@dataclass(frozen=True)
class Conditions:
    """What predictions add to the blend.

    Attributes
    ----------
    phi : float
        Autocorrelation of the blend from one revolution to the next.
    repeatability : float
        Standard deviation of the method's own noise (analyte units).
    slope : float
        Of predicted on true content.
    """

    phi: float
    repeatability: float
    slope: float


@dataclass(frozen=True)
class Contender:
    """A rule under study: its constants, and what it sums up."""

    name: str
    rule: Rule
    score: Score


@dataclass(frozen=True)
class Chance:
    """How many blends of one true RSD (% of the mean) were declared, with a 95 % interval of the share."""

    true_rsd: float
    blends: int
    declared: int
    low: float
    high: float


@dataclass(frozen=True)
class Delay:
    """Revolutions from the true to the declared end-point of one course of mixing.

    Attributes
    ----------
    course : str
    true_endpoint : int
        First revolution at which the RSD is at or below the limit.
    blends, missed, early : int
        Simulated; never declared; declared before the true end-point.
    median, ninety_percent : float
        Of the declared ones; NaN where there is none.
    """

    course: str
    true_endpoint: int
    blends: int
    missed: int
    early: int
    median: float
    ninety_percent: float


@dataclass(frozen=True)
class Characteristic:
    """What one rule does.

    Attributes
    ----------
    name : str
    at_bounds, at_estimates : tuple of Chance
        Under the bounds of the method's figures that the rule is made for, and under their estimates.
    delays : tuple of Delay
        Under the estimates.
    """

    name: str
    at_bounds: tuple[Chance, ...]
    at_estimates: tuple[Chance, ...]
    delays: tuple[Delay, ...]


@dataclass(frozen=True)
class Study:
    """Operating characteristics of one or more rules on the same simulated blends.

    Attributes
    ----------
    max_rsd, risk : float
        The limit (% of the mean), and the promised chance per batch at it.
    revolutions : int
        Length of a run.
    bounds, estimates : Conditions
    rules : tuple of Characteristic
    """

    max_rsd: float
    risk: float
    revolutions: int
    bounds: Conditions
    estimates: Conditions
    rules: tuple[Characteristic, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the study as plain JSON values."""
        return {"simulated": True, **asdict(self)}


def contenders(
    rule: Rule, phi: float, risk: float, pocket_risk: float, smallest_pocket: float, *, progress: str | None = None
) -> list[Contender]:
    """Other rules, with the same guards against pockets, whose constants are simulated for the same risks.

    Parameters
    ----------
    rule : Rule
        Whose method and limits they are for.
    phi : float
        Upper limit of the autocorrelation.
    risk, pocket_risk : float
        Chances per batch at the limit, of blends that vary normally and by pockets.
    smallest_pocket : float
        Smallest share of the readings from pockets that is guarded against.
    progress : str, optional
        Label of a progress bar.

    Raises
    ------
    Refusal
        As `guarded`.
    """
    kinds = [kind for share in guarded_shares(smallest_pocket) for kind in pocket_blends(phi, share)]

    def made(other: Contender) -> Contender:
        return replace(other, rule=guarded(other.rule, phi, kinds, risk, pocket_risk, other.score))

    return compute.map_items(made, others(rule), progress=progress)


def others(rule: Rule) -> list[Contender]:
    """Block rules and CUSUMs for the method and limits of a rule, their constants still to be made."""
    single = replace(rule, ratios=(0.6,), weights=(1.0,))
    four = replace(rule, ratios=(0.35, 0.5, 0.65, 0.8), weights=(1.0,) * 4)
    return [
        Contender("15 x 10 blocks", rule, ConsecutiveBlocks(15, 10)),
        Contender("20 x 5 blocks", rule, ConsecutiveBlocks(20, 5)),
        Contender("30 x 1 block", rule, ConsecutiveBlocks(30, 1)),
        Contender("blocks 10, 20, 40", rule, SeveralBlocks((10, 20, 40))),
        Contender("one CUSUM", single, Evidence()),
        Contender("four CUSUMs", four, Evidence()),
    ]


def conditions_of(rule: Rule, claim: Mapping[str, Any]) -> tuple[Conditions, Conditions]:
    """Bounds of the method's figures that a rule is made for, and their estimates.

    Parameters
    ----------
    rule : Rule
    claim : mapping
        What `pat.homogeneity.claim.make_claim` wrote.
    """
    bounds = Conditions(float(claim["autocorrelation_upper"]), rule.repeatability, rule.slope)
    return bounds, Conditions(float(claim["autocorrelation"]), float(claim["repeatability"]), 1.0)


def study(
    rules: Sequence[Contender],
    bounds: Conditions,
    estimates: Conditions,
    risk: float,
    *,
    blends: int = 4000,
    progress: str | None = None,
) -> Study:
    """Follow simulated blends by rules, the same blends by each.

    Parameters
    ----------
    rules : sequence of Contender
        For the same method and limit.
    bounds, estimates : Conditions
        Of the method.
    risk : float
        The promised chance per batch at the limit.
    blends : int
        How many of each kind; rounded up to whole thousands.
    progress : str, optional
        Label of a progress bar.

    Raises
    ------
    InputError
        If there is no rule, or they are for different limits, or `blends` is not positive.

    Notes
    -----
    Predictions alone are simulated: a blend on target whose readings are AR(1) with the RSD of its course, and the
    method's noise. Verdicts that need spectra are taken to pass.
    """
    limits = {(rule.rule.max_rsd, rule.rule.target, rule.rule.max_revolutions) for rule in rules}
    if len(limits) != 1:
        raise InputError(f"a study needs rules for one limit, target and run length, got {len(limits)}")
    if blends < 1:
        raise InputError(f"a study needs at least 1 blend of each kind, got {blends}")
    first = rules[0].rule
    steady, mixed = _courses(first)
    kinds = [(rsd, how) for how in (bounds, estimates) for rsd in steady] + [(rsd, estimates) for rsd in mixed]
    declared = _declared(rules, kinds, blends, progress)
    n = len(steady)
    characteristics = [
        Characteristic(
            name=rule.name,
            at_bounds=tuple(map(_chance, steady, found[:n])),
            at_estimates=tuple(map(_chance, steady, found[n : 2 * n])),
            delays=tuple(map(partial(_delay, first), CURVES, mixed, found[2 * n :])),
        )
        for rule, found in zip(rules, declared, strict=True)
    ]
    return Study(first.max_rsd, risk, first.max_revolutions, bounds, estimates, tuple(characteristics))


def _declared(
    rules: Sequence[Contender], kinds: Sequence[tuple[Array, Conditions]], blends: int, progress: str | None
) -> list[list[Array]]:
    """Revolutions at which each rule declares the blends of each kind: rules, kinds, and arrays (blends,)."""
    chunks = -(-blends // _CHUNK)

    def one(job: tuple[int, int]) -> list[Array]:
        run = list(_readings(rules[0].rule, *kinds[job[0]], [_SEED, *job]))
        return [declared_at(rule.rule, run, rule.score) for rule in rules]

    jobs = [(kind, chunk) for kind in range(len(kinds)) for chunk in range(chunks)]
    done = compute.map_items(one, jobs, progress=progress)
    parts = [done[start : start + chunks] for start in range(0, len(done), chunks)]
    return [[np.concatenate([chunk[k] for chunk in part]) for part in parts] for k in range(len(rules))]


def _courses(rule: Rule) -> tuple[list[Array], list[Array]]:
    """RSD (%) of every revolution of a run, of steady blends and of those that mix."""
    turn = np.arange(1.0, rule.max_revolutions + 1.0)
    steady = [np.full(turn.size, share * rule.max_rsd) for share in SHARES]
    return steady, [100.0 * rule.max_rsd / _LIMIT * mixing_rsd(MIXING[name], turn) for name in CURVES]


def _readings(rule: Rule, rsd: Array, how: Conditions, seed: list[int]) -> Iterator[Array]:
    """Predictions (n,) of one revolution after another, of blends with an RSD (revolutions,) in %."""
    rng = np.random.default_rng(seed)
    for now, own in zip(rsd.tolist(), autoregressive(_CHUNK, how.phi, rng), strict=False):
        spread = how.slope * now / 100.0 * rule.target
        yield rule.target + spread * own + how.repeatability * rng.standard_normal(_CHUNK)


def _chance(rsd: Array, declared: Array) -> Chance:
    count = int(np.isfinite(declared).sum())
    low, high = binomial_interval(count, declared.size)
    return Chance(float(rsd[0]), declared.size, count, low, high)


def _delay(rule: Rule, name: str, rsd: Array, declared: Array) -> Delay:
    below = rsd <= rule.max_rsd
    true = int(np.argmax(below)) + 1 if below.any() else rule.max_revolutions
    late = declared[np.isfinite(declared)] - true
    median, ninety = np.quantile(late, [0.5, 0.9]).tolist() if late.size else (np.nan, np.nan)
    missed = declared.size - late.size
    return Delay(name, true, declared.size, missed, int((late < 0).sum()), median, ninety)
