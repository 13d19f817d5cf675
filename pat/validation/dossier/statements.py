"""Items that state what a method is and what it was made from: 1 to 6 and 13 to 16 of the dossier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import xarray as xr

from pat.artefact import CONVENTIONS
from pat.calibration import Calibration
from pat.calibration.choice import components_in_words
from pat.calibration.folds import left_out
from pat.method import Method
from pat.spectra import batch_facts
from pat.validation.dossier.item import Item, Verdict, limited, said
from pat.validation.gate import at_most

_FACTS = ("lot", "day", "scale", "operator")


def purpose(method: Method) -> Iterator[Item]:
    """Item 1: intended use, risk and scope."""
    rules, a = method.validation, method.analyte
    yield said("1.1", "Intended use", "What decisions the method is for", rules.intended_use)
    yield said("1.2", "Risk level", "Impact of a wrong result on the patient", rules.risk_level)
    scope = (
        f"{method.product}; {a.name} from {a.low:g} to {a.high:g} {a.units} "
        f"({100 * a.low / a.target:.0f} to {100 * a.high / a.target:.0f} % of target)"
    )
    yield said("1.3", "Scope", "Product, strength and range", scope)


def made_from(method: Method, calibration: Calibration, raw: xr.Dataset) -> Iterator[Item]:
    """Items 2 and 3: the calibration set, its reference method, and the instrument's qualification."""
    rules, figures = method.validation, calibration.figures
    lots = {"lot": len({*calibration.lots.values()})} if calibration.lots else {}
    counts = {"batch": int(figures["n_batches"]), **_distinct(raw, calibration.batches), **lots}
    parts = [
        f"{n} {name}{'es' if name == 'batch' else 's'}" if n > 1 else f"1 {name}" for name, n in counts.items() if n
    ]
    found = f"{figures['n_spectra']:.0f} spectra of {', '.join(parts)}"
    evidence = ("calibration", "calibration_data")
    yield said("2.1", "Calibration set", "Batches, lots, days, scales, instruments", found, evidence)
    yield said("2.2", "Reference method", "What the reference values were measured with", rules.reference_method)
    error = None if rules.reference_error is None else f"SEL {rules.reference_error:g} {method.analyte.units}"
    yield said("2.3", "Error of the reference method", "SEL, standard error of the laboratory", error)
    yield said("3.1", "Instrument", "Record of its qualification", rules.qualification)


def _distinct(raw: xr.Dataset, batches: list[str]) -> dict[str, int]:
    """Count the different values that each known fact has among batches."""
    found = {}
    for fact in _FACTS:
        values = batch_facts(raw, fact)
        found[fact] = len({values[name] for name in batches if values.get(name)})
    known, pairs = set(batches), zip(raw["batch"].values.tolist(), raw["instrument"].values.tolist(), strict=True)
    found["instrument"] = len({instrument for batch, instrument in pairs if batch in known})
    return found


def treated(method: Method) -> Iterator[Item]:
    """Item 4: treatment and its conventions."""
    steps = [step["step"].replace("_", " ") for step in method.document()["preprocessing"]]
    conventions = f"SNV: {CONVENTIONS['snv']}; Savitzky-Golay: {CONVENTIONS['savitzky_golay']}"
    yield said("4.1", "Treatment", "Steps in order, every parameter in the method", " → ".join(steps) or "none")
    yield said("4.2", "Conventions", "What open libraries differ in", conventions, ("digest",))
    yield said("4.3", "Outliers", "Spectra removed, with the reason", "none: the pipeline removes no spectrum")


def chosen(method: Method, calibration: Calibration) -> Iterator[Item]:
    """Items 5 and 6: number of components, over-fitting, and the calibration test set."""
    figures, limit = calibration.figures, method.validation.max_rmsecv_ratio
    ratio = figures["rmsecv"] / figures["rmsec"]
    how = method.calibration.component_rule.replace("_", " ")
    yield said(
        "5.1",
        "Number of components",
        f"Rule stated beforehand: {how}",
        f"{components_in_words(calibration.model.n_components)}; RMSECV {figures['rmsecv']:.4g} {method.analyte.units}",
        ("calibration",),
    )
    stated = Item("5.2", "No over-fitting", "RMSECV over RMSEC", f"{ratio:.3f}", Verdict.STATED, ("calibration",))
    yield limited(stated, None if limit is None else at_most("max_rmsecv_ratio", limit, ratio, ""))
    folds = f"{left_out(method.calibration.folds)}, {figures['n_folds']:.0f} folds; no batch is ever split"
    yield said("6.1", "Cross-validation", "What is left out together", folds, ("calibration",))


def transferred(calibration: Calibration) -> Item:
    """Item 13: whether the method was made for this instrument, or brought to it."""
    asked, made = "Parent method, transfer samples, parameters", calibration.transfer
    if made is None:
        return said("13.1", "Transfer", asked, "calibrated on this instrument: no transfer", ("calibration",))
    figures = made["figures"]
    text = (
        f"from {made['from']} to {made['to']} with {figures['n_samples']} samples; parent "
        f"{made['parent']['digest'][:12]}; RMSEP and all that follows are of spectra of {made['to']}"
    )
    return replace(said("13.1", "Transfer", asked, text, ("calibration",)), values=made)


def software(digest: str) -> Iterator[Item]:
    """Item 14: what the artefact is, and how it proves itself."""
    yield said("14.1", "Artefact", "Content digest (SHA-256)", digest, ("digest",))
    yield said(
        "14.2",
        "Known answers",
        "The scorer gives the laboratory's numbers to 1e-9, or nothing is exported; proven again at every loading",
        "known answers and a known blend are part of the artefact",
        ("digest",),
    )


def monitored(method: Method) -> Item:
    """Item 15: how the method is watched in use."""
    return said("15.1", "Monitoring", "Checks in use, trends and triggers", method.validation.monitoring)


def concluded(items: list[Item], registration: Mapping[str, Any] | None) -> Iterator[Item]:
    """Item 16: deviations and the conclusion; signatures follow at the release."""
    failed = [item.id for item in items if item.verdict is Verdict.FAILED]
    missing = [item.id for item in items if item.verdict is Verdict.NOT_SHOWN]
    deviations = [f"{len(failed)} failed ({', '.join(failed)})"] * bool(failed)
    deviations += [f"{len(missing)} not shown ({', '.join(missing)})"] * bool(missing)
    deviations += ["criteria and data were not registered beforehand"] * (registration is None)
    yield said("16.1", "Deviations", "What departs from this list", "; ".join(deviations) or "none", ())
    verdict = Verdict.FAILED if failed else Verdict.PASSED
    found = "does not meet its criteria" if failed else "meets every criterion that was set"
    yield Item(
        "16.2", "Conclusion", "Every criterion met; signatures follow at release", f"the method {found}", verdict
    )
