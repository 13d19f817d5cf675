"""The laboratory's models put together as what an artefact decides by."""

from __future__ import annotations

from pat.artefact import CONVENTIONS, Content, model_arrays
from pat.calibration import Calibration
from pat.errors import InputError
from pat.homogeneity import HomogeneityModel
from pat.method import Method


def assemble(method: Method, calibration: Calibration, homogeneity: HomogeneityModel | None) -> Content:
    """Put together what an artefact decides by.

    Parameters
    ----------
    method : Method
    calibration : Calibration
    homogeneity : HomogeneityModel or None
        None for a method that follows no blend.

    Raises
    ------
    InputError
        If the calibration was made by another method, or another version of it.
    """
    if method != calibration.method:
        raise InputError(
            f"method {method.name} version {method.version} is not the document that the calibration was made by; "
            "calibrate again"
        )
    document = method.document()
    return Content(
        arrays=model_arrays(calibration.wavelength, calibration.model),
        document={
            "name": method.name,
            "version": method.version,
            "product": method.product,
            "analyte": document["analyte"],
            "ranges": document["spectra"]["ranges"],
            "saturation": document["spectra"]["saturation"],
            "steps": document["preprocessing"],
            "n_components": calibration.model.n_components,
            "limits": {
                "hotelling_t2": calibration.t2_limit,
                "q_residuals": calibration.q_limit,
                "confidence": method.calibration.scope_confidence,
            },
            "rule": homogeneity.rule.to_dict() if homogeneity else None,
            "claim": homogeneity.claim if homogeneity else None,
            "conventions": CONVENTIONS,
        },
    )
