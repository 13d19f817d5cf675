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

from pat import artefact, cli, tracking
from pat.errors import InputError, Refusal
from pat.files import canonical_json
from pat.method import Method
from pat.retraining import Outcome, Status, champion_folder, compare, retrain, summary
from pat.scorer import Scorer
from pat.spectra import open_store, select_batches, write_store
from tests import simulated
from tests.small_campaign import BATCHES, PER_BATCH, Campaign, dataset, store_without, write_campaign

# Errors of three batches of 2, 2 and 4 spectra; their mean squared errors differ by -1, -1 and -4.
CHAMPION = np.array([1.0, 1.0, 2.0, 0.0, 2.0, 2.0, 2.0, 2.0])
CHALLENGER = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
BATCH = np.repeat(["A", "B", "C"], [2, 2, 4])
REFERENCE = np.linspace(9.0, 11.0, 8)


def test_the_paired_test_is_what_the_hand_computes():
    found = compare(REFERENCE, REFERENCE + CHAMPION, REFERENCE + CHALLENGER, BATCH)
    # Mean (-1 - 1 - 4) / 3 = -2, sum of squares 1 + 1 + 4, SD sqrt(3), standard error 1, t = -2 with 2 degrees of
    # freedom, where p = 1 - |t| / sqrt(t^2 + 2). The 97.5 % quantile is 4.302653 (any table).
    assert found.difference == pytest.approx(-2.0, rel=1e-12)
    assert found.standard_error == pytest.approx(1.0, rel=1e-12)
    assert found.p_value == pytest.approx(1.0 - 2.0 / math.sqrt(6.0), rel=1e-9)
    assert (found.lower, found.upper) == pytest.approx((-6.302653, 2.302653), abs=1e-6)
    assert found.verdict == "no difference shown"
    # sqrt(mean of squares): champion 22 / 8, challenger 2 / 8.
    assert found.champion.rmsep == pytest.approx(math.sqrt(2.75))
    assert found.challenger.rmsep == pytest.approx(0.5)


def test_more_spectra_of_the_same_batches_are_no_more_evidence():
    once = compare(REFERENCE, REFERENCE + CHAMPION, REFERENCE + CHALLENGER, BATCH)
    reference, champion, challenger, batch = (
        np.tile(part, 50) for part in (REFERENCE, REFERENCE + CHAMPION, REFERENCE + CHALLENGER, BATCH)
    )
    many = compare(reference, champion, challenger, batch)
    assert (many.difference, many.lower, many.p_value) == pytest.approx((once.difference, once.lower, once.p_value))


@pytest.mark.parametrize(("sign", "verdict"), [(1.0, "worse"), (-1.0, "better")])
def test_a_difference_that_every_batch_shows_is_called_by_its_name(sign, verdict):
    squares = np.repeat([4.0 + 1.0 * sign, 4.0 + 1.1 * sign, 4.0 + 0.9 * sign], [2, 2, 4])
    found = compare(REFERENCE, REFERENCE + 2.0, REFERENCE + np.sqrt(squares), BATCH)
    assert found.verdict == verdict


def test_the_test_errs_as_often_as_its_level_says():
    # Two equally good models whose errors are shared within a batch: a test over spectra would call one of them
    # better far more often than in 5 of 100 comparisons.
    rng = np.random.default_rng(5)
    batch = np.repeat(np.arange(12), 8)
    reference = np.linspace(8.5, 11.5, 12)[batch]
    called = 0
    for _ in range(600):
        shared = rng.normal(0.0, 0.18, (2, 12))[:, batch]
        errors = shared + rng.normal(0.0, 0.1, shared.shape)
        called += (
            compare(reference, reference + errors[0], reference + errors[1], batch).verdict != "no difference shown"
        )
    # Binomial with n = 600 and p = 0.05: 30, SD 5.3; squares are skewed, which makes a t-test a little cautious.
    assert 10 <= called <= 48


def test_spectra_without_a_reference_value_are_left_out_and_one_batch_proves_nothing():
    reference = np.where(BATCH == "A", REFERENCE, np.nan)
    found = compare(reference, REFERENCE + CHAMPION, REFERENCE + CHALLENGER, BATCH)
    assert (found.difference, found.challenger.n) == (-1.0, 2)
    assert found.verdict == "no difference shown"
    assert found.to_dict()["squared_error_difference"] == {
        "difference": -1.0,
        "standard_error": None,
        "lower": None,
        "upper": None,
        "p_value": None,
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """The campaign, and an empty store of MLflow, whose tables take seconds to make."""
    campaign = write_campaign(tmp_path_factory.mktemp("campaign"))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert tracking.champion("small", root=campaign.folder) is None
    return campaign


def settle(made: Campaign, folder: Path) -> Path:
    """Make `folder` a method's folder and the project's folder too, with its artefact as the champion."""
    shutil.copytree(made.folder, folder, dirs_exist_ok=True)
    logged = tracking.log_artefact(
        folder / "artefact",
        method=made.method,
        calibration=made.calibration,
        validation=made.validation,
        root=folder,
    )
    tracking.promote("small", logged.version, root=folder)
    return folder


@pytest.fixture
def folder(made: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For one test to change."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return settle(made, tmp_path)


@pytest.fixture(scope="module")
def proposed(made: Campaign, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A folder in which a challenger waits, to look at."""
    folder = tmp_path_factory.mktemp("proposed")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return folder, run(settle(made, folder))


def run(folder: Path, raw: Any = None, *, method: Method | None = None, root: Path | None = None) -> Outcome:
    return retrain(
        method or Method.load(folder / "method.yaml"),
        folder / "artefact",
        open_store(folder / "raw.zarr") if raw is None else raw,
        folder / "challengers",
        root=root or folder,
    )


def rewrite_source(folder: Path, source: dict[str, Any]) -> None:
    """Let the champion's manifest say another thing of what it was made from."""
    known = artefact.read(folder / "artefact")
    artefact.write(folder / "artefact", known.content, known.known_answers, known.validation, "", source)


def fingerprint(*folders: Path) -> str:
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(p).encode() + p.read_bytes() for p in files)).hexdigest()


def aliases(folder: Path) -> dict[str, int | None]:
    found = {"champion": tracking.champion, "challenger": tracking.challenger}
    versions = {name: get("small", root=folder) for name, get in found.items()}
    return {name: version.version if version else None for name, version in versions.items()}


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
    assert json.loads((kept / "comparison.json").read_bytes()) == outcome.comparison
    assert artefact.read(kept / "artefact").content.digest == outcome.digest


def test_the_same_data_again_find_the_same_challenger(folder):
    first, second = run(folder), run(folder)
    assert (second.status, second.exit_code) == (Status.ALREADY_REGISTERED, 0)
    assert (second.digest, second.version, second.comparison) == (first.digest, first.version, first.comparison)
    assert aliases(folder) == {"champion": 1, "challenger": first.version}


def test_what_mlflow_has_forgotten_is_registered_again(made, folder):
    first = run(folder)
    (folder / "other").mkdir()
    shutil.copy(made.folder / "mlflow.db", folder / "other")
    second = run(folder, root=folder / "other")
    assert (second.status, second.digest, second.version) == (Status.REGISTERED, first.digest, 1)


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
    assert "max_rmsep: required <= 1e-06 % w/w" in first.reason
    assert aliases(folder) == {"champion": 1, "challenger": None}
    assert list((folder / "challengers").glob("[!.]*")) == []
    client = tracking._client(folder)
    experiment = client.get_experiment_by_name("pat-small")
    assert experiment is not None
    (refused,) = client.search_runs([experiment.experiment_id], "attributes.status = 'FAILED'")
    assert refused.data.tags["refused"] == first.reason == second.reason
    assert refused.data.tags["new_batches"] == "N1, N2, N3"
    assert refused.data.metrics["validation/rmsep"] > 1e-6


def test_two_never_run_at_once(folder):
    (folder / "challengers").mkdir()
    with open(folder / "challengers" / ".lock", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Refusal, match="another retraining is running"):
            run(folder)
    assert run(folder).status is Status.REGISTERED


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


def test_the_command_proposes_a_person_promotes_and_then_nothing_is_new(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    arguments = ("retrain", "method.yaml", "--data", "raw.zarr")
    code, outcome = pat(folder, *arguments, capsys=capsys)
    assert (code, outcome["status"], outcome["version"]) == (0, "registered", 2)
    assert cli.main(list(arguments)) == 0
    printed = capsys.readouterr().out
    assert "version 2 is already registered as challenger" in printed
    assert "pat promote method.yaml 2" in printed
    code, promoted = pat(folder, "promote", "method.yaml", "2", capsys=capsys)
    assert (code, promoted) == (0, {"champion": 2, "digest": outcome["digest"]})
    assert aliases(folder) == {"champion": 2, "challenger": None}
    assert champion_folder(Method.load("method.yaml"), folder).parent.name == outcome["digest"]
    code, again = pat(folder, *arguments, capsys=capsys)
    assert (code, again["status"], again["champion"]) == (3, "nothing_new", outcome["digest"])


def test_the_command_says_why_it_refused(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    Path("method.yaml").write_text(Path("method.yaml").read_text().replace("max_rmsep: 0.5", "max_rmsep: 1e-6"))
    assert cli.main(["retrain", "method.yaml", "--data", "raw.zarr"]) == 1
    assert capsys.readouterr().out.startswith("refused: the challenger does not pass the acceptance gate: max_rmsep")


def test_a_champion_that_is_nowhere_is_not_guessed(folder):
    method = Method.load(folder / "method.yaml")
    assert champion_folder(method, folder, root=folder) == folder / "artefact"
    simulated.write_artefact(folder / "artefact", simulated.make_content())
    with pytest.raises(InputError, match="the champion of small is version 1"):
        champion_folder(method, folder, root=folder)


def test_an_outcome_is_plain_json(proposed):
    assert canonical_json(proposed[1].to_dict())
