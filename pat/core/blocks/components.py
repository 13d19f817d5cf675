"""Principal components of a block's spectra: caterpillar and distances of scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from pat.core.blocks.predictions import block_sd
from pat.core.types import Array
from pat.errors import InputError

# Components whose variance is a smaller share of the largest are rounding error.
_RESOLVED = 1e-10


@dataclass(frozen=True)
class Components:
    """Principal components of blocks of n spectra, centred on their own means.

    Attributes
    ----------
    eigenvalues : ndarray of shape (..., n)
        Sums of squared scores, ascending.
    vectors : ndarray of shape (..., n, n)
        In columns, the scores' directions; scores are a column times the root of its eigenvalue.
    row_means : ndarray of shape (..., n)
        Mean squared distance of each spectrum to those of its block.
    """

    eigenvalues: Array
    vectors: Array
    row_means: Array


def principal_components(squared: Array) -> Components:
    r"""Principal components of blocks from the squared distances between their spectra.

    Parameters
    ----------
    squared : ndarray of shape (..., n, n)
        See `pat.core.blocks.within`.

    Returns
    -------
    Components
        NaN where a distance is.

    Notes
    -----
    With J = I - 11'/n, the centred spectra X have XX' = -J D J / 2 (Torgerson, *Psychometrika* 17 (1952) 401), whose
    eigenvectors are the scores' directions: n x n in place of p x p, and no spectrum is looked at again.
    """
    row_means = np.add.reduce(squared, axis=-1) / squared.shape[-1]
    centring = _centring(squared.shape[-1])
    gram = centring @ squared @ (-0.5 * centring)
    finite = np.isfinite(np.add.reduce(row_means, axis=-1))
    if finite.all():
        values, vectors = np.linalg.eigh(gram)
    else:
        values, vectors = np.full(row_means.shape, np.nan), np.full(gram.shape, np.nan)
        values[finite], vectors[finite] = np.linalg.eigh(gram[finite])
    return Components(values, vectors, row_means)


@cache
def _centring(n: int) -> Array:
    """J = I - 11'/n, which takes the mean off."""
    return np.asarray(np.eye(n) - 1.0 / n)


def caterpillar(
    rear: Components, between: Array, n_components: int, residual_limit: float, score_limit: float
) -> Array:
    r"""Caterpillar statistic: share of the front block's spectra that do not fit a PCA of the rear block.

    Parameters
    ----------
    rear : Components
        Of the rear blocks, of n spectra.
    between : ndarray of shape (..., m, n)
        Squared distances from the m spectra of the front block to those of the rear.
    n_components : int
        Components A of the PCA.
    residual_limit : float
        Largest ratio of residual variances: the quantile of F with 1 and n - A - 1 degrees of freedom.
    score_limit : float
        Largest Hotelling's T2 of a new spectrum; see `pat.limits.hotelling_t2_limit` for n spectra.

    Returns
    -------
    ndarray of shape (...)
        0 to 1; NaN where a distance is, or where the rear block has no more than A components above rounding error.

    Raises
    ------
    InputError
        For components that leave no residuals, or limits that are not positive.

    Notes
    -----
    A spectrum with scores t and squared residuals Q is outside where Q (n - A - 1) / (squared residuals of the rear)
    exceeds the one limit, or the sum of squared scores over their variances in the rear exceeds the other.

    References
    ----------
    Flaten, Belchamber, Collins and Walmsley, *Anal. Chim. Acta* 544 (2005) 280; scores of a new row from its distances,
    Gower, *Biometrika* 55 (1968) 582.
    """
    n = rear.eigenvalues.shape[-1]
    if not (1 <= n_components <= n - 2 and residual_limit > 0.0 and score_limit > 0.0):
        raise InputError(
            f"`n_components` must be from 1 to n - 2 = {n - 2} and both limits positive, "
            f"got {n_components}, {residual_limit} and {score_limit}"
        )
    kept = _kept(rear, n_components)
    rest = np.add.reduce(rear.eigenvalues[..., :-n_components], axis=-1)
    scores, distance = _projected(rear, between, n_components, kept)
    squares = scores * scores
    residual = distance - np.add.reduce(squares, axis=-1)
    t2 = np.add.reduce(squares / kept[..., None, :], axis=-1)
    outside = (residual > (residual_limit / (n - n_components - 1) * rest)[..., None]) | (t2 > score_limit / (n - 1))
    share = np.add.reduce(outside, axis=-1) / between.shape[-2]
    # A comparison with NaN, of a spectrum or of components that there are not, is False.
    known = (rest > _RESOLVED * kept[..., -1]) & np.isfinite(np.add.reduce(distance, axis=-1))
    return np.asarray(np.where(known, share, np.nan))


def _kept(block: Components, n_components: int) -> Array:
    """Return the largest eigenvalues (..., A), ascending; NaN unless all of them are above rounding error."""
    kept = block.eigenvalues[..., -n_components:]
    resolved = (kept[..., :1] > _RESOLVED * kept[..., -1:]) & (kept[..., -1:] > 0.0)
    return np.where(resolved, kept, np.nan)


def _projected(rear: Components, between: Array, n_components: int, kept: Array) -> tuple[Array, Array]:
    """Scores (..., m, A) of other spectra in a block's components, and their squared distances (..., m) to its mean."""
    n = rear.row_means.shape[-1]
    # The directions are orthogonal to a vector of ones: what is the same for a whole row of products drops out.
    products = (between - rear.row_means[..., None, :]) @ rear.vectors[..., -n_components:]
    distance = (np.add.reduce(between, axis=-1) - 0.5 * np.add.reduce(rear.row_means, axis=-1)[..., None]) / n
    return np.asarray(products * (-0.5 / np.sqrt(kept))[..., None, :]), np.asarray(distance)


def pc_sda(block: Components, n_components: int) -> Array:
    r"""Principal component score distance analysis: the SD of the steps from each spectrum's scores to the next's.

    Parameters
    ----------
    block : Components
        Of blocks of n spectra.
    n_components : int
        Components A.

    Returns
    -------
    ndarray of shape (...)
        In units of the treated spectra; NaN where a spectrum has one, or where the block has fewer than A components
        above rounding error.

    Raises
    ------
    InputError
        If `n_components` is not from 1 to n - 1, or a block has fewer than 3 spectra.

    Notes
    -----
    With scores t_i of the n spectra, the sample SD (n - 2) of their n - 1 distances d_i = |t_{i+1} - t_i|. The
    components are those of the block itself: while a blend is being followed, those of the whole run are not known.

    References
    ----------
    Puchert, Holzhauer, Menezes, Lochmann and Reich, *Eur. J. Pharm. Biopharm.* 78 (2011) 173.
    """
    n = block.eigenvalues.shape[-1]
    if n < 3 or not 1 <= n_components <= n - 1:
        raise InputError(
            f"expected a block of at least 3 spectra and `n_components` from 1 to n - 1 = {n - 1}, "
            f"got {n} and {n_components}"
        )
    scores = block.vectors[..., -n_components:] * np.sqrt(_kept(block, n_components))[..., None, :]
    steps = scores[..., 1:, :] - scores[..., :-1, :]
    return block_sd(np.sqrt(np.vecdot(steps, steps)))
