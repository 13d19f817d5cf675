"""A followed blend as columns: what the scorer said at every revolution, with the truth beside it where known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from pat.errors import InputError
from pat.files import readable_json, write_bytes
from pat.scorer import Blend, Reading, Scorer
from pat.validation.endpoints import EndpointCase, checked_truth, judge_endpoint

NUMBERS = (
    "value",
    "block_mean",
    "block_rsd",
    "block_rsd_upper",
    "blend_rsd_upper",
    "mbsd",
    "moving_f",
    "evidence",
    "hotelling_t2",
    "q_residuals",
)
TRUTH = ("true_value", "true_mean", "true_rsd", "uniform")


@dataclass(frozen=True)
class Profile:
    """One blend, reading by reading.

    Attributes
    ----------
    batch : str
    kind : str
        What kind of run it was, where that is known; empty otherwise.
    true_endpoint : int or None
        Revolution from which the blend truly was uniform.
    found_endpoint : int or None
        Revolution at which the scorer declared it.
    limits : dict of str to float
        What the line compares with: largest ``hotelling_t2`` and ``q_residuals`` in scope, and from ``moving_f_low`` to
        ``moving_f_high`` adjoining blocks are steady; empty where that is not told.
    columns : dict of str to list
        ``revolution``, ``status``, ``state``, the numbers of `NUMBERS` (None where one does not exist), and the
        columns of `TRUTH` as far as the truth is known.
    """

    batch: str
    kind: str
    true_endpoint: int | None
    found_endpoint: int | None
    limits: dict[str, float]
    columns: dict[str, list[Any]]

    def numbers(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return a column as floats, NaN where there is no number."""
        return np.array([np.nan if v is None else v for v in self.columns[name]], dtype=np.float64)


def follow(scorer: Scorer, batch: str, run: xr.Dataset) -> Iterator[Reading]:
    """Follow a recorded run, spectrum by spectrum, as the line would.

    Parameters
    ----------
    scorer : Scorer
    batch : str
        Name of the batch.
    run : Dataset
        Raw spectra of that batch in their order.
    """
    return follow_on(scorer.start(batch), run)


def follow_on(blend: Blend, run: xr.Dataset) -> Iterator[Reading]:
    """Follow a recorded run (Dataset of raw spectra in their order) with a batch that was started."""
    absorbance = np.asarray(run["absorbance"].values)
    revolutions = run["revolution"].values if "revolution" in run.coords else [None] * absorbance.shape[0]
    for x, turn in zip(absorbance, revolutions, strict=True):
        yield blend.update(x, None if turn is None or np.isnan(turn) else int(turn))


def follow_and_judge(
    scorer: Scorer, run: xr.Dataset, truth: pd.DataFrame, *, kind: str = "", tolerance: int = 5
) -> tuple[Profile, EndpointCase]:
    """Follow a recorded run of one batch, and judge its end-point against the truth.

    Parameters
    ----------
    scorer : Scorer
    run : Dataset
        Raw spectra of one batch in their order.
    truth : DataFrame
        Truth of that batch, and maybe of others, which are ignored: ``batch``, ``revolution``, ``uniform``, ``state``
        and as many of the columns of `TRUTH` as are known.
    kind : str
        What kind of run it was.
    tolerance : int
        Revolutions before the truth that still count as on time.

    Raises
    ------
    InputError
        If the batch has no truth, or not one to judge by; see `pat.validation.endpoints.checked_truth`.
    """
    name = str(run["batch"].values[0])
    known = truth[truth["batch"].astype(str) == name]
    if known.empty:
        raise InputError(f"the truth says nothing of batch {name!r}")
    readings = list(follow(scorer, name, run))
    case = judge_endpoint(readings, known, kind=kind, tolerance=tolerance)
    return profile_of(readings, case, known, limits_of(scorer)), case


def limits_of(scorer: Scorer) -> dict[str, float]:
    """Return what a scorer compares T2, Q and the moving F with, for `Profile.limits`."""
    limits, rule = scorer.document["limits"], scorer.require_rule()
    high = rule.steady_ratio / rule.f_quantile
    scope = {name: float(limits[name]) for name in ("hotelling_t2", "q_residuals")}
    return scope | {"moving_f_low": 1.0 / high, "moving_f_high": high}


def profile_of(
    readings: Sequence[Reading],
    case: EndpointCase | None = None,
    truth: pd.DataFrame | None = None,
    limits: dict[str, float] | None = None,
) -> Profile:
    """Collect the readings of one batch, with its truth where that is known.

    Parameters
    ----------
    readings : sequence of Reading
        What `follow` returned.
    case : EndpointCase, optional
        The same readings judged against the truth.
    truth : DataFrame, optional
        Rows of that batch, as for `follow_and_judge`.
    limits : dict of str to float, optional
        What `limits_of` says of the scorer.

    Raises
    ------
    InputError
        If the truth is not one to judge by.
    """
    plain = [reading.to_dict() for reading in readings]
    columns = {name: [row[name] for row in plain] for name in ("revolution", "status", "state", *NUMBERS)}
    if truth is not None:
        known = checked_truth(truth, readings[0].batch, columns["revolution"]).set_index("revolution")
        told = known.loc[columns["revolution"], [name for name in TRUTH if name in known]]
        columns |= {str(name): _plain(values) for name, values in told.items()}
    return Profile(
        batch=readings[0].batch,
        kind=case.kind if case else "",
        true_endpoint=case.true_endpoint if case else None,
        found_endpoint=readings[-1].endpoint,
        limits=limits or {},
        columns=columns,
    )


def _plain(values: pd.Series) -> list[Any]:
    """Values of a column, None where there is none."""
    return [None if pd.isna(value) else value for value in values.tolist()]


def profiles_json(profiles: Sequence[Profile]) -> bytes:
    """Return profiles as plain JSON."""
    return readable_json([asdict(profile) for profile in profiles]).encode()


def profiles_of(data: bytes) -> list[Profile]:
    """Return the profiles in JSON that `profiles_json` made."""
    return [Profile(**document) for document in json.loads(data)]


def save_profiles(path: Path, profiles: Sequence[Profile]) -> None:
    """Write profiles as plain JSON."""
    write_bytes(path, profiles_json(profiles))


def load_profiles(path: Path) -> list[Profile]:
    """Read profiles that `save_profiles` wrote."""
    return profiles_of(path.read_bytes())
