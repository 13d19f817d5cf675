"""The terminal's view of a batch: what stands in it, in a terminal and in a log."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from rich.console import Console

from pat.core.endpoint import IN_WORDS
from pat.scorer import Reading, Scorer
from pat.terminal import BatchView, show, trace
from tests import simulated


@pytest.fixture(scope="module")
def readings(scorer: Scorer) -> list[Reading]:
    blend = scorer.start("B-7")
    content = 10.0 + 0.05 * np.random.default_rng(3).standard_normal(90)
    return [blend.update(x) for x in simulated.spectra(content, 4)]


def text_of(readings: list[Reading], scorer: Scorer, *, terminal: bool) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=80, color_system=None)

    def each() -> Iterator[Reading]:
        yield from readings

    assert show(each(), scorer, len(readings), console) is readings[-1]
    return stream.getvalue()


def test_the_panel_says_what_an_operator_needs(readings: list[Reading], scorer: Scorer) -> None:
    last = readings[-1]
    text = text_of(readings, scorer, terminal=True)
    assert "batch B-7" in text
    assert last.state.value in text
    assert "NOT RELEASED" in text
    assert last.artefact[:12] in text
    for question in vars(last.verdicts):
        assert IN_WORDS[question] in text
    assert f"{last.block_mean:.2f}" in text


def test_every_line_of_the_panel_fits_a_terminal(readings: list[Reading], scorer: Scorer) -> None:
    view, stream = BatchView(scorer, len(readings)), io.StringIO()
    console = Console(file=stream, width=80, color_system=None)
    for reading in readings:
        console.print(view.render(reading))
    assert max(map(len, stream.getvalue().splitlines())) <= 80
    assert "…" not in stream.getvalue()


def test_a_log_gets_plain_lines(readings: list[Reading], scorer: Scorer) -> None:
    lines = text_of(readings, scorer, terminal=False).splitlines()
    changes = sum(a.state is not b.state for a, b in zip(readings, readings[1:], strict=False))
    assert 1 + len(readings) // 20 <= len(lines) <= 1 + len(readings) // 20 + changes
    assert all("\x1b" not in line for line in lines)


def test_bars_grow_with_the_value_and_stop_at_twice_the_limit() -> None:
    assert trace([0.0, 3.0, 5.9, 60.0, float("nan")], 3.0).plain == "▁▅██ "
