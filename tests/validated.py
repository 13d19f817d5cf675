"""A small method, calibrated and validated by the real code on simulated batches; a few seconds for a whole file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pat import spectra
from pat.assembly import assemble
from pat.calibration import Calibration, calibrate
from pat.homogeneity import HomogeneityModel, learn
from pat.method import Method
from pat.simulation import (
    COMPONENTS,
    MICRONIR,
    Run,
    pure_spectra,
    simulate_run,
    simulate_samples,
    simulate_static,
    uniform,
)
from pat.simulation.campaign import states
from pat.treatment import treat
from pat.validation.run import Validation, validate

_DEMO = Path(__file__).parents[1] / "models" / "demo" / "method.yaml"


@dataclass(frozen=True)
class Validated:
    """A method with everything that was made from it."""

    method: Method
    raw: xr.Dataset
    treated: xr.Dataset
    calibration: Calibration
    homogeneity: HomogeneityModel
    validation: Validation
    pure: pd.DataFrame


def small_method() -> Method:
    """Return the demo's method, with what a small campaign can meet."""
    document = Method.load(_DEMO).document()
    # Two ranges, so that the treated axis has a gap.
    document["spectra"]["ranges"] = [[960, 1240], [1300, 1640]]
    document["calibration"] |= {"max_components": 5, "scope_confidence": 0.999}
    document["acceptance"] = {"max_rmsep": 1.0, "max_bias": 0.8, "min_validation_batches": 3, "max_early_endpoints": 0}
    document["validation"] = {}
    document["homogeneity"]["sensors"] = {"risk_per_batch": 0.02, "allowed_difference": 0.1}
    return Method.from_document(document)


def _batches() -> list[tuple[str, str, Run]]:
    """Name, role and spectra of every batch."""
    blends = ("fast", "low_assay", "fouling")
    return [
        *(
            (f"C{i}", "calibration", simulate_samples(c, 4, (1, i)))
            for i, c in enumerate((7, 8, 9, 10, 11, 12, 13, 10))
        ),
        *((f"V{i}", "validation", simulate_samples(c, 4, (2, i))) for i, c in enumerate((8.5, 9.5, 10.5, 11.5))),
        ("R0", "repeatability", simulate_static(10.0, 30, (3, 0))),
        *((f"A{i}", "accepted", simulate_run("good", (4, i), n_revolutions=130)) for i in range(3)),
        *((f"B{i}", "blend_validation", simulate_run(k, (5, i), n_revolutions=200)) for i, k in enumerate(blends)),
    ]


def _raw(batches: list[tuple[str, str, Run]]) -> xr.Dataset:
    count = [len(run.revolution) for _, _, run in batches]
    names, roles = np.array([name for name, _, _ in batches]), [role for _, role, _ in batches]
    content = [run.truth.mean if role in ("calibration", "validation") else run.truth.mean * np.nan
               for _, role, run in batches]  # fmt: skip
    ds = spectra.build(
        np.concatenate([run.absorbance for _, _, run in batches]),
        wavelength=MICRONIR.wavelength,
        batch=np.repeat(names, count),
        time=np.concatenate([run.time for _, _, run in batches]),
        instrument=np.repeat(MICRONIR.name, sum(count)),
        revolution=np.concatenate([run.revolution for _, _, run in batches]),
        references={"api": (np.concatenate(content), "% w/w")},
        facts={"batch_id": names, "role": roles, "kind": [run.kind for _, _, run in batches]},
    )
    return ds.assign_attrs(sha256=spectra.content_sha256(ds), simulated=1)


def _truth(batches: list[tuple[str, str, Run]]) -> pd.DataFrame:
    tables = [
        pd.DataFrame(
            {
                "batch": name,
                "revolution": run.revolution,
                "true_value": run.truth.value,
                "true_mean": run.truth.mean,
                "true_rsd": run.truth.rsd,
                "uniform": uniform(run.truth).astype(int),
                "state": states(run),
            }
        )
        for name, role, run in batches
        if role == "blend_validation"
    ]
    return pd.concat(tables, ignore_index=True)


def stamped(made: Validated) -> Validated:
    """Return the same with the validation's hashes made anew, as if it had been made with these very parts."""
    method, calibration = made.method, made.calibration
    content = assemble(method, calibration, made.homogeneity if method.homogeneity else None)
    hashes = {"digest": content.digest, "method_sha256": method.sha256, "calibration_sha256": calibration.sha256}
    return replace(made, validation=replace(made.validation, document=made.validation.document | hashes))


@lru_cache(maxsize=1)
def validated() -> Validated:
    """Calibrate, learn and validate, once for a test run."""
    method, batches = small_method(), _batches()
    raw = _raw(batches)
    treated = treat(method, raw).compute()
    calibration = calibrate(method, treated)
    homogeneity = learn(method, calibration, treated)
    found = validate(method, calibration, homogeneity, raw, _truth(batches))
    pure = pd.DataFrame(
        {"wavelength": MICRONIR.wavelength, **dict(zip(COMPONENTS, pure_spectra(MICRONIR), strict=True))}
    )
    return Validated(method, raw, treated, calibration, homogeneity, found, pure)
