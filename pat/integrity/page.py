"""The integrity report as one self-contained page that prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

from pat.integrity.checks import CHECKS, Item
from pat.integrity.report import ORDER, Report, amount

_HERE = Path(__file__).parent
_MARKS = {"finding": "✗ finding", "note": "! note", "not examined": "– not examined", "clear": "✓ clear"}
_NAMES = {
    "spectra": "Spectra",
    "readings": "Readings",
    "batches": "Batches",
    "instruments": "Instruments",
    "first": "First measured (UTC)",
    "last": "Last measured (UTC)",
    "sha256": "Content (SHA-256)",
    "derived_from": "Made from the content (SHA-256)",
    "artefact": "Artefact (content digest)",
    "examined": "Examined (UTC)",
    "version": "By pat, version",
    "code_sha256": "By its code (SHA-256)",
}


def page(report: Report) -> str:
    """Return a report as HTML that needs nothing else; the same bytes for the same report."""
    # The style is that of the validation report.
    loader = ChoiceLoader([FileSystemLoader(_HERE), FileSystemLoader(_HERE.parent / "report")])
    templates = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return templates.get_template("page.html.j2").render(
        subject=report.subject,
        kind=report.facts["kind"],
        sound=report.sound,
        conclusion=report.conclusion,
        simulated=report.facts.get("simulated", False),
        about=[(name, _text(report.facts[key])) for key, name in _NAMES.items() if report.facts.get(key) is not None],
        rows=[_row(item) for state in ORDER for item in report.of(state)],
        marks=_MARKS,
    )


def _row(item: Item) -> dict[str, Any]:
    check = CHECKS[item.check]
    return {
        "state": item.state,
        "title": check.title,
        "principle": check.principle,
        "amount": amount(item),
        "about": check.about,
        "where": item.where,
        "more": max(0, item.count - len(item.where)) if len(item.where) > 1 else 0,
        "batches": sorted((item.batches or {}).items()),
    }


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
