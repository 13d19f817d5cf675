"""What was released is used for what it was released for, while it may be: each other case has its own message."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pat import artefact
from pat.errors import ArtefactError, TrustError
from pat.scorer import Scorer, Sensors
from pat.trust import times
from tests import simulated, tiny
from tests.site import BEGIN, END

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.requirement("URS-55")
def test_another_product(site, folder):
    placed = site.released(folder)
    assert Scorer.load(placed, trust=site.trust, product=tiny.PRODUCT).release
    words = r"wrong product, it (was released|is) for 'Tiny powder \(simulated\)', got 'Other'"
    with pytest.raises(ArtefactError, match=words):
        Scorer.load(placed, trust=site.trust, product="Other")
    with pytest.raises(ArtefactError, match=words):
        Scorer.load(folder, product="Other", allow_unreleased=True)


@pytest.mark.requirement("URS-55")
def test_another_instrument_or_one_that_is_not_named(site, folder):
    placed = site.released(folder, instruments=["NIR-2", "NIR-1"])
    for named in ("NIR-1", "NIR-2"):
        assert Scorer.load(placed, trust=site.trust, instrument=named).release
    with pytest.raises(ArtefactError, match="wrong instrument, it was released for NIR-1, NIR-2, got NIR-3"):
        Scorer.load(placed, trust=site.trust, instrument="NIR-3")
    with pytest.raises(ArtefactError, match="instrument not named, it was released for NIR-1, NIR-2 alone"):
        Scorer.load(placed, trust=site.trust)


def test_any_instrument_where_the_release_names_none(site, folder):
    placed = site.released(folder)
    assert Scorer.load(placed, trust=site.trust, instrument="NIR-7").release
    assert Scorer.load(placed, trust=site.trust).release


@pytest.mark.requirement("URS-55")
def test_expired_and_not_yet_valid(site, folder, monkeypatch):
    placed, trust = site.released(folder, valid_until="2090-01-01T00:00:00Z"), site.trust
    for clock in ("2090-01-01T00:00:00Z", "2091-06-01T00:00:00Z"):
        monkeypatch.setattr(times, "now", lambda clock=clock: clock)
        with pytest.raises(ArtefactError, match="expired, it was released for use until 2090-01-01T00:00:00Z"):
            Scorer.load(placed, trust=trust)
    monkeypatch.setattr(times, "now", lambda: "2089-12-31T23:59:59Z")
    assert Scorer.load(placed, trust=trust).release
    monkeypatch.setattr(times, "now", lambda: "2022-01-01T00:00:00Z")
    with pytest.raises(ArtefactError, match="not yet valid, it was released at .* clock says 2022-01-01T00:00:00Z"):
        Scorer.load(placed, trust=trust)


def test_a_release_that_expires_while_it_is_loaded_begins_no_other_batch(site, tmp_path, content, monkeypatch):
    simulated.write_artefact(tmp_path / "m" / "artefact", content)
    placed = site.released(tmp_path / "m" / "artefact", valid_until="2090-01-01T00:00:00Z")
    scorer = Scorer.load(placed, trust=site.trust)
    blend = scorer.start("B-1")
    monkeypatch.setattr(times, "now", lambda: "2090-01-01T00:00:00Z")
    for begin in (scorer.start, scorer.start_discharge):
        with pytest.raises(ArtefactError, match="expired"):
            begin("B-2")
    assert not blend.update(simulated.settled(1, 3)[0]).unreleased  # the batch that has begun goes on


@pytest.mark.requirement("URS-55")
def test_a_revoked_artefact(site, folder):
    placed = site.released(folder)
    site.revoke(placed.name)
    with pytest.raises(ArtefactError, match=f"revoked as of {BEGIN}: found wrong"):
        Scorer.load(placed, trust=site.trust)


def test_an_artefact_that_is_to_be_revoked_is_used_until_then(site, folder, monkeypatch):
    placed = site.released(folder)
    site.revoke(placed.name, "2090-01-01T00:00:00Z")
    trust = site.trust
    assert Scorer.load(placed, trust=trust).release
    monkeypatch.setattr(times, "now", lambda: "2090-01-01T00:00:00Z")
    with pytest.raises(ArtefactError, match="revoked as of 2090"):
        Scorer.load(placed, trust=trust)


@pytest.mark.parametrize("role", ["author", "reviewer", "approver"])
@pytest.mark.parametrize(
    ("reason", "date", "stands"),
    [
        ("compromised", "2090-01-01T00:00:00Z", False),
        ("retired", BEGIN, False),
        ("retired", "2090-01-01T00:00:00Z", True),
    ],
)
def test_a_signer_s_key_that_was_revoked_later(site, folder, role, reason, date, stands):
    """The rule: a stolen key voids all that it signed; a retired one nothing that was released before."""
    placed = site.released(folder)
    site.withdraw(site.keys[role], reason, date)
    if stands:
        assert Scorer.load(placed, trust=site.trust).release
    else:
        with pytest.raises(TrustError, match=f"json: key {site.keys[role].id} was revoked as of {date} .{reason}"):
            Scorer.load(placed, trust=site.trust)


def test_a_signature_before_a_key_was_retired_in_a_release_after_it_does_not_count(site, folder, monkeypatch):
    """Whoever leaves with a key can write any time into a signature; a later release must not rest on it."""
    monkeypatch.setattr(times, "now", lambda: "2080-01-01T00:00:00Z")
    site.approve(folder)
    monkeypatch.setattr(times, "now", lambda: "2080-03-01T00:00:00Z")
    placed = site.release(folder)
    assert Scorer.load(placed, trust=site.trust).release
    site.withdraw(site.keys["author"], "retired", "2080-02-01T00:00:00Z")
    with pytest.raises(TrustError, match=r"authorship-.*was revoked as of 2080-02-01T00:00:00Z \(retired"):
        Scorer.load(placed, trust=site.trust)


@pytest.mark.requirement("URS-56")
def test_lists_older_than_the_release_was_made_under(site, folder, tmp_path, monkeypatch):
    """On a line that has never seen the newer ones: the release itself knows their numbers."""
    shutil.copytree(site.folder, tmp_path / "old")
    site.revoke("0" * 64)
    placed = site.released(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "fresh"))
    with pytest.raises(
        TrustError, match=r"revocations\.json: number 1 is older than number 2, under which .* was made"
    ):
        Scorer.load(placed, trust=tmp_path / "old")
    assert Scorer.load(placed, trust=site.folder).release


def test_trust_comes_from_the_environment_too(site, folder, monkeypatch):
    placed = site.released(folder)
    monkeypatch.setenv("PAT_TRUST", str(site.folder))
    assert Scorer.load(placed).release
    monkeypatch.setenv("PAT_TRUST", str(folder))
    with pytest.raises(TrustError, match="no folder of trust"):
        Scorer.load(placed)


def test_a_stale_list_is_said_and_scores(site, folder, monkeypatch):
    placed = site.released(folder)
    monkeypatch.setattr(times, "now", lambda: "2099-01-01T00:00:00Z")
    scorer = Scorer.load(placed, trust=site.folder)
    assert scorer.release is not None
    assert "is stale" in str(scorer.release.stale)


# What a reading says of itself


@pytest.mark.requirement("URS-57")
def test_readings_and_snapshots_follow_the_scorer(site, tmp_path, content):
    simulated.write_artefact(tmp_path / "m" / "artefact", content)
    placed = site.released(tmp_path / "m" / "artefact")
    released, explored = Scorer.load(placed, trust=site.trust), Scorer.load(placed, allow_unreleased=True)
    assert (released.unreleased, explored.unreleased, explored.release) == (False, True, None)
    x = simulated.settled(6, 5)
    for scorer in (released, explored):
        one = scorer.start("B-1").update(x[0])
        assert one.unreleased is one.to_dict()["unreleased"] is scorer.unreleased
        assert scorer.start_discharge("B-1").update(x[0]).unreleased is scorer.unreleased
    for first, then in ((released, released), (released, explored), (explored, released), (explored, explored)):
        expected = first.unreleased or then.unreleased  # what was explored once stays exploration
        blend, discharge = first.start("B-1"), first.start_discharge("B-1")
        blend.update(x[0])
        discharge.update(x[0])
        assert then.resume(blend.snapshot()).update(x[1]).unreleased is expected
        assert then.resume_discharge(discharge.snapshot()).update(x[1]).unreleased is expected
        both = Sensors({"lid": first, "axis": then}, "B-1")
        assert both.update("lid", x[2]).unreleased is expected
        assert Sensors.resume({"lid": then, "axis": then}, both.snapshot()).update("axis", x[3]).unreleased is expected
        assert both.update("lid", x[4]).to_dict()["unreleased"] is expected


# How it reads and writes


def _run(program: str, *arguments: object) -> str:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_each_file_is_opened_once(site, folder):
    placed = site.released(folder)
    program = """
import collections, sys
from pathlib import Path
from pat.scorer import Scorer
opened, under = collections.Counter(), sys.argv[1]
sys.addaudithook(lambda name, args: name == "open" and str(args[0]).startswith(under) and opened.update([str(args[0])]))
Scorer.load(under, trust=sys.argv[2])
names = sorted(str(path) for path in Path(under).rglob("*") if path.is_file())
assert sorted(name for name in opened if Path(name).is_file()) == names, opened
assert set(opened.values()) == {1}, opened
print(len(names))
"""
    assert _run(program, placed, site.folder).strip() == "9"


def test_exploring_and_help_load_no_cryptography(site, folder):
    placed = site.released(folder)
    program = """
import sys
from pat.scorer import Scorer
from pat.cli import main
assert main(["--help"]) == 0
for path in sys.argv[1:3]:
    Scorer.load(path, allow_unreleased=True)
try:
    Scorer.load(sys.argv[2])
except Exception as error:
    assert "has not been released" in str(error)
assert not [name for name in sys.modules if name.startswith("cryptography")]
Scorer.load(sys.argv[1], trust=sys.argv[3])
assert "cryptography" in sys.modules
print("done")
"""
    assert _run(program, placed, folder, site.folder).endswith("done\n")


@pytest.mark.requirement("URS-03")
def test_kill_9_at_any_moment_leaves_no_release_or_the_whole_one(site, folder):
    """And the next try completes; a release by a killed process is proven like any other."""
    site.approve(folder)
    site.keys["approver"].save(folder.parent / "c.key", "correct horse battery")
    program = """
import shutil, sys
from pat import artefact
from pat.trust import PrivateKey, Trust
folder, key, trust = sys.argv[1], PrivateKey.load(sys.argv[2], "correct horse battery"), Trust.load(sys.argv[3])
print("ready", flush=True)
while True:
    placed = release.release(folder, key, trust, valid_until=sys.argv[4])
    placed.rename(placed.with_name("old"))
    shutil.rmtree(placed.with_name("old"))
"""
    command = [sys.executable, "-c", program, str(folder), str(folder.parent / "c.key"), str(site.folder), END]
    target, rng = folder.parent / "released" / artefact.read(folder).content.digest, random.Random(4)
    for _ in range(10):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0.0, 0.05))
            os.kill(child.pid, signal.SIGKILL)
        if target.exists():
            assert Scorer.load(target, trust=site.trust).release
    assert Scorer.load(site.release(folder), trust=site.trust).release
