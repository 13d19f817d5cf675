"""Drift since a champion was validated: what was planted is found, what was not is not, and only some of it calls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml

from pat import artefact, cli
from pat.errors import InputError
from pat.files import canonical_json
from pat.method import Method
from pat.profiles import follow
from pat.retraining import Drift, drift, drift_text
from pat.retraining.drift import READINGS, REFERENCES, Finding
from pat.scorer import Scorer
from pat.spectra import build, open_store, select_batches, write_store
from tests import simulated
from tests.small_campaign import YAML, Campaign, dataset, store_without

pytestmark = pytest.mark.requirement("URS-72")

DEMO = Path(__file__).parents[2] / "models" / "demo" / "method.yaml"
NEW = ["N1", "N2", "N3"]


def found(made: Campaign, raw: xr.Dataset, new: list[str] = NEW, readings: xr.Dataset | None = None) -> Drift:
    scorer = Scorer.load(made.artefact, allow_unreleased=True)
    return drift(made.method, artefact.read(made.artefact), scorer, raw, new, readings)


def one(seen: Drift, name: str, source: str = REFERENCES) -> Finding:
    return next(f for f in seen.findings if (f.name, f.source) == (name, source))


def readings(n_batches: int = 5, seed: int = 31, add: float = 0.0) -> xr.Dataset:
    """Spectra of new batches near target, without references; `add` puts a band there that the model does not know."""
    names = [f"P{i}" for i in range(n_batches)]
    content = np.repeat(10.0 + 0.1 * np.arange(n_batches), 12)
    x = simulated.spectra(content, seed=seed)
    x += add * np.sin(simulated.WAVELENGTH / 15.0)
    return build(
        x,
        wavelength=simulated.WAVELENGTH,
        batch=np.repeat(names, 12),
        time=np.datetime64("2026-09-02T08:00", "ns") + np.arange(content.size) * np.timedelta64(10, "s"),
        instrument=["NIR-1"] * content.size,
        facts={"batch_id": names},
    )


def test_without_drift_none_is_shown_and_the_figures_are_those_of_the_scorer(made):
    seen = found(made, made.raw)
    assert not seen.called_for
    assert {f.verdict for f in seen.findings} <= {"not shown", "not testable"}
    assert seen.baseline == ["V1", "V2", "V3", "V4"]
    numbers = one(seen, "bias").numbers
    scorer = Scorer.load(made.artefact, allow_unreleased=True)
    for name, error in zip(numbers["batches"], numbers["errors"], strict=True):
        run = select_batches(made.raw, [name])
        predicted = scorer.predict(run["absorbance"].values).value
        assert error == pytest.approx(float(predicted.mean() - run["api"].values.mean()), abs=1e-12)
    rate = one(seen, "q_residuals").numbers
    assert (rate["n"], rate["n_batches"], rate["nominal"]) == (24, 3, pytest.approx(0.001))


@pytest.mark.requirement("URS-72")
def test_a_changed_bias_calls_for_a_retraining(made, tmp_path):
    ds = dataset()
    ds["api"][np.isin(ds["batch"].values, NEW)] -= 0.6
    write_store(ds, tmp_path / "biased.zarr")
    seen = found(made, open_store(tmp_path / "biased.zarr"))
    bias = one(seen, "bias")
    assert (bias.verdict, bias.calls, seen.called_for) == ("shown", True, True)
    assert bias.numbers["signal"] in NEW
    assert max(bias.numbers["upper_sums"]) > bias.numbers["decision_interval"]
    assert "a retraining is called for" in drift_text(seen.to_dict())


def test_batches_come_in_order_of_time_whatever_they_are_called(made, tmp_path):
    ds = dataset()
    # N1 is measured last.
    late = np.isin(ds["batch"].values, ["N1"])
    ds["time"] = ("spectrum", ds["time"].values + late * np.timedelta64(10, "D"))
    write_store(ds, tmp_path / "late.zarr")
    numbers = one(found(made, open_store(tmp_path / "late.zarr")), "bias").numbers
    assert numbers["batches"] == ["N2", "N3", "N1"]


@pytest.mark.requirement("URS-72")
def test_readings_out_of_scope_call_for_a_retraining_and_good_ones_do_not(made):
    good = found(made, made.raw, [], readings())
    assert [f.source for f in good.findings] == [READINGS] * 3
    assert not good.called_for
    bad = found(made, made.raw, [], readings(add=0.02))
    rate = one(bad, "q_residuals", READINGS)
    assert (rate.verdict, rate.numbers["count"], rate.numbers["n"]) == ("shown", 60, 60)
    assert bad.called_for


def test_a_shift_of_scores_is_reported_and_calls_for_nothing(made):
    seen = Drift("0" * 64, ["V1"], (Finding("scores", READINGS, "shown", False, "moved", {}),))
    assert not seen.called_for
    assert "shown (reported only)" in drift_text(seen.to_dict())
    assert not one(found(made, made.raw), "scores").calls


def test_readings_of_another_axis_are_no_readings_of_this_model(made):
    other = readings().isel(wavelength=slice(0, 50))
    with pytest.raises(InputError, match="readings must be on the champion's axis of"):
        found(made, made.raw, [], other)


def test_too_few_validation_batches_test_no_bias(made, tmp_path):
    raw = store_without(made.raw, tmp_path / "few.zarr", "V1", "V2")
    bias = one(found(made, raw), "bias")
    assert (bias.verdict, bias.numbers) == ("not testable", {})
    assert "needs 3 validation batches to start from, got 2" in bias.text


def blends(n_turns: int, *, uniform: bool) -> xr.Dataset:
    """One blend that becomes uniform, or one that never does."""
    x = simulated.blending(n_turns, 41) if uniform else simulated.settled(n_turns, 42, rsd=20.0)
    return build(
        x,
        wavelength=simulated.WAVELENGTH,
        batch=np.repeat(["B1"], n_turns),
        time=np.datetime64("2026-09-03T08:00", "ns") + np.arange(n_turns) * np.timedelta64(4, "s"),
        instrument=["NIR-1"] * n_turns,
        revolution=np.arange(1, n_turns + 1),
        facts={"batch_id": ["B1"]},
    )


@pytest.mark.parametrize("uniform", [True, False])
def test_a_blend_is_looked_at_from_its_end_point_on(made, content, scorer, uniform):
    rules = yaml.safe_load(DEMO.read_text(encoding="utf-8"))["homogeneity"] | {"min_revolutions": 30}
    method = Method.from_document({**yaml.safe_load(YAML), "homogeneity": rules})
    champion = artefact.read(made.artefact)
    followed = blends(120, uniform=uniform)
    end_point = list(follow(scorer, "B1", followed))[-1].endpoint
    assert (end_point is not None) == uniform
    seen = drift(method, replace(champion, content=content), scorer, made.raw, [], followed)
    # From the end-point on, or from `min_revolutions` where there is none: what is not mixed yet is no drift.
    assert one(seen, "hotelling_t2", READINGS).numbers["n"] == 120 - (end_point or 30) + 1


def test_drift_is_plain_data_in_lines_that_fit(made):
    document = found(made, made.raw, NEW, readings()).to_dict()
    assert canonical_json(document)
    assert len(document["findings"]) == 7
    assert max(map(len, drift_text(document).splitlines())) <= 80


def test_the_command_says_that_readings_drift_though_nothing_is_new(folder, monkeypatch, capsys, made):
    monkeypatch.chdir(folder)
    store_without(made.raw, folder / "old.zarr", *NEW)
    for name, add, code, said in (("good", 0.0, 3, "nothing new"), ("bad", 0.02, 4, "measure references")):
        write_store(readings(add=add), folder / f"{name}.zarr")
        given: list[Any] = ["retrain", "method.yaml", "--data", "old.zarr", "--readings", f"{name}.zarr"]
        assert cli.main(given) == code
        assert said in capsys.readouterr().out
