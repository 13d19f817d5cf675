"""The end-point: when a blend counts as uniform, and when it no longer does. One place decides.

`words` has the states, verdicts and causes; `decision` what is decided after a reading; `follower` decides.
"""

from pat.core.endpoint.decision import Decision, Transition
from pat.core.endpoint.follower import Endpoint
from pat.core.endpoint.words import (
    GOOD,
    IN_WORDS,
    Cause,
    Phase,
    State,
    Status,
    Verdict,
    Verdicts,
    in_words,
)

__all__ = [
    "GOOD",
    "IN_WORDS",
    "Cause",
    "Decision",
    "Endpoint",
    "Phase",
    "State",
    "Status",
    "Transition",
    "Verdict",
    "Verdicts",
    "in_words",
]
