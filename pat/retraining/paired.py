"""Paired statistics of two models on the same batches: the difference, what it could have found, and a margin."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy import optimize, stats

from pat.core.plain import finite_or_none
from pat.core.types import Array
from pat.limits import t_quantile, t_two_sided_p
from pat.validation.figures import ALPHA

POWERS = (0.8, 0.9)
"""Powers for which the smallest difference is said that the test would have found."""
# A ratio of mean squared errors that nobody needs a test for.
_MOST_RATIO = 1e4


@dataclass(frozen=True)
class Detectable:
    """The smallest true difference that the paired test finds with some power, at these batches and their spread.

    Attributes
    ----------
    power : float
        Chance that the test at level 0.05, two-sided, finds it.
    difference : float
        Of the mean squared errors, either sign (squared units of the analyte).
    rmsep_ratio : float
        Smallest ratio of RMSEPs that it finds where all errors of the challenger are so many times as large, so that
        their spread grows with them; infinite where it finds none, however large.
    """

    power: float
    difference: float
    rmsep_ratio: float


@dataclass(frozen=True)
class Difference:
    """Mean of the batches' differences, its 95 % interval and test; NaN where it cannot be had.

    Attributes
    ----------
    difference, standard_error, lower, upper, p_value : float
    """

    difference: float
    standard_error: float
    lower: float
    upper: float
    p_value: float


@dataclass(frozen=True)
class NonInferiority:
    """Whether the challenger was shown to be no worse than a margin allows.

    Attributes
    ----------
    margin : float
        Largest acceptable ratio of the challenger's RMSEP to the champion's.
    ratio : float
        That ratio as found, from mean squared errors over batches of equal weight.
    upper : float
        Its one-sided upper 95 % bound; infinite where the champion's errors are too uncertain to divide by.
    p_value : float
        One-sided, of a ratio at the margin or above.
    power_if_equal : float
        Chance that two equally good models would be shown so, at these batches and their spread. Where it is small, a
        verdict "not shown" says something of the number of batches, and nothing of the challenger.
    """

    margin: float
    ratio: float
    upper: float
    p_value: float
    power_if_equal: float

    @property
    def verdict(self) -> Literal["shown", "not shown"]:
        """Whether the upper bound lies below the margin; absence of evidence is never taken for it."""
        return "shown" if self.upper < self.margin else "not shown"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, null where a number cannot be had."""
        return {"verdict": self.verdict, **{key: finite_or_none(value) for key, value in asdict(self).items()}}


def paired_difference(differences: Array) -> Difference:
    """Test the batches' differences (n_batches,) against zero: Student's t with n_batches - 1 degrees of freedom."""
    n, mean, error = differences.size, float(differences.mean()), _standard_error(differences)
    if not error > 0.0:
        return Difference(mean, math.nan, math.nan, math.nan, math.nan)
    reach = t_quantile(1.0 - ALPHA / 2.0, n - 1) * error
    return Difference(mean, error, mean - reach, mean + reach, t_two_sided_p(mean / error, n - 1))


def detectable(champion: Array, challenger: Array, power: float) -> Detectable:
    r"""Find the smallest true difference that `paired_difference` finds with some power.

    Parameters
    ----------
    champion, challenger : ndarray of shape (n_batches,)
        Mean squared error of each batch, a and c.
    power : float
        At least 0.8.

    Notes
    -----
    The statistic follows a noncentral t with n - 1 degrees of freedom; the smallest difference is the noncentrality
    :math:`\lambda` with :math:`P(t'_{n-1}(\lambda) > t_{0.975, n-1})` = `power`, times the standard error that was
    found: one that all batches share, and that leaves their spread as it is. Errors that are r times as large spread
    more, too; with c scaled to the mean of a, the smallest ratio solves

    .. math:: \sqrt n (r^2 - 1) \bar a = \lambda \sqrt{r^4 s_{cc} - 2 r^2 s_{ac} + s_{aa}}

    Taking the spread for constant would promise a ratio of 1.43 where half of such challengers are missed. Either is as
    good as the spread that was found: from 12 batches it may be 0.71 to 1.70 times what it is taken for (95 %
    interval), from 4 batches 0.57 to 3.7 times.

    By simulation of errors half of whose variance the spectra of a batch share, 8 spectra a batch and 4000 campaigns:
    two equal models were called different in 3.9 of 100 campaigns of 12 batches and 3.0 of 4, for squares are not
    normal. With the true spread, a shared difference was found in 81 of 100 campaigns of 12 batches for a power of
    80 % and 89 for 90 %; errors of that ratio in 95 and 99, and in 84 and 94 of 48 batches, so that the ratio is
    stated on the safe side.

    References
    ----------
    Cohen, *Statistical Power Analysis for the Behavioral Sciences* (1988), 2.
    """
    n, error = champion.size, _standard_error(challenger - champion)
    if not (error > 0.0 and champion.any() and challenger.any()):
        return Detectable(power, math.nan, math.nan)
    away = noncentrality(n - 1, power)
    return Detectable(power, away * error, math.sqrt(_smallest_ratio(champion, challenger, away)))


def _smallest_ratio(champion: Array, challenger: Array, away: float) -> float:
    """Ratio of mean squared errors at which the statistic's noncentrality is `away`."""
    n, a = champion.size, float(champion.mean())
    (saa, sac), (_, scc) = np.cov(champion, challenger * (a / challenger.mean())).tolist()

    def lacking(ratio: float) -> float:
        spread = math.sqrt(max(ratio**2 * scc - 2.0 * ratio * sac + saa, 0.0) / n)
        return (ratio - 1.0) * a - away * spread

    if lacking(_MOST_RATIO) <= 0.0:
        return math.inf
    return float(optimize.brentq(lacking, 1.0, _MOST_RATIO))


def noncentrality(df: int, power: float) -> float:
    """Noncentrality at which a two-sided t-test of level 0.05 with `df` degrees of freedom has a power >= 0.8."""
    critical = t_quantile(1.0 - ALPHA / 2.0, df)

    def lacking(away: float) -> float:
        # The other tail is left out: from a power of 80 % on, it adds less than 1e-4 of it.
        return float(stats.nct.sf(critical, df, away)) - power

    high = 2.0
    while lacking(high) < 0.0:
        high *= 2.0
    return float(optimize.brentq(lacking, 0.0, high))


def non_inferiority(champion: Array, challenger: Array, margin: float) -> NonInferiority:
    r"""Test whether the challenger's RMSEP is less than a margin times the champion's.

    Parameters
    ----------
    champion, challenger : ndarray of shape (n_batches,)
        Mean squared error of each batch.
    margin : float
        Above 1.

    Notes
    -----
    With a and c the batches' mean squared errors and M the margin, the hypothesis that E(c) / E(a) is at least
    M^2 is rejected where the mean of c - M^2 a lies below zero by a one-sided paired t-test at level 0.05. The upper
    bound is the largest ratio that this test does not reject: with g = t^2 / n and sample (co)variances s,

    .. math:: r (\bar a^2 - g s_{aa}) = \bar a \bar c - g s_{ac} + \sqrt{(\bar a \bar c - g s_{ac})^2
        - (\bar a^2 - g s_{aa})(\bar c^2 - g s_{cc})}

    By simulation as in `detectable`, with errors exactly at a margin of 1.1: shown in 5.0 of 100 campaigns of 12
    batches and 3.5 of 4; the bound covered the true ratio in 95 of 100 of 12 and 96 of 4. Two equal models whose errors
    have nothing in common were shown so in 13 of 100 campaigns of 12 batches, where `power_if_equal` says 15 on
    average: the margin is a demand, which a dozen batches meet only where both models err alike.

    References
    ----------
    Fieller, *J. R. Stat. Soc. B* 16 (1954) 175; for the margin, ICH E9 (1998), 3.3.2.
    """
    n, beyond = champion.size, challenger - margin**2 * champion
    ratio = math.sqrt(challenger.mean() / champion.mean()) if champion.any() else math.nan
    error = _standard_error(beyond)
    if not (error > 0.0 and champion.any()):
        return NonInferiority(margin, ratio, math.nan, math.nan, math.nan)
    critical = t_quantile(1.0 - ALPHA, n - 1)
    room = (margin**2 - 1.0) * float(champion.mean()) / error
    return NonInferiority(
        margin=margin,
        ratio=ratio,
        upper=math.sqrt(_upper_ratio(champion, challenger, critical**2 / n)),
        p_value=float(stats.t.cdf(beyond.mean() / error, n - 1)),
        power_if_equal=float(stats.nct.sf(critical, n - 1, room)),
    )


def _upper_ratio(champion: Array, challenger: Array, g: float) -> float:
    """Upper end of Fieller's interval for the ratio of the means; infinite where it has none."""
    a, c = float(champion.mean()), float(challenger.mean())
    (saa, sac), (_, scc) = np.cov(champion, challenger).tolist()
    square = a * a - g * saa
    if square <= 0.0:
        return math.inf
    middle = a * c - g * sac
    return (middle + math.sqrt(max(middle**2 - square * (c * c - g * scc), 0.0))) / square


def _standard_error(values: Array) -> float:
    """Of the mean of the values (n,); NaN for one value."""
    return float(values.std(ddof=1)) / math.sqrt(values.size) if values.size > 1 else math.nan
