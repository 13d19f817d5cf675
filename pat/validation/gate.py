"""The acceptance gate: every criterion of the method, with what was required and what was found.

A criterion that nothing could be found for is not met: absence of evidence never passes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pat.errors import Refusal
from pat.method import AcceptanceCriteria, Method
from pat.validation.endpoints import EndpointCase, Outcome
from pat.validation.figures import Figures


@dataclass(frozen=True)
class Criterion:
    """One criterion: its key in the method, what is required, what was found, and whether that meets it."""

    name: str
    required: str
    found: float | None
    passed: bool


@dataclass(frozen=True)
class Gate:
    """All criteria of a method, judged."""

    criteria: tuple[Criterion, ...]

    @property
    def passed(self) -> bool:
        """Whether every criterion is met."""
        return all(criterion.passed for criterion in self.criteria)

    def failures(self) -> list[Criterion]:
        """Criteria that are not met."""
        return [criterion for criterion in self.criteria if not criterion.passed]

    def require(self) -> None:
        """Raise `Refusal` with every criterion that is not met, if there is one."""
        if not self.passed:
            lines = [f"  {c.name}: required {c.required}, found {_text(c.found)}" for c in self.failures()]
            raise Refusal("the acceptance gate is not met:\n" + "\n".join(lines))

    def to_dict(self) -> dict[str, Any]:
        """Return the gate as plain data."""
        return {"passed": self.passed, "criteria": [asdict(criterion) for criterion in self.criteria]}


def _text(found: float | None) -> str:
    return "nothing to judge by" if found is None else f"{found:.4g}"


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
    known = {batch: lot for batch, lot in (lots or {}).items() if lot}
    used_lots = {known[batch] for batch in used if batch in known}
    shared = sorted({known[batch] for batch in validation if batch in known} & used_lots)
    if shared:
        raise Refusal(f"validation lots must be new, but the method was made from lots {_some(shared)}")


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
    require_independent({*validation, *(case.batch for case in cases)}, used, lots)
    rules = method.acceptance
    least = rules.min_validation_batches
    if figures.n_batches < least:
        raise Refusal(f"validation needs at least {least} batches with reference values, got {figures.n_batches}")
    batches = Criterion("min_validation_batches", f">= {least}", figures.n_batches, True)
    of_figures = _figure_criteria(rules, figures, method.analyte.units)
    return Gate((batches, *of_figures, *_endpoint_criteria(rules, cases)))


def _figure_criteria(rules: AcceptanceCriteria, figures: Figures, units: str) -> Iterator[Criterion]:
    yield _at_most("max_rmsep", rules.max_rmsep, figures.rmsep, units)
    if rules.max_sep is not None:
        yield _at_most("max_sep", rules.max_sep, figures.sep, units)
    if rules.max_bias is not None:
        yield _at_most("max_bias", rules.max_bias, abs(figures.bias), units)
    if rules.bias_alpha is not None:
        yield _at_least("bias_alpha", rules.bias_alpha, figures.bias_p, "p value")
    if rules.slope is not None:
        low, high = rules.slope
        required = f"{low:g} to {high:g}"
        yield Criterion("slope", required, _finite(figures.slope), low <= figures.slope <= high)
    if rules.min_r2 is not None:
        yield _at_least("min_r2", rules.min_r2, figures.r2, "")


def _endpoint_criteria(rules: AcceptanceCriteria, cases: Sequence[EndpointCase]) -> Iterator[Criterion]:
    counted = (
        ("max_early_endpoints", rules.max_early_endpoints, Outcome.EARLY),
        ("max_false_endpoints", rules.max_false_endpoints, Outcome.FALSE),
        ("max_missed_endpoints", rules.max_missed_endpoints, Outcome.MISSED),
        ("max_unseen_faults", rules.max_unseen_faults, Outcome.FAULT_UNSEEN),
    )
    for name, limit, outcome in counted:
        if limit is not None:
            count = sum(case.outcome is outcome for case in cases)
            yield _at_most(name, limit, count if cases else math.nan, f"of {len(cases)} blends")
    if rules.max_median_delay is not None:
        delays = [case.delay for case in cases if case.outcome is Outcome.ON_TIME and case.delay is not None]
        delay = statistics.median(delays) if delays else math.nan
        yield _at_most("max_median_delay", rules.max_median_delay, delay, "revolutions")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _at_most(name: str, limit: float, found: float, units: str) -> Criterion:
    return Criterion(name, f"<= {limit:g} {units}".rstrip(), _finite(found), found <= limit)


def _at_least(name: str, limit: float, found: float, units: str) -> Criterion:
    return Criterion(name, f">= {limit:g} {units}".rstrip(), _finite(found), found >= limit)
