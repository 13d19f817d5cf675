"""Proof of the verdicts: a blend that the laboratory knows, followed again, must give the same readings.

`Scorer.load` proves the predictions, which takes no time. Following a blend takes longer than loading may, so this is
asked for: by ``pat verify``, by export and by retraining.
"""

from __future__ import annotations

import math

import numpy as np

from pat.artefact import BLEND_NUMBERS, BLEND_TEXTS, Arrays
from pat.core.types import Array
from pat.errors import ArtefactError
from pat.scorer.scorer import Scorer

# Another CPU kernel moves the last digits; a rule that answers further off is another rule.
BLEND_TOLERANCE = 1e-9


def follow_known(scorer: Scorer, absorbance: Array, revolution: Array) -> Arrays:
    """Follow a blend, and return it with what is known after each of its spectra.

    Parameters
    ----------
    scorer : Scorer
        With an end-point rule.
    absorbance : ndarray of shape (m, p)
        Raw spectra (AU) in their order.
    revolution : ndarray of shape (m,)
        Their revolutions; NaN where none is known.

    Returns
    -------
    dict of str to ndarray
        As `pat.artefact.Artefact.known_blend`.
    """
    blend = scorer.start("known blend")
    turns = [None if math.isnan(turn) else int(turn) for turn in revolution.tolist()]
    rows = [blend.update(x, turn).to_dict() for x, turn in zip(absorbance, turns, strict=True)]
    texts = {name: np.array([row[name] for row in rows], dtype=np.str_) for name in BLEND_TEXTS}
    numbers = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in BLEND_NUMBERS}
    return {"absorbance": absorbance, "revolution": revolution, **texts, **numbers}


def blend_errors(found: Arrays, known: Arrays) -> dict[str, float]:
    """Return the largest error of each column of a followed blend against the known one; infinite where texts differ.

    Errors are relative; that of the evidence, a share, is not.
    """
    texts = {name: 0.0 if np.array_equal(found[name], known[name]) else math.inf for name in BLEND_TEXTS}
    return texts | {name: _error(found[name], known[name], name != "evidence") for name in BLEND_NUMBERS}


def _error(found: Array, known: Array, relative: bool) -> float:
    if known.dtype.kind != "f" or known.shape != found.shape or not np.array_equal(np.isnan(found), np.isnan(known)):
        return math.inf
    there = ~np.isnan(known)
    off = np.abs(found[there] - known[there])
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.where(off > 0.0, off / (np.abs(known[there]) if relative else 1.0), 0.0)
    return float(off.max(initial=0.0))


def require_known_blend(scorer: Scorer, known: Arrays | None, where: object) -> None:
    """Refuse an artefact whose known blend gets other readings here than in the laboratory.

    Parameters
    ----------
    scorer : Scorer
        Of the artefact.
    known : dict of str to ndarray, or None
        The artefact's known blend; None for one without a rule, which has nothing to prove.
    where : object
        What the artefact is called in messages.

    Raises
    ------
    ArtefactError
        If a status or a state is another one, or a number is off by more than 1e-9.
    """
    if known is None:
        return
    if not known["revolution"].size:
        raise ArtefactError(f"{where}: the known blend must hold at least 1 reading, got 0")
    try:
        errors = blend_errors(follow_known(scorer, known["absorbance"], known["revolution"]), known)
    except (ValueError, TypeError) as error:  # arrays that do not fit together
        raise ArtefactError(f"{where}: the known blend cannot be followed: {error}") from error
    for name, off in errors.items():
        if not off <= BLEND_TOLERANCE:
            raise ArtefactError(
                f"{where}: the known blend's {name} must come out as in the laboratory (within {BLEND_TOLERANCE:g}), "
                f"got one that is off by {off:.3g}"
            )
