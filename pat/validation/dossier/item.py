"""One item of a validation dossier: what was asked, what was found, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from pat.validation.gate import Criterion


class Verdict(StrEnum):
    """What became of an item."""

    PASSED = "passed"
    FAILED = "failed"
    STATED = "stated"
    """A statement or a figure that no criterion was set for."""
    NOT_SHOWN = "not shown"
    """Nothing was there to show it with; it is for the reviewer to judge whether it has to be."""


@dataclass(frozen=True)
class Item:
    """One item of the dossier.

    Attributes
    ----------
    id : str
        Its number in the dossier, such as ``9.3``.
    title : str
    asked : str
        Test and acceptance criterion, in words.
    found : str
        What came of it, in words.
    verdict : Verdict
    evidence : tuple of str
        Ids of what it rests on: keys of the dossier's ``evidence``.
    values : mapping
        The figures behind the words, plain JSON.
    criterion : Criterion, optional
        What the method's section ``validation`` asks here; it joins those of the gate.
    """

    id: str
    title: str
    asked: str
    found: str
    verdict: Verdict
    evidence: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    criterion: Criterion | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the item as plain data."""
        document = asdict(self) | {"verdict": self.verdict.value, "evidence": list(self.evidence)}
        return {key: value for key, value in document.items() if key != "criterion"}


def said(number: str, title: str, asked: str, text: str | None, evidence: Sequence[str] = ("method",)) -> Item:
    """Return an item that a person states; not shown where there is no text."""
    verdict = Verdict.NOT_SHOWN if text is None else Verdict.STATED
    return Item(number, title, asked, text or "the method document does not say", verdict, evidence)


def judged(criteria: Iterable[Criterion]) -> Verdict:
    """Return the verdict of criteria; where there is none, the figure is stated."""
    met = [criterion.passed for criterion in criteria]
    if not met:
        return Verdict.STATED
    return Verdict.PASSED if all(met) else Verdict.FAILED


def limited(item: Item, criterion: Criterion | None) -> Item:
    """Return an item judged by a criterion of its own, which is added to what was asked; stated without one."""
    if criterion is None:
        return item
    asked = f"{item.asked}: {criterion.required}"
    return replace(item, asked=asked, verdict=judged([criterion]), criterion=criterion)


def gated(item: Item, gate: Iterable[Criterion], names: Iterable[str]) -> Item:
    """Return an item judged by the gate's criteria of some names, which are added to what was asked."""
    named = set(names)
    mine = [criterion for criterion in gate if criterion.name in named]
    asked = "".join([item.asked, *(f"; {criterion.required}" for criterion in mine)])
    return replace(item, asked=asked, verdict=judged(mine))
