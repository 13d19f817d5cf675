"""The report: self-contained, repeatable, and saying what the validation found."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from pat.assembly import assemble
from pat.report import build, wording
from pat.validation.gate import PLAIN
from tests.validated import Validated, stamped, validated


@pytest.fixture(scope="module")
def made() -> Validated:
    return validated()


def report(made: Validated) -> str:
    """Return the report of everything."""
    return build(
        made.method,
        made.calibration,
        made.validation,
        raw=made.raw,
        treated=made.treated,
        homogeneity=made.homogeneity,
        pure=made.pure,
        replay=replace(made.validation.profiles[0], batch="H01"),
    )


@pytest.fixture(scope="module")
def page(made: Validated) -> str:
    return report(made)


def predicting(made: Validated, **document: Any) -> Validated:
    """Return the same validation, of a method that follows no blend."""
    found = {
        **made.validation.document,
        "endpoints": [],
        "batches": {"validation": ["V0", "V1", "V2", "V3"]},
        **document,
    }
    method = made.method.model_copy(update={"homogeneity": None})
    return stamped(
        replace(
            made,
            method=method,
            calibration=replace(made.calibration, method=method),
            validation=replace(made.validation, document=found, profiles=[]),
        )
    )


def bare(made: Validated, **changes: Any) -> str:
    """Return the shortest report: no blends, no pure components, no replay."""
    given = {"raw": made.raw, "treated": made.treated} | changes
    return build(made.method, made.calibration, made.validation, **given)


class Page(HTMLParser):
    """What a browser would load, and the names on the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: Counter[str] = Counter()
        self.words = ""
        self._hidden = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._hidden = tag == "style"
        for name, value in attrs:
            if name in ("href", "src", "xlink:href", "action", "data"):
                self.links.append(value or "")
            if name == "id":
                self.ids[value or ""] += 1

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words += " " + data

    def text(self) -> str:
        return " ".join(self.words.split())


@pytest.mark.requirement("URS-30")
def test_the_same_input_gives_the_same_bytes(made: Validated, page: str) -> None:
    assert report(made) == page
    assert len(page.encode()) < 3e6


@pytest.mark.requirement("URS-30")
def test_the_page_needs_nothing_else(page: str) -> None:
    seen = Page(page)
    assert not seen.tags & {"script", "link", "iframe", "img", "object", "embed"}
    inside = {link[1:] for link in seen.links if link.startswith("#")}
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in seen.links)
    assert inside | set(re.findall(r"url\(#([^)]+)\)", page)) <= set(seen.ids)
    assert seen.ids.most_common(1)[0][1] == 1
    # An address may only be the name of a namespace.
    assert set(re.findall(r"https?://[^\"'<\s]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert not re.search(r"@import|url\((?!#)", page)


def test_the_head_says_what_was_found_and_of_what(made: Validated, page: str) -> None:
    text = Page(page).text()
    assert text.index("Validation passed") < text.index("Acceptance criteria")
    assert "All 4 acceptance criteria are met." in text
    assert "demo, version 1" in text
    assert "api in % w/w; target 10, range 7 to 13" in text
    assert assemble(made.method, made.calibration, made.homogeneity).digest in text


@pytest.mark.requirement("URS-30")
def test_a_failed_validation_says_so_and_why(made: Validated) -> None:
    criteria = [
        {"name": "max_rmsep", "required": "<= 0.05 % w/w", "found": 0.11, "passed": False},
        {"name": "max_bias", "required": "<= 0.2 % w/w", "found": 0.01, "passed": True},
        {"name": "max_median_delay", "required": "<= 50 revolutions", "found": None, "passed": False},
    ]
    text = Page(bare(predicting(made, passed=False, criteria=criteria))).text()
    assert "Validation failed 2 of 3 acceptance criteria are not met: RMSEP; Median delay of the end-point." in text
    assert "RMSEP ≤ 0.05 % w/w 0.11 ✗ not met" in text
    assert "≤ 50 revolutions nothing to judge by ✗ not met" in text
    assert "Validation passed" not in text


def test_figures_of_merit_are_those_of_the_validation(made: Validated, page: str) -> None:
    text, found = Page(page).text(), made.validation.document["figures"]
    assert f"RMSEP {found['rmsep']:.3f} % w/w" in text
    assert f"RMSECV {made.calibration.figures['rmsecv']:.3f} ±" in text
    assert "Validation set 4 batches, 16 spectra" in text
    assert "Calibration set 8 batches, 32 spectra" in text


def test_a_figure_that_cannot_be_had_is_a_dash(made: Validated) -> None:
    figures = {**made.validation.document["figures"], "slope": None, "slope_p": None}
    text = Page(bare(predicting(made, figures=figures))).text()
    assert "Slope – reference on predicted, through batch means; test against 1: p = –" in text
    assert not re.search(r"\b(nan|None|null)\b", text)


@pytest.mark.requirement("URS-32")
def test_the_claim_is_in_words(made: Validated, page: str) -> None:
    text, claim = Page(page).text(), made.homogeneity.claim
    assert "at the limit of 3 % RSD is called uniform, at any time in 300 revolutions" in text
    assert "a chance of at most 1 % per batch" in text
    assert "portions of 25 mg" in text
    assert "Pockets of unmixed powder that 15 % of the readings or more see" in text
    assert f"an autocorrelation of {claim['autocorrelation_upper']:.2f}" in text
    assert claim["outside"] in text


def test_the_published_statistics_stand_with_their_limits(made: Validated, page: str) -> None:
    text, limits = Page(page).text(), made.homogeneity.witnesses.limits
    assert f"MBSD {limits['mbsd'].median:.3g} {limits['mbsd'].high:.3g} treated" in text
    mean = limits["block_mean"]
    assert f"Block mean {mean.median:.3g} {mean.low:.3g} to {mean.high:.3g} % w/w" in text
    assert "no verdict rests on them" in text


def test_every_end_point_has_its_verdict(page: str) -> None:
    text = Page(page).text()
    assert re.search(r"B0 fast (\d+) (\d+) (\d+) ✓ on time", text)
    assert "B1 low assay – – – ✓ rightly not declared 0 mixing → steady" in text
    assert re.search(r"B2 fouling \d+ – – ✓ rightly not declared 0 mixing → sensor fault", text)


def test_what_speaks_against_a_blend_after_a_right_end_point_is_said(made: Validated) -> None:
    first, *rest = made.validation.document["endpoints"]
    document = {**made.validation.document, "endpoints": [first | {"uniform_while_not": 9, "uniform_too_long": True}]}
    document["endpoints"] += [case | {"fault_seen": False} for case in rest]
    rows = wording.endpoints(replace(made.validation, document=document))
    assert [(row["verdict"], row["good"], row["wrong"]) for row in rows] == [
        ("on time; called uniform for too long", False, 9),
        ("rightly not declared; fault not seen", False, 0),
        ("rightly not declared; fault not seen", False, 0),
    ]


def test_no_word_of_the_code_is_shown(page: str) -> None:
    text = Page(page).text()
    for word in ("none_due", "on_time", "rightly_not_declared", "max_", "uniform_while_not", "SENSOR_FAULT"):
        assert word not in text


def test_every_criterion_has_a_plain_line(made: Validated) -> None:
    criteria = [{"name": name, "required": f"<= {i}", "found": i, "passed": True} for i, name in enumerate(PLAIN)]
    found = predicting(made, criteria=criteria).validation
    lines = [(row["name"], row["required"], row["found"]) for row in wording.criteria(found)]
    assert lines == [(words, f"≤ {i}", f"{i}") for i, words in enumerate(PLAIN.values())]


def test_wavelengths_used_stand_beside_those_asked_for(made: Validated, page: str) -> None:
    """By hand from the axis: what lies in 960 to 1240 and in 1300 to 1640 nm."""
    axis = made.raw["wavelength"].values
    low, high = axis[(axis >= 960) & (axis <= 1240)], axis[(axis >= 1300) & (axis <= 1640)]
    used = f"{low[0]:.2f} to {low[-1]:.2f} nm, {high[0]:.2f} to {high[-1]:.2f} nm ({low.size + high.size} of the 125"
    asked = "the method asks for 960 to 1240 nm, 1300 to 1640 nm"
    assert f"Wavelengths {used} that the instrument has); {asked}" in Page(page).text()


def test_a_method_without_ranges_uses_the_whole_axis(made: Validated) -> None:
    method = made.method.model_copy(update={"spectra": made.method.spectra.model_copy(update={"ranges": ()})})
    said = dict(wording.about(replace(made.calibration, method=method)))["Wavelengths"]
    axis = made.raw["wavelength"].values
    ends = f"{axis[0]:.2f} to {axis[-1]:.2f} nm"
    assert said == f"{ends} (125 of the 125 that the instrument has); the method asks for the whole axis"


def test_the_folds_are_stated(made: Validated, page: str) -> None:
    assert "error of cross-validation, whole batches left out (8 folds), ± its standard error" in Page(page).text()
    rules = made.method.calibration.model_copy(update={"folds": "lot"})
    by_lot = replace(made.calibration, method=made.method.model_copy(update={"calibration": rules}))
    assert wording.folds(by_lot) == "whole lots left out (8 folds)"


def test_lots_that_are_not_known_are_noted(page: str) -> None:
    """The small campaign has no lots at all."""
    note = "Note: Independence of lots is not shown: no lot is known of 7 validation batches (B0, B1, B2, V0, V1"
    assert note in Page(page).text()


@pytest.mark.requirement("URS-30")
def test_batches_and_hashes_are_listed(made: Validated, page: str) -> None:
    text = Page(page).text()
    assert "Calibration 8 C0, C1, C2, C3, C4, C5, C6, C7" in text
    assert "Blend validation 3 B0, B1, B2" in text
    assert text.count(str(made.raw.attrs["sha256"])) == 2


@pytest.mark.requirement("URS-07")
def test_simulated_data_are_labelled_and_measured_data_are_not(made: Validated, page: str) -> None:
    assert "SIMULATED DATA." in page
    measured = made.raw.assign_attrs(simulated=0)
    assert "imulated data" not in bare(predicting(made), raw=measured).replace("simulated-mark", "").lower()


def test_what_is_not_given_is_left_out(made: Validated) -> None:
    text = Page(bare(predicting(made, notes=[]))).text()
    for absent in ("end-point rule", "End-points of the validation blends", "held-out", "Note:"):
        assert absent not in text


def test_names_are_escaped(made: Validated) -> None:
    hostile = predicting(made)
    method = hostile.method.model_copy(update={"product": "<script>alert(1)</script> & more"})
    text = bare(stamped(replace(hostile, method=method, calibration=replace(hostile.calibration, method=method))))
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in text
