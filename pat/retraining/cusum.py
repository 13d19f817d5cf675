"""CUSUM of the bias over batches in order, with constants computed for a stated run length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, stats

from pat.core.evidence import two_sided_step
from pat.core.types import Array
from pat.limits.factors import require

RUN_LENGTH = 100.0
"""Batches from one false alarm to the next, on average, while nothing has changed: references are a few a year."""

REFERENCE_VALUE = 0.5
"""Half the shift of the bias, in SD of a batch's error, that the CUSUM is the fastest to find: one SD."""

# Gauss-Legendre nodes; the kernel is smooth, and 40 already give ten digits.
_NODES = 64


@dataclass(frozen=True)
class BiasCusum:
    """A two-sided CUSUM of batches' errors, since a model was validated.

    Attributes
    ----------
    scores : ndarray of shape (n,)
        Each new batch's error, standardised by all batches before it: standard normal while nothing has changed.
    sums : ndarray of shape (n, 2)
        The sums that look for a bias that has risen, and for one that has fallen.
    reference_value, decision_interval, run_length : float
        k and h, in standard deviations, and the in-control average run length (batches) that h was computed for.
    """

    scores: Array
    sums: Array
    reference_value: float
    decision_interval: float
    run_length: float

    @property
    def signal(self) -> int | None:
        """Index of the first batch at which a sum lies above the decision interval; None where none does."""
        above = np.flatnonzero((self.sums > self.decision_interval).any(axis=1))
        return int(above[0]) if above.size else None


def bias_cusum(baseline: Array, errors: Array) -> BiasCusum:
    """Follow the bias of a model from its validation on.

    Parameters
    ----------
    baseline : ndarray of shape (m,)
        Mean error of each batch that the model was validated on; at least 2 that differ.
    errors : ndarray of shape (n,)
        Mean error of each new batch, in order of time.

    Raises
    ------
    InputError
        If the baseline has no spread.

    Notes
    -----
    C+ = max(0, C+ + u - k), C- = max(0, C- - u - k), and a signal where either exceeds h. The scores u are those of a
    self-starting CUSUM, because a mean and an SD from few validation batches, taken for known, would shorten the run
    length without a word: simulated with 12 validation batches, half of all false alarms came within 31 new batches,
    with 4 within 14. With the scores here it is 68 and 69, and the average 97 and 99 (4000 simulated sequences, cut at
    1500 batches).

    The price is that a change which stays teaches itself as the new normal, the more so the fewer batches came before:
    of lasting shifts by 1 SD after 12 validation batches, 45 of 100 are found within 10 new batches and 63 within 20,
    and of shifts by 2 SD, 95 and 99. After 4 validation batches it is 16 and 27, and 41 and 52.

    References
    ----------
    Page, *Biometrika* 41 (1954) 100; Hawkins and Olwell, *Cumulative Sum Charts* (1998), 7.
    """
    scores = self_starting(baseline, errors)
    sums, now = np.zeros((errors.size, 2)), np.zeros(2)
    for i, score in enumerate(scores):
        sums[i] = now = two_sided_step(now, np.asarray(score), REFERENCE_VALUE)
    return BiasCusum(scores, sums, REFERENCE_VALUE, decision_interval(REFERENCE_VALUE, RUN_LENGTH), RUN_LENGTH)


def self_starting(baseline: Array, errors: Array) -> Array:
    r"""Standardise each new value by the mean and SD of all before it, to independent standard normal scores.

    Parameters
    ----------
    baseline : ndarray of shape (m,)
    errors : ndarray of shape (n,)

    Returns
    -------
    ndarray of shape (n,)

    Notes
    -----
    With mean and SD of the j values before x, :math:`t = (x - \bar x) / (s \sqrt{1 + 1 / j})` follows Student's t with
    j - 1 degrees of freedom, independently of the ones before; :math:`u = \Phi^{-1}(F_{j-1}(t))`.

    References
    ----------
    Hawkins, *The Statistician* 36 (1987) 299.
    """
    spread = float(np.ptp(baseline)) if baseline.size else 0.0
    require(baseline.size >= 2 and spread > 0.0, f"a CUSUM starts from 2 batches that differ, got {baseline.size}")
    known, scores = baseline.tolist(), np.empty(errors.size)
    for i, error in enumerate(errors.tolist()):
        j = len(known)
        t = (error - np.mean(known)) / (np.std(known, ddof=1) * math.sqrt(1.0 + 1.0 / j))
        # By the upper tail, whose small chances have all their digits; no chance is smaller than a float can say.
        tail = max(float(stats.t.sf(abs(t), j - 1)), np.finfo(np.float64).tiny)
        scores[i] = math.copysign(float(stats.norm.isf(tail)), t)
        known.append(error)
    return scores


def average_run_length(reference_value: float, decision_interval: float, shift: float = 0.0) -> float:
    r"""Average run length of a two-sided CUSUM of independent standard normal scores, from zero.

    Parameters
    ----------
    reference_value, decision_interval : float
        k and h.
    shift : float
        Mean of the scores.

    Notes
    -----
    The run length L(s) of one side from the sum s satisfies

    .. math:: L(s) = 1 + L(0) \Phi(k - s) + \int_0^h L(x) \varphi(x + k - s) dx

    which is solved at Gauss-Legendre nodes; the two sides join by 1/L = 1/L+ + 1/L-.

    References
    ----------
    Page (1954); Van Dobben de Bruyn, *Cumulative Sum Tests* (1968).
    """
    allowances = (reference_value - shift, reference_value + shift)
    return 1.0 / sum(1.0 / _one_sided(allowance, decision_interval) for allowance in allowances)


def _one_sided(k: float, h: float) -> float:
    x, weights = np.polynomial.legendre.leggauss(_NODES)
    s, weights = np.append(0.0, h * (x + 1.0) / 2.0), np.append(0.0, h * weights / 2.0)
    moves = weights * stats.norm.pdf(s + k - s[:, None])
    moves[:, 0] += stats.norm.cdf(k - s)
    return float(np.linalg.solve(np.eye(s.size) - moves, np.ones(s.size))[0])


@lru_cache
def decision_interval(reference_value: float, run_length: float) -> float:
    """Decision interval h of a two-sided CUSUM with an in-control average run length.

    Examples
    --------
    Table 9.4 of Montgomery, *Introduction to Statistical Quality Control*, has 4.77 for 370 and k = 0.5:

    >>> round(decision_interval(0.5, 370.0), 2)
    4.77
    """
    found = optimize.brentq(lambda h: average_run_length(reference_value, h) - run_length, 0.1, 20.0)
    return float(found)
