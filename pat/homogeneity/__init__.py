"""From accepted batches and a chosen risk to the end-point rule, with the claim that it carries."""

from pat.homogeneity.model import HomogeneityModel, learn
from pat.homogeneity.plateau import Plateau, Repeatability, describe_plateaus, repeatability
from pat.homogeneity.risk import SteadyBlend, false_endpoint_risk, guarded, homogeneity_threshold, watched

__all__ = [
    "HomogeneityModel",
    "Plateau",
    "Repeatability",
    "SteadyBlend",
    "describe_plateaus",
    "false_endpoint_risk",
    "guarded",
    "homogeneity_threshold",
    "learn",
    "repeatability",
    "watched",
]
