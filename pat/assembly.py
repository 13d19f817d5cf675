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
        If they do not belong together: the calibration was made by another method document, or the homogeneity model
        with another calibration, or there is none where the method follows blends, or one where it follows none.
    """
    calibration.require_fit(method)
    _require_learnt_with(method, calibration, homogeneity)
    document = method.document()
    return Content(
        arrays=model_arrays(calibration.wavelength, calibration.model)
        | (homogeneity.witnesses.arrays() if homogeneity else {}),
        document={
            "name": method.name,
            "version": method.version,
            "product": method.product,
            "analyte": document["analyte"],
            "ranges": document["spectra"]["ranges"],
            "saturation": document["spectra"]["saturation"],
            "steps": calibration.steps,
            "n_components": calibration.model.n_components,
            "limits": {
                "hotelling_t2": calibration.t2_limit,
                "q_residuals": calibration.q_limit,
                "confidence": method.calibration.scope_confidence,
            },
            "rule": homogeneity.rule.to_dict() if homogeneity else None,
            "claim": homogeneity.claim if homogeneity else None,
            "statistics": homogeneity.witnesses.document() if homogeneity else None,
            "discharge": homogeneity.alarm.to_dict() if homogeneity and homogeneity.alarm else None,
            "agreement": homogeneity.agreement.to_dict() if homogeneity and homogeneity.agreement else None,
            "conventions": CONVENTIONS,
        },
    )


def _require_learnt_with(method: Method, calibration: Calibration, homogeneity: HomogeneityModel | None) -> None:
    if method.homogeneity is None:
        if homogeneity is not None:
            raise InputError(f"method {method.name} follows no blend, but a homogeneity model was given")
        return
    if homogeneity is None:
        raise InputError(
            f"method {method.name} follows blends, but no homogeneity model was given: run `pat calibrate` first"
        )
    if homogeneity.calibration_sha256 != calibration.sha256:
        raise InputError(
            f"the homogeneity model was learnt with another calibration ({homogeneity.calibration_sha256[:12]}) than "
            f"this one ({calibration.sha256[:12]}): run `pat calibrate` again"
        )
