"""Tables of text and their cells: what does not parse is an error that says where it stands."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO, TypeAlias, TypeVar

from pat.errors import SpectraError

Records: TypeAlias = Iterator[tuple[int, list[str]]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = range(1900, 2200)  # the contract's datetime64[ns] ends in 2262

_T = TypeVar("_T")


@contextmanager
def records(path: Path, progress: str | None = None) -> Iterator[Records]:
    """Open a CSV in UTF-8: its lines with their numbers (from 1), the empty ones left out.

    Parameters
    ----------
    path : Path
        File.
    progress : str, optional
        Label of a bar on stderr that shows, while a person watches, how much of the file is read.

    Raises
    ------
    SpectraError
        If the file cannot be read, or is not text in UTF-8, or not CSV.
    """
    try:
        with _opened(path, progress) as stream:
            reader = csv.reader(stream, strict=True)
            yield ((reader.line_num, cells) for cells in reader if cells)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        hint = " (is it UTF-16?)" if byte in (0xFE, 0xFF) else ""
        raise SpectraError(f"{path}: expected text in UTF-8, got the byte 0x{byte:02x}{hint}") from error
    except csv.Error as error:
        raise SpectraError(f"{path}, line {reader.line_num}: expected CSV, got a broken line: {error}") from error
    except OSError as error:
        raise SpectraError(f"{path}: expected a file that can be read, got: {error.strerror}") from error


@contextmanager
def _opened(path: Path, progress: str | None) -> Iterator[TextIO]:
    if progress is None or not sys.stderr.isatty():
        with open(path, encoding="utf-8-sig", newline="") as stream:
            yield stream
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        with bar.open(path, "r", encoding="utf-8-sig", newline="", description=progress) as watched:
            yield watched


def column_names(path: Path, lines: Records, required: Sequence[str]) -> list[str]:
    """Read the header: names that are there, differ, and include the required ones.

    Raises
    ------
    SpectraError
        If they do not, or the columns are not separated by commas.
    """
    where = f"{path}, line 1"
    names = [name.strip() for name in next(lines, (1, []))[1]]
    if not names:
        raise SpectraError(f"{where}: expected a header, got an empty file")
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("\0", "NUL characters (is it UTF-16?)")):
        if any(mark in name for name in names):
            raise SpectraError(f"{where}: expected commas between columns and points in decimals, got {word}")
    for column, name in enumerate(names):
        if not name:
            raise SpectraError(f"{where}, column {column + 1}: expected a name, got an empty cell")
        if name in names[:column]:
            raise SpectraError(f"{where}, column {column + 1}: expected a new name, got `{name}` again")
    for name in required:
        if name not in names:
            raise SpectraError(f"{where}: expected a column `{name}`, got {some(names)}")
    return names


def refuse_ragged(where: str, names: Sequence[str], cells: Sequence[str]) -> None:
    """Refuse a row that has not one cell per column."""
    if len(cells) != len(names):
        raise SpectraError(f"{where}: expected {len(names)} cells as in the header, got {len(cells)}")


def cell(parse: Callable[[str], _T], text: str, where: str, column: str) -> _T:
    """Parse one cell, or say where it stands, what `parse` expected, and what came."""
    try:
        return parse(text.strip())
    except ValueError as error:
        came = repr(text) if text.strip() else "an empty cell"
        raise SpectraError(f"{where}, column `{column}`: expected {error}, got {came}") from None


def number(text: str) -> float:
    """Parse a number, with a point in its decimals."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError("a number") from None
    if "_" in text:  # digit groups, which are Python's and not CSV's
        raise ValueError("a number")
    return value


def number_or_nan(text: str) -> float:
    """Parse a number; an empty cell is NaN."""
    return number(text) if text else float("nan")


def nanoseconds(text: str) -> int:
    """Parse a time in ISO 8601 with ``Z`` or an offset: nanoseconds since 1970 in UTC.

    A time without offset is refused: taken for UTC, it would be wrong by hours wherever a clock showed local time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a time like 2026-03-02T08:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("a time with `Z` or an offset from UTC, like 2026-03-02T08:00:00Z")
    if moment.year not in _YEARS:
        raise ValueError(f"a year from {_YEARS[0]} to {_YEARS[-1]}")
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def some(names: Sequence[str]) -> str:
    """Name the first few."""
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
