"""The course of a blend so far: what its forecast is made from."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from pat.core.endpoint import State, in_words
from pat.core.evidence import Gathered, Rule
from pat.core.forecast import Forecast, forecast


class Course:
    """The predictions of one batch while it is mixed, as many as the most revolutions that are registered.

    Parameters
    ----------
    rule : Rule
        Constants of the rule.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._kept: deque[tuple[int, float]] = deque(maxlen=rule.max_revolutions)

    def push(self, revolution: int, value: float) -> None:
        """Keep a prediction (analyte units) of a revolution after the last one."""
        self._kept.append((revolution, value))

    def forecast(self, state: State, gathered: Gathered) -> Forecast:
        """Forecast the end-point from what is kept and what the rule has gathered, for a batch in a state."""
        if state is State.UNIFORM:
            return Forecast(0, 0, 0, probability=1.0, reason="uniform")
        if state not in (State.LOADED, State.MIXING, State.STEADY):
            return Forecast(reason=f"no forecast while the batch is {in_words(state)}")
        revolution, value = np.array(self._kept, dtype=np.float64).reshape(-1, 2).T
        return forecast(self._rule, revolution, value, gathered)

    def snapshot(self) -> list[list[float]]:
        """Return what is kept as plain numbers."""
        return [[turn, value] for turn, value in self._kept]

    def restore(self, state: Any) -> None:
        """Keep exactly what a snapshot holds."""
        self._kept.clear()
        self._kept.extend((int(turn), float(value)) for turn, value in state)
