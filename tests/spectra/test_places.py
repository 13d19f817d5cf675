"""Stores under URLs: in memory, and behind a real server of this machine."""

from __future__ import annotations

import functools
import http.server
import json
import pickle
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import fsspec
import numpy as np
import pytest
import xarray as xr
from fsspec.implementations.memory import MemoryFileSystem

from pat import cli, compute
from pat.compute import apply_rows
from pat.errors import InputError, MissingExtra, SpectraError
from pat.spectra import derive, open_store, write_store
from tests.simulated import WAVELENGTH
from tests.small_spectra import small_spectra
from tests.wide_csv import write_csv

URL = "memory://bucket/raw.zarr"


@pytest.fixture(autouse=True)
def memory() -> Iterator[MemoryFileSystem]:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield fs
    fs.store.clear()


def several_chunks() -> xr.Dataset:
    return small_spectra((300, 501), 400)


def assert_same(found: xr.Dataset, expected: xr.Dataset) -> None:
    xr.testing.assert_identical(found.load().drop_attrs(deep=False), expected.load().drop_attrs(deep=False))


# --- what an object store holds


def test_a_store_at_a_url_is_the_store_in_a_folder(tmp_path, memory):
    ds = several_chunks()
    digest = write_store(ds, tmp_path / "raw.zarr")
    assert write_store(ds.chunk(spectrum=100), URL) == digest
    found = open_store(URL, verify=True)
    assert found.attrs == {"sha256": digest}
    assert found["absorbance"].chunks == ((327, 327, 147), (400,))
    assert_same(found, ds)
    # The same objects, but for the root, which lists the others.
    files = {path.relative_to(tmp_path / "raw.zarr").as_posix(): path for path in (tmp_path / "raw.zarr").rglob("*")}
    objects = {name.removeprefix("/bucket/raw.zarr/"): name for name in memory.find("/")}
    assert objects.keys() == {name for name, path in files.items() if path.is_file()}
    assert {n for n in objects if memory.cat_file(objects[n]) != files[n].read_bytes()} == {"zarr.json"}


def test_a_file_url_is_a_folder(tmp_path):
    digest = write_store(small_spectra(), f"file://{tmp_path}/with space.zarr")
    assert open_store(tmp_path / "with space.zarr", verify=True).attrs == {"sha256": digest}
    assert open_store(f"file://{tmp_path}/with space.zarr").attrs == {"sha256": digest}


def test_a_store_is_found_from_another_working_directory(tmp_path, monkeypatch):
    # As on a cluster, whose workers were started elsewhere: from there Zarr finds no chunk, and would read NaN.
    ds = small_spectra()
    monkeypatch.chdir(tmp_path)
    write_store(ds, "raw.zarr")
    found = open_store("raw.zarr")
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(found["absorbance"].values, ds["absorbance"].values)


@pytest.mark.parametrize("replace", [False, True])
def test_what_is_at_a_url_is_never_changed(memory, replace):
    ds = small_spectra()
    digest = write_store(ds, URL)
    before = {name: memory.cat_file(name) for name in memory.find("/")}
    assert write_store(ds.chunk(spectrum=1), URL, replace=replace) == digest
    with pytest.raises(SpectraError, match=f"{URL}: .*raw spectra are never changed"):
        write_store(ds.assign(absorbance=ds["absorbance"] + 1e-9), URL, replace=replace)
    memory.pipe_file("/bucket/folder/thesis.txt", b"mine")
    with pytest.raises(SpectraError, match="this exists and is not a store"):
        write_store(ds, "memory://bucket/folder", replace=replace)
    assert {name: memory.cat_file(name) for name in memory.find("/bucket/raw.zarr")} == before
    assert memory.cat_file("/bucket/folder/thesis.txt") == b"mine"


def test_a_write_that_stops_at_any_object_leaves_no_store(memory, monkeypatch):
    put: list[tuple[str, bytes]] = []
    real = MemoryFileSystem.pipe_file

    def noted(self, path, value, **kwargs):
        put.append((self._strip_protocol(path), value))
        return real(self, path, value, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", noted)
    write_store(several_chunks(), URL)
    monkeypatch.undo()
    assert put[-1][0] == "/bucket/raw.zarr/zarr.json"
    assert len(put) > 20
    memory.store.clear()
    for path, value in put:
        with pytest.raises(SpectraError, match="expected a store"):
            open_store(URL)
        if memory.find("/bucket/raw.zarr"):
            with pytest.raises(SpectraError, match="expected a store"):
                write_store(small_spectra(), URL)
        memory.pipe_file(path, value)
    assert_same(open_store(URL, verify=True), several_chunks())


def test_a_write_that_fails_leaves_nothing(memory):
    def fails(x):
        raise RuntimeError("disk on fire")

    ds = several_chunks()
    lazy = apply_rows(fails, ds["absorbance"].chunk(spectrum=100), ds["wavelength"])
    with pytest.raises(RuntimeError, match="disk on fire"):
        write_store(derive(ds, lazy), URL)
    assert memory.find("/") == []


def test_a_place_that_fills_up_is_an_error_and_leaves_nothing(memory, monkeypatch):
    real = MemoryFileSystem.pipe_file

    def full(self, path, value, **kwargs):
        if "absorbance/c/1" in path:
            raise OSError(28, "No space left on device")
        return real(self, path, value, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", full)
    with pytest.raises(SpectraError, match="OSError: .*No space left on device"):
        write_store(several_chunks(), URL)
    assert memory.find("/") == []


def test_one_writer_at_a_time(memory):
    ds = small_spectra()

    def second(x):
        with pytest.raises(SpectraError, match=f"{URL}: expected a store with its hash, got none"):
            write_store(small_spectra((2, 2)), URL)
        assert memory.exists("/bucket/raw.zarr.writing")
        return x

    lazy = apply_rows(second, ds["absorbance"].chunk(spectrum=12), ds["wavelength"])
    write_store(derive(ds, lazy), URL)
    assert_same(open_store(URL, verify=True), ds)
    assert not memory.exists("/bucket/raw.zarr.writing")


def test_a_writer_that_found_nothing_waits_for_no_other(memory):
    memory.pipe_file("/bucket/raw.zarr.writing", b"")  # another one has just begun, or died
    with pytest.raises(SpectraError, match=f"or died doing so; if none does, remove {URL} and {URL}.writing"):
        write_store(small_spectra(), URL)
    assert memory.find("/") == ["/bucket/raw.zarr.writing"]


# --- damage


def test_a_missing_chunk_is_an_error_when_it_is_read(memory):
    # Zarr would read NaN, or empty text, without a word.
    write_store(several_chunks(), URL)
    memory.rm_file("/bucket/raw.zarr/absorbance/c/1/0")
    ds = open_store(URL)
    assert ds["absorbance"][:327].load().notnull().all()
    with pytest.raises(SpectraError, match=f"{URL}: expected the chunk absorbance/c/1/0, got nothing"):
        ds.load()
    memory.rm_file("/bucket/raw.zarr/role/c/0")
    with pytest.raises(SpectraError, match=f"{URL}: expected the chunk role/c/0, got nothing"):
        open_store(URL)


def test_a_damaged_chunk_is_an_error_that_names_the_url(memory):
    write_store(several_chunks(), URL)
    name = "/bucket/raw.zarr/absorbance/c/1/0"
    data = bytearray(memory.cat_file(name))
    data[len(data) // 2] ^= 0x10
    memory.pipe_file(name, bytes(data))
    with pytest.raises(SpectraError, match=f"{URL}: expected readable absorbance, got a damaged chunk"):
        open_store(URL).load()


def test_a_changed_store_is_found(memory):
    write_store(several_chunks(), URL)
    first, second = (memory.cat_file(f"/bucket/raw.zarr/absorbance/c/{i}/0") for i in (0, 1))
    memory.pipe_file("/bucket/raw.zarr/absorbance/c/0/0", second)
    memory.pipe_file("/bucket/raw.zarr/absorbance/c/1/0", first)
    open_store(URL).load()
    with pytest.raises(SpectraError, match="was changed"):
        open_store(URL, verify=True)


# --- a web server


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; lists it only at the paths below ``/listed``."""

    def log_message(self, *args: object) -> None:
        pass

    def list_directory(self, path):
        if not self.path.startswith("/listed"):
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        return super().list_directory(path)


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL under which it is read."""
    folder = tmp_path_factory.mktemp("served")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def total(part: xr.Dataset) -> float:
    return float(part["absorbance"].values.sum())


def test_a_store_is_read_from_a_web_server(served):
    folder, url = served
    ds = several_chunks()
    digest = write_store(ds, folder / "listed" / "raw.zarr")
    found = open_store(f"{url}/listed/raw.zarr", verify=True)
    assert found.attrs == {"sha256": digest}
    assert_same(found, ds)
    # Tasks open it wherever they run.
    assert_same(pickle.loads(pickle.dumps(open_store(f"{url}/listed/raw.zarr"))), ds)
    with compute.scheduler("processes"):
        assert compute.map_batches(total, open_store(f"{url}/listed/raw.zarr"), ["B2", "B1"]) == [
            total(ds.isel(spectrum=ds["batch"].values == name)) for name in ("B2", "B1")
        ]


def test_a_server_need_not_list_what_was_written_to_a_url(served, memory):
    folder, url = served
    ds = several_chunks()
    digest = write_store(ds, URL)
    memory.get("/bucket/raw.zarr", str(folder / "unlisted.zarr"), recursive=True)
    assert open_store(f"{url}/unlisted.zarr", verify=True).attrs == {"sha256": digest}
    (folder / "unlisted.zarr" / "absorbance" / "c" / "1" / "0").unlink()
    with pytest.raises(SpectraError, match=f"{url}/unlisted.zarr: expected the chunk absorbance/c/1/0, got nothing"):
        open_store(f"{url}/unlisted.zarr", verify=True)
    write_store(ds, folder / "folder.zarr")
    with pytest.raises(SpectraError, match=f"{url}/folder.zarr: "):
        open_store(f"{url}/folder.zarr")


def test_what_a_web_server_cannot_do_is_a_clear_error(served):
    _, url = served
    with pytest.raises(
        SpectraError, match=f"{url}/listed/none.zarr: expected a store of spectra .*, got nothing there"
    ):
        open_store(f"{url}/listed/none.zarr")
    with pytest.raises(SpectraError, match=f"{url}/listed/none.zarr: expected a place that can be"):
        write_store(small_spectra(), f"{url}/listed/none.zarr")


def test_a_server_that_is_gone_is_a_clear_error():
    server = http.server.HTTPServer(("127.0.0.1", 0), Server)
    url = f"http://127.0.0.1:{server.server_port}/raw.zarr"
    server.server_close()
    with pytest.raises(SpectraError, match=f"{url}: expected a place that can be reached, got Client"):
        open_store(url)


# --- protocols


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    for act in (
        lambda: open_store("s3://bucket/raw.zarr"),
        lambda: write_store(small_spectra(), "s3://bucket/raw.zarr"),
    ):
        with pytest.raises(MissingExtra, match="s3://bucket/raw.zarr: Install s3fs to access S3"):
            act()


def test_an_unknown_protocol_is_an_error():
    with pytest.raises(InputError, match="abacus://raw.zarr: Protocol not known: abacus"):
        open_store("abacus://raw.zarr")


# --- the command line


def test_import_writes_to_a_url(tmp_path, capsys):
    absorbance = np.random.default_rng(0).uniform(0.1, 1.0, (4, WAVELENGTH.size))
    write_csv(tmp_path / "spectra.csv", {"B-1": absorbance})
    assert cli.main(["import", str(tmp_path / "spectra.csv"), "--to", URL, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["store"] == URL
    assert open_store(URL, verify=True).attrs["sha256"] == document["sha256"]
