"""Wide CSV: one row a spectrum, one column a wavelength.

::

    batch,time,revolution,instrument,api [% w/w],950.0,956.2,...
    B1,2026-03-02T08:00:00Z,1,NIR-1,10.02,0.41230,0.41377,...

Columns are separated by commas, decimals by points; the text is UTF-8. ``revolution`` may be left out, and so may
``instrument`` where the batch facts name it; any other column before the wavelengths holds an analyte's reference
values, with its units in brackets if they are stated. Times are ISO 8601 with ``Z`` or an offset from UTC.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from pat.core.types import Array
from pat.errors import SpectraError
from pat.readers.cells import (
    Records,
    cell,
    column_names,
    nanoseconds,
    number,
    number_or_nan,
    records,
    refuse_ragged,
    some,
)
from pat.readers.facts import BatchFacts, read_facts
from pat.readers.repeats import refuse_repeats
from pat.spectra import build, content_sha256
from pat.spectra.contract import RESERVED

_WAVELENGTH = re.compile(r"[+-]?\d+(\.\d*)?")
_WITH_UNITS = re.compile(r"(.+?)\s*\[(.+)\]")
_KEYS = ("batch", "time", "revolution", "instrument")


@dataclass(frozen=True)
class _Header:
    """What the columns hold; wavelengths stand from column `first` on."""

    names: list[str]
    first: int
    analytes: dict[str, tuple[int, str]]  # column and units

    @property
    def wavelengths(self) -> list[str]:
        return self.names[self.first :]


@dataclass
class _Table:
    """A file as it was read, an entry a row. Its first row is row `start` of the dataset."""

    path: Path
    start: int
    header: _Header
    absorbance: array[float] = field(default_factory=lambda: array("d"))
    line: list[int] = field(default_factory=list)
    batch: list[str] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    instrument: list[str] = field(default_factory=list)
    revolution: list[float] = field(default_factory=list)
    references: dict[str, list[float]] = field(default_factory=dict)

    def where(self, row: int, line: int) -> str:
        return f"row {self.start + row} ({self.path}, line {line})"


def read_csv(paths: Sequence[str | Path], batches: str | Path | None = None, *, progress: bool = False) -> xr.Dataset:
    """Read spectra from wide CSV files, check them, and hash them.

    Parameters
    ----------
    paths : sequence of path-like
        Files with one axis; their rows follow each other in the order given. A file without an analyte that another
        one has gives NaN for it.
    batches : path-like, optional
        CSV of batch facts, a row a batch: ``batch,role,lot,...``. A column is numbers if every cell that is not
        empty is one, and text otherwise. ``instrument`` stands for the column that the spectra lack, or has to agree
        with it.
    progress : bool, default=False
        Show a bar for each file, while a person watches.

    Returns
    -------
    Dataset
        As `pat.spectra.build`, with the attributes ``sha256`` and, if the facts say so, ``simulated``.

    Raises
    ------
    SpectraError
        If a file cannot be read as such a table, the spectra break the contract, or a spectrum stands in two batches
        or files. The message names the row of the dataset (counted from 0), the file, the line (counted from 1) and
        the column.
    """
    files = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    if not files:
        raise SpectraError("expected at least one CSV file of spectra, got none")
    _refuse_same_file(files)
    facts = None if batches is None else read_facts(Path(batches))
    required = _KEYS[:2] if facts and "instrument" in facts.columns else (*_KEYS[:2], "instrument")
    tables: list[_Table] = []
    for path in files:
        label = f"reading {path.name}" if progress else None
        tables.append(_read_table(path, sum(len(table.line) for table in tables), required, label))
    _refuse_other_axes(tables)
    ds = _assemble(tables, facts)
    if "simulated" in ds:
        ds.attrs["simulated"] = int(np.any(ds["simulated"].values == 1.0))
    ds.attrs["sha256"] = content_sha256(ds)
    return ds


def _refuse_same_file(files: list[Path]) -> None:
    seen: set[Path] = set()
    for path in files:
        if path.resolve() in seen:
            raise SpectraError(f"{path}: expected every file once, got it again")
        seen.add(path.resolve())


def _read_table(path: Path, start: int, required: Sequence[str], progress: str | None) -> _Table:
    with records(path, progress) as lines:
        header = _read_header(path, lines, required)
        table = _Table(path, start, header, references={name: [] for name in header.analytes})
        for line, cells in lines:
            _add_row(table, line, cells)
    if not table.line:
        raise SpectraError(f"{path}, line 2: expected a spectrum, got the end of the file")
    return table


def _read_header(path: Path, lines: Records, required: Sequence[str]) -> _Header:
    names = column_names(path, lines, required)
    numeric = [bool(_WAVELENGTH.fullmatch(name)) for name in names]
    if not any(numeric):
        raise SpectraError(f"{path}, line 1: expected columns named after wavelengths in nm, got {some(names)}")
    first = numeric.index(True)
    if not all(numeric[first:]):
        late = names[first + numeric[first:].index(False)]
        raise SpectraError(f"{path}, line 1: expected only wavelengths after `{names[first]}`, got `{late}`")
    analytes: dict[str, tuple[int, str]] = {}
    for column, name in enumerate(names[:first]):
        if name not in _KEYS:
            match = _WITH_UNITS.fullmatch(name)
            analyte, units = match.groups() if match else (name, "")
            if analyte in analytes or analyte in RESERVED:
                raise SpectraError(f"{path}, line 1, column `{name}`: expected a new analyte, got `{analyte}`")
            analytes[analyte] = (column, units)
    return _Header(names, first, analytes)


def _add_row(table: _Table, line: int, cells: list[str]) -> None:
    header = table.header
    where = table.where(len(table.line), line)
    refuse_ragged(where, header.names, cells)
    spectrum = cells[header.first :]
    try:
        table.absorbance.extend(map(float, spectrum))
        plain = "_" not in "".join(spectrum)
    except ValueError:
        plain = False
    if not plain:  # cell by cell, to say which
        for name, text in zip(header.wavelengths, spectrum, strict=True):
            cell(number, text, where, name)
    given = dict(zip(header.names[: header.first], cells[: header.first], strict=True))
    table.line.append(line)
    table.batch.append(given["batch"].strip())
    table.instrument.append(given.get("instrument", "").strip())
    table.time.append(cell(nanoseconds, given["time"], where, "time"))
    table.revolution.append(cell(number_or_nan, given.get("revolution", ""), where, "revolution"))
    for analyte, (column, _) in header.analytes.items():
        table.references[analyte].append(cell(number_or_nan, cells[column], where, analyte))


def _refuse_other_axes(tables: list[_Table]) -> None:
    expected = [float(name) for name in tables[0].header.wavelengths]
    for table in tables[1:]:
        axis = [float(name) for name in table.header.wavelengths]
        where = f"{table.path}, line 1"
        if len(axis) != len(expected):
            raise SpectraError(f"{where}: expected {len(expected)} wavelengths as in {tables[0].path}, got {len(axis)}")
        for ours, theirs, name in zip(axis, expected, table.header.wavelengths, strict=True):
            if ours != theirs:
                raise SpectraError(
                    f"{where}, column `{name}`: expected {theirs:g} nm as in {tables[0].path}, got {name}"
                )


def _assemble(tables: list[_Table], facts: BatchFacts | None) -> xr.Dataset:
    places = [table.where(row, line) for table in tables for row, line in enumerate(table.line)]
    batch = [name for table in tables for name in table.batch]
    if facts is not None:
        facts.require(batch)
    references, absorbance = _references(tables), _absorbance(tables)
    files = [number for number, table in enumerate(tables) for _ in table.line]
    refuse_repeats(absorbance, batch, files, places.__getitem__)
    return build(
        absorbance,
        wavelength=np.array([float(name) for name in tables[0].header.wavelengths]),
        batch=batch,
        time=np.array([time for table in tables for time in table.time], dtype=np.int64).view("datetime64[ns]"),
        instrument=_instruments(tables, facts),
        revolution=np.array([value for table in tables for value in table.revolution]),
        references=references,
        facts=None if facts is None else facts.table(),
        locate=places.__getitem__,
    )


def _absorbance(tables: list[_Table]) -> Array:
    n_wavelengths = len(tables[0].header.wavelengths)
    parts = [np.frombuffer(table.absorbance).reshape(-1, n_wavelengths) for table in tables]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _references(tables: list[_Table]) -> Mapping[str, tuple[Array, str]]:
    """Join the reference values of all files, by analyte; NaN where a file does not have the analyte."""
    references: dict[str, tuple[Array, str]] = {}
    for analyte in sorted({name for table in tables for name in table.header.analytes}):
        units = {table.header.analytes[analyte][1] for table in tables if analyte in table.header.analytes}
        if len(units) > 1:
            raise SpectraError(f"`{analyte}`: expected the same units in every file, got {sorted(units)}")
        parts = [table.references.get(analyte, [np.nan] * len(table.line)) for table in tables]
        references[analyte] = (np.concatenate(parts), units.pop())
    return references


def _instruments(tables: list[_Table], facts: BatchFacts | None) -> list[str]:
    """Name the instrument of every spectrum: from its file, or from its batch's facts; both have to agree."""
    known: dict[str, str] = {}
    if facts is not None and "instrument" in facts.columns:
        known = {name: str(value) for name, value in zip(facts.batch, facts.columns["instrument"], strict=True)}
    instruments: list[str] = []
    for table in tables:
        named = "instrument" in table.header.names
        for row, (batch, own) in enumerate(zip(table.batch, table.instrument, strict=True)):
            fact = known.get(batch, own)
            if named and own != fact:
                where = f"{table.where(row, table.line[row])}, column `instrument`"
                raise SpectraError(f"{where}: expected {fact!r} as in the facts of batch {batch!r}, got {own!r}")
            instruments.append(fact)
    return instruments
