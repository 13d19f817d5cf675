"""From the laboratory's models to the artefact: proven equal, then written in one step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pat import artefact
from pat.artefact import Arrays, Content
from pat.assembly import assemble
from pat.calibration import Calibration
from pat.core import diagnostics
from pat.errors import Refusal
from pat.files import canonical_json
from pat.homogeneity import HomogeneityModel
from pat.method import Method
from pat.scorer import Scorer
from pat.treatment import treat
from pat.validation.run import Validation

# The scorer and the laboratory run the same arithmetic on the same machine: what differs is a mistake.
_PARITY = 1e-10
_KNOWN_ANSWERS = 16


def known_answers(method: Method, calibration: Calibration, raw: xr.Dataset) -> Arrays:
    """Raw spectra spread evenly over a store, and the numbers that the laboratory's own path gives for them."""
    rows = np.unique(np.linspace(0, raw.sizes["spectrum"] - 1, _KNOWN_ANSWERS).round().astype(int))
    chosen = raw.isel(spectrum=rows).load()
    treated = np.asarray(treat(method, chosen)["absorbance"].values)
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
        The artefact's folder; what was there is replaced in one step.
    method, calibration, homogeneity, validation
        What the artefact is made from.
    raw : Dataset
        Raw spectra, of which a few become the known answers.
    report : str
        Self-contained HTML.

    Returns
    -------
    str
        The content digest.

    Raises
    ------
    Refusal
        If the validation did not pass, or parity is not proven; nothing is written then.
    """
    if not validation.passed:
        failed = [c["name"] for c in validation.document["criteria"] if not c["passed"]]
        raise Refusal(f"validation did not pass ({', '.join(failed)} not met): nothing is exported")
    content = assemble(method, calibration, homogeneity)
    answers = known_answers(method, calibration, raw)
    require_parity(Scorer(_reread(content)), answers)
    source = {
        "data_sha256": str(raw.attrs["sha256"]),
        "calibration_batches": calibration.batches,
        "homogeneity_batches": homogeneity.batches if homogeneity else {},
        "validation_batches": validation.document["batches"],
    }
    return artefact.write(Path(folder), content, answers, validation.document, report, source)


def _reread(content: Content) -> Content:
    """Return the content as it comes back from its bytes, so that parity covers what the files can hold."""
    document: dict[str, Any] = json.loads(canonical_json(content.document))
    return Content(artefact.unpack(artefact.pack(content.arrays)), document)
