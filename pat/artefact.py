"""The artefact: a folder that holds a calibrated, validated method, and nothing that has to be believed.

========================  ==========================================================================
``manifest.json``         format number, content digest, method, conventions, claim, file hashes;
                          written last, the commit point
``arrays.npz``            axis and model, plain numbers
``known_answers.npz``     raw spectra on the native axis, and the numbers that the laboratory computed
``known_blend.npz``       raw spectra of one blend, and the laboratory's reading after each; where there is a rule
``validation.json``       figures of merit and the acceptance gate's verdict
``report.html``           the report for people
========================  ==========================================================================

The **content digest** covers what decides a number or a verdict: the arrays and the document (method, axis,
conventions, limits, rule, claim). Run ids, times, hosts and versions are recorded elsewhere and never in it.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pat.core.pls import PLSModel
from pat.core.types import Array
from pat.errors import ArtefactError, InputError
from pat.files import canonical_json, readable_json, replaced_folder, sha256

FORMAT = 2
KNOWN_BLEND = "known_blend.npz"
FILES = ("arrays.npz", "known_answers.npz", KNOWN_BLEND, "report.html", "validation.json")
"""Every file beside the manifest; an artefact without a rule has no known blend."""
MANIFEST = "manifest.json"
KNOWN_ANSWERS = ("absorbance", "value", "hotelling_t2", "q_residuals")
BLEND_TEXTS = ("status", "state")
BLEND_NUMBERS = ("value", "mbsd", "blend_rsd_upper", "evidence", "endpoint")
"""What is known of a blend after each of its spectra."""

# What the numbers mean; written into every artefact, because open libraries differ in each of them.
CONVENTIONS = {
    "absorbance": "log10(1/R) or log10(1/T), absorbance units",
    "wavelength": "nm, strictly increasing",
    "snv": "centred, divided by the sample standard deviation (n - 1)",
    "savitzky_golay": "derivatives per nm; end points from the outermost window's polynomial",
    "gap_segment": "derivatives per nm, exact for a polynomial of their order; ends left out",
    "scatter": "MSC and EMSC by least squares over all wavelengths; rnv by the sample deviation (n - 1)",
    "normalise": "area: sum of absolute readings; maximum: largest absolute reading; unit_vector: root of squares",
    "pls": "PLS1, spectra and reference centred, not scaled",
    "hotelling_t2": "score variances over n - 1",
    "q_residuals": "sum of squared residuals of the treated, centred spectrum",
    "scope": "T2 and Q at or below their limits, and a content from low to high",
    "block_sd": "sample standard deviation (n - 1)",
    "time": "UTC; process time in revolutions",
}

Arrays = dict[str, NDArray[Any]]
_MODEL_ARRAYS = ("x_mean", "weights", "loadings", "y_loadings", "rotations", "coefficients", "score_variance")


@dataclass(frozen=True)
class Content:
    """What decides a number or a verdict.

    Attributes
    ----------
    arrays : dict of str to ndarray
        ``wavelength`` (native axis, nm), the PLS model's arrays, ``y_mean`` and ``n_samples``; of a method that
        follows blends the spectra of `pat.core.witnesses` as well.
    document : dict
        Plain JSON: method, limits, rule, conventions, claim, and what the published statistics need.
    """

    arrays: Arrays
    document: dict[str, Any]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the document and every array's name, type, shape and bytes."""
        described = {
            name: [array.dtype.str, list(array.shape), sha256(np.ascontiguousarray(array).tobytes())]
            for name, array in self.arrays.items()
        }
        return sha256(canonical_json({"arrays": described, "document": self.document}))

    @property
    def wavelength(self) -> Array:
        """Native axis (nm)."""
        return self.arrays["wavelength"]

    def model(self) -> PLSModel:
        """Return the PLS model."""
        return PLSModel(
            **{name: self.arrays[name] for name in _MODEL_ARRAYS},
            y_mean=float(self.arrays["y_mean"]),
            n_samples=int(self.arrays["n_samples"]),
        )


def model_arrays(wavelength: Array, model: PLSModel) -> Arrays:
    """Arrays of a model for a `Content`, with the native axis beside them."""
    arrays: Arrays = {name: np.ascontiguousarray(getattr(model, name)) for name in _MODEL_ARRAYS}
    scalars = {"y_mean": np.array(model.y_mean), "n_samples": np.array(model.n_samples, dtype=np.int64)}
    return {"wavelength": np.ascontiguousarray(wavelength), **arrays, **scalars}


@dataclass(frozen=True)
class Artefact:
    """An artefact that was read and whose digests hold.

    Attributes
    ----------
    content : Content
    known_answers : dict of str to ndarray
        ``absorbance`` (k, p) and, of shape (k,), ``value``, ``hotelling_t2`` and ``q_residuals``.
    known_blend : dict of str to ndarray, or None
        ``absorbance`` (m, p) of one blend in order and, of shape (m,), ``revolution`` and the columns of `BLEND_TEXTS`
        and `BLEND_NUMBERS`, NaN where there is no number; None where the method has no rule.
    validation : dict
        The validation's figures and verdict.
    manifest : dict
        The whole manifest.
    manifest_sha256 : str
        SHA-256 of the very bytes of its file, which cover those of every other file: what signatures are of.
    """

    content: Content
    known_answers: Arrays
    known_blend: Arrays | None
    validation: dict[str, Any]
    manifest: dict[str, Any]
    manifest_sha256: str


def largest_errors(found: object, answers: Arrays) -> dict[str, float]:
    """Return the largest relative error of a prediction's numbers against the known answers, by name.

    Parameters
    ----------
    found : Prediction
        Has the numbers of `KNOWN_ANSWERS` as attributes.
    answers : dict of str to ndarray
        See `Artefact`.

    Returns
    -------
    dict of str to float
        Infinite where the two cannot be compared.
    """
    return {name: _relative_error(getattr(found, name), answers[name]) for name in KNOWN_ANSWERS[1:]}


def _relative_error(found: Array, expected: NDArray[Any]) -> float:
    if expected.shape != found.shape or expected.dtype.kind != "f":
        return math.inf
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.max(np.abs(found - expected) / np.abs(expected)))


def pack(arrays: Arrays) -> bytes:
    """Return arrays as npz bytes, the same for the same arrays; nothing in it is ever pickled."""
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})
    return stream.getvalue()


def write(
    folder: Path,
    content: Content,
    known_answers: Arrays,
    known_blend: Arrays | None,
    validation: dict[str, Any],
    report: str,
    source: dict[str, Any],
) -> str:
    """Write an artefact in one step: the folder holds the old one or the new one, whatever happens.

    Parameters
    ----------
    folder : Path
        Where it goes: a new or an empty folder, or one with an artefact, which is replaced.
    content : Content
    known_answers, known_blend : dict of str to ndarray
        See `Artefact`.
    validation : dict
        Plain JSON.
    report : str
        Self-contained HTML.
    source : dict
        Hashes of what the artefact was made from; recorded in the manifest, outside the content digest.

    Returns
    -------
    str
        The content digest.

    Raises
    ------
    InputError
        If `folder` holds anything but an artefact, which is left alone.
    """
    _refuse_other(folder)
    files = {
        "arrays.npz": pack(content.arrays),
        "known_answers.npz": pack(known_answers),
        **({} if known_blend is None else {KNOWN_BLEND: pack(known_blend)}),
        "validation.json": readable_json(validation).encode(),
        "report.html": report.encode(),
    }
    manifest = {
        "format": FORMAT,
        "digest": content.digest,
        "document": content.document,
        "source": source,
        "files": {name: {"bytes": len(data), "sha256": sha256(data)} for name, data in sorted(files.items())},
    }
    manifest["sha256"] = sha256(canonical_json(manifest))
    with replaced_folder(folder) as fresh:
        for name, data in files.items():
            (fresh / name).write_bytes(data)
        (fresh / MANIFEST).write_text(readable_json(manifest), encoding="utf-8")
    return content.digest


def _refuse_other(folder: Path) -> None:
    """Refuse to replace what is no artefact; one that is damaged, or of an older format, may be replaced."""
    if not folder.is_dir():  # a file is refused where the folder is written
        return
    names = {path.name for path in folder.iterdir()}
    try:
        ours = not names or {"format", "digest", "files"} <= set(json.loads((folder / MANIFEST).read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        ours = False
    if not ours:
        raise InputError(f"{folder}: expected a new folder or one with an artefact, got something else")
    strange = sorted(names - {*FILES, MANIFEST})
    if strange:
        raise InputError(
            f"{folder}: expected a folder with an artefact alone, got {', '.join(strange[:5])} too, which would be "
            "lost: move it elsewhere"
        )


def _plain(key: str, found: Any) -> NDArray[Any]:
    # numpy hands over the bytes of a member that is no array.
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "biufU":
        raise ArtefactError(f"{key} must be an array of numbers or text")
    return found


def unpack(data: bytes) -> Arrays:
    """Return the arrays in npz bytes that `pack` made.

    Raises
    ------
    ArtefactError
        If they are not an archive of plain arrays.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {key: _plain(key, archive[key]) for key in archive.files}
    except Exception as error:  # whatever numpy and zipfile stumble over, it is no such archive
        raise ArtefactError(f"not an archive of plain arrays: {error}") from error


def _manifest(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the manifest, and the SHA-256 of its bytes."""
    try:
        data = (folder / MANIFEST).read_bytes()
        manifest = json.loads(data)
    except FileNotFoundError:
        raise ArtefactError(f"{folder}: no artefact here, {MANIFEST} is missing") from None
    except (ValueError, OSError, RecursionError) as error:
        raise ArtefactError(f"{folder / MANIFEST}: cannot be read ({error})") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise ArtefactError(f"{folder / MANIFEST}: format must be {FORMAT}, got {found!r}")
    missing = {"digest", "document", "files", "sha256", "source"} - set(manifest)
    if missing:
        raise ArtefactError(f"{folder / MANIFEST}: {', '.join(sorted(missing))} missing")
    _check_manifest_hash(folder, manifest)
    return dict(manifest), sha256(data)


def _check_manifest_hash(folder: Path, manifest: dict[str, Any]) -> None:
    """Check the manifest's own hash: it catches damage; somebody who makes it anew is caught by a signature alone."""
    expected = manifest["sha256"]
    try:
        found = sha256(canonical_json({key: value for key, value in manifest.items() if key != "sha256"}))
    except ValueError as error:
        raise ArtefactError(f"{folder / MANIFEST}: {error}") from error
    if found != expected:
        raise ArtefactError(f"{folder / MANIFEST}: altered or damaged, SHA-256 must be {expected}, got {found}")


def _verified_bytes(folder: Path, manifest: dict[str, Any]) -> dict[str, bytes]:
    """Each file's bytes, read once, that have the hash which the manifest gives for them."""
    strange = {path.name for path in folder.iterdir()} - {*_names(manifest), MANIFEST}
    if strange:
        raise ArtefactError(f"{folder}: files that are no part of an artefact: {', '.join(sorted(strange))}")
    data = {}
    for name in _names(manifest):
        try:
            data[name] = (folder / name).read_bytes()
        except OSError as error:
            raise ArtefactError(f"{folder / name}: cannot be read ({error.strerror})") from error
        try:
            expected = manifest["files"][name]["sha256"]
        except (KeyError, TypeError, IndexError):
            raise ArtefactError(f"{folder / MANIFEST}: no SHA-256 for {name}") from None
        found = sha256(data[name])
        if found != expected:
            raise ArtefactError(f"{folder / name}: altered or damaged, SHA-256 must be {expected}, got {found}")
    return data


def _names(manifest: dict[str, Any]) -> tuple[str, ...]:
    """Names of an artefact's files: the fixed ones, and the known blend where the manifest has one."""
    listed = manifest["files"]
    left_out = {KNOWN_BLEND} if isinstance(listed, dict) and KNOWN_BLEND not in listed else set()
    return tuple(name for name in FILES if name not in left_out)


def _arrays(folder: Path, name: str, data: dict[str, bytes]) -> Arrays:
    try:
        return unpack(data[name])
    except ArtefactError as error:
        raise ArtefactError(f"{folder / name}: {error}") from error


def _validation(folder: Path, data: bytes) -> dict[str, Any]:
    try:
        validation = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{folder / 'validation.json'}: cannot be read ({error})") from error
    if not isinstance(validation, dict):
        raise ArtefactError(f"{folder / 'validation.json'}: expected an object, got {type(validation).__name__}")
    return validation


def read(folder: str | Path, accept: Callable[[dict[str, Any], str], None] | None = None) -> Artefact:
    """Read an artefact and verify its digests.

    Parameters
    ----------
    folder : path
        The artefact's folder.
    accept : callable, optional
        Takes the manifest and the SHA-256 of its bytes before anything else is read, and raises to refuse them.

    Returns
    -------
    Artefact

    Raises
    ------
    ArtefactError
        If a file is missing, strange or altered, the format is another one, or the digest does not hold.
    """
    folder = Path(folder)
    manifest, manifest_sha256 = _manifest(folder)
    if accept is not None:
        accept(manifest, manifest_sha256)
    data = _verified_bytes(folder, manifest)
    content = Content(_arrays(folder, "arrays.npz", data), manifest["document"])
    if content.digest != manifest["digest"]:
        raise ArtefactError(f"{folder / MANIFEST}: content digest must be {manifest['digest']}, got {content.digest}")
    known = _arrays(folder, "known_answers.npz", data)
    _require_names(folder, "known answers", known, KNOWN_ANSWERS)
    blend = _arrays(folder, KNOWN_BLEND, data) if KNOWN_BLEND in data else None
    document = content.document
    rule = document.get("rule") if isinstance(document, dict) else None
    if (blend is None) is not (rule is None):
        came = "none" if blend is None else "one without a rule"
        raise ArtefactError(f"{folder}: expected a known blend where there is an end-point rule, got {came}")
    if blend is not None:
        _require_names(folder, "known blend", blend, ("absorbance", "revolution", *BLEND_TEXTS, *BLEND_NUMBERS))
    validation = _validation(folder, data["validation.json"])
    return Artefact(content, known, blend, validation, manifest, manifest_sha256)


def _require_names(folder: Path, what: str, arrays: Arrays, names: tuple[str, ...]) -> None:
    if set(arrays) != set(names):
        raise ArtefactError(f"{folder}: {what} must be {', '.join(names)}, got {', '.join(arrays)}")
