"""Scoring runs in the trail: opened, every change of state, closed or aborted. All spectra are simulated."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from pat.audit import Trail, verify
from pat.audit.questions import Scored, scored, standing
from pat.audit.runs import ABORTED, CHANGED, CLOSED, OPENED, RESUMED
from pat.errors import InputError, TrailError
from pat.scorer import Scorer, Sensors
from tests import simulated


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail.open(tmp_path / "trail.jsonl")


@pytest.fixture
def recording(content, trail: Trail) -> Scorer:
    return Scorer(content, trail=trail)


def follow(blend, n=60, seed=2):
    for i, x in enumerate(simulated.settled(n, seed=seed), start=1):
        blend.update(x, revolution=i)


def actions(trail: Trail, run: int = 1) -> list[str]:
    return [entry.action for entry in trail.entries() if entry.run == run]


@pytest.mark.requirement("URS-65")
def test_every_change_of_state_is_in_the_trail(recording, trail):
    with recording.start("B-1") as blend:
        follow(blend)
        blend.stop()
        follow(blend, 5, seed=9)
    changes = [entry for entry in trail.entries() if entry.action == CHANGED]
    assert [entry.new for entry in changes] == [transition.to_dict() for transition in blend.transitions]
    assert [entry.old for entry in changes] == [transition.before.value for transition in blend.transitions]
    assert len(changes) > 3
    assert {entry.artefact for entry in changes} == {recording.digest}
    assert actions(trail) == [OPENED, *[CHANGED] * len(changes), CLOSED]
    assert verify(trail.path).open_runs == {}


def test_a_change_is_on_the_disk_before_its_reading_is_returned(recording, trail):
    blend = recording.start("B-1")
    for i, x in enumerate(simulated.settled(60, seed=2), start=1):
        reading = blend.update(x, revolution=i)
        if reading.transition is not None:
            *_, last = trail.entries()
            assert last.new == reading.transition.to_dict()


def test_the_readings_are_those_of_a_scorer_without_a_trail(recording, scorer):
    with recording.start("B-1") as one:
        other = scorer.start("B-1")
        for i, x in enumerate(simulated.settled(60, seed=2), start=1):
            assert repr(one.update(x, revolution=i)) == repr(other.update(x, revolution=i))


def test_a_scorer_without_a_trail_records_nothing(scorer, monkeypatch, tmp_path):
    monkeypatch.setenv("PAT_TRAIL", str(tmp_path / "none.jsonl"))
    with scorer.start("B-1") as blend:
        follow(blend)
    assert not (tmp_path / "none.jsonl").exists()
    assert blend.snapshot()["run"] is None


@pytest.mark.requirement("URS-65")
def test_run_numbers_go_on_from_batch_to_batch_and_open_ones_are_listed(recording, trail):
    for batch in ("B-1", "B-1", "B-2"):
        recording.start(batch)
    report = verify(trail.path)
    assert report.open_runs == {1: "B-1", 2: "B-1", 3: "B-2"}
    assert report.opened == 3
    assert report.holds


@pytest.mark.requirement("URS-65")
def test_a_batch_that_ends_in_an_error_is_aborted(recording, trail):
    def fail() -> None:
        with recording.start("B-1") as blend:
            follow(blend, 10)
            raise RuntimeError("the spectrometer is on fire")

    with pytest.raises(RuntimeError):
        fail()
    *_, last = trail.entries()
    assert (last.action, last.reason) == (ABORTED, "RuntimeError: the spectrometer is on fire")
    with recording.start("B-2") as blend:
        blend.abort("wrong powder in the blender")
    *_, last = trail.entries()
    assert (last.action, last.reason, last.run) == (ABORTED, "wrong powder in the blender", 2)
    assert actions(trail, run=2).count(ABORTED) == 1
    assert CLOSED not in actions(trail, run=2)


def test_a_name_that_is_none_opens_no_run(recording, trail):
    with pytest.raises(InputError):
        recording.start("")
    assert trail.head is None


def test_a_batch_is_carried_on_under_its_number(recording, trail, content):
    blend = recording.start("B-1")
    follow(blend, 30)
    recording.start("B-2")
    again = Scorer(content, trail=trail).resume(json.loads(json.dumps(blend.snapshot())))
    for i, x in enumerate(simulated.settled(60, seed=2)[30:], start=31):
        again.update(x, revolution=i)
    again.close("end")
    found = [(entry.action, entry.new and entry.new["number"]) for entry in trail.entries() if entry.run == 1]
    assert [action for action, _ in found].count(RESUMED) == 1
    numbers = [number for action, number in found if action == CHANGED]
    assert numbers == list(range(1, len(again.transitions) + 1))  # each once, the end among them
    assert verify(trail.path).open_runs == {2: "B-2"}


def test_what_was_followed_without_a_trail_is_recorded_when_it_is_carried_on(scorer, recording, trail):
    blend = scorer.start("B-1")
    follow(blend)
    recording.resume(blend.snapshot())
    assert actions(trail) == [OPENED, RESUMED, *[CHANGED] * len(blend.transitions)]
    resumed = next(entry for entry in trail.entries() if entry.action == RESUMED)
    assert "not recorded" in resumed.reason


def test_a_run_stays_known_over_a_scorer_without_a_trail(recording, scorer, trail):
    blend = recording.start("B-1")
    follow(blend, 30)
    between = scorer.resume(blend.snapshot())
    for i, x in enumerate(simulated.settled(60, seed=2)[30:], start=31):
        between.update(x, revolution=i)
    recording.resume(between.snapshot())
    numbers = [entry.new["number"] for entry in trail.entries() if entry.action == CHANGED]
    assert numbers == [transition.number for transition in between.transitions]
    assert verify(trail.path).opened == 1


def test_a_snapshot_of_another_trails_run_is_refused(recording, content, tmp_path):
    blend = recording.start("B-1")
    other = Trail.open(tmp_path / "other.jsonl")
    with pytest.raises(TrailError, match="expected an audit trail"):
        Scorer(content, trail=other).resume(blend.snapshot())
    other.open_run("B-9", artefact=recording.digest)
    with pytest.raises(TrailError, match="expected the run 1 of batch B-1"):
        Scorer(content, trail=other).resume(blend.snapshot())


def test_what_could_not_be_recorded_is_recorded_with_the_next_reading(recording, trail, monkeypatch):
    blend = recording.start("B-1")
    spectra = simulated.settled(60, seed=2)
    with monkeypatch.context() as patch:
        patch.setattr(
            "pat.audit.trail._write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        with pytest.raises(TrailError, match="cannot be written: No space left"):
            blend.update(spectra[0], revolution=1)
    for i, x in enumerate(spectra[1:], start=2):
        blend.update(x, revolution=i)
    numbers = [entry.new["number"] for entry in trail.entries() if entry.action == CHANGED]
    assert numbers == [transition.number for transition in blend.transitions]


def test_several_sensors_have_a_run_each_and_carry_on_with_them(recording, trail):
    sensors = Sensors({"lid": recording, "axis": recording}, "B-1")
    again = Sensors.resume({"lid": recording, "axis": recording}, sensors.snapshot())
    again.close("end")
    report = verify(trail.path)
    assert report.opened == 2
    assert report.open_runs == {}


@pytest.mark.requirement("URS-74")
def test_which_artefact_scored_a_batch(recording, trail, content):
    with recording.start("B-1") as blend:
        follow(blend)
    state = blend.transitions[-2].after.value  # the last one is its end
    recording.start("B-2")
    with pytest.raises(KeyError), recording.start("B-1"):
        raise KeyError("x")
    first, second = scored(trail.entries(), "B-1")
    assert (first.run, first.artefact, first.outcome, first.state) == (1, recording.digest, "closed", state)
    assert (second.run, second.outcome, second.reason) == (3, "aborted", "KeyError: 'x'")
    (other,) = scored(trail.entries(), "B-2")
    assert (other.outcome, other.ended, other.state) == ("open", None, "LOADED")
    assert [type(run) for run in scored(trail.entries())] == [Scored] * 3
    assert scored(trail.entries(), "B-7") == []


@pytest.mark.requirement("URS-74")
def test_what_was_champion_and_what_released_on_a_day(trail, monkeypatch):
    done, no = {"outcome": "done"}, {"outcome": "refused"}

    def on(day: str, action: str, kind: str, name: str, artefact: str | None, new: object) -> None:
        monkeypatch.setattr("pat.audit.clock.now", lambda: f"2026-03-{day}T12:00:00.000Z")
        trail.record(action, kind=kind, id=name, artefact=artefact, new=new)

    on("01", "release", "artefact", "models/a", "a" * 64, done)
    on("02", "promote", "method", "demo", "a" * 64, {"version": 1})
    on("03", "release", "artefact", "models/b", "b" * 64, done)
    on("03", "release", "artefact", "models/c", "c" * 64, no)  # a refusal releases nothing
    on("04", "promote", "method", "demo", "b" * 64, {"version": 2})
    on("05", "revoke", "artefact", "models/a", "a" * 64, done)
    on("05", "revoke", "artefact", "models/b", "b" * 64, no)

    def stood(day: int) -> set[tuple[str, str]]:
        return {(one.standing, one.artefact[0]) for one in standing(trail.entries(), date(2026, 3, day))}

    assert stood(1) == {("released", "a")}
    assert stood(2) == {("released", "a"), ("champion", "a")}
    assert stood(3) == {("released", "a"), ("released", "b"), ("champion", "a")}
    assert stood(4) == {("released", "a"), ("released", "b"), ("champion", "b")}
    assert stood(5) == {("released", "b"), ("champion", "b")}
    assert standing(trail.entries(), date(2026, 2, 28)) == []
