"""The page for the person who signs: the document's figures, nothing from elsewhere, no green without reason."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from pat.errors import InputError
from pat.plots import to_png
from pat.plots.comparison import bias_chart, errors_by_batch
from pat.retraining import Drift, Finding, compare
from pat.retraining.comparison import by_batch
from pat.retraining.cusum import bias_cusum
from pat.retraining.drift import REFERENCES
from pat.retraining.page import page
from pat.validation.endpoints import EndpointCase, Outcome

NAMES = np.repeat([f"V{i:02d}" for i in range(1, 9)], 4)


def bias_numbers() -> dict[str, Any]:
    rng = np.random.default_rng(2)
    before, errors = rng.normal(0.0, 0.1, 8), np.append(rng.normal(0.0, 0.1, 3), 0.5)
    found = bias_cusum(before, errors)
    return {
        "batches": ["N1", "N2", "N3", "N4"], "errors": errors.tolist(), "baseline_errors": before.tolist(),
        "upper_sums": found.sums[:, 0].tolist(), "lower_sums": found.sums[:, 1].tolist(), "reference_value": 0.5,
        "decision_interval": found.decision_interval, "run_length": found.run_length, "signal": "N4",
    }  # fmt: skip


def comparison(shared: float, *, simulated: bool = True) -> dict[str, Any]:
    """Two models whose errors are nearly the same (a large share) or not at all."""
    rng = np.random.default_rng(1)
    y = np.repeat(np.linspace(8.0, 12.0, 8), 4)
    of_batch = np.repeat(rng.normal(0.0, 0.2, (3, 8)), 4, axis=1)
    champion, challenger = (y + shared * of_batch[0] + (1.0 - shared) * of_batch[i] for i in (1, 2))
    document = compare(y, champion, challenger, NAMES).to_dict()
    case = EndpointCase(
        batch="B<1>", kind="", true_endpoint=63, found_endpoint=80, outcome=Outcome.ON_TIME, delay=17,
        states=("MIXING",), uniform_while_not=0, uniform_too_long=False, fault_seen=None,
    )  # fmt: skip
    findings = (
        Finding("bias", REFERENCES, "shown", True, "CUSUM above 3.50 from N4 on", bias_numbers()),
        Finding("scores", REFERENCES, "not testable", False, "too few batches", {}),
    )
    sides = {
        side: {"digest": digit * 64, "figures": document[side], "endpoints": [case.to_dict()]}
        for side, digit in (("champion", "a"), ("challenger", "b"))
    }
    return {
        **document, "method": "demo", "units": "% w/w", "simulated": simulated, "new_batches": ["N1", "N4"],
        "batches": {"validation": sorted(set(NAMES.tolist())), "blend_validation": ["B<1>"]},
        "by_batch": by_batch(y, champion, challenger, NAMES), "drift": Drift("a" * 64, ["V01"], findings).to_dict(),
        "made_from": {"champion": "a" * 64, "truth_sha256": None, "code_sha256": "c" * 64}, **sides,
    }  # fmt: skip


class Text(HTMLParser):
    """Text of a page, and where it would get anything from."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        assert tag != "script"

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def text_of(html: str) -> str:
    return " ".join(" ".join(Text(html).words).split())


def test_the_page_needs_nothing_else_and_repeats_byte_for_byte() -> None:
    document = comparison(0.9)
    html = page(document)
    assert html == page(document)
    # Parts of its own figures are named by #; nothing is fetched.
    assert all(link.startswith("#") for link in Text(html).links)
    assert not re.search(r"url\((?!#)|@import", html)
    assert html.count("<svg") == 2
    assert "B<1>" not in html
    text = text_of(html)
    for expected in ("SIMULATED DATA", "a" * 64, "b" * 64, "c" * 64, "B<1>", "80: on time", "N1, N4", "not testable"):
        assert expected in text
    assert "SIMULATED" not in text_of(page(comparison(0.9, simulated=False)))


def test_what_the_page_says_is_what_the_document_says() -> None:
    document = comparison(0.999)
    text, found, judged = text_of(page(document)), document["squared_error_difference"], document["non_inferiority"]
    assert f"p value of no difference {found['p_value']:.3f}" in text
    assert f"Its upper 95 % bound {judged['upper']:.3f}" in text
    # Eight batches whose errors are so unequal: no test of means finds larger ones with that power, and it says so.
    assert document["detectable"][0]["rmsep_ratio"] is None
    assert f"{document['detectable'][0]['difference']:.4f}; of RMSEPs: no ratio, however large" in text
    document["detectable"][0]["rmsep_ratio"] = 1.234
    assert "of RMSEPs: ratio 1.23" in text_of(page(document))
    assert f"Chance that two equally good models are shown so {100 * judged['power_if_equal']:.0f} %" in text
    assert "The challenger is not in use." in text
    assert "Shown: a retraining is called for." in text


def test_green_is_only_what_was_shown() -> None:
    """Two models of which too little is known: no difference is shown, and the page is not green."""
    close, apart = comparison(0.999), comparison(0.0)
    assert close["non_inferiority"]["verdict"] == "shown"
    assert '<div class="verdict good">' in page(close)
    assert (apart["verdict"], apart["non_inferiority"]["verdict"]) == ("no difference shown", "not shown")
    assert '<div class="verdict bad">' in page(apart)
    assert "Neither a difference is shown nor that there is none" in text_of(page(apart))


def test_errors_by_batch_are_those_of_the_predictions() -> None:
    y = np.array([8.0, 8.0, 12.0, 12.0])
    rows = by_batch(y, y + [0.1, 0.3, -0.2, -0.2], y, np.array(["A", "A", "B", "B"]))
    assert [row["batch"] for row in rows] == ["A", "B"]
    assert rows[0]["champion"] == pytest.approx({"error": 0.2, "rms_error": np.sqrt(0.05)})
    assert rows[1]["champion"] == pytest.approx({"error": -0.2, "rms_error": 0.2})
    assert rows[0]["challenger"] == {"error": 0.0, "rms_error": 0.0}
    assert (rows[0]["n"], rows[1]["reference"]) == (2, 12.0)


def test_figures_show_every_batch() -> None:
    document = comparison(0.9)
    figure = errors_by_batch(document["by_batch"], "% w/w")
    assert [np.size(line.get_xdata()) for line in figure.axes[1].get_lines()] == [8, 8]
    assert figure.axes[1].get_ylim()[0] == 0.0
    chart = bias_chart(bias_numbers(), "% w/w")
    assert [label.get_text() for label in chart.axes[1].get_xticklabels()] == ["N1", "N2", "N3", "N4"]
    assert to_png(chart).startswith(b"\x89PNG")
    with pytest.raises(InputError, match="at least one batch"):
        errors_by_batch([], "% w/w")
