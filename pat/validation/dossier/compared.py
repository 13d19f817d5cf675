"""Item 11.4 and on: thief samples or dosage units beside what the sensor said of the same blends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from pat.core.endpoint import State
from pat.core.types import Array
from pat.errors import InputError
from pat.method import Method
from pat.profiles import Profile
from pat.validation.dossier.item import Item, Verdict, judged
from pat.validation.gate import Criterion
from pat.validation.parallel import Parallel, compare_groups, compare_pairs

_LEAST_BATCHES = 3


def compared(method: Method, profiles: Sequence[Profile], parallel: pd.DataFrame | None) -> Iterator[Item]:
    """Compare the readings in state UNIFORM with samples that were taken of the same blends.

    Parameters
    ----------
    method : Method
    profiles : sequence of Profile
        The validation blends, as the scorer followed them.
    parallel : DataFrame, optional
        Columns ``batch`` and ``value``: content of each sample, in the units of the analyte.

    Raises
    ------
    InputError
        If a sample is of a blend that was not followed, or no blend of the samples was ever uniform.
    """
    asked = "Mean of samples beside that of the readings in state UNIFORM"
    if parallel is None:
        yield Item("11.4", "Parallel samples", asked, "no thief samples or dosage units were given", Verdict.NOT_SHOWN)
        return
    margin = method.validation.parallel_margin
    if margin is None:
        raise InputError("samples can be judged only by a margin: expected validation.parallel_margin in the method")
    pairs = {batch: (said, rows) for batch, said, rows in _pairs(profiles, parallel)}
    for i, (batch, (said, rows)) in enumerate(pairs.items(), start=4):
        yield _item(f"11.{i}", f"Parallel samples: {batch}", asked, compare_groups(said, rows, margin=margin), method)
    if len(pairs) >= _LEAST_BATCHES:
        means = np.array([[said.mean(), rows.mean()] for said, rows in pairs.values()])
        over = compare_pairs(means[:, 0], means[:, 1], margin=margin)
        yield _item(f"11.{4 + len(pairs)}", "Parallel samples: over batches", asked, over, method)


def _pairs(profiles: Sequence[Profile], parallel: pd.DataFrame) -> Iterator[tuple[str, Array, Array]]:
    followed = {profile.batch: profile for profile in profiles}
    for batch, rows in parallel.groupby("batch", sort=True):
        profile = followed.get(str(batch))
        if profile is None:
            raise InputError(f"samples must be of validation blends ({', '.join(followed) or 'none'}), got {batch}")
        uniform = np.array([state == State.UNIFORM for state in profile.columns["state"]])
        if not uniform.any():
            raise InputError(f"samples of blend {batch} have nothing beside them: it was never declared uniform")
        yield str(batch), profile.numbers("value")[uniform], rows["value"].to_numpy(dtype=np.float64)


def _item(number: str, title: str, asked: str, found: Parallel, method: Method) -> Item:
    units, margin = method.analyte.units, method.validation.parallel_margin
    text = f"{found.bias.value:+.3f} ({found.bias.lower:+.3f} to {found.bias.upper:+.3f}) {units}, 90 % confidence"
    criterion = Criterion("parallel_margin", f"<= {margin:g} {units}", abs(found.bias.value), found.equivalent)
    return Item(
        number,
        title,
        f"{asked}: difference shown to be within ±{margin:g} {units} (two one-sided tests)",
        text,
        judged([criterion]),
        ("validation_blends", "parallel"),
        found.to_dict(),
        criterion,
    )
