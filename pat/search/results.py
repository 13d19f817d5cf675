"""What a method search found: each chain's cross-validation, the leaderboard, and what choosing among them costs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pat.calibration.choice import rms_interval, rms_of_groups
from pat.errors import InputError
from pat.files import canonical_json, readable_json, write_bytes

_HEADER, _CHAINS = "search.json", "chains"


@dataclass(frozen=True)
class OuterFold:
    """One chain in one outer fold: chosen without the fold's batches, then tried on them.

    Attributes
    ----------
    n_components : int
        Chosen by cross-validation among the other batches.
    rmsecv : float
        Of that cross-validation (analyte units).
    squares : tuple of float
        Sum of squared errors on the spectra of each of the fold's own batches.
    sizes : tuple of int
        How many spectra those are.
    """

    n_components: int
    rmsecv: float
    squares: tuple[float, ...]
    sizes: tuple[int, ...]

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> OuterFold:
        """Return the fold that `ChainScore.to_dict` wrote; raises `TypeError` or `KeyError` for anything else."""
        return cls(**{**document, **{name: tuple(document[name]) for name in ("squares", "sizes")}})


@dataclass(frozen=True)
class ChainScore:
    """Cross-validation of one chain.

    Attributes
    ----------
    key, label : str
        Those of the chain.
    rmsecv, rmsecv_se : tuple of float
        By number of components, from 1 (analyte units); the standard error has groups as its unit.
    n_components : int
        What the method's rule chooses; 0 where the chain could not be calibrated.
    outer : tuple of OuterFold
        Empty where the nested estimate was not asked for.
    problem : str
        Why the chain could not be calibrated.
    """

    key: str
    label: str
    rmsecv: tuple[float, ...] = ()
    rmsecv_se: tuple[float, ...] = ()
    n_components: int = 0
    outer: tuple[OuterFold, ...] = ()
    problem: str = ""

    @property
    def error(self) -> float:
        """RMSECV with the chosen number of components; infinite where there is none."""
        return self.rmsecv[self.n_components - 1] if self.n_components else math.inf

    @property
    def standard_error(self) -> float:
        """Standard error of `error`; NaN where there is none."""
        return self.rmsecv_se[self.n_components - 1] if self.n_components else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return the score as plain JSON data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> ChainScore:
        """Return the score that `to_dict` wrote; raises `TypeError` or `KeyError` for anything else."""
        outer = tuple(OuterFold.from_dict(fold) for fold in document["outer"])
        curves = {name: tuple(document[name]) for name in ("rmsecv", "rmsecv_se")}
        return cls(**{**document, **curves, "outer": outer})


@dataclass(frozen=True)
class Nested:
    """Error of the whole procedure, choosing included, on batches that had no part in the choice.

    Attributes
    ----------
    rmse : float
        Root mean squared error over all outer folds (analyte units).
    interval : tuple of float
        Lower and upper end of a 95 % interval for the winner's error in new batches, or what else is left out together
        (`rms_interval`). It held that error in 93.5 % of simulated searches on 12 lots and 96.5 % of those
        on 24 (`benchmarks.nested`).
    chosen : tuple of str
        Label of the chain that won in each outer fold.
    """

    rmse: float
    interval: tuple[float, float]
    chosen: tuple[str, ...]

    def in_words(self, units: str) -> str:
        """Say the estimate and its interval, such as ``0.314 % w/w, 95 % interval 0.2 to 0.49``."""
        lower, upper = self.interval
        return f"{self.rmse:.4g} {units}, 95 % interval {lower:.2g} to {upper:.2g}"


@dataclass(frozen=True)
class Search:
    """A method search that has come to its end.

    Attributes
    ----------
    scores : list of ChainScore
        From the smallest RMSECV to the largest; chains that could not be calibrated last.
    left_out : list of str
        Combinations that are no method on this axis, and why.
    nested : Nested or None
        None where no outer folds were asked for.
    """

    scores: list[ChainScore]
    left_out: list[str]
    nested: Nested | None

    @property
    def winner(self) -> ChainScore:
        """The chain with the smallest RMSECV."""
        return self.scores[0]

    def to_dict(self) -> dict[str, Any]:
        """Return the leaderboard as plain JSON data."""
        return {
            "winner": self.winner.to_dict(),
            "nested": self.nested and asdict(self.nested),
            "chains": [score.to_dict() for score in self.scores],
            "left_out": self.left_out,
        }


def conclude(scores: Sequence[ChainScore], left_out: list[str]) -> Search:
    """Rank the chains, and estimate the error of the procedure that chose among them.

    Raises
    ------
    InputError
        If no chain could be calibrated.

    Notes
    -----
    The smallest of many RMSECV is small partly by luck. In each outer fold the chain with the smallest RMSECV
    *among the other batches* is the one whose errors on the fold count (double cross-validation; Stone, *J. R. Stat.
    Soc. B* 36 (1974) 111; Filzmoser, Liebmann and Varmuza, *J. Chemometrics* 23 (2009) 160).
    """
    ranked = sorted(scores, key=lambda score: (score.error, score.label))
    if not ranked or not math.isfinite(ranked[0].error):
        reasons = "; ".join(f"{score.label}: {score.problem}" for score in ranked[:3])
        raise InputError(f"no chain could be calibrated: {reasons}")
    return Search(ranked, left_out, _nested([score for score in ranked if score.outer]))


def _nested(scores: list[ChainScore]) -> Nested | None:
    if not scores:
        return None
    best: list[OuterFold] = []
    chosen = []
    for folds in zip(*(score.outer for score in scores), strict=True):
        i = min(range(len(folds)), key=lambda i: folds[i].rmsecv)
        best.append(folds[i])
        chosen.append(scores[i].label)
    squares, sizes = (np.concatenate([getattr(fold, name) for fold in best]) for name in ("squares", "sizes"))
    [rmse], _ = rms_of_groups(squares[:, None], sizes)
    return Nested(float(rmse), rms_interval(squares, sizes), tuple(chosen))


class Progress:
    """A search's folder: what the search is, and each chain's score as soon as it is known.

    Parameters
    ----------
    folder : path
    header : dict
        Plain JSON that says what is searched, on which data: scores of another search are never taken for ours.

    Raises
    ------
    InputError
        If the folder holds another search, or something else.
    """

    def __init__(self, folder: str | Path, header: dict[str, Any]) -> None:
        self.folder = Path(folder)
        self._header = header
        path = self.folder / _HEADER
        if not path.exists() and self.folder.exists() and any(self.folder.iterdir()):
            raise InputError(f"{self.folder}: expected a new folder or one with a search, got something else")
        if path.exists():
            self._require_same(path)
        (self.folder / _CHAINS).mkdir(parents=True, exist_ok=True)
        write_bytes(path, readable_json(header).encode())

    def _require_same(self, path: Path) -> None:
        try:
            found = json.loads(path.read_bytes())
        except ValueError as error:
            raise InputError(f"{path}: expected what `pat search` wrote, got {error}") from error
        if canonical_json(found) != canonical_json(self._header):
            differ = sorted(k for k in self._header if not isinstance(found, dict) or found.get(k) != self._header[k])
            raise InputError(
                f"{self.folder} holds a search with another {', '.join(differ)}: name another folder, or remove it"
            )

    def keep(self, score: ChainScore) -> None:
        """Write a chain's score; its file is there whole or not at all."""
        write_bytes(self._path(score.key), readable_json(score.to_dict()).encode())

    def known(self, key: str) -> ChainScore | None:
        """Return the score that was kept for a chain; None where there is none that can be read."""
        try:
            score = ChainScore.from_dict(json.loads(self._path(key).read_bytes()))
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return score if score.key == key else None

    def _path(self, key: str) -> Path:
        return self.folder / _CHAINS / f"{key}.json"
