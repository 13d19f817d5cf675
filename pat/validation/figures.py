"""Figures of merit of predictions against reference values.

Spectra of one batch share its lot, its day and its errors, so every test here takes batch means as its unit:
a t-test over the spectra would call a good method biased far more often than its level says.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pat.core.plain import finite_or_none
from pat.core.types import Array, BoolArray, IntArray
from pat.errors import InputError
from pat.limits import bias_critical, t_quantile, t_two_sided_p

ALPHA = 0.05
"""Level of the tests and, one-sided, of the bounds."""


@dataclass(frozen=True)
class Line:
    """Least squares line y = intercept + slope x, with standard errors; all NaN where it cannot be had."""

    slope: float
    intercept: float
    slope_se: float
    intercept_se: float
    df: int

    def slope_p(self, expected: float) -> float:
        """Two-sided p value of the slope being `expected`."""
        return _p_value(self.slope - expected, self.slope_se, self.df)

    def intercept_p(self) -> float:
        """Two-sided p value of the intercept being zero."""
        return _p_value(self.intercept, self.intercept_se, self.df)

    def slope_lower(self, alpha: float) -> float:
        """One-sided lower 1 - `alpha` confidence bound of the slope."""
        return self.slope - t_quantile(1.0 - alpha, max(self.df, 1)) * self.slope_se


def _p_value(difference: float, error: float, df: int) -> float:
    return t_two_sided_p(difference / error, df) if error > 0.0 else math.nan


def regress(x: Array, y: Array) -> Line:
    """Fit a least squares line to points of shape (n,); it takes at least 3, and x that varies."""
    n, mean = x.size, float(x.mean())
    dx = x - mean
    sxx = float(dx @ dx)
    # Equal reference values differ by rounding once they are averaged.
    if n < 3 or sxx <= n * (1e-9 * np.abs(x).max()) ** 2:
        return Line(math.nan, math.nan, math.nan, math.nan, n - 2)
    slope = float(dx @ y) / sxx
    intercept = float(y.mean()) - slope * mean
    residual = y - intercept - slope * x
    variance = float(residual @ residual) / (n - 2)
    intercept_se = math.sqrt(variance * (1.0 / n + mean**2 / sxx))
    return Line(slope, intercept, math.sqrt(variance / sxx), intercept_se, n - 2)


@dataclass(frozen=True)
class Figures:
    """Figures of merit; errors are predicted less reference, in the units of the analyte.

    Attributes
    ----------
    n, n_batches, n_missing : int
        Spectra and batches judged, and spectra left out because they have no reference value.
    rmsep, sep, bias : float
        RMSEP^2 = bias^2 + SEP^2 (n - 1) / n, over spectra; SEP has the bias removed.
    batch_bias, bias_p, bias_critical : float
        Mean of the batches' mean errors, the p value of it being zero (t-test, n_batches - 1 degrees of
        freedom), and the size above which it is significant at level 0.05.
    slope, slope_p, intercept, intercept_p : float
        Line of *reference on predicted* through batch means (the convention of ISO 12099), with the p values
        of slope 1 and intercept 0.
    response_slope, response_slope_lower : float
        Slope of *predicted on reference* through batch means, with its one-sided lower 95 % bound: what share
        of a change in content the method shows.
    r2 : float
        1 - sum of squared errors / sum of squares of the reference values about their mean.
    rpd, rer : float
        SD and range of the reference values over SEP; of little meaning for designed levels.
    """

    n: int
    n_batches: int
    n_missing: int
    rmsep: float
    sep: float
    bias: float
    batch_bias: float
    bias_p: float
    bias_critical: float
    slope: float
    slope_p: float
    intercept: float
    intercept_p: float
    response_slope: float
    response_slope_lower: float
    r2: float
    rpd: float
    rer: float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data, null where a figure cannot be had."""
        return {key: finite_or_none(value) for key, value in asdict(self).items()}


def figures_of_merit(reference: Array, predicted: Array, batch: Any) -> Figures:
    """Judge predictions against reference values.

    Parameters
    ----------
    reference : ndarray of shape (n,)
        Reference values; NaN where the laboratory gave none.
    predicted : ndarray of shape (n,)
        Predictions, in the same units.
    batch : array_like of shape (n,)
        Batch of each spectrum: names or integer codes.

    Returns
    -------
    Figures
        NaN for what so few spectra, batches or levels cannot give.

    Raises
    ------
    InputError
        If the shapes differ, nothing has a reference value, or a prediction with one is not finite.

    References
    ----------
    ISO 12099 (2017) for bias, SEP, slope and their tests, with batch means in place of single samples.
    """
    known = _checked(reference, predicted, np.asarray(batch))
    y, p = reference[known], predicted[known]
    codes = np.unique(np.asarray(batch)[known], return_inverse=True)[1]
    error, spread = p - y, y - y.mean()
    squares, sep = float(error @ error), _sd(error)
    mean_y, mean_p = batch_means(y, codes), batch_means(p, codes)
    line, response = regress(mean_p, mean_y), regress(mean_y, mean_p)
    return Figures(
        n=y.size,
        n_batches=mean_y.size,
        n_missing=int((~known).sum()),
        rmsep=math.sqrt(squares / y.size),
        sep=sep,
        bias=float(error.mean()),
        **_bias_test(mean_p - mean_y),
        slope=line.slope,
        slope_p=line.slope_p(1.0),
        intercept=line.intercept,
        intercept_p=line.intercept_p(),
        response_slope=response.slope,
        response_slope_lower=response.slope_lower(ALPHA),
        r2=1.0 - _ratio(squares, float(spread @ spread)),
        rpd=_ratio(_sd(y), sep),
        rer=_ratio(float(np.ptp(y)), sep),
    )


def _checked(reference: Array, predicted: Array, batch: np.ndarray[Any, Any]) -> BoolArray:
    if not reference.shape == predicted.shape == batch.shape or reference.ndim != 1:
        raise InputError(
            "reference values, predictions and batches must have one shape (n,), got "
            f"{reference.shape}, {predicted.shape} and {batch.shape}"
        )
    known = ~np.isnan(reference)
    if not known.any():
        raise InputError(f"none of the {reference.size} spectra has a reference value")
    bad = np.flatnonzero(known & ~np.isfinite(predicted))
    if bad.size:
        raise InputError(f"{bad.size} predictions are not finite, the first in row {bad[0]}")
    return known


def batch_means(values: Array, codes: IntArray) -> Array:
    """Mean of the values (n,) of each batch, in the order of the integer codes (n,)."""
    return np.asarray(np.bincount(codes, weights=values) / np.bincount(codes))


def _sd(values: Array) -> float:
    return float(values.std(ddof=1)) if values.size > 1 else math.nan


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0.0 else math.nan


def _bias_test(errors: Array) -> dict[str, float]:
    """Student's t-test of the batches' mean errors (n_batches,) against zero."""
    mean, sd, n = float(errors.mean()), _sd(errors), errors.size
    if not sd > 0.0:
        return {"batch_bias": mean, "bias_p": math.nan, "bias_critical": math.nan}
    p_value = t_two_sided_p(mean / (sd / math.sqrt(n)), n - 1)
    return {"batch_bias": mean, "bias_p": p_value, "bias_critical": bias_critical(n, ALPHA) * sd}


@dataclass(frozen=True)
class WithinStrength:
    """What a method knows within a strength, where the label of the strength says nothing.

    Attributes
    ----------
    sep : float
        Standard deviation of the errors about the mean error of their strength.
    bias : dict of str to float
        Mean error of each strength.
    baseline_rmsep : float
        RMSEP of a guess that knows only the mean reference value of each strength in the calibration set.
    """

    sep: float
    bias: dict[str, float]
    baseline_rmsep: float


def within_strength(
    reference: Array, predicted: Array, strength: Any, calibration_reference: Array, calibration_strength: Any
) -> WithinStrength:
    """Judge predictions within each strength, beside the guess that knows only the strengths.

    Parameters
    ----------
    reference, predicted : ndarray of shape (n,)
        Reference values and predictions of the validation set.
    strength : array_like of shape (n,)
        Label of each sample's strength.
    calibration_reference : ndarray of shape (m,)
        Reference values of the calibration set.
    calibration_strength : array_like of shape (m,)
        Labels of their strengths.

    Raises
    ------
    InputError
        If a strength does not occur in the calibration set, or no strength has two samples.
    """
    names, codes = np.unique(np.asarray(strength), return_inverse=True)
    known, known_codes = np.unique(np.asarray(calibration_strength), return_inverse=True)
    if not np.isin(names, known).all() or names.size == codes.size:
        raise InputError(
            f"strengths must repeat and occur in the calibration set ({', '.join(map(str, known))}), "
            f"got {', '.join(map(str, names))} for {codes.size} samples"
        )
    error = predicted - reference
    bias = batch_means(error, codes)
    within = error - bias[codes]
    guess = batch_means(calibration_reference, known_codes)[np.searchsorted(known, names)][codes]
    return WithinStrength(
        sep=math.sqrt(float(within @ within) / (codes.size - names.size)),
        bias=dict(zip(map(str, names), bias.tolist(), strict=True)),
        baseline_rmsep=math.sqrt(float(np.mean((guess - reference) ** 2))),
    )
