"""Records: a folder is written in one step, and read back whole, as it was written, or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pat.errors import InputError
from pat.records import Record

KIND = Record("study", "study.json", ("a.bin", "b.bin"), format=3, command="pat study")
DOCUMENT = {"found": [1.5, None], "of": {"batch": "ü"}}
FILES = {"a.bin": b"\x00\x01", "b.bin": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    KIND.save(tmp_path / "study", DOCUMENT, FILES)
    return tmp_path / "study"


def edit(folder: Path, **changes: Any) -> None:
    document = json.loads((folder / "study.json").read_bytes())
    (folder / "study.json").write_text(json.dumps(document | changes))


def test_what_was_saved_comes_back(folder: Path) -> None:
    assert KIND.load(folder) == (DOCUMENT, FILES)
    assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "b.bin", "study.json"]


def test_a_file_that_was_not_given_is_not_there(tmp_path: Path) -> None:
    KIND.save(tmp_path / "study", DOCUMENT, {"a.bin": b"x"})
    assert KIND.load(tmp_path / "study") == (DOCUMENT, {"a.bin": b"x"})


def test_the_same_content_is_the_same_bytes_and_replaces_what_was_there(folder: Path, tmp_path: Path) -> None:
    KIND.save(tmp_path / "again", DOCUMENT, dict(reversed(FILES.items())))
    assert (tmp_path / "again" / "study.json").read_bytes() == (folder / "study.json").read_bytes()
    KIND.save(folder, {"found": []}, {"a.bin": b"new"})
    assert KIND.load(folder) == ({"found": []}, {"a.bin": b"new"})
    assert not (folder / "b.bin").exists()


def test_a_step_that_was_not_done_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for absent in ("nowhere", "nowhere/deeper", "file"):
        with pytest.raises(InputError, match="expected a study, got none: run `pat study` first"):
            KIND.load(tmp_path / absent)


def test_an_edited_document_is_refused(folder: Path) -> None:
    edit(folder, found=[1.6, None])
    with pytest.raises(InputError, match=r"study\.json is damaged or was edited: run `pat study` again"):
        KIND.load(folder)


@pytest.mark.parametrize("name", ["a.bin", "b.bin"])
def test_a_file_of_another_study_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"other")
    with pytest.raises(InputError, match=f"one whose {name} is damaged or of another study"):
        KIND.load(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"one without its {name}"):
        KIND.load(folder)


def test_a_document_of_another_study_is_refused(folder: Path, tmp_path: Path) -> None:
    KIND.save(tmp_path / "other", DOCUMENT, {"a.bin": b"x", "b.bin": b"y"})
    shutil.copy(tmp_path / "other" / "study.json", folder)
    with pytest.raises(InputError, match=r"one whose a\.bin is damaged or of another study"):
        KIND.load(folder)


@pytest.mark.parametrize("text", ["", "[]", "7", "null", "{", '"text"', "[" * 100_000])
def test_what_is_no_document_is_refused(folder: Path, text: str) -> None:
    (folder / "study.json").write_text(text)
    with pytest.raises(InputError, match=r"a damaged one, study\.json is no JSON document"):
        KIND.load(folder)


def test_another_format_is_named(folder: Path) -> None:
    edit(folder, format=2)
    with pytest.raises(InputError, match="one of format 2 where 3 is read: run `pat study` again"):
        KIND.load(folder)


def refuses(target: Path, message: str) -> None:
    with pytest.raises(InputError, match=message):
        KIND.save(target, {}, {})
    with pytest.raises(InputError, match=message):
        KIND.remove(target)


def test_what_is_no_such_folder_is_neither_replaced_nor_removed(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    for target in (tmp_path / "mine", tmp_path / "mine" / "letter.txt"):
        refuses(target, "expected a new folder or one with a study, got something else")
    (folder / "notes.txt").write_text("mine")
    refuses(folder, r"got notes\.txt too, which would be lost")
    assert (tmp_path / "mine" / "letter.txt").read_text() == (folder / "notes.txt").read_text() == "mine"


def test_removing_leaves_nothing_and_may_be_done_twice(folder: Path) -> None:
    KIND.remove(folder)
    KIND.remove(folder)
    assert not list(folder.parent.iterdir())


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    KIND.save(tmp_path / "study", DOCUMENT, FILES)
    assert KIND.load(tmp_path / "study") == (DOCUMENT, FILES)


def test_a_nan_leaves_what_was_there(folder: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        KIND.save(folder, {"found": float("nan")}, {})
    assert KIND.load(folder) == (DOCUMENT, FILES)
