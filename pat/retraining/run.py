"""What a scheduler calls: new reference data in, a validated challenger beside the champion out, nothing promoted."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from pat import environment, report, tracking
from pat.artefact import Artefact
from pat.assembly import assemble
from pat.calibration import Calibration, calibrate
from pat.errors import ArtefactError, InputError, Refusal
from pat.export import export
from pat.files import canonical_json, readable_json, write_bytes
from pat.homogeneity import HomogeneityModel, learn
from pat.method import Method
from pat.retraining.champion import ARTEFACT, new_batches, proven, read_champion, source_of
from pat.retraining.drift import drift
from pat.retraining.judging import judge
from pat.retraining.outcome import Outcome, Status
from pat.retraining.page import page
from pat.retraining.text import summary
from pat.scorer import Scorer
from pat.spectra import batch_facts, batches_with_role
from pat.treatment import data_sha256, treat
from pat.validation.gate import require_independent
from pat.validation.registration import table_sha256
from pat.validation.run import Validation, validate

_COMPARISON, _SUMMARY, _PAGE = "comparison.json", "comparison.txt", "comparison.html"


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
    readings: xr.Dataset | None = None,
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
    readings : Dataset, optional
        Raw spectra that the champion has scored since, in which drift is looked for, too.
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
    if method.homogeneity is not None and truth is None:
        raise InputError("end-points can be judged only with the truth of the validation blends: give --truth")
    found, scorer = read_champion(champion)
    new = new_batches(method, found, raw)
    if not new:
        seen = drift(method, found, scorer, raw, new, readings) if readings is not None else None
        status = Status.DRIFTED if seen and seen.called_for else Status.NOTHING_NEW
        return Outcome(status, scorer.digest, new, drift=seen.to_dict() if seen else None)
    with _alone(Path(out)):
        work = _Work(method, raw, truth, readings, found, scorer, new, Path(out), root)
        try:
            return _known(work) or _challenge(work)
        except Refusal as refusal:
            tracking.log_refusal(
                str(refusal),
                method=method,
                calibration=work.calibration,
                validation=work.validation,
                tags={**work.tags(), "data_sha256": data_sha256(raw)},
                root=root,
            )
            return Outcome(Status.REFUSED, scorer.digest, new, reason=str(refusal))


@dataclass
class _Work:
    """A challenger in the making: what it is made from, and what was found as far as it came."""

    method: Method
    raw: xr.Dataset
    truth: pd.DataFrame | None
    readings: xr.Dataset | None
    champion: Artefact
    scorer: Scorer
    new: list[str]
    out: Path
    root: str | Path
    calibration: Calibration | None = None
    validation: Validation | None = None

    def tags(self) -> dict[str, str]:
        """Return what MLflow is told about where it comes from."""
        return {"champion_digest": self.scorer.digest, "new_batches": ", ".join(self.new)}

    def made_from(self) -> dict[str, str | None]:
        """Everything that a comparison follows from, by hash; known before anything is computed."""
        return {
            "champion": self.scorer.digest,
            "method_sha256": self.method.sha256,
            "data_sha256": data_sha256(self.raw),
            "truth_sha256": table_sha256(self.truth),
            "readings_sha256": None if self.readings is None else data_sha256(self.readings),
            "code_sha256": environment.code_sha256(),
        }

    def key(self) -> str:
        """Hash of what a comparison follows from."""
        return hashlib.sha256(canonical_json(self.made_from())).hexdigest()

    def outcome(
        self, status: Status, folder: Path, version: tracking.TrackedVersion, comparison: dict[str, Any]
    ) -> Outcome:
        """Return the outcome that a challenger waits."""
        return Outcome(status, self.scorer.digest, self.new, folder, folder.name, version.version, comparison)


def _known(work: _Work) -> Outcome | None:
    """Find the challenger that the same inputs gave before; None where there is none that is whole and registered."""
    for path in sorted(work.out.glob(f"*/{_COMPARISON}")):
        folder, comparison = path.parent, _read(path)
        if comparison.get("made_from") != work.made_from():
            continue
        version = tracking.find(work.method.name, folder.name, root=work.root)
        whole = version is not None and tracking.has_comparison(version, work.key(), path, root=work.root)
        if version is not None and whole and _digest(folder / ARTEFACT) == folder.name:
            return work.outcome(Status.ALREADY_REGISTERED, folder, version, comparison)
    return None


def _read(path: Path) -> dict[str, Any]:
    """Return a comparison that an earlier run left; empty where it is damaged, for it can be made again."""
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _digest(folder: Path) -> str | None:
    """Digest of an artefact that was proven; None where it does not hold, for it can be made again."""
    try:
        return Scorer.load(folder, allow_unreleased=True).digest
    except ArtefactError:
        return None


def _challenge(work: _Work) -> Outcome:
    """Calibrate, learn, prove, compare and register."""
    method = work.method
    _require_unseen(work.champion, work.raw)
    batches = sorted({*source_of(work.champion)["calibration_batches"], *work.new})
    # What steps learn, they learn anew, from old and new references together.
    work.calibration = calibration = calibrate(method, work.raw, batches, progress="calibrating")
    treated = treat(calibration.learnt, work.raw)
    homogeneity = learn(method, calibration, treated, progress="learning") if method.homogeneity else None
    folder = work.out / assemble(method, calibration, homogeneity).digest
    found = _prove(work, calibration, homogeneity, treated, folder / ARTEFACT)
    _, challenger = proven(folder / ARTEFACT)
    comparison = judge(method, work.raw, work.truth, work.scorer, challenger, found)
    seen = drift(method, work.champion, work.scorer, work.raw, work.new, work.readings)
    comparison |= {"new_batches": work.new, "drift": seen.to_dict(), "made_from": work.made_from()}
    write_bytes(folder / _COMPARISON, readable_json(comparison).encode())
    write_bytes(folder / _SUMMARY, summary(comparison).encode())
    write_bytes(folder / _PAGE, page(comparison).encode())
    version = _register(work, calibration, found, comparison, folder)
    return work.outcome(Status.REGISTERED if version.new else Status.COMPARED_AGAIN, folder, version, comparison)


def _require_unseen(champion: Artefact, raw: xr.Dataset) -> None:
    """Refuse to judge by batches that the champion was made from; validation refuses the challenger's own."""
    source = source_of(champion)
    used = {*source["calibration_batches"], *chain(*source["homogeneity_batches"].values())}
    judged = {*batches_with_role(raw, "validation"), *batches_with_role(raw, "blend_validation")}
    require_independent(judged, used, batch_facts(raw, "lot"))


def _prove(
    work: _Work, calibration: Calibration, homogeneity: HomogeneityModel | None, treated: xr.Dataset, folder: Path
) -> Validation:
    """Validate and export, by the same gate and the same proof as any artefact."""
    method, raw = work.method, work.raw
    found = validate(method, calibration, homogeneity, raw, work.truth, progress="validating")
    work.validation = found
    if not found.passed:
        raise Refusal(f"the challenger does not pass the acceptance gate: {found.unmet}")
    page = report.build(method, calibration, found, raw=raw, treated=treated, homogeneity=homogeneity)
    folder.parent.mkdir(parents=True, exist_ok=True)
    export(folder, method, calibration, homogeneity, found, raw, page)
    return found


def _register(
    work: _Work, calibration: Calibration, validation: Validation, comparison: dict[str, Any], folder: Path
) -> tracking.TrackedVersion:
    """Log the artefact, once per digest, and the comparison, once per what it was made from."""
    version = tracking.log_artefact(
        folder / ARTEFACT,
        method=work.method,
        calibration=calibration,
        validation=validation,
        tags=work.tags(),
        root=work.root,
    )
    tracking.log_comparison(
        work.method.name,
        version,
        work.key(),
        [folder / _COMPARISON, folder / _SUMMARY, folder / _PAGE, folder / ARTEFACT / "validation.json"],
        tags={**work.tags(), "comparison": comparison["verdict"]},
        root=work.root,
    )
    return version
