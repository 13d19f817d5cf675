"""Wide CSV for the line: one row a spectrum, read as an instrument would give it (numpy and stdlib).

The laboratory reads the same files by `pat.readers.csv`, which refuses what breaks the data contract. Here
spectra may be unusable: the scorer has a status for them, and a batch is never stopped by one.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from pat.core.types import Array
from pat.errors import SpectraError


@dataclass(frozen=True)
class Row:
    """One spectrum: `absorbance` (AU) of shape (n_wavelengths,), NaN where the file has an empty cell."""

    batch: str
    revolution: int | None
    absorbance: Array


def read_rows(path: Path) -> tuple[Array, Iterator[Row]]:
    """Open a wide CSV.

    Parameters
    ----------
    path : Path
        File with a column ``batch``, optionally ``revolution``, and one column per wavelength whose header is
        that wavelength in nm. Other columns are left alone.

    Returns
    -------
    wavelength : ndarray of shape (n_wavelengths,)
        Axis in nm, strictly increasing.
    rows : iterator of Row
        In the order of the file, read as they are asked for.

    Raises
    ------
    SpectraError
        If the header is not that of a wide CSV; while reading, if a row has the wrong number of cells or a
        cell that is not a number. The message names row (the header is row 1) and column.
    """
    lines = _lines(path)
    header = next(lines, [])
    names = [name.strip() for name in header]
    if any(";" in name for name in names):
        raise SpectraError(f"{path}: expected commas between columns and points in decimals, got semicolons")
    if "batch" not in names:
        raise SpectraError(f"{path}: expected a column `batch`, got {_some(names)}")
    columns = [i for i, name in enumerate(names) if math.isfinite(_number(name))]
    wavelength = np.array([_number(names[i]) for i in columns])
    if not columns:
        raise SpectraError(f"{path}: expected columns named after wavelengths in nm, got {_some(names)}")
    for i, (left, right) in enumerate(pairwise(wavelength)):
        if left >= right:
            column = f"{path}, column `{names[columns[i + 1]]}`"
            raise SpectraError(
                f"{column}: wavelengths must increase from column to column (nm), got {right:g} after {left:g}"
            )
    return wavelength, _rows(path, lines, names, columns)


def _lines(path: Path) -> Iterator[list[str]]:
    with open(path, encoding="utf-8-sig", newline="") as stream:
        try:
            yield from csv.reader(stream)
        except (UnicodeDecodeError, csv.Error) as error:
            raise SpectraError(f"{path}: expected CSV in UTF-8, got something else ({error})") from error


def _rows(path: Path, lines: Iterator[list[str]], names: list[str], columns: list[int]) -> Iterator[Row]:
    batch = names.index("batch")
    revolution = names.index("revolution") if "revolution" in names else None
    for number, line in enumerate(lines, start=2):
        if not line:  # an empty line, as at the end of a file
            continue
        where = f"{path}: row {number}"
        if len(line) != len(names):
            raise SpectraError(f"{where}: expected {len(names)} cells as in the header, got {len(line)}")
        values = np.array([_value(line[i], where, names[i]) for i in columns])
        turn = None if revolution is None else _whole(line[revolution], where, "revolution")
        yield Row(line[batch].strip(), turn, values)


def _value(text: str, where: str, column: str) -> float:
    if not text.strip():
        return math.nan
    try:
        if "_" in text:  # digit groups, which are Python's and not CSV's
            raise ValueError
        return float(text)
    except ValueError:
        raise SpectraError(f"{where}, column `{column}`: expected a number, got {text!r}") from None


def _whole(text: str, where: str, column: str) -> int | None:
    value = _value(text, where, column)
    if math.isnan(value):
        return None
    if not value.is_integer():
        raise SpectraError(f"{where}, column `{column}`: expected a whole number, got {text!r}")
    return int(value)


def _number(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return math.nan


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if any(names) else "an empty file"
