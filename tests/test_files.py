"""Writing that a crash cannot spoil: tried with errors, threads, other processes and kill -9."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pat import files


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
    left, other = tmp_path / ".store.abc.part", tmp_path / ".store2.abc.part"
    for folder in (left, other):
        folder.mkdir()
        (folder / "half").write_text("x")
    with files.replaced_folder(tmp_path / "store") as fresh:
        (fresh / "whole").write_text("x")
    assert not left.exists()
    assert other.exists()
