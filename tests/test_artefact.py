"""The artefact: what was written comes back, and nothing damaged, altered or strange ever does."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pat import artefact
from pat.artefact import Content
from pat.errors import ArtefactError, InputError
from pat.files import canonical_json, readable_json
from pat.scorer import Scorer
from tests import simulated

NAMES = [*artefact.FILES, artefact.MANIFEST]


def _rewrite(folder: Path, name: str, data: bytes) -> None:
    """Replace a file and make every hash in the manifest anew, as somebody who knows the format would."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / artefact.MANIFEST).read_bytes())
    manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    _rehash(folder, manifest)


def _rehash(folder: Path, manifest: dict[str, Any]) -> None:
    manifest.pop("sha256", None)
    manifest["sha256"] = hashlib.sha256(canonical_json(manifest)).hexdigest()
    (folder / artefact.MANIFEST).write_text(readable_json(manifest), encoding="utf-8")


# Round trip


def test_what_was_written_comes_back_bit_for_bit(content, tmp_path):
    digest = simulated.write_artefact(tmp_path / "a", content)
    found = artefact.read(tmp_path / "a")
    assert digest == content.digest == found.content.digest == found.manifest["digest"]
    assert found.content.document == content.document
    assert set(found.content.arrays) == set(content.arrays)
    for name, array in content.arrays.items():
        again = found.content.arrays[name]
        assert (again.dtype, again.shape, again.tobytes()) == (array.dtype, array.shape, array.tobytes())
    for name, array in simulated.known_answers(content).items():
        np.testing.assert_array_equal(found.known_answers[name], array)
    known = simulated.known_blend(content)
    assert known is not None
    assert found.known_blend is not None
    for name, array in known.items():
        np.testing.assert_array_equal(found.known_blend[name], array)
    assert found.validation == simulated.VALIDATION
    assert found.manifest["source"] == {"data_sha256": "0" * 64}
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(NAMES)


def test_the_same_artefact_is_the_same_bytes(content, tmp_path):
    for name in ("a", "b"):
        simulated.write_artefact(tmp_path / name, simulated.make_content())
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert artefact.read(tmp_path / "a").content.digest == content.digest


def test_the_manifest_holds_for_every_file_and_itself(demo_artefact):
    manifest = json.loads((demo_artefact / artefact.MANIFEST).read_bytes())
    assert set(manifest["files"]) == set(artefact.FILES)
    for name, recorded in manifest["files"].items():
        data = (demo_artefact / name).read_bytes()
        assert recorded == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    own = manifest.pop("sha256")
    assert own == hashlib.sha256(canonical_json(manifest)).hexdigest()


@pytest.mark.requirement("URS-05")
def test_it_is_readable_without_this_package(demo_artefact):
    with np.load(demo_artefact / "arrays.npz", allow_pickle=False) as archive:
        assert "coefficients" in archive.files
    json.loads((demo_artefact / "validation.json").read_bytes(), parse_constant=pytest.fail)
    json.loads((demo_artefact / artefact.MANIFEST).read_bytes(), parse_constant=pytest.fail)


def test_text_and_every_type_survive_packing():
    arrays = {
        "text": np.array(["B-1", "ü", ""]),
        "whole": np.arange(3, dtype=np.int64),
        "flag": np.array([True, False]),
        "none": np.zeros((0, 4)),
        "scalar": np.array(2.5),
        "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "special": np.array([np.nan, -0.0, np.inf, 5e-324]),
    }
    found = artefact.unpack(artefact.pack(arrays))
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert np.ascontiguousarray(found[name]).tobytes() == np.ascontiguousarray(array).tobytes()
    assert Content(found, {}).digest == Content(arrays, {}).digest


@pytest.mark.filterwarnings("ignore:Custom dtypes are saved:UserWarning")
@pytest.mark.parametrize("kind", ["object", "StringDType"])
def test_what_only_a_pickle_could_hold_is_not_written(content, tmp_path, kind):
    dtype: Any = object if kind == "object" else np.dtypes.StringDType()
    strange = Content(content.arrays | {"names": np.array(["a", "b"], dtype=dtype)}, content.document)
    with pytest.raises(ValueError, match=r"[Pp]ickle|[Oo]bject arrays"):
        artefact.write(tmp_path / "a", strange, simulated.known_answers(content), None, {}, "", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["document", "validation", "source"])
def test_a_nan_that_json_does_not_have_is_not_written(content, tmp_path, part):
    given: dict[str, Any] = {part: {"x": float("nan")}} if part != "document" else {}
    wrong = Content(content.arrays, content.document | {"x": float("nan")}) if part == "document" else content
    with pytest.raises(ValueError, match="not JSON compliant"):
        simulated.write_artefact(tmp_path / "a", wrong, **given)
    assert list(tmp_path.iterdir()) == []


# The digest


def test_the_digest_does_not_depend_on_the_order_of_anything(content):
    arrays = dict(reversed(list(content.arrays.items())))
    document = json.loads(json.dumps(content.document))
    turned = {key: document[key] for key in reversed(document)}
    turned["rule"] = {key: document["rule"][key] for key in reversed(document["rule"])}
    assert Content(arrays, turned).digest == content.digest


def test_the_digest_does_not_depend_on_the_memory_order(content):
    arrays = {name: np.array(array, order="F") for name, array in content.arrays.items()}
    assert not arrays["loadings"].flags.c_contiguous
    assert Content(arrays, content.document).digest == content.digest


@pytest.mark.parametrize("name", [*artefact._MODEL_ARRAYS, "wavelength", "y_mean", "n_samples"])
def test_the_digest_changes_with_the_last_bit_of_any_array(content, name):
    array = np.array(content.arrays[name])
    for at in {0, array.size // 2, array.size - 1}:
        changed = array.copy()
        changed.flat[at] = changed.flat[at] + 1 if name == "n_samples" else np.nextafter(changed.flat[at], np.inf)
        assert Content(content.arrays | {name: changed}, content.document).digest != content.digest


def test_the_digest_changes_with_a_name_a_type_or_a_shape(content):
    arrays, seen = content.arrays, {content.digest}
    x = arrays["x_mean"]
    renamed = {("x_centre" if name == "x_mean" else name): array for name, array in arrays.items()}
    for changed in (
        renamed,
        arrays | {"x_mean": x[None, :]},
        arrays | {"x_mean": x.view(np.int64)},
        arrays | {"x_mean": x.astype(">f8")},
        arrays | {"more": np.zeros(0)},
        {name: array for name, array in arrays.items() if name != "weights"},
    ):
        digest = Content(changed, content.document).digest
        assert digest not in seen
        seen.add(digest)


def _leaves(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(document, dict) and document:
        return [leaf for key, value in document.items() for leaf in _leaves(value, (*at, key))]
    if isinstance(document, list) and document:
        return [leaf for i, value in enumerate(document) for leaf in _leaves(value, (*at, i))]
    return [at]


@pytest.mark.requirement("URS-50")
def test_the_digest_changes_with_every_value_of_the_document(content):
    seen = {content.digest}
    leaves = _leaves(content.document)
    assert len(leaves) > 40
    for *path, key in leaves:
        document = json.loads(json.dumps(content.document))
        inner = document
        for step in path:
            inner = inner[step]
        value = inner[key]
        inner[key] = f"{value}!" if isinstance(value, str) else (value or 0) + 1
        digest = Content(content.arrays, document).digest
        assert digest not in seen
        seen.add(digest)


def test_the_digest_does_not_cover_where_it_came_from(content, tmp_path):
    digests = {
        simulated.write_artefact(tmp_path / "a", content, **changed)
        for changed in ({}, {"source": {"run": "2"}}, {"report": "other"}, {"validation": {"passed": False}})
    }
    assert digests == {content.digest}


# Damage


@pytest.mark.requirement("URS-50")
@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_anywhere_is_found_and_the_file_named(demo_artefact, artefact_folder, name):
    whole = (demo_artefact / name).read_bytes()
    rng = random.Random(name)
    places = {0, 1, len(whole) // 2, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(40))}
    for place in places:
        bit = 1 << rng.randrange(8)
        damaged = bytearray(whole)
        damaged[place] ^= bit
        (artefact_folder / name).write_bytes(damaged)
        if name == artefact.MANIFEST and _says_the_same(whole, bytes(damaged)):
            continue  # white space between values
        with pytest.raises(ArtefactError, match=name.replace(".", r"\.")):
            artefact.read(artefact_folder)


def _says_the_same(whole: bytes, damaged: bytes) -> bool:
    try:
        return bool(json.loads(whole) == json.loads(damaged))
    except ValueError:
        return False


@pytest.mark.requirement("URS-50")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["removed", "empty", "cut", "longer", "a folder"])
def test_a_file_that_is_gone_or_cut_is_named(artefact_folder, name, damage):
    path = artefact_folder / name
    data = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage != "removed":
        path.write_bytes({"empty": b"", "cut": data[:-20], "longer": data + b"\x00"}[damage])
    with pytest.raises(ArtefactError, match=name.replace(".", r"\.")):
        artefact.read(artefact_folder)
    with pytest.raises(ArtefactError):
        Scorer.load(artefact_folder, allow_unreleased=True)


@pytest.mark.requirement("URS-50")
@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "model.pkl", "arrays.npz.bak"])
def test_a_file_too_many_is_named(artefact_folder, name):
    (artefact_folder / name).write_text("x")
    with pytest.raises(ArtefactError, match=f"no part of an artefact: {name}"):
        artefact.read(artefact_folder)


def test_what_is_no_artefact_is_refused(tmp_path):
    with pytest.raises(ArtefactError, match="no artefact here"):
        artefact.read(tmp_path)
    with pytest.raises(ArtefactError, match="no artefact here"):
        artefact.read(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtefactError):
        artefact.read(tmp_path / "file")


@pytest.mark.requirement("URS-06")
@pytest.mark.parametrize("number", [0, 1, 3, "2", None, 2.5, [2]])
def test_another_format_is_refused_by_number(artefact_folder, number):
    manifest = json.loads((artefact_folder / artefact.MANIFEST).read_bytes())
    _rehash(artefact_folder, manifest | {"format": number})
    with pytest.raises(ArtefactError, match=r"manifest\.json: format must be 2, got"):
        artefact.read(artefact_folder)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "7", '"text"', "[" * 100_000, "\x00", "{}",
        '{"format": 2}', '{"format": 2, "digest": "", "document": {}, "files": {}, "source": {}}',
        '{"format": 2, "digest": "", "document": NaN, "files": {}, "source": {}, "sha256": ""}',
        '{"format": 2, "digest": "", "document": 1e999, "files": {}, "source": {}, "sha256": ""}',
    ],
)  # fmt: skip
def test_a_manifest_that_is_none_is_refused(artefact_folder, text):
    (artefact_folder / artefact.MANIFEST).write_text(text)
    with pytest.raises(ArtefactError, match=r"manifest\.json"):
        artefact.read(artefact_folder)


EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "digest": lambda m: m.update(digest="0" * 64),
    "limit": lambda m: m["document"]["limits"].update(q_residuals=1e9),
    "claim": lambda m: m["document"]["claim"].update(risk_per_batch=0.001),
    "steps": lambda m: m["document"]["steps"].pop(),
    "source": lambda m: m["source"].update(data_sha256="1" * 64),
    "hash of a file": lambda m: m["files"]["report.html"].update(sha256="0" * 64),
    "size of a file": lambda m: m["files"]["report.html"].update(bytes=1),
    "a file less": lambda m: m["files"].pop("validation.json"),
    "a key more": lambda m: m.update(released=True),
    "own hash": lambda m: m.update(sha256="0" * 64),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edited_manifest_is_refused(artefact_folder, edit):
    manifest = json.loads((artefact_folder / artefact.MANIFEST).read_bytes())
    edit(manifest)
    (artefact_folder / artefact.MANIFEST).write_text(readable_json(manifest))
    with pytest.raises(ArtefactError, match=r"manifest\.json: altered or damaged"):
        artefact.read(artefact_folder)


@pytest.mark.requirement("URS-50")
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (EDITS["digest"], "content digest must be 0000"),
        (EDITS["limit"], "content digest must be"),
        (EDITS["steps"], "content digest must be"),
        (EDITS["hash of a file"], r"report\.html: altered or damaged"),
        (EDITS["a file less"], r"no SHA-256 for validation\.json"),
        (lambda m: m.update(files=[]), "no SHA-256 for"),
        (lambda m: m.update(files={"arrays.npz": "x"}), r"no part of an artefact: known_blend\.npz"),
        (lambda m: m.update(files={"arrays.npz": "x", "known_blend.npz": {}}), "no SHA-256 for"),
        (lambda m: m.update(document=None), "content digest must be"),
    ],
)
def test_a_manifest_with_its_own_hash_made_anew_must_still_fit_the_files(artefact_folder, edit, message):
    manifest = json.loads((artefact_folder / artefact.MANIFEST).read_bytes())
    edit(manifest)
    _rehash(artefact_folder, manifest)
    with pytest.raises(ArtefactError, match=message):
        artefact.read(artefact_folder)


def test_changed_arrays_with_their_file_hash_made_anew_fail_the_content_digest(artefact_folder, content):
    changed = content.arrays | {"y_mean": np.array(11.0)}
    _rewrite(artefact_folder, "arrays.npz", artefact.pack(changed))
    with pytest.raises(ArtefactError, match="content digest must be"):
        artefact.read(artefact_folder)


# Hostile files


class _Bomb:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self._path),))


def _npz_with(member: bytes, name: str = "x_mean.npy") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, member)
    return stream.getvalue()


def _pickled_array(bomb: _Bomb) -> bytes:
    stream = io.BytesIO()
    array = np.empty(1, dtype=object)
    array[0] = bomb
    np.lib.format.write_array(stream, array, allow_pickle=True)
    return stream.getvalue()


@pytest.mark.requirement("URS-05")
@pytest.mark.parametrize("name", ["arrays.npz", "known_answers.npz"])
def test_a_pickle_is_refused_by_name_and_never_run(artefact_folder, tmp_path, name):
    mark = tmp_path / "the bomb went off"
    bare = pickle.dumps(_Bomb(mark))
    for data in (_npz_with(_pickled_array(_Bomb(mark))), bare, _npz_with(bare), _npz_with(bare, "x_mean")):
        _rewrite(artefact_folder, name, data)
        with pytest.raises(ArtefactError):
            artefact.read(artefact_folder)
        assert not mark.exists()
    _rewrite(artefact_folder, name, _npz_with(_pickled_array(_Bomb(mark))))
    with pytest.raises(ArtefactError, match=name.replace(".", r"\.")):
        artefact.read(artefact_folder)


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _huge_header() -> bytes:
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**13,)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


HOSTILE = {
    "nothing": b"",
    "text": b"hello",
    "a bare array": b"\x93NUMPY" + b"\x01\x00" + b"\x00" * 20,
    "a whole bare array": _npy(np.zeros(3)),
    "a broken member": _npz_with(b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'"),
    "a member of text": _npz_with(b"hello"),
    "a header that is code": _npz_with(b"\x93NUMPY\x01\x00\x20\x00__import__('os').getcwd()       \n"),
    "an array larger than any memory": _npz_with(_huge_header()),
    "an array of records": _npz_with(_npy(np.zeros(2, dtype=[("a", "f8"), ("b", "f8")]))),
    "an array of dates": _npz_with(_npy(np.zeros(2, dtype="M8[s]"))),
    "a cut archive": _npz_with(b"x" * 5000)[:60],
    "spoilt compression": _npz_with(bytes(range(256)) * 20).replace(b"x_mean.npy", b"x_mean.npy" + bytes(9), 1),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_archive_of_plain_arrays_is_refused(artefact_folder, data):
    with pytest.raises(ArtefactError, match="not an archive of plain arrays"):
        artefact.unpack(data)
    _rewrite(artefact_folder, "arrays.npz", data)
    with pytest.raises(ArtefactError, match=r"arrays\.npz"):
        artefact.read(artefact_folder)


@pytest.mark.parametrize("text", ["", "[]", "null", "true", "{", "[" * 100_000])
def test_a_validation_that_is_none_is_refused(artefact_folder, text):
    _rewrite(artefact_folder, "validation.json", text.encode())
    with pytest.raises(ArtefactError, match=r"validation\.json"):
        artefact.read(artefact_folder)


@pytest.mark.parametrize("change", ["less", "more"])
def test_known_answers_must_be_the_four(artefact_folder, content, change):
    known = simulated.known_answers(content)
    if change == "less":
        del known["value"]
    else:
        known["more"] = np.zeros(1)
    _rewrite(artefact_folder, "known_answers.npz", artefact.pack(known))
    with pytest.raises(ArtefactError, match="known answers must be absorbance, value, hotelling_t2, q_residuals"):
        artefact.read(artefact_folder)


@pytest.mark.parametrize("change", ["less", "more"])
def test_a_known_blend_has_its_columns(artefact_folder, content, change):
    known = simulated.known_blend(content)
    assert known is not None
    if change == "less":
        del known["state"]
    else:
        known["more"] = np.zeros(1)
    _rewrite(artefact_folder, artefact.KNOWN_BLEND, artefact.pack(known))
    with pytest.raises(ArtefactError, match="known blend must be absorbance, revolution, status, state, value, mbsd"):
        artefact.read(artefact_folder)


def test_a_known_blend_is_there_exactly_where_there_is_a_rule(content, artefact_folder, tmp_path):
    with_rule, without = simulated.known_blend(content), simulated.make_content(rule=None)
    simulated.write_artefact(tmp_path / "without", without)
    assert artefact.read(tmp_path / "without").known_blend is None
    simulated.write_artefact(artefact_folder, content, known_blend=None)
    with pytest.raises(ArtefactError, match="expected a known blend where there is an end-point rule, got none"):
        artefact.read(artefact_folder)
    simulated.write_artefact(tmp_path / "without", without, known_blend=with_rule)
    with pytest.raises(ArtefactError, match="got one without a rule"):
        artefact.read(tmp_path / "without")


# Writing


def test_an_artefact_replaces_the_old_one(content, tmp_path):
    other = simulated.make_content(saturation=2.4, rule=None)
    (tmp_path / "a").mkdir()
    for written in (content, other):
        assert simulated.write_artefact(tmp_path / "a", written) == written.digest
        assert artefact.read(tmp_path / "a").content.digest == written.digest
    assert not (tmp_path / "a" / artefact.KNOWN_BLEND).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_damaged_artefact_or_one_of_an_older_format_may_be_replaced(content, artefact_folder):
    (artefact_folder / "arrays.npz").write_bytes(b"")
    manifest = json.loads((artefact_folder / artefact.MANIFEST).read_bytes())
    (artefact_folder / artefact.MANIFEST).write_text(json.dumps(manifest | {"format": 1}))
    simulated.write_artefact(artefact_folder, content)
    assert artefact.read(artefact_folder).content.digest == content.digest


def test_what_is_no_artefact_is_never_replaced(content, artefact_folder, tmp_path):
    """Somebody's folder, a store of spectra, a working folder, an artefact with something beside it."""
    places = {
        "own": {"letter.txt": "mine"},
        "store": {"zarr.json": "{}", "absorbance/zarr.json": "{}"},
        "a manifest of another program": {"manifest.json": '{"format": 2}', "data.bin": "x"},
        "a manifest that is none": {"manifest.json": "{", "data.bin": "x"},
        "a list for a manifest": {"manifest.json": "[1]"},
    }
    for name, files in places.items():
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
        with pytest.raises(InputError, match="expected a new folder or one with an artefact, got something else"):
            simulated.write_artefact(tmp_path / name, content)
        assert {file: (tmp_path / name / file).read_text() for file in files} == files
    (artefact_folder / "work").mkdir()
    with pytest.raises(InputError, match="got work too, which would be lost"):
        simulated.write_artefact(artefact_folder, content)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError):
        simulated.write_artefact(tmp_path / "file", content)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_write_that_fails_leaves_the_old_artefact(content, tmp_path):
    simulated.write_artefact(tmp_path / "a", content)
    with pytest.raises(TypeError):
        simulated.write_artefact(tmp_path / "a", content, source={"when": object()})
    assert artefact.read(tmp_path / "a").content.digest == content.digest
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.requirement("URS-03")
def test_kill_9_at_any_moment_leaves_the_old_artefact_or_the_new_one(tmp_path):
    folder = tmp_path / "a"
    code = f"""
from pathlib import Path
from tests import simulated
contents = [simulated.make_content(saturation=value) for value in (2.4, 2.5)]
known = [simulated.known_answers(content) for content in contents]
print(*(content.digest for content in contents), flush=True)
while True:
    for content, answers in zip(contents, known):
        simulated.write_artefact(Path({str(folder)!r}), content, known_answers=answers)
"""
    simulated.write_artefact(folder, simulated.make_content())
    rng, seen = random.Random(3), set()
    for _ in range(10):
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).resolve().parents[1]
        )
        assert child.stdout is not None
        digests = child.stdout.readline().decode().split()
        time.sleep(rng.uniform(0.0, 0.12))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        found = artefact.read(folder).content.digest
        assert found in digests
        seen.add(found)
        Scorer.load(folder, allow_unreleased=True)
    # What a killed writer was filling lies beside it, hidden, and in nobody's way.
    assert all(path == folder or path.name.startswith(".a.") for path in tmp_path.iterdir())
    simulated.write_artefact(folder, simulated.make_content())
    shutil.rmtree(folder)
