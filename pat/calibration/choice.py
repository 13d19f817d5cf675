"""Cross-validated errors: their root mean square, how well it is known, and the number of components they choose."""

from __future__ import annotations

import itertools

import numpy as np

from pat.core.types import Array, IntArray
from pat.errors import InputError
from pat.limits import t_quantile

_ALPHA = 0.05
_CONFIDENCE = 0.95
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


def rms_interval(sums: Array, sizes: IntArray) -> tuple[float, float]:
    """Interval at 95 % for the root mean square error in new groups.

    Parameters
    ----------
    sums : ndarray of shape (B,)
        Sum of squared errors of each group, which had no part in the choice of the models that predicted it.
    sizes : ndarray of int, shape (B,)
        Number of spectra of each group.

    Returns
    -------
    lower, upper : float

    Raises
    ------
    InputError
        If there are fewer than 2 groups.

    Notes
    -----
    The logarithm of the root mean square, plus and minus Student's t with B - 1 degrees of freedom times its standard
    error: a logarithm takes most of the skewness from a mean of squares (Bartlett and Kendall, *Suppl. J. R. Stat.
    Soc.* 8 (1946) 128). By the delta method that standard error is `root_mean_square`'s, relative to the root mean
    square. Few squares mostly show too little of their spread, and groups that were left out together share a model,
    which no spread between groups shows (Bates, Hastie and Tibshirani, *J. Am. Stat. Assoc.* 119 (2024) 1434). It is
    therefore never less than that of groups with one normal error each, which all their spectra share:
    sqrt(sum(n_b^2) / 2) / n, or 1 / sqrt(2 B) for groups of one size. Where spectra of a group err independently of
    each other, the interval is wider than it need be.

    Examples
    --------
    >>> lower, upper = rms_interval(np.full(12, 4.0), np.full(12, 4))
    >>> round(lower, 3), round(upper, 3)
    (0.638, 1.567)
    """
    if sizes.size < 2:
        raise InputError(f"an interval for the error in new groups needs at least 2 groups, got {sizes.size}")
    [rms], [standard_error] = rms_of_groups(sums[:, None], sizes)
    if rms == 0.0:
        return 0.0, 0.0
    least = np.sqrt((sizes**2).sum() / 2.0) / sizes.sum()
    factor = np.exp(t_quantile((1.0 + _CONFIDENCE) / 2.0, sizes.size - 1) * max(standard_error / rms, least))
    return float(rms / factor), float(rms * factor)


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


def components_in_words(n: int) -> str:
    """Say a number of components.

    Examples
    --------
    >>> components_in_words(1), components_in_words(4)
    ('1 component', '4 components')
    """
    return f"{n} component{'' if n == 1 else 's'}"


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
