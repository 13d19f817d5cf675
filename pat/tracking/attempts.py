"""Artefacts that were made, compared or refused: a run for each, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pat import artefact
from pat.artefact import Artefact
from pat.calibration import Calibration
from pat.errors import InputError
from pat.files import canonical_json, locked, sha256
from pat.homogeneity.figures import figures
from pat.method import Method
from pat.tracking.contents import log_described
from pat.tracking.registry import CHALLENGER, REGISTER, TrackedVersion, model_name, record, register, version_of
from pat.tracking.store import ATTEMPT, COMPLETE, DIGEST, FOLDER, client_of, complete, database, run_of
from pat.validation.run import Validation


def log_artefact(
    folder: str | Path,
    *,
    method: Method,
    calibration: Calibration,
    validation: Validation,
    tags: Mapping[str, str] | None = None,
    root: str | Path = ".",
) -> TrackedVersion:
    """Log an artefact and register it as a version, once per content digest.

    A second call finds the first one's run. A call that died half-way left a run that is not marked complete;
    the next call goes on with it.

    Parameters
    ----------
    folder : path
        The artefact's folder; it is verified, then copied as it is.
    method, calibration, validation
        What the artefact was made from; their parameters and figures are logged.
    tags : mapping of str to str, optional
        More tags of the run and of the version.
    root : path
        The project's folder, where the store lies.

    Returns
    -------
    TrackedVersion

    Raises
    ------
    ArtefactError
        If the artefact does not verify.
    InputError
        If it was not made of this method, calibration and validation.
    TrailError
        If it cannot be recorded in the audit trail.
    """
    _require_made_of(folder, found := artefact.read(folder), method, calibration, validation)
    digest, name, given = found.content.digest, model_name(method.name), dict(tags or {})
    with locked(database(root)):
        client = client_of(root)
        run = run_of(client, root, name, {DIGEST: digest})
        known = version_of(client, name, run)
        if known is not None and COMPLETE in run.data.tags:
            return TrackedVersion(run.info.run_id, known, digest, new=False)
        log_described(client, run, method, calibration, validation, given, figures(found.content.document))
        client.log_artifacts(run.info.run_id, str(folder), FOLDER)
        version = known or register(client, name, run, {DIGEST: digest, **given})
        logged = TrackedVersion(run.info.run_id, version, digest, new=True)
        # Before the mark that it is whole: a call that dies here records it again, never not at all.
        record(REGISTER, method.name, logged)
        complete(client, run, "FINISHED")
    return logged


def _require_made_of(
    folder: str | Path, found: Artefact, method: Method, calibration: Calibration, validation: Validation
) -> None:
    source = found.manifest["source"]
    parts = {
        "method document": source.get("method_sha256") == method.sha256,
        "calibration": source.get("calibration_sha256") == calibration.sha256,
        "validation": found.validation == validation.document,
        "validated content": found.content.digest == validation.document.get("digest"),
    }
    if other := ", ".join(what for what, same in parts.items() if not same):
        raise InputError(f"{folder}: expected the artefact of these parts, got another {other}: run `pat export` again")


def log_comparison(
    method_name: str,
    version: TrackedVersion,
    key: str,
    files: Sequence[Path],
    *,
    tags: Mapping[str, str],
    root: str | Path = ".",
) -> None:
    """Add a comparison to a registered version, and let it wait for a person's decision as the challenger.

    Parameters
    ----------
    method_name, version
        What was compared.
    key : str
        Hash of what the comparison was made from; one that is logged again adds nothing.
    files : sequence of path
        The comparison, whose hash is kept, and what is to lie beside it.
    tags : mapping of str to str
        What it came to; the tags of run and version are those of the latest comparison.
    root : path
        The project's folder.
    """
    place, name, number = f"comparisons/{key[:12]}", model_name(method_name), str(version.version)
    with locked(database(root)):
        client = client_of(root)
        for path in files:
            client.log_artifact(version.run_id, str(path), place)
        for tag, value in tags.items():
            client.set_tag(version.run_id, tag, value)
            client.set_model_version_tag(name, number, tag, value)
        client.set_registered_model_alias(name, CHALLENGER, number)
        client.set_tag(version.run_id, f"comparison.{key}", sha256(files[0].read_bytes()))


def has_comparison(version: TrackedVersion, key: str, path: Path, *, root: str | Path = ".") -> bool:
    """Whether the comparison in a file was added to a version, as it is."""
    tags = client_of(root).get_run(version.run_id).data.tags
    return bool(tags.get(f"comparison.{key}") == sha256(path.read_bytes()))


def log_refusal(
    reason: str,
    *,
    method: Method,
    calibration: Calibration | None = None,
    validation: Validation | None = None,
    tags: Mapping[str, str] | None = None,
    root: str | Path = ".",
) -> str:
    """Log an attempt that was refused, once per method, tags and reason; it becomes no registered version.

    Parameters
    ----------
    reason : str
        Why it was refused.
    method : Method
    calibration, validation : optional
        How far it came.
    tags : mapping of str to str, optional
        What it was made from.
    root : path
        The project's folder.

    Returns
    -------
    str
        MLflow's name of the run.
    """
    given = {**(tags or {}), "refused": reason}
    attempt = sha256(canonical_json([method.document(), given]))
    with locked(database(root)):
        client = client_of(root)
        run = run_of(client, root, model_name(method.name), {ATTEMPT: attempt})
        if COMPLETE not in run.data.tags:
            log_described(client, run, method, calibration, validation, given)
            complete(client, run, "FAILED")
    return str(run.info.run_id)
