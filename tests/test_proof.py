"""The known blend: verdicts are proven as predictions are, when somebody asks for it, and never while a line loads."""

from __future__ import annotations

import numpy as np
import pytest

from pat import artefact
from pat.artefact import BLEND_NUMBERS
from pat.errors import ArtefactError
from pat.scorer import Scorer
from pat.scorer.proof import blend_errors, follow_known, require_known_blend
from tests import simulated


@pytest.fixture(scope="module")
def known(content):
    return simulated.known_blend(content)


def test_the_columns_are_the_readings(scorer, known):
    blend = scorer.start("B-1")
    readings = [blend.update(x, int(turn)) for x, turn in zip(known["absorbance"], known["revolution"], strict=True)]
    assert known["status"].tolist() == [reading.status.value for reading in readings]
    assert known["state"].tolist() == [reading.state.value for reading in readings]
    for name in BLEND_NUMBERS:
        expected = [getattr(reading, name) for reading in readings]
        np.testing.assert_array_equal(known[name], [np.nan if v is None else v for v in expected])
    # It shows what is to be proven: a blend that mixes, is declared uniform, and stays so.
    assert {"MIXING", "UNIFORM"} <= set(known["state"].tolist())
    assert np.isfinite(known["endpoint"][-1])


def test_revolutions_that_nobody_counted_are_counted(scorer, known):
    counted = follow_known(scorer, known["absorbance"], np.full(known["revolution"].size, np.nan))
    assert set(blend_errors(counted, known).values()) == {0.0}


@pytest.mark.requirement("URS-45")
def test_an_artefact_proves_its_own_blend(demo_artefact):
    found = artefact.read(demo_artefact)
    require_known_blend(Scorer.proven(found, demo_artefact), found.known_blend, demo_artefact)


@pytest.mark.requirement("URS-45")
@pytest.mark.parametrize("name", BLEND_NUMBERS)
def test_a_number_that_differs_is_named(scorer, known, name):
    at = int(np.flatnonzero(known[name] > 0.1 * np.nanmax(known[name]))[-1])
    changed = known[name].copy()
    changed[at] *= 1.0 + 3e-9 / (1.0 if name != "evidence" else changed[at])
    with pytest.raises(ArtefactError, match=f"A: the known blend's {name} must come out as in the laboratory"):
        require_known_blend(scorer, known | {name: changed}, "A")
    changed[at] = np.nan
    with pytest.raises(ArtefactError, match=f"known blend's {name} .* got one that is off by inf"):
        require_known_blend(scorer, known | {name: changed}, "A")


@pytest.mark.parametrize("name", ["status", "state"])
def test_another_verdict_is_named(scorer, known, name):
    changed = known[name].copy()
    changed[-1] = "OTHER"
    with pytest.raises(ArtefactError, match=f"known blend's {name}"):
        require_known_blend(scorer, known | {name: changed}, "A")


def test_another_rule_with_the_same_model_does_not_pass(known):
    # Every prediction is the same, so the known answers would not show it.
    other = Scorer(simulated.make_content(rule=simulated.rule_with(threshold=2.0)))
    with pytest.raises(ArtefactError, match="known blend's"):
        require_known_blend(other, known, "A")


def test_arrays_that_do_not_fit_together_are_refused(scorer, known):
    for part in (
        {"absorbance": known["absorbance"][:-1]},
        {"absorbance": np.zeros(3)},
        {"revolution": known["state"]},
        {"value": known["state"]},
        {"value": known["value"][:-1]},
    ):
        with pytest.raises(ArtefactError, match="known blend"):
            require_known_blend(scorer, known | part, "A")
    nothing = {name: column[:0] for name, column in known.items()}
    with pytest.raises(ArtefactError, match="at least 1 reading, got 0"):
        require_known_blend(scorer, nothing, "A")


def test_an_artefact_without_a_rule_has_nothing_to_prove(scorer):
    require_known_blend(scorer, None, "A")


def test_loading_does_not_follow_it(content, tmp_path):
    """A wrong reading in it is found by `pat verify`; a line's start does not wait for that."""
    known = simulated.known_blend(content)
    assert known is not None
    wrong = known | {"mbsd": known["mbsd"] * 2.0}
    simulated.write_artefact(tmp_path / "a", content, known_blend=wrong)
    assert Scorer.load(tmp_path / "a", allow_unreleased=True).digest == content.digest
    with pytest.raises(ArtefactError, match="known blend's mbsd"):
        require_known_blend(Scorer(content), artefact.read(tmp_path / "a").known_blend, "A")
