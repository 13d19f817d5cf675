"""Every figure, once: for notebooks, reports and the page.

Each function returns a matplotlib `Figure` and opens no window; in a notebook, ``%matplotlib inline`` shows it.
"""

from pat.core.endpoint import in_words
from pat.plots.blend import blend_overview, blend_profile, endpoint_message, mbsd_profile
from pat.plots.model import predicted_against_reference, regression_vector, rmsecv_curve, scope, spectra
from pat.plots.style import to_svg

__all__ = [
    "blend_overview",
    "blend_profile",
    "endpoint_message",
    "in_words",
    "mbsd_profile",
    "predicted_against_reference",
    "regression_vector",
    "rmsecv_curve",
    "scope",
    "spectra",
    "to_svg",
]
