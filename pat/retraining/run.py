"""What a scheduler calls: new reference data in, a validated challenger beside the champion out, nothing promoted."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pat import artefact, compute, report, tracking
from pat.artefact import Artefact
from pat.assembly import assemble
from pat.calibration import Calibration, calibrate
from pat.core.types import Array
from pat.errors import Refusal
from pat.export import export
from pat.files import readable_json, write_bytes
from pat.homogeneity import HomogeneityModel, learn
from pat.method import Method
from pat.profiles import follow_and_judge
from pat.retraining.champion import ARTEFACT, new_batches, source_of
from pat.retraining.comparison import compare
from pat.retraining.text import summary
from pat.scorer import Scorer
from pat.spectra import batches_with_role
from pat.treatment import treat
from pat.validation.gate import require_independent
from pat.validation.run import Validation, validate

_COMPARISON, _SUMMARY = "comparison.json", "comparison.txt"


class Status(StrEnum):
    """How a retraining ended."""

    REGISTERED = "registered"
    """A challenger was registered and waits for a person."""
    ALREADY_REGISTERED = "already_registered"
    """The same data had given this challenger before; it still waits."""
    REFUSED = "refused"
    """A challenger was tried and did not pass; MLflow has the run and the reason."""
    NOTHING_NEW = "nothing_new"
    """There are no reference data that the champion was not made from."""


_EXIT_CODES = {Status.REGISTERED: 0, Status.ALREADY_REGISTERED: 0, Status.REFUSED: 1, Status.NOTHING_NEW: 3}


@dataclass(frozen=True)
class Outcome:
    """What a retraining came to.

    Attributes
    ----------
    status : Status
    champion : str
        Digest of the champion.
    new_batches : list of str
        Calibration batches that the champion was not made from.
    folder : Path or None
        Where the challenger lies: its artefact and the comparison.
    digest : str or None
        Digest of the challenger.
    version : int or None
        Its registered version.
    comparison : dict or None
        Challenger against champion, plain JSON, as in ``comparison.json``.
    reason : str
        Why it was refused.
    """

    status: Status
    champion: str
    new_batches: list[str]
    folder: Path | None = None
    digest: str | None = None
    version: int | None = None
    comparison: dict[str, Any] | None = None
    reason: str = ""

    @property
    def exit_code(self) -> int:
        """For a scheduler: 0 a challenger waits, 1 refused, 3 nothing new."""
        return _EXIT_CODES[self.status]

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain data."""
        return {**asdict(self), "folder": self.folder and str(self.folder), "exit_code": self.exit_code}


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Let one retraining run at a time; a scheduler's second one is told so at once and does not queue."""
    out.mkdir(parents=True, exist_ok=True)
    with open(out / ".lock", "w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refusal(f"another retraining is running in {out}: nothing was done") from None
        yield


def retrain(
    method: Method,
    champion: str | Path,
    raw: xr.Dataset,
    out: str | Path,
    *,
    truth: pd.DataFrame | None = None,
    root: str | Path = ".",
) -> Outcome:
    """Make a challenger from old and new reference data, validate it, and register it beside the champion.

    Nothing is promoted: the alias `champion` and every folder but the challenger's own stay as they are.

    Parameters
    ----------
    method : Method
        The champion's method.
    champion : path
        The champion's artefact.
    raw : Dataset
        Raw spectra: what the champion was made from and validated on, and what came since.
    out : path
        Folder of challengers; this one goes to ``<digest>/``, its artefact beside the comparison.
    truth : DataFrame, optional
        Truth of the validation blends, for a method that follows blends.
    root : path
        The project's folder, where MLflow's store lies.

    Returns
    -------
    Outcome
        A challenger that does not pass is an outcome too, recorded in MLflow as a refused run.

    Raises
    ------
    InputError
        If champion, method and data do not belong together.
    Refusal
        If another retraining is running in `out`.
    """
    Scorer.load(champion, allow_unreleased=True)  # proves that it still gives its known answers
    found = artefact.read(champion)
    new = new_batches(method, found, raw)
    if not new:
        return Outcome(Status.NOTHING_NEW, found.content.digest, new)
    with _alone(Path(out)):
        work = _Work(method, raw, truth, found, new)
        try:
            return _challenge(work, Path(out), root)
        except Refusal as refusal:
            tracking.log_refusal(
                str(refusal),
                method=method,
                calibration=work.calibration,
                validation=work.validation,
                tags={**work.tags(), "data_sha256": str(raw.attrs["sha256"])},
                root=root,
            )
            return Outcome(Status.REFUSED, found.content.digest, new, reason=str(refusal))


@dataclass
class _Work:
    """A challenger in the making: what it is made from, and what was found as far as it came."""

    method: Method
    raw: xr.Dataset
    truth: pd.DataFrame | None
    champion: Artefact
    new: list[str]
    calibration: Calibration | None = None
    validation: Validation | None = None

    def tags(self) -> dict[str, str]:
        """Return what MLflow is told about where it comes from."""
        return {"champion_digest": self.champion.content.digest, "new_batches": ", ".join(self.new)}


def _challenge(work: _Work, out: Path, root: str | Path) -> Outcome:
    """Calibrate and learn; what that gives is registered already, or is to be proven and registered."""
    method, treated = work.method, treat(work.method, work.raw)
    _require_unseen(work.champion, work.raw)
    batches = sorted({*source_of(work.champion)["calibration_batches"], *work.new})
    work.calibration = calibration = calibrate(method, treated, batches, progress="calibrating")
    rules = method.homogeneity
    homogeneity = learn(method, calibration, treated, progress="learning") if rules else None
    folder = out / assemble(method, calibration, homogeneity).digest
    version = tracking.find(method.name, folder.name, root=root)
    comparison = _known_comparison(work, folder)
    if version is None or comparison is None:
        found = _prove(work, calibration, homogeneity, treated, folder / ARTEFACT)
        comparison = _compare(work, found, Scorer.load(folder / ARTEFACT, allow_unreleased=True))
        write_bytes(folder / _COMPARISON, readable_json(comparison).encode())
        write_bytes(folder / _SUMMARY, summary(comparison).encode())
        version = _register(work, calibration, found, comparison, folder, root)
    return Outcome(
        status=Status.REGISTERED if version.new else Status.ALREADY_REGISTERED,
        champion=work.champion.content.digest,
        new_batches=work.new,
        folder=folder,
        digest=folder.name,
        version=version.version,
        comparison=comparison,
    )


def _require_unseen(champion: Artefact, raw: xr.Dataset) -> None:
    """Refuse to judge by batches that the champion was made from; validation refuses the challenger's own."""
    source = source_of(champion)
    used = {*source["calibration_batches"], *chain(*source["homogeneity_batches"].values())}
    judged = {*batches_with_role(raw, "validation"), *batches_with_role(raw, "blend_validation")}
    lots = raw["lot"].values.tolist() if "lot" in raw else []
    require_independent(judged, used, dict(zip(raw["batch_id"].values.tolist(), lots, strict=False)))


def _known_comparison(work: _Work, folder: Path) -> dict[str, Any] | None:
    """Return the comparison that an earlier run left, if it was with this champion."""
    path = folder / _COMPARISON
    known: dict[str, Any] | None = json.loads(path.read_bytes()) if path.exists() else None
    return known if known and known["champion"]["digest"] == work.champion.content.digest else None


def _prove(
    work: _Work, calibration: Calibration, homogeneity: HomogeneityModel | None, treated: xr.Dataset, folder: Path
) -> Validation:
    """Validate and export, by the same gate and the same proof as any artefact."""
    method, raw = work.method, work.raw
    found = validate(method, calibration, homogeneity, raw, work.truth, progress="validating")
    work.validation = found
    if not found.passed:
        unmet = [c for c in found.document["criteria"] if not c["passed"]]
        lines = [f"{c['name']}: required {c['required']}, found {c['found']}" for c in unmet]
        raise Refusal("the challenger does not pass the acceptance gate: " + "; ".join(lines))
    page = report.build(
        method, calibration, found, raw=raw, treated=treated, homogeneity=homogeneity, digest=folder.parent.name
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    export(folder, method, calibration, homogeneity, found, raw, page)
    return found


def _compare(work: _Work, found: Validation, challenger: Scorer) -> dict[str, Any]:
    """Compare both scorers on the batches that neither was made from; return the plain document."""
    batches, champion = found.document["batches"], Scorer(work.champion.content)
    document = compare(*_predictions(work, batches["validation"], champion, challenger)).to_dict()
    judged = _endpoints(work, champion, batches["blend_validation"])
    return {
        "method": work.method.name,
        "units": work.method.analyte.units,
        "simulated": bool(work.raw.attrs.get("simulated", False)),
        "new_batches": work.new,
        "batches": batches,
        **document,
        "champion": {"digest": champion.digest, "figures": document["champion"], "endpoints": judged},
        "challenger": {
            "digest": challenger.digest,
            "figures": document["challenger"],
            "endpoints": found.document["endpoints"],
        },
        "data_sha256": str(work.raw.attrs["sha256"]),
    }


def _predictions(
    work: _Work, batches: list[str], champion: Scorer, challenger: Scorer
) -> tuple[Array, Array, Array, NDArray[np.str_]]:
    """Return reference values, both scorers' predictions and batches, each of shape (n,)."""
    analyte = work.method.analyte.name

    def one(run: xr.Dataset) -> tuple[Array, Array, Array]:
        known = ~np.isnan(run[analyte].values)
        x = np.asarray(run["absorbance"].values)[known]
        return run[analyte].values[known], champion.predict(x).value, challenger.predict(x).value

    parts = compute.map_batches(one, work.raw, batches, progress="comparing")
    names = np.repeat(np.array(batches, dtype=np.str_), [part[0].size for part in parts])
    reference, before, after = (np.concatenate(column) for column in zip(*parts, strict=True))
    return reference, before, after, names


def _endpoints(work: _Work, scorer: Scorer, batches: list[str]) -> list[dict[str, Any]]:
    """Follow the validation blends through a scorer and judge its end-points."""
    truth, tolerance = work.truth, work.method.acceptance.endpoint_tolerance
    if truth is None or not batches:
        return []

    def one(run: xr.Dataset) -> dict[str, Any]:
        return follow_and_judge(scorer, run, truth, tolerance=tolerance)[1].to_dict()

    return compute.map_batches(one, work.raw, batches, progress="following blends")


def _register(
    work: _Work,
    calibration: Calibration,
    validation: Validation,
    comparison: dict[str, Any],
    folder: Path,
    root: str | Path,
) -> tracking.TrackedVersion:
    return tracking.log_artefact(
        folder / ARTEFACT,
        method=work.method,
        calibration=calibration,
        validation=validation,
        alias=tracking.CHALLENGER,
        tags={**work.tags(), "comparison": comparison["verdict"]},
        files=[folder / _COMPARISON, folder / _SUMMARY],
        root=root,
    )
