"""The part of a spectrum that belongs to the analyte alone, and the least content that can be told from none."""

from __future__ import annotations

import math

import numpy as np

from pat.core.types import Array, IntArray
from pat.core.variance import variance_components
from pat.errors import InputError

# Twice the 95 % point of the normal (1.645), rounded as the convention has it: 5 % false alarms and 5 % misses.
_BOTH_ERRORS = 3.3


def net_analyte_signal(centred: Array, coefficients: Array) -> Array:
    """Net analyte signal: the part of treated spectra that nothing but the analyte makes.

    Parameters
    ----------
    centred : ndarray of shape (n, p)
        Treated spectra less the model's mean (or a blank's spectrum).
    coefficients : ndarray of shape (p,)
        Regression vector b.

    Returns
    -------
    ndarray of shape (n, p)
        In units of the treated spectra: the projection of each spectrum on b. Its length over that of the spectrum is
        the selectivity; its length over the sensitivity is the content.

    References
    ----------
    Lorber, *Anal. Chem.* 58 (1986) 1167; for inverse calibration Ferre, Brown and Rius, *J. Chemometrics* 15 (2001)
    537.
    """
    return np.asarray(np.outer(centred @ coefficients / (coefficients @ coefficients), coefficients))


def sensitivity(coefficients: Array) -> float:
    """Sensitivity: net analyte signal (treated absorbance) of one unit of content, 1 / |b|.

    References
    ----------
    Olivieri et al., *Pure Appl. Chem.* 78 (2006) 633 (IUPAC technical report).
    """
    return 1.0 / float(np.linalg.norm(coefficients))


def prediction_noise(treated: Array, codes: IntArray, coefficients: Array) -> float:
    """Estimate from repeat readings the standard deviation (content units) that spectral noise gives a prediction.

    Parameters
    ----------
    treated : ndarray of shape (n, p)
        Treated spectra of samples read again and again.
    codes : ndarray of int, shape (n,)
        Sample of each spectrum, 0 to S - 1.
    coefficients : ndarray of shape (p,)
        Regression vector b.

    Returns
    -------
    float
        The root of b'Sb, S being the covariance within samples. With independent noise of equal size it is the noise
        over the sensitivity; treatment makes neighbours alike, and then it is not.

    Raises
    ------
    InputError
        If there are fewer than 2 samples, or no sample was read twice.
    """
    found = variance_components(treated @ coefficients, codes)
    if found.df_within == 0:
        raise InputError("noise needs a sample that was read at least twice, got none")
    return math.sqrt(found.within)


def detection_limits(
    leverage: Array, fitted: Array, y_mean: float, noise: float, reference_sd: float
) -> tuple[float, float]:
    """Interval of the limit of detection: over the backgrounds that occur in the calibration.

    Parameters
    ----------
    leverage : ndarray of shape (n,)
        Leverages of the calibration spectra.
    fitted : ndarray of shape (n,)
        Their fitted contents.
    y_mean : float
        Mean content of the calibration.
    noise : float
        Standard deviation of a prediction by spectral noise alone; see `prediction_noise`.
    reference_sd : float
        Standard deviation of the error of one reference value. Both in the units of the content.

    Returns
    -------
    lowest, highest : float
        For the blank nearest to the calibration, and for the farthest background among its spectra.

    Raises
    ------
    InputError
        If the shapes differ or the fitted contents do not vary.

    Notes
    -----
    Leverage falls into a part of the content and one of the background: h = 1/n + (y - m)^2 / SS + background, where m
    is the mean content and SS the sum of squares of the fitted contents y about it. A blank of the same background has
    h_0 = h + (m^2 - (y - m)^2) / SS; the least is 1/n + m^2 / SS. The limit is 3.3 times the root of
    noise^2 (1 + h_0) + reference_sd^2 h_0. Far below the calibrated range it is an extrapolation that no data support.

    References
    ----------
    Allegrini and Olivieri, *Anal. Chem.* 86 (2014) 7858.
    """
    if leverage.shape != fitted.shape:
        raise InputError(f"leverages and fitted contents must have one shape, got {leverage.shape} and {fitted.shape}")
    deviation = fitted - y_mean
    squares = float(deviation @ deviation)
    if not squares > 0.0:
        raise InputError("a limit of detection needs calibration contents that vary")
    least = 1.0 / fitted.size + y_mean**2 / squares
    most = float((leverage + (y_mean**2 - deviation**2) / squares).max())
    return _limit(least, noise, reference_sd), _limit(max(least, most), noise, reference_sd)


def _limit(blank_leverage: float, noise: float, reference_sd: float) -> float:
    return _BOTH_ERRORS * math.sqrt(noise**2 * (1.0 + blank_leverage) + reference_sd**2 * blank_leverage)
