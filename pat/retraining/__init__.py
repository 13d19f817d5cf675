"""When to retrain, and challenger against champion: new reference data become a proposal, never a decision."""

from pat.retraining.champion import CHALLENGERS, champion_folder, new_batches
from pat.retraining.comparison import Comparison, compare
from pat.retraining.run import Outcome, Status, retrain
from pat.retraining.text import summary

__all__ = [
    "CHALLENGERS",
    "Comparison",
    "Outcome",
    "Status",
    "champion_folder",
    "compare",
    "new_batches",
    "retrain",
    "summary",
]
