"""A whole validation: predictions of new batches, end-points of new blends, and the gate's verdict."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pat import compute
from pat.artefact import Arrays, Content, pack, unpack
from pat.assembly import assemble
from pat.calibration import Calibration
from pat.core import diagnostics
from pat.core.preprocess import saturated
from pat.errors import InputError
from pat.files import sha256
from pat.homogeneity import HomogeneityModel
from pat.method import Method
from pat.profiles import Profile, follow_and_judge, profiles_json, profiles_of
from pat.records import Record
from pat.scorer import Scorer
from pat.scorer.proof import follow_known
from pat.spectra import batch_facts, batches_with_role, select_batches
from pat.treatment import data_sha256, require_reference
from pat.validation import dossier
from pat.validation.dossier import Found, readings_of
from pat.validation.dossier.compared import compared
from pat.validation.dossier.perturbed import perturbed
from pat.validation.endpoints import EndpointCase
from pat.validation.figures import figures_of_merit
from pat.validation.gate import PLAIN, assess
from pat.validation.registration import Registration, require_registered, table_sha256

_PREDICTIONS, _PROFILES, _BLEND = "predictions.npz", "profiles.json", "known_blend.npz"
_RECORD = Record("validation", "validation.json", (_PREDICTIONS, _PROFILES, _BLEND), format=1, command="pat validate")
# So many readings of the known blend are kept, or as many as it takes to its end-point.
_KNOWN_READINGS = 150


@dataclass(frozen=True)
class Validation:
    """What a validation found.

    Attributes
    ----------
    document : dict
        Plain JSON: ``passed``, ``criteria``, ``notes``, ``figures``, ``endpoints``, ``batches``, ``known_blend`` (the
        batch), and what was validated, by hash: ``digest`` of the content, ``method_sha256`` of the whole method
        document, ``calibration_sha256``, and ``data_sha256`` and ``truth_sha256`` of what it was judged by.
    predictions : dict of str to ndarray
        ``batch``, ``reference``, ``predicted``, ``hotelling_t2``, ``q_residuals``, ``in_scope`` of the validation
        spectra.
    profiles : list of Profile
        The validation blends, as the scorer followed them.
    known_blend : dict of str to ndarray, or None
        Raw spectra of one of these blends with what was known after each, see `pat.artefact.Artefact`; None for a
        method that follows no blend.
    """

    document: dict[str, Any]
    predictions: Arrays
    profiles: list[Profile]
    known_blend: Arrays | None = None

    @property
    def passed(self) -> bool:
        """Whether every acceptance criterion was met."""
        return bool(self.document["passed"])

    @property
    def unmet(self) -> str:
        """Criteria that were not met, with what was required and found; empty where there are none."""
        failed = [criterion for criterion in self.document["criteria"] if not criterion["passed"]]
        return "; ".join(f"{PLAIN[c['name']]}: required {c['required']}, found {_number(c['found'])}" for c in failed)

    def content(self, method: Method, calibration: Calibration, homogeneity: HomogeneityModel | None) -> Content:
        """Put together what an artefact decides by, and refuse it if something else was validated.

        Parameters
        ----------
        method, calibration, homogeneity
            As in `pat.assembly.assemble`.

        Raises
        ------
        InputError
            If they do not belong together, or are not what this validation was made with.
        """
        content = assemble(method, calibration, homogeneity)
        now = {
            "the method document": ("method_sha256", method.sha256),
            "the calibration": ("calibration_sha256", calibration.sha256),
            "the model or its end-point rule": ("digest", content.digest),
        }
        changed = [what for what, (key, value) in now.items() if self.document.get(key) != value]
        if changed:
            raise InputError(
                f"the validation is of something else: {', '.join(changed)} changed since: run `pat validate` again"
            )
        return content

    def save(self, folder: str | Path) -> None:
        """Write the validation in one step: JSON and plain arrays, in a folder of its own.

        Raises
        ------
        InputError
            If the folder holds something else, which is left alone.
        """
        files = {_PREDICTIONS: pack(self.predictions), _PROFILES: profiles_json(self.profiles)}
        blend = {} if self.known_blend is None else {_BLEND: pack(self.known_blend)}
        _RECORD.save(folder, self.document, files | blend)

    @classmethod
    def load(cls, folder: str | Path) -> Validation:
        """Read a validation that `save` wrote.

        Raises
        ------
        InputError
            If there is none, or it is damaged, edited, or put together from two.
        """
        document, files = _RECORD.load(folder)
        try:
            blend = unpack(files[_BLEND]) if _BLEND in files else None
            return cls(document, unpack(files[_PREDICTIONS]), profiles_of(files[_PROFILES]), blend)
        except (ValueError, KeyError, TypeError) as error:
            raise _RECORD.wrong(Path(folder), f"one that does not hold together ({error})") from error

    @classmethod
    def remove(cls, folder: str | Path) -> None:
        """Remove the validation that `save` wrote, if there is one.

        Raises
        ------
        InputError
            If the folder holds something else, which is left alone.
        """
        _RECORD.remove(folder)


def _number(found: float | None) -> str:
    return "nothing to judge by" if found is None else f"{found:.4g}"


def predict_batches(
    method: Method, calibration: Calibration, raw: xr.Dataset, batches: list[str], progress: str | None = None
) -> Arrays:
    """Laboratory predictions of the spectra in `batches` that have reference values.

    Parameters
    ----------
    method : Method
    calibration : Calibration
    raw : Dataset
        Raw spectra.
    batches : list of str
    progress : str, optional
        Label of a progress bar.

    Returns
    -------
    dict of str to ndarray
        As `Validation.predictions`.
    """
    treatment = calibration.learnt.treatment(calibration.wavelength)
    saturation = math.inf if method.spectra.saturation is None else method.spectra.saturation

    def one(batch: xr.Dataset) -> tuple[NDArray[Any], ...]:
        reference = np.asarray(batch[method.analyte.name].values)
        known = ~np.isnan(reference)
        x = np.ascontiguousarray(batch["absorbance"].values[known])
        return reference[known], saturated(x, saturation), *diagnostics.evaluate(calibration.model, treatment(x))

    parts = compute.map_batches(one, raw, batches, progress=progress)
    reference, blind, value, t2, q = (np.concatenate([part[i] for part in parts]) for i in range(5))
    known = diagnostics.in_scope(
        value, t2, q, (method.analyte.low, method.analyte.high), calibration.t2_limit, calibration.q_limit
    )
    return {
        "batch": np.repeat(np.array(batches, dtype=np.str_), [part[0].size for part in parts]),
        "reference": reference,
        "predicted": value,
        "hotelling_t2": t2,
        "q_residuals": q,
        "in_scope": known & ~blind,
    }


def _follow_blends(
    scorer: Scorer, method: Method, raw: xr.Dataset, truth: pd.DataFrame | None, progress: str | None
) -> list[tuple[Profile, EndpointCase]]:
    """Follow the validation blends through the scorer and judge their end-points against the truth."""
    if truth is None:
        raise InputError("end-points can be judged only with the truth of the validation blends")
    batches = batches_with_role(raw, "blend_validation")
    kinds = batch_facts(raw, "kind")
    tolerance = method.acceptance.endpoint_tolerance

    def one(run: xr.Dataset) -> tuple[Profile, EndpointCase]:
        kind = kinds.get(str(run["batch"].values[0]), "")
        return follow_and_judge(scorer, run, truth, kind=kind, tolerance=tolerance)

    return compute.map_batches(one, raw, batches, progress=progress)


def validate(
    method: Method,
    calibration: Calibration,
    homogeneity: HomogeneityModel | None,
    raw: xr.Dataset,
    truth: pd.DataFrame | None = None,
    *,
    parallel: pd.DataFrame | None = None,
    registration: Registration | None = None,
    progress: str | None = None,
) -> Validation:
    """Validate a calibrated method on batches that it has never seen.

    Parameters
    ----------
    method : Method
    calibration : Calibration
    homogeneity : HomogeneityModel or None
        None for a method that follows no blend.
    raw : Dataset
        Raw spectra, of the store that the calibration was made from or of another, with batches of the roles
        ``validation`` and, for end-points, ``blend_validation``. A calibration that was transferred is validated by
        the spectra of its instrument alone.
    truth : DataFrame, optional
        Truth of the validation blends: ``batch``, ``revolution``, ``uniform``, ``state`` and the true values.
    parallel : DataFrame, optional
        Thief samples or dosage units of validation blends: columns ``batch`` and ``value``.
    registration : Registration, optional
        What criteria and data were committed to beforehand; the dossier says so where there was none.
    progress : str, optional
        Label of a progress bar.

    Raises
    ------
    InputError
        If method, models and spectra do not belong together, or there is a homogeneity model but no truth to judge its
        end-points by.
    Refusal
        If a validation batch or lot was used before, there are too few batches, or criteria or data are others than
        were registered.
    """
    if registration is not None:
        require_registered(registration, method, raw, truth)
    content, raw = assemble(method, calibration, homogeneity), calibration.spectra_of(raw)
    calibration.require_fit(method, raw["wavelength"].values)
    require_reference(method, raw)
    samples, scorer = batches_with_role(raw, "validation"), Scorer(content)
    predictions = predict_batches(method, calibration, raw, samples, progress)
    figures = figures_of_merit(predictions["reference"], predictions["predicted"], predictions["batch"])
    followed = [] if homogeneity is None else _follow_blends(scorer, method, raw, truth, progress)
    cases, profiles = [case for _, case in followed], [profile for profile, _ in followed]
    used, lots = used_batches(calibration, homogeneity), _lots(calibration, homogeneity, raw)
    gate = assess(method, figures, cases, validation=samples, used=used, lots=lots)
    known = _known_profile(profiles)
    found = Found(
        method=method,
        calibration=calibration,
        raw=raw,
        figures=figures,
        predictions=predictions,
        cases=cases,
        gate=gate,
        claim=homogeneity.claim if homogeneity else None,
        repeats=readings_of(scorer, raw, "repeatability"),
        foreign=readings_of(scorer, raw, "specificity"),
        robust=list(perturbed(method, scorer, compute.load(select_batches(raw, samples)))),
        parallel=list(compared(method, profiles, parallel)),
        registration=None if registration is None else registration.to_dict(),
        digest=content.digest,
    )
    items = dossier.build(found, _evidence(found, profiles, truth, parallel))
    criteria = [*gate.criteria, *items.criteria]
    document = {
        "passed": all(criterion.passed for criterion in criteria),
        "criteria": [asdict(criterion) for criterion in criteria],
        "notes": list(gate.notes),
        "figures": figures.to_dict() | {"in_scope_share": float(predictions["in_scope"].mean())},
        "endpoints": [case.to_dict() for case in cases],
        "batches": {"validation": samples, "blend_validation": [case.batch for case in cases]},
        "known_blend": known.batch if known else None,
        "digest": content.digest,
        "method_sha256": method.sha256,
        "calibration_sha256": calibration.sha256,
        "data_sha256": data_sha256(raw),
        "truth_sha256": table_sha256(truth),
        "registration": found.registration,
        "dossier": items.to_dict(),
    }
    return Validation(document, predictions, profiles, _known_blend(scorer, raw, known) if known else None)


def _evidence(
    found: Found, profiles: list[Profile], truth: pd.DataFrame | None, parallel: pd.DataFrame | None
) -> dict[str, str | None]:
    """Hash what the items of the dossier rest on, by the ids that they name."""
    return {
        "method": found.method.sha256,
        "calibration": found.calibration.sha256,
        "calibration_data": found.calibration.data_sha256,
        "digest": found.digest,
        "validation_data": data_sha256(found.raw),
        "validation_predictions": sha256(pack(found.predictions)),
        "validation_blends": sha256(profiles_json(profiles)) if profiles else None,
        "truth": table_sha256(truth),
        "parallel": table_sha256(parallel),
        "repeatability": sha256(pack(found.repeats.arrays())),
        "specificity": sha256(pack(found.foreign.arrays())),
        "registration": found.registration["sha256"] if found.registration else None,
    }


def _lots(calibration: Calibration, homogeneity: HomogeneityModel | None, raw: xr.Dataset) -> dict[str, str]:
    """Lot of every batch; those that the method was made from may stand in another store."""
    learnt = homogeneity.lots if homogeneity else {}
    return batch_facts(raw, "lot") | calibration.lots | learnt


def _known_profile(profiles: list[Profile]) -> Profile | None:
    """Choose the blend whose end-point was found first, so that the known blend shows every verdict; else any."""
    return min(profiles, key=lambda profile: profile.found_endpoint or math.inf, default=None)


def _known_blend(scorer: Scorer, raw: xr.Dataset, profile: Profile) -> Arrays:
    run = select_batches(raw, [profile.batch])
    revolution = run["revolution"].values if "revolution" in run.coords else np.full(run.sizes["spectrum"], np.nan)
    turns = profile.columns["revolution"]
    least = turns.index(profile.found_endpoint) + 1 if profile.found_endpoint in turns else 0
    kept = slice(max(_KNOWN_READINGS, least))
    absorbance = np.ascontiguousarray(run["absorbance"].values[kept])
    return follow_known(scorer, absorbance, np.asarray(revolution[kept], dtype=np.float64))


def used_batches(calibration: Calibration, homogeneity: HomogeneityModel | None) -> list[str]:
    """Batches that a method was made from."""
    learnt = homogeneity.batches if homogeneity else {}
    return sorted({*calibration.batches, *(name for names in learnt.values() for name in names)})
