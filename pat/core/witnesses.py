"""What the published statistics of a blend are computed with and held against: they bear witness and never decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pat.core.blocks import STATISTICS, Constants, Reference
from pat.core.evidence import Rule
from pat.core.types import Array
from pat.errors import InputError

_REFERENCE = "reference_"
_NUMBERS = ("n_components", "separate_blocks", "residual_limit", "score_limit", "static_variance")


class StatisticLimit(NamedTuple):
    """Where a statistic lies in the plateaus of accepted batches.

    Attributes
    ----------
    median : float
        Of all their blocks.
    high : float
        What a batch like them stays at or below.
    low : float or None
        What it stays at or above, where a small value says something as well.
    """

    median: float
    high: float
    low: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a value lies within; NaN does not."""
        return value <= self.high and (self.low is None or value >= self.low)


@dataclass(frozen=True, eq=False)
class Witnesses:
    """What the published statistics take from accepted batches and from static material.

    Attributes
    ----------
    n_components, separate_blocks, residual_limit, score_limit, static_variance, reference
        See `pat.core.blocks.Constants`.
    limits : dict of str to StatisticLimit
        By the names of `pat.core.blocks.STATISTICS`.
    """

    n_components: int
    separate_blocks: int
    residual_limit: float
    score_limit: float
    static_variance: float
    reference: Reference
    limits: dict[str, StatisticLimit]

    def document(self) -> dict[str, Any]:
        """Return its numbers as plain JSON."""
        limits = {name: limit._asdict() for name, limit in self.limits.items()}
        return {name: getattr(self, name) for name in _NUMBERS} | {"limits": limits}

    def arrays(self) -> dict[str, Array]:
        """Return its spectra, by names of their own."""
        sd = {} if self.reference.sd is None else {f"{_REFERENCE}sd": self.reference.sd}
        return {f"{_REFERENCE}mean": self.reference.mean, **sd}

    def __eq__(self, other: object) -> bool:
        """Whether another holds the same numbers and spectra."""
        if not isinstance(other, Witnesses) or self.document() != other.document():
            return False
        mine, others = self.arrays(), other.arrays()
        return mine.keys() == others.keys() and all(np.array_equal(mine[name], others[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def from_plain(cls, document: Mapping[str, Any], arrays: Mapping[str, Any]) -> Witnesses:
        """Return what `document` and `arrays` said; other arrays may lie among them.

        Raises
        ------
        KeyError, TypeError, InputError
            If they do not hold together.
        """
        limits = {name: StatisticLimit(**limit) for name, limit in document["limits"].items()}
        if unknown := set(limits) - set(STATISTICS):
            raise InputError(f"expected limits of known statistics, got {', '.join(sorted(unknown))}")
        reference = Reference(arrays[f"{_REFERENCE}mean"], arrays.get(f"{_REFERENCE}sd"))
        return cls(**{name: document[name] for name in _NUMBERS}, reference=reference, limits=limits)


def constants_of(rule: Rule, t2_limit: float, q_limit: float, witnesses: Witnesses | None) -> Constants:
    """Return what the statistics need: the rule's own numbers, the limits of the method's scope, and what was learnt.

    Without the last, statistics that need it are not there.
    """
    learnt: dict[str, Any] = {}
    if witnesses is not None:
        learnt = {name: getattr(witnesses, name) for name in (*_NUMBERS, "reference")}
    return Constants(
        upper_factor=rule.upper_factor,
        repeatability=rule.repeatability,
        slope=rule.slope,
        f_quantile=rule.f_quantile,
        t2_limit=t2_limit,
        q_limit=q_limit,
        targets=np.array([rule.target]),
        **learnt,
    )
