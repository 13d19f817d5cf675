"""What a report says, as rows and sentences: plain text that a template puts on the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pat.calibration import Calibration
from pat.calibration.choice import components_in_words
from pat.calibration.folds import left_out
from pat.core.blocks import STATISTICS
from pat.homogeneity import HomogeneityModel
from pat.plots import in_words
from pat.validation.endpoints import EndpointCase
from pat.validation.gate import PLAIN
from pat.validation.run import Validation

_STEPS = {
    "snv": "SNV",
    "rnv": "robust normal variate",
    "msc": "MSC",
    "emsc": "EMSC",
    "epo": "EPO",
    "osc": "OSC",
    "savitzky_golay": "Savitzky-Golay",
}
_COMPONENT_RULES = {
    "first_minimum": "the number at the first minimum of RMSECV",
    "one_standard_error": "the fewest components whose RMSECV lies within one standard error of the smallest",
    "van_der_voet": "the fewest components that are not significantly worse than those with the smallest RMSECV "
    "(van der Voet's randomisation test, level 0.05)",
}


@dataclass(frozen=True)
class Row:
    """A line of a table: what it is, what was found, and what that means."""

    name: str
    value: str
    note: str = ""


def number(value: float | None, form: str = ".3f") -> str:
    """Write a number, or a dash where there is none."""
    return "–" if value is None else format(value, form).replace("-", "−")


def percent(share: float) -> str:
    """Write a share as percent, without digits that say nothing."""
    return f"{100.0 * share:.3g} %"


def about(calibration: Calibration) -> list[tuple[str, str]]:
    """Say what the method measures, and how."""
    method = calibration.method
    a = method.analyte
    return [
        ("Method", f"{method.name}, version {method.version}"),
        ("Analyte", f"{a.name} in {a.units}; target {a.target:g}, range {a.low:g} to {a.high:g}"),
        ("Wavelengths", _wavelengths(calibration)),
        ("Treatment", " → ".join(_step(step) for step in method.document()["preprocessing"]) or "none"),
        ("Model", f"PLS, {components_in_words(calibration.model.n_components)}"),
        *([("Transfer", _transfer(calibration.transfer))] if calibration.transfer else []),
    ]


def _transfer(record: dict[str, Any]) -> str:
    """Say which instrument a calibration was brought to, from which one, and by what."""
    places = {"ds": "direct standardisation", "pds": "piecewise direct standardisation", "slope_bias": "slope and bias"}
    after = record.get("after_steps")
    place = "" if after is None else " of raw spectra" if after == 0 else f" after {after} of the steps above"
    return (
        f"to instrument {record['to']} by {places[record['method']]}{place}, from {len(record['samples'])} samples "
        f"measured on both; calibrated on instrument {record['from']} (artefact {record['parent']['digest'][:12]})"
    )


def _wavelengths(calibration: Calibration) -> str:
    """Say which wavelengths the method asks for, and which the instrument's axis has there."""
    axis, ranges = calibration.wavelength, calibration.method.spectra.ranges
    used = calibration.learnt.treatment(axis).wavelength
    asked = ", ".join(f"{low:g} to {high:g} nm" for low, high in ranges) or "the whole axis"
    parts = [used[(used >= low) & (used <= high)] for low, high in ranges or [(used[0], used[-1])]]
    found = ", ".join(f"{part[0]:.2f} to {part[-1]:.2f} nm" for part in parts)
    return f"{found} ({used.size} of the {axis.size} that the instrument has); the method asks for {asked}"


def _step(step: dict[str, Any]) -> str:
    settings = ", ".join(f"{key} {_setting(value)}" for key, value in step.items() if key != "step")
    return _STEPS.get(step["step"], in_words(step["step"])) + (f" ({settings})" if settings else "")


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_setting(item)}" for key, item in value.items())
    text = str(value)
    # Spectra stand in the method; in a line of text their number of readings is enough.
    return text if len(text) <= 60 else f"of {text.count(',') + 1} values"


def merit(calibration: Calibration, validation: Validation) -> list[Row]:
    """Figures of merit of the calibration and of its validation."""
    units = calibration.method.analyte.units
    of_model, found = calibration.figures, validation.document["figures"]
    critical = number(found["bias_critical"])
    return [
        Row("RMSEC", f"{number(of_model['rmsec'])} {units}", "error of calibration, on the spectra it was made from"),
        Row(
            "RMSECV",
            f"{number(of_model['rmsecv'])} ± {number(of_model['rmsecv_se'])} {units}",
            f"error of cross-validation, {folds(calibration)}, ± its standard error",
        ),
        Row("RMSEP", f"{number(found['rmsep'])} {units}", "error of prediction, on batches never used before"),
        Row("SEP", f"{number(found['sep'])} {units}", "the same with the bias removed"),
        Row("Bias", f"{number(found['bias'], '+.3f')} {units}", "mean of predicted less reference, over spectra"),
        Row(
            "Bias of batch means",
            f"{number(found['batch_bias'], '+.3f')} {units}",
            f"t-test against zero: p = {number(found['bias_p'], '.2g')}; significant at 5 % beyond ±{critical} {units}",
        ),
        Row(
            "Slope",
            number(found["slope"]),
            f"reference on predicted, through batch means; test against 1: p = {number(found['slope_p'], '.2g')}",
        ),
        Row("R²", number(found["r2"]), "share of the variation of the reference values that is predicted"),
        Row(
            "Calibration set",
            f"{of_model['n_batches']:.0f} batches, {of_model['n_spectra']:.0f} spectra",
            f"PLS with {components_in_words(calibration.model.n_components)}",
        ),
        Row("Validation set", f"{found['n_batches']} batches, {found['n']} spectra", "with reference values"),
        Row(
            "In scope",
            percent(found["in_scope_share"]),
            "share of the validation spectra inside the limits of T² and Q, and of the validated range",
        ),
    ]


def folds(calibration: Calibration) -> str:
    """Say what cross-validation left out at a time."""
    return f"{left_out(calibration.method.calibration.folds)} ({calibration.figures['n_folds']:.0f} folds)"


def components(calibration: Calibration) -> dict[str, Any]:
    """Say how the number of components was chosen, and with what error: rule, chosen, rows."""
    cv = calibration.cross_validation
    pairs = zip(cv.rmsecv.tolist(), cv.rmsecv_se.tolist(), strict=True)
    return {
        "rule": _COMPONENT_RULES[calibration.method.calibration.component_rule],
        "chosen": calibration.model.n_components,
        "rows": [(a, number(error), number(se)) for a, (error, se) in enumerate(pairs, start=1)],
    }


def criteria(validation: Validation) -> list[dict[str, Any]]:
    """List the acceptance criteria: name, required, found, passed."""
    rows = []
    for criterion in validation.document["criteria"]:
        found = criterion["found"]
        text = "nothing to judge by" if found is None else f"{found:.4g}"
        name = PLAIN[criterion["name"]]
        required = criterion["required"].replace("<=", "≤").replace(">=", "≥")
        rows.append({"name": name, "required": required, "found": text, "passed": criterion["passed"]})
    return rows


def dossier(validation: Validation) -> list[dict[str, Any]]:
    """List the items of the dossier: id, title, asked, found, verdict, evidence."""
    rows = []
    for item in validation.document["dossier"]["items"]:
        asked = item["asked"].replace("<=", "≤").replace(">=", "≥")
        ids = ", ".join(name.replace("_", " ") for name in item["evidence"])
        rows.append({**item, "asked": asked, "found": item["found"].replace(" -", " −"), "evidence": ids})
    return rows


def endpoints(validation: Validation) -> list[dict[str, Any]]:
    """End-points of the validation blends: batch, kind, true, found, delay, verdict, good, states, wrong."""
    return [
        {
            "batch": case.batch,
            "kind": in_words(case.kind),
            "true": number(case.true_endpoint, "d"),
            "found": number(case.found_endpoint, "d"),
            "delay": number(case.delay, "d"),
            "verdict": case.verdict,
            "good": case.right,
            "states": " → ".join(in_words(state) for state in case.states),
            "wrong": case.uniform_while_not,
        }
        for case in map(EndpointCase.from_dict, validation.document["endpoints"])
    ]


def _scrutiny(claim: dict[str, Any]) -> str:
    said = (
        f"The RSD is that of portions of {claim['scale_of_scrutiny_mg']:g} mg, the powder that one spectrum sees, and "
    )
    if claim["unit_dose_mg"] is None:
        return said + "not that of a dose."
    dose = f"a dose of {claim['unit_dose_mg']:g} mg, of which {claim['spectra_per_dose']} spectra in a row see as much."
    return f"{said}not that of {dose}"


def claim_sentences(homogeneity: HomogeneityModel) -> list[str]:
    """Say in words what the end-point rule promises, and what for."""
    claim = homogeneity.claim
    risks = [f"{percent(risk)} at {phi}" for phi, risk in claim["risk_at_autocorrelation"].items()]
    inside, outside = (
        ", ".join(f"{percent(risk)} for {kind}" for kind, risk in claim[key].items() if kind.startswith("pockets"))
        for key in ("risk_at_limit", "risk_outside")
    )
    source = "this is assumed" if claim["autocorrelation_assumed"] else "this is its upper 95 % limit"
    return [
        f"A blend that varies normally and stays exactly at the limit of {claim['max_rsd_percent']:g} % RSD is called "
        f"uniform, at any time in {claim['run_length_revolutions']} revolutions, with a chance of at most "
        f"{percent(claim['risk_per_batch'])} per batch. A blend above the limit has a smaller chance.",
        _scrutiny(claim),
        f"No blend is called uniform while the mean of its predictions is more than "
        f"{claim['max_mean_deviation_percent']:g} % off target. That mean carries the bias of the method in this "
        "batch, which no reading of the batch shows: only a true mean that is more than "
        f"{number(claim['mean_deviation_refused_percent'], '.1f')} % off is refused with a chance of "
        f"{percent(1.0 - claim['risk_per_batch'])} or more.",
        f"Pockets of unmixed powder that {percent(claim['smallest_pocket_share'])} of the readings or more see, each "
        f"{number(claim['pocket_deviation_percent'], '.1f')} % of target or more off the powder about it, keep a blend "
        "from being called uniform, but for the same chance.",
        "A blend that nearer pockets, seen as often, bring to the limit is called uniform with a chance of at most "
        f"{percent(claim['pocket_risk_per_batch'])}, as long as each revolution sees one independently of the last. "
        f"Simulated at the limit, by the share of readings that see a pocket: {inside}. Outside this claim: {outside}.",
        "No blend is called uniform while the powder does not move past the window, or the sensor repeats itself: raw "
        "and treated spectra and predictions must vary at least as much as in the quietest block of accepted batches.",
        f"The chance holds up to an autocorrelation of {number(claim['autocorrelation_upper'], '.2f')} from one "
        f"revolution to the next; accepted batches showed {number(claim['autocorrelation'], '.2f')}, and {source}. "
        f"Simulated at the limit, the chance is {', '.join(risks)}.",
    ]


def claim_rows(homogeneity: HomogeneityModel) -> list[Row]:
    """Numbers that the end-point rule rests on."""
    claim, rule, plateau = homogeneity.claim, homogeneity.rule, homogeneity.plateau
    lower = f"{number(claim['repeatability_lower'])} {claim['units']}"
    noise = homogeneity.repeatability.degrees_of_freedom
    return [
        Row(
            "Repeatability",
            f"{number(claim['repeatability'])} {claim['units']}",
            f"SD of repeat readings, {noise} degrees of freedom; the rule uses {lower}, its lower 95 % limit",
        ),
        Row("Slope", number(claim["slope_lower"]), "lower 95 % bound of predicted on true content, at most 1"),
        Row("Evidence", number(rule.threshold, ".2f"), "weighted log likelihood ratio of a homogeneous blend"),
        Row(
            "Pocket windows",
            f"{rule.pocket_window} and {rule.quiet_window} revolutions",
            f"without a reading beyond {rule.pocket_sd:g} SDs of a blend at the limit, and with few beyond "
            f"{rule.quiet_sd:g}: each of these takes {rule.quiet_cost} back",
        ),
        Row(
            "Largest MBSD", number(rule.mbsd_limit, ".3g"), f"tolerance limit from {plateau.n_batches} accepted batches"
        ),
        Row(
            "Least movement",
            f"{rule.least_level_step:.2g} AU",
            "step of the raw level from one revolution to the next, and of the raw contrast "
            f"{rule.least_contrast_step:.2g} AU; tolerance limits from the same batches",
        ),
        Row(
            "Left out",
            f"{sum(homogeneity.left_out.values())} readings",
            "of repeat readings and accepted batches: saturated, out of scope or repeated",
        ),
        Row(
            "Registered run", f"{rule.min_revolutions} to {rule.max_revolutions} revolutions", "no end-point outside it"
        ),
        *_alarm_rows(homogeneity),
    ]


def _alarm_rows(homogeneity: HomogeneityModel) -> list[Row]:
    """Alarms beside the end-point that the method registers."""
    alarm, agreement, units = homogeneity.alarm, homogeneity.agreement, homogeneity.claim["units"]
    rows = []
    if alarm is not None:
        rows.append(
            Row(
                "Segregation alarm",
                f"{percent(alarm.risk)} per discharge",
                f"chance that an even blend raises it within {alarm.readings} readings, up to an autocorrelation of "
                f"{number(alarm.phi, '.2f')}; the first {alarm.reference} readings are only compared with",
            )
        )
    if agreement is not None:
        rows.append(
            Row(
                "Sensors that disagree",
                f"{percent(agreement.risk)} per batch",
                f"chance that up to {agreement.sensors} sensors which see the same raise the alarm within "
                f"{agreement.revolutions} revolutions; means may differ by {number(agreement.allowed)} {units}",
            )
        )
    return rows


def statistic_rows(homogeneity: HomogeneityModel) -> list[tuple[str, str, str, str]]:
    """List the published statistics in accepted batches: statistic, unit, median of the plateaus, limit."""
    units = {"analyte": homogeneity.claim["units"], "treated": "treated", "treated^2": "treated²", "1": ""}
    return [
        (
            STATISTICS[name].label,
            units.get(STATISTICS[name].unit, STATISTICS[name].unit),
            number(limit.median, ".3g"),
            ("" if limit.low is None else f"{number(limit.low, '.3g')} to ") + number(limit.high, ".3g"),
        )
        for name, limit in homogeneity.witnesses.limits.items()
    ]


def batches_used(
    calibration: Calibration, validation: Validation, homogeneity: HomogeneityModel | None
) -> list[tuple[str, list[str]]]:
    """Batches by what they were used for."""
    learnt: Mapping[str, list[str]] = homogeneity.batches if homogeneity else {}
    tested: Mapping[str, list[str]] = validation.document["batches"]
    named = {"calibration": calibration.batches, **learnt, **tested}
    return [(in_words(role), names) for role, names in named.items() if names]
