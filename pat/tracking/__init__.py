"""The only door to MLflow: what was calibrated, on what, with which figures; one run per artefact digest.

A run holds the artefact as it was when it was first logged. The same content may be validated and compared again, on
other data or by other criteria: each such comparison is added to its run under ``comparisons/``, and none is replaced.

MLflow keeps the register, never the record: a line loads an artefact's folder, and nothing here is needed to
score. The store is a SQLite file ``mlflow.db`` in the project's folder with ``mlartifacts/`` beside it; no server
is needed, and ``MLFLOW_TRACKING_URI`` names another store.
"""

from pat.tracking.attempts import has_comparison, log_artefact, log_comparison, log_refusal
from pat.tracking.registry import (
    CHALLENGER,
    CHAMPION,
    TrackedVersion,
    challenger,
    champion,
    find,
    find_version,
    model_name,
    promote,
)
from pat.tracking.searches import Trial, log_search

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "TrackedVersion",
    "Trial",
    "challenger",
    "champion",
    "find",
    "find_version",
    "has_comparison",
    "log_artefact",
    "log_comparison",
    "log_refusal",
    "log_search",
    "model_name",
    "promote",
]
