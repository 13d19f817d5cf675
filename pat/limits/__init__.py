"""Statistical limits: quantiles and factors, computed once in the laboratory and stored as plain numbers."""

from pat.limits.distances import (
    full_distance_limit,
    hotelling_t2_calibration_limit,
    hotelling_t2_limit,
    quartile_limit,
    scaled_chi2_limit,
    scaled_f_limit,
)
from pat.limits.factors import (
    bias_critical,
    binomial_interval,
    f_quantile,
    log_tolerance_limit,
    lower_log_tolerance_limit,
    normal_tolerance_factor,
    prediction_half_width,
    sd_lower_factor,
    sd_upper_factor,
    t_quantile,
    t_two_sided_p,
    tolerance_limit,
)
from pat.limits.residuals import (
    jackson_mudholkar_limit,
    jackson_mudholkar_quantile,
    residual_moments,
    three_moment_limit,
    three_moment_quantile,
)

__all__ = [
    "bias_critical",
    "binomial_interval",
    "f_quantile",
    "full_distance_limit",
    "hotelling_t2_calibration_limit",
    "hotelling_t2_limit",
    "jackson_mudholkar_limit",
    "jackson_mudholkar_quantile",
    "log_tolerance_limit",
    "lower_log_tolerance_limit",
    "normal_tolerance_factor",
    "prediction_half_width",
    "quartile_limit",
    "residual_moments",
    "scaled_chi2_limit",
    "scaled_f_limit",
    "sd_lower_factor",
    "sd_upper_factor",
    "t_quantile",
    "t_two_sided_p",
    "three_moment_limit",
    "three_moment_quantile",
    "tolerance_limit",
]
