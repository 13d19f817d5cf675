"""The integrity report: what was asked, and what was found."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pat.audit.origin import software
from pat.integrity.checks import CHECKS, CLEAR, FINDING, NOT_EXAMINED, NOTE, Item
from pat.trust import now

_WIDTH = 80
_SHOWN = 3


@dataclass(frozen=True)
class Report:
    """What is found of one store or run.

    Attributes
    ----------
    subject : str
        The store or run, as the user called it.
    facts : dict
        Counts, hashes and times, plain JSON.
    items : sequence of Item
        One for each check that concerns it.
    """

    subject: str
    facts: dict[str, Any]
    items: Sequence[Item]

    def of(self, state: str) -> list[Item]:
        """Items in a state: ``clear``, ``finding``, ``note`` or ``not examined``."""
        return [item for item in self.items if item.state == state]

    @property
    def sound(self) -> bool:
        """Whether nothing was found that breaks the integrity of the record; notes may be there."""
        return not self.of(FINDING)

    @property
    def conclusion(self) -> str:
        """One sentence."""
        findings, notes, left_out = (len(self.of(state)) for state in (FINDING, NOTE, NOT_EXAMINED))
        said = f"{_counted(findings, 'finding')}, {_counted(notes, 'note')}"
        unasked = f"; {left_out} of {len(self.items)} checks could not be made" if left_out else ""
        return f"{'sound' if self.sound else 'NOT sound'}: {said}{unasked}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "subject": self.subject,
            **self.facts,
            "sound": self.sound,
            "conclusion": self.conclusion,
            "items": [item.to_dict() for item in self.items],
        }

    def details(self) -> str:
        """Return findings and notes with their first places, in lines of at most 80 characters."""
        return "\n".join(_detail(item) for state in (FINDING, NOTE) for item in self.of(state))


def examined(kind: str) -> dict[str, Any]:
    """Return what every report says: of what kind its subject is, when it was examined (UTC) and by what software."""
    return {"kind": kind, "examined": now(), **software()}


def amount(item: Item) -> str:
    """Return what was counted: ``3 of 200 spectra (1.5 %)``, or why nothing was."""
    if item.not_examined:
        return item.not_examined
    unit = CHECKS[item.check].unit
    if item.share is None:
        return f"{item.count} {unit}"
    percent = f" ({100 * item.share:.2g} %)" if item.count and item.of > _SHOWN else ""
    return f"{item.count} of {item.of} {unit}{percent}"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _detail(item: Item) -> str:
    places = [*item.where[:_SHOWN], *(["..."] if item.count > _SHOWN and len(item.where) > _SHOWN else [])]
    head = f"{item.state}: {CHECKS[item.check].title}, {amount(item)}"
    return textwrap.fill(f"{head}: {'; '.join(places)}", _WIDTH, subsequent_indent="  ")


ORDER = (FINDING, NOTE, NOT_EXAMINED, CLEAR)
"""States, the worst first."""
