"""The data contract: one xarray Dataset of spectra, checked at every door; Zarr in and out.

==================  ========================  ===============================================================
name                dims                      what
==================  ========================  ===============================================================
``absorbance``      (spectrum, wavelength)    float64, AU, finite
``wavelength``      (wavelength)              float64 coordinate, nm, strictly increasing, without gaps
``batch``           (spectrum)                text coordinate
``time``            (spectrum)                datetime64[ns] coordinate, UTC, increasing in a batch and instrument
``instrument``      (spectrum)                text coordinate
``revolution``      (spectrum)                float64 coordinate, optional; NaN where none was counted
an analyte's name   (spectrum)                float64, ``attrs["units"]``; NaN where the laboratory gave none
``batch_id``        (batch_id)                text coordinate: every batch once
a fact's name       (batch_id)                a batch fact, float64 or text
==================  ========================  ===============================================================

Text is numpy's StringDType. Attributes of the dataset: ``sha256`` (hash of the stored content), ``derived_from``
(hash of the content that this one was made from) and, if it is known, ``simulated`` (0 or 1).
"""

from __future__ import annotations

from pat.spectra.assembly import build
from pat.spectra.contract import check
from pat.spectra.selection import (
    batch_codes,
    batch_facts,
    batch_names,
    batches_with_role,
    derive,
    select_batches,
    select_instrument,
    split_batches,
)
from pat.spectra.store import content_sha256, open_store, write_store

__all__ = [
    "batch_codes",
    "batch_facts",
    "batch_names",
    "batches_with_role",
    "build",
    "check",
    "content_sha256",
    "derive",
    "open_store",
    "select_batches",
    "select_instrument",
    "split_batches",
    "write_store",
]
