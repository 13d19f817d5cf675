"""Writing that a crash cannot spoil: tried with errors, threads, other processes and kill -9."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pat import files
from pat.errors import InputError


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# JSON


def test_canonical_json_has_one_form_whatever_the_order():
    one = {"b": [1, 2.5, None], "a": {"y": "ü", "x": True}}
    other = {"a": {"x": True, "y": "ü"}, "b": [1, 2.5, None]}
    assert files.canonical_json(one) == files.canonical_json(other)
    assert files.canonical_json(one) == b'{"a":{"x":true,"y":"\\u00fc"},"b":[1,2.5,null]}'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_does_not_have_is_refused(number):
    for write in (files.canonical_json, files.readable_json):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write({"a": [number]})


def test_readable_json_keeps_the_order_and_every_digit():
    text = files.readable_json({"z": 0.1 + 0.2, "a": "ü", "tiny": 5e-324})
    assert json.loads(text) == {"z": 0.1 + 0.2, "a": "ü", "tiny": 5e-324}
    assert list(json.loads(text)) == ["z", "a", "tiny"]
    assert "ü" in text
    assert text.endswith("}\n")


# One file


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "a.json"
    files.write_bytes(path, b"old")
    files.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert _names(tmp_path) == ["a.json"]


def test_a_write_that_fails_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "a.json"
    files.write_bytes(path, b"old")
    with pytest.raises(TypeError):
        files.write_bytes(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["a.json"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.write_bytes(tmp_path / "folder", b"x")
    assert _names(tmp_path) == ["a.json", "folder"]


def test_threads_may_write_the_same_file(tmp_path):
    path, contents = tmp_path / "a.json", [bytes([i]) * 10_000 for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda data: files.write_bytes(path, data), contents * 4))
    assert path.read_bytes() in contents
    assert _names(tmp_path) == ["a.json"]


# A folder


def test_a_folder_appears_whole(tmp_path):
    target = tmp_path / "deep" / "out"
    with files.replaced_folder(target) as fresh:
        (fresh / "a").write_text("1")
        assert not target.exists()
        assert fresh.parent == target.parent
    assert (target / "a").read_text() == "1"
    assert _names(target.parent) == ["out"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_a_folder_is_replaced_with_all_that_was_in_it(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    with files.replaced_folder(target) as fresh:
        (fresh / "new").write_text("new")
    assert _names(target) == ["new"]
    assert _names(tmp_path) == ["out"]


def test_a_folder_is_replaced_where_the_system_cannot_swap(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_exchange", lambda a, b: False)
    test_a_folder_is_replaced_with_all_that_was_in_it(tmp_path)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_the_folder_as_it_was(tmp_path, error):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")

    def fail() -> None:
        with files.replaced_folder(target) as fresh:
            (fresh / "new").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert (target / "old").read_text() == "old"
    assert _names(tmp_path) == ["out"]
    with files.replaced_folder(target) as fresh:  # the lock is free again
        (fresh / "new").write_text("new")
    assert _names(target) == ["new"]


# Locks


def test_a_second_writer_waits_for_the_first(tmp_path):
    order: list[str] = []
    started = threading.Event()

    def second() -> None:
        started.set()
        with files.locked(tmp_path / "out"):
            order.append("second")

    with files.locked(tmp_path / "out"):
        thread = threading.Thread(target=second)
        thread.start()
        started.wait()
        time.sleep(0.1)
        order.append("first")
    thread.join(timeout=10)
    assert order == ["first", "second"]


def test_a_lock_is_by_place_not_by_spelling_and_other_places_are_free(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    with files.locked(Path("out")), files.locked(Path("other")):
        thread = threading.Thread(target=lambda: files.locked(tmp_path / "sub" / ".." / "out").__enter__(), daemon=True)
        thread.start()
        thread.join(timeout=0.1)
        assert thread.is_alive()
    thread.join(timeout=10)
    assert not thread.is_alive()


WAITING = """
import fcntl, os, sys
from pathlib import Path
from pat.files import locked
if sys.argv[2] != "0":
    os.setuid(int(sys.argv[2]))
print("waits", flush=True)
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
"""


@pytest.mark.parametrize("user", [0, 65534])
def test_writers_with_other_temporary_folders_and_other_users_wait_too(tmp_path, user):
    if user and os.getuid() != 0:
        pytest.skip("only root can become another user")
    for folder in tmp_path.parents[:3]:
        os.chmod(folder, folder.stat().st_mode | 0o011)  # pytest keeps its folders to one user
    tmp_path.chmod(0o777)
    argv = [sys.executable, "-c", WAITING, str(tmp_path / "out"), str(user)]
    # The first one's lock is a file that the second may read and not write.
    theirs = {**os.environ, "TMPDIR": "/var/tmp"}
    lock = files.locked(tmp_path / "out")
    lock.__enter__()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=theirs) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == b"waits\n"
            time.sleep(0.2)
            assert child.poll() is None
        finally:
            lock.__exit__(None, None, None)
        assert child.stdout.read() == b"locked\n"
        assert child.wait(timeout=10) == 0


def test_a_lock_is_not_a_link_and_keeps_what_is_in_it(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("theirs")
    lock = tmp_path / ".out.lock"
    lock.symlink_to(precious)
    with pytest.raises(InputError, match="expected a place that can be written"):
        with files.locked(tmp_path / "out"):
            pytest.fail("locked through a link")  # pragma: no cover
    assert lock.is_symlink()
    assert precious.read_text() == "theirs"
    lock.unlink()
    lock.write_text("left by a killed writer")
    with files.locked(tmp_path / "out"):
        assert lock.read_text() == "left by a killed writer"
    assert _names(tmp_path) == ["precious"]


def test_many_writers_of_one_folder_leave_one_of_their_folders(tmp_path):
    target = tmp_path / "out"

    def write(i: int) -> None:
        with files.replaced_folder(target) as fresh:
            for name in "abc":
                (fresh / name).write_text(str(i))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(24)))
    assert len({(target / name).read_text() for name in "abc"}) == 1
    assert _names(tmp_path) == ["out"]


def test_a_lock_dies_with_its_process(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from pat.files import locked
with locked(Path({str(tmp_path / "out")!r})):
    print("locked", flush=True)
    time.sleep(60)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"locked\n"
    finally:
        child.kill()
        child.wait()
        child.stdout and child.stdout.close()
    with files.locked(tmp_path / "out"):
        pass


@pytest.mark.requirement("URS-03")
def test_kill_9_in_the_middle_of_writing_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "a.bin"
    code = f"""
from pathlib import Path
from pat.files import write_bytes
print("ready", flush=True)
while True:
    for byte in (b"a", b"b"):
        write_bytes(Path({str(path)!r}), byte * 300_000)
"""
    files.write_bytes(path, b"a" * 300_000)
    rng = random.Random(7)
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(rng.uniform(0.0, 0.05))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert path.read_bytes() in (b"a" * 300_000, b"b" * 300_000)


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / ".store.ab1_xy89.part"
    others = [tmp_path / f".{name}.ab1_xy89.part" for name in ("store2", "store.zarr")]
    for folder in (left, *others):
        folder.mkdir()
        (folder / "half").write_text("x")
    (tmp_path / ".store.123-456.part").write_text("of a file that is being written")
    with files.replaced_folder(tmp_path / "store") as fresh:
        (fresh / "whole").write_text("x")
    assert not left.exists()
    assert _names(tmp_path) == sorted([".store.123-456.part", "store", *(folder.name for folder in others)])


def test_writers_of_places_whose_names_begin_alike_leave_each_other_alone(tmp_path):
    with files.replaced_folder(tmp_path / "raw.zarr") as outer:
        (outer / "a").write_text("1")
        with files.replaced_folder(tmp_path / "raw") as inner:  # its cleanup must not take `.raw.zarr.*.part`
            (inner / "b").write_text("2")
        assert outer.is_dir()
    assert _names(tmp_path / "raw.zarr") == ["a"]
    assert _names(tmp_path / "raw") == ["b"]


def test_what_died_between_two_renames_is_put_back(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_exchange", lambda a, b: False)
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("theirs")
    target.rename(tmp_path / ".out.ab1_xy89.old")
    with pytest.raises(KeyboardInterrupt), files.replaced_folder(target):
        raise KeyboardInterrupt
    assert (target / "old").read_text() == "theirs"
    assert _names(tmp_path) == ["out"]


# What is not ours to replace


@pytest.mark.parametrize("came", ["file", "fifo"])
def test_a_target_that_is_no_folder_is_left_alone(tmp_path, came):
    target = tmp_path / "out"
    target.write_text("theirs") if came == "file" else os.mkfifo(target)
    with pytest.raises(InputError, match="expected a folder, or nothing there yet, got"):
        with files.replaced_folder(target):
            pytest.fail("the work began")  # pragma: no cover
    assert _names(tmp_path) == ["out"]
    assert came == "fifo" or target.read_text() == "theirs"


def test_a_file_that_appears_while_the_folder_is_filled_is_left_alone(tmp_path):
    def fill() -> None:
        with files.replaced_folder(tmp_path / "out") as fresh:
            (fresh / "a").write_text("1")
            (tmp_path / "out").write_text("theirs")

    with pytest.raises(InputError, match="got a file; it is left as it is"):
        fill()
    assert (tmp_path / "out").read_text() == "theirs"
    assert _names(tmp_path) == ["out"]


@pytest.mark.parametrize("target", [".", "..", "/"])
def test_the_folder_that_one_works_in_is_left_alone(tmp_path, monkeypatch, target):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "mine").write_text("x")
    monkeypatch.chdir(tmp_path / "project")
    with pytest.raises(InputError, match="of its own, got"):
        with files.replaced_folder(Path(target)):
            pytest.fail("the work began")  # pragma: no cover
    assert _names(tmp_path) == ["project"]
    assert _names(tmp_path / "project") == ["mine"]


def test_a_link_stays_and_what_it_points_at_is_replaced(tmp_path):
    (tmp_path / "disk" / "store").mkdir(parents=True)
    link = tmp_path / "store"
    link.symlink_to(tmp_path / "disk" / "store")
    with files.replaced_folder(link) as fresh:
        (fresh / "new").write_text("1")
    assert link.is_symlink()
    assert _names(tmp_path / "disk" / "store") == ["new"]
    assert _names(tmp_path / "disk") == ["store"]


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="out: expected a place that can be written, got: "):
        with files.replaced_folder(tmp_path / "file" / "out"):
            pytest.fail("the work began")  # pragma: no cover

    def full(*args: object, **kwargs: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(InputError, match="expected a place that can be written, got: No space left on device"):
        with files.replaced_folder(tmp_path / "out"):
            pytest.fail("the work began")  # pragma: no cover
    assert _names(tmp_path) == ["file"]


@pytest.mark.parametrize("filename", [None, "inside", "elsewhere"])
def test_a_disk_that_fills_under_a_folder_names_the_folder(tmp_path, filename):
    (tmp_path / "elsewhere").write_text("x")

    def fill() -> None:
        with files.replaced_folder(tmp_path / "out") as fresh:
            (fresh / "inside").write_text("x")
            about = {None: None, "inside": str(fresh / "inside"), "elsewhere": str(tmp_path / "elsewhere")}[filename]
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), about)

    with pytest.raises(OSError, match="No space left on device") as caught:
        fill()
    assert caught.value.filename == str(tmp_path / ("elsewhere" if filename == "elsewhere" else "out"))
    assert _names(tmp_path) == ["elsewhere"]


@pytest.mark.requirement("URS-03")
def test_a_disk_that_fills_leaves_the_old_file_and_names_it(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    files.write_bytes(path, b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        files.write_bytes(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["a.json"]
