"""A small simulated campaign in a folder: a method without blends, its champion, and references that came later."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pat.calibration import Calibration, calibrate
from pat.export import export
from pat.method import Method
from pat.spectra import build, open_store, select_batches, write_store
from pat.validation.run import Validation, validate
from tests import simulated

PER_BATCH = 8
BATCHES: dict[str, tuple[float, ...]] = {
    "calibration": (6.5, 8.0, 9.5, 10.5, 12.0, 13.5),
    "new_reference": (7.0, 10.0, 13.0),
    "validation": (7.5, 9.0, 11.0, 12.5),
}
# 6 + 4 + 3 names: C1.., V1.., N1..
PREFIX = {"calibration": "C", "new_reference": "N", "validation": "V"}
YAML = """\
name: small
version: 1
product: Two powders (simulated)
analyte: {name: api, units: "% w/w", target: 10.0, low: 6.0, high: 14.0}
preprocessing:
  - {step: snv}
  - {step: savitzky_golay, window: 7, polyorder: 2, deriv: 1}
calibration: {max_components: 4, component_rule: first_minimum, scope_confidence: 0.999}
acceptance: {max_rmsep: 0.5, min_validation_batches: 4}
"""


@dataclass(frozen=True)
class Campaign:
    """What `write_campaign` made."""

    folder: Path
    method: Method
    calibration: Calibration
    validation: Validation
    raw: xr.Dataset

    @property
    def artefact(self) -> Path:
        return self.folder / "artefact"


def dataset(**roles: str) -> xr.Dataset:
    """All batches of the campaign; `roles` renames roles."""
    rows: list[tuple[str, str, float]] = [
        (f"{PREFIX[role]}{i}", roles.get(role, role), level)
        for role, levels in BATCHES.items()
        for i, level in enumerate(levels, start=1)
    ]
    names, content = [name for name, _, _ in rows], np.repeat([level for _, _, level in rows], PER_BATCH)
    facts: dict[str, Any] = {
        "batch_id": names,
        "role": [role for _, role, _ in rows],
        "lot": [f"L-{name}" for name in names],
    }
    return build(
        simulated.spectra(content, seed=21),
        wavelength=simulated.WAVELENGTH,
        batch=np.repeat(names, PER_BATCH),
        time=np.datetime64("2026-03-02T08:00", "ns") + np.arange(content.size) * np.timedelta64(10, "s"),
        instrument=["NIR-1"] * content.size,
        references={"api": (content, "% w/w")},
        facts=facts,
    )


def write_campaign(folder: Path) -> Campaign:
    """Write `method.yaml`, `artefact/`, `work/` and the store `raw.zarr` of everything there is."""
    (folder / "method.yaml").write_text(YAML, encoding="utf-8")
    method = Method.load(folder / "method.yaml")
    write_store(dataset(), folder / "raw.zarr")
    raw = open_store(folder / "raw.zarr")
    calibration = calibrate(method, raw)
    validation = validate(method, calibration, None, raw)
    export(folder / "artefact", method, calibration, None, validation, raw, "<html></html>")
    calibration.save(folder / "work" / "calibration")
    validation.save(folder / "work" / "validation")
    return Campaign(folder, method, calibration, validation, raw)


def store_without(raw: xr.Dataset, path: Path, *batches: str) -> xr.Dataset:
    """Store of all batches but some."""
    kept = [name for name in raw["batch_id"].values.tolist() if name not in batches]
    write_store(select_batches(raw, kept), path)
    return open_store(path)
