"""Batch facts from CSV: a row a batch, ``batch,role,lot,...``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pat.errors import SpectraError
from pat.readers.cells import cell, column_names, number_or_nan, records, refuse_ragged
from pat.spectra.contract import NUMERIC_FACTS, RESERVED, ROLES, TEXT_FACTS

# Numbers as programs write them. "007" and "12E4" are names (of lots, of operators), and stay text.
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]\d+)?")


@dataclass(frozen=True)
class BatchFacts:
    """What is known of batches: `columns` are text or numbers, an entry a batch, sorted by name.

    Attributes
    ----------
    path : Path
        Where they were read.
    batch : list of str
        Names, sorted.
    lines : dict of str to int
        Line of the file that each batch stands in.
    columns : dict of str to list
        By name of the fact.
    """

    path: Path
    batch: list[str]
    lines: dict[str, int]
    columns: dict[str, list[str] | list[float]]

    def require(self, batches: Iterable[str]) -> None:
        """Refuse facts about other batches than these, and batches without facts.

        Raises
        ------
        SpectraError
            The message names the batch, and the line where there is one.
        """
        expected = set(batches)
        for name in self.batch:
            if name not in expected:
                where = f"{self.path}, line {self.lines[name]}, column `batch`"
                raise SpectraError(f"{where}: expected a batch that has spectra, got {name!r}")
        if missing := sorted(expected - set(self.batch)):
            raise SpectraError(f"{self.path}: expected a row for every batch, got none for {missing[0]!r}")

    def table(self) -> dict[str, list[str] | list[float]]:
        """Give the facts as `pat.spectra.build` takes them; the instrument is a coordinate of the spectra."""
        rest = {name: values for name, values in self.columns.items() if name != "instrument"}
        return {"batch_id": self.batch, **rest}


def read_facts(path: Path) -> BatchFacts:
    """Read a table of batch facts.

    Raises
    ------
    SpectraError
        If it cannot be read as one; the message names the line and the column.
    """
    rows: dict[str, tuple[int, list[str]]] = {}
    with records(path) as lines:
        names = column_names(path, lines, ["batch"])
        for line, cells in lines:
            where = f"{path}, line {line}"
            refuse_ragged(where, names, cells)
            batch = cells[names.index("batch")].strip()
            if batch in rows:
                raise SpectraError(f"{where}, column `batch`: expected every batch once, got {batch!r} again")
            rows[batch] = line, [text.strip() for text in cells]
    for name in names:
        if name in RESERVED - {"batch", "instrument"}:
            raise SpectraError(f"{path}, line 1: expected names of batch facts, got `{name}`, which spectra have")
    order = sorted(rows)
    numbered = {batch: rows[batch][0] for batch in order}
    columns = {
        name: _column(path, name, {rows[batch][0]: rows[batch][1][i] for batch in order})
        for i, name in enumerate(names)
        if name != "batch"
    }
    return BatchFacts(path, order, numbered, columns)


def _column(path: Path, name: str, texts: dict[int, str]) -> list[str] | list[float]:
    """Cells of a column, by their lines: numbers where all of them are, text otherwise."""
    if name == "role":
        return [cell(_role, text, f"{path}, line {line}", name) for line, text in texts.items()]
    plain = all(_PLAIN_NUMBER.fullmatch(text) for text in texts.values() if text)
    if name in NUMERIC_FACTS or (plain and name not in TEXT_FACTS | {"instrument"}):
        return [cell(number_or_nan, text, f"{path}, line {line}", name) for line, text in texts.items()]
    return list(texts.values())


def _role(text: str) -> str:
    if text not in ROLES:
        raise ValueError(f"one of {', '.join(ROLES)}")
    return text
