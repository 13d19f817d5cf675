"""Items that data show: independence, specificity, linearity, accuracy, precision, scope and end-points (7 to 12)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pat.artefact import Arrays
from pat.core.plain import finite_or_none
from pat.errors import InputError
from pat.method import Method
from pat.validation.accuracy_profile import accuracy_profile, content_levels
from pat.validation.dossier.item import Item, Verdict, gated, limited
from pat.validation.dossier.measured import Readings
from pat.validation.endpoints import EndpointCase
from pat.validation.figures import Figures
from pat.validation.gate import Criterion, at_least, at_most
from pat.validation.linearity import linearity
from pat.validation.power import provable
from pat.validation.precision import precision
from pat.validation.reference_error import reference_error
from pat.validation.specificity import refusal_rate, specificity

_SPECTRA, _BLENDS = ("validation_predictions", "validation_data"), ("validation_blends", "truth")
_END_POINTS = ("max_early_endpoints", "max_false_endpoints", "max_missed_endpoints", "max_median_delay")


def independent(figures: Figures, notes: Sequence[str], registration: Mapping[str, Any] | None) -> Iterator[Item]:
    """Item 7: the validation set is new, and nobody had opened it."""
    found = f"{figures.n_batches} batches, {figures.n} spectra; no batch and no known lot was used before"
    yield Item(
        "7.1",
        "Independent validation set",
        "Other batches and lots",
        " ".join([found, *notes]),
        Verdict.PASSED,
        _SPECTRA,
    )
    if registration is None:
        text, verdict = (
            "no registration: nobody can tell whether criteria or data were chosen to fit",
            Verdict.NOT_SHOWN,
        )
    else:
        text, verdict = f"registered {registration['registered']}, and nothing changed since", Verdict.PASSED
    yield Item("7.2", "Registered before it was opened", "Hash of criteria and data", text, verdict, ("registration",))
    able = provable(figures.n_batches)
    can = (
        f"a bias of {able.bias_detectable:.2g} SDs of the batches' errors is found with 90 % chance; an SEP below a "
        f"limit is shown by its upper bound where the true one is {able.sep_factor:.2g} of the limit"
    )
    yield Item("7.3", "What so many batches can show", "Power at level 0.05", can, Verdict.STATED, (), able.to_dict())


def specific(method: Method, readings: Readings, simulated: bool) -> Iterator[Item]:
    """Item 8: what is not this product is refused, kind by kind."""
    least, asked = method.validation.min_refused, "Share of spectra out of scope"
    if not readings.value.size:
        none = Item("8.1", "Specificity", asked, "no batches of the role specificity", Verdict.NOT_SHOWN)
        yield none if least is None else limited(none, at_least("min_refused", least, math.nan, ""))
        return
    found = specificity(readings.kind, readings.in_scope, readings.batch, simulated=simulated)
    for i, one in enumerate(found.challenges, start=1):
        share = f"{100 * one.lower:.0f} to {100 * one.upper:.0f} %, 95 % confidence"
        item = Item(
            f"8.{i}",
            f"Specificity: {one.kind.replace('_', ' ') or 'kind not known'}",
            asked,
            f"{one.refused} of {one.n} refused ({share}), of {one.n_batches} batches" + ", simulated" * simulated,
            Verdict.STATED,
            ("specificity",),
            one.to_dict(),
        )
        yield limited(item, None if least is None else at_least("min_refused", least, one.rate, ""))


def accurate(method: Method, figures: Figures, predictions: Arrays, gate: Sequence[Criterion]) -> Iterator[Item]:
    """Items 9.1 to 9.4: linearity, range, bias and error of prediction."""
    units, line = method.analyte.units, None
    try:
        reference, predicted, batch = (predictions[name] for name in ("reference", "predicted", "batch"))
        levels, sel = content_levels(reference, batch), method.validation.reference_error
        line = linearity(reference, predicted, batch, level=levels, sel=sel)
    except InputError as reason:
        yield Item("9.1", "Linearity", "Slope and intercept through batch means", str(reason), Verdict.NOT_SHOWN)
    if line is not None:
        yield gated(
            Item(
                "9.1",
                "Linearity",
                "Slope of predicted on reference through batch means",
                f"{line.slope.value:.3f} ({line.slope.lower:.3f} to {line.slope.upper:.3f}); intercept "
                f"{line.intercept.value:.3f} ({line.intercept.lower:.3f} to {line.intercept.upper:.3f}) {units}; "
                f"curvature p {_number(line.curvature.p)}, lack of fit p {_number(line.lack_of_fit.p)}",
                Verdict.STATED,
                _SPECTRA,
                line.to_dict(),
            ),
            gate,
            ["slope"],
        )
        a, shown = method.analyte, f"{line.low:.4g} to {line.high:.4g} {units}"
        covered = f"{shown} of the {a.low:g} to {a.high:g} that the method is for"
        yield Item("9.2", "Range", "Contents of the validation set", covered, Verdict.STATED, _SPECTRA)
    beyond = f"significant beyond ±{_number(figures.bias_critical)}"
    yield gated(
        Item(
            "9.3",
            "Bias",
            "t-test on batch means",
            f"{figures.batch_bias:+.3f} {units}, p {_number(figures.bias_p)}, {beyond}",
            Verdict.STATED,
            _SPECTRA,
        ),
        gate,
        ["max_bias", "bias_alpha"],
    )
    yield gated(
        Item(
            "9.4",
            "Error of prediction",
            "RMSEP",
            f"RMSEP {figures.rmsep:.4g}, SEP {figures.sep:.4g} {units}, R² {_number(figures.r2)}",
            Verdict.STATED,
            _SPECTRA,
            figures.to_dict(),
        ),
        gate,
        ["max_rmsep", "max_sep", "min_r2"],
    )


def profiled(method: Method, predictions: Arrays) -> Item:
    """Item 9.5: within which limits a share of future results will lie."""
    rules, a = method.validation, method.analyte
    limit = math.inf if rules.accuracy_limit is None else rules.accuracy_limit * a.target / 100.0
    asked = f"Limits of the error that {100 * rules.accuracy_share:g} % of future results are expected within"
    reference, batch, values, largest = predictions["reference"], predictions["batch"], {}, math.nan
    verdict = Verdict.STATED
    try:
        levels = content_levels(reference, batch)
        found = accuracy_profile(
            reference, predictions["predicted"], batch, levels, limit=limit, beta=rules.accuracy_share, pooled=True
        )
    except InputError as reason:
        text, verdict = str(reason), Verdict.NOT_SHOWN
    else:
        text = "; ".join(f"{at.content:.3g}: {at.lower:+.3f} to {at.upper:+.3f}" for at in found.levels)
        largest = max(abs(end) for at in found.levels for end in (at.lower, at.upper))
        text, values = f"{text} {a.units}", found.to_dict() | {"limit": finite_or_none(limit)}
    item = Item("9.5", "Accuracy profile", asked, text, verdict, _SPECTRA, values)
    asked_for = rules.accuracy_limit is not None
    return limited(item, at_most("accuracy_limit", limit, largest, a.units) if asked_for else None)


def precise(method: Method, readings: Readings) -> Iterator[Item]:
    """Items 9.6 and 9.7: repeatability and intermediate precision of repeat readings."""
    rules, units = method.validation, method.analyte.units
    try:
        found = precision(readings.value, {"batch": readings.batch})
    except InputError as reason:
        found, text = None, f"no such readings: {reason}"
    for number, title, asked, name, part in _PRECISION:
        one, limit = getattr(found, part, None), getattr(rules, name)
        said = text if one is None else f"{one.sd:.4g} {units} ({one.lower:.4g} to {one.upper:.4g}, 95 % confidence)"
        verdict = Verdict.NOT_SHOWN if one is None else Verdict.STATED
        item = Item(number, title, asked, said, verdict, ("repeatability",), found.to_dict() if found else {})
        yield limited(item, None if limit is None else at_most(name, limit, one.sd if one else math.nan, units))


_PRECISION = (
    ("9.6", "Repeatability", "SD of readings of one material within a batch", "max_repeatability", "repeatability"),
    (
        "9.7",
        "Intermediate precision",
        "SD of readings of one material over batches, each with a day of its own",
        "max_intermediate_precision",
        "intermediate",
    ),
)


def scoped(predictions: Arrays, confidence: float) -> Item:
    """Item 10: how often a good spectrum is refused."""
    found = refusal_rate("product", predictions["in_scope"], predictions["batch"])
    n, refused, low, high = found.n, found.refused, found.lower, found.upper
    return Item(
        "10.1",
        "False refusals",
        f"Share of validation spectra out of scope; T² and Q each let {100 * confidence:g} % pass",
        f"{refused} of {n} ({100 * low:.2g} to {100 * high:.2g} %, 95 % confidence)",
        Verdict.STATED,
        _SPECTRA,
        {"n": n, "refused": refused, "lower": low, "upper": high},
    )


def ended(cases: Sequence[EndpointCase], claim: Mapping[str, Any] | None, gate: Sequence[Criterion]) -> Iterator[Item]:
    """Item 11: the end-point rule on good and on planted bad blends, and its operating characteristic."""
    if claim is None:
        yield Item("11.1", "End-point rule", "Blends with known truth", "the method follows no blend", Verdict.STATED)
        return
    good = [case for case in cases if case.true_endpoint is not None]
    yield gated(
        Item(
            "11.1",
            "Blends that become uniform",
            "Declared, and not early",
            f"{sum(case.right for case in good)} of {len(good)} right",
            Verdict.STATED,
            _BLENDS,
        ),
        gate,
        _END_POINTS,
    )
    bad = [case for case in cases if case.true_endpoint is None or case.fault_seen is not None]
    kinds = ", ".join(sorted({case.kind.replace("_", " ") for case in bad}))
    names = ["max_false_endpoints", "max_uniform_while_not", "max_unseen_faults"]
    yield gated(
        Item(
            "11.2",
            "Planted bad blends",
            "Not declared, faults noticed",
            f"{sum(case.right for case in bad)} of {len(bad)} right ({kinds or 'none planted'})",
            Verdict.STATED,
            _BLENDS,
        ),
        gate,
        names,
    )
    risks = ", ".join(f"{100 * risk:.2g} % {kind}" for kind, risk in claim["risk_at_limit"].items())
    yield Item(
        "11.3",
        "Operating characteristic at the limit",
        f"Chance to declare a blend that stays at {claim['max_rsd_percent']:g} % RSD; chosen risk "
        f"{100 * claim['risk_per_batch']:g} %, with pockets {100 * claim['pocket_risk_per_batch']:g} %",
        f"simulated: {risks}. Outside the claim: {claim['outside']}",
        Verdict.STATED,
        ("digest",),
        dict(claim["risk_at_limit"]),
    )


def against_reference(method: Method, predictions: Arrays) -> Item:
    """Item 12: the error beside that of the reference method."""
    rules, title, asked = method.validation, "Reference method's error", "RMSEP over SEL"
    if rules.reference_error is None:
        return Item("12.1", title, asked, "no SEL is stated", Verdict.NOT_SHOWN)
    reference, predicted, batch = (predictions[name] for name in ("reference", "predicted", "batch"))
    try:
        found = reference_error(reference, predicted, batch, rules.reference_error)
    except InputError as reason:
        return Item("12.1", title, asked, str(reason), Verdict.NOT_SHOWN)
    own = f"{found.corrected_sep:.3g} ({found.lower:.3g} to {found.upper:.3g}) {method.analyte.units}"
    text = f"{found.rmsep_ratio:.3g}; the method's own part {own}: {found.verdict.value}"
    item = Item("12.1", title, asked, text, Verdict.STATED, _SPECTRA, found.to_dict())
    most = rules.max_rmsep_ratio
    return limited(item, None if most is None else at_most("max_rmsep_ratio", most, found.rmsep_ratio, ""))


def _number(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:.3g}"
