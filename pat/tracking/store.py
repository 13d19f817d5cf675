"""The store, and the runs in it: each is known by a tag, begun once, and marked when it is complete."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

DIGEST, ATTEMPT, COMPLETE = "artefact_digest", "attempt", "complete"
"""Tags of runs: the digest of an artefact or the hash of an attempt, by which a run is known; and that it is whole."""

FOLDER = "artefact"
"""Where a run keeps its artefact."""

_DATABASE, _ARTEFACTS = "mlflow.db", "mlartifacts"


def database(root: str | Path) -> Path:
    """Where the store of a project's folder lies; those who log wait for each other by it."""
    return Path(root).resolve() / _DATABASE


def _uri(root: str | Path) -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{database(root)}"


def client_of(root: str | Path) -> MlflowClient:
    """Open the store of a project's folder, or the one that ``MLFLOW_TRACKING_URI`` names.

    MLflow is imported here and nowhere before: a command that logs nothing does not wait for it.
    """
    # Read when mlflow is imported: nothing about this work is reported to anybody.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow import MlflowClient

    # Making the tables of a new store is not worth lines on the terminal.
    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=_uri(root), registry_uri=_uri(root))


def experiment_of(client: MlflowClient, root: str | Path, name: str) -> str:
    """Return MLflow's name of an experiment; make it where there is none, with its artefacts beside the store.

    Parameters
    ----------
    client : MlflowClient
    root : path
        The project's folder.
    name : str
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    # A server knows itself where artefacts go; for a file it would be the folder that we happen to be in.
    scheme, _, path = _uri(root).partition(":///")
    beside = str(Path(path).resolve().parent / _ARTEFACTS) if scheme == "sqlite" else None
    return client.create_experiment(name, artifact_location=beside)


def runs_with(client: MlflowClient, experiment: str, tags: Mapping[str, str]) -> list[Run]:
    """Return the runs of an experiment that bear these tags, the first one first; names with a dot stand in ticks."""
    condition = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
    return list(client.search_runs([experiment], condition, order_by=["attributes.start_time ASC"]))


def run_of(client: MlflowClient, root: str | Path, name: str, key: dict[str, str]) -> Run:
    """Return the run with this key, complete or begun; begin it where there is none.

    Parameters
    ----------
    client : MlflowClient
    root : path
        The project's folder.
    name : str
        Of the experiment.
    key : dict of str to str
        The tag, or tags, that no other run bears.
    """
    experiment = experiment_of(client, root, name)
    runs = runs_with(client, experiment, key)
    label = next(iter(key.values()))[:12]
    return runs[0] if runs else client.create_run(experiment, tags=key, run_name=f"{name} {label}")


def complete(client: MlflowClient, run: Run, status: str) -> None:
    """End a run, and mark it as whole: the mark comes last, so a call that died before it is carried on."""
    client.set_terminated(run.info.run_id, status)
    client.set_tag(run.info.run_id, COMPLETE, "yes")
