"""What a small validation set can prove: batches needed for a criterion, and what those at hand can show."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from scipy import optimize, stats

from pat.core.types import Array
from pat.errors import InputError
from pat.limits import chi2_quantile, t_quantile

MOST = 10_000
"""Largest number of batches that is looked for."""


@dataclass(frozen=True)
class Provable:
    """What so many batches can show, at confidence 1 - alpha.

    Attributes
    ----------
    n_batches : int
    bias_detectable : float
        Smallest bias that a t-test declares with the power, in SDs of the batches' mean errors; a smaller one can pass
        unseen.
    sep_factor : float
        True SEP over its limit at or below which the upper bound of the SEP meets the limit with the power.
    refused_share : float
        Share of batches that must be refused of which at least so much is shown when every one is refused.
    alpha, power : float
    """

    n_batches: int
    bias_detectable: float
    sep_factor: float
    refused_share: float
    alpha: float
    power: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures as plain data."""
        return asdict(self)


def provable(n_batches: int, *, alpha: float = 0.05, power: float = 0.9) -> Provable:
    r"""Say what so many batches can show.

    Parameters
    ----------
    n_batches : int
    alpha, power : float

    Raises
    ------
    InputError
        For fewer than 2 batches, or shares outside 0 to 1.

    Notes
    -----
    The SEP of n batches is s, its upper bound :math:`s \sqrt{(n - 1) / \chi^2_{\alpha}}`. It meets the limit L with
    the power if the true value is at most :math:`L \sqrt{\chi^2_{\alpha} / \chi^2_{power}}`, n - 1 degrees of freedom.
    n of n refused show at least :math:`\alpha^{1 / n}`.
    """
    _check(n_batches, alpha, power)
    return Provable(
        n_batches=n_batches,
        bias_detectable=_detectable(n_batches, alpha, power),
        sep_factor=_sep_factor(n_batches, alpha, power),
        refused_share=alpha ** (1.0 / n_batches),
        alpha=alpha,
        power=power,
    )


def batches_for_sep(ratio: float, *, alpha: float = 0.05, power: float = 0.9) -> int:
    """Fewest batches for which the upper bound of the SEP meets its limit.

    Parameters
    ----------
    ratio : float
        True SEP over the limit, below 1.
    alpha, power : float

    Raises
    ------
    InputError
        If the ratio is not between 0 and 1, or so near to 1 that no number up to `MOST` will do.

    Examples
    --------
    >>> batches_for_sep(0.5), batches_for_sep(0.8)
    (12, 90)
    """
    if not 0.0 < ratio < 1.0:
        raise InputError(f"the true SEP over its limit must lie between 0 and 1, got {ratio}")
    return _fewest(lambda n: _sep_factor(n, alpha, power) >= ratio, f"an SEP of {ratio} times the limit")


def batches_for_bias(margin: float, *, bias: float = 0.0, alpha: float = 0.05, power: float = 0.9) -> int:
    """Fewest batches for which a bias is shown to lie within a margin, by two one-sided tests.

    Parameters
    ----------
    margin, bias : float
        Margin and true bias, in SDs of the batches' mean errors.
    alpha, power : float

    Raises
    ------
    InputError
        If the true bias lies outside the margin, or no number up to `MOST` will do.
    """
    if not abs(bias) < margin:
        raise InputError(f"the true bias must lie within the margin, got {bias} and {margin}")
    return _fewest(
        lambda n: equivalence_power(n, margin, bias, alpha=alpha) >= power, f"a bias of {bias} within {margin} SDs"
    )


def equivalence_power(n: int, margin: float, bias: float = 0.0, *, alpha: float = 0.05) -> float:
    r"""Chance that two one-sided t-tests show a bias to lie within a margin.

    Parameters
    ----------
    n : int
        Batches.
    margin, bias : float
        In SDs of the batches' mean errors.
    alpha : float

    Notes
    -----
    Given s, both reject when the mean lies within :math:`\pm(\delta - t s / \sqrt n)`; that chance is averaged over the
    distribution of s, by its own quantiles.

    References
    ----------
    Phillips, *J. Pharmacokinet. Biopharm.* 18 (1990) 137.
    """
    _check(n, alpha, 0.5)
    t = t_quantile(1.0 - alpha, n - 1)
    return _within(n, bias, lambda s: np.maximum(margin * math.sqrt(n) - t * s, 0.0))


def batches_for_refusals(share: float, *, alpha: float = 0.05) -> int:
    """Fewest batches that, every one refused, show that at least this share of their kind is.

    Parameters
    ----------
    share, alpha : float

    Raises
    ------
    InputError
        If they do not lie between 0 and 1.

    Examples
    --------
    >>> batches_for_refusals(0.95)  # the rule of 59
    59
    """
    if not 0.0 < share < 1.0 or not 0.0 < alpha < 1.0:
        raise InputError(f"`share` and `alpha` must lie between 0 and 1, got {share} and {alpha}")
    return math.ceil(math.log(alpha) / math.log(share) - 1e-9)


def _check(n: int, alpha: float, power: float) -> None:
    if n < 2 or not 0.0 < alpha < 1.0 or not 0.0 < power < 1.0:
        raise InputError(
            f"expected at least 2 batches, and `alpha` and `power` between 0 and 1, got {n}, {alpha} and {power}"
        )


def _sep_factor(n: int, alpha: float, power: float) -> float:
    return math.sqrt(chi2_quantile(alpha, n - 1) / chi2_quantile(power, n - 1))


def _within(n: int, bias: float, reach: Callable[[Array], Array]) -> float:
    """Chance that the mean of n values of SD 1, times root n, lies within a reach that depends on their own SD."""
    share = (np.arange(2000) + 0.5) / 2000
    far = reach(np.sqrt(stats.chi2.ppf(share, n - 1) / (n - 1)))
    centre = bias * math.sqrt(n)
    return float(np.mean(stats.norm.cdf(far - centre) - stats.norm.cdf(-far - centre)))


def _detectable(n: int, alpha: float, power: float) -> float:
    """Bias (in SDs) that a two-sided t-test of n values declares with the power."""
    t = t_quantile(1.0 - alpha / 2.0, n - 1)
    # So large a bias is missed by nobody: s is hardly ever above 4.
    most = (4.0 * t + 4.0) / math.sqrt(n)
    return float(optimize.brentq(lambda bias: 1.0 - _within(n, bias, lambda s: t * s) - power, 0.0, most))


def _fewest(enough: Callable[[int], bool], what: str) -> int:
    """Return the fewest batches from 2 on that are enough, where more are always better: by bisection."""
    low, high = 1, 2
    while not enough(high):
        low, high = high, 2 * high
        if low > MOST:
            raise InputError(f"not even {MOST} batches show {what}")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
