"""A transfer from end to end on simulated spectra: what it gives, records and refuses, and what comes after it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pat import artefact, plots
from pat.calibration import Calibration, calibrate
from pat.calibration.outliers import outlier_report
from pat.cli import main
from pat.core.preprocess import Treatment
from pat.errors import InputError, Refusal, SpectraError
from pat.homogeneity import learn
from pat.scorer import Scorer
from pat.spectra import select_batches, select_instrument, write_store
from pat.transfer import Transferred, pair, transfer
from pat.treatment import treat
from pat.validation.run import predict_batches, validate
from tests.small_campaign import Campaign, write_campaign
from tests.transfer.two_instruments import both, on_second
from tests.validated import _batches, _truth, validated


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """NIR-1: calibrated, validated, exported."""
    return write_campaign(tmp_path_factory.mktemp("parent"))


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    return both()


def run(made: Campaign, ds: xr.Dataset, **changes: Any) -> Transferred:
    given: dict[str, Any] = {
        "method": made.method,
        "parent": made.calibration,
        "homogeneity": None,
        "validation": made.validation,
        "old": select_instrument(ds, "NIR-1"),
        "new": select_instrument(ds, "NIR-2"),
        "n_samples": 8,
    }
    return transfer(**(given | changes))


@pytest.fixture(scope="module")
def found(parent: Campaign, ds: xr.Dataset) -> Transferred:
    return run(parent, ds)


def errors(calibration: Calibration, ds: xr.Dataset, instrument: str) -> float:
    """RMSEP on the validation batches of an instrument, by an artefact's own path."""
    names = [name for name in ds["batch_id"].values.tolist() if name.startswith("V")]
    got = predict_batches(calibration.method, calibration, select_instrument(ds, instrument), names)
    return float(np.sqrt(np.mean((got["predicted"] - got["reference"]) ** 2)))


@pytest.mark.requirement("URS-75")
def test_the_new_instrument_predicts_as_well_as_a_calibration_of_its_own(parent, ds, found):
    before, after = (errors(one, ds, "NIR-2") for one in (parent.calibration, found.calibration))
    # NIR-2 is noisier than NIR-1: what it can do is what all its own calibration spectra give.
    own = errors(calibrate(parent.method, select_instrument(ds, "NIR-2")), ds, "NIR-2")
    assert before > 10.0 * own
    assert after < 3.0 * own
    assert found.figures["rmse_left_out"] < 0.3 * found.figures["rmse_before"]


def test_the_record_says_what_it_came_from(parent, found):
    record = found.record
    assert record["parent"]["digest"] == artefact.read(parent.artefact).content.digest
    assert record["parent"]["calibration_sha256"] == parent.calibration.sha256
    assert (record["from"], record["to"], found.calibration.instrument) == ("NIR-1", "NIR-2", "NIR-2")
    assert len(record["samples"]) == 8
    assert {one["batch"][0] for one in record["samples"]} <= {"C", "N"}
    best = min(record["best_of_each"], key=lambda one: one["rmse"])
    assert (best["method"], best["after_steps"]) == (record["method"], record["after_steps"])
    assert best["rmse"] == record["figures"]["rmse_left_out"]
    used = {one["batch"] for one in record["samples"]}
    assert set(found.calibration.batches) == used | set(parent.calibration.batches)
    json.dumps(record, allow_nan=False)


def test_figures_are_those_of_the_transfer_samples_by_hand(parent, ds, found):
    record = found.record
    axis = parent.calibration.wavelength
    plain = Treatment(axis, [], parent.calibration.steps)
    old, new = (_rows(ds, name, record["samples"]) for name in ("NIR-1", "NIR-2"))
    model = parent.calibration.model
    wanted, before = ((plain(x) - model.x_mean) @ model.coefficients[-1] + model.y_mean for x in (old, new))
    np.testing.assert_allclose(found.wanted, wanted, rtol=1e-12)
    assert record["figures"]["rmse_before"] == pytest.approx(float(np.sqrt(np.mean((before - wanted) ** 2))))


def _rows(ds: xr.Dataset, instrument: str, samples: list[dict[str, Any]]) -> np.ndarray:
    of_instrument = select_instrument(ds, instrument)
    return np.array(
        [
            select_batches(of_instrument, [one["batch"]])["absorbance"].values[one["reading"] - 1]
            for one in samples
        ]
    )  # fmt: skip


def test_it_survives_its_folder(found, tmp_path):
    found.calibration.save(tmp_path / "calibration")
    again = Calibration.load(tmp_path / "calibration")
    assert again.sha256 == found.calibration.sha256
    assert again.transfer == found.calibration.transfer
    assert again.steps == found.calibration.steps


def test_slope_and_bias_correct_predictions_and_leave_spectra_alone(parent, ds):
    found = run(parent, ds, methods=["slope_bias"])
    assert found.calibration.steps == parent.calibration.steps
    record = found.record
    samples = _rows(ds, "NIR-2", record["samples"])
    plain = Treatment(parent.calibration.wavelength, [], parent.calibration.steps)(samples)
    one, other = found.calibration.model, parent.calibration.model
    before, after = ((plain - m.x_mean) @ m.coefficients[-1] + m.y_mean for m in (other, one))
    np.testing.assert_allclose(after, record["bias"] + record["slope"] * before, rtol=1e-10)
    np.testing.assert_allclose(np.polyfit(before, found.wanted, 1), [record["slope"], record["bias"]], rtol=1e-8)
    assert errors(found.calibration, ds, "NIR-2") < errors(parent.calibration, ds, "NIR-2")


def test_an_instrument_with_another_axis_is_standardised_before_all_steps(parent, ds):
    new, axis = select_instrument(ds, "NIR-2"), ds["wavelength"].values
    fine = np.linspace(axis[0], axis[-1], 101)
    found = run(parent, ds, new=_on(new, fine))
    assert found.record["after_steps"] == 0
    assert found.record["figures"]["rmse_before"] is None
    np.testing.assert_array_equal(found.calibration.wavelength, fine)
    np.testing.assert_array_equal(found.wavelength, axis)
    assert plots.to_png(plots.transfer(found))[:4] == b"\x89PNG"
    with pytest.raises(InputError, match="no neighbours for 1000 nm"):
        run(parent, ds, new=_on(new, fine[1:]))
    with pytest.raises(InputError, match="the calibration was made on 60 wavelengths"):
        run(parent, ds, new=_on(new, fine), methods=["slope_bias"])


def _on(ds: xr.Dataset, axis: np.ndarray) -> xr.Dataset:
    """Return the spectra on another axis."""
    absorbance = np.array([np.interp(axis, ds["wavelength"].values, row) for row in ds["absorbance"].values])
    rest = ds.drop_vars(["absorbance", "wavelength"]).assign_coords(wavelength=axis)
    return rest.assign(absorbance=(("spectrum", "wavelength"), absorbance))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"n_samples": 4}, InputError, "from 5 to the 72"),
        ({"n_samples": 73}, InputError, "from 5 to the 72"),
        ({"methods": ["slope_bias", "ds"]}, InputError, "slope_bias alone"),
        ({"methods": []}, InputError, "`methods`"),
        ({"methods": ["osc"]}, InputError, "`methods`"),
    ],
)
def test_wrong_settings_are_refused(parent, ds, changes, error, message):
    with pytest.raises(error, match=message):
        run(parent, ds, **changes)


def test_instruments_that_are_not_two_are_refused(parent, ds):
    with pytest.raises(InputError, match="`from` one instrument, got spectra of NIR-1, NIR-2"):
        run(parent, ds, old=ds)
    with pytest.raises(InputError, match="two instruments, got 'NIR-2' twice"):
        run(parent, ds, old=select_instrument(ds, "NIR-2"))
    with pytest.raises(SpectraError, match="one of NIR-1, NIR-2, got 'NIR-3'"):
        select_instrument(ds, "NIR-3")


def test_instruments_the_wrong_way_round_are_refused(parent, ds):
    with pytest.raises(InputError, match="in scope of its calibration"):
        run(parent, ds, old=select_instrument(ds, "NIR-2"), new=select_instrument(ds, "NIR-1"))


def test_a_transferred_calibration_is_transferred_on_from_its_own_instrument(parent, ds, found):
    wrong = replace(found.calibration, transfer={**found.calibration.transfer, "to": "NIR-9"})
    renamed = ds.assign_coords(
        instrument=("spectrum", np.where(ds["instrument"] == "NIR-2", "NIR-9", ds["instrument"]))
    )
    renamed["instrument"] = renamed["instrument"].astype(np.dtypes.StringDType())
    validation = validate(parent.method, wrong, None, renamed)
    with pytest.raises(InputError, match="for instrument 'NIR-9', got spectra of 'NIR-1'"):
        run(parent, ds, parent=wrong, validation=validation)


def test_samples_that_do_not_pair_are_refused(parent, ds):
    new = select_instrument(ds, "NIR-2")
    short = new.isel(spectrum=np.arange(1, new.sizes["spectrum"]))
    with pytest.raises(InputError, match="batch 'C1' do not pair: 8 spectra on the old instrument, 7 on the new"):
        run(parent, ds, new=short)
    changed = new.copy(deep=True)
    changed["api"].values[3] += 0.5
    with pytest.raises(
        InputError, match="batch 'C1' do not pair: spectrum 4 has `api` 6.5 on the old instrument and 7"
    ):
        run(parent, ds, new=changed)
    turned = [ds_.assign_coords(revolution=("spectrum", np.tile(np.arange(8.0), 13) + i)) for i, ds_ in enumerate(
        (select_instrument(ds, "NIR-1"), new))]  # fmt: skip
    with pytest.raises(InputError, match="has `revolution` 0 on the old instrument and 1"):
        pair(turned[0], turned[1], "api")


def test_batches_that_only_one_instrument_measured_are_no_transfer_samples(parent, ds):
    new = select_instrument(ds, "NIR-2")
    kept = [name for name in new["batch_id"].values.tolist() if name not in ("C1", "C2", "N1")]
    found = run(parent, ds, new=select_batches(new, kept))
    assert not {"C1", "C2", "N1"} & {one["batch"] for one in found.record["samples"]}
    with pytest.raises(InputError, match="that both instruments measured, got none"):
        run(parent, ds, new=select_batches(new, ["V1", "V2"]))


def test_a_lot_on_both_sides_is_refused(parent, ds):
    lots = [f"L-{name}" if name != "V2" else "L-N3" for name in ds["batch_id"].values.tolist()]
    shared = both(facts={"batch_id": ds["batch_id"].values, "role": ds["role"].values, "lot": lots})
    with pytest.raises(Refusal, match="validation lots must be new"):
        run(parent, shared, n_samples=72)


def test_a_parent_that_did_not_pass_or_was_changed_is_refused(parent, ds):
    failed = replace(parent.validation, document={**parent.validation.document, "passed": False})
    with pytest.raises(Refusal, match="only a validated calibration is transferred"):
        run(parent, ds, validation=failed)
    with pytest.raises(InputError, match="the validation is of something else"):
        run(parent, ds, parent=replace(parent.calibration, t2_limit=99.0))


def test_where_instruments_do_not_differ_no_transfer_is_made(parent, ds):
    old = select_instrument(ds, "NIR-1")
    same = old.assign_coords(instrument=("spectrum", np.full(old.sizes["spectrum"], "NIR-2", np.dtypes.StringDType())))
    with pytest.raises(Refusal, match="no transfer helps"):
        run(parent, ds, new=same)


def test_the_figure_draws(found, parent, ds):
    assert plots.to_png(plots.transfer(found))[:4] == b"\x89PNG"
    assert plots.to_png(plots.transfer(run(parent, ds, methods=["slope_bias"])))[:4] == b"\x89PNG"


@pytest.fixture(scope="module")
def work(parent: Campaign, ds: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder after `pat transfer`, `validate`, `export` and `report`."""
    folder = tmp_path_factory.mktemp("work")
    write_store(ds, folder / "both.zarr")
    words = ["--parent", str(parent.folder / "work"), "--from", "NIR-1", "--to", "NIR-2", "--samples", "8"]
    words += ["--plot", str(folder / "transfer.png")]
    assert _pat(parent, folder, "transfer", *words) == 0
    assert _pat(parent, folder, "validate") == 0
    assert _pat(parent, folder, "export", "--to", str(folder / "artefact")) == 0
    assert _pat(parent, folder, "report", "--to", str(folder / "report.html")) == 0
    return folder


def _pat(parent: Campaign, folder: Path, command: str, *words: str) -> int:
    shared = [str(parent.folder / "method.yaml"), "--data", str(folder / "both.zarr"), "--out", str(folder / "out")]
    return main([command, *shared, *words])


@pytest.mark.requirement("URS-75")
def test_the_artefact_is_a_new_one_and_scores_raw_spectra_of_the_new_instrument(parent, ds, found, work):
    made = artefact.read(work / "artefact")
    assert made.content.digest != artefact.read(parent.artefact).content.digest
    assert made.manifest["source"]["transfer"]["parent"]["digest"] == artefact.read(parent.artefact).content.digest
    scorer = Scorer.load(work / "artefact", allow_unreleased=True)
    judged = select_batches(select_instrument(ds, "NIR-2"), ["V1", "V2", "V3", "V4"])
    got = scorer.predict(judged["absorbance"].values)
    assert np.sqrt(np.mean((got.value - judged["api"].values) ** 2)) == pytest.approx(
        made.validation["figures"]["rmsep"], rel=1e-9
    )
    assert np.sqrt(np.mean((got.value - judged["api"].values) ** 2)) == pytest.approx(
        errors(found.calibration, ds, "NIR-2"), rel=1e-9
    )
    assert got.in_scope.mean() > 0.9
    # The parent refuses these spectra, as it should.
    other = Scorer.load(parent.artefact, allow_unreleased=True).predict(judged["absorbance"].values)
    assert other.in_scope.mean() < 0.5
    # Validated on the new instrument alone: half of the spectra in the store.
    assert made.validation["figures"]["n"] == judged.sizes["spectrum"]


def test_the_report_says_that_it_was_transferred(work):
    page = (work / "report.html").read_text(encoding="utf-8")
    assert "to instrument NIR-2 by" in page
    assert (work / "transfer.png").read_bytes()[:4] == b"\x89PNG"


def test_json_and_refusals_of_the_command(parent, work, capsys):
    words = ["--parent", str(parent.folder / "work"), "--from", "NIR-1", "--to", "NIR-2"]
    capsys.readouterr()
    assert _pat(parent, work, "transfer", *words, "--samples", "8", "--json") == 0
    assert json.loads(capsys.readouterr().out)["to"] == "NIR-2"
    # What was validated with the transfer before is gone.
    assert not (work / "out" / "validation").exists()
    assert _pat(parent, work, "transfer", *words, "--samples", "3") == 2
    assert _pat(parent, work, "transfer", *words[:4], "--to", "NIR-7", "--samples", "8") == 2
    assert "one of NIR-1, NIR-2, got 'NIR-7'" in capsys.readouterr().err
    inside = [str(parent.folder / "method.yaml"), "--data", str(work / "both.zarr"), *words, "--samples", "8"]
    assert main(["transfer", *inside, "--out", str(parent.folder / "work")]) == 2
    assert "a place of its own" in capsys.readouterr().err


def test_outliers_are_looked_for_in_the_parent(found, ds):
    with pytest.raises(InputError, match="the calibration on instrument 'NIR-1'"):
        outlier_report(found.calibration, select_instrument(ds, "NIR-2"))


@pytest.mark.slow  # simulated blends, whose rule is learnt twice
def test_a_method_that_follows_blends_follows_those_of_the_new_instrument():
    made = validated()
    first = made.raw
    axis = first["wavelength"].values
    moved = first.assign_coords(
        instrument=("spectrum", np.full(first.sizes["spectrum"], "second", np.dtypes.StringDType()))
    ).assign(absorbance=(first["absorbance"].dims, on_second(first["absorbance"].values, axis)))
    moved = moved.assign_attrs(sha256="of the second instrument")
    found = transfer(
        made.method, made.calibration, made.homogeneity, made.validation, first, moved, n_samples=12
    ).calibration  # fmt: skip
    rule = learn(made.method, found, treat(found.learnt, moved))
    validation = validate(made.method, found, rule, moved, _truth(_batches()))
    assert validation.passed
    as_the_old = {one.batch: one.found_endpoint for one in made.validation.profiles}
    assert as_the_old["B0"] is not None
    for one in validation.profiles:
        before, after = as_the_old[one.batch], one.found_endpoint
        assert (before is None) == (after is None)
        assert before is None or after is None or abs(before - after) <= 10
