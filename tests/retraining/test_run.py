"""Retraining: a challenger beside the champion, judged on the same batches, and nothing promoted or touched."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from pat import artefact, cli, tracking
from pat.errors import InputError, Refusal
from pat.files import canonical_json
from pat.method import Method
from pat.retraining import Outcome, Status, champion_folder, summary
from pat.scorer import Scorer
from pat.spectra import open_store, select_batches, write_store
from pat.tracking.store import client_of
from tests import simulated
from tests.retraining.settled import aliases, run, settle
from tests.small_campaign import BATCHES, PER_BATCH, Campaign, dataset, store_without


@pytest.fixture(scope="module")
def proposed(made: Campaign, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A folder in which a challenger waits, to look at."""
    folder = tmp_path_factory.mktemp("proposed")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return folder, run(settle(made, folder))


def rewrite_source(folder: Path, source: dict[str, Any]) -> None:
    """Let the champion's manifest say another thing of what it was made from."""
    known = artefact.read(folder / "artefact")
    artefact.write(folder / "artefact", known.content, known.known_answers, None, known.validation, "", source)


def fingerprint(*folders: Path) -> str:
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(p).encode() + p.read_bytes() for p in files)).hexdigest()


@pytest.mark.requirement("URS-70")
def test_new_references_give_a_challenger_that_waits_and_nothing_else_changes(made, folder):
    (folder / "released").mkdir()
    shutil.copytree(folder / "artefact", folder / "released" / "old")
    before = fingerprint(folder / "artefact", folder / "released")
    outcome = run(folder)
    assert (outcome.status, outcome.exit_code) == (Status.REGISTERED, 0)
    assert outcome.new_batches == ["N1", "N2", "N3"]
    assert aliases(folder) == {"champion": 1, "challenger": outcome.version}
    assert fingerprint(folder / "artefact", folder / "released") == before
    assert outcome.folder is not None
    made_from = artefact.read(outcome.folder / "artefact").manifest["source"]["calibration_batches"]
    assert made_from == [*(f"C{i}" for i in range(1, 7)), "N1", "N2", "N3"]
    assert Scorer.load(outcome.folder / "artefact", allow_unreleased=True).digest == outcome.digest


@pytest.mark.requirement("URS-71")
def test_both_are_judged_on_the_same_independent_batches(made, proposed):
    folder, outcome = proposed
    assert outcome.folder is not None
    comparison = json.loads((outcome.folder / "comparison.json").read_bytes())
    assert comparison == outcome.comparison
    samples = select_batches(made.raw, [f"V{i}" for i in range(1, 5)]).load()
    for side, path in (("champion", folder), ("challenger", outcome.folder)):
        # Straight from each artefact, by numpy alone.
        predicted = Scorer.load(path / "artefact", allow_unreleased=True).predict(samples["absorbance"].values).value
        error = predicted - samples["api"].values
        figures = comparison[side]["figures"]
        assert figures["n"] == len(BATCHES["validation"]) * PER_BATCH
        assert figures["rmsep"] == pytest.approx(math.sqrt(np.mean(error**2)), rel=1e-9)
        assert figures["bias"] == pytest.approx(error.mean(), rel=1e-6, abs=1e-12)
        assert figures["sep"] == pytest.approx(error.std(ddof=1), rel=1e-9)
    text = (outcome.folder / "comparison.txt").read_text()
    assert text == summary(comparison)
    assert max(map(len, text.splitlines())) <= 80
    assert "4 batches that neither was made from" in text


def test_the_comparison_is_in_mlflow_beside_the_artefact(proposed):
    folder, outcome = proposed
    assert outcome.digest is not None
    logged = tracking.find("small", outcome.digest, root=folder)
    assert logged is not None
    kept = folder / "mlartifacts" / logged.run_id / "artifacts"
    assert artefact.read(kept / "artefact").content.digest == outcome.digest
    (compared,) = (kept / "comparisons").iterdir()
    assert json.loads((compared / "comparison.json").read_bytes()) == outcome.comparison
    validation = artefact.read(kept / "artefact").validation
    assert json.loads((compared / "validation.json").read_bytes()) == validation


def test_without_a_champion_there_is_nothing_to_compare_with(folder, monkeypatch, capsys):
    shutil.rmtree(folder / "artefact")
    with pytest.raises(InputError, match="there is no champion to compare with: expected an artefact in"):
        run(folder)
    monkeypatch.chdir(folder)
    for more in ([], ["--champion", "nowhere"]):
        assert cli.main(["retrain", "method.yaml", "--data", "raw.zarr", *more]) == 2
        error = capsys.readouterr().err
        assert error.startswith("pat: ")
        assert "champion" in error


def test_an_altered_store_is_not_learnt_from(folder, monkeypatch, capsys):
    zarr.open_array(folder / "raw.zarr" / "absorbance", mode="r+")[3, 5] = 0.25
    monkeypatch.chdir(folder)
    assert cli.main(["retrain", "method.yaml", "--data", "raw.zarr"]) == 2
    assert "it was changed" in capsys.readouterr().err


@pytest.mark.requirement("URS-73")
def test_without_new_references_nothing_happens(made, folder):
    before = fingerprint(folder / "mlflow.db", folder / "artefact")
    outcome = run(folder, store_without(made.raw, folder / "old.zarr", "N1", "N2", "N3"))
    assert (outcome.status, outcome.exit_code) == (Status.NOTHING_NEW, 3)
    assert fingerprint(folder / "mlflow.db", folder / "artefact") == before
    assert not (folder / "challengers").exists()


def test_a_new_batch_without_reference_values_is_not_new(folder):
    ds = dataset()
    ds["api"] = ds["api"].where(~np.isin(ds["batch"].values, ["N1", "N2", "N3"]))
    ds["api"].attrs["units"] = "% w/w"
    write_store(ds, folder / "blank.zarr")
    assert run(folder, open_store(folder / "blank.zarr")).status is Status.NOTHING_NEW


def test_later_batches_may_have_the_role_calibration_too(folder):
    write_store(dataset(new_reference="calibration"), folder / "later.zarr")
    assert run(folder, open_store(folder / "later.zarr")).new_batches == ["N1", "N2", "N3"]


def test_a_challenger_that_fails_the_gate_is_refused_and_recorded(folder):
    (folder / "method.yaml").write_text(
        (folder / "method.yaml").read_text().replace("max_rmsep: 0.5", "max_rmsep: 1e-6")
    )
    first, second = run(folder), run(folder)
    assert (first.status, first.exit_code) == (Status.REFUSED, 1)
    assert "RMSEP: required <= 1e-06 % w/w" in first.reason
    assert aliases(folder) == {"champion": 1, "challenger": None}
    assert list((folder / "challengers").glob("[!.]*")) == []
    client = client_of(folder)
    experiment = client.get_experiment_by_name("pat-small")
    assert experiment is not None
    (refused,) = client.search_runs([experiment.experiment_id], "attributes.status = 'FAILED'")
    assert refused.data.tags["refused"] == first.reason == second.reason
    assert refused.data.tags["new_batches"] == "N1, N2, N3"
    assert refused.data.metrics["validation/rmsep"] > 1e-6


@pytest.mark.requirement("URS-73")
def test_two_never_run_at_once(folder):
    (folder / "challengers").mkdir()
    with open(folder / "challengers" / ".lock", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Refusal, match="another retraining is running"):
            run(folder)
    assert run(folder).status is Status.REGISTERED


@pytest.mark.requirement("URS-20")
def test_batches_that_the_champion_was_made_from_judge_nobody(made, folder):
    batches = {"calibration_batches": made.calibration.batches, "homogeneity_batches": {"accepted": ["V1"]}}
    rewrite_source(folder, batches)
    outcome = run(folder)
    assert outcome.status is Status.REFUSED
    assert "the method was made from V1" in outcome.reason


def test_a_store_that_lacks_the_champions_batches_is_wrong_input(made, folder):
    with pytest.raises(InputError, match=r"expected its 6 calibration batches .* 2 are not there: C1, C2"):
        run(folder, store_without(made.raw, folder / "part.zarr", "C1", "C2"))


def test_a_changed_method_is_no_retraining(made, folder):
    document = made.method.document()
    document["preprocessing"][1]["window"] = 9
    with pytest.raises(InputError, match="expected steps as in the champion"):
        run(folder, method=Method.from_document(document))


def test_a_champion_that_does_not_say_what_it_was_made_from_is_wrong_input(folder):
    rewrite_source(folder, {})
    with pytest.raises(InputError, match="manifest to say what it was made from, got no calibration_batches"):
        run(folder)


def pat(folder: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = cli.main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.requirement("URS-70")
def test_the_command_proposes_a_person_promotes_and_then_nothing_is_new(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    arguments = ("retrain", "method.yaml", "--data", "raw.zarr")
    code, outcome = pat(folder, *arguments, capsys=capsys)
    assert (code, outcome["status"], outcome["version"]) == (0, "registered", 2)
    assert cli.main(list(arguments)) == 0
    printed = capsys.readouterr().out
    assert "version 2 is already registered as challenger" in printed
    assert "pat promote method.yaml 2" in printed
    assert cli.main(["promote", "method.yaml", "2"]) == 1
    assert "it must be released first" in capsys.readouterr().err
    code, promoted = pat(folder, "promote", "method.yaml", "2", "--unreleased", capsys=capsys)
    assert (code, promoted) == (0, {"champion": 2, "digest": outcome["digest"], "released": False})
    assert aliases(folder) == {"champion": 2, "challenger": None}
    assert champion_folder(Method.load("method.yaml"), folder).parent.name == outcome["digest"]
    code, again = pat(folder, *arguments, capsys=capsys)
    assert (code, again["status"], again["champion"]) == (3, "nothing_new", outcome["digest"])


def test_the_command_says_why_it_refused(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    Path("method.yaml").write_text(Path("method.yaml").read_text().replace("max_rmsep: 0.5", "max_rmsep: 1e-6"))
    assert cli.main(["retrain", "method.yaml", "--data", "raw.zarr"]) == 1
    assert capsys.readouterr().out.startswith("refused: the challenger does not pass the acceptance gate: RMSEP")


def test_a_champion_that_is_nowhere_is_not_guessed(folder):
    method = Method.load(folder / "method.yaml")
    assert champion_folder(method, folder, root=folder) == folder / "artefact"
    simulated.write_artefact(folder / "artefact", simulated.make_content())
    with pytest.raises(InputError, match="the champion of small is version 1"):
        champion_folder(method, folder, root=folder)


def test_an_outcome_is_plain_json(proposed):
    assert canonical_json(proposed[1].to_dict())
