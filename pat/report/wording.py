"""What a report says, as rows and sentences: plain text that a template puts on the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pat.calibration import Calibration
from pat.calibration.folds import in_turn
from pat.homogeneity import HomogeneityModel
from pat.plots import in_words
from pat.validation.endpoints import Outcome
from pat.validation.run import Validation

_CRITERIA = {
    "max_rmsep": "RMSEP",
    "max_sep": "SEP (bias removed)",
    "max_bias": "Bias, either sign",
    "bias_alpha": "Bias not significant (t-test on batch means)",
    "slope": "Slope of reference on predicted",
    "min_r2": "R² of prediction",
    "min_validation_batches": "Independent validation batches",
    "max_early_endpoints": "End-points declared too early",
    "max_false_endpoints": "End-points declared of blends that were not uniform",
    "max_missed_endpoints": "End-points missed",
    "max_unseen_faults": "Fouled windows not reported",
    "max_median_delay": "Median delay of the end-point",
}
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
_OUTCOMES = {
    Outcome.ON_TIME: "on time",
    Outcome.EARLY: "too early",
    Outcome.FALSE: "false",
    Outcome.MISSED: "missed",
    Outcome.NONE_DUE: "rightly not declared",
    Outcome.FAULT_UNSEEN: "fault not seen",
}
_GOOD = {Outcome.ON_TIME, Outcome.NONE_DUE}


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
    ranges = ", ".join(f"{low:g} to {high:g} nm" for low, high in method.spectra.ranges) or "the whole axis"
    return [
        ("Method", f"{method.name}, version {method.version}"),
        ("Analyte", f"{a.name} in {a.units}; target {a.target:g}, range {a.low:g} to {a.high:g}"),
        ("Wavelengths", ranges),
        ("Treatment", " → ".join(_step(step) for step in method.document()["preprocessing"]) or "none"),
        ("Model", f"PLS, {calibration.model.n_components} components"),
    ]


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
            f"error of cross-validation, {in_turn(calibration.method.calibration.folds)}, ± its standard error",
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
            f"{calibration.model.n_components} PLS components",
        ),
        Row("Validation set", f"{found['n_batches']} batches, {found['n']} spectra", "with reference values"),
        Row(
            "In scope",
            percent(found["in_scope_share"]),
            "share of the validation spectra inside the limits of T² and Q, and of the validated range",
        ),
    ]


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
        name = _CRITERIA.get(criterion["name"], criterion["name"])
        required = criterion["required"].replace("<=", "≤").replace(">=", "≥")
        rows.append({"name": name, "required": required, "found": text, "passed": criterion["passed"]})
    return rows


def endpoints(validation: Validation) -> list[dict[str, Any]]:
    """End-points of the validation blends: batch, kind, true, found, delay, verdict, good, states, wrong."""
    return [
        {
            "batch": case["batch"],
            "kind": in_words(case["kind"]),
            "true": number(case["true_endpoint"], "d"),
            "found": number(case["found_endpoint"], "d"),
            "delay": number(case["delay"], "d"),
            "verdict": _OUTCOMES[Outcome(case["outcome"])],
            "good": Outcome(case["outcome"]) in _GOOD,
            "states": " → ".join(in_words(state) for state in case["states"]),
            "wrong": case["uniform_while_not"],
        }
        for case in validation.document["endpoints"]
    ]


def claim_sentences(homogeneity: HomogeneityModel) -> list[str]:
    """Say in words what the end-point rule promises, and what for."""
    claim = homogeneity.claim
    risks = [
        f"{100.0 * risk:.2g} % at an autocorrelation of {phi}" for phi, risk in claim["risk_at_autocorrelation"].items()
    ]
    return [
        f"A blend that stays exactly at the limit of {claim['max_rsd_percent']:g} % RSD is called uniform, at any time "
        f"in {claim['run_length_revolutions']} revolutions, with a chance of at most "
        f"{percent(claim['risk_per_batch'])} per batch. A blend above the limit has a smaller chance.",
        f"The RSD is that of portions of {claim['scale_of_scrutiny_mg']:g} mg, the powder that one spectrum sees, and "
        "not that of a dose.",
        f"No blend is called uniform while the mean of its predictions is more than "
        f"{claim['max_mean_deviation_percent']:g} % off target.",
        f"Pockets of unmixed powder that {percent(claim['smallest_pocket_share'])} of the readings or more see, each "
        f"off by more than {homogeneity.rule.pocket_sd:g} standard deviations of a blend at the limit, keep a blend "
        "from being called uniform, but for the same chance.",
        f"The chance holds up to an autocorrelation of {number(claim['autocorrelation_upper'], '.2f')} from one "
        f"revolution to the next; accepted batches showed {number(claim['autocorrelation'], '.2f')}, and this is its "
        f"upper 95 % limit. Simulated at the limit, the chance is {', '.join(risks)}.",
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
        Row("Evidence", number(rule.threshold, ".2f"), "log likelihood ratio at which a blend counts as homogeneous"),
        Row("Pocket window", f"{rule.pocket_window} revolutions", "without an outlying reading, before the end-point"),
        Row(
            "Largest MBSD", number(rule.mbsd_limit, ".3g"), f"tolerance limit from {plateau.n_batches} accepted batches"
        ),
        Row(
            "Registered run", f"{rule.min_revolutions} to {rule.max_revolutions} revolutions", "no end-point outside it"
        ),
    ]


def batches_used(
    calibration: Calibration, validation: Validation, homogeneity: HomogeneityModel | None
) -> list[tuple[str, list[str]]]:
    """Batches by what they were used for."""
    learnt: Mapping[str, list[str]] = homogeneity.batches if homogeneity else {}
    tested: Mapping[str, list[str]] = validation.document["batches"]
    named = {"calibration": calibration.batches, **learnt, **tested}
    return [(in_words(role), names) for role, names in named.items() if names]
