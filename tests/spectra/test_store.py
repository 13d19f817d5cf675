from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from pat.compute import apply_rows
from pat.errors import SpectraError
from pat.spectra import check, content_sha256, derive, open_store, select_batches, write_store
from tests.small_spectra import small_spectra


def refuse(*args, **kwargs):
    raise AssertionError("something was computed")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_same(found: xr.Dataset, expected: xr.Dataset) -> None:
    """Equal to the last bit, NaN and dtypes included; hashes apart."""
    xr.testing.assert_identical(found.load().drop_attrs(deep=False), expected.load().drop_attrs(deep=False))
    assert {str(k): v.dtype for k, v in found.variables.items()} == {
        str(k): v.dtype for k, v in expected.variables.items()
    }


numbers = st.floats(-9.0, 9.0)
names = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=5)


@settings(max_examples=20, deadline=None)
@given(
    values=st.lists(numbers, min_size=6, max_size=6),
    batch=names,
    api=st.lists(numbers | st.just(np.nan), min_size=3, max_size=3),
    lot=st.text(st.characters(codec="utf-8"), max_size=5),
    speed=numbers | st.just(np.nan),
)
def test_what_is_written_is_read(tmp_path_factory, values, batch, api, lot, speed):
    ds = small_spectra(
        (3,),
        2,
        absorbance=np.reshape(values, (3, 2)),
        batch=[batch] * 3,
        references={"api": (api, "% w/w")},
        facts={"batch_id": [batch], "lot": [lot], "speed": [speed]},
    )
    path = tmp_path_factory.mktemp("round") / "raw.zarr"
    digest = write_store(ds, path)
    found = open_store(path, verify=True)
    assert found.attrs["sha256"] == digest == content_sha256(ds)
    assert_same(found, ds)


def test_only_absorbance_is_lazy(tmp_path):
    write_store(small_spectra().chunk(spectrum=5), tmp_path / "raw.zarr")
    ds = open_store(tmp_path / "raw.zarr")
    assert [name for name, variable in ds.variables.items() if variable.chunks is not None] == ["absorbance"]
    assert ds["batch"].dtype == ds["role"].dtype == np.dtypes.StringDType()


def test_nothing_is_computed_before_it_is_asked_for(tmp_path):
    write_store(small_spectra(), tmp_path / "raw.zarr")
    with dask.config.set(scheduler=refuse):
        ds = select_batches(open_store(tmp_path / "raw.zarr"), ["B1", "B3"])
        treated = derive(ds, apply_rows(np.negative, ds["absorbance"], ds["wavelength"]))
        with pytest.raises(AssertionError, match="something was computed"):
            treated.load()


def test_chunks_are_even_and_along_the_spectra_alone(tmp_path):
    ds = small_spectra((300, 501), 400)
    # Uneven chunks, as a selection of batches has them; Zarr cannot hold those.
    uneven = ds.assign(absorbance=ds["absorbance"].chunk(spectrum=(300, 500, 1), wavelength=150))
    write_store(uneven, tmp_path / "raw.zarr")
    chunks = open_store(tmp_path / "raw.zarr")["absorbance"].chunks
    assert chunks == ((327, 327, 147), (400,))  # 327 spectra of 400 float64 are the most within 1 MiB
    write_store(select_batches(open_store(tmp_path / "raw.zarr"), ["B2"]), tmp_path / "part.zarr")
    assert open_store(tmp_path / "part.zarr")["absorbance"].chunks == ((327, 174), (400,))


def test_equal_content_gives_equal_files(tmp_path):
    ds = small_spectra((300, 501), 400)
    write_store(ds, tmp_path / "a.zarr")
    write_store(ds.chunk(spectrum=17), tmp_path / "b.zarr")
    assert files(tmp_path / "a.zarr") == files(tmp_path / "b.zarr")


def test_what_another_file_format_asked_for_does_not_shape_the_store(tmp_path):
    ds = small_spectra()
    write_store(ds, tmp_path / "a.zarr")
    ds["absorbance"].encoding = {"dtype": "int16", "scale_factor": 0.001}  # as netCDF packs numbers
    ds["time"].encoding = {"units": "days since 2000-01-01"}
    write_store(ds, tmp_path / "b.zarr")
    assert files(tmp_path / "a.zarr") == files(tmp_path / "b.zarr")


# --- the hash


def test_the_hash_is_what_its_docstring_says():
    # By hand: two spectra of two wavelengths, one batch.
    ds = small_spectra((2,), 2, absorbance=[[0.1, 0.2], [0.3, 0.4]], facts=None)
    nan = float("nan")
    epoch = 1772438400 * 10**9  # 2026-03-02T08:00:00Z
    by_hand = hashlib.sha256(b"pat spectra, 1\n")
    for header, content in [
        (["absorbance", ["spectrum", "wavelength"], [2, 2], None], struct.pack("<4d", 0.1, 0.2, 0.3, 0.4)),
        (["api", ["spectrum"], [2], "% w/w"], struct.pack("<2d", 10.0, nan)),
        (["batch", ["spectrum"], [2], None], json.dumps(["B1", "B1"]).encode()),
        (["batch_id", ["batch_id"], [1], None], json.dumps(["B1"]).encode()),
        (["instrument", ["spectrum"], [2], None], json.dumps(["NIR-1", "NIR-1"]).encode()),
        (["revolution", ["spectrum"], [2], None], struct.pack("<2d", 1.0, 2.0)),
        (["time", ["spectrum"], [2], None], struct.pack("<2q", epoch, epoch + 5 * 10**9)),
        (["wavelength", ["wavelength"], [2], None], struct.pack("<2d", 950.0, 952.0)),
    ]:
        by_hand.update(json.dumps(header).encode() + b"\n" + content)
    assert content_sha256(ds) == by_hand.hexdigest()


def test_the_hash_does_not_depend_on_chunks_order_of_variables_or_attributes():
    ds = small_spectra((300, 501), 400)
    expected = content_sha256(ds)
    assert content_sha256(ds.chunk(spectrum=7)) == expected
    assert content_sha256(ds.chunk(spectrum=500, wavelength=3)) == expected
    assert content_sha256(ds[sorted(map(str, ds.data_vars), reverse=True)].assign_attrs(simulated=1)) == expected
    assert content_sha256(ds.transpose(..., "spectrum").transpose("spectrum", ...)) == expected


@pytest.mark.requirement("URS-02")
def test_the_hash_depends_on_every_value():
    ds = small_spectra()
    seen = {content_sha256(ds)}
    for name, variable in ds.variables.items():
        values = variable.values.copy()
        values.flat[-1] = {"T": "x", "M": np.datetime64("2030-01-01"), "f": 0.5}[values.dtype.kind]
        seen.add(content_sha256(ds.assign({name: (variable.dims, values, variable.attrs)})))
    seen.add(content_sha256(ds.assign(api=ds["api"].assign_attrs(units="mg"))))
    seen.add(content_sha256(ds.isel(spectrum=slice(None, None, -1))))
    assert len(seen) == len(ds.variables) + 3


# --- raw spectra are never changed


@pytest.mark.requirement("URS-02")
def test_a_store_is_not_overwritten(tmp_path):
    path = tmp_path / "raw.zarr"
    ds = small_spectra()
    digest = write_store(ds, path)
    before = files(path)
    assert write_store(ds.chunk(spectrum=1), path) == digest
    with pytest.raises(SpectraError, match="raw spectra are never changed"):
        write_store(ds.assign(absorbance=ds["absorbance"] + 1e-9), path)
    assert files(path) == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.requirement("URS-02")
def test_a_derived_store_is_replaced_and_knows_its_source(tmp_path):
    raw = write_store(small_spectra(), tmp_path / "raw.zarr")
    ds = open_store(tmp_path / "raw.zarr")
    for factor in (2.0, 3.0):
        treated = derive(ds, factor * ds["absorbance"])
        digest = write_store(treated, tmp_path / "treated.zarr", replace=True)
        found = open_store(tmp_path / "treated.zarr", verify=True)
        assert found.attrs == {"derived_from": raw, "sha256": digest}
        np.testing.assert_array_equal(found["absorbance"], factor * small_spectra()["absorbance"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw.zarr", "treated.zarr"]


def test_a_change_in_memory_does_not_pass_for_the_original(tmp_path):
    raw = write_store(small_spectra(), tmp_path / "raw.zarr")
    write_store(open_store(tmp_path / "raw.zarr").isel(spectrum=slice(0, 12, 2)), tmp_path / "half.zarr")
    assert open_store(tmp_path / "half.zarr").attrs["derived_from"] == raw


def test_a_copy_is_the_same_store(tmp_path):
    raw = write_store(small_spectra(), tmp_path / "raw.zarr")
    ds = open_store(tmp_path / "raw.zarr")
    assert write_store(ds, tmp_path / "copy.zarr") == raw
    assert files(tmp_path / "copy.zarr") == files(tmp_path / "raw.zarr")
    assert ds.attrs == {"sha256": raw}


@pytest.mark.parametrize("replace", [True, False])
def test_what_is_not_a_store_is_left_alone(tmp_path, replace):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("folder", "file"):
        with pytest.raises(SpectraError, match="expected a store of spectra .*; this exists and is not a store"):
            write_store(small_spectra(), tmp_path / name, replace=replace)
    assert (tmp_path / "folder" / "thesis.txt").read_text() == (tmp_path / "file").read_text() == "mine"


def test_an_empty_folder_may_be_there(tmp_path):
    (tmp_path / "raw.zarr").mkdir()
    write_store(small_spectra(), tmp_path / "raw.zarr")
    assert_same(open_store(tmp_path / "raw.zarr"), small_spectra())


@pytest.mark.parametrize("name", ["synchronous", "threads"])
def test_a_store_is_computed_where_the_user_chose(tmp_path, monkeypatch, name):
    seen = set()

    def look(x):
        seen.add(threading.current_thread() is threading.main_thread())
        return x

    monkeypatch.setenv("PAT_SCHEDULER", name)
    ds = small_spectra((300, 501), 400)
    lazy = apply_rows(look, ds["absorbance"].chunk(spectrum=100), ds["wavelength"])
    write_store(derive(ds, lazy), tmp_path / "treated.zarr")
    assert seen == {name == "synchronous"}


def test_a_bar_is_shown_while_a_store_is_written(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    write_store(small_spectra((300, 501), 400), tmp_path / "raw.zarr", progress="writing raw.zarr")
    assert "writing raw.zarr" in terminal.getvalue()


# --- a write that fails or is killed


def test_spectra_that_break_the_contract_leave_nothing(tmp_path):
    ds = small_spectra()
    lazy = ds.assign(absorbance=ds["absorbance"].where(ds["revolution"] != 2.0).chunk(spectrum=4))
    with pytest.raises(SpectraError, match="`absorbance` row 1, column 0"):
        write_store(lazy, tmp_path / "raw.zarr")
    assert list(tmp_path.iterdir()) == []


def fails_at_the_end(x):
    if np.any(x == 0.5):
        raise RuntimeError("disk on fire")
    return x


@pytest.mark.parametrize("existing", [False, True])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, existing):
    path = tmp_path / "treated.zarr"
    if existing:
        write_store(small_spectra(), path)
    before = files(tmp_path)
    ds = small_spectra((300, 501), 400)
    ds["absorbance"][800, 399] = 0.5
    lazy = apply_rows(fails_at_the_end, ds["absorbance"].chunk(spectrum=100), ds["wavelength"])
    with pytest.raises(RuntimeError, match="disk on fire"):
        write_store(derive(ds, lazy), path, replace=True)
    assert files(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == int(existing)


def test_tasks_that_outlive_a_failed_write_leave_nothing(tmp_path):
    # Other threads compute on when a task fails; were they to write as well, the removed folder would come back.
    ds = small_spectra((300,) * 8, 400)
    ds["absorbance"][2000, 0] = 0.5

    def step(x):
        time.sleep(0.0 if np.any(x == 0.5) else 0.1)
        return fails_at_the_end(x)

    lazy = apply_rows(step, ds["absorbance"].chunk(spectrum=327), ds["wavelength"])
    with dask.config.set(num_workers=8), pytest.raises(RuntimeError, match="disk on fire"):
        write_store(derive(ds, lazy), tmp_path / "treated.zarr")
    time.sleep(0.5)  # until the last of them has ended
    assert list(tmp_path.iterdir()) == []


CHILD = """
import sys, time
import numpy as np
from pat.compute import apply_rows
from pat.spectra import derive, write_store
from tests.small_spectra import small_spectra

def slow(x):
    time.sleep(1.0)  # the parent kills this process before the last of 80 chunks
    return x

ds = small_spectra((300, 501), 400)
lazy = apply_rows(slow, ds["absorbance"].chunk(spectrum=10), ds["wavelength"])
write_store(derive(ds, lazy), sys.argv[1], replace=True)
"""


@pytest.mark.requirement("URS-03")
@pytest.mark.parametrize("existing", [False, True])
def test_a_write_that_is_killed_leaves_what_was_there(tmp_path, existing):
    path = tmp_path / "treated.zarr"
    if existing:
        write_store(small_spectra(), path)
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], cwd=Path(__file__).parents[2])
    try:
        until = time.monotonic() + 60.0
        while not any(tmp_path.glob(".treated.zarr.*/absorbance/zarr.json")):
            assert child.poll() is None, "the child ended by itself"
            assert time.monotonic() < until, "the child wrote nothing"
            time.sleep(0.05)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    if existing:
        assert_same(open_store(path, verify=True), small_spectra())
    else:
        assert not path.exists()
    write_store(small_spectra((4, 4)), path, replace=True)  # the dead child's lock and leavings are not in the way
    assert_same(open_store(path, verify=True), small_spectra((4, 4)))


# --- a damaged store


@pytest.fixture
def store(tmp_path) -> Path:
    write_store(small_spectra(), tmp_path / "raw.zarr")
    return Path(tmp_path / "raw.zarr")


def test_there_is_no_store(tmp_path):
    with pytest.raises(SpectraError, match="expected a store of spectra .*, got nothing there"):
        open_store(tmp_path / "raw.zarr")


@pytest.mark.parametrize("name", ["absorbance/c/0/0", "time/c/0", "lot/c/0", "speed/c/0"])
def test_a_missing_chunk_is_an_error(tmp_path, name):
    facts = {"batch_id": ["B1", "B2", "B3"], "lot": ["", "", ""], "speed": [np.nan] * 3}  # nothing but fill values
    write_store(small_spectra(facts=facts), tmp_path / "raw.zarr")
    (tmp_path / "raw.zarr" / name).unlink()
    with pytest.raises(SpectraError, match="expected 1 chunks, got 0: the store is incomplete"):
        open_store(tmp_path / "raw.zarr")


def test_a_chunk_that_goes_after_the_store_was_opened_is_an_error_when_it_is_read(tmp_path):
    write_store(small_spectra((300, 501), 400), tmp_path / "raw.zarr")
    ds = open_store(tmp_path / "raw.zarr")
    (tmp_path / "raw.zarr/absorbance/c/1/0").unlink()
    assert ds["absorbance"][:327].load().notnull().all()
    with pytest.raises(SpectraError, match="raw.zarr: expected the chunk absorbance/c/1/0, got nothing on"):
        ds["absorbance"][:328].load()


def test_a_worker_without_the_folder_is_an_error(store, tmp_path):
    # What a cluster sends to its workers is pickled; one of them may be a machine that lacks the folder.
    sent = pickle.dumps(open_store(store))
    store.rename(tmp_path / "elsewhere.zarr")
    with pytest.raises(SpectraError, match=r"raw.zarr: expected the chunk absorbance/c/0/0, got nothing on .* machine"):
        pickle.loads(sent).load()


@pytest.mark.requirement("URS-02")
@pytest.mark.parametrize("position", [0, 0.3, 0.6, -1])
def test_a_flipped_byte_never_becomes_a_number(store, position):
    chunk = store / "absorbance/c/0/0"
    data = bytearray(chunk.read_bytes())
    data[int(position * len(data)) if position >= 0 else -1] ^= 0x10
    chunk.write_bytes(data)
    with pytest.raises(SpectraError, match="damaged|was changed"):
        open_store(store, verify=True)
    with pytest.raises(SpectraError, match="raw.zarr: expected readable absorbance, got a damaged chunk"):
        open_store(store).load()


def test_every_truncated_file_is_an_error(store, tmp_path):
    for name in files(store):
        copy = tmp_path / "copy.zarr"
        shutil.copytree(store, copy)
        data = (copy / name).read_bytes()
        (copy / name).write_bytes(data[: len(data) // 2])
        with pytest.raises(SpectraError):
            open_store(copy, verify=True)
        shutil.rmtree(copy)


@pytest.mark.requirement("URS-02")
@pytest.mark.parametrize("name", ["absorbance", "api", "speed"])
def test_changed_values_are_found(store, name):
    zarr.open_array(store / name, mode="r+")[0] = 0.25
    check(open_store(store))
    with pytest.raises(SpectraError, match="was changed"):
        open_store(store, verify=True)


def test_a_store_of_somebody_else_is_an_error(tmp_path):
    small_spectra().to_zarr(tmp_path / "other.zarr", consolidated=False)
    with pytest.raises(SpectraError, match="`write_store` did not make it"):
        open_store(tmp_path / "other.zarr")
    zarr.open_group(tmp_path / "empty.zarr", mode="w")
    with pytest.raises(SpectraError, match="`write_store` did not make it"):
        open_store(tmp_path / "empty.zarr")
    with pytest.raises(SpectraError, match="`write_store` did not make it"):
        write_store(small_spectra(), tmp_path / "other.zarr", replace=True)
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "other.zarr", consolidated=False).load(), small_spectra())
