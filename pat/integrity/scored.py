"""The integrity of a scoring run: the document that ``pat score --json`` prints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pat.errors import InputError
from pat.integrity.checks import UNCOUNTED, Item, found
from pat.integrity.report import Report, examined
from pat.integrity.trail import Recorded, examine_scoring

# A reading of any other status is a valid number; DUPLICATE and OUT_OF_ORDER are asked for by name.
_VALID = frozenset({"OK", "WARM_UP", "OUT_OF_SCOPE"})


@dataclass(frozen=True)
class _Turn:
    """One reading of a run.

    Attributes
    ----------
    batch : str
    number : int
        Its place in the batch, from 0.
    revolution : float or None
    said : dict
        The reading.
    """

    batch: str
    number: int
    revolution: float | None
    said: dict[str, Any]

    @property
    def called(self) -> str:
        """The reading in words."""
        at = "" if self.revolution is None else f" at revolution {self.revolution:g}"
        return f"batch {self.batch}{at} (reading {self.number})"


def examine_run(path: str | Path, *, trail: Recorded | None = None) -> Report:
    """Examine a scoring run.

    Parameters
    ----------
    path : path-like
        JSON that ``pat score --json`` printed.
    trail : Recorded, optional
        The audit trail in which its batches should stand.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If it is no such document.
    """
    document = _document(Path(path))
    try:
        turns = [turn for batch in document["batches"] for turn in _turns(batch)]
        digest = str(document["artefact"])
        names = [str(batch["batch"]) for batch in document["batches"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected what `pat score --json` prints, got other JSON: {error!r}") from error
    items = [
        *_order(turns),
        _which("statuses", turns, (turn for turn in turns if turn.said.get("status", "OK") not in _VALID)),
        _which("out_of_scope", turns, (turn for turn in turns if turn.said.get("in_scope") is False)),
        _which("unreleased", turns, _unreleased(turns, document)),
        _which("other_artefact", turns, (t for t in turns if t.said.get("artefact", digest) != digest)),
    ]
    facts = {**examined("run"), "readings": len(turns), "batches": len(names), "artefact": digest}
    return Report(str(path), facts, [*items, *examine_scoring(names, digest, trail)])


def is_run(path: str | Path) -> bool:
    """Whether a path is a file, hence a run; a store is a folder or a URL."""
    return "://" not in str(path) and Path(path).is_file()


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path}: expected what `pat score --json` prints, got no JSON: {error}") from error
    if not isinstance(document, dict) or "batches" not in document:
        raise InputError(f"{path}: expected what `pat score --json` prints, got JSON without `batches`")
    return document


def _turns(batch: dict[str, Any]) -> list[_Turn]:
    readings = batch["readings"] if "readings" in batch else batch["predictions"]
    return [
        _Turn(str(batch["batch"]), i, None if one.get("revolution") is None else float(one["revolution"]), one)
        for i, one in enumerate(readings)
    ]


def _which(check: str, turns: list[_Turn], chosen: Iterable[_Turn]) -> Item:
    kept = list(chosen)
    return found(check, len(turns), (turn.batch for turn in kept), (turn.called for turn in kept))


def _unreleased(turns: list[_Turn], document: dict[str, Any]) -> list[_Turn]:
    return [turn for turn in turns if turn.said.get("unreleased", document.get("unreleased", True))]


def _steps(turns: list[_Turn], wanted: Callable[[float, float], bool]) -> list[tuple[_Turn, float]]:
    """Return the readings, and the highest revolution of their batch before, where the two are as wanted."""
    highest: dict[str, float] = {}
    chosen = []
    for turn in turns:
        if turn.revolution is None:
            continue
        last = highest.get(turn.batch, 0.0)
        if wanted(turn.revolution, last):
            chosen.append((turn, last))
        highest[turn.batch] = max(last, turn.revolution)
    return chosen


def _repeated(turns: list[_Turn]) -> list[_Turn]:
    # The first revolution may be counted as 0, which repeats nothing.
    return [turn for turn, last in _steps(turns, lambda now, last: now <= last) if turn.number]


def _order(turns: list[_Turn]) -> list[Item]:
    """Ask what revolutions can answer; a discharge has none."""
    if all(turn.revolution is None for turn in turns):
        return [Item(check, not_examined=UNCOUNTED) for check in ("gaps", "repeated_revolutions")]
    return [_gaps(turns), _which("repeated_revolutions", turns, _repeated(turns))]


def _gaps(turns: list[_Turn]) -> Item:
    """Revolutions that no reading has; a line counts every one."""
    gaps = _steps(turns, lambda now, last: now > last + 1.0)
    lost = [int(turn.revolution - last) - 1 for turn, last in gaps if turn.revolution is not None]
    places = [f"{n} before {turn.called}" for (turn, _), n in zip(gaps, lost, strict=True)]
    batches = [turn.batch for (turn, _), n in zip(gaps, lost, strict=True) for _ in range(n)]
    return found("gaps", len(turns) + sum(lost), batches, places, count=sum(lost))
