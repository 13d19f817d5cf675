"""How the number of components follows from cross-validated errors."""

from __future__ import annotations

import itertools

import numpy as np

from pat.core.types import Array, IntArray
from pat.errors import InputError

_ALPHA = 0.05
# Up to so many groups every combination of signs is tried; beyond, so many drawn ones.
_ALL_SIGNS = 12
_DRAWN_SIGNS = 9999


def root_mean_square(errors: Array, codes: IntArray) -> tuple[Array, Array]:
    """Root mean square of errors over spectra, and its standard error with groups as the unit.

    Parameters
    ----------
    errors : ndarray of shape (n, A)
        Errors, a column for each number of components.
    codes : ndarray of int, shape (n,)
        Group of each spectrum (a batch, or what else was left out together), 0 to B - 1.

    Returns
    -------
    rms, standard_error : ndarray of shape (A,)

    Notes
    -----
    The mean square m is a ratio of group totals. With r_b = (sum of squares of group b) - n_b m, its variance is
    B / (B - 1) * sum(r_b^2) / n^2 (Cochran, *Sampling Techniques* (1977), 6.4), and that of its root a quarter
    of this over m.
    """
    return rms_of_groups(_group_sums(errors**2, codes), np.bincount(codes))


def rms_of_groups(sums: Array, sizes: IntArray) -> tuple[Array, Array]:
    """`root_mean_square` from each group's sum of squares (B, A) and number of spectra (B,)."""
    n, n_groups = int(sizes.sum()), sizes.size
    mean_square = sums.sum(axis=0) / n
    residual = sums - sizes[:, None] * mean_square
    variance = n_groups / (n_groups - 1) * (residual**2).sum(axis=0) / n**2
    rms = np.sqrt(mean_square)
    with np.errstate(invalid="ignore", divide="ignore"):
        return rms, np.where(rms > 0.0, np.sqrt(variance) / (2.0 * rms), 0.0)


def choose_components(rmsecv: Array, standard_error: Array, rule: str) -> int:
    """Choose the number of components from RMSECV with 1, 2, ... components.

    Parameters
    ----------
    rmsecv, standard_error : ndarray of shape (A_max,)
    rule : str
        ``first_minimum``: the first local minimum. ``one_standard_error``: the fewest components whose RMSECV lies
        within one standard error of the smallest (Hastie, Tibshirani and Friedman, *The Elements of Statistical
        Learning* (2009), 7.10).

    Examples
    --------
    >>> curve = np.array([0.90, 0.42, 0.40, 0.41, 0.39])
    >>> choose_components(curve, np.full(5, 0.04), "first_minimum")
    3
    >>> choose_components(curve, np.full(5, 0.04), "one_standard_error")
    2
    """
    if rule == "first_minimum":
        rises = np.flatnonzero(np.diff(rmsecv) >= 0.0)
        return int(rises[0]) + 1 if rises.size else rmsecv.size
    best = int(np.argmin(rmsecv))
    return int(np.argmax(rmsecv <= rmsecv[best] + standard_error[best])) + 1


def components_by_rule(rule: str, errors: Array, codes: IntArray) -> int:
    """Choose the number of components from cross-validated errors.

    Parameters
    ----------
    rule : str
        ``van_der_voet`` (see `van_der_voet`), or a rule of `choose_components`.
    errors : ndarray of shape (n, A)
        Predicted less reference, a column for each number of components.
    codes : ndarray of int, shape (n,)
        Group that each spectrum was left out with, 0 to B - 1.
    """
    if rule == "van_der_voet":
        return van_der_voet(errors, codes)
    return choose_components(*root_mean_square(errors, codes), rule)


def van_der_voet(errors: Array, codes: IntArray, *, alpha: float = _ALPHA, seed: int = 0) -> int:
    """Choose the fewest components that are not significantly worse than those with the smallest RMSECV.

    Parameters
    ----------
    errors : ndarray of shape (n, A)
        Cross-validated errors, a column for each number of components.
    codes : ndarray of int, shape (n,)
        Group that each spectrum was left out with, 0 to B - 1.
    alpha : float, optional
        Level of each test.
    seed : int, optional
        Of the signs that are drawn; up to 12 groups none are, for every combination is tried.

    Returns
    -------
    int

    Raises
    ------
    InputError
        If so few groups could never show a difference at this level.

    Notes
    -----
    With the sum over a group of the differences of squared errors as its unit, the test compares the sum over groups
    with what it is when the groups' signs are turned at random: were the two models equally good, either sign would be
    as likely. Spectra of a group share their errors, so a sign of each spectrum's own would find differences that are
    not there; where each spectrum is a group of its own, this is the test as published.

    References
    ----------
    van der Voet, *Chemom. Intell. Lab. Syst.* 25 (1994) 313.
    """
    squared = _group_sums(errors**2, codes)
    n_groups = squared.shape[0]
    if 0.5**n_groups > alpha:
        raise InputError(
            f"van der Voet's test at level {alpha:g} needs at least {int(np.ceil(-np.log2(alpha)))} groups to leave "
            f"out, got {n_groups}"
        )
    best = int(np.argmin(squared.sum(axis=0)))
    difference = squared[:, :best] - squared[:, [best]]
    signs = _signs(n_groups, seed)
    # A sum is at least as large as itself, whatever the order in which it was added up.
    least = difference.sum(axis=0) - 1e-12 * np.abs(difference).sum(axis=0)
    p_values = np.mean(signs @ difference >= least, axis=0)
    return int(np.flatnonzero(np.append(p_values, 1.0) > alpha)[0]) + 1


def _signs(n_groups: int, seed: int) -> Array:
    """Signs (k, B), the first all plus: the data as they are count among what chance could have made."""
    if n_groups <= _ALL_SIGNS:
        return np.array(list(itertools.product((1.0, -1.0), repeat=n_groups)))
    drawn = np.random.default_rng(seed).choice((1.0, -1.0), (_DRAWN_SIGNS, n_groups))
    return np.vstack([np.ones(n_groups), drawn])


def _group_sums(values: Array, codes: IntArray) -> Array:
    sums = np.zeros((int(codes.max()) + 1, values.shape[1]))
    np.add.at(sums, codes, values)
    return sums
