"""The reference method's own error: what part of the scatter of predictions about reference values is its own."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from pat.core.plain import finite_numbers
from pat.core.types import Array, IntArray
from pat.errors import InputError
from pat.limits import f_quantile
from pat.validation.figures import batch_means
from pat.validation.nested import difference_interval

GUIDANCE = 1.4
"""RMSEP over SEL up to which a method is held to be as good as its reference: at root 2 both err alike."""


class SelVerdict(StrEnum):
    """What an SEL says beside the scatter that was seen."""

    SEEN = "the method's own error is seen beside the reference method's"
    NOT_TOLD_APART = "the method's own error cannot be told from zero: only its upper bound is known"
    SEL_AT_LEAST_SEP = (
        "the SEL is at least as large as the SEP: the validation measures the reference method, and shows no more of "
        "the NIR method than the upper bound"
    )
    SEL_TOO_LARGE = "the scatter is smaller than the stated SEL alone would make it: the SEL must be checked"


@dataclass(frozen=True)
class ReferenceError:
    """Errors of predictions beside the error of the reference method (analyte units).

    Attributes
    ----------
    n_batches : int
    sel : float
        Standard error of one reference value.
    sel_df : float
        Degrees of freedom that it was estimated with; infinite where it is taken as known.
    sep : float
        SD of the batches' mean errors about their mean: the reference method's error and the method's.
    sel_share : float
        What the reference values leave of the SEL in a batch mean: 1 for one value, 1 / root 2 for two.
    corrected_sep, lower, upper : float
        The method's own part, root of SEP^2 - (share of SEL)^2, with its two-sided interval; 0 where the latter is the
        larger.
    rmsep_ratio : float
        RMSEP over all spectra, over SEL.
    verdict : SelVerdict
    confidence : float
    """

    n_batches: int
    sel: float
    sel_df: float
    sep: float
    sel_share: float
    corrected_sep: float
    lower: float
    upper: float
    rmsep_ratio: float
    verdict: SelVerdict
    confidence: float

    @property
    def within_guidance(self) -> bool:
        """Whether RMSEP is at most `GUIDANCE` times SEL."""
        return self.rmsep_ratio <= GUIDANCE

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data, null where they are not finite."""
        plain = finite_numbers(asdict(self))
        return plain | {"verdict": self.verdict.value, "within_guidance": self.within_guidance, "guidance": GUIDANCE}


def reference_error(
    reference: Array, predicted: Array, batch: Any, sel: float, *, sel_df: float = math.inf, confidence: float = 0.95
) -> ReferenceError:
    r"""Set the errors of predictions beside those of the reference method.

    Parameters
    ----------
    reference, predicted : ndarray of shape (n,)
        Reference values and predictions (analyte units), all known.
    batch : array_like of shape (n,)
        Batch of each.
    sel : float
        Standard error of one reference value (analyte units).
    sel_df : float
        Degrees of freedom of its estimate; infinite by default: taken as known.
    confidence : float

    Raises
    ------
    InputError
        If the shapes differ, values are not finite, there are fewer than 3 batches, or `sel` is not positive.

    Notes
    -----
    A batch mean carries SEL / root k where the batch has k reference values; equal ones count once. The interval is
    that of a difference of variances (Ting et al. 1990), as in `pat.validation.nested`. Simulated (1500 sets of 8 or 20
    batches, own errors from 0 to 1.5 times the SEL, known or estimated with 10 degrees of freedom), that of nominal
    95 % covered 94 to 98 %.

    References
    ----------
    Faber and Kowalski, *Appl. Spectrosc.* 51 (1997) 660, on correcting the SEP for the reference's error; ISO 12099
    (2017). The ratio 1.4 is a guidance of the field, not a limit of a pharmacopoeia.
    """
    error, kept = _errors(reference, predicted, batch)
    if not (sel > 0.0 and math.isfinite(sel) and sel_df > 0.0):
        raise InputError(f"`sel` and `sel_df` must be positive, got {sel} and {sel_df}")
    n = error.size
    sep, own = float(error.std(ddof=1)), kept * sel
    low, high = difference_interval(sep**2, n - 1, own**2, sel_df, confidence)
    return ReferenceError(
        n_batches=n,
        sel=sel,
        sel_df=sel_df,
        sep=sep,
        sel_share=kept,
        corrected_sep=math.sqrt(max(sep**2 - own**2, 0.0)),
        lower=math.sqrt(low),
        upper=math.sqrt(high),
        rmsep_ratio=float(np.sqrt(np.mean((predicted - reference) ** 2))) / sel,
        verdict=_verdict(sep, own, low, own * math.sqrt(f_quantile((1.0 - confidence) / 2.0, n - 1, sel_df))),
        confidence=confidence,
    )


def _errors(reference: Array, predicted: Array, batch: Any) -> tuple[Array, float]:
    """Mean error of each batch, and by what share of the SEL the reference values disturb it (root mean square)."""
    names, codes = np.unique(np.asarray(batch), return_inverse=True)
    if not reference.shape == predicted.shape == codes.shape or reference.ndim != 1 or names.size < 3:
        raise InputError(
            "reference values, predictions and batches must have one shape (n,) and at least 3 batches, got "
            f"{reference.shape}, {predicted.shape} and {codes.shape} with {names.size}"
        )
    bad = int((~(np.isfinite(reference) & np.isfinite(predicted))).sum())
    if bad:
        raise InputError(f"reference values and predictions must be finite; {bad} of {reference.size} are not")
    return batch_means(predicted - reference, codes), math.sqrt(float(np.mean(_mean_shares(reference, codes))))


def _mean_shares(reference: Array, codes: IntArray) -> Array:
    """Variance of each batch's mean reference, for a variance of 1 of each of its distinct reference values."""
    pairs, count = np.unique(np.column_stack([codes, reference]), axis=0, return_counts=True)
    own = pairs[:, 0].astype(np.int64)
    return np.asarray(np.bincount(own, count.astype(np.float64) ** 2) / np.bincount(codes) ** 2)


def _verdict(sep: float, own: float, low: float, least: float) -> SelVerdict:
    """Judge an SEP by the SEL's part in it and by the least that the SEL alone would make it."""
    if sep < least:
        return SelVerdict.SEL_TOO_LARGE
    if own >= sep:
        return SelVerdict.SEL_AT_LEAST_SEP
    return SelVerdict.SEEN if low > 0.0 else SelVerdict.NOT_TOLD_APART
