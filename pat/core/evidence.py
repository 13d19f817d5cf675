"""The arithmetic of the end-point rule: its constants, standardised deviations, and likelihood-ratio CUSUMs.

The same functions calibrate the rule by simulation, over many blends at once, and follow one blend live.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from pat.core import blocks
from pat.core.elementwise import N, at_least, at_most, choose, ratio, sqrt
from pat.core.types import Array, IntArray
from pat.errors import InputError


@dataclass(frozen=True)
class Rule:
    """Constants of the end-point rule, as plain numbers that the artefact stores.

    Attributes
    ----------
    block_size : int
        Spectra in a moving block, n.
    target : float
        Target content (analyte units).
    max_rsd, max_mean_deviation : float
        Largest allowed RSD (% of the mean) and deviation of the mean (% of target).
    repeatability : float
        Lower confidence limit of the method's within-run standard deviation (analyte units).
    slope : float
        Lower confidence bound of the slope of predicted on true content.
    ratios : tuple of float
        Blend SD of each alternative, as a share of the limit; one CUSUM looks for each.
    weights : tuple of float
        What the log likelihood ratio of each counts: near the limit a blend gathers it slowly, and so does chance.
    threshold : float
        Weighted log likelihood ratio at which the blend counts as homogeneous.
    centre_size : int
        Preceding readings whose mean a reading is compared with.
    pocket_sd, pocket_window : float, int
        No reading may lie beyond `pocket_sd` limit SDs in the last `pocket_window` revolutions: pockets far from the
        powder, however rarely they are seen.
    quiet_sd, quiet_window, quiet_cost : float, int, int
        The same, nearer: pockets that only just bring a blend to the limit. A reading beyond `quiet_sd` does not end
        the count of revolutions, but takes `quiet_cost` of them back.
    steady_ratio, f_quantile : float
        Largest allowed upper bound of the variance ratio of adjoining blocks, and the F quantile in that bound.
    mbsd_limit : float
        Largest MBSD, from accepted batches.
    least_level_step, least_contrast_step, least_novelty, least_mbsd, least_sd : float
        Powder moves past the sensor only where a block has at least these: successive-difference SD of the raw mean and
        of the raw SD (AU), median distance of these two from the nearest of the two blocks before (AU), MBSD, and SD of
        the predictions (analyte units).
    least_contrast : float
        Raw SD (AU) of a spectrum below which hardly any powder is before the window.
    residual_drift_limit, axis_shift_limit, level_drift_limit, contrast_drift_limit : float
        Largest Q residuals of a batch's running mean spectrum (squared treated absorbance), shift of its axis (nm), and
        change of its raw level and contrast since the first block (AU): see `pat.core.endpoint.health`.
    repeat_distance : float
        Distance (treated absorbance) to the nearest spectrum of the last two blocks below which a spectrum is a repeat.
    upper_factor : float
        sqrt((n - 1) / chi2_{alpha, n-1}), for the upper bound of the block RSD.
    watch_ratios, watch_threshold : tuple of float, float
        After the end-point: blend SDs (shares of the limit) before and after de-mixing, and the log likelihood
        ratio that raises the alarm.
    watch_block_ratio : float
        After the end-point: variance of the predictions in the last block over that of the quietest block of the run
        that raises the alarm.
    watch_mean_step, watch_mean_threshold : float
        After the end-point: the two-sided CUSUM of the mean, its allowance and the sum that raises the alarm, in limit
        SDs.
    fault_run : int
        Readings in a row that make a fault of single bad ones.
    confirm_run : int
        Good readings in a row, none apart from the blend, that confirm it after the blender was stopped.
    min_revolutions, max_revolutions : int
        The end-point is declared within these alone.
    """

    block_size: int
    target: float
    max_rsd: float
    max_mean_deviation: float
    repeatability: float
    slope: float
    ratios: tuple[float, ...]
    weights: tuple[float, ...]
    threshold: float
    centre_size: int
    pocket_sd: float
    pocket_window: int
    quiet_sd: float
    quiet_window: int
    quiet_cost: int
    steady_ratio: float
    f_quantile: float
    mbsd_limit: float
    least_level_step: float
    least_contrast_step: float
    least_novelty: float
    least_mbsd: float
    least_sd: float
    least_contrast: float
    residual_drift_limit: float
    axis_shift_limit: float
    level_drift_limit: float
    contrast_drift_limit: float
    repeat_distance: float
    upper_factor: float
    watch_ratios: tuple[float, float]
    watch_threshold: float
    watch_block_ratio: float
    watch_mean_step: float
    watch_mean_threshold: float
    fault_run: int
    confirm_run: int
    min_revolutions: int
    max_revolutions: int

    def to_dict(self) -> dict[str, Any]:
        """Return the constants as plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Rule:
        """Return the rule of a plain document.

        Raises
        ------
        InputError
            If keys are missing or unknown, or a value cannot be such a constant.
        """
        expected = {f.name for f in fields(cls)}
        if set(document) != expected:
            odd = sorted(expected.symmetric_difference(document))
            raise InputError(f"end-point rule: missing or unknown keys {', '.join(odd)}")
        for f in fields(cls):
            _check_constant(f.name, str(f.type), document[f.name])
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items()}
        rule = cls(**values)
        for names, must, holds in _ranges(rule):
            if not holds:
                found = ", ".join(f"{document[name]!r}" for name in names)
                raise InputError(f"end-point rule: `{'`, `'.join(names)}` must {must}, got {found}")
        return rule


_MAY_BE_ZERO = ("max_mean_deviation", "min_revolutions", "repeatability", "least_sd")


def _check_constant(name: str, kind: str, value: Any) -> None:
    """Refuse what would stop a batch in its middle: text, NaN, a zero that something is divided by."""
    several = kind.startswith("tuple")
    numbers = (value if isinstance(value, list | tuple) else []) if several else [value]
    kinds = int if kind == "int" else int | float
    fits = [isinstance(v, kinds) and not isinstance(v, bool) and math.isfinite(v) for v in numbers]
    positive = fits and all(fits) and all(v > 0 or (v == 0 and name in _MAY_BE_ZERO) for v in numbers)
    if not positive or (name == "watch_ratios" and len(numbers) != 2):
        raise InputError(f"end-point rule: `{name}` must be a positive {kind}, got {value!r}")


def _ranges(rule: Rule) -> Iterator[tuple[tuple[str, ...], str, bool]]:
    """Name constants, say what they must do beside being positive, and whether they do."""
    lowest, highest = min(rule.ratios), max(rule.ratios)
    window = rule.centre_size + max(rule.pocket_window, rule.quiet_window)
    yield ("block_size",), "be at least 3", rule.block_size >= 3
    yield ("max_rsd",), "be below 100", rule.max_rsd < 100.0
    yield ("max_mean_deviation",), "be below 100", rule.max_mean_deviation < 100.0
    yield ("slope",), "be at most 1", rule.slope <= 1.0
    yield ("ratios",), "lie between 0 and 1", 0.0 < lowest and highest < 1.0
    yield ("ratios", "weights"), "be as many", len(rule.ratios) == len(rule.weights)
    yield ("watch_ratios",), "rise", rule.watch_ratios[0] < rule.watch_ratios[1]
    for name in ("steady_ratio", "f_quantile", "upper_factor", "watch_block_ratio"):
        yield (name,), "be above 1", getattr(rule, name) > 1.0
    yield ("quiet_sd", "pocket_sd"), "not fall", rule.quiet_sd <= rule.pocket_sd
    yield ("min_revolutions", "max_revolutions"), "rise", rule.min_revolutions < rule.max_revolutions
    names = ("centre_size", "pocket_window", "quiet_window", "max_revolutions")
    yield names, "leave room for the windows, after the first readings, in the run", window <= rule.max_revolutions


def blend_sd(rule: Rule, mean: N) -> N:
    """Return the part of the predictions' standard deviation that a blend exactly at the limit has of its own.

    It is `max_rsd` of the mean, or of the target where the mean is higher, times the slope.
    """
    return rule.slope * rule.max_rsd / 100.0 * at_most(at_least(mean, 0.0), rule.target)


def limit_sd(rule: Rule, centre: N) -> N:
    """Return the standard deviation that predictions of a blend exactly at the limit have about their mean `centre`.

    Notes
    -----
    The method's repeatability is added to the blend's own part in quadrature.
    """
    blend = blend_sd(rule, centre)
    return sqrt(blend * blend + rule.repeatability * rule.repeatability)


def standardised(rule: Rule, value: N, centre: N) -> N:
    """Deviation of a prediction from the mean of the preceding ones, in limit SDs.

    The mean of k readings has its own error, so the variance of the difference is 1 + 1/k times one reading's.
    """
    spread = limit_sd(rule, centre) * math.sqrt(1.0 + 1.0 / rule.centre_size)
    return choose(spread > 0.0, ratio(value - centre, spread), math.inf)  # type: ignore[no-any-return]


def total_ratio(rule: Rule, ratio: Array) -> Array:
    """SD of predictions of a blend at `ratio` of the limit, over that of a blend at the limit.

    The method's repeatability is part of both.
    """
    blend = blend_sd(rule, np.asarray(rule.target)) ** 2
    noise = rule.repeatability**2
    return np.asarray(np.sqrt((ratio**2 * blend + noise) / (blend + noise)))


class Gathered(NamedTuple):
    """What the rule has gathered of a blend so far.

    Attributes
    ----------
    cusum : ndarray of shape (k,)
        Evidence, one sum for each of `Rule.ratios`.
    clean, quiet : int
        Readings in a row inside `pocket_sd`, and the count of those inside `quiet_sd`.
    run : int
        Good readings in a row.
    """

    cusum: Array
    clean: int
    quiet: int
    run: int


class Cusum:
    """Log likelihood ratio of one spread of the predictions against another, restarted at zero.

    Parameters
    ----------
    before, after : ndarray of shape (k,)
        SDs of the standardised deviations under the hypothesis that is left, and the one that is looked for.
    weight : ndarray of shape (k,), or float
        What each sum counts.

    Notes
    -----
    The increment for a deviation z is ln(before / after) + z^2 (1/before^2 - 1/after^2) / 2, times the weight.

    References
    ----------
    Page, *Biometrika* 41 (1954) 100; Lorden, *Ann. Math. Statist.* 42 (1971) 1897.
    """

    def __init__(self, before: Array, after: Array, weight: Array | float = 1.0) -> None:
        self._constant = weight * np.log(before / after)
        self._gain = weight * (1.0 / before**2 - 1.0 / after**2) / 2.0
        self._constants, self._gains = np.ravel(self._constant).tolist(), np.ravel(self._gain).tolist()

    def step(self, total: Array, z: Array) -> Array:
        """Return the sums (..., k) after deviations z (...)."""
        return np.asarray(np.maximum(total + self._constant + self._gain * (z * z)[..., None], 0.0))

    def step_of_one(self, total: list[float], z: float) -> list[float]:
        """`step` of one blend, as floats, to the same bits; an array of few values costs more than the arithmetic."""
        square = z * z
        return [max(t + c + g * square, 0.0) for t, c, g in zip(total, self._constants, self._gains, strict=True)]

    def along(self, total: Array, z: Array, which: IntArray) -> Array:
        """Return where one sum of each of m series stands after every deviation z (m, n), shape (m, n).

        Parameters
        ----------
        total : ndarray of shape (k,)
            Where the sums stand before.
        z : ndarray of shape (m, n)
        which : ndarray of int, shape (m,)
            The sum that each series is followed by.

        Notes
        -----
        A sum that restarts at zero is the plain sum less its lowest value so far.
        """
        path = np.cumsum(self._constant[which, None] + self._gain[which, None] * (z * z), axis=1)
        return np.asarray(path - np.minimum.accumulate(np.minimum(path, -total[which, None]), axis=1))

    def nearest(self, variance: Array) -> IntArray:
        """Return the sum that grows fastest where deviations have a variance (m,)."""
        return np.asarray((self._constant + self._gain * variance[:, None]).argmax(axis=1))


def blend_rsd_upper(rule: Rule, values: Array) -> Array:
    """Return the upper confidence bound (%) of the blend's own RSD over blocks of predictions.

    Parameters
    ----------
    rule : Rule
    values : ndarray of shape (..., n)
        Predictions (analyte units) of blocks of `block_size` spectra.

    Notes
    -----
    See `pat.core.blocks.rsd_upper`.
    """
    return block_bound(rule, blocks.block_sd(values), blocks.block_mean(values))


def block_bound(rule: Rule, sd: N, mean: N) -> N:
    """`blend_rsd_upper` of blocks whose SDs and means (...) are known already."""
    return blocks.rsd_upper(sd, mean, rule.upper_factor, rule.repeatability, rule.slope)


def homogeneity_cusum(rule: Rule) -> Cusum:
    """Return the CUSUMs that gather evidence for a spread well below the limit, one for each of `rule.ratios`."""
    after = total_ratio(rule, np.array(rule.ratios))
    return Cusum(np.ones_like(after), after, np.array(rule.weights))


def clean_step(rule: Rule, clean: Any, size: N) -> Any:
    """Return the readings in a row inside `pocket_sd`, after ones that lie `size` limit SDs off."""
    return choose(size <= rule.pocket_sd, clean + 1, 0)


def quiet_step(rule: Rule, quiet: Any, size: N) -> Any:
    """Return the count of readings inside `quiet_sd`, after ones that lie `size` limit SDs off.

    Notes
    -----
    A CUSUM of the log likelihood ratio of so many near readings as a good blend has against so many as pockets bring,
    in units of one reading inside: one outside takes `quiet_cost` back, and the count never falls below 0.

    References
    ----------
    Reynolds and Stoumbos, *J. Qual. Technol.* 31 (1999) 87.
    """
    fallen = quiet - rule.quiet_cost
    return choose(size <= rule.quiet_sd, quiet + 1, choose(fallen > 0, fallen, 0))


def quiet_along(rule: Rule, quiet: int, size: Array) -> Array:
    """Return the counts of `quiet_step` after every one of m series of readings (m, n), from `quiet` on."""
    path = np.cumsum(np.where(size <= rule.quiet_sd, 1, -rule.quiet_cost), axis=1)
    return np.asarray(path - np.minimum.accumulate(np.minimum(path, -quiet), axis=1))


def clean_along(rule: Rule, clean: int, size: Array) -> Array:
    """Return the counts of `clean_step` after every one of m series of readings (m, n), from `clean` on."""
    turn = np.arange(1, size.shape[1] + 1)
    return np.asarray(turn - np.maximum.accumulate(np.where(size > rule.pocket_sd, turn, -clean), axis=1))


def watch_cusum(rule: Rule) -> Cusum:
    """Return the CUSUM that gathers evidence for a spread that grows after the end-point."""
    before, after = total_ratio(rule, np.array(rule.watch_ratios))
    return Cusum(np.array([before]), np.array([after]))


_SIDES = np.array([1.0, -1.0])


def two_sided_step(sums: Array, away: Array | float, allowance: float) -> Array:
    """Return the sums (..., 2) that look for a mean that rises, and one that falls, after deviations (...).

    References
    ----------
    Page, *Biometrika* 41 (1954) 100.
    """
    return np.asarray(np.maximum(sums + (np.multiply.outer(away, _SIDES) - allowance), 0.0))


def mean_watch_step(rule: Rule, sums: Array, away: Array | float) -> Array:
    """Return the two-sided CUSUM (..., 2) of the mean, upwards and downwards, after predictions (...).

    Parameters
    ----------
    rule : Rule
    sums : ndarray of shape (..., 2)
    away : ndarray of shape (...)
        Predictions less the mean at the end-point, over `limit_sd` about that mean.
    """
    return two_sided_step(sums, away, rule.watch_mean_step)


def pocket_window(revolutions: int, share: float, risk: float) -> int:
    """Revolutions without an outlying reading that rule out pockets seen with at least `share`.

    Notes
    -----
    A run of K clean readings has probability (1 - q)^K from any start; over N revolutions about N q runs start
    anew after a pocket. Hence N q (1 - q)^K = risk.
    """
    return int(np.ceil(np.log(revolutions * share / risk) / -np.log1p(-share)))
