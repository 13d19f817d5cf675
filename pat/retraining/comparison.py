"""Two models on the same independent batches: figures of merit, and whether the difference is more than chance."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from pat.core.plain import finite_or_none
from pat.core.types import Array
from pat.limits import t_quantile, t_two_sided_p
from pat.validation.figures import ALPHA, Figures, batch_means, figures_of_merit

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
    """

    champion: Figures
    challenger: Figures
    difference: float
    standard_error: float
    lower: float
    upper: float
    p_value: float

    @property
    def verdict(self) -> Verdict:
        """What the interval says of the challenger."""
        if self.upper < 0.0:
            return "better"
        return "worse" if self.lower > 0.0 else "no difference shown"

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data, null where a number cannot be had."""
        numbers = {key: finite_or_none(value) for key, value in asdict(self).items() if isinstance(value, float)}
        return {
            "verdict": self.verdict,
            "squared_error_difference": numbers,
            "champion": self.champion.to_dict(),
            "challenger": self.challenger.to_dict(),
        }


def compare(reference: Array, champion: Array, challenger: Array, batch: Any) -> Comparison:
    """Compare two models' predictions of the same spectra.

    Parameters
    ----------
    reference : ndarray of shape (n,)
        Reference values; NaN where the laboratory gave none.
    champion, challenger : ndarray of shape (n,)
        Predictions in the same units.
    batch : array_like of shape (n,)
        Batch of each spectrum.

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
    squares = (challenger[known] - y) ** 2 - (champion[known] - y) ** 2
    return Comparison(of_champion, of_challenger, *_paired(batch_means(squares, codes)))


def _paired(differences: Array) -> tuple[float, float, float, float, float]:
    """Test the batches' differences (n_batches,) against zero: mean, standard error, interval, p value."""
    n, mean = differences.size, float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    if not error > 0.0:
        return mean, math.nan, math.nan, math.nan, math.nan
    reach = t_quantile(1.0 - ALPHA / 2.0, n - 1) * error
    return mean, error, mean - reach, mean + reach, t_two_sided_p(mean / error, n - 1)
