"""What a dossier needs beside the validation batches: repeat readings, and powders that must be refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pat import compute
from pat.artefact import Arrays
from pat.core.types import Array, BoolArray
from pat.scorer import Scorer
from pat.spectra import batch_facts, batches_with_role


@dataclass(frozen=True)
class Readings:
    """Predictions of some batches, each spectrum for itself.

    Attributes
    ----------
    batch, kind, day : ndarray of str, shape (n,)
        Batch, and its facts of these names; empty where they are not known.
    value : ndarray of shape (n,)
        Predicted content (units of the analyte).
    in_scope : ndarray of bool, shape (n,)
    """

    batch: NDArray[np.str_]
    kind: NDArray[np.str_]
    day: NDArray[np.str_]
    value: Array
    in_scope: BoolArray

    def arrays(self) -> Arrays:
        """Return the readings as arrays for a file."""
        return {name: getattr(self, name) for name in ("batch", "kind", "day", "value", "in_scope")}


def readings_of(scorer: Scorer, raw: xr.Dataset, role: str) -> Readings:
    """Predict every spectrum of the batches with a role; of none where there is no such batch."""
    names = batches_with_role(raw, role)
    kinds, days = batch_facts(raw, "kind"), batch_facts(raw, "day")

    def one(batch: xr.Dataset) -> tuple[Array, BoolArray]:
        found = scorer.predict(np.ascontiguousarray(batch["absorbance"].values))
        return found.value, found.in_scope

    parts = compute.map_batches(one, raw, names)
    sizes = [value.size for value, _ in parts]

    def repeated(texts: list[str]) -> NDArray[np.str_]:
        return np.repeat(np.array(texts, dtype=np.str_), sizes)

    return Readings(
        batch=repeated(names),
        kind=repeated([kinds.get(name, "") for name in names]),
        day=repeated([days.get(name, "") for name in names]),
        value=np.concatenate([np.empty(0), *(value for value, _ in parts)]),
        in_scope=np.concatenate([np.empty(0, dtype=np.bool_), *(scope for _, scope in parts)]),
    )
