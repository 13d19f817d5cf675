"""The acceptance gate: every criterion of the method, with what was required and what was found.

A criterion that nothing could be found for is not met: absence of evidence never passes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pat.core.plain import finite_or_none
from pat.errors import Refusal
from pat.method import AcceptanceCriteria, Method
from pat.validation.endpoints import EndpointCase, Outcome
from pat.validation.figures import Figures

PLAIN = {
    "max_rmsep": "RMSEP",
    "max_sep": "SEP (bias removed)",
    "max_bias": "Bias, either sign",
    "bias_alpha": "Bias not significant (t-test on batch means)",
    "slope": "Slope of reference on predicted",
    "min_r2": "R² of prediction",
    "min_validation_batches": "Independent validation batches",
    "max_early_endpoints": "End-points declared too early",
    "max_false_endpoints": "End-points declared of blends that were not uniform",
    "max_missed_endpoints": "End-points missed",
    "max_uniform_while_not": "Blends called uniform for too long while they were not",
    "max_unseen_faults": "Fouled windows not reported, at any time of the run",
    "max_median_delay": "Median delay of the end-point",
    "accuracy_limit": "Accuracy profile, largest tolerance limit",
    "max_repeatability": "Repeatability",
    "max_intermediate_precision": "Intermediate precision",
    "min_refused": "Share refused of what is not the product",
    "max_rmsecv_ratio": "RMSECV over RMSEC",
    "max_rmsep_ratio": "RMSEP over the reference method's error",
    "parallel_margin": "Difference from parallel samples shown to be small",
    "max_wrong_share": "Robustness: share accepted and wrong",
}
"""What each criterion of the method asks, in words for people."""


@dataclass(frozen=True)
class Criterion:
    """One criterion: its key in the method, what is required, what was found, and whether that meets it."""

    name: str
    required: str
    found: float | None
    passed: bool


@dataclass(frozen=True)
class Gate:
    """All criteria of a method, judged.

    Attributes
    ----------
    criteria : tuple of Criterion
    notes : tuple of str
        What a reader must know beside them: independence that could not be shown.
    """

    criteria: tuple[Criterion, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every criterion is met."""
        return all(criterion.passed for criterion in self.criteria)


def require_independent(
    validation: Collection[str], used: Collection[str], lots: Mapping[str, str] | None = None
) -> None:
    """Refuse a validation that is not independent of what the method was made from.

    Parameters
    ----------
    validation : collection of str
        Batches that the method is judged on.
    used : collection of str
        Batches that the calibration, its limits or the end-point rule were made from.
    lots : mapping of str to str
        Lot of each batch, where it is known; an empty name counts as unknown.

    Raises
    ------
    Refusal
        If a batch, or a lot, stands on both sides.
    """
    common = sorted(set(validation) & set(used))
    if common:
        raise Refusal(f"validation batches must be new, but the method was made from {_some(common)}")
    known = lots or {}
    shared = sorted({known.get(batch, "") for batch in validation} & {known.get(batch, "") for batch in used} - {""})
    if shared:
        raise Refusal(f"validation lots must be new, but the method was made from lots {_some(shared)}")


def _independence_notes(
    validation: Collection[str], used: Collection[str], lots: Mapping[str, str] | None
) -> Iterator[str]:
    """Say of which batches nothing is known that would show a common lot."""
    for batches, what in ((validation, "validation batches"), (used, "batches that the method was made from")):
        unknown = sorted(batch for batch in batches if not (lots or {}).get(batch))
        if unknown:
            yield f"Independence of lots is not shown: no lot is known of {len(unknown)} {what} ({_some(unknown)})."


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def assess(
    method: Method,
    figures: Figures,
    cases: Sequence[EndpointCase] = (),
    *,
    validation: Collection[str],
    used: Collection[str],
    lots: Mapping[str, str] | None = None,
) -> Gate:
    """Judge a validation by the criteria of its method.

    Parameters
    ----------
    method : Method
        Names the criteria.
    figures : Figures
        Figures of merit on the validation batches.
    cases : sequence of EndpointCase
        Blends judged against their truth.
    validation, used, lots
        As in `require_independent`, which is asked first; the blends of `cases` count as validation batches.

    Raises
    ------
    Refusal
        If the validation is not independent, or rests on fewer batches than the method's
        `min_validation_batches`: then there is no verdict at all.
    """
    judged = {*validation, *(case.batch for case in cases)}
    require_independent(judged, used, lots)
    rules = method.acceptance
    least = rules.min_validation_batches
    if figures.n_batches < least:
        raise Refusal(f"validation needs at least {least} batches with reference values, got {figures.n_batches}")
    batches = Criterion("min_validation_batches", f">= {least}", figures.n_batches, True)
    of_figures = _figure_criteria(rules, figures, method.analyte.units)
    criteria = (batches, *of_figures, *_endpoint_criteria(rules, cases))
    return Gate(criteria, tuple(_independence_notes(judged, used, lots)))


def _figure_criteria(rules: AcceptanceCriteria, figures: Figures, units: str) -> Iterator[Criterion]:
    yield at_most("max_rmsep", rules.max_rmsep, figures.rmsep, units)
    if rules.max_sep is not None:
        yield at_most("max_sep", rules.max_sep, figures.sep, units)
    if rules.max_bias is not None:
        yield at_most("max_bias", rules.max_bias, abs(figures.bias), units)
    if rules.bias_alpha is not None:
        yield at_least("bias_alpha", rules.bias_alpha, figures.bias_p, "p value")
    if rules.slope is not None:
        low, high = rules.slope
        required = f"{low:g} to {high:g}"
        yield Criterion("slope", required, finite_or_none(figures.slope), low <= figures.slope <= high)
    if rules.min_r2 is not None:
        yield at_least("min_r2", rules.min_r2, figures.r2, "")


def _endpoint_criteria(rules: AcceptanceCriteria, cases: Sequence[EndpointCase]) -> Iterator[Criterion]:
    """Count blends among those that can show the fault; where there is none, there is nothing to judge by."""
    due = [case.outcome for case in cases if case.true_endpoint is not None]
    films = [case.fault_seen for case in cases if case.fault_seen is not None]
    counted = (
        ("max_early_endpoints", rules.max_early_endpoints, [o is Outcome.EARLY for o in due], "that became uniform"),
        ("max_false_endpoints", rules.max_false_endpoints, [c.outcome is Outcome.FALSE for c in cases], "blends"),
        ("max_missed_endpoints", rules.max_missed_endpoints, [o is Outcome.MISSED for o in due], "that became uniform"),
        ("max_uniform_while_not", rules.max_uniform_while_not, [c.uniform_too_long for c in cases], "blends"),
        ("max_unseen_faults", rules.max_unseen_faults, [not seen for seen in films], "with a fouled window"),
    )
    for name, limit, faults, what in counted:
        if limit is not None:
            yield at_most(name, limit, sum(faults) if faults else math.nan, f"of {len(faults)} {what}")
    if rules.max_median_delay is not None:
        delays = [case.delay for case in cases if case.outcome is Outcome.ON_TIME and case.delay is not None]
        delay = statistics.median(delays) if delays else math.nan
        yield at_most("max_median_delay", rules.max_median_delay, delay, "revolutions")


def at_most(name: str, limit: float, found: float, units: str) -> Criterion:
    """Return the criterion that what was found is at most a limit; NaN does not meet it."""
    return Criterion(name, f"<= {limit:g} {units}".rstrip(), finite_or_none(found), found <= limit)


def at_least(name: str, limit: float, found: float, units: str) -> Criterion:
    """Return the criterion that what was found is at least a limit; NaN does not meet it."""
    return Criterion(name, f">= {limit:g} {units}".rstrip(), finite_or_none(found), found >= limit)
