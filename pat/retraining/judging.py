"""Champion and challenger on the same batches: predictions compared, end-points of the same blends judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from pat import compute
from pat.core.types import Array
from pat.method import Method
from pat.profiles import follow_and_judge
from pat.retraining.comparison import by_batch, compare
from pat.scorer import Scorer
from pat.validation.run import Validation


def judge(
    method: Method,
    raw: xr.Dataset,
    truth: pd.DataFrame | None,
    champion: Scorer,
    challenger: Scorer,
    validation: Validation,
) -> dict[str, Any]:
    """Compare both scorers on the batches of the challenger's validation; return the plain document.

    Parameters
    ----------
    method : Method
    raw : Dataset
        Raw spectra.
    truth : DataFrame or None
        Truth of the validation blends.
    champion, challenger : Scorer
    validation : Validation
        The challenger's.
    """
    batches = validation.document["batches"]
    predictions = _predictions(method, raw, batches["validation"], champion, challenger)
    document = compare(*predictions, margin=method.acceptance.retraining_margin).to_dict()
    judged = _endpoints(method, raw, truth, champion, batches["blend_validation"])
    return {
        "method": method.name,
        "units": method.analyte.units,
        "simulated": bool(raw.attrs.get("simulated", False)),
        "batches": batches,
        **document,
        "by_batch": by_batch(*predictions),
        "champion": {"digest": champion.digest, "figures": document["champion"], "endpoints": judged},
        "challenger": {
            "digest": challenger.digest,
            "figures": document["challenger"],
            "endpoints": validation.document["endpoints"],
        },
    }


def _predictions(
    method: Method, raw: xr.Dataset, batches: list[str], champion: Scorer, challenger: Scorer
) -> tuple[Array, Array, Array, NDArray[np.str_]]:
    """Return reference values, both scorers' predictions and batches, each of shape (n,)."""
    analyte = method.analyte.name

    def one(run: xr.Dataset) -> tuple[Array, Array, Array]:
        known = ~np.isnan(run[analyte].values)
        x = np.asarray(run["absorbance"].values)[known]
        return run[analyte].values[known], champion.predict(x).value, challenger.predict(x).value

    parts = compute.map_batches(one, raw, batches, progress="comparing")
    names = np.repeat(np.array(batches, dtype=np.str_), [part[0].size for part in parts])
    reference, before, after = (np.concatenate(column) for column in zip(*parts, strict=True))
    return reference, before, after, names


def _endpoints(
    method: Method, raw: xr.Dataset, truth: pd.DataFrame | None, scorer: Scorer, batches: list[str]
) -> list[dict[str, Any]]:
    """Follow the validation blends through a scorer and judge its end-points."""
    tolerance = method.acceptance.endpoint_tolerance
    if truth is None or not batches:
        return []

    def one(run: xr.Dataset) -> dict[str, Any]:
        return follow_and_judge(scorer, run, truth, tolerance=tolerance)[1].to_dict()

    return compute.map_batches(one, raw, batches, progress="following blends")
