"""The homogeneity model: the end-point rule's constants, what they were learnt from, and the claim."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pat import compute
from pat.calibration import Calibration
from pat.core import pls
from pat.core.evidence import Rule, pocket_window
from pat.core.types import Array
from pat.errors import InputError, Refusal
from pat.files import readable_json, write_bytes
from pat.homogeneity.plateau import Plateau, Repeatability, describe_plateaus, last_half, repeatability
from pat.homogeneity.risk import false_endpoint_risk, homogeneity_threshold, watch_threshold
from pat.limits import f_quantile, sd_upper_factor
from pat.method import HomogeneityRules, Method
from pat.spectra import batches_with_role

# Spreads that the CUSUMs look for, as shares of the limit: from far below it to just below it.
_RATIOS = (0.35, 0.5, 0.65, 0.8)
_CENTRE_SIZE = 20
_POCKET_SD = 3.0
# Adjoining blocks count as steady when the upper bound of their variance ratio stays below this.
_STEADY_RATIO = 2.0
# After the end-point the watch looks for a spread that has grown from that of accepted batches, taken as this share of
# the limit at least and at most, to this one: well before the limit, so that the alarm comes in time.
_WATCH_FROM, _WATCH_TO = (0.3, 0.5), 0.65
_FAULT_RUN = 5
_ALPHA = 0.05
# Above this share of the limit the method's own noise hides what the rule is to see.
_LARGEST_NOISE = 0.7
# Autocorrelations at which the claim says what the risk would be.
_SHOWN_PHI = (0.0, 0.3, 0.6)
_FILE = "homogeneity.json"


@dataclass(frozen=True)
class HomogeneityModel:
    """What a blend is judged by.

    Attributes
    ----------
    rule : Rule
        Constants of the end-point rule.
    claim : dict
        What the rule promises, and for what: limit, scale of scrutiny, risk per batch, run length, smallest
        pocket, autocorrelation, repeatability, slope. Plain JSON.
    repeatability : Repeatability
    plateau : Plateau
    batches : dict of str to list of str
        Batches that it was learnt from, by role.
    """

    rule: Rule
    claim: dict[str, Any]
    repeatability: Repeatability
    plateau: Plateau
    batches: dict[str, list[str]]

    def save(self, folder: str | Path) -> None:
        """Write the model as plain JSON into a folder."""
        path = Path(folder) / _FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        document = asdict(self) | {"rule": self.rule.to_dict()}
        write_bytes(path, readable_json(document).encode())

    @classmethod
    def load(cls, folder: str | Path) -> HomogeneityModel:
        """Read a model that `save` wrote.

        Raises
        ------
        InputError
            If there is none, or it is not one.
        """
        path = Path(folder) / _FILE
        try:
            document = json.loads(path.read_bytes())
            plateau: dict[str, Any] = {
                key: tuple(v) if isinstance(v, list) else v for key, v in document["plateau"].items()
            }
            return cls(
                rule=Rule.from_dict(document["rule"]),
                claim=document["claim"],
                repeatability=Repeatability(**document["repeatability"]),
                plateau=Plateau(**plateau),
                batches=document["batches"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: expected a homogeneity model, got {error!r}") from error


def _runs(
    calibration: Calibration, treated: xr.Dataset, batches: list[str], progress: str | None
) -> list[tuple[Array, Array]]:
    """Predictions (m,) and treated spectra (m, p) of each batch."""

    def one(batch: xr.Dataset) -> tuple[Array, Array]:
        x = np.asarray(batch["absorbance"].values)
        return pls.predict(calibration.model, x), x

    return compute.map_batches(one, treated, batches, progress=progress)


def learn(
    method: Method, calibration: Calibration, treated: xr.Dataset, *, progress: str | None = None
) -> HomogeneityModel:
    """Learn the end-point rule from repeat readings and accepted batches.

    Parameters
    ----------
    method : Method
        With a homogeneity section.
    calibration : Calibration
        The calibrated model of this method.
    treated : Dataset
        Treated spectra, with batches of the roles ``repeatability`` and ``accepted``.
    progress : str, optional
        Label of a progress bar.

    Raises
    ------
    InputError
        If the method has no homogeneity section.
    Refusal
        If there are too few batches or readings, or the method's repeatability exceeds 0.7 of the limit.
    """
    if method.homogeneity is None:
        raise InputError(f"method {method.name} has no homogeneity section")
    rules = method.homogeneity
    static, accepted = (batches_with_role(treated, role) for role in ("repeatability", "accepted"))
    noise = repeatability([values for values, _ in _runs(calibration, treated, static, progress)])
    _check_noise(method, rules, noise)
    runs = _runs(calibration, treated, accepted, progress)
    values = [last_half(v, rules.block_size, name) for name, (v, _) in zip(accepted, runs, strict=True)]
    spectra = [last_half(x, rules.block_size, name) for name, (_, x) in zip(accepted, runs, strict=True)]
    plateau = describe_plateaus(values, spectra, rules.block_size, noise.sd**2)
    slope = calibration.figures["slope_lower"]
    if not slope > 0.0:
        raise Refusal(
            f"no rule can be made: the slope of predicted on reference must be positive, got at least {slope:g}"
        )
    rule = _rule(method, rules, noise, plateau, min(1.0, slope))
    return HomogeneityModel(
        rule=rule,
        claim=_claim(method, rules, rule, noise, plateau),
        repeatability=noise,
        plateau=plateau,
        batches={"accepted": accepted, "repeatability": static},
    )


def _check_noise(method: Method, rules: HomogeneityRules, noise: Repeatability) -> None:
    allowed = _LARGEST_NOISE * rules.max_rsd / 100.0 * method.analyte.target
    if noise.sd > allowed:
        raise Refusal(
            f"no rule can be made: the method's repeatability must be at most {allowed:.3g} {method.analyte.units} "
            f"({_LARGEST_NOISE:g} of the limit of {rules.max_rsd:g} % RSD), got {noise.sd:.3g}"
        )


def _rule(method: Method, rules: HomogeneityRules, noise: Repeatability, plateau: Plateau, slope: float) -> Rule:
    limit_sd = rules.max_rsd / 100.0 * method.analyte.target
    rule = Rule(
        block_size=rules.block_size,
        target=method.analyte.target,
        max_rsd=rules.max_rsd,
        max_mean_deviation=rules.max_mean_deviation,
        repeatability=noise.lower,
        slope=slope,
        ratios=_RATIOS,
        threshold=np.inf,
        centre_size=_CENTRE_SIZE,
        pocket_sd=_POCKET_SD,
        pocket_window=pocket_window(rules.max_revolutions, rules.smallest_pocket, rules.risk_per_batch),
        steady_ratio=_STEADY_RATIO,
        f_quantile=f_quantile(1.0 - _ALPHA, plateau.degrees_of_freedom, plateau.degrees_of_freedom),
        mbsd_limit=plateau.mbsd_limit,
        upper_factor=sd_upper_factor(rules.block_size, _ALPHA),
        watch_ratios=(float(np.clip(plateau.blend_sd_upper / limit_sd, *_WATCH_FROM)), _WATCH_TO),
        watch_threshold=np.inf,
        fault_run=_FAULT_RUN,
        min_revolutions=rules.min_revolutions,
        max_revolutions=rules.max_revolutions,
    )
    return replace(
        rule,
        threshold=homogeneity_threshold(rule, plateau.phi_upper, rules.risk_per_batch),
        watch_threshold=watch_threshold(rule, plateau.phi_upper, rules.risk_per_batch),
    )


def _claim(
    method: Method, rules: HomogeneityRules, rule: Rule, noise: Repeatability, plateau: Plateau
) -> dict[str, Any]:
    return {
        "max_rsd_percent": rules.max_rsd,
        "max_mean_deviation_percent": rules.max_mean_deviation,
        "scale_of_scrutiny_mg": rules.scale_of_scrutiny,
        "risk_per_batch": rules.risk_per_batch,
        "run_length_revolutions": rules.max_revolutions,
        "smallest_pocket_share": rules.smallest_pocket,
        "autocorrelation": plateau.phi,
        "autocorrelation_upper": plateau.phi_upper,
        "risk_at_autocorrelation": {f"{phi:g}": false_endpoint_risk(rule, phi) for phi in _SHOWN_PHI},
        "repeatability": noise.sd,
        "repeatability_lower": noise.lower,
        "slope_lower": rule.slope,
        "units": method.analyte.units,
        "outside": (
            "pockets seen in a smaller share of the readings, and material that passes no window, "
            "are outside this claim"
        ),
    }
