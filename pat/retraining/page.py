"""A comparison as one self-contained page, for the person who signs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pat import plots, report
from pat.plots.comparison import bias_chart, errors_by_batch
from pat.report.wording import number
from pat.retraining.text import NAMES, conclusions
from pat.validation.endpoints import EndpointCase

_VERDICTS = {
    ("better", "shown"): "The challenger is closer to the reference, by more than chance",
    ("better", "not shown"): "The challenger is closer to the reference, by more than chance",
    ("worse", "shown"): "The challenger is further from the reference, by more than chance, and within the margin",
    ("worse", "not shown"): "The challenger is further from the reference, by more than chance",
    ("no difference shown", "shown"): "Shown to be no worse than the margin allows; no difference is shown",
    ("no difference shown", "not shown"): "Neither a difference is shown nor that there is none",
}
_MADE_FROM = {
    "champion": "Champion, content digest",
    "method_sha256": "Method document",
    "data_sha256": "Spectra and references",
    "truth_sha256": "Truth of the validation blends",
    "readings_sha256": "Readings",
    "code_sha256": "Code",
}


def page(comparison: dict[str, Any]) -> str:
    """Return a comparison as HTML that needs nothing else; the same bytes for the same comparison.

    Parameters
    ----------
    comparison : dict
        The document of ``comparison.json``.
    """
    folders = [Path(__file__).parent, Path(report.__file__).parent]
    templates = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    units, bias = comparison["units"], _bias(comparison["drift"])
    return templates.get_template("comparison.html.j2").render(
        c=comparison,
        simulated=comparison["simulated"],
        verdict=_VERDICTS[comparison["verdict"], comparison["non_inferiority"]["verdict"]],
        mood=_mood(comparison),
        conclusions=conclusions(comparison),
        figures_of_merit=_figures_of_merit(comparison),
        test=_test(comparison),
        endpoints=_endpoints(comparison),
        findings=[_row(finding) for finding in comparison["drift"]["findings"]],
        drawn={
            "errors": plots.to_svg(errors_by_batch(comparison["by_batch"], units), "errors"),
            "bias": plots.to_svg(bias_chart(bias, units), "bias") if bias else "",
        },
        bias_caption=_bias_caption(bias) if bias else "",
        hashes=[(_MADE_FROM[key], value) for key, value in comparison["made_from"].items() if value],
    )


def _mood(comparison: dict[str, Any]) -> str:
    """Green only where something good was shown: neither that nothing was shown nor that the test was too weak is."""
    shown = comparison["non_inferiority"]["verdict"] == "shown"
    return "good" if shown and comparison["verdict"] != "worse" else "bad"


def _figures_of_merit(comparison: dict[str, Any]) -> list[tuple[str, str, str]]:
    units, sides = comparison["units"], [comparison[side]["figures"] for side in ("champion", "challenger")]
    named = {
        "rmsep": (f"RMSEP ({units})", ".3f"),
        "bias": (f"Bias ({units})", "+.3f"),
        "sep": (f"SEP ({units})", ".3f"),
        "slope": ("Slope of reference on predicted", ".3f"),
        "r2": ("R² of prediction", ".4f"),
        "n_batches": ("Batches", "d"),
        "n": ("Spectra", "d"),
    }
    before, after = sides
    return [(name, number(before[key], form), number(after[key], form)) for key, (name, form) in named.items()]


def _test(comparison: dict[str, Any]) -> list[tuple[str, str]]:
    found, judged = comparison["squared_error_difference"], comparison["non_inferiority"]
    interval = f"{number(found['lower'], '.4f')} to {number(found['upper'], '.4f')}"
    rows = [
        ("Mean squared error, challenger less champion", number(found["difference"], "+.4f")),
        ("95 % interval", interval),
        ("p value of no difference", number(found["p_value"])),
    ]
    for small in comparison["detectable"]:
        name = f"Smallest difference found with {100 * small['power']:.0f} % power"
        ratio = "no ratio, however large" if small["rmsep_ratio"] is None else f"ratio {small['rmsep_ratio']:.2f}"
        rows.append((name, f"{number(small['difference'], '.4f')}; of RMSEPs: {ratio}"))
    upper = "none" if judged["upper"] is None else f"{judged['upper']:.3f}"
    power = "–" if judged["power_if_equal"] is None else f"{100 * judged['power_if_equal']:.0f} %"
    return [
        *rows,
        ("RMSEP, challenger over champion (batches of equal weight)", number(judged["ratio"])),
        ("Its upper 95 % bound", upper),
        ("Margin", f"{judged['margin']:g}"),
        ("RMSEP within the margin", judged["verdict"]),
        ("Chance that two equally good models are shown so", power),
    ]


def _endpoints(comparison: dict[str, Any]) -> list[dict[str, str]]:
    sides = [[EndpointCase.from_dict(d) for d in comparison[s]["endpoints"]] for s in ("champion", "challenger")]
    rows = []
    for before, after in zip(*sides, strict=True):
        turn = "–" if before.true_endpoint is None else str(before.true_endpoint)
        rows.append({"batch": before.batch, "true": turn, "champion": _said(before), "challenger": _said(after)})
    return rows


def _said(case: EndpointCase) -> str:
    turn = "–" if case.found_endpoint is None else str(case.found_endpoint)
    return f"{turn}: {case.verdict}"


def _row(finding: dict[str, Any]) -> dict[str, str]:
    name = NAMES[finding["name"]]
    calls = "yes" if finding["calls"] else "no, reported only"
    return {**finding, "name": name[0].upper() + name[1:], "calls": calls}


def _bias(drift: dict[str, Any]) -> dict[str, Any] | None:
    """Numbers of the bias, where it could be followed."""
    found = (f["numbers"] for f in drift["findings"] if f["name"] == "bias" and f["verdict"] != "not testable")
    return next(found, None)


def _bias_caption(bias: dict[str, Any]) -> str:
    return (
        f"Reference value {bias['reference_value']:g} and decision interval {bias['decision_interval']:.2f} SD were "
        f"computed for one false alarm in {bias['run_length']:.0f} batches; each is standardised by all before it."
    )
