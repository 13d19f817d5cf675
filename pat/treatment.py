"""Raw spectra into treated ones, and proof of which method treated them."""

from __future__ import annotations

import xarray as xr

from pat import compute
from pat.errors import InputError
from pat.files import canonical_json
from pat.method import Method
from pat.spectra import content_sha256, derive


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
        Treated absorbance on the treated axis, everything else as it was. Attributes say what was done
        (``treatment``), from which axis (``native_wavelength``) and from what content (``raw_sha256``).

    Raises
    ------
    InputError
        If the steps do not fit the axis.
    """
    treatment = method.treatment(ds["wavelength"].values)
    absorbance = compute.apply_rows(treatment, ds["absorbance"], treatment.wavelength)
    return derive(ds, absorbance).assign_attrs(
        treatment=_treatment_of(method),
        native_wavelength=treatment.wavelength_in.tolist(),
        raw_sha256=_content_of(ds),
    )


def _content_of(ds: xr.Dataset) -> str:
    """Hash of the store that spectra come from, or of the spectra themselves where they come from none."""
    known = ds.attrs.get("sha256", ds.attrs.get("derived_from"))
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
