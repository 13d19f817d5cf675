"""What the end-point rule promises, in numbers: the chance of a false end-point by kind of blend, and the mean."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from pat.calibration import Calibration
from pat.core.evidence import Rule, limit_sd
from pat.errors import Refusal
from pat.homogeneity.health import COVERAGE
from pat.homogeneity.plateau import LEAST_BLEND_SHARE, Plateau, Repeatability
from pat.homogeneity.risk import SteadyBlend, blends_for, false_endpoint_risk
from pat.homogeneity.scrutiny import propose_block_size, spectra_per_dose
from pat.limits import t_quantile
from pat.method import HomogeneityRules
from pat.validation.figures import batch_means

# Autocorrelations at which the claim says what the risk would be.
_SHOWN_PHI = (0.0, 0.3, 0.6)
_SHOWN_POCKET_PHI = 0.3
# SDs of the powder between pockets, as shares of the limit. In quieter powder near pockets stand out, in one that is
# less quiet they are nearer still and the spread tells; the chance is highest about the second, or, where it is small,
# the third.
_POWDERS = (0.0, 0.45, 0.6)
# Blends nearer to the limit than this share of it need blocks longer than any run.
_LARGEST_RATIO = 0.95
BOUND_ALPHA = 0.05
"""One minus the confidence of the upper bound of a block's SD."""
# One-sided normal quantile at 0.99.
_SEEN = 2.3263
# Smaller pockets than the smallest one that is registered, as shares of it: outside the claim, and shown.
_SMALLER = (2.0 / 3.0, 1.0 / 3.0)


def pocket_blends(phi: float, share: float, pocket_phi: float = 0.0) -> Iterator[SteadyBlend]:
    """Every kind of blend that pockets seen with a share bring exactly to the limit.

    Parameters
    ----------
    phi : float
        Autocorrelation of the powder between the pockets.
    share, pocket_phi : float
        Share of the readings that see a pocket, and its autocorrelation.

    Notes
    -----
    The powder between the pockets does not vary at all, or by about as much as hides them best. The pockets are of both
    signs, or all poorer than the powder; where all are richer the limit, a share of the mean, is a little tighter, and
    the chance a little smaller.
    """
    for side in (-1, 0):
        for powder in _POWDERS:
            yield SteadyBlend(powder, phi, share, side, pocket_phi)


def guarded_shares(smallest: float) -> list[float]:
    """Shares of pockets, from the smallest one that is registered, that the guard is made for."""
    return sorted({min(0.5, smallest * factor) for factor in (1.0, 1.4, 2.0)})


def pocket_seen(rule: Rule, noise: Repeatability, plateau: Plateau) -> float:
    """Distance (% of target) from the powder about it at which a pocket is seen by the farther guard 99 times in 100.

    The reading of the pocket has the method's noise and the spread of accepted blends.
    """
    spread = _SEEN * math.hypot(noise.sd, plateau.blend_sd_upper)
    least = rule.pocket_sd * float(limit_sd(rule, np.asarray(rule.target))) + spread
    return 100.0 * least * math.sqrt(1.0 + 1.0 / rule.centre_size) / (rule.target * rule.slope)


def mean_refused(calibration: Calibration, rule: Rule, noise: Repeatability, plateau: Plateau, risk: float) -> float:
    """Deviation of the true mean (% of target) that keeps a blend from being called uniform with at least 1 - `risk`.

    Notes
    -----
    The mean of predictions has the method's bias in this batch, which no reading of the batch can show, and a random
    error. The bias is that of a new batch as cross-validation saw it (prediction interval, Student's t, the mean error
    of all batches added to it). The random error is the largest that the last `pocket_window` readings of an accepted
    blend have in the whole run, counted as so many independent means (Bonferroni).

    Raises
    ------
    Refusal
        If cross-validation saw fewer than 3 batches.
    """
    validated = calibration.cross_validation
    predicted = validated.predicted[:, calibration.model.n_components - 1]
    codes = np.unique(validated.batch, return_inverse=True)[1]
    errors = batch_means(predicted - validated.reference, codes)
    n = errors.size
    if n < 3:
        raise Refusal(f"the bias between batches needs at least 3 batches of the calibration, got {n}")
    bias = abs(errors.mean()) + t_quantile(1.0 - risk, n - 1) * errors.std(ddof=1) * math.sqrt(1.0 + 1.0 / n)
    phi = plateau.phi_upper
    variance = plateau.blend_sd_upper**2 * (1.0 + phi) / (1.0 - phi) + noise.sd**2
    looks = rule.max_revolutions / rule.pocket_window
    random = t_quantile(1.0 - risk / looks, noise.degrees_of_freedom) * math.sqrt(variance / rule.pocket_window)
    return float((rule.max_mean_deviation + 100.0 * (bias + random) / rule.target) / rule.slope)


def make_claim(
    calibration: Calibration, rules: HomogeneityRules, rule: Rule, noise: Repeatability, plateau: Plateau
) -> dict[str, Any]:
    """Say what a rule promises, and for what, as plain JSON; the risks are those of fresh simulated blends.

    Parameters
    ----------
    calibration : Calibration
    rules : HomogeneityRules
        What the user asked for.
    rule : Rule
        With all its constants.
    noise : Repeatability
    plateau : Plateau
    """
    smallest, blends = rules.smallest_pocket, blends_for(rules.pocket_risk)
    inside = sorted({smallest, min(0.5, 2.0 * smallest), 0.5})
    return {
        "max_rsd_percent": rules.max_rsd,
        "max_mean_deviation_percent": rules.max_mean_deviation,
        "mean_deviation_refused_percent": mean_refused(calibration, rule, noise, plateau, rules.risk_per_batch),
        "scale_of_scrutiny_mg": rules.scale_of_scrutiny,
        "unit_dose_mg": rules.unit_dose,
        "spectra_per_dose": _dose_spectra(rules, plateau),
        "block_size_proposed": _block_size(rules, rule, noise, plateau),
        "risk_per_batch": rules.risk_per_batch,
        "pocket_risk_per_batch": rules.pocket_risk,
        "false_alarm_after_endpoint_per_batch": rules.risk_per_batch,
        "false_alarm_of_each_drift_per_batch": round(1.0 - COVERAGE, 4),
        "false_alarm_per_discharge": rules.discharge.risk_per_discharge if rules.discharge else None,
        "discharge_readings": rules.discharge.max_readings if rules.discharge else None,
        "false_alarm_of_sensors_per_batch": rules.sensors.risk_per_batch if rules.sensors else None,
        "sensors": rules.sensors.number if rules.sensors else None,
        "run_length_revolutions": rules.max_revolutions,
        "smallest_pocket_share": smallest,
        "pocket_deviation_percent": pocket_seen(rule, noise, plateau),
        "autocorrelation": plateau.phi,
        "autocorrelation_upper": plateau.phi_upper,
        "autocorrelation_assumed": plateau.blend_share < LEAST_BLEND_SHARE,
        "risk_at_autocorrelation": {f"{phi:g}": _normal(rule, phi) for phi in _SHOWN_PHI},
        "risk_at_limit": {
            "gaussian": _normal(rule, plateau.phi_upper),
            **{f"pockets {share:.2g}": _worst(rule, plateau, blends, share) for share in inside},
        },
        "risk_outside": {
            **{f"pockets {smallest * part:.2g}": _worst(rule, plateau, blends, smallest * part) for part in _SMALLER},
            f"pockets {smallest:.2g}, autocorrelation {_SHOWN_POCKET_PHI:g}": _worst(
                rule, plateau, blends, smallest, _SHOWN_POCKET_PHI
            ),
        },
        "repeatability": noise.sd,
        "repeatability_lower": noise.lower,
        "slope_lower": rule.slope,
        "units": calibration.method.analyte.units,
        "outside": (
            "pockets seen in a smaller share of the readings, pockets seen in several revolutions running, material "
            "that passes no window, a window that sees only a part of the bed, and a recording of moving powder, "
            "longer than two blocks, that is played back with fresh noise are outside this claim"
        ),
    }


def _dose_spectra(rules: HomogeneityRules, plateau: Plateau) -> int | None:
    """Spectra in a row that see the powder of a unit dose; None where its mass is not registered."""
    if rules.unit_dose is None:
        return None
    return spectra_per_dose(rules.unit_dose, rules.scale_of_scrutiny, plateau.phi_upper)


def _block_size(rules: HomogeneityRules, rule: Rule, noise: Repeatability, plateau: Plateau) -> int | None:
    """Smallest block that accepted blends pass half of the time and that sees a dose; None where they cannot pass."""
    ratio = math.hypot(plateau.blend_sd_upper, noise.sd) / float(limit_sd(rule, np.asarray(rule.target)))
    if ratio >= _LARGEST_RATIO:
        return None
    dose = _dose_spectra(rules, plateau) or 1
    return propose_block_size(ratio, BOUND_ALPHA, plateau.phi * plateau.blend_share, dose)


def _normal(rule: Rule, phi: float) -> float:
    """Risk of a blend at the limit that varies normally."""
    return round(false_endpoint_risk(rule, SteadyBlend(phi=phi)), 4)


def _worst(rule: Rule, plateau: Plateau, blends: int, share: float, pocket_phi: float = 0.0) -> float:
    """Largest risk over the kinds of blends that pockets of a share bring to the limit."""
    kinds = pocket_blends(plateau.phi_upper, share, pocket_phi)
    return round(max(false_endpoint_risk(rule, kind, blends) for kind in kinds), 4)
