"""Two models on the same independent batches: figures of merit, and what their difference is and could have shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from pat.core.plain import finite_or_none
from pat.core.types import Array
from pat.method import RETRAINING_MARGIN
from pat.retraining.paired import POWERS, Detectable, NonInferiority, detectable, non_inferiority, paired_difference
from pat.validation.figures import Figures, batch_means, figures_of_merit

Verdict = Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True)
class Comparison:
    """A challenger beside a champion, judged on the same spectra.

    Attributes
    ----------
    champion, challenger : Figures
        Figures of merit of each.
    difference : float
        Mean over the batches of the challenger's mean squared error less the champion's (squared units of the
        analyte); negative where the challenger is closer to the reference.
    standard_error : float
        Of that mean; NaN where it cannot be had.
    lower, upper : float
        Two-sided 95 % confidence interval of the difference.
    p_value : float
        Of no difference: paired t-test with the batch as the unit, n_batches - 1 degrees of freedom.
    detectable : tuple of Detectable
        The smallest differences that this test would have found, with 80 % and with 90 % power.
    non_inferiority : NonInferiority
        Whether the challenger was shown to be no worse than the margin allows.
    """

    champion: Figures
    challenger: Figures
    difference: float
    standard_error: float
    lower: float
    upper: float
    p_value: float
    detectable: tuple[Detectable, ...]
    non_inferiority: NonInferiority

    @property
    def verdict(self) -> Verdict:
        """What the interval says of the challenger; what was not shown may still be, see `detectable`."""
        if self.upper < 0.0:
            return "better"
        return "worse" if self.lower > 0.0 else "no difference shown"

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data, null where a number cannot be had."""
        numbers = {key: finite_or_none(value) for key, value in asdict(self).items() if isinstance(value, float)}
        return {
            "verdict": self.verdict,
            "squared_error_difference": numbers,
            "detectable": [{key: finite_or_none(value) for key, value in asdict(d).items()} for d in self.detectable],
            "non_inferiority": self.non_inferiority.to_dict(),
            "champion": self.champion.to_dict(),
            "challenger": self.challenger.to_dict(),
        }


def compare(
    reference: Array, champion: Array, challenger: Array, batch: Any, *, margin: float = RETRAINING_MARGIN
) -> Comparison:
    """Compare two models' predictions of the same spectra.

    Parameters
    ----------
    reference : ndarray of shape (n,)
        Reference values; NaN where the laboratory gave none.
    champion, challenger : ndarray of shape (n,)
        Predictions in the same units.
    batch : array_like of shape (n,)
        Batch of each spectrum.
    margin : float
        Largest acceptable ratio of the challenger's RMSEP to the champion's, above 1.

    Raises
    ------
    InputError
        If the shapes differ, nothing has a reference value, or a prediction with one is not finite.

    Notes
    -----
    With d_b the mean over the spectra of batch b of (challenger - reference)^2 - (champion - reference)^2, the
    statistic is t = mean(d_b) / (sd(d_b) / sqrt(n_batches)). Spectra of one batch share their errors; a test over
    spectra would find differences that are not there.
    """
    of_champion, of_challenger = (figures_of_merit(reference, p, batch) for p in (champion, challenger))
    known = ~np.isnan(reference)
    y, codes = reference[known], np.unique(np.asarray(batch)[known], return_inverse=True)[1]
    before, after = (batch_means((p[known] - y) ** 2, codes) for p in (champion, challenger))
    return Comparison(
        of_champion,
        of_challenger,
        **asdict(paired_difference(after - before)),
        detectable=tuple(detectable(before, after, power) for power in POWERS),
        non_inferiority=non_inferiority(before, after, margin),
    )


def by_batch(reference: Array, champion: Array, challenger: Array, batch: Any) -> list[dict[str, Any]]:
    """Return what both models did in each batch, as plain data: for the figures, and to be computed again from.

    Parameters
    ----------
    reference, champion, challenger : ndarray of shape (n,)
        Reference values, none of them NaN, and predictions.
    batch : array_like of shape (n,)

    Returns
    -------
    list of dict
        ``batch``, ``n``, the mean ``reference`` value, and of each model the mean error and the root mean squared one.
    """
    names, codes = np.unique(np.asarray(batch), return_inverse=True)
    sizes, level = np.bincount(codes), batch_means(reference, codes)
    sides = {}
    for side, predicted in (("champion", champion), ("challenger", challenger)):
        error = predicted - reference
        sides[side] = (batch_means(error, codes), np.sqrt(batch_means(error**2, codes)))
    return [
        {
            "batch": str(name),
            "n": int(sizes[i]),
            "reference": float(level[i]),
            **{side: {"error": float(mean[i]), "rms_error": float(rms[i])} for side, (mean, rms) in sides.items()},
        }
        for i, name in enumerate(names)
    ]
