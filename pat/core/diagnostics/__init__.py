"""What a model says of a spectrum, and what a spectrum says of a model; numpy alone, nothing is computed at import."""

from pat.core.diagnostics.contributions import q_contributions, t2_contributions
from pat.core.diagnostics.distance import (
    Evaluator,
    evaluate,
    full_distance,
    hotelling_t2,
    in_scope,
    leverage,
    q_residuals,
)
from pat.core.diagnostics.residuals import deleted_residuals, studentised_residuals
from pat.core.diagnostics.signal import detection_limits, net_analyte_signal, prediction_noise, sensitivity
from pat.core.diagnostics.uncertainty import PredictionError, prediction_error
from pat.core.diagnostics.wavelengths import selectivity_ratio, vip

__all__ = [
    "Evaluator",
    "PredictionError",
    "deleted_residuals",
    "detection_limits",
    "evaluate",
    "full_distance",
    "hotelling_t2",
    "in_scope",
    "leverage",
    "net_analyte_signal",
    "prediction_error",
    "prediction_noise",
    "q_contributions",
    "q_residuals",
    "selectivity_ratio",
    "sensitivity",
    "studentised_residuals",
    "t2_contributions",
    "vip",
]
