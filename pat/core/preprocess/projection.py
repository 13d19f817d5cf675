"""Corrections that learn directions from spectra: external parameter orthogonalisation (EPO) and OSC."""

from __future__ import annotations

from typing import Any

import numpy as np

from pat.core.preprocess.products import product
from pat.core.preprocess.scatter import as_spectra
from pat.core.types import Array
from pat.errors import InputError

# A direction with less than this share of the first one's size is rounding.
_ROUNDING = 1e-10


def epo_directions(spectra: Any, n_components: int, n_wavelengths: int) -> Array:
    """Directions that external parameter orthogonalisation takes out of spectra.

    Parameters
    ----------
    spectra : array_like of shape (k, p)
        Difference spectra: what a disturbance, such as moisture, temperature or another instrument, does to spectra
        of the same sample. Treated as the spectra are up to this step.
    n_components : int
        Directions to take out.
    n_wavelengths : int
        p.

    Returns
    -------
    ndarray of shape (p, n_components)
        Orthonormal columns V; the correction is x - V V' x.

    Raises
    ------
    InputError
        If the spectra do not fit, or hold fewer directions.

    References
    ----------
    Roger, Chauchard and Bellon-Maurel, *Chemom. Intell. Lab. Syst.* 66 (2003) 191.
    """
    found = as_spectra("spectra", spectra, n_wavelengths)
    _, size, directions = np.linalg.svd(found, full_matrices=False)
    most = int((size > _ROUNDING * size[0]).sum()) if size[0] > 0.0 else 0
    if not 1 <= n_components <= min(most, n_wavelengths - 1):
        raise InputError(f"EPO `n_components` must be from 1 to the {most} that its spectra hold, got {n_components}")
    return directions[:n_components].T.copy()


def osc_directions(xx: Array, xy: Array, n_components: int) -> tuple[Array, Array]:
    """Weights and loadings of orthogonal signal correction, from moments.

    Parameters
    ----------
    xx : ndarray of shape (p, p)
        X'X of centred spectra.
    xy : ndarray of shape (p,)
        X'y with centred reference values.
    n_components : int
        Directions to take out.

    Returns
    -------
    weights, loadings : ndarray of shape (p, n_components)
        W and P; the correction is x - P W'(x - mean).

    Raises
    ------
    InputError
        If the spectra do not vary with the reference, or hold fewer directions that do not.

    Notes
    -----
    Among scores X w that are uncorrelated with y, those of most variance: W are the first eigenvectors of M X'X M,
    where M projects on what is orthogonal to X'y.

    References
    ----------
    Fearn, *Chemom. Intell. Lab. Syst.* 50 (2000) 47.
    """
    size = float(np.linalg.norm(xy))
    if not size > 0.0:
        raise InputError("OSC needs spectra that vary with the reference values, got none that do")
    unit = xy / size
    left = xx - np.outer(unit, unit @ xx)
    left = left - np.outer(left @ unit, unit)
    variance, vectors = np.linalg.eigh((left + left.T) / 2.0)
    most = int((variance > _ROUNDING * variance[-1]).sum()) if variance[-1] > 0.0 else 0
    if not 1 <= n_components <= most:
        raise InputError(
            f"OSC `n_components` must be from 1 to the {most} directions that do not vary with the reference values, "
            f"got {n_components}"
        )
    weights = vectors[:, ::-1][:, :n_components]
    return weights.copy(), (xx @ weights) / variance[::-1][:n_components]


def removed(x: Array, mean: Array | None, weights: Array, loadings: Array) -> Array:
    """Spectra (n, p) less P W'(x - mean), with weights W and loadings P of shape (p, k)."""
    scores = product(x if mean is None else x - mean, weights)
    return np.asarray(x - product(scores, loadings.T))
