"""Raw spectra into treated ones, what steps learn from them, and proof of which method treated them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from pat import compute
from pat.core.preprocess import Summary, Treatment, fit_treatment_by, learns, learns_from_levels
from pat.core.types import Array
from pat.errors import InputError
from pat.files import canonical_json
from pat.method import Method
from pat.spectra import batch_facts, batch_names, batches_with_role, content_sha256, derive, select_batches

RAW = ("raw_mean", "raw_sd", "raw_peak")
"""What treated spectra keep of the raw ones (AU): mean and SD over the used wavelengths, and the largest absorbance, of
either sign, over all."""
_LEAST_BATCHES = 3
_INTERFERENCE = "interference"


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


def learn(
    method: Method, ds: xr.Dataset, batches: Sequence[str] | None = None, *, progress: str | None = None
) -> Method:
    """Put what a method's steps learn from spectra into the method, as numbers.

    Parameters
    ----------
    method : Method
        Steps such as MSC may say ``calibration`` in place of their reference spectrum, and EPO may name the batches
        that show a disturbance.
    ds : Dataset
        Raw spectra; read batch by batch, once for each step that learns.
    batches : sequence of str, optional
        Batches to learn from: those of the calibration, as by default, or all but the ones that a cross-validation
        leaves out. Spectra without a reference value of the analyte teach a treatment as little as they teach a model.
    progress : str, optional
        Label of a progress bar.

    Returns
    -------
    Method
        The same where no step has anything to learn. From here on the numbers are fixed references, like every other
        constant of the document: a cross-validation of this method does not learn them anew, except what OSC learnt
        from reference values.

    Raises
    ------
    InputError
        If there is nothing to learn from, the spectra are treated already, or the steps do not fit the axis.
    """
    if not has_to_learn(method):
        return method
    require_raw(method, ds)
    names = calibration_batches(method, ds, None) if batches is None else sorted(set(batches))
    require_reference(method, ds)

    def summarise(treat: Treatment, with_references: bool) -> Summary:
        def one(batch: xr.Dataset) -> Summary:
            references = np.asarray(batch[method.analyte.name].values)
            known = ~np.isnan(references)
            return Summary.of(treat(batch["absorbance"].values[known]), references[known] if with_references else None)

        return compute.fold_batches(
            one, lambda total, part: Summary.combine([total, part]), ds, names, progress=progress
        )

    document = method.document()
    document["preprocessing"] = fit_treatment_by(
        ds["wavelength"].values, document["spectra"]["ranges"], steps_with_levels(method, ds, names), summarise
    )
    return Method.from_document(document)


def has_to_learn(method: Method) -> bool:
    """Whether a step of the method has still to learn from spectra."""
    return any(map(learns, method.document()["preprocessing"]))


def require_raw(method: Method, ds: xr.Dataset) -> None:
    """Refuse treated spectra for a method with steps that learn, which they do from raw ones.

    Raises
    ------
    InputError
        With the names of the steps.
    """
    if "treatment" in ds.attrs:
        steps = ", ".join(_learning(method)) or "steps that learn"
        raise InputError(
            f"{steps} must learn anew without each fold of a cross-validation: expected raw spectra, got treated ones"
        )


def _learning(method: Method) -> list[str]:
    return [f"`{step['step']}`" for step in method.document()["preprocessing"] if learns(step) or step["step"] == "osc"]


def steps_with_levels(method: Method, ds: xr.Dataset, batches: Sequence[str]) -> list[dict[str, Any]]:
    """Return a method's steps as plain data, with the raw spectra of batches that EPO learns from in place of names.

    Parameters
    ----------
    method : Method
    ds : Dataset
        Raw spectra. Those of the batches named, few mostly, come into memory.
    batches : sequence of str
        Batches of the calibration.

    Returns
    -------
    list of dict
        As `pat.core.preprocess.fit_treatment` takes them.

    Raises
    ------
    InputError
        If a batch named is not there, is one of the calibration, or has another role than ``interference``.
    """
    steps: list[dict[str, Any]] = method.document()["preprocessing"]
    return [_with_levels(step, ds, batches) if learns_from_levels(step) else step for step in steps]


def _with_levels(step: dict[str, Any], ds: xr.Dataset, batches: Sequence[str]) -> dict[str, Any]:
    asked, known = step["spectra"], set(batch_names(ds))
    roles = batch_facts(ds, "role")
    names = [name for name in roles if roles[name] == asked] if isinstance(asked, str) else asked["batches"]
    for name in names:
        if name not in known:
            raise InputError(f"`epo` learns from batch {name!r}, which is not among the spectra")
        # A direction that was learnt from a batch would be taken out of it for certain, and not of the next one.
        if name in set(batches) or roles.get(name, _INTERFERENCE) != _INTERFERENCE:
            found = "a batch of the calibration" if name in set(batches) else f"one with the role {roles[name]!r}"
            raise InputError(f"`epo` must learn from batches with the role `{_INTERFERENCE}`, got {name!r}, {found}")
    if len(names) < 2:
        raise InputError(f"`epo` needs batches at 2 or more levels of a disturbance, got {len(names)} ({asked})")
    levels = [compute.load(select_batches(ds, [name]))["absorbance"].values for name in sorted(names)]
    return {**step, "spectra": {"levels": levels}}


def require_reference(method: Method, ds: xr.Dataset) -> None:
    """Refuse spectra without reference values of the method's analyte, or in other units than the method's.

    Raises
    ------
    InputError
        If there are none, or the units differ.
    """
    analyte = method.analyte
    if analyte.name not in ds:
        raise InputError(f"the method's analyte is `{analyte.name}`, but the spectra have no reference values of it")
    units = ds[analyte.name].attrs.get("units")
    if units != analyte.units:
        raise InputError(f"`{analyte.name}` must be in {analyte.units!r}, as the method says, got {units!r}")


def calibration_batches(method: Method, ds: xr.Dataset, asked: Sequence[str] | None) -> list[str]:
    """Sorted names of the batches to calibrate on, each with a reference value.

    Parameters
    ----------
    method : Method
    ds : Dataset
        Raw or treated spectra.
    asked : sequence of str or None
        None takes those with the role ``calibration``, or where batches have no roles, all with reference values.

    Raises
    ------
    InputError
        If a batch is not there or has no reference value, there are fewer than 3, or as `require_reference`.
    """
    analyte = method.analyte
    require_reference(method, ds)
    known = ~np.isnan(ds[analyte.name].values)
    with_reference = set(np.asarray(ds["batch"].values)[known].tolist())
    if asked is None:
        asked = batches_with_role(ds, "calibration") if "role" in ds else sorted(with_reference)
    names = sorted(set(asked))
    if blank := [name for name in names if name not in with_reference]:
        reason = "has no reference value" if blank[0] in batch_names(ds) else "is not among the spectra"
        raise InputError(f"calibration batch {blank[0]!r} {reason} (`{analyte.name}`)")
    if len(names) < _LEAST_BATCHES:
        raise InputError(f"calibration needs at least {_LEAST_BATCHES} batches, got {len(names)}")
    return names


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
