"""The only door to MLflow: what was calibrated, on what, with which figures; one run per artefact digest.

A run holds the artefact as it was when it was first logged. The same content may be validated and compared again, on
other data or by other criteria: each such comparison is added to its run under ``comparisons/``, and none is replaced.

MLflow keeps the register, never the record: a line loads an artefact's folder, and nothing here is needed to
score. The store is a SQLite file ``mlflow.db`` in the project's folder with ``mlartifacts/`` beside it; no server
is needed, and ``MLFLOW_TRACKING_URI`` names another store.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pat import artefact, environment
from pat.artefact import Artefact
from pat.calibration import Calibration
from pat.errors import InputError
from pat.files import canonical_json, locked
from pat.method import Method
from pat.validation.run import Validation

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
"""Aliases of registered versions: the one in use, and the one that waits for a person's decision."""

_DATABASE, _ARTEFACTS = "mlflow.db", "mlartifacts"
_FOLDER = "artefact"
_DIGEST, _ATTEMPT, _COMPLETE, _TRIAL = "artefact_digest", "attempt", "complete", "trial"
# MLflow's own tag, by which its pages show runs under their parent.
_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class TrackedVersion:
    """One registered version of a method.

    Attributes
    ----------
    run_id : str
        MLflow's name of the run.
    version : int
        Number of the registered version.
    digest : str
        Content digest of the artefact.
    new : bool
        Whether this call registered it; False where it was there before.
    """

    run_id: str
    version: int
    digest: str
    new: bool


def model_name(method_name: str) -> str:
    """Name of a method's experiment and registered model.

    Examples
    --------
    >>> model_name("demo")
    'pat-demo'
    """
    return f"pat-{method_name}"


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
    """
    _require_made_of(folder, found := artefact.read(folder), method, calibration, validation)
    digest, name, given = found.content.digest, model_name(method.name), dict(tags or {})
    with locked(_database(root)):
        client = _client(root)
        run = _run(client, root, name, {_DIGEST: digest})
        known = _version_of(client, name, run)
        if known is not None and _COMPLETE in run.data.tags:
            return TrackedVersion(run.info.run_id, known, digest, new=False)
        _log(client, run, method, calibration, validation, given)
        client.log_artifacts(run.info.run_id, str(folder), _FOLDER)
        version = known or _register(client, name, run, {_DIGEST: digest, **given})
        _complete(client, run, "FINISHED")
    return TrackedVersion(run.info.run_id, version, digest, new=True)


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
    with locked(_database(root)):
        client = _client(root)
        for path in files:
            client.log_artifact(version.run_id, str(path), place)
        for tag, value in tags.items():
            client.set_tag(version.run_id, tag, value)
            client.set_model_version_tag(name, number, tag, value)
        client.set_registered_model_alias(name, CHALLENGER, number)
        client.set_tag(version.run_id, f"comparison.{key}", _sha256(files[0].read_bytes()))


def has_comparison(version: TrackedVersion, key: str, path: Path, *, root: str | Path = ".") -> bool:
    """Whether the comparison in a file was added to a version, as it is."""
    tags = _client(root).get_run(version.run_id).data.tags
    return bool(tags.get(f"comparison.{key}") == _sha256(path.read_bytes()))


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
    attempt = _sha256(canonical_json([method.document(), given]))
    with locked(_database(root)):
        client = _client(root)
        run = _run(client, root, model_name(method.name), {_ATTEMPT: attempt})
        if _COMPLETE not in run.data.tags:
            _log(client, run, method, calibration, validation, given)
            _complete(client, run, "FAILED")
    return str(run.info.run_id)


@dataclass(frozen=True)
class Trial:
    """One of the things that a search tried.

    Attributes
    ----------
    key, label : str
        What it is known by, and its name for people.
    parameters : dict of str to str
    metrics : dict of str to float
        Numbers that are not finite are left out.
    curve : sequence of float
        RMSECV with 1, 2, ... components.
    """

    key: str
    label: str
    parameters: dict[str, str]
    metrics: dict[str, float]
    curve: Sequence[float] = ()


def log_search(
    method: Method,
    trials: Sequence[Trial],
    *,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    files: Sequence[str | Path] = (),
    root: str | Path = ".",
) -> str:
    """Log a search as a run with one child run for each trial, once per method, tags and trials.

    Parameters
    ----------
    method : Method
        The method that the search started from.
    trials : sequence of Trial
    metrics : mapping of str to float
        Figures of the whole search.
    tags : mapping of str to str
        What it was made from.
    files : sequence of path
        Files to keep with the search.
    root : path
        The project's folder, where the store lies.

    Returns
    -------
    str
        MLflow's name of the parent run. A call that died half-way is carried on by the next one.
    """
    attempt = hashlib.sha256(canonical_json([method.document(), dict(tags), [t.key for t in trials]])).hexdigest()
    name = model_name(method.name)
    with locked(_database(root)):
        client = _client(root)
        parent = _run(client, root, name, {_ATTEMPT: attempt})
        if _COMPLETE in parent.data.tags:
            return str(parent.info.run_id)
        _log(client, parent, method, None, None, tags)
        for key, value in _finite(metrics):
            client.log_metric(parent.info.run_id, key, value)
        family = {_PARENT: parent.info.run_id}
        logged = {run.data.tags.get(_TRIAL) for run in _search(client, parent.info.experiment_id, _quoted(family))}
        for trial in trials:
            if trial.key not in logged:
                _log_trial(client, parent, trial)
        for path in files:
            client.log_artifact(parent.info.run_id, str(path))
        _complete(client, parent, "FINISHED")
    return str(parent.info.run_id)


def _log_trial(client: MlflowClient, parent: Run, trial: Trial) -> None:
    from mlflow.entities import Metric, Param, RunTag

    start = parent.info.start_time
    child = client.create_run(parent.info.experiment_id, tags={_PARENT: parent.info.run_id}, run_name=trial.label)
    curve = [Metric("rmsecv_by_components", float(v), start, i) for i, v in enumerate(trial.curve, start=1)]
    client.log_batch(
        child.info.run_id,
        metrics=[*curve, *(Metric(key, value, start, 0) for key, value in _finite(trial.metrics))],
        params=[Param(key, value) for key, value in trial.parameters.items()],
        # The key comes last of all: a child without it is one that died in the making.
        tags=[RunTag(_TRIAL, trial.key)],
    )
    client.set_terminated(child.info.run_id)


def _finite(metrics: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    return ((key, float(value)) for key, value in metrics.items() if math.isfinite(value))


def _quoted(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags as a search condition names them where their names hold a dot."""
    return {f"`{key}`": value for key, value in tags.items()}


def find(method_name: str, digest: str, *, root: str | Path = ".") -> TrackedVersion | None:
    """Return the version that an artefact was registered as, None where it was not, or not completely."""
    client, name = _client(root), model_name(method_name)
    runs = _search(client, _experiment(client, root, name), {_DIGEST: digest, _COMPLETE: "yes"})
    version = _version_of(client, name, runs[0]) if runs else None
    return None if version is None else TrackedVersion(runs[0].info.run_id, version, digest, new=False)


def champion(method_name: str, *, root: str | Path = ".") -> TrackedVersion | None:
    """Return the version in use, None where nobody has chosen one."""
    return _aliased(method_name, CHAMPION, root)


def challenger(method_name: str, *, root: str | Path = ".") -> TrackedVersion | None:
    """Return the version that waits for a person's decision, None where there is none."""
    return _aliased(method_name, CHALLENGER, root)


def promote(method_name: str, version: int, *, root: str | Path = ".") -> TrackedVersion:
    """Make a registered version the champion; it waits for no decision any more.

    Nothing but a person's command calls this: neither logging nor retraining promotes anything.

    Raises
    ------
    InputError
        If there is no such version.
    """
    client, name = _client(root), model_name(method_name)
    found = {int(v.version): v for v in client.search_model_versions(f"name='{name}'")}
    if version not in found:
        known = ", ".join(map(str, sorted(found))) or "no version at all"
        raise InputError(f"{name}: expected one of the registered versions ({known}), got {version}")
    promoted = _tracked(found[version])
    client.set_registered_model_alias(name, CHAMPION, str(version))
    waiting = challenger(method_name, root=root)
    if waiting is not None and waiting.version == version:
        client.delete_registered_model_alias(name, CHALLENGER)
    return promoted


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _database(root: str | Path) -> Path:
    return Path(root).resolve() / _DATABASE


def _uri(root: str | Path) -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{_database(root)}"


def _client(root: str | Path) -> MlflowClient:
    # Read when mlflow is imported: nothing about this work is reported to anybody.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow import MlflowClient

    # Making the tables of a new store is not worth lines on the terminal.
    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=_uri(root), registry_uri=_uri(root))


def _experiment(client: MlflowClient, root: str | Path, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    # A server knows itself where artefacts go; for a file it would be the folder that we happen to be in.
    scheme, _, database = _uri(root).partition(":///")
    beside = str(Path(database).resolve().parent / _ARTEFACTS) if scheme == "sqlite" else None
    return client.create_experiment(name, artifact_location=beside)


def _search(client: MlflowClient, experiment: str, tags: Mapping[str, str]) -> list[Run]:
    condition = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
    return list(client.search_runs([experiment], condition, order_by=["attributes.start_time ASC"]))


def _run(client: MlflowClient, root: str | Path, name: str, key: dict[str, str]) -> Run:
    """Return the run with this key, complete or begun; begin it where there is none."""
    experiment = _experiment(client, root, name)
    runs = _search(client, experiment, key)
    label = next(iter(key.values()))[:12]
    return runs[0] if runs else client.create_run(experiment, tags=key, run_name=f"{name} {label}")


def _log(
    client: MlflowClient,
    run: Run,
    method: Method,
    calibration: Calibration | None,
    validation: Validation | None,
    given: Mapping[str, str],
) -> None:
    """Log everything but the artefact; logging the same again changes nothing."""
    from mlflow.entities import Param, RunTag

    parameters = dict(_flat("", method.document()))
    tags = {**environment.described(), **given}
    if calibration is not None:
        parameters["n_components"] = str(calibration.model.n_components)
        tags["data_sha256"] = calibration.data_sha256
        tags["calibration_batches"] = ", ".join(calibration.batches)
    if validation is not None:
        tags["gate"] = "passed" if validation.passed else "not passed"
    client.log_batch(
        run.info.run_id,
        metrics=list(_metrics(run.info.start_time, calibration, validation)),
        params=[Param(key, value) for key, value in parameters.items()],
        tags=[RunTag(key, value) for key, value in tags.items()],
    )


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Leaves of a plain document under dotted names; lists of plain values stay together."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else key, item)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for i, item in enumerate(value):
            yield from _flat(f"{prefix}.{i}", item)
    elif value is not None:
        text = value if isinstance(value, str) else json.dumps(value)
        # A parameter of MLflow holds 6000 characters; a spectrum in a method is known by its hash.
        yield prefix, text if len(text) <= 500 else f"SHA-256 {_sha256(text.encode())}"


def _metrics(time: int, calibration: Calibration | None, validation: Validation | None) -> Iterator[Metric]:
    """Figures as metrics; all bear the run's own time, so that a second attempt gives the same ones."""
    from mlflow.entities import Metric

    named: dict[str, Any] = {}
    if calibration is not None:
        for i, value in enumerate(calibration.cross_validation.rmsecv, start=1):
            yield Metric("rmsecv_by_components", float(value), time, i)
        named |= {f"calibration/{key}": value for key, value in calibration.figures.items()}
    if validation is not None:
        named |= {f"validation/{key}": value for key, value in validation.document["figures"].items()}
        outcomes = Counter(case["outcome"] for case in validation.document["endpoints"])
        named |= {f"endpoints/{outcome}": count for outcome, count in outcomes.items()}
    for key, value in named.items():
        if value is not None and math.isfinite(value):
            yield Metric(key, float(value), time, 0)


def _version_of(client: MlflowClient, name: str, run: Run) -> int | None:
    """Return the version that a run was registered as; None where it was not, or somebody deleted it."""
    found = client.search_model_versions(f"name='{name}' and run_id='{run.info.run_id}'")
    return min((int(version.version) for version in found), default=None)


def _register(client: MlflowClient, name: str, run: Run, tags: dict[str, str]) -> int:
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    run_id = run.info.run_id
    return int(client.create_model_version(name, f"runs:/{run_id}/{_FOLDER}", run_id=run_id, tags=tags).version)


def _complete(client: MlflowClient, run: Run, status: str) -> None:
    client.set_terminated(run.info.run_id, status)
    client.set_tag(run.info.run_id, _COMPLETE, "yes")


def _aliased(method_name: str, alias: str, root: str | Path) -> TrackedVersion | None:
    client, name = _client(root), model_name(method_name)
    models = client.search_registered_models(f"name='{name}'")
    if not models or alias not in models[0].aliases:
        return None
    return _tracked(client.get_model_version_by_alias(name, alias))


def _tracked(version: ModelVersion) -> TrackedVersion:
    if _DIGEST not in version.tags:
        raise InputError(
            f"{version.name} version {version.version}: expected a version with a tag `{_DIGEST}`, "
            "got one that this project did not register"
        )
    return TrackedVersion(str(version.run_id), int(version.version), version.tags[_DIGEST], new=False)
