"""From the laboratory's models to the artefact: proven equal, then written in one step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pat import artefact, environment
from pat.artefact import Arrays, Content
from pat.calibration import Calibration
from pat.core import diagnostics
from pat.core.endpoint import Status
from pat.core.evidence import Rule, blend_rsd_upper
from pat.core.types import Array
from pat.errors import InputError, Refusal
from pat.files import canonical_json
from pat.homogeneity import HomogeneityModel
from pat.method import Method
from pat.scorer import Scorer
from pat.scorer.proof import blend_errors, follow_known
from pat.treatment import data_sha256, treat
from pat.validation.run import Validation

# The scorer and the laboratory run the same arithmetic on the same machine: what differs is a mistake.
_PARITY = 1e-10
_KNOWN_ANSWERS = 16
# Statuses of spectra that came to no number, or were no new ones: they enter no block.
_NOT_IN_BLOCKS = [Status.NOT_FINITE, Status.WRONG_LENGTH, Status.FROZEN, Status.OUT_OF_ORDER]


def known_answers(calibration: Calibration, raw: xr.Dataset) -> Arrays:
    """Raw spectra spread evenly over a store, and the numbers that the laboratory's own path gives for them."""
    rows = np.unique(np.linspace(0, raw.sizes["spectrum"] - 1, _KNOWN_ANSWERS).round().astype(int))
    chosen = raw.isel(spectrum=rows).load()
    treated = np.asarray(treat(calibration.learnt, chosen)["absorbance"].values)
    value, t2, q = diagnostics.evaluate(calibration.model, treated)
    absorbance = np.ascontiguousarray(chosen["absorbance"].values)
    return {"absorbance": absorbance, "value": value, "hotelling_t2": t2, "q_residuals": q}


def require_parity(scorer: Scorer, answers: Arrays) -> None:
    """Refuse a scorer whose numbers differ from the laboratory's.

    Parameters
    ----------
    scorer : Scorer
        Loaded from the artefact that was written.
    answers : dict of str to ndarray
        As `known_answers` returns.

    Raises
    ------
    Refusal
        If any number is off by more than 1e-10 relative.
    """
    got = scorer.predict(answers["absorbance"])
    for name, off in artefact.largest_errors(got, answers).items():
        if not off <= _PARITY:
            raise Refusal(f"parity not proven: the scorer's {name} is off by {off:.3g} relative, allowed {_PARITY:g}")


def require_blend_parity(scorer: Scorer, calibration: Calibration, known: Arrays) -> None:
    """Refuse a scorer that follows the known blend otherwise than validation did, or than a direct computation says.

    Parameters
    ----------
    scorer : Scorer
        Loaded from the artefact that was written.
    calibration : Calibration
    known : dict of str to ndarray
        As `pat.artefact.Artefact.known_blend`.

    Raises
    ------
    Refusal
        If a state or status differs, or any number is off by more than 1e-10.
    """
    followed = follow_known(scorer, known["absorbance"], known["revolution"])
    direct = known | block_statistics(scorer.require_rule(), calibration, known["absorbance"], known["status"])
    for path, found in (("validation", followed), ("a direct computation", direct)):
        for name, off in blend_errors(found, known).items():
            if not off <= _PARITY:
                raise Refusal(
                    f"parity not proven: {name} of the known blend is off by {off:.3g} from {path}, allowed {_PARITY:g}"
                )


def block_statistics(
    rule: Rule, calibration: Calibration, absorbance: Array, status: NDArray[np.str_]
) -> dict[str, Array]:
    """Compute a blend's predictions and block statistics from its spectra at once, not one by one as the scorer does.

    Parameters
    ----------
    rule : Rule
    calibration : Calibration
    absorbance : ndarray of shape (m, p)
        Raw spectra (AU) in their order.
    status : ndarray of str, shape (m,)
        What each was worth; it says which of them belong into the blocks.

    Returns
    -------
    dict of str to ndarray
        ``value``, ``mbsd`` and ``blend_rsd_upper`` of shape (m,), NaN where there is none.
    """
    method, n = calibration.learnt, rule.block_size
    found = {name: np.full(status.size, np.nan) for name in ("value", "mbsd", "blend_rsd_upper")}
    rows = np.flatnonzero(~np.isin(status, _NOT_IN_BLOCKS))
    treated = method.treatment(calibration.wavelength)(absorbance[rows])
    found["value"][rows] = values = diagnostics.evaluate(calibration.model, treated)[0]
    for end in range(n, rows.size + 1):
        block = slice(end - n, end)
        found["mbsd"][rows[end - 1]] = np.std(treated[block], axis=0, ddof=1).mean()
        found["blend_rsd_upper"][rows[end - 1]] = blend_rsd_upper(rule, values[block])
    return found


def export(
    folder: str | Path,
    method: Method,
    calibration: Calibration,
    homogeneity: HomogeneityModel | None,
    validation: Validation,
    raw: xr.Dataset,
    report: str,
) -> str:
    """Write the artefact of a validated method, after proving that the scorer computes the laboratory's numbers.

    Parameters
    ----------
    folder : path
        The artefact's folder; an artefact that is there is replaced in one step.
    method, calibration, homogeneity, validation
        What the artefact is made from.
    raw : Dataset
        Raw spectra that calibration or validation were made with; a few of them become the known answers.
    report : str
        Self-contained HTML.

    Returns
    -------
    str
        The content digest.

    Raises
    ------
    InputError
        If method, models, validation and spectra do not belong together, or `folder` holds something else.
    Refusal
        If the validation did not pass, or parity is not proven; nothing is written then.
    """
    content = validation.content(method, calibration, homogeneity)
    if not validation.passed:
        raise Refusal(f"validation did not pass ({validation.unmet}): nothing is exported")
    source = _source(calibration, homogeneity, validation, raw)
    answers, scorer = known_answers(calibration, calibration.spectra_of(raw)), Scorer(_reread(content))
    require_parity(scorer, answers)
    if validation.known_blend is not None:
        require_blend_parity(scorer, calibration, validation.known_blend)
    return artefact.write(Path(folder), content, answers, validation.known_blend, validation.document, report, source)


def _source(
    calibration: Calibration, homogeneity: HomogeneityModel | None, validation: Validation, raw: xr.Dataset
) -> dict[str, Any]:
    """Say what an artefact is made from: hashes of method, calibration, spectra and truth, the batches, the kernel."""
    found, known = validation.document, data_sha256(raw)
    stores = {"calibration": calibration.data_sha256, "validation": found["data_sha256"]}
    if known not in stores.values():
        raise InputError(
            f"known answers come from the spectra that were calibrated or validated on: expected content "
            f"{' or '.join(sorted(set(stores.values())))}, got {known}: give --data the store of `pat calibrate`"
        )
    return {
        "method_sha256": found["method_sha256"],
        "calibration_sha256": found["calibration_sha256"],
        "calibration_data_sha256": calibration.data_sha256,
        "homogeneity_data_sha256": homogeneity.data_sha256 if homogeneity else None,
        "validation_data_sha256": found["data_sha256"],
        "known_answers_data_sha256": known,
        "truth_sha256": found["truth_sha256"],
        "calibration_batches": calibration.batches,
        "homogeneity_batches": homogeneity.batches if homogeneity else {},
        "validation_batches": found["batches"],
        **({} if calibration.transfer is None else {"transfer": calibration.transfer}),
        "kernel": environment.kernel(),
    }


def _reread(content: Content) -> Content:
    """Return the content as it comes back from its bytes, so that parity covers what the files can hold."""
    document: dict[str, Any] = json.loads(canonical_json(content.document))
    return Content(artefact.unpack(artefact.pack(content.arrays)), document)
