"""The order of things: validated, signed by its author, reviewed, approved, and only then released."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from pat.artefact import Artefact
from pat.errors import ArtefactError, Refusal
from pat.release.signatures import STEPS, Signature
from pat.trust import times

DONE = {"authorship": "signed by its author", "review": "reviewed", "approval": "approved"}


def require_validated(found: Artefact, where: object) -> None:
    """Refuse an artefact whose validation did not pass, or was one of another content.

    Raises
    ------
    ArtefactError
        If so.
    """
    if found.validation.get("passed") is not True:
        raise ArtefactError(f"{where}: its validation did not pass, and nobody signs it")
    of = found.validation.get("digest", found.content.digest)
    if of != found.content.digest:
        raise ArtefactError(f"{where}: its validation was one of {of}, its content is {found.content.digest}")


def refuse_step(meaning: str, person: str, name: str, given: Sequence[Signature], stale: Sequence[Signature]) -> None:
    """Refuse a step that is not due, or not this person's.

    Parameters
    ----------
    meaning : str
        The step: one of `STEPS`, or "release".
    person, name : str
        Who is to sign.
    given : sequence of Signature
        Proven signatures of these very bytes.
    stale : sequence of Signature
        Signatures of this content, but of other bytes.

    Raises
    ------
    Refusal
        If the step before is missing, a later one was done, or the person has signed in another step.
    """
    order = (*STEPS, "release")
    done = {said.meaning for said in given}
    if meaning != order[0]:
        _require_before(order[order.index(meaning) - 1], meaning, done, stale)
    for later in order[order.index(meaning) + 1 :]:
        if later in done:
            raise Refusal(f"a signature of {meaning} comes too late: the artefact has been {DONE[later]} already")
    for said in given:
        if said.person == person:
            _refuse_again(meaning, name, said)


def _require_before(before: str, meaning: str, done: set[str], stale: Sequence[Signature]) -> None:
    if before in done:
        return
    if old := [said for said in stale if said.meaning == before]:
        raise Refusal(
            f"for {meaning} the artefact must have been {DONE[before]}, and the signature of {old[-1].printed_name} of "
            f"{old[-1].time} is one of other bytes (manifest {old[-1].manifest_sha256}): sign this artefact anew"
        )
    raise Refusal(f"for {meaning} the artefact must have been {DONE[before]}, and it has not")


def _refuse_again(meaning: str, name: str, said: Signature) -> None:
    if meaning == "release" and said.meaning == "approval":
        return  # whoever approves may release: the release is a record of its own
    if said.meaning == "authorship" and meaning != "authorship":
        raise Refusal(f"{name} is the author: an author can neither review, approve nor release the own artefact")
    raise Refusal(f"{name} has signed this artefact already ({said.meaning}): a person signs an artefact once")


def require_whole(given: Sequence[Signature], releaser: Signature, where: object) -> None:
    """Refuse a release whose signatures do not make a whole sequence by different persons.

    Parameters
    ----------
    given : sequence of Signature
        Proven signatures.
    releaser : Signature
        That of the release.
    where : object
        What it is called in messages.

    Raises
    ------
    ArtefactError
        If a step is missing or came before the one that it rests on, or a person signed in two of them.
    """
    ordered = in_order((*given, releaser))
    try:
        for i, said in enumerate(ordered):
            refuse_step(said.meaning, said.person, said.printed_name, ordered[:i], ())
    except Refusal as error:
        raise ArtefactError(f"{where}: {error}") from error
    for one, other in combinations(ordered, 2):
        if _rank(one) < _rank(other) and times.parse(other.time) < times.parse(one.time):
            raise ArtefactError(
                f"{where}: the {other.meaning} by {other.printed_name} is of {other.time}, and the {one.meaning} that "
                f"it rests on of {one.time}"
            )


def in_order(given: Iterable[Signature]) -> list[Signature]:
    """Return signatures by their steps, and within a step as they were made."""
    return sorted(given, key=lambda said: (_rank(said), times.parse(said.time)))


def _rank(said: Signature) -> int:
    return (*STEPS, "release").index(said.meaning)
