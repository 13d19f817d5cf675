"""A batch's forecast: from its own readings, through a snapshot, in every state, and where people see it."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from pat.core.forecast import forecast
from pat.scorer import Forecast, Scorer, State, Status
from pat.terminal import show
from tests import simulated
from tests.simulated import RULE, WAVELENGTH


def test_it_is_made_from_the_predictions_of_the_run(scorer: Scorer) -> None:
    blend, spectra = scorer.start("B-1"), simulated.blending(30, 41)
    values = [blend.update(x, 2 * i + 1).value for i, x in enumerate(spectra)]
    found = blend.forecast()
    turns = np.arange(1.0, 61.0, 2.0)
    assert found == forecast(RULE, turns, np.array(values), blend._endpoint.gathered)
    assert found.probability is not None


def test_spectra_that_are_no_powder_of_the_batch_are_left_out(scorer: Scorer) -> None:
    alone, disturbed = scorer.start("B-1"), scorer.start("B-1")
    for i, x in enumerate(simulated.blending(20, 42), start=1):
        alone.update(x, i)
        disturbed.update(x, i)
        # A repeat, a foreign spectrum, and one of the wrong length: none tells of the spread.
        assert disturbed.update(x, i).status is not Status.OK
        assert disturbed.update(np.ones(3), i).status is not Status.OK
    foreign = simulated.settled(1, 43)[0] + 0.2 * np.sin(WAVELENGTH / 9.0)
    assert disturbed.update(foreign, 21).status is Status.OUT_OF_SCOPE
    assert disturbed._course.snapshot() == alone._course.snapshot()


def test_it_carries_on_from_a_snapshot_and_the_memory_is_bounded(scorer: Scorer) -> None:
    blend = scorer.start("B-1")
    for x in simulated.blending(RULE.max_revolutions + 30, 44):
        blend.update(x)
    state = json.loads(json.dumps(blend.snapshot(), allow_nan=False))
    assert len(state["course"]) == RULE.max_revolutions
    half = scorer.start("B-1")
    for x in simulated.blending(25, 45):
        half.update(x)
    again = scorer.resume(json.loads(json.dumps(half.snapshot())))
    assert again.forecast() == half.forecast()
    assert again.forecast().probability is not None


def test_every_state_has_its_answer(scorer: Scorer) -> None:
    blend = scorer.start("B-1")
    assert blend.forecast() == Forecast()
    for x in simulated.settled(60, 46):
        reading = blend.update(x)
    assert reading.state is State.UNIFORM
    assert blend.forecast() == Forecast(0, 0, 0, probability=1.0, reason="uniform")
    blend.stop()
    assert blend.forecast() == Forecast(reason="no forecast while the batch is hold")


def test_a_terminal_shows_it_and_a_log_does_not(scorer: Scorer) -> None:
    spectra = simulated.blending(11, 47)
    for terminal in (True, False):
        blend, stream = scorer.start("B-1"), io.StringIO()
        console = Console(file=stream, force_terminal=terminal, width=80, color_system=None)
        show(map(blend.update, spectra), scorer, len(spectra), console, blend.forecast)
        assert ("uniform: too few readings to forecast from" in stream.getvalue()) == terminal


@pytest.mark.parametrize("every", [5])
def test_the_command_line_gives_it_every_fifth_reading(demo_artefact, tmp_path, capsys, every) -> None:
    from pat.cli import main
    from tests.wide_csv import write_csv

    spectra = simulated.blending(40, 48)
    write_csv(tmp_path / "spectra.csv", {"B-1": spectra})
    command = ["score", str(demo_artefact), str(tmp_path / "spectra.csv"), "--allow-unreleased"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["batches"][0]["forecasts"]
    assert [made["revolution"] for made in found] == list(range(every, 41, every))
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "left" in text
    made = next(made for made in found if made["remaining"])
    assert f"{made['remaining']} ({made['remaining_low']}-{made['remaining_high']})" in text
