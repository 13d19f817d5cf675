"""What a calibration is, and how it is written and read: plain JSON and plain arrays."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pat.artefact import Content, model_arrays, pack, unpack
from pat.core.pls import PLSModel
from pat.core.types import Array
from pat.errors import InputError
from pat.files import readable_json, replaced_folder
from pat.method import Method

_DOCUMENT, _ARRAYS = "calibration.json", "calibration.npz"
_FORMAT = 2


@dataclass(frozen=True)
class CrossValidation:
    """Cross-validation of the n spectra with reference values, batches in sorted order.

    Attributes
    ----------
    batch : ndarray of str, shape (n,)
    fold : ndarray of str, shape (n,)
        What each spectrum was left out with: its batch, its lot, its day, as the method's `calibration.folds` says.
    reference : ndarray of shape (n,)
    predicted : ndarray of shape (n, A_max)
        Column a - 1: with a components, by the model that did not see the fold.
    rmsecv, rmsecv_se : ndarray of shape (A_max,)
        Root mean squared error over spectra, and its standard error with folds as the unit.
    t2, q : ndarray of shape (n,)
        Hotelling's T2 and Q residuals under that same model, with the number of components that was chosen.
    """

    batch: NDArray[np.str_]
    fold: NDArray[np.str_]
    reference: Array
    predicted: Array
    rmsecv: Array
    rmsecv_se: Array
    t2: Array
    q: Array


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


@dataclass(frozen=True)
class Calibration:
    """A calibrated method.

    Attributes
    ----------
    method : Method
    wavelength : ndarray of shape (p_native,)
        Native axis (nm) that the method's treatment starts from.
    model : PLSModel
        With the chosen number of components, on the treated axis.
    t2_limit, q_limit : float
        Limits of T2 and Q at the method's scope confidence, from cross-validated values.
    cross_validation : CrossValidation
    figures : dict of str to float
        ``n_components``, ``n_spectra``, ``n_batches``, ``n_missing`` (spectra without a reference value), ``rmsec``,
        ``rmsecv``, ``rmsecv_se``; of the cross-validated predictions ``r2``, ``bias``, and ``slope`` (of predicted
        on reference, through batch means) with its lower 95 % bound ``slope_lower``; and ``t2_limit_f``, the limit
        that T2 would have if the calibration spectra were independent and normal. NaN where there is none.
    batches : list of str
        Batches that the model was made from, sorted.
    data_sha256 : str
        Hash of the raw content that the spectra come from.
    """

    method: Method
    wavelength: Array
    model: PLSModel
    t2_limit: float
    q_limit: float
    cross_validation: CrossValidation
    figures: dict[str, float]
    batches: list[str]
    data_sha256: str

    def save(self, folder: str | Path) -> None:
        """Write the calibration as `calibration.json` and `calibration.npz`, in place of one that is there.

        Raises
        ------
        InputError
            If the folder holds something else, which is left alone.
        """
        target = Path(folder)
        if target.exists() and not (target / _DOCUMENT).is_file() and not _is_empty(target):
            raise InputError(f"{target}: expected a new folder or one with a calibration, got something else")
        document = {
            "format": _FORMAT,
            "method": self.method.document(),
            "limits": {"hotelling_t2": self.t2_limit, "q_residuals": self.q_limit},
            "figures": {name: value if math.isfinite(value) else None for name, value in self.figures.items()},
            "batches": self.batches,
            "data_sha256": self.data_sha256,
        }
        validated = {f"cv_{name}": array for name, array in vars(self.cross_validation).items()}
        with replaced_folder(target) as fresh:
            (fresh / _ARRAYS).write_bytes(pack(model_arrays(self.wavelength, self.model) | validated))
            (fresh / _DOCUMENT).write_text(readable_json(document), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Calibration:
        """Read a calibration that `save` wrote.

        Raises
        ------
        InputError
            If there is none, or it is damaged.
        """
        try:
            document = json.loads((Path(folder) / _DOCUMENT).read_text(encoding="utf-8"))
            return cls._from_parts(document, unpack((Path(folder) / _ARRAYS).read_bytes()))
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder}: expected a calibration, got {error!r}") from error

    @classmethod
    def _from_parts(cls, document: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Calibration:
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']}, not {_FORMAT}")
        figures = document["figures"]
        validated = {name[3:]: array for name, array in arrays.items() if name.startswith("cv_")}
        return cls(
            method=Method.from_document(document["method"]),
            wavelength=arrays["wavelength"],
            model=Content(arrays, {}).model(),
            t2_limit=document["limits"]["hotelling_t2"],
            q_limit=document["limits"]["q_residuals"],
            cross_validation=CrossValidation(**validated),
            figures={name: math.nan if value is None else value for name, value in figures.items()},
            batches=document["batches"],
            data_sha256=document["data_sha256"],
        )
