"""A whole validation: predictions of new batches, end-points of new blends, and the gate's verdict."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from pat import compute
from pat.artefact import Arrays, pack, unpack
from pat.assembly import assemble
from pat.calibration import Calibration
from pat.core import diagnostics
from pat.core.types import Array
from pat.errors import InputError
from pat.files import readable_json, write_bytes
from pat.homogeneity import HomogeneityModel
from pat.method import Method
from pat.profiles import Profile, follow_and_judge, load_profiles, save_profiles
from pat.scorer import Scorer
from pat.spectra import batches_with_role, select_batches
from pat.treatment import treat
from pat.validation.endpoints import EndpointCase
from pat.validation.figures import figures_of_merit
from pat.validation.gate import assess

_DOCUMENT, _PREDICTIONS, _PROFILES = "validation.json", "predictions.npz", "profiles.json"


@dataclass(frozen=True)
class Validation:
    """What a validation found.

    Attributes
    ----------
    document : dict
        Plain JSON: ``passed``, ``criteria``, ``figures``, ``endpoints``, ``batches``, ``data_sha256``.
    predictions : dict of str to ndarray
        ``batch``, ``reference``, ``predicted``, ``hotelling_t2``, ``q_residuals``, ``in_scope`` of the validation
        spectra.
    profiles : list of Profile
        The validation blends, as the scorer followed them.
    """

    document: dict[str, Any]
    predictions: Arrays
    profiles: list[Profile]

    @property
    def passed(self) -> bool:
        """Whether every acceptance criterion was met."""
        return bool(self.document["passed"])

    def save(self, folder: str | Path) -> None:
        """Write the validation into a folder: JSON and plain arrays."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / _PREDICTIONS, pack(self.predictions))
        save_profiles(folder / _PROFILES, self.profiles)
        write_bytes(folder / _DOCUMENT, readable_json(self.document).encode())

    @classmethod
    def load(cls, folder: str | Path) -> Validation:
        """Read a validation that `save` wrote.

        Raises
        ------
        InputError
            If there is none.
        """
        folder = Path(folder)
        try:
            document = json.loads((folder / _DOCUMENT).read_bytes())
            predictions = unpack((folder / _PREDICTIONS).read_bytes())
            return cls(document, predictions, load_profiles(folder / _PROFILES))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder}: expected a validation, got {error!r}") from error


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
    treated = treat(method, select_batches(raw, batches))

    def one(batch: xr.Dataset) -> tuple[Array, Array, Array, Array]:
        reference = np.asarray(batch[method.analyte.name].values)
        known = ~np.isnan(reference)
        x = np.asarray(batch["absorbance"].values)[known]
        return (reference[known], *diagnostics.evaluate(calibration.model, x))

    parts = compute.map_batches(one, treated, batches, progress=progress)
    reference, value, t2, q = (np.concatenate([part[i] for part in parts]) for i in range(4))
    return {
        "batch": np.repeat(np.array(batches, dtype=np.str_), [part[0].size for part in parts]),
        "reference": reference,
        "predicted": value,
        "hotelling_t2": t2,
        "q_residuals": q,
        "in_scope": diagnostics.in_scope(
            value, t2, q, (method.analyte.low, method.analyte.high), calibration.t2_limit, calibration.q_limit
        ),
    }


def _follow_blends(
    scorer: Scorer, method: Method, raw: xr.Dataset, truth: pd.DataFrame, batches: list[str], progress: str | None
) -> list[tuple[Profile, EndpointCase]]:
    """Follow blends through the scorer and judge their end-points against the truth."""
    kinds = _facts(raw, "kind")
    tolerance = method.acceptance.endpoint_tolerance

    def one(run: xr.Dataset) -> tuple[Profile, EndpointCase]:
        kind = kinds.get(str(run["batch"].values[0]), "")
        return follow_and_judge(scorer, run, truth, kind=kind, tolerance=tolerance)

    return compute.map_batches(one, raw, batches, progress=progress)


def _facts(raw: xr.Dataset, name: str) -> dict[str, str]:
    """One fact of every batch; empty where the store does not have it."""
    if name not in raw:
        return {}
    return {str(b): str(v) for b, v in zip(raw["batch_id"].values, raw[name].values, strict=True)}


def validate(
    method: Method,
    calibration: Calibration,
    homogeneity: HomogeneityModel | None,
    raw: xr.Dataset,
    truth: pd.DataFrame | None = None,
    *,
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
        Raw spectra, with batches of the roles ``validation`` and, for end-points, ``blend_validation``.
    truth : DataFrame, optional
        Truth of the validation blends: ``batch``, ``revolution``, ``uniform``, ``state`` and the true values.
    progress : str, optional
        Label of a progress bar.

    Raises
    ------
    InputError
        If there is a homogeneity model but no truth to judge its end-points by.
    Refusal
        If a validation batch or lot was used before, or there are too few batches.
    """
    samples = batches_with_role(raw, "validation")
    predictions = predict_batches(method, calibration, raw, samples, progress)
    figures = figures_of_merit(predictions["reference"], predictions["predicted"], predictions["batch"])
    followed: list[tuple[Profile, EndpointCase]] = []
    if homogeneity is not None:
        if truth is None:
            raise InputError("end-points can be judged only with the truth of the validation blends")
        scorer = Scorer(assemble(method, calibration, homogeneity))
        blends = batches_with_role(raw, "blend_validation")
        followed = _follow_blends(scorer, method, raw, truth, blends, progress)
    cases = [case for _, case in followed]
    used = used_batches(calibration, homogeneity)
    gate = assess(method, figures, cases, validation=samples, used=used, lots=_facts(raw, "lot"))
    document = {
        "passed": gate.passed,
        "criteria": [asdict(criterion) for criterion in gate.criteria],
        "figures": figures.to_dict() | {"in_scope_share": float(predictions["in_scope"].mean())},
        "endpoints": [case.to_dict() for case in cases],
        "batches": {"validation": samples, "blend_validation": [case.batch for case in cases]},
        "data_sha256": str(raw.attrs["sha256"]),
    }
    return Validation(document, predictions, [profile for profile, _ in followed])


def used_batches(calibration: Calibration, homogeneity: HomogeneityModel | None) -> list[str]:
    """Batches that a method was made from."""
    learnt = homogeneity.batches if homogeneity else {}
    return sorted({*calibration.batches, *(name for names in learnt.values() for name in names)})
