"""Specificity: what must be refused is refused, and how often what is good is refused with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pat.core.types import BoolArray
from pat.errors import InputError
from pat.limits import binomial_interval


@dataclass(frozen=True)
class RefusalRate:
    """How often spectra of one kind were refused.

    Attributes
    ----------
    kind : str
        What they are of: placebo, a wrong strength, another product, ...; or the product itself.
    simulated : bool
        Whether the spectra are simulated: then they show what the method would do with such spectra, not that such a
        powder has them.
    n, refused : int
        Spectra, and how many of them were refused.
    rate, lower, upper : float
        Share refused with its two-sided interval. It holds for spectra of these batches; spectra of one batch share its
        lot and day.
    n_batches, refused_batches : int
        Batches, and those of which every spectrum was refused.
    least_batch_rate : float
        Share refused of the batch that was refused least.
    batch_lower, batch_upper : float
        Interval of the share of batches that are wholly refused: what is shown of new batches.
    by_cause : dict of str to int
        How many spectra each cause refused; one spectrum may have several.
    confidence : float
    """

    kind: str
    simulated: bool
    n: int
    refused: int
    rate: float
    lower: float
    upper: float
    n_batches: int
    refused_batches: int
    least_batch_rate: float
    batch_lower: float
    batch_upper: float
    by_cause: dict[str, int]
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Return the rate as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Specificity:
    """Refusals of what must be refused, and of what must not.

    Attributes
    ----------
    challenges : tuple of RefusalRate
        One for each kind that must be refused, by name.
    good : RefusalRate or None
        Of spectra of the product; None where none were given: then nothing shows that the method accepts anything.
    """

    challenges: tuple[RefusalRate, ...]
    good: RefusalRate | None

    @property
    def worst(self) -> RefusalRate:
        """The kind that was refused least."""
        return min(self.challenges, key=lambda challenge: challenge.rate)

    def to_dict(self) -> dict[str, Any]:
        """Return the specificity as plain data."""
        return {
            "challenges": [challenge.to_dict() for challenge in self.challenges],
            "good": None if self.good is None else self.good.to_dict(),
            "worst": self.worst.kind,
        }


def refusal_rate(
    kind: str,
    in_scope: BoolArray,
    batch: Any,
    *,
    causes: Mapping[str, BoolArray] | None = None,
    simulated: bool = False,
    confidence: float = 0.95,
) -> RefusalRate:
    """Count the refusals of spectra of one kind.

    Parameters
    ----------
    kind : str
    in_scope : ndarray of bool, shape (n,)
        Whether the scorer accepted each spectrum.
    batch : array_like of shape (n,)
        Batch of each.
    causes : mapping of str to ndarray of bool, shape (n,), optional
        Of each cause (``hotelling_t2``, ``q_residuals``, ``range``) which spectra it refused.
    simulated : bool
    confidence : float

    Raises
    ------
    InputError
        If there are no spectra or the shapes differ.

    References
    ----------
    Clopper and Pearson, *Biometrika* 26 (1934) 404.
    """
    names, codes = np.unique(np.asarray(batch), return_inverse=True)
    given = {"batch": codes, **(causes or {})}
    wrong = {name: rows.shape for name, rows in given.items() if rows.shape != in_scope.shape}
    if wrong or in_scope.ndim != 1 or not in_scope.size:
        raise InputError(f"{kind}: expected one batch and cause for each spectrum, got {in_scope.shape} and {wrong}")
    refused = ~in_scope.astype(np.bool_)
    of_batch = np.bincount(codes, refused.astype(np.float64)) / np.bincount(codes)
    count, wholly = int(refused.sum()), int((of_batch == 1.0).sum())
    lower, upper = binomial_interval(count, refused.size, confidence)
    batch_lower, batch_upper = binomial_interval(wholly, names.size, confidence)
    return RefusalRate(
        kind=kind,
        simulated=simulated,
        n=refused.size,
        refused=count,
        rate=count / refused.size,
        lower=lower,
        upper=upper,
        n_batches=names.size,
        refused_batches=wholly,
        least_batch_rate=float(of_batch.min()),
        batch_lower=batch_lower,
        batch_upper=batch_upper,
        by_cause={name: int(rows.sum()) for name, rows in (causes or {}).items()},
        confidence=confidence,
    )


def specificity(
    kind: Any,
    in_scope: BoolArray,
    batch: Any,
    *,
    good: tuple[BoolArray, Any] | None = None,
    causes: Mapping[str, BoolArray] | None = None,
    simulated: bool = False,
    confidence: float = 0.95,
) -> Specificity:
    """Judge by kind how often spectra that must be refused are refused.

    Parameters
    ----------
    kind : array_like of str, shape (n,)
        What each spectrum is of.
    in_scope, batch, causes, simulated, confidence
        As in `refusal_rate`.
    good : tuple of (in_scope, batch), optional
        Of validation spectra of the product, which must be accepted; their refusals are false.

    Raises
    ------
    InputError
        As `refusal_rate`.
    """
    labels, batches = np.asarray(kind), np.asarray(batch)
    if not labels.shape == batches.shape == in_scope.shape or not labels.size:
        raise InputError(
            f"kinds, batches and verdicts must have one shape (n,), got {labels.shape}, {batches.shape} and "
            f"{in_scope.shape}"
        )

    def of_kind(name: Any) -> RefusalRate:
        rows = labels == name
        own = {cause: refused[rows] for cause, refused in (causes or {}).items()}
        return refusal_rate(
            str(name), in_scope[rows], batches[rows], causes=own, simulated=simulated, confidence=confidence
        )

    accepted = None if good is None else refusal_rate("product", *good, simulated=simulated, confidence=confidence)
    return Specificity(tuple(of_kind(name) for name in np.unique(labels)), accepted)
