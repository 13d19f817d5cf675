"""Thief samples and dosage units of blends from CSV: a row a sample, ``batch,value``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pat.errors import SpectraError
from pat.readers.cells import cell, column_names, number, records, refuse_ragged

_REQUIRED = ("batch", "value")


def read_samples(path: str | Path) -> pd.DataFrame:
    """Read what the reference method found of samples that were taken of blends.

    Parameters
    ----------
    path : path-like
        CSV with the columns ``batch`` and ``value`` (content, in the units of the analyte); others are left out.

    Returns
    -------
    DataFrame
        ``batch`` and ``value``, in the order of the file.

    Raises
    ------
    SpectraError
        If the file cannot be read as such a table, or has no row; the message names line and column.
    """
    source = Path(path)
    found: list[tuple[str, float]] = []
    with records(source) as read:
        names = column_names(source, read, _REQUIRED)
        for line, cells in read:
            where = f"{source}, line {line}"
            refuse_ragged(where, names, cells)
            row = dict(zip(names, (text.strip() for text in cells), strict=True))
            if not row["batch"]:
                raise SpectraError(f"{where}, column `batch`: expected the name of a batch, got nothing")
            found.append((row["batch"], cell(number, row["value"], where, "value")))
    if not found:
        raise SpectraError(f"{source}, line 2: expected a sample, got the end of the file")
    return pd.DataFrame(found, columns=["batch", "value"])
