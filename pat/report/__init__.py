"""The report of a validated method: one self-contained page for a customer and an inspector, on screen and on paper."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import xarray as xr
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pat import plots
from pat.artefact import CONVENTIONS
from pat.calibration import Calibration
from pat.errors import InputError
from pat.homogeneity import HomogeneityModel
from pat.method import Method
from pat.profiles import Profile
from pat.report import wording
from pat.treatment import data_sha256, treated_by
from pat.validation.run import Validation

__all__ = ["build"]


def build(
    method: Method,
    calibration: Calibration,
    validation: Validation,
    *,
    raw: xr.Dataset,
    treated: xr.Dataset,
    homogeneity: HomogeneityModel | None = None,
    pure: pd.DataFrame | None = None,
    replay: Profile | None = None,
) -> str:
    """Build the report.

    Parameters
    ----------
    method : Method
    calibration : Calibration
    validation : Validation
    raw, treated : Dataset
        The same spectra, raw and treated; a few of the calibration batches are shown.
    homogeneity : HomogeneityModel, optional
        For a method that follows blends.
    pure : DataFrame, optional
        Spectra of the pure components: column ``wavelength`` (nm) and one column for each component (AU).
    replay : Profile, optional
        A held-out batch, as the loaded artefact followed it.

    Returns
    -------
    str
        HTML that needs nothing else: no script, no link, figures as SVG inside it. The same bytes for the same input.

    Raises
    ------
    InputError
        If method, models, validation and spectra do not belong together.
    """
    digest = validation.content(method, calibration, homogeneity).digest
    _require_shown(method, calibration, raw, treated)
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return templates.get_template("report.html.j2").render(
        method=method,
        about=wording.about(calibration),
        passed=validation.passed,
        simulated=bool(raw.attrs.get("simulated", False)),
        digest=digest,
        criteria=wording.criteria(validation),
        notes=validation.document["notes"],
        dossier=wording.dossier(validation),
        registration=validation.document["registration"],
        folds=wording.folds(calibration),
        components=wording.components(calibration),
        merit=wording.merit(calibration, validation),
        claim=wording.claim_sentences(homogeneity) if homogeneity else [],
        claim_rows=wording.claim_rows(homogeneity) if homogeneity else [],
        statistics=wording.statistic_rows(homogeneity) if homogeneity else [],
        outside=homogeneity.claim["outside"] if homogeneity else "",
        endpoints=wording.endpoints(validation),
        figures=_figures(method, calibration, validation, raw, treated, pure),
        profiles=_profiles(validation.profiles, method, "blend"),
        replay=_profiles([replay], method, "replay")[0] if replay else None,
        batches=wording.batches_used(calibration, validation, homogeneity),
        conventions=CONVENTIONS,
        hashes={
            "Artefact, content digest": digest,
            "Calibration spectra": calibration.data_sha256,
            "Validation spectra": validation.document["data_sha256"],
            "Truth of the validation blends": validation.document["truth_sha256"],
            "Method document": validation.document["method_sha256"],
            **{f"Evidence: {name.replace('_', ' ')}": value for name, value in _own(validation).items()},
        },
    )


def _own(validation: Validation) -> dict[str, str | None]:
    """Evidence that stands under no other name among the hashes."""
    others = ("method", "calibration_data", "validation_data", "truth", "digest")
    return {k: v for k, v in validation.document["dossier"]["evidence"].items() if k not in others}


def _require_shown(method: Method, calibration: Calibration, raw: xr.Dataset, treated: xr.Dataset) -> None:
    """Refuse to show other spectra than those that were calibrated on."""
    for name, ds in (("raw", raw), ("treated", treated_by(calibration.learnt, treated))):
        if data_sha256(ds) != calibration.data_sha256:
            raise InputError(
                f"the report shows calibration spectra: expected {name} ones of content {calibration.data_sha256}, "
                f"got {data_sha256(ds)}: give --data the store of `pat calibrate`"
            )


def _figures(
    method: Method,
    calibration: Calibration,
    validation: Validation,
    raw: xr.Dataset,
    treated: xr.Dataset,
    pure: pd.DataFrame | None,
) -> dict[str, str]:
    """Figures of the model, and the overview of the blends if any were followed."""
    drawn = {
        "spectra": plots.spectra(calibration, raw, treated),
        "rmsecv": plots.rmsecv_curve(calibration),
        "predicted": plots.predicted_against_reference(calibration, validation),
        "scope": plots.scope(calibration, validation),
        "vector": plots.regression_vector(calibration, pure),
    }
    shown = {item["id"]: item["values"] for item in validation.document["dossier"]["items"]}
    if shown["9.5"]:
        drawn["profile"] = plots.accuracy_profile(method, validation)
    if shown["9.8"]:
        drawn["perturbations"] = plots.perturbations(validation)
    if validation.profiles:
        drawn["overview"] = plots.blend_overview(validation.profiles, method)
    return {name: plots.to_svg(figure, name) for name, figure in drawn.items()}


def _profiles(profiles: list[Profile], method: Method, prefix: str) -> list[tuple[str, str, str]]:
    """Batch, message and figure of each blend."""
    return [
        (p.batch, plots.endpoint_message(p), plots.to_svg(plots.blend_profile(p, method), f"{prefix}{i}"))
        for i, p in enumerate(profiles)
    ]
