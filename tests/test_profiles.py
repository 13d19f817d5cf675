"""A followed blend as columns: what was said, with as much of the truth as is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pat import plots
from pat.assembly import assemble
from pat.errors import InputError
from pat.profiles import TRUTH, Profile, follow, follow_and_judge, load_profiles, profile_of, save_profiles
from pat.scorer import Scorer
from pat.spectra import select_batches
from pat.validation.endpoints import judge_endpoint
from tests.validated import Validated, validated

BATCH = "B0"


@pytest.fixture(scope="module")
def made() -> Validated:
    return validated()


@pytest.fixture(scope="module")
def scorer(made: Validated) -> Scorer:
    return Scorer(assemble(made.method, made.calibration, made.homogeneity))


@pytest.fixture(scope="module")
def run(made: Validated) -> xr.Dataset:
    return select_batches(made.raw, [BATCH]).compute()


def truth_of(made: Validated, *columns: str) -> pd.DataFrame:
    """What the campaign knows of the batch, as a table of truth with these columns of numbers."""
    columns_of = next(p for p in made.validation.profiles if p.batch == BATCH).columns
    table = pd.DataFrame({name: columns_of[name] for name in ("revolution", "uniform", *columns)})
    return table.assign(batch=BATCH, state=np.where(table["uniform"] > 0, "uniform", "mixing"))


def test_a_profile_is_what_the_scorer_said(made: Validated, scorer: Scorer, run: xr.Dataset) -> None:
    readings = list(follow(scorer, BATCH, run))
    profile, case = follow_and_judge(scorer, run, truth_of(made, *TRUTH[:-1]), kind="fast")
    np.testing.assert_array_equal(profile.numbers("blend_rsd_upper"), [r.blend_rsd_upper for r in readings])
    assert profile.columns["state"] == [r.state.value for r in readings]
    assert (profile.kind, profile.true_endpoint) == ("fast", case.true_endpoint)
    assert case == judge_endpoint(readings, truth_of(made), kind="fast")


def test_other_batches_in_the_truth_are_ignored(made: Validated, scorer: Scorer, run: xr.Dataset) -> None:
    known = truth_of(made)
    more = pd.concat([known.assign(batch="X", uniform=np.nan), known, known.assign(batch="Y", state=None)])
    assert follow_and_judge(scorer, run, more) == follow_and_judge(scorer, run, known)


def test_a_batch_without_truth_is_refused(made: Validated, scorer: Scorer, run: xr.Dataset) -> None:
    with pytest.raises(InputError, match="the truth says nothing of batch 'B0'"):
        follow_and_judge(scorer, run, truth_of(made).assign(batch="B1"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.iloc[:-2], "batch 'B0': expected every revolution that was read, got none of 199 to 200"),
        (lambda t: pd.concat([t, t.iloc[[4]]]), "batch 'B0': expected each revolution once, got twice 5"),
        (lambda t: t.assign(uniform=np.nan), "batch 'B0': expected `uniform` to be 0 or 1"),
    ],
)
def test_a_truth_that_is_none_is_refused(made, scorer, run, change, message: str) -> None:
    wrong = change(truth_of(made))
    with pytest.raises(InputError, match=message):
        follow_and_judge(scorer, run, wrong)
    with pytest.raises(InputError, match=message):
        profile_of(list(follow(scorer, BATCH, run)), None, wrong)


def test_a_truth_without_numbers_is_enough_to_judge_by_and_to_draw(
    made: Validated, scorer: Scorer, run: xr.Dataset, tmp_path: Path
) -> None:
    profile, case = follow_and_judge(scorer, run, truth_of(made))
    assert not {"true_value", "true_mean", "true_rsd"} & set(profile.columns)
    assert case.true_endpoint is not None
    labels = {str(line.get_label()) for ax in plots.blend_profile(profile, made.method).axes for line in ax.lines}
    assert "blend, upper bound" in labels
    assert not {"true mean", "true RSD"} & labels
    save_profiles(tmp_path / "p.json", [profile])
    assert load_profiles(tmp_path / "p.json") == [profile]


def test_a_number_that_is_not_known_is_none(made: Validated, scorer: Scorer, run: xr.Dataset, tmp_path: Path) -> None:
    holed = truth_of(made, "true_rsd")
    holed.loc[3, "true_rsd"] = np.nan
    profile, _ = follow_and_judge(scorer, run, holed)
    assert profile.columns["true_rsd"][3] is None
    assert np.flatnonzero(np.isnan(profile.numbers("true_rsd"))).tolist() == [3]
    save_profiles(tmp_path / "p.json", [replace(profile, kind="x")])
    assert isinstance(load_profiles(tmp_path / "p.json")[0], Profile)
