"""A method's folder with a champion that MLflow knows, and what tests do with it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pat import tracking
from pat.method import Method
from pat.retraining import Outcome, retrain
from pat.spectra import open_store
from tests.small_campaign import Campaign


def settle(made: Campaign, folder: Path) -> Path:
    """Make `folder` a method's folder and the project's folder too, with its artefact as the champion."""
    shutil.copytree(made.folder, folder, dirs_exist_ok=True)
    logged = tracking.log_artefact(
        folder / "artefact",
        method=made.method,
        calibration=made.calibration,
        validation=made.validation,
        root=folder,
    )
    tracking.promote("small", logged.version, root=folder)
    return folder


def run(folder: Path, raw: Any = None, *, method: Method | None = None, root: Path | None = None) -> Outcome:
    return retrain(
        method or Method.load(folder / "method.yaml"),
        folder / "artefact",
        open_store(folder / "raw.zarr") if raw is None else raw,
        folder / "challengers",
        root=root or folder,
    )


def aliases(folder: Path) -> dict[str, int | None]:
    found = {"champion": tracking.champion, "challenger": tracking.challenger}
    versions = {name: get("small", root=folder) for name, get in found.items()}
    return {name: version.version if version else None for name, version in versions.items()}
