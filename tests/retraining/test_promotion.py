"""Promotion: a person's act, of what was released; and what the trail tells of it afterwards."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pat import audit, cli, tracking
from pat.audit import clock
from pat.errors import InputError, Refusal, TrailError
from pat.files import canonical_json
from pat.method import Method
from pat.retraining import Outcome, champion_folder, promote
from pat.retraining.history import history, scoring_runs
from pat.tracking import registry
from pat.trust import times
from tests.retraining.settled import aliases, run, settle
from tests.site import Site, make_site
from tests.small_campaign import Campaign

pytestmark = pytest.mark.requirement("URS-70", "URS-74")


@pytest.fixture(scope="module")
def waiting(made: Campaign, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A folder in which a challenger waits; copied for each test."""
    folder = tmp_path_factory.mktemp("waiting")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return folder, run(settle(made, folder))


@pytest.fixture
def place(waiting: tuple[Path, Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to work in, with a trail of its own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PAT_TRAIL", str(tmp_path / "trail.jsonl"))
    folder = tmp_path / "project"
    shutil.copytree(waiting[0], folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "trust")


def challenger(place: Path, waiting: tuple[Path, Outcome]) -> Path:
    return place / "challengers" / str(waiting[1].digest) / "artefact"


def version(place: Path) -> int:
    found = tracking.challenger("small", root=place)
    assert found is not None
    return found.version


def promoted(place: Path, site: Site, **more: Any) -> tracking.TrackedVersion:
    method = Method.load(place / "method.yaml")
    return promote(method, version(place), place, trust=site.folder, root=place, **more)


@pytest.mark.requirement("URS-70")
def test_what_is_not_released_is_not_promoted_and_the_refusal_says_what_is_missing(place, waiting, site):
    missing = "signatures that are missing: authorship, review, approval, release"
    with pytest.raises(Refusal, match=f"it must be released first, .*{missing}"):
        promoted(place, site)
    site.approve(challenger(place, waiting), home=place)
    with pytest.raises(Refusal, match="signatures that are missing: release;"):
        promoted(place, site)
    assert aliases(place) == {"champion": 1, "challenger": version(place)}
    assert not audit.default_place().exists()


def test_a_released_challenger_is_promoted_by_a_person(place, waiting, site):
    site.approve(challenger(place, waiting), home=place)
    released = site.release(challenger(place, waiting), home=place)
    number = version(place)
    found = promoted(place, site, reason="smaller bias at low content")
    assert (found.version, found.digest, found.released) == (number, waiting[1].digest, True)
    assert aliases(place) == {"champion": number, "challenger": None}
    champion = tracking.champion("small", root=place)
    assert champion is not None
    assert champion.released
    assert champion_folder(Method.load(place / "method.yaml"), place, root=place) == released / "artefact"
    (term,) = history(audit.Trail.open().entries(), "small").champions
    assert (term.version, term.digest, term.released) == (number, waiting[1].digest, True)
    assert term.reason == "smaller bias at low content"


@pytest.mark.parametrize("fault", ["revoked", "altered", "expired", "another"])
def test_a_release_that_does_not_hold_is_none(place, waiting, site, monkeypatch, fault):
    site.approve(challenger(place, waiting), home=place)
    released = site.release(challenger(place, waiting), home=place, valid_until="2090-01-01T00:00:00Z")
    said = fault
    if fault == "revoked":
        site.revoke(released.name)
    elif fault == "altered":
        (released / "artefact" / "report.html").write_text("<html>other</html>")
        said = "report.html"
    elif fault == "expired":
        monkeypatch.setattr(times, "now", lambda: "2091-01-01T00:00:00Z")
    else:  # the champion's own release under the challenger's name
        site.approve(place / "artefact", home=place)
        champion = site.release(place / "artefact", home=place)
        shutil.rmtree(released)
        champion.rename(released)
        said = "is a release of"
    with pytest.raises(Refusal, match=f"is not promoted: .*{said}"):
        promoted(place, site)
    assert aliases(place)["champion"] == 1


def test_without_a_release_it_takes_a_flag_that_every_listing_shows(place, waiting, site, capsys):
    number = version(place)
    assert not promoted(place, site, unreleased=True).released
    champion = tracking.champion("small", root=place)
    assert champion is not None
    assert not champion.released
    assert cli.main(["history", "small"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if str(waiting[1].digest)[:12] in line)
    assert "NO" in line.split()
    # Released later, the same version may be promoted again, and is listed so from then on.
    site.approve(challenger(place, waiting), home=place)
    site.release(challenger(place, waiting), home=place)
    method = Method.load(place / "method.yaml")
    assert promote(method, number, place, trust=site.folder, root=place).released
    terms = history(audit.Trail.open().entries(), "small").champions
    assert [term.released for term in terms] == [False, True]
    assert terms[0].until == terms[1].since


def test_an_unknown_version_is_wrong_input(place, site):
    with pytest.raises(InputError, match="expected one of the registered versions"):
        promote(Method.load(place / "method.yaml"), 77, place, unreleased=True, root=place)


def test_what_cannot_be_recorded_is_not_done(place, site, monkeypatch):
    monkeypatch.setenv("PAT_TRAIL", str(place))  # a folder
    with pytest.raises(TrailError):
        promoted(place, site, unreleased=True)
    assert aliases(place)["champion"] == 1


def version_of(number: int, digest: str, *, released: bool = True) -> tracking.TrackedVersion:
    return tracking.TrackedVersion("run", number, digest, new=True, released=released)


@pytest.mark.requirement("URS-74")
def test_any_day_and_any_batch_can_be_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PAT_TRAIL", str(tmp_path / "trail.jsonl"))
    first, second = "a" * 64, "b" * 64

    def on(moment: str) -> audit.Trail:
        monkeypatch.setattr(clock, "now", lambda: f"2026-{moment}:00.000Z")
        return audit.Trail.open()

    on("03-01T08:00")
    registry.record(registry.REGISTER, "small", version_of(1, first))
    on("03-02T08:00")
    registry.record(registry.PROMOTE, "small", version_of(1, first))
    on("03-05T09:00").open_run("B-0042", artefact=first).close("discharged")
    on("04-01T08:00")
    registry.record(registry.REGISTER, "small", version_of(2, second))
    on("04-02T12:00")
    registry.record(registry.PROMOTE, "small", version_of(2, second, released=False))
    trail = on("04-03T09:00")
    trail.open_run("B-0042", artefact=first).abort("power cut")
    known = history(trail.entries(), "small")
    assert [(r.version, r.time[:10]) for r in known.registered] == [(1, "2026-03-01"), (2, "2026-04-01")]
    for day, versions in (
        ("2026-03-01", []), ("2026-03-02", [1]), ("2026-03-10", [1]), ("2026-04-02", [1, 2]), ("2027-01-01", [2])
    ):  # fmt: skip
        assert [term.version for term in known.on(day)] == versions
    assert history(trail.entries(), "other").champions == ()
    runs = scoring_runs(trail.entries(), "B-0042", known)
    # The second run was scored by the old artefact, a day after the new one had taken its place.
    assert [(r.run, r.ended, r.digest, r.by_champion) for r in runs] == [
        (1, "closed", first, True),
        (2, "aborted", first, False),
    ]
    assert canonical_json(known.to_dict())
    assert cli.main(["history", "small", "--on", "2026-04-02", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(t["version"], t["digest"], t["released"]) for t in document["champions"]] == [
        (1, first, True),
        (2, second, False),
    ]
    assert cli.main(["history", "small", "--batch", "B-0042", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(r["run"], r["digest"], r["champion"]["version"]) for r in document["runs"]] == [
        (1, first, 1),
        (2, first, 2),
    ]
    assert document["trail"]["holds"] is True


@pytest.mark.requirement("URS-74")
def test_what_the_trail_does_not_know_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PAT_TRAIL", str(tmp_path / "trail.jsonl"))
    assert cli.main(["history", "small"]) == 1
    assert "expected an audit trail, got none" in capsys.readouterr().err
    registry.record(registry.REGISTER, "small", version_of(1, "a" * 64))
    assert cli.main(["history", "small"]) == 0
    assert "small had no champion so far, that this trail knows of" in capsys.readouterr().out
    assert cli.main(["history", "small", "--on", "2026-03-01"]) == 0
    assert "small had no champion on 2026-03-01" in capsys.readouterr().out
    assert cli.main(["history", "small", "--batch", "B-9"]) == 0
    assert "no run of batch B-9 is in this trail" in capsys.readouterr().out
    assert cli.main(["history", "small", "--on", "yesterday"]) == 2


def test_a_trail_that_does_not_hold_says_so(place, site, capsys, tmp_path):
    promoted(place, site, unreleased=True)
    trail = tmp_path / "trail.jsonl"
    trail.write_bytes(trail.read_bytes().replace(b'"released":false', b'"released":true'))
    assert cli.main(["history", "small"]) == 1
    assert "does NOT hold" in capsys.readouterr().out


def test_a_promotion_that_dies_in_between_is_in_the_trail_and_done_by_the_next_call(place, site, monkeypatch):
    number = version(place)
    with monkeypatch.context() as patch:
        patch.setattr(
            "mlflow.MlflowClient.set_registered_model_alias", lambda *_: (_ for _ in ()).throw(OSError("gone"))
        )
        with pytest.raises(OSError, match="gone"):
            promoted(place, site, unreleased=True)
    assert aliases(place)["champion"] == 1
    promoted(place, site, unreleased=True)
    assert aliases(place) == {"champion": number, "challenger": None}
    terms = history(audit.Trail.open().entries(), "small").champions
    assert [(term.version, term.until is None) for term in terms] == [(number, False), (number, True)]


def test_a_registration_is_recorded_once(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PAT_TRAIL", str(tmp_path / "own" / "trail.jsonl"))
    outcome = run(folder)
    assert run(folder).version == outcome.version
    (entry,) = [entry for entry in audit.Trail.open().entries() if entry.action == registry.REGISTER]
    assert (entry.object, entry.artefact) == (
        {"kind": "method", "id": "small", "version": outcome.version},
        outcome.digest,
    )
    assert audit.verify(audit.Trail.open().path).holds
