"""Truth of blends from CSV: a row a revolution, ``batch,revolution,uniform,state,...``."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from pat.errors import SpectraError
from pat.readers.cells import cell, column_names, number, number_or_nan, records, refuse_ragged

_REQUIRED = ("batch", "revolution", "uniform", "state")
# What each state says of the powder: uniform, not uniform, or neither.
_UNIFORM = {"uniform": 1, "mixing": 0, "demixing": 0, "pockets": 0, "off_target": 0, "fouled": None, "static": None}


def read_truth(path: str | Path) -> pd.DataFrame:
    """Read the truth that end-points are judged by.

    Parameters
    ----------
    path : path-like
        CSV with the columns ``batch``, ``revolution`` (a whole number; empty in every row of a powder at rest),
        ``uniform`` (1 or 0) and ``state`` (`uniform`, `mixing`, `demixing`, `pockets`, `off_target`, `static`, or
        `fouled` where the sensor does not see the powder). Further columns are kept: as numbers if every cell that is
        not empty is one, as text otherwise.

    Returns
    -------
    DataFrame
        In the order of the file; ``batch`` and ``state`` are text, ``revolution`` is float64 (NaN where empty),
        ``uniform`` is int64.

    Raises
    ------
    SpectraError
        If the file cannot be read as such a table, if a revolution of a batch stands there twice, or if ``state`` and
        ``uniform`` contradict each other. The message names the line (counted from 1) and the column.
    """
    source = Path(path)
    rows: list[list[str]] = []
    lines: list[int] = []
    with records(source) as read:
        names = column_names(source, read, _REQUIRED)
        for line, cells in read:
            refuse_ragged(f"{source}, line {line}", names, cells)
            rows.append([text.strip() for text in cells])
            lines.append(line)
    if not rows:
        raise SpectraError(f"{source}, line 2: expected the truth of a revolution, got the end of the file")
    texts = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    places = [f"{source}, line {line}" for line in lines]
    known = {
        "batch": [cell(_name, text, where, "batch") for text, where in zip(texts["batch"], places, strict=True)],
        "revolution": [
            cell(_count, t, where, "revolution") for t, where in zip(texts["revolution"], places, strict=True)
        ],
        "uniform": [cell(_flag, text, where, "uniform") for text, where in zip(texts["uniform"], places, strict=True)],
        "state": [cell(_state, text, where, "state") for text, where in zip(texts["state"], places, strict=True)],
    }
    table = pd.DataFrame({name: known[name] if name in known else _plain(texts[name]) for name in names})
    _refuse_contradictions(table, places)
    _refuse_repeated(table, places)
    return table


def _name(text: str) -> str:
    if not text:
        raise ValueError("the name of a batch")
    return text


def _count(text: str) -> float:
    value = number_or_nan(text)
    if not math.isnan(value) and (value < 0 or not value.is_integer()):
        raise ValueError("a whole number of revolutions, or an empty cell for a powder at rest")
    return value


def _flag(text: str) -> int:
    value = number(text)
    if value not in (0.0, 1.0):
        raise ValueError("1 where the blend is uniform and 0 where it is not")
    return int(value)


def _state(text: str) -> str:
    if text.lower() not in _UNIFORM:
        raise ValueError(f"one of {', '.join(_UNIFORM)}")
    return text.lower()


def _plain(texts: list[str]) -> list[str] | list[float]:
    try:
        return [number_or_nan(text) for text in texts]
    except ValueError:
        return texts


def _refuse_contradictions(table: pd.DataFrame, places: list[str]) -> None:
    for state, uniform, where in zip(table["state"], table["uniform"], places, strict=True):
        if _UNIFORM[state] not in (None, uniform):
            raise SpectraError(
                f"{where}, column `uniform`: expected {_UNIFORM[state]} with state {state!r}, got {uniform}"
            )


def _refuse_repeated(table: pd.DataFrame, places: list[str]) -> None:
    """Refuse a revolution that stands there twice, and a batch with revolutions in some of its rows only."""
    seen: dict[tuple[str, float], str] = {}
    moving: dict[str, bool] = {}
    for batch, revolution, where in zip(table["batch"], table["revolution"], places, strict=True):
        counted = not math.isnan(revolution)
        if moving.setdefault(batch, counted) != counted:
            raise SpectraError(f"{where}, column `revolution`: expected one in every row of batch {batch!r} or in none")
        if counted and (batch, revolution) in seen:
            first = seen[batch, revolution]
            raise SpectraError(
                f"{where}: expected every revolution once, got {revolution:g} of {batch!r} again ({first})"
            )
        seen[batch, revolution] = where
