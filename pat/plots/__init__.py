"""Every figure, once: for notebooks, reports and the page.

Each function returns a matplotlib `Figure` and opens no window; in a notebook, ``%matplotlib inline`` shows it.
"""

from pat.core.endpoint import in_words
from pat.plots.blend import blend_overview, blend_profile, endpoint_message, mbsd_profile
from pat.plots.discharge import discharge
from pat.plots.model import predicted_against_reference, regression_vector, rmsecv_curve, scope, spectra
from pat.plots.samples import outliers, scores, spectra_by
from pat.plots.search import search_landscape
from pat.plots.statistics import statistics_profile
from pat.plots.study import operating_characteristic
from pat.plots.style import to_png, to_svg
from pat.plots.transfer import transfer
from pat.plots.validation import accuracy_profile, perturbations
from pat.plots.wavelengths import contributions, importance, loadings

__all__ = [
    "accuracy_profile",
    "blend_overview",
    "blend_profile",
    "contributions",
    "discharge",
    "endpoint_message",
    "importance",
    "in_words",
    "loadings",
    "mbsd_profile",
    "operating_characteristic",
    "outliers",
    "perturbations",
    "predicted_against_reference",
    "regression_vector",
    "rmsecv_curve",
    "scope",
    "scores",
    "search_landscape",
    "spectra",
    "spectra_by",
    "statistics_profile",
    "to_png",
    "to_svg",
    "transfer",
]
