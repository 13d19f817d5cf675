"""Parallel comparison: predictions beside thief samples or dosage units of the same blends."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pat.core.plain import finite_numbers
from pat.core.types import Array
from pat.errors import InputError
from pat.limits import f_quantile, t_quantile, t_upper_p
from pat.validation.figures import batch_means
from pat.validation.linearity import NOTHING, Estimate


@dataclass(frozen=True)
class Parallel:
    """Predictions beside another method's results (analyte units).

    Attributes
    ----------
    paired : bool
        Whether each prediction has its own result; otherwise two groups of results of one blend were compared.
    n, n_other : int
        Units of each method that the comparison rests on: pairs, or batches where they were given.
    bias : Estimate
        Mean prediction less mean result, with its two-sided 1 - 2 alpha interval, which lies within the margin exactly
        where `equivalent`.
    margin : float
        Difference that does not matter, either sign.
    equivalence_p : float
        Larger p value of the two one-sided t-tests; NaN where nothing varies.
    equivalent : bool
    alpha : float
        Chance of calling methods equivalent whose difference is the margin.
    sd, other_sd : float
    sd_ratio : Estimate
        SD of predictions over SD of results, as they are, with its 1 - 2 alpha interval.
    sel : float or None
        Standard error of one result, where it is known.
    true_sd_ratio : Estimate
        The same with that error taken out of the results' variance; NaN where it is not known or takes all of it.
    """

    paired: bool
    n: int
    n_other: int
    bias: Estimate
    margin: float
    equivalence_p: float
    equivalent: bool
    alpha: float
    sd: float
    other_sd: float
    sd_ratio: Estimate
    sel: float | None
    true_sd_ratio: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data, null where a figure cannot be had."""
        plain = finite_numbers(asdict(self))
        return plain | {name: getattr(self, name).to_dict() for name in ("bias", "sd_ratio", "true_sd_ratio")}


def compare_pairs(
    predicted: Array, other: Array, *, margin: float, batch: Any = None, sel: float | None = None, alpha: float = 0.05
) -> Parallel:
    r"""Compare predictions with results of the same portions: thief samples at the place that the sensor saw.

    Parameters
    ----------
    predicted, other : ndarray of shape (n,)
        Predictions and the other method's results (analyte units), pair by pair.
    margin : float
        Largest mean difference that does not matter (analyte units), stated beforehand.
    batch : array_like of shape (n,), optional
        Batch of each pair. With it the means of batches are the unit, of which at least 3 are needed: what is shown
        then holds for new batches. Without it pairs are, and it holds for the blend at hand.
    sel : float, optional
        Standard error of one result of the other method (of a batch's mean, where batches are the unit).
    alpha : float

    Raises
    ------
    InputError
        If the shapes differ, values are not finite, there are fewer than 3 units, or margin or alpha are impossible.

    Notes
    -----
    Two one-sided t-tests of the mean difference (Schuirmann 1987). Pairs share the true content, so their SDs are
    correlated: with r their correlation and w = s_p^2 / s_o^2, the interval of the ratio of variances is
    :math:`w (K \mp \sqrt{K^2 - 1})`, :math:`K = 1 + 2 (1 - r^2) t^2 / (n - 2)` (Pitman and Morgan, exact for the
    normal). With the error u of the results taken out, :math:`\kappa = 1 - u^2 / s_o^2`, the logarithm of the ratio of
    SDs has by the delta method the variance :math:`(1 + \kappa^{-2} - 2 r^2 / \kappa) / 2 (n - 1)`. Simulated (1500
    sets of 10 and 30 pairs, u up to the true SD), its interval of nominal 90 % covered 88 to 95 %.

    References
    ----------
    Schuirmann, *J. Pharmacokinet. Biopharm.* 15 (1987) 657; Pitman, *Biometrika* 31 (1939) 9; Morgan, *Biometrika* 31
    (1939) 13.
    """
    p, o = _units(predicted, other, batch)
    _check(p.size, o.size, margin, sel, alpha)
    difference, n = p - o, p.size
    error = float(difference.std(ddof=1)) / math.sqrt(n)
    r = float(np.corrcoef(p, o)[0, 1]) if p.std() > 0.0 and o.std() > 0.0 else math.nan
    sds = float(p.std(ddof=1)), float(o.std(ddof=1))
    t = t_quantile(1.0 - alpha, n - 2)
    k = 1.0 + 2.0 * (1.0 - r**2) * t**2 / (n - 2)
    reach = math.sqrt(k + math.sqrt(k**2 - 1.0)) if k >= 1.0 else math.nan
    w = sds[0] / sds[1] if sds[1] > 0.0 else math.nan
    ratio = Estimate(w, w / reach, w * reach) if math.isfinite(reach * w) else NOTHING
    true = _true_ratio(sds, sel, r, (n, n), t)
    return _parallel(True, (n, n), (float(difference.mean()), error, n - 1.0), margin, alpha, sds, ratio, sel, true)


def compare_groups(
    predicted: Array, other: Array, *, margin: float, sel: float | None = None, alpha: float = 0.05
) -> Parallel:
    """Compare predictions of a blend with dosage units made of it, which belong to no prediction in particular.

    Parameters
    ----------
    predicted : ndarray of shape (n,)
        Independent predictions (analyte units): neighbouring ones of a moving powder are not.
    other : ndarray of shape (m,)
        Contents of units, in the same units.
    margin, sel, alpha
        As in `compare_pairs`.

    Raises
    ------
    InputError
        As `compare_pairs`.

    Notes
    -----
    Two one-sided tests after Welch; the ratio of SDs by F. With the other method's error allowed for as in
    `compare_pairs`, r = 0. Both see powder of their own size: a unit of 250 mg varies less than a spectrum of 25 mg.

    References
    ----------
    Welch, *Biometrika* 34 (1947) 28; Schuirmann (1987).
    """
    p, o = _finite(predicted), _finite(other)
    n, m = p.size, o.size
    _check(n, m, margin, sel, alpha)
    a, b = float(p.var(ddof=1)) / n, float(o.var(ddof=1)) / m
    df = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1)) if a + b > 0.0 else float(n + m - 2)
    sds = float(p.std(ddof=1)), float(o.std(ddof=1))
    ratio = NOTHING
    if min(sds) > 0.0:
        w = sds[0] / sds[1]
        low, high = (math.sqrt(f_quantile(q, n - 1, m - 1)) for q in (alpha, 1.0 - alpha))
        ratio = Estimate(w, w / high, w / low)
    true = _true_ratio(sds, sel, 0.0, (n, m), t_quantile(1.0 - alpha, min(n, m) - 1))
    mean = float(p.mean() - o.mean())
    return _parallel(False, (n, m), (mean, math.sqrt(a + b), df), margin, alpha, sds, ratio, sel, true)


def _units(predicted: Array, other: Array, batch: Any) -> tuple[Array, Array]:
    """Pairs, or means of batches."""
    if predicted.shape != other.shape:
        raise InputError(f"pairs need as many predictions as results, got {predicted.shape} and {other.shape}")
    p, o = _finite(predicted), _finite(other)
    if batch is None:
        return p, o
    codes = np.unique(np.asarray(batch), return_inverse=True)[1]
    if codes.shape != p.shape:
        raise InputError(f"every pair needs a batch, got {codes.shape} for {p.shape}")
    return batch_means(p, codes), batch_means(o, codes)


def _finite(values: Array) -> Array:
    bad = int((~np.isfinite(values)).sum())
    if values.ndim != 1 or bad:
        raise InputError(f"results must be finite and of shape (n,), got {values.shape} with {bad} that are not finite")
    return values


def _check(n: int, m: int, margin: float, sel: float | None, alpha: float) -> None:
    if min(n, m) < 3:
        raise InputError(f"a comparison needs at least 3 units of each method, got {n} and {m}")
    if not margin > 0.0 or not 0.0 < alpha < 0.5 or (sel is not None and not sel >= 0.0):
        raise InputError(
            f"`margin` must be positive, `alpha` lie between 0 and 0.5 and `sel` be at least 0, got {margin}, {alpha} "
            f"and {sel}"
        )


def _true_ratio(
    sds: tuple[float, float], sel: float | None, r: float, n: tuple[int, int], t: float
) -> Estimate:  # fmt: skip
    """Ratio of SDs with the known error taken out of the second."""
    if sel is None or not min(sds) > 0.0 or sel >= sds[1]:
        return NOTHING
    kept = 1.0 - (sel / sds[1]) ** 2
    variance = 0.5 / (n[0] - 1) + 0.5 / ((n[1] - 1) * kept**2) - r**2 / (math.sqrt((n[0] - 1) * (n[1] - 1)) * kept)
    ratio, reach = sds[0] / (sds[1] * math.sqrt(kept)), math.exp(t * math.sqrt(variance))
    return Estimate(ratio, ratio / reach, ratio * reach)


def _parallel(
    paired: bool,
    n: tuple[int, int],
    bias: tuple[float, float, float],
    margin: float,
    alpha: float,
    sds: tuple[float, float],
    ratio: Estimate,
    sel: float | None,
    true: Estimate,
) -> Parallel:
    """Test the bias (value, standard error, degrees of freedom) and put all together."""
    value, error, df = bias
    half = t_quantile(1.0 - alpha, df) * error
    p = t_upper_p((margin - abs(value)) / error, df) if error > 0.0 else math.nan
    return Parallel(
        paired=paired,
        n=n[0],
        n_other=n[1],
        bias=Estimate(value, value - half, value + half),
        margin=margin,
        equivalence_p=p,
        equivalent=abs(value) + half < margin,
        alpha=alpha,
        sd=sds[0],
        other_sd=sds[1],
        sd_ratio=ratio,
        sel=sel,
        true_sd_ratio=true,
    )
