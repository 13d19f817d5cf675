"""When to retrain, and challenger against champion: new reference data become a proposal, never a decision."""

from pat.retraining.champion import CHALLENGERS, champion_folder, new_batches
from pat.retraining.comparison import Comparison, compare
from pat.retraining.drift import Drift, Finding, drift
from pat.retraining.outcome import Outcome, Status
from pat.retraining.promotion import promote
from pat.retraining.run import retrain
from pat.retraining.text import drift_text, summary

__all__ = [
    "CHALLENGERS",
    "Comparison",
    "Drift",
    "Finding",
    "Outcome",
    "Status",
    "champion_folder",
    "compare",
    "drift",
    "drift_text",
    "new_batches",
    "promote",
    "retrain",
    "summary",
]
