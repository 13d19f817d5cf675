"""What a run says of the work: the method's parameters, the figures, and the environment."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pat import environment
from pat.calibration import Calibration
from pat.files import sha256
from pat.method import Method
from pat.validation.run import Validation

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run


def log_described(
    client: MlflowClient,
    run: Run,
    method: Method,
    calibration: Calibration | None,
    validation: Validation | None,
    given: Mapping[str, str],
    of_blends: Mapping[str, float] | None = None,
) -> None:
    """Log everything but the artefact; logging the same again changes nothing.

    Parameters
    ----------
    client : MlflowClient
    run : Run
    method : Method
        Its document's leaves are the parameters, under dotted names.
    calibration, validation : optional
        Their figures are the metrics.
    given : mapping of str to str
        Tags beside those of the environment and the data.
    of_blends : mapping of str to float, optional
        Numbers that blends are judged by, as metrics.
    """
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
        metrics=list(_metrics(run.info.start_time, calibration, validation, of_blends or {})),
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
        yield prefix, text if len(text) <= 500 else f"SHA-256 {sha256(text.encode())}"


def _metrics(
    time: int, calibration: Calibration | None, validation: Validation | None, of_blends: Mapping[str, float]
) -> Iterator[Metric]:
    """Figures as metrics; all bear the run's own time, so that a second attempt gives the same ones."""
    from mlflow.entities import Metric

    named: dict[str, Any] = {**of_blends}
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
