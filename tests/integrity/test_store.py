"""The integrity report of a store: a clean one gives nothing, and everything that is planted is found (simulated)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import xarray as xr
import zarr

from pat.errors import InputError, SpectraError
from pat.integrity import CHECKS, Report, examine_store
from pat.scorer import Scorer
from pat.spectra import content_sha256, write_store
from tests import simulated
from tests.small_spectra import small_spectra

SIZES = (20, 20, 20)
N = sum(SIZES)


def clean(**changes: Any) -> xr.Dataset:
    """Three batches of twenty revolutions, five seconds each, with everything known."""
    turns = np.concatenate([np.arange(1.0, size + 1.0) for size in SIZES])
    given: dict[str, Any] = {
        "revolution": turns,
        "absorbance": simulated.spectra(np.full(N, 10.0), 5),
        "wavelength": simulated.WAVELENGTH,
        "references": {"api": (np.full(N, 10.0), "% w/w")},
    }
    return small_spectra(SIZES, **(given | changes))


def stored(tmp_path: Path, **changes: Any) -> Path:
    write_store(clean(**changes), tmp_path / "raw.zarr")
    return tmp_path / "raw.zarr"


def states(report: Report) -> dict[str, tuple[str, int]]:
    """What is not clear, with its count; checks that had nothing to go by are left out."""
    return {item.check: (item.state, item.count) for item in report.items if item.state in ("finding", "note")}


def planted(path: Path, name: str, change: Any) -> None:
    """Change a stored array behind the project's back, the recorded hash made anew as a forger would."""
    group = zarr.open_group(path, mode="r+")
    array = group[name]
    assert isinstance(array, zarr.Array)
    values = np.asarray(array[:])
    change(values)
    array[:] = values
    ds = xr.open_zarr(path, consolidated=False, chunks={}, zarr_format=3)
    group.attrs["sha256"] = content_sha256(ds)


@pytest.mark.requirement("URS-04")
def test_a_clean_store_gives_nothing(tmp_path, scorer):
    report = examine_store(stored(tmp_path), scorer=scorer)
    assert states(report) == {}
    assert report.sound
    assert {item.check for item in report.of("not examined")} == {"trail", "no_entry", "imported_before"}
    assert report.facts["spectra"] == N


def without(rows: list[int]) -> dict[str, Any]:
    """Everything but some rows, as arguments of `clean`."""
    whole = clean()
    kept = np.setdiff1d(np.arange(N), rows)
    return {name: whole[name].values[kept] for name in ("batch", "time", "instrument", "revolution", "absorbance")} | {
        "references": {"api": (np.full(kept.size, 10.0), "% w/w")}
    }


@pytest.mark.requirement("URS-04")
@pytest.mark.parametrize(
    ("rows", "missing"), [([5], 1), ([25, 26, 27], 3), ([20, 21], 2), ([5, 44, 50], 3)]
)  # inside a batch, several in a row, at its beginning, in two batches
def test_missing_revolutions_are_counted(tmp_path, rows, missing):
    report = examine_store(stored(tmp_path, **without(rows)))
    assert states(report) == {"gaps": ("finding", missing)}
    assert sum((report.of("finding")[0].batches or {}).values()) == missing


def test_every_second_revolution_is_a_habit_and_no_gap(tmp_path):
    turns = np.concatenate([2.0 * np.arange(1, size + 1) for size in SIZES])
    assert states(examine_store(stored(tmp_path, revolution=turns))) == {}


def test_where_no_revolutions_were_counted_nothing_is_said_of_them(tmp_path):
    report = examine_store(stored(tmp_path, revolution=None))
    assert states(report) == {}
    unasked = {item.check for item in report.of("not examined")}
    assert {"gaps", "repeated_revolutions", "clock_jumps"} <= unasked


@pytest.mark.requirement("URS-04")
def test_copies_are_found_wherever_they_stand(tmp_path):
    absorbance = simulated.spectra(np.full(N, 10.0), 5)
    absorbance[7], absorbance[50] = absorbance[6], absorbance[3]  # a sensor that stood still, a copy in another batch
    report = examine_store(stored(tmp_path, absorbance=absorbance))
    assert states(report) == {"duplicates": ("finding", 2)}
    [item] = report.of("finding")
    assert item.where[1] == "batch B3 at revolution 11 (row 50), equal to batch B1 at revolution 4 (row 3)"


def seconds(values: Any) -> Any:
    return np.datetime64("2026-03-02T08:00", "ns") + np.round(1e9 * np.asarray(values)).astype("timedelta64[ns]")


@pytest.mark.requirement("URS-04")
def test_clock_jumps_forward_are_noted(tmp_path):
    at = 5.0 * np.arange(N)
    at[10:] += 3600.0
    report = examine_store(stored(tmp_path, time=seconds(at)))
    assert states(report) == {"clock_jumps": ("note", 1)}
    assert report.sound


def test_a_lost_revolution_is_no_clock_jump(tmp_path):
    # Ten revolutions in fifty seconds, seen once: the pace is the usual one.
    report = examine_store(stored(tmp_path, **without(list(range(5, 15)))))
    assert states(report) == {"gaps": ("finding", 10)}


@pytest.mark.requirement("URS-04")
def test_one_instrument_in_two_batches_at_one_time(tmp_path):
    at = 5.0 * np.arange(N)
    at[20:40] = at[0:20]
    report = examine_store(stored(tmp_path, time=seconds(at)))
    assert states(report) == {"simultaneous": ("finding", 20)}
    instrument = ["NIR-1"] * 20 + ["NIR-2"] * 20 + ["NIR-1"] * 20
    assert states(examine_store(stored(tmp_path / "two", time=seconds(at), instrument=instrument))) == {}


@pytest.mark.requirement("URS-04")
def test_a_batch_that_goes_on_after_later_ones_was_added_late(tmp_path):
    # Rows 10 to 19 of the first batch stand at the end of the store, behind batches measured after them.
    order = np.r_[0:10, 20:60, 10:20]
    whole = clean()
    moved = {name: whole[name].values[order] for name in ("batch", "time", "instrument", "revolution", "absorbance")}
    assert states(examine_store(stored(tmp_path, **moved))) == {"late": ("finding", 10)}


def test_whole_batches_may_stand_in_any_order(tmp_path):
    order = np.r_[40:60, 0:40]
    whole = clean()
    moved = {name: whole[name].values[order] for name in ("batch", "time", "instrument", "revolution", "absorbance")}
    assert states(examine_store(stored(tmp_path, **moved))) == {}


def test_batches_measured_side_by_side_by_turns_are_not_late(tmp_path):
    order = np.arange(N).reshape(3, 20).T.ravel()
    whole = clean()
    by_turns = {name: whole[name].values[order] for name in ("batch", "instrument", "revolution", "absorbance")}
    assert states(examine_store(stored(tmp_path, **by_turns, time=seconds(5.0 * np.arange(N))))) == {}


@pytest.mark.requirement("URS-04")
def test_saturated_spectra_are_noted(tmp_path):
    absorbance = simulated.spectra(np.full(N, 10.0), 5)
    absorbance[4, 10:14] = absorbance[9, 30:33] = 2.4
    absorbance[30, 5] = 11.0
    # Above 10 AU is beyond any powder; the two at 2.4 AU stand below the highest reading of the store then.
    assert states(examine_store(stored(tmp_path, absorbance=absorbance))) == {"saturated": ("note", 1)}
    absorbance[30, 5] = 0.5
    assert states(examine_store(stored(tmp_path / "clipped", absorbance=absorbance))) == {"saturated": ("note", 2)}


@pytest.mark.requirement("URS-04")
def test_an_artefact_says_what_is_saturated_and_out_of_scope(tmp_path, scorer):
    absorbance = simulated.spectra(np.full(N, 10.0), 5)
    absorbance[:3] = simulated.spectra(np.full(3, 30.0), 6)  # three times the strength
    absorbance[30, 5] = 2.6  # the limit of the artefact is 2.5 AU
    report = examine_store(stored(tmp_path, absorbance=absorbance), scorer=scorer)
    inside = scorer.predict(absorbance).in_scope
    assert not inside[:3].any()
    assert states(report) == {"saturated": ("note", 1), "out_of_scope": ("note", int((~inside).sum()))}
    [scope] = [item for item in report.items if item.check == "out_of_scope"]
    assert scope.to_dict()["share"] == pytest.approx((~inside).sum() / N)


def test_an_artefact_of_another_axis_is_refused(tmp_path, scorer):
    with pytest.raises(InputError, match="the artefact expects raw spectra on 60 wavelengths"):
        examine_store(stored(tmp_path, absorbance=simulated.spectra(np.full(N, 10.0), 5)[:, :50],
                             wavelength=simulated.WAVELENGTH[:50]), scorer=scorer)  # fmt: skip


@pytest.mark.requirement("URS-04")
def test_what_nobody_knows_of_spectra_and_batches(tmp_path):
    values = np.full(N, 10.0)
    values[3:8] = np.nan  # of the calibration batch
    values[30:40] = np.nan  # of an accepted one, which needs none
    facts = {"batch_id": ["B1", "B2", "B3"], "role": ["calibration", "accepted", "accepted"],
             "lot": ["L-1", "", "L-3"], "speed": [12.0, np.nan, 12.0]}  # fmt: skip
    report = examine_store(stored(tmp_path, references={"api": (values, "% w/w")}, facts=facts))
    assert states(report) == {"unreferenced": ("note", 5), "no_facts": ("note", 1)}
    assert report.sound
    bare = examine_store(stored(tmp_path / "bare", facts={"batch_id": ["B1", "B2", "B3"]}))
    assert states(bare) == {"no_role": ("note", 3), "no_facts": ("note", 3)}


@pytest.mark.requirement("URS-04")
def test_a_clock_gone_back_is_found_even_where_the_hash_was_made_anew(tmp_path):
    path = stored(tmp_path)

    def back(times: Any) -> None:
        times[10] = times[3]

    planted(path, "time", back)
    found = states(examine_store(path))
    assert found["clock_reversals"] == ("finding", 1)
    assert found["contract"] == ("finding", 1)  # the first break of the contract is that one too
    assert "hash" not in found


@pytest.mark.requirement("URS-04")
def test_a_repeated_revolution_is_found(tmp_path):
    path = stored(tmp_path)

    def again(turns: Any) -> None:
        turns[10] = turns[9]

    planted(path, "revolution", again)
    found = states(examine_store(path))
    assert found["repeated_revolutions"] == ("finding", 1)
    assert found["gaps"] == ("finding", 1)


@pytest.mark.requirement("URS-04")
def test_readings_that_are_no_numbers_are_found(tmp_path, scorer):
    path = stored(tmp_path)

    def spoil(values: Any) -> None:
        values[2, 4], values[50, 0] = np.nan, np.inf

    planted(path, "absorbance", spoil)
    report = examine_store(path, scorer=scorer)  # which is asked about the others alone
    assert states(report) == {"non_finite": ("finding", 2)}


@pytest.mark.requirement("URS-04")
def test_a_value_that_was_changed_breaks_the_hash(tmp_path):
    path = stored(tmp_path)
    array = zarr.open_group(path, mode="r+")["api"]
    assert isinstance(array, zarr.Array)
    array[7] = 11.0
    report = examine_store(path)
    assert states(report) == {"hash": ("finding", 1)}
    assert not report.sound


def test_a_chunk_that_cannot_be_read_is_a_finding_and_the_rest_is_examined(tmp_path):
    path = stored(tmp_path)
    [chunk] = [file for file in (path / "absorbance" / "c").rglob("*") if file.is_file()]
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    report = examine_store(path)
    assert states(report) == {"hash": ("finding", 1)}
    assert {"duplicates", "saturated"} <= {item.check for item in report.of("not examined")}
    assert [item.state for item in report.items if item.check == "gaps"] == ["clear"]


def test_a_store_with_a_chunk_missing_is_a_finding(tmp_path):
    path = stored(tmp_path)
    [chunk] = [file for file in (path / "absorbance" / "c").rglob("*") if file.is_file()]
    chunk.unlink()
    report = examine_store(path)
    assert states(report) == {"hash": ("finding", 1)}
    assert "the store is incomplete" in report.of("finding")[0].where[0]


def test_no_store_is_an_error(tmp_path):
    with pytest.raises(SpectraError, match="expected a store of spectra"):
        examine_store(tmp_path / "nowhere.zarr")


@pytest.mark.requirement("URS-04")
def test_a_store_is_read_chunk_by_chunk_and_gives_the_same_whatever_its_chunks(tmp_path, scorer, monkeypatch):
    absorbance = simulated.spectra(np.full(N, 10.0), 5)
    absorbance[59] = absorbance[0]
    absorbance[4, 10:14] = absorbance[45, 30:33] = 2.4  # in different chunks: the highest of all counts
    monkeypatch.setattr("pat.spectra.store._chunk_rows", lambda variable: 7)
    path = stored(tmp_path, absorbance=absorbance)
    assert zarr.open_group(path, mode="r")["absorbance"].chunks == (7, 60)  # type: ignore[union-attr]
    largest = []

    def scan(stretch: Any, **options: Any) -> Any:
        largest.append(stretch.sizes["spectrum"])
        return original(stretch, **options)

    from pat.integrity import readings

    original = readings._scan
    monkeypatch.setattr(readings, "_scan", scan)
    with dask.config.set(scheduler="synchronous"):
        in_chunks = examine_store(path, scorer=scorer)
    assert max(largest) == 7
    monkeypatch.undo()
    at_once = examine_store(stored(tmp_path / "once", absorbance=absorbance), scorer=scorer)
    assert [item.to_dict() for item in in_chunks.items] == [item.to_dict() for item in at_once.items]


def test_processes_take_the_scorer_along(tmp_path, demo_artefact):
    scorer = Scorer.load(demo_artefact, allow_unreleased=True)
    path = stored(tmp_path)
    with dask.config.set(scheduler="processes", num_workers=1):
        assert examine_store(path, scorer=scorer).sound


def test_every_check_says_what_it_is():
    for check in CHECKS.values():
        assert check.kind in ("finding", "note")
        assert len(check.title) <= 40
        assert check.about.endswith(".")
