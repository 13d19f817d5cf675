"""A scoring run in the trail: opened, its changes of state, closed or aborted; its number leaves no gap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pat.audit.entry import Said
from pat.errors import TrailError

if TYPE_CHECKING:
    from pat.audit.trail import Trail

OPENED, CHANGED, RESUMED = "open batch", "change state", "resume batch"
CLOSED, ABORTED = "close batch", "abort batch"
END = "end of the readings"
"""Why a batch is closed whose readings have come to their end, and nobody said more."""


def because(kind: type[BaseException], error: BaseException | None) -> str:
    """Return why a batch is aborted where an error ends it."""
    return f"{kind.__name__}: {error}".removesuffix(": ")


class Run:
    """One scoring run of a batch; made by `Trail.open_run` or `Run.resumed`.

    Attributes
    ----------
    number : int
        From 1, without gaps within a trail.
    recorded : int
        Number (`Transition.number`) of the last change of state that is in the trail.
    """

    def __init__(self, trail: Trail, number: int, batch: str, artefact: str, recorded: int = 0) -> None:
        self.number, self.recorded = number, recorded
        self._trail, self._batch, self._artefact = trail, batch, artefact

    def __enter__(self) -> Run:
        """Close the run with the block, or abort it where the block raises."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(END) if kind is None else self.abort(because(kind, error))

    @classmethod
    def opened(cls, trail: Trail, batch: str, artefact: str) -> Run:
        """Record that a batch is opened; see `Trail.open_run`."""
        entry = trail.append(Said(OPENED, "batch", batch, artefact=artefact, opens=True))
        return cls(trail, entry.runs, batch, artefact)

    @classmethod
    def resumed(cls, trail: Trail, batch: str, artefact: str, state: Mapping[str, int] | None) -> Run:
        """Record that a batch is carried on from a snapshot.

        Parameters
        ----------
        trail : Trail
        batch : str
        artefact : str
            Content digest of the artefact that scores it.
        state : mapping or None
            What `snapshot` returned; a run that nobody has recorded so far is opened first.

        Raises
        ------
        TrailError
            If the trail has no run of that number, or it cannot be recorded.
        """
        if state is None:
            run, reason = (
                cls.opened(trail, batch, artefact),
                "carried on from a snapshot of a run that was not recorded",
            )
        else:
            run, reason = cls(trail, state["number"], batch, artefact, state["recorded"]), "carried on from a snapshot"
            run._require_opened()
        run._record(RESUMED, reason=reason)
        return run

    def _require_opened(self) -> None:
        for entry in self._trail.entries():
            if entry.action == OPENED and entry.run == self.number:
                if (entry.object["id"], entry.artefact) == (self._batch, self._artefact):
                    return
                break
        raise TrailError(
            f"{self._trail.path}: expected the run {self.number} of batch {self._batch}, which the snapshot is of, in "
            "this audit trail, got none"
        )

    def snapshot(self) -> dict[str, int]:
        """Return what `resumed` carries on from, as plain JSON."""
        return {"number": self.number, "recorded": self.recorded}

    def change(self, transitions: Iterable[Mapping[str, Any]]) -> None:
        """Record changes of state that are not in the trail yet.

        Parameters
        ----------
        transitions : iterable of mapping
            `Transition.to_dict` of each, in order.

        Raises
        ------
        TrailError
            If one cannot be recorded; those that could be are not recorded again.
        """
        for said in transitions:
            if said["number"] > self.recorded:
                self._record(CHANGED, old=said["before"], new=dict(said), reason=said["reason"])
                self.recorded = said["number"]

    def close(self, reason: str) -> None:
        """Record that the batch has ended."""
        self._record(CLOSED, reason=reason)

    def abort(self, reason: str) -> None:
        """Record that the batch was given up, and why."""
        self._record(ABORTED, reason=reason)

    def _record(self, action: str, *, old: Any = None, new: Any = None, reason: str) -> None:
        self._trail.record(
            action,
            kind="batch",
            id=self._batch,
            old=old,
            new=new,
            reason=reason,
            artefact=self._artefact,
            run=self.number,
        )
