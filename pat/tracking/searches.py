"""Method searches: a run for each, with a child run for everything that it tried."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pat.files import canonical_json, locked, sha256
from pat.method import Method
from pat.tracking.contents import log_described
from pat.tracking.registry import model_name
from pat.tracking.store import ATTEMPT, COMPLETE, client_of, complete, database, run_of, runs_with

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_TRIAL = "trial"
# MLflow's own tag, by which its pages show runs under their parent.
_PARENT = "mlflow.parentRunId"


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
    attempt = sha256(canonical_json([method.document(), dict(tags), [t.key for t in trials]]))
    name = model_name(method.name)
    with locked(database(root)):
        client = client_of(root)
        parent = run_of(client, root, name, {ATTEMPT: attempt})
        if COMPLETE in parent.data.tags:
            return str(parent.info.run_id)
        log_described(client, parent, method, None, None, tags)
        for key, value in _finite(metrics):
            client.log_metric(parent.info.run_id, key, value)
        family = {_PARENT: parent.info.run_id}
        logged = {run.data.tags.get(_TRIAL) for run in runs_with(client, parent.info.experiment_id, _quoted(family))}
        for trial in trials:
            if trial.key not in logged:
                _log_trial(client, parent, trial)
        for path in files:
            client.log_artifact(parent.info.run_id, str(path))
        complete(client, parent, "FINISHED")
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


def _quoted(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags as a search condition names them where their names hold a dot."""
    return {f"`{key}`": value for key, value in tags.items()}


def _finite(metrics: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    return ((key, float(value)) for key, value in metrics.items() if math.isfinite(value))
