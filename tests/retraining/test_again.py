"""Retraining again: what is known is found before anything is computed, and what changed is compared anew."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest

from pat import artefact, environment, tracking
from pat.retraining import Status
from pat.retraining import run as retraining_run
from pat.spectra import open_store, write_store
from tests.retraining.settled import aliases, run
from tests.small_campaign import dataset


def no_work(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing was to be computed")


@pytest.mark.requirement("URS-73")
def test_what_is_known_is_found_before_anything_is_computed(folder, monkeypatch):
    first = run(folder)
    with monkeypatch.context() as patch:
        patch.setattr(retraining_run, "calibrate", no_work)
        second = run(folder)
    assert (second.status, second.exit_code) == (Status.ALREADY_REGISTERED, 0)
    assert (second.digest, second.version, second.comparison) == (first.digest, first.version, first.comparison)
    assert aliases(folder) == {"champion": 1, "challenger": first.version}
    # The acceptance criteria decide no number of the model, but what it is judged by; so does the code.
    text = (folder / "method.yaml").read_text()
    (folder / "method.yaml").write_text(text.replace("max_rmsep: 0.5", "max_rmsep: 0.6"))
    third = run(folder)
    assert (third.status, third.version) == (Status.COMPARED_AGAIN, first.version)
    monkeypatch.setattr(environment, "code_sha256", lambda: "0" * 64)
    assert run(folder).status is Status.COMPARED_AGAIN


def test_other_validation_data_give_a_new_comparison_of_the_same_challenger(made, folder):
    """Validation references corrected by the laboratory: the model is the same, what it is worth is not."""
    first = run(folder)
    ds = dataset()
    judged = np.array([name.startswith("V") for name in ds["batch"].values.tolist()])
    ds["api"][judged] += 0.05
    write_store(ds, folder / "corrected.zarr")
    second = run(folder, open_store(folder / "corrected.zarr"))
    assert (second.status, second.exit_code) == (Status.COMPARED_AGAIN, 0)
    assert (second.digest, second.version) == (first.digest, first.version)
    assert first.comparison is not None
    assert second.comparison is not None
    before, after = first.comparison["challenger"]["figures"], second.comparison["challenger"]["figures"]
    assert after["bias"] == pytest.approx(before["bias"] - 0.05, abs=1e-9)
    assert aliases(folder) == {"champion": 1, "challenger": first.version}
    waiting = tracking.challenger("small", root=folder)
    assert waiting is not None
    kept = folder / "mlartifacts" / waiting.run_id / "artifacts"
    documents = [json.loads(path.read_bytes()) for path in kept.glob("comparisons/*/comparison.json")]
    assert sorted(d["challenger"]["figures"]["bias"] for d in documents) == sorted((before["bias"], after["bias"]))
    assert run(folder, open_store(folder / "corrected.zarr")).status is Status.ALREADY_REGISTERED


@pytest.mark.requirement("URS-73")
def test_a_comparison_or_an_artefact_that_was_altered_is_made_again(folder):
    first = run(folder)
    assert first.folder is not None
    path = first.folder / "comparison.json"
    whole = path.read_text()
    path.write_text(whole.replace('"verdict": "', '"verdict": "much '))
    assert run(folder).status is Status.COMPARED_AGAIN
    assert path.read_text() == whole
    (first.folder / "artefact" / "arrays.npz").write_bytes(b"")
    assert run(folder).status is Status.COMPARED_AGAIN
    assert artefact.read(first.folder / "artefact").content.digest == first.digest


def test_what_mlflow_has_forgotten_is_registered_again(made, folder):
    first = run(folder)
    (folder / "other").mkdir()
    shutil.copy(made.folder / "mlflow.db", folder / "other")
    second = run(folder, root=folder / "other")
    assert (second.status, second.digest, second.version) == (Status.REGISTERED, first.digest, 1)
