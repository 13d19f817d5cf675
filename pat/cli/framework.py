"""What every command is made of: its declaration, its outcome, and how an outcome is printed."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

WIDTH = 80


@dataclass(frozen=True)
class Outcome:
    """What a command found, for machines and for people.

    Parameters
    ----------
    document : mapping
        What ``--json`` prints.
    text : str
        What is printed otherwise, in lines of at most 80 characters.
    exit_code : int, default 0
        0 for done, 1 where the work was done and the answer is no.
    """

    document: Mapping[str, Any]
    text: str
    exit_code: int = 0


@dataclass(frozen=True)
class Command:
    """One command of ``pat``: parse, call `pat`, say what came.

    Parameters
    ----------
    name : str
        What is typed after ``pat``: one word, or two of which the first is a group.
    summary : str
        One line for ``pat --help``, without a full stop.
    arguments : callable
        Adds the arguments to the command's parser; ``--json`` is already there.
    run : callable
        Takes the parsed arguments and returns the `Outcome`. It imports what it needs itself, so that
        ``pat --help`` stays instant and a missing package is an error of this command alone.
    computes : bool, default False
        Whether it computes with Dask, where ``--scheduler`` says.
    records : bool, default False
        Whether it makes or changes something, so that the audit trail has an entry of it; it is refused before it does
        anything where that could not be written.
    """

    name: str
    summary: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Outcome]
    computes: bool = False
    records: bool = False


def to_json(document: object) -> str:
    """Return one line of JSON; numbers that JSON does not have become null.

    Numpy scalars and arrays become numbers and lists, times become ISO 8601 text, enumerations their
    values, and paths and whatever else is left their text.

    Examples
    --------
    >>> to_json({"rmsep": float("nan"), "batches": ("B-1", "B-2")})
    '{"rmsep": null, "batches": ["B-1", "B-2"]}'
    """
    return json.dumps(_plain(document), allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "dtype"):  # numpy, without importing it: ``pat --help`` does not wait for it
        return _plain((value.astype(str) if value.dtype.kind in "mM" else value).tolist())
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    return str(value)


def cell(value: object) -> str:
    """Return one value as people read it: four significant digits, a dash where there is none.

    Examples
    --------
    >>> [cell(value) for value in (3.14159, 10.0, float("nan"), None, 1234, True, "B-1")]
    ['3.142', '10.00', '-', '-', '1234', 'yes', 'B-1']
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    return f"{value:#.4g}".rstrip(".") if isinstance(value, float) else str(value)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table that fits a terminal of 80 columns; the widest columns are cut with an ellipsis.

    Examples
    --------
    >>> print(table(["batch", "RSD %"], [["B-1", 2.5], ["B-10", float("nan")]]))
    batch  RSD %
    B-1    2.500
    B-10       -
    """
    rows = [list(row) for row in rows]
    lines = [list(headers), *([cell(value) for value in row] for row in rows)]
    widths = _fitted([max(len(line[i]) for line in lines) for i in range(len(headers))])
    right = [all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(headers))]
    return "\n".join(_line(line, widths, right) for line in lines)


def _fitted(widths: list[int]) -> list[int]:
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH:
        widths[widths.index(max(widths))] -= 1
    return widths


def _line(line: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cut = [text if len(text) <= width else text[: width - 1] + "…" for text, width in zip(line, widths, strict=True)]
    return "  ".join(
        text.rjust(width) if to_right else text.ljust(width)
        for text, width, to_right in zip(cut, widths, right, strict=True)
    ).rstrip()


def facts(pairs: Mapping[str, object]) -> str:
    """Return one fact a line, the values aligned.

    Examples
    --------
    >>> print(facts({"store": "raw.zarr", "spectra": 120}))
    store    raw.zarr
    spectra  120
    """
    width = max(map(len, pairs))
    return "\n".join(f"{name.ljust(width)}  {cell(value)}" for name, value in pairs.items())
