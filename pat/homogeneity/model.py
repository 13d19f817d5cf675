"""The homogeneity model: the end-point rule's constants, what they were learnt from, and the claim."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pat import compute
from pat.artefact import pack, unpack
from pat.calibration import Calibration
from pat.core import diagnostics
from pat.core.agreement import Agreement
from pat.core.blocks import Constants, RunReadings
from pat.core.evidence import Rule, pocket_window
from pat.core.preprocess import saturated
from pat.core.segregation import Alarm
from pat.core.types import Array, BoolArray
from pat.core.witnesses import Witnesses, constants_of
from pat.errors import InputError, Refusal
from pat.homogeneity.agreement import make_agreement
from pat.homogeneity.claim import BOUND_ALPHA, guarded_shares, make_claim, pocket_blends
from pat.homogeneity.health import BatchHealth, Health, batch_health, describe_health
from pat.homogeneity.plateau import (
    Plateau,
    Readings,
    Repeatability,
    describe_plateaus,
    good_readings,
    not_repeated,
    plateau_start,
    repeatability,
)
from pat.homogeneity.risk import guarded, watched
from pat.homogeneity.segregation import make_alarm
from pat.homogeneity.witnesses import Course, course, with_limits, witnesses_before_limits
from pat.limits import f_quantile, sd_upper_factor
from pat.method import HomogeneityRules, Method
from pat.records import Record
from pat.spectra import batch_facts, batches_with_role
from pat.treatment import RAW, data_sha256, treated_by

# Spreads that the CUSUMs look for, as shares of the limit: well below it, and just below it.
_RATIOS = (0.5, 0.8)
# By chance the first goes farther than the second: with these weights each takes about half of the risk.
_WEIGHTS = (1.0, 1.2)
_CENTRE_SIZE = 20
# The guards against pockets, in limit SDs: what is far off whatever the blend, and what only just makes the limit. Of
# 1.6 to 2.2, the second gives the shortest simulated delays at every risk, nearly the same from 1.7 to 2.0.
_POCKET_SD, _QUIET_SD = 3.0, 1.8
# So many revolutions does a near reading take back. One in 40 readings of a blend just below the limit is near.
_QUIET_COST = 32
# Adjoining blocks count as steady when the upper bound of their variance ratio stays below this.
_STEADY_RATIO = 2.0
# After the end-point the watch looks for a spread that has grown from that of accepted batches, taken as this share of
# the limit at least and at most, to this one: well before the limit, so that the alarm comes in time.
_WATCH_FROM, _WATCH_TO = (0.3, 0.5), 0.65
# And for a mean that has moved by twice as many limit SDs as this. Of 0.3 to 0.6 it sees the most simulated drifts.
_MEAN_STEP = 0.45
_FAULT_RUN = 5
# Readings of the standing powder that confirm a blend: it is at rest, so more of them show the same grains again.
_CONFIRM_RUN = 5
# Chance per batch that a run of nothing but the method's noise has a block whose predictions are quieter than can be.
_QUIET_RISK = 1e-3
# Above this share of the limit the method's own noise hides what the rule is to see.
_LARGEST_NOISE = 0.7
# What the document holds as it is.
_PLAIN = ("batches", "left_out", "lots", "calibration_sha256", "data_sha256")
_ARRAYS = "homogeneity.npz"
_RECORD = Record("homogeneity model", "homogeneity.json", (_ARRAYS,), format=4, command="pat calibrate")


@dataclass(frozen=True)
class HomogeneityModel:
    """What a blend is judged by.

    Attributes
    ----------
    rule : Rule
        Constants of the end-point rule.
    claim : dict
        What the rule promises, and for what: limit, scale of scrutiny, risk per batch for each kind of blend, run
        length, smallest pocket, autocorrelation, repeatability, slope, and the mean that is refused. Plain JSON.
    repeatability : Repeatability
    plateau : Plateau
    health : Health
    witnesses : Witnesses
        What the published statistics need, and their limits; they decide nothing.
    alarm : Alarm or None
        Segregation alarm of a discharge, where the method registers one.
    agreement : Agreement or None
        Alarm of sensors that disagree, where the method registers one.
    batches : dict of str to list of str
        Batches that it was learnt from, by role.
    left_out : dict of str to int
        Bad readings (saturated, out of scope, repeated) that were left out, of each batch that had any.
    lots : dict of str to str
        Lot of each of these batches, where it is known.
    calibration_sha256, data_sha256 : str
        Hashes of the calibration, its method document included, and of the raw content that it was learnt from.
    """

    rule: Rule
    claim: dict[str, Any]
    repeatability: Repeatability
    plateau: Plateau
    health: Health
    witnesses: Witnesses
    alarm: Alarm | None
    agreement: Agreement | None
    batches: dict[str, list[str]]
    left_out: dict[str, int]
    lots: dict[str, str]
    calibration_sha256: str
    data_sha256: str

    def save(self, folder: str | Path) -> None:
        """Write the model as plain JSON with plain arrays beside it, in a folder of its own.

        Raises
        ------
        InputError
            If the folder holds something else, which is left alone.
        """
        own = {"rule": self.rule.to_dict(), "witnesses": self.witnesses.document()}
        _RECORD.save(folder, asdict(self) | own, {_ARRAYS: pack({**self.witnesses.arrays()})})

    @classmethod
    def load(cls, folder: str | Path) -> HomogeneityModel:
        """Read a model that `save` wrote.

        Raises
        ------
        InputError
            If there is none, or it is damaged or edited.
        """
        document, files = _RECORD.load(folder)
        try:
            plateau: dict[str, Any] = {
                key: tuple(v) if isinstance(v, list) else v for key, v in document["plateau"].items()
            }
            return cls(
                rule=Rule.from_dict(document["rule"]),
                claim=document["claim"],
                repeatability=Repeatability(**document["repeatability"]),
                plateau=Plateau(**plateau),
                health=Health(**document["health"]),
                witnesses=Witnesses.from_plain(document["witnesses"], unpack(files[_ARRAYS])),
                alarm=Alarm.from_dict(document["alarm"]) if document["alarm"] else None,
                agreement=Agreement.from_dict(document["agreement"]) if document["agreement"] else None,
                **{name: document[name] for name in _PLAIN},
            )
        except (ValueError, KeyError, TypeError) as error:
            raise _RECORD.wrong(Path(folder), f"one that does not hold together ({error})") from error

    @classmethod
    def remove(cls, folder: str | Path) -> None:
        """Remove the model that `save` wrote, if there is one.

        Raises
        ------
        InputError
            If the folder holds something else, which is left alone.
        """
        _RECORD.remove(folder)


def _good(calibration: Calibration, batch: xr.Dataset, value: Array, t2: Array, q: Array) -> BoolArray:
    """Which readings of a batch the scorer would call good, by the same rules, shape (m,)."""
    analyte = calibration.method.analyte
    content = (analyte.low, analyte.high)
    inside = diagnostics.in_scope(value, t2, q, content, calibration.t2_limit, calibration.q_limit)
    return inside & _unsaturated(calibration, batch)


def _unsaturated(calibration: Calibration, batch: xr.Dataset) -> BoolArray:
    limit = calibration.method.spectra.saturation
    return ~saturated(batch["raw_peak"].values[:, None], np.inf if limit is None else limit)


def _readings(
    calibration: Calibration, treated: xr.Dataset, role: str, block_size: int, progress: str | None
) -> list[Readings]:
    """Good readings of each batch of a role: all of static material, the plateau of an accepted batch."""

    def one(batch: xr.Dataset) -> Readings:
        name, x = str(batch["batch"].values[0]), np.asarray(batch["absorbance"].values)
        value, t2, q = diagnostics.evaluate(calibration.model, x)
        presentation = np.column_stack([batch[variable].values for variable in RAW[:2]])
        start = plateau_start(len(x), block_size, name) if role == "accepted" else 0
        good = _good(calibration, batch, value, t2, q)
        return good_readings(name, value, x, presentation, good, block_size, start)

    return compute.map_batches(one, treated, batches_with_role(treated, role), progress=progress)


def _health(
    calibration: Calibration, treated: xr.Dataset, role: str, block_size: int, progress: str | None
) -> list[BatchHealth]:
    """Return what each batch of a role says of the sensor, from its first reading on."""
    wavelength = np.asarray(treated["wavelength"].values)

    def one(batch: xr.Dataset) -> BatchHealth:
        name, x = str(batch["batch"].values[0]), np.asarray(batch["absorbance"].values)
        presentation = np.column_stack([batch[variable].values for variable in RAW[:2]])
        good = _good(calibration, batch, *diagnostics.evaluate(calibration.model, x))
        return batch_health(name, calibration.model, wavelength, x, presentation, good, block_size)

    return compute.map_batches(one, treated, batches_with_role(treated, role), progress=progress)


def _courses(
    calibration: Calibration, treated: xr.Dataset, constants: Constants, block_size: int, progress: str | None
) -> list[Course]:
    """Follow each accepted batch by the published statistics."""

    def one(batch: xr.Dataset) -> Course:
        name, x = str(batch["batch"].values[0]), np.asarray(batch["absorbance"].values)
        value, t2, q = diagnostics.evaluate(calibration.model, x)
        fresh = not_repeated(np.column_stack([x, *(batch[variable].values for variable in RAW[:2])]))
        good = fresh & _good(calibration, batch, value, t2, q)
        usable = fresh & _unsaturated(calibration, batch)
        run = RunReadings(value, x, t2, q)
        return course(name, run, good, usable, constants, block_size, plateau_start(len(x), block_size, name))

    return compute.map_batches(one, treated, batches_with_role(treated, "accepted"), progress=progress)


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
        Spectra treated by this method (raw ones are), with batches of the roles ``repeatability`` and ``accepted``.
    progress : str, optional
        Label of a progress bar.

    Raises
    ------
    InputError
        If the method has no homogeneity section, or calibration or spectra are of another method or axis, or spectra
        were treated without keeping what is needed of the raw ones.
    Refusal
        If there are too few batches or readings, more than 2 % of a batch's readings are bad, its powder was at rest or
        its spectra repeat, the method's repeatability exceeds 0.7 of the limit, a risk is smaller than simulation can
        show, or the registered run is too short to rule out the smallest pocket.
    """
    if method.homogeneity is None:
        raise InputError(f"method {method.name} has no homogeneity section")
    calibration.require_fit(method)
    rules, treated = method.homogeneity, treated_by(calibration.learnt, treated)
    calibration.require_fit(method, np.asarray(treated.attrs["native_wavelength"]))
    if lacking := [name for name in RAW if name not in treated]:
        raise InputError(f"treated spectra must keep `{lacking[0]}` of the raw ones: treat the raw spectra again")
    static, accepted = (
        _readings(calibration, treated, role, rules.block_size, progress) for role in ("repeatability", "accepted")
    )
    noise = repeatability([run.values for run in static])
    _check_noise(method, rules, noise)
    plateau = describe_plateaus(accepted, static, rules.block_size, noise.sd**2)
    slope = calibration.figures["slope_lower"]
    if not slope > 0.0:
        raise Refusal(
            f"no rule can be made: the slope of predicted on reference must be positive, got at least {slope:g}"
        )
    health = describe_health(
        *(_health(calibration, treated, role, rules.block_size, progress) for role in ("accepted", "repeatability"))
    )
    rule = _rule(method, rules, noise, plateau, health, min(1.0, slope))
    witnesses = witnesses_before_limits(accepted, static, rules.block_size)
    constants = constants_of(rule, calibration.t2_limit, calibration.q_limit, witnesses)
    courses = _courses(calibration, treated, constants, rules.block_size, progress)
    batches = {"accepted": [run.batch for run in accepted], "repeatability": [run.batch for run in static]}
    used = {*batches["accepted"], *batches["repeatability"]}
    return HomogeneityModel(
        rule=rule,
        claim=make_claim(calibration, rules, rule, noise, plateau),
        repeatability=noise,
        plateau=plateau,
        health=health,
        witnesses=with_limits(witnesses, rule, courses),
        alarm=_alarm(rules, plateau),
        agreement=_agreement(rules, rule, plateau),
        batches=batches,
        left_out={run.batch: run.left_out for run in (*accepted, *static) if run.left_out},
        lots={name: lot for name, lot in batch_facts(treated, "lot").items() if lot and name in used},
        calibration_sha256=calibration.sha256,
        data_sha256=data_sha256(treated),
    )


def _alarm(rules: HomogeneityRules, plateau: Plateau) -> Alarm | None:
    given = rules.discharge
    if given is None:
        return None
    phi, reference = plateau.phi_upper, given.start_readings
    return make_alarm(given.risk_per_discharge, given.max_readings, phi=phi, reference=reference)


def _agreement(rules: HomogeneityRules, rule: Rule, plateau: Plateau) -> Agreement | None:
    given = rules.sensors
    if given is None:
        return None
    phi, allowed = plateau.phi_upper, given.allowed_difference
    return make_agreement(rule, given.risk_per_batch, phi=phi, sensors=given.number, allowed=allowed)


def _largest_sd(method: Method, rules: HomogeneityRules) -> float:
    """Largest SD of a uniform blend on target (analyte units)."""
    return rules.max_rsd / 100.0 * method.analyte.target


def _check_noise(method: Method, rules: HomogeneityRules, noise: Repeatability) -> None:
    allowed = _LARGEST_NOISE * _largest_sd(method, rules)
    if noise.sd > allowed:
        raise Refusal(
            f"no rule can be made: the method's repeatability must be at most {allowed:.3g} {method.analyte.units} "
            f"({_LARGEST_NOISE:g} of the limit of {rules.max_rsd:g} % RSD), got {noise.sd:.3g}"
        )


def _rule(
    method: Method, rules: HomogeneityRules, noise: Repeatability, plateau: Plateau, health: Health, slope: float
) -> Rule:
    rule = Rule(
        block_size=rules.block_size,
        target=method.analyte.target,
        max_rsd=rules.max_rsd,
        max_mean_deviation=rules.max_mean_deviation,
        repeatability=noise.lower,
        slope=slope,
        ratios=_RATIOS,
        weights=_WEIGHTS,
        threshold=np.inf,
        centre_size=_CENTRE_SIZE,
        pocket_sd=_POCKET_SD,
        pocket_window=pocket_window(rules.max_revolutions, rules.smallest_pocket, rules.risk_per_batch),
        quiet_sd=_QUIET_SD,
        quiet_window=1,
        quiet_cost=_QUIET_COST,
        steady_ratio=_STEADY_RATIO,
        f_quantile=f_quantile(1.0 - BOUND_ALPHA, plateau.degrees_of_freedom, plateau.degrees_of_freedom),
        mbsd_limit=plateau.mbsd_limit,
        least_level_step=plateau.least_level_step,
        least_contrast_step=plateau.least_contrast_step,
        least_novelty=plateau.least_novelty,
        least_mbsd=plateau.least_mbsd,
        least_sd=noise.lower / sd_upper_factor(rules.block_size, _QUIET_RISK / rules.max_revolutions),
        least_contrast=health.least_contrast,
        residual_drift_limit=health.residual_drift_limit,
        axis_shift_limit=health.axis_shift_limit,
        level_drift_limit=health.level_drift_limit,
        contrast_drift_limit=health.contrast_drift_limit,
        repeat_distance=plateau.repeat_distance,
        upper_factor=sd_upper_factor(rules.block_size, BOUND_ALPHA),
        watch_ratios=(float(np.clip(plateau.blend_sd_upper / _largest_sd(method, rules), *_WATCH_FROM)), _WATCH_TO),
        watch_threshold=np.inf,
        watch_block_ratio=np.inf,
        watch_mean_step=_MEAN_STEP,
        watch_mean_threshold=np.inf,
        fault_run=_FAULT_RUN,
        confirm_run=_CONFIRM_RUN,
        min_revolutions=rules.min_revolutions,
        max_revolutions=rules.max_revolutions,
    )
    _check_windows(rule, rules)
    kinds = [
        kind for share in guarded_shares(rules.smallest_pocket) for kind in pocket_blends(plateau.phi_upper, share)
    ]
    rule = guarded(rule, plateau.phi_upper, kinds, rules.risk_per_batch, rules.pocket_risk)
    _check_windows(rule, rules)
    return watched(rule, plateau.phi_upper, rules.risk_per_batch)


def _check_windows(rule: Rule, rules: HomogeneityRules) -> None:
    window = max(rule.pocket_window, rule.quiet_window)
    if rule.centre_size + window > rules.max_revolutions:
        raise Refusal(
            f"no rule can be made: pockets in {rules.smallest_pocket:g} of the readings are ruled out by {window} "
            f"readings without one, after {rule.centre_size} to compare them with; max_revolutions is "
            f"{rules.max_revolutions}"
        )
