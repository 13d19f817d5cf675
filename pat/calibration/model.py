"""What a calibration is, and how it is written and read: plain JSON and plain arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pat.artefact import Content, model_arrays, pack, unpack
from pat.core.plain import finite_or_none
from pat.core.pls import PLSModel
from pat.core.types import Array
from pat.errors import InputError
from pat.method import Method
from pat.records import Record
from pat.spectra import select_instrument

_ARRAYS = "calibration.npz"
_RECORD = Record("calibration", "calibration.json", (_ARRAYS,), format=3, command="pat calibrate")


@dataclass(frozen=True)
class CrossValidation:
    """Cross-validation of the n spectra with reference values, batches in sorted order; no batch is ever split.

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


@dataclass(frozen=True)
class Calibration:
    """A calibrated method.

    Attributes
    ----------
    method : Method
        As it is written.
    steps : list of dict
        Its preprocessing steps, with what they learnt from the calibration spectra as numbers; where the calibration
        was transferred, with a step ``standardise`` among them.
    wavelength : ndarray of shape (p_native,)
        Native axis (nm) that the method's treatment starts from.
    model : PLSModel
        With the chosen number of components, on the treated axis.
    t2_limit, q_limit : float
        Limits of T2 and Q at the method's scope confidence, from cross-validated values.
    cross_validation : CrossValidation
    figures : dict of str to float
        ``n_components``, ``n_spectra``, ``n_batches``, ``n_folds`` (parts that cross-validation left out, one at a
        time), ``n_missing`` (spectra without a reference value), ``rmsec``, ``rmsecv``, ``rmsecv_se``; of the
        cross-validated predictions ``r2``, ``bias``, and ``slope`` (of predicted on reference, through batch means)
        with its lower 95 % bound ``slope_lower``; and ``t2_limit_f``, the limit that T2 would have if the calibration
        spectra were independent and normal. NaN where there is none.
    batches : list of str
        Batches that the model was made from, sorted.
    lots : dict of str to str
        Lot of each of these batches, where it is known.
    data_sha256 : str
        Hash of the raw content that the spectra come from.
    transfer : dict, optional
        Where the calibration was brought to another instrument, what it came from and how: see `pat.transfer`. Its
        model, cross-validation and figures are then the parent's, its steps and batches those of the transfer as well.
    """

    method: Method
    steps: list[dict[str, Any]]
    wavelength: Array
    model: PLSModel
    t2_limit: float
    q_limit: float
    cross_validation: CrossValidation
    figures: dict[str, float]
    batches: list[str]
    lots: dict[str, str]
    data_sha256: str
    transfer: dict[str, Any] | None = None

    @property
    def instrument(self) -> str | None:
        """The one instrument that a transferred calibration is for; None for one that says nothing of instruments."""
        return None if self.transfer is None else str(self.transfer["to"])

    def spectra_of(self, raw: xr.Dataset) -> xr.Dataset:
        """Return those raw spectra that the calibration is for: all, or those of its instrument.

        Raises
        ------
        SpectraError
            If that instrument has none.
        """
        return raw if self.instrument is None else select_instrument(raw, self.instrument)

    @cached_property
    def learnt(self) -> Method:
        """The method with what its steps learnt as numbers: spectra are treated by this one."""
        document = self.method.document()
        if document["preprocessing"] == self.steps:
            return self.method
        return Method.from_document({**document, "preprocessing": self.steps})

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over the method document, the model with its limits and figures, and what it was made from."""
        return Content(model_arrays(self.wavelength, self.model), self._document()).digest

    def require_fit(self, method: Method, wavelength: Array | None = None) -> None:
        """Refuse another method, or spectra on another axis, than the calibration was made with.

        Parameters
        ----------
        method : Method
        wavelength : ndarray of shape (p,), optional
            Native axis (nm) of the spectra that are to be predicted.

        Raises
        ------
        InputError
            If the method document is another one, in whatever part, or the axis differs.
        """
        if method != self.method:
            mine, other = self.method.document(), method.document()
            changed = ", ".join(key for key in mine if mine[key] != other[key])
            raise InputError(
                f"method {method.name} version {method.version} is not the document that the calibration was made by "
                f"({changed} changed): run `pat calibrate` again"
            )
        if wavelength is not None and not np.array_equal(wavelength, self.wavelength):
            raise InputError(
                f"the calibration was made on {_axis(self.wavelength)}, the spectra have {_axis(wavelength)}: give "
                "spectra of that axis, or run `pat calibrate` again"
            )

    def _document(self) -> dict[str, Any]:
        return {
            "method": self.method.document(),
            "steps": self.steps,
            "limits": {"hotelling_t2": self.t2_limit, "q_residuals": self.q_limit},
            "figures": {name: finite_or_none(value) for name, value in self.figures.items()},
            "batches": self.batches,
            "lots": self.lots,
            "data_sha256": self.data_sha256,
            **({} if self.transfer is None else {"transfer": self.transfer}),
        }

    def save(self, folder: str | Path) -> None:
        """Write the calibration as `calibration.json` and `calibration.npz`, in place of one that is there.

        Raises
        ------
        InputError
            If the folder holds something else, which is left alone.
        """
        validated = {f"cv_{name}": array for name, array in vars(self.cross_validation).items()}
        arrays = pack(model_arrays(self.wavelength, self.model) | validated)
        _RECORD.save(folder, self._document(), {_ARRAYS: arrays})

    @classmethod
    def load(cls, folder: str | Path) -> Calibration:
        """Read a calibration that `save` wrote.

        Raises
        ------
        InputError
            If there is none, or it is damaged, edited, or put together from two.
        """
        document, files = _RECORD.load(folder)
        try:
            return cls._from_parts(document, unpack(files[_ARRAYS]))
        except (ValueError, KeyError, TypeError) as error:
            raise _RECORD.wrong(Path(folder), f"one that does not hold together ({error})") from error

    @classmethod
    def _from_parts(cls, document: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Calibration:
        figures = document["figures"]
        validated = {name[3:]: array for name, array in arrays.items() if name.startswith("cv_")}
        return cls(
            method=Method.from_document(document["method"]),
            steps=document["steps"],
            wavelength=arrays["wavelength"],
            model=Content(arrays, {}).model(),
            t2_limit=document["limits"]["hotelling_t2"],
            q_limit=document["limits"]["q_residuals"],
            cross_validation=CrossValidation(**validated),
            figures={name: math.nan if value is None else value for name, value in figures.items()},
            batches=document["batches"],
            lots=document["lots"],
            data_sha256=document["data_sha256"],
            transfer=document.get("transfer"),
        )


def _axis(wavelength: Array) -> str:
    return f"{wavelength.size} wavelengths from {wavelength[0]:g} to {wavelength[-1]:g} nm"
