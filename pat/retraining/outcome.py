"""What a retraining came to, for people and for schedulers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Status(StrEnum):
    """How a retraining ended."""

    REGISTERED = "registered"
    """A challenger was registered and waits for a person."""
    COMPARED_AGAIN = "compared_again"
    """The same challenger had been registered before; it was compared on other data, truth or criteria, and waits."""
    ALREADY_REGISTERED = "already_registered"
    """Everything is as when this challenger was registered; nothing was done."""
    REFUSED = "refused"
    """A challenger was tried and did not pass; MLflow has the run and the reason."""
    DRIFTED = "drifted"
    """The readings show drift, but there are no new reference data to retrain with: they are called for."""
    NOTHING_NEW = "nothing_new"
    """There are no reference data that the champion was not made from, and no reading shows drift."""


_EXIT_CODES = {
    Status.REGISTERED: 0,
    Status.COMPARED_AGAIN: 0,
    Status.ALREADY_REGISTERED: 0,
    Status.REFUSED: 1,
    Status.NOTHING_NEW: 3,
    Status.DRIFTED: 4,
}


@dataclass(frozen=True)
class Outcome:
    """What a retraining came to.

    Attributes
    ----------
    status : Status
    champion : str
        Digest of the champion.
    new_batches : list of str
        Calibration batches that the champion was not made from.
    folder : Path or None
        Where the challenger lies: its artefact and the comparison.
    digest : str or None
        Digest of the challenger.
    version : int or None
        Its registered version.
    comparison : dict or None
        Challenger against champion, plain JSON, as in ``comparison.json``, drift included.
    drift : dict or None
        Drift since the champion was validated, where no challenger was made; see `pat.retraining.drift.Drift`.
    reason : str
        Why it was refused.
    """

    status: Status
    champion: str
    new_batches: list[str]
    folder: Path | None = None
    digest: str | None = None
    version: int | None = None
    comparison: dict[str, Any] | None = None
    drift: dict[str, Any] | None = None
    reason: str = ""

    @property
    def exit_code(self) -> int:
        """For a scheduler: 0 a challenger waits, 1 refused, 3 nothing new, 4 drift but nothing new to learn from."""
        return _EXIT_CODES[self.status]

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain data."""
        return {**asdict(self), "folder": self.folder and str(self.folder), "exit_code": self.exit_code}
