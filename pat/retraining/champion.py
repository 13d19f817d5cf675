"""The champion: which artefact it is, what it was made from, and which reference data have come since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pat import artefact, tracking
from pat.artefact import Artefact
from pat.core.preprocess import as_asked
from pat.errors import InputError
from pat.method import Method
from pat.release.releasing import RELEASED
from pat.scorer import Scorer
from pat.scorer.proof import require_known_blend
from pat.spectra import batches_with_role

ARTEFACT, CHALLENGERS = "artefact", "challengers"
"""Folders in a method's folder."""

# Batches that a model may be made from: those that the first one was, and those that came later.
_ROLES = ("calibration", "new_reference")
# What makes two calibrations ones of the same method; the rest of an artefact's document follows from data.
_SAME_METHOD = ("name", "version", "analyte", "ranges", "saturation", "steps")


def champion_folder(method: Method, folder: str | Path, *, root: str | Path = ".") -> Path:
    """Find the champion's artefact in a method's folder.

    Parameters
    ----------
    method : Method
    folder : path
        The method's folder, with ``artefact/``, ``challengers/`` and ``released/``.
    root : path
        The project's folder, where MLflow's store lies.

    Returns
    -------
    Path
        The artefact that MLflow knows as the champion; ``artefact/`` where nobody has chosen one.

    Raises
    ------
    InputError
        If the champion's artefact lies in none of these places.
    """
    known = tracking.champion(method.name, root=root)
    folder = Path(folder)
    if known is None:
        return folder / ARTEFACT
    for place in (RELEASED, CHALLENGERS):
        promoted = folder / place / known.digest / ARTEFACT
        if promoted.exists():
            return promoted
    first = folder / ARTEFACT
    found = artefact.read(first).content.digest if (first / artefact.MANIFEST).is_file() else "nothing"
    if found != known.digest:
        raise InputError(
            f"the champion of {method.name} is version {known.version} (digest {known.digest}), expected in "
            f"{promoted} or {folder / 'artefact'}, got {found} in the latter: name the champion's artefact"
        )
    return folder / ARTEFACT


def read_champion(folder: str | Path) -> tuple[Artefact, Scorer]:
    """Read a champion, with proof that it still gives its known answers.

    Raises
    ------
    InputError
        If there is none.
    ArtefactError
        If it does not hold, or gives other answers here.
    """
    folder = Path(folder)
    if not (folder / artefact.MANIFEST).is_file():
        raise InputError(
            f"there is no champion to compare with: expected an artefact in {folder}, got none; `pat export` makes the "
            "first one, and --champion names one that lies elsewhere"
        )
    return proven(folder)


def proven(folder: Path) -> tuple[Artefact, Scorer]:
    """Read an artefact once, and prove its predictions and its verdicts.

    Raises
    ------
    ArtefactError
        If it does not hold, or gives other answers here.
    """
    found = artefact.read(folder)
    scorer = Scorer.proven(found, folder)
    require_known_blend(scorer, found.known_blend, folder)
    return found, scorer


def new_batches(method: Method, champion: Artefact, raw: xr.Dataset) -> list[str]:
    """Find the batches with reference values that a champion was not made from, sorted.

    Their role is ``calibration`` or ``new_reference``.

    Parameters
    ----------
    method : Method
    champion : Artefact
        Its manifest says which batches it was made from.
    raw : Dataset
        Raw spectra: the champion's calibration batches, and what came since.

    Raises
    ------
    InputError
        If the champion is of another method, or its calibration batches are not all in the store.
    """
    _require_same_method(method, champion)
    used = set(source_of(champion)["calibration_batches"])
    present = sorted(name for role in _ROLES for name in batches_with_role(raw, role))
    missing = sorted(used - set(present))
    if missing:
        raise InputError(
            f"retraining adds to what the champion was made from: expected its {len(used)} calibration batches in "
            f"the store, {len(missing)} are not there: {', '.join(missing[:5])}"
        )
    known = ~np.isnan(raw[method.analyte.name].values)
    referenced = set(raw["batch"].values[known].tolist())
    return [name for name in present if name not in used and name in referenced]


def source_of(champion: Artefact) -> dict[str, Any]:
    """Return what a champion's manifest says that it was made from.

    Raises
    ------
    InputError
        If it does not say so.
    """
    source = dict(champion.manifest["source"])
    missing = {"calibration_batches", "homogeneity_batches"} - set(source)
    if missing:
        raise InputError(
            f"expected the champion's manifest to say what it was made from, got no {', '.join(sorted(missing))}"
        )
    return source


def _require_same_method(method: Method, champion: Artefact) -> None:
    document = method.document()
    mine = {**document, **document["spectra"], "steps": document["preprocessing"]}
    theirs = champion.content.document
    # What the champion's steps have learnt is what retraining is there to learn anew.
    theirs = {**theirs, "steps": as_asked(theirs["steps"], mine["steps"])}
    for key in _SAME_METHOD:
        if mine[key] != theirs[key]:
            raise InputError(
                f"retraining changes the data and nothing else: expected {key} as in the champion "
                f"({theirs[key]}), got {mine[key]}; a changed method is a new version to validate"
            )
