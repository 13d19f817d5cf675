"""Spectra of a block against a target: a model of good blends, or their mean spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pat.core.types import Array
from pat.errors import InputError


def share_outside(values: Array, limit: float) -> Array:
    """Share of the spectra of blocks (..., n) whose T2, or Q residuals, lie above their limit.

    Returns
    -------
    ndarray of shape (...)
        0 to 1; NaN where a value is NaN.

    Raises
    ------
    InputError
        If the limit is not positive.

    References
    ----------
    Jackson and Mudholkar, *Technometrics* 21 (1979) 341; Puchert et al., *Eur. J. Pharm. Biopharm.* 78 (2011) 173, for
    T2 to a model of good blends.
    """
    if not limit > 0.0:
        raise InputError(f"`limit` must be positive, got {limit}")
    share = np.add.reduce(values > limit, axis=-1) / values.shape[-1]
    return np.asarray(np.where(np.isnan(largest(values)), np.nan, share))


def largest(values: Array) -> Array:
    """Largest value of blocks (..., n), shape (...); NaN where there is one."""
    return np.asarray(np.maximum.reduce(values, axis=-1))


class Reference:
    """What the spectra of a good blend look like.

    Parameters
    ----------
    mean : array_like of shape (p,)
        Treated spectrum, the mean of good ones or a calculated mixture.
    sd : array_like of shape (p,), optional
        Sample standard deviation of good spectra, for the conformity index.

    Raises
    ------
    InputError
        If the spectrum is not finite or the same at all wavelengths, or a standard deviation is not positive.
    """

    def __init__(self, mean: ArrayLike, sd: ArrayLike | None = None) -> None:
        self.mean = np.asarray(mean, dtype=np.float64)
        self.sd = None if sd is None else np.asarray(sd, dtype=np.float64)
        if self.mean.ndim != 1 or not np.isfinite(self.mean).all() or not np.ptp(self.mean) > 0.0:
            raise InputError(f"`mean` must be a finite spectrum (p,) that varies, got shape {self.mean.shape}")
        if self.sd is not None and (self.sd.shape != self.mean.shape or not self.sd.min() > 0.0):
            raise InputError(f"`sd` must be positive, of shape {self.mean.shape}, got {self.sd.shape}")
        self.direction, self.shape_direction = direction(self.mean), direction(level(self.mean))

    def check(self, spectra: Array) -> None:
        """Refuse spectra (..., p) of another width."""
        if spectra.shape[-1:] != self.mean.shape:
            raise InputError(f"expected spectra of {self.mean.size} wavelengths, as the reference, got {spectra.shape}")


def level(spectra: Array) -> Array:
    """Spectra (..., p) less their own means."""
    return np.asarray(spectra - np.add.reduce(spectra, axis=-1, keepdims=True) / spectra.shape[-1])


def direction(spectra: Array) -> Array:
    """Spectra (..., p) over their own length; NaN for one that is zero throughout."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(spectra / np.sqrt(np.vecdot(spectra, spectra))[..., None])


def cosine_dissimilarity(spectra: Array, reference: Reference) -> Array:
    """One less the cosine of the angle between spectra (..., p) and a reference.

    Returns
    -------
    ndarray of shape (...)
        0 (the same direction) to 2; NaN for a spectrum that is zero throughout, or has a NaN.

    Raises
    ------
    InputError
        If the reference does not fit the spectra.

    Notes
    -----
    Half the squared distance of the two directions: one less a cosine near 1 would lose the digits that tell spectra
    of a blend apart.

    References
    ----------
    Cuesta Sanchez, Toft, van den Bogaert, Massart, Dive and Hailey, *Fresenius J. Anal. Chem.* 352 (1995) 771.
    """
    reference.check(spectra)
    apart = direction(spectra) - reference.direction
    return np.asarray(np.vecdot(apart, apart) / 2.0)


def correlation_dissimilarity(spectra: Array, reference: Reference) -> Array:
    """One less the correlation over the wavelengths between spectra (..., p) and a reference.

    As `cosine_dissimilarity`, each spectrum and the reference less its own mean; NaN for a flat spectrum.
    """
    reference.check(spectra)
    apart = direction(level(spectra)) - reference.shape_direction
    return np.asarray(np.vecdot(apart, apart) / 2.0)


def conformity_index(spectra: Array, reference: Reference) -> Array:
    r"""Conformity index: the largest deviation from a reference at any wavelength, in SDs of good spectra there.

    Parameters
    ----------
    spectra : ndarray of shape (..., p)
        Treated spectra.
    reference : Reference
        Mean and SD of good spectra.

    Returns
    -------
    ndarray of shape (...)
        NaN where a spectrum has one.

    Raises
    ------
    InputError
        If the reference does not fit the spectra, or has no standard deviations.

    Notes
    -----
    .. math:: \max_l \lvert x_l - \bar x_l \rvert / s_l

    References
    ----------
    Ritchie, Mark and Ciurczak, *AAPS PharmSciTech* 4 (2003) 24.
    """
    reference.check(spectra)
    if reference.sd is None:
        raise InputError("expected a reference with `sd`, got none")
    return largest(np.abs((spectra - reference.mean) / reference.sd))
