"""Robustness: perturbed validation spectra, and whether the method refuses them before its results go wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from pat.core.plain import finite_or_none
from pat.core.types import Array, BoolArray
from pat.errors import InputError
from pat.limits import binomial_interval
from pat.validation.perturbations import Perturbation


class Predicted(Protocol):
    """What is needed of a scorer's prediction."""

    @property
    def value(self) -> Array:
        """Predicted contents (n,)."""

    @property
    def in_scope(self) -> BoolArray:
        """Whether each spectrum is accepted (n,)."""


Predict = Callable[[Array], Predicted]


class RobustnessVerdict(StrEnum):
    """What became of the spectra as a perturbation grew."""

    HELD = "no result moved further than allowed at any size tried"
    REFUSED_BEFORE_WRONG = "every result that moved further than allowed was refused"
    WRONG_BEFORE_REFUSED = "accepted results went beyond what is allowed"


@dataclass(frozen=True)
class Step:
    """What a perturbation of one size did.

    Attributes
    ----------
    size : float
    n : int
        Spectra tried: those accepted unperturbed, twice where the perturbation has two directions.
    refused : float
        Share that was refused.
    bias_change : float
        Mean change of the accepted results, in the direction in which it is larger (analyte units); NaN where none was
        accepted.
    rmsep : float
        Of the accepted results against the reference; NaN where none was accepted or no reference is known.
    largest_change : float
        Largest change of an accepted result, either sign; 0 where none was accepted.
    wrong : int
        Results that moved further than allowed, accepted or not.
    wrong_accepted : int
        Those among them that were accepted.
    """

    size: float
    n: int
    refused: float
    bias_change: float
    rmsep: float
    largest_change: float
    wrong: int
    wrong_accepted: int

    @property
    def wrong_accepted_share(self) -> float:
        """Share of the spectra tried that was accepted and wrong."""
        return self.wrong_accepted / self.n


@dataclass(frozen=True)
class Trial:
    """One perturbation at all its sizes.

    Attributes
    ----------
    name, unit : str
    simulated : bool
        Whether the perturbation rests on a synthetic spectrum.
    steps : tuple of Step
    margin : float
        Largest size tried up to which, without a gap, every accepted result meets what is allowed; 0 where the smallest
        size fails. Where everything is refused nothing can fail, so beside it stands the share that was.
    first_failure : float or None
        Smallest size tried at which an accepted result does not; None where there is none.
    most_dangerous : float or None
        Size at which the largest share was accepted and wrong; None where nothing was.
    dangerous_share, dangerous_lower, dangerous_upper : float
        That share, with its two-sided 95 % interval.
    verdict : RobustnessVerdict
    """

    name: str
    unit: str
    simulated: bool
    steps: tuple[Step, ...]
    margin: float
    first_failure: float | None
    most_dangerous: float | None
    dangerous_share: float
    dangerous_lower: float
    dangerous_upper: float
    verdict: RobustnessVerdict


@dataclass(frozen=True)
class Robustness:
    """A method under perturbations.

    Attributes
    ----------
    trials : tuple of Trial
    max_change : float
        Change of a result that is allowed, either sign (analyte units).
    max_rmsep : float or None
        RMSEP that the accepted results must not exceed besides.
    n : int
        Validation spectra.
    accepted : int
        Those accepted unperturbed, which alone are followed.
    rmsep : float
        Of these, unperturbed; NaN where no reference is known.
    """

    trials: tuple[Trial, ...]
    max_change: float
    max_rmsep: float | None
    n: int
    accepted: int
    rmsep: float

    @property
    def refused_before_wrong(self) -> bool:
        """Whether no perturbation made the method accept what it moved too far."""
        return all(trial.verdict is not RobustnessVerdict.WRONG_BEFORE_REFUSED for trial in self.trials)

    def to_dict(self) -> dict[str, Any]:
        """Return the trials as plain data, null where a figure cannot be had."""
        return {key: _plain(value) for key, value in asdict(self).items()} | {
            "refused_before_wrong": self.refused_before_wrong
        }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, StrEnum):
        return value.value
    return finite_or_none(value) if isinstance(value, float) else value


def robustness(
    predict: Predict,
    absorbance: Array,
    reference: Array,
    perturbations: Sequence[Perturbation],
    *,
    max_change: float,
    max_rmsep: float | None = None,
) -> Robustness:
    """Perturb validation spectra and see what the method makes of them.

    Parameters
    ----------
    predict : callable
        Takes raw spectra (n, p) and returns what has their ``value`` and ``in_scope``: `pat.scorer.Scorer.predict`.
    absorbance : ndarray of shape (n, p)
        Raw validation spectra (AU); they stay as they are.
    reference : ndarray of shape (n,)
        Reference values (analyte units); NaN where there is none.
    perturbations : sequence of Perturbation
        See `pat.validation.perturbations.standard_perturbations`.
    max_change : float
        How far a perturbation may move an accepted result (analyte units).
    max_rmsep : float, optional
        RMSEP that the accepted results must keep besides.

    Raises
    ------
    InputError
        If the shapes differ, no spectrum is accepted unperturbed, a spectrum or the allowed change is impossible, or
        a perturbation returns another shape.

    Notes
    -----
    A result is wrong when the perturbation alone moved it too far; what was wrong before belongs to accuracy, not here.
    A margin is no better than the sizes that were tried: the true one lies between it and the first failure.
    """
    _check(absorbance, reference, max_change)
    before = predict(absorbance)
    kept = np.asarray(before.in_scope, dtype=np.bool_)
    if not kept.any():
        raise InputError(f"robustness needs validation spectra that are accepted; all {kept.size} are refused")
    x, value, y = absorbance[kept], before.value[kept], reference[kept]
    allowed = max_change, math.inf if max_rmsep is None else max_rmsep
    return Robustness(
        trials=tuple(_trial(predict, x, value, y, perturbation, allowed) for perturbation in perturbations),
        max_change=max_change,
        max_rmsep=max_rmsep,
        n=kept.size,
        accepted=int(kept.sum()),
        rmsep=_rmsep(value - y),
    )


def _check(absorbance: Array, reference: Array, max_change: float) -> None:
    if absorbance.ndim != 2 or reference.shape != absorbance.shape[:1]:
        raise InputError(
            f"spectra must have shape (n, p) and reference values (n,), got {absorbance.shape} and {reference.shape}"
        )
    if not np.isfinite(absorbance).all() or not max_change > 0.0:
        raise InputError(f"spectra must be finite and `max_change` positive, got {max_change}")


def _rmsep(error: Array) -> float:
    known = error[np.isfinite(error)]
    return float(np.sqrt(np.mean(known**2))) if known.size else math.nan


def _trial(
    predict: Predict, x: Array, value: Array, y: Array, perturbation: Perturbation, allowed: tuple[float, float]
) -> Trial:
    steps = tuple(_step(predict, x, value, y, perturbation, size, allowed[0]) for size in perturbation.sizes)
    failed = [step.wrong_accepted > 0 or step.rmsep > allowed[1] for step in steps]
    first = failed.index(True) if any(failed) else len(steps)
    worst = max(steps, key=lambda step: step.wrong_accepted_share)
    lower, upper = binomial_interval(worst.wrong_accepted, worst.n)
    return Trial(
        name=perturbation.name,
        unit=perturbation.unit,
        simulated=perturbation.simulated,
        steps=steps,
        margin=steps[first - 1].size if first else 0.0,
        first_failure=steps[first].size if first < len(steps) else None,
        most_dangerous=worst.size if worst.wrong_accepted else None,
        dangerous_share=worst.wrong_accepted_share,
        dangerous_lower=lower,
        dangerous_upper=upper,
        verdict=_verdict(steps, any(failed)),
    )


def _verdict(steps: Sequence[Step], failed: bool) -> RobustnessVerdict:
    if failed:
        return RobustnessVerdict.WRONG_BEFORE_REFUSED
    moved = any(step.wrong for step in steps)
    return RobustnessVerdict.REFUSED_BEFORE_WRONG if moved else RobustnessVerdict.HELD


def _step(
    predict: Predict, x: Array, value: Array, y: Array, perturbation: Perturbation, size: float, max_change: float
) -> Step:
    """Try one size, in both directions where there are two: rows of (2, n) or (1, n)."""
    directions = (size, -size) if perturbation.signed else (size,)
    found = [_predicted(predict, x, perturbation, float(signed)) for signed in directions]
    change = np.stack([one.value for one in found]) - value
    accepted = np.stack([np.asarray(one.in_scope, dtype=np.bool_) for one in found])
    # A result that cannot be computed moved without bound.
    wrong = ~(np.abs(change) <= max_change)
    means = [float(row[ok].mean()) for row, ok in zip(change, accepted, strict=True) if ok.any()]
    return Step(
        size=size,
        n=change.size,
        refused=float(np.mean(~accepted)),
        bias_change=max(means, key=abs, default=math.nan),
        rmsep=_rmsep((change + value - y)[accepted]),
        largest_change=float(np.abs(change[accepted]).max(initial=0.0)),
        wrong=int(wrong.sum()),
        wrong_accepted=int((wrong & accepted).sum()),
    )


def _predicted(predict: Predict, x: Array, perturbation: Perturbation, size: float) -> Predicted:
    changed = perturbation.change(x, size)
    if changed.shape != x.shape:
        raise InputError(f"{perturbation.name}: spectra of shape {x.shape} became {changed.shape}")
    return predict(np.ascontiguousarray(changed))
