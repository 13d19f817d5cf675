"""What is decided after a reading, and the record of a change of state."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from pat.core.endpoint.words import Cause, State, Verdicts


@dataclass(frozen=True)
class Transition:
    """A change of state, with what caused it.

    Attributes
    ----------
    number : int
        Its number in the batch, from 1, without gaps.
    revolution : int or None
        Revolution of the reading that caused it; None before the first.
    before, after : State
    cause : Cause
        The part of the rule that said so, or the act of the line.
    reason : str
        The same in words for people.
    first_reading, last_reading : int
        Numbers (`Reading.index`) of the first and last reading that it rests on; the last one is 0 before the first
        reading.
    numbers : dict of str to float or None
        What was compared, and with what (`*_limit`, `*_least`), at that reading; None where there was no number.
    """

    number: int
    revolution: int | None
    before: State
    after: State
    cause: Cause
    reason: str
    first_reading: int
    last_reading: int
    numbers: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Return the transition as plain JSON values."""
        return {key: str(value) if isinstance(value, State | Cause) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Transition:
        """Return the transition that `to_dict` wrote.

        Raises
        ------
        TypeError, ValueError, KeyError
            If it is none.
        """
        states = {key: State(document[key]) for key in ("before", "after")}
        return cls(**(document | states | {"cause": Cause(document["cause"])}))


class Finding(NamedTuple):
    """A state, why it is so, and on how many of the last readings that rests."""

    state: State
    cause: Cause
    reason: str
    readings: int = 1


class Decision(NamedTuple):
    """What is decided after a reading.

    Attributes
    ----------
    state : State
    verdicts : Verdicts
    evidence : float
        Share (0 to 1) of the evidence for homogeneity that has been gathered.
    endpoint : int or None
        Revolution at which the blend was first declared uniform.
    reason : str
        Why the state is what it is, in a few words for the operator.
    transition : Transition or None
        The change of state that this reading caused.
    missing, duplicates : int
        Revolutions left out so far, and readings of one already read.
    """

    state: State
    verdicts: Verdicts
    evidence: float
    endpoint: int | None
    reason: str
    transition: Transition | None
    missing: int
    duplicates: int
