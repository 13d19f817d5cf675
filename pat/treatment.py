"""Raw spectra into treated ones, and proof of which method treated them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from pat import compute
from pat.core.preprocess import Summary, Treatment, fit_treatment_by
from pat.core.types import Array
from pat.errors import InputError
from pat.files import canonical_json
from pat.method import Method
from pat.spectra import content_sha256, derive

RAW = ("raw_mean", "raw_sd", "raw_peak")
"""What treated spectra keep of the raw ones (AU): mean and SD over the used wavelengths, and the largest absorbance, of
either sign, over all."""
# Summaries of so many batches are held in memory at a time.
_AT_ONCE = 16


def treat(method: Method, ds: xr.Dataset) -> xr.Dataset:
    """Treat raw spectra as the method says; lazy, chunk by chunk.

    Parameters
    ----------
    method : Method
        Its wavelength ranges and preprocessing steps.
    ds : Dataset
        Raw spectra on the instrument's native axis.

    Returns
    -------
    Dataset
        Treated absorbance on the treated axis, the variables of `RAW`, everything else as it was. Attributes say what
        was done (``treatment``), from which axis (``native_wavelength``) and from what content (``raw_sha256``).

    Raises
    ------
    InputError
        If the steps do not fit the axis or have still to `learn` from calibration spectra, or a variable of the spectra
        has a name of `RAW`.
    """
    if taken := [name for name in RAW if name in ds]:
        raise InputError(f"raw spectra must have no variable `{taken[0]}`, which treated spectra have")
    treatment = method.treatment(ds["wavelength"].values)
    absorbance = compute.apply_rows(treatment, ds["absorbance"], treatment.wavelength)
    made = derive(ds, absorbance).assign(_kept_of_raw(treatment, ds["absorbance"]))
    return made.assign_attrs(
        treatment=_treatment_of(method),
        native_wavelength=treatment.wavelength_in.tolist(),
        raw_sha256=data_sha256(ds),
    )


def learn(method: Method, ds: xr.Dataset, batches: Sequence[str], *, progress: str | None = None) -> Method:
    """Put what a method's steps learn from calibration spectra into the method, as numbers.

    Parameters
    ----------
    method : Method
        Steps such as MSC may say ``calibration`` in place of their reference spectrum.
    ds : Dataset
        Raw spectra; read batch by batch, once for each step that learns.
    batches : sequence of str
        Batches to learn from: those of the calibration, or all but the ones that a cross-validation leaves out.
    progress : str, optional
        Label of a progress bar.

    Returns
    -------
    Method
        From here on the numbers are fixed references, a part of the controlled document like every other constant: a
        cross-validation of this method does not learn them anew, except what OSC learnt from reference values.

    Raises
    ------
    InputError
        If there is nothing to learn from, or the steps do not fit the axis.
    """
    names, document = sorted(set(batches)), method.document()

    def summarise(treat: Treatment, with_references: bool) -> Summary:
        def one(batch: xr.Dataset) -> Summary:
            references = batch[method.analyte.name].values if with_references else None
            return Summary.of(treat(batch["absorbance"].values), references)

        total: list[Summary] = []
        for start in range(0, len(names), _AT_ONCE):
            parts = compute.map_batches(one, ds, names[start : start + _AT_ONCE], progress=progress)
            total = [Summary.combine([*total, *parts])]
        return Summary.combine(total)

    document["preprocessing"] = fit_treatment_by(
        ds["wavelength"].values, document["spectra"]["ranges"], document["preprocessing"], summarise
    )
    return Method.from_document(document)


def _kept_of_raw(treatment: Treatment, absorbance: xr.DataArray) -> dict[str, xr.Variable]:
    """Return the variables of `RAW`; lazy where the spectra are."""

    def numbers(x: Array) -> Array:
        return np.concatenate([treatment.presentation(x), np.abs(x).max(axis=-1, keepdims=True)], axis=-1)

    found = compute.apply_rows(numbers, absorbance, np.arange(len(RAW)))
    return {name: xr.Variable("spectrum", found.data[:, i], {"units": "AU"}) for i, name in enumerate(RAW)}


def data_sha256(ds: xr.Dataset) -> str:
    """Return the hash of the raw content that spectra come from.

    That is the hash of their store, which `pat.spectra.open_store` proves with ``verify=True``, also where they are a
    part of it or were treated since; for spectra that come from no store it is computed.
    """
    known = ds.attrs.get("raw_sha256", ds.attrs.get("sha256", ds.attrs.get("derived_from")))
    return content_sha256(ds) if known is None else str(known)


def _treatment_of(method: Method) -> str:
    document = method.document()
    done = {"ranges": document["spectra"]["ranges"], "steps": document["preprocessing"]}
    return canonical_json(done).decode()


def treated_by(method: Method, ds: xr.Dataset) -> xr.Dataset:
    """`ds` if this method treated it, or what it becomes if nothing did."""
    if "treatment" not in ds.attrs:
        return treat(method, ds)
    if ds.attrs["treatment"] != _treatment_of(method):
        raise InputError(
            f"these spectra were not treated as method {method.name} says: expected {_treatment_of(method)}, "
            f"got {ds.attrs['treatment']}"
        )
    return ds
