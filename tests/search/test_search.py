"""A method search against calibrations made one by one, and against loops that share nothing (simulated spectra)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from sklearn.cross_decomposition import PLSRegression

from pat import compute
from pat.calibration import calibrate
from pat.core.preprocess import Treatment, fit_treatment
from pat.errors import InputError
from pat.method import Method
from pat.search import Space, leaderboard, search, write_search
from pat.search.results import ChainScore, OuterFold, conclude
from pat.search.writing import chosen_method
from tests import small_campaign

SG: dict[str, Any] = {"step": "savitzky_golay", "window": {"one_of": [7, 9]}, "polyorder": 2, "deriv": 1}
SPACE = Space.from_document({"preprocessing": [["none", {"step": "snv"}], ["none", SG, {"step": "detrend"}]]})


@pytest.fixture(scope="module")
def method() -> Method:
    return Method.from_document(yaml.safe_load(small_campaign.YAML))


@pytest.fixture(scope="module")
def raw() -> xr.Dataset:
    return small_campaign.dataset()


def test_every_chain_scores_what_its_own_calibration_gives(method: Method, raw: xr.Dataset) -> None:
    found = search(method, SPACE, raw, n_outer=0)
    chains, _ = SPACE.chains(method, raw["wavelength"].values)
    assert len(found.scores) == len(chains) == 8
    by_key = {score.key: score for score in found.scores}
    for chain in chains:
        alone = calibrate(chain.method, raw)
        score = by_key[chain.key]
        np.testing.assert_allclose(score.rmsecv, alone.cross_validation.rmsecv, rtol=1e-8)
        np.testing.assert_allclose(score.rmsecv_se, alone.cross_validation.rmsecv_se, rtol=1e-6)
        assert score.n_components == alone.model.n_components


def _batch(raw: xr.Dataset) -> Any:
    return np.array(raw["batch"].values.tolist())


def test_a_step_that_learns_does_so_without_the_fold(method: Method, raw: xr.Dataset) -> None:
    # Brute force: for each batch, MSC and PLS (scikit-learn) from the other batches alone.
    space = Space.from_document({"preprocessing": [[{"step": "msc", "reference": "calibration"}]], "max_components": 2})
    [score] = search(method, space, raw, n_outer=0).scores
    names = sorted(n for n in np.unique(_batch(raw)) if n.startswith("C"))
    batch, y, x = _batch(raw), raw["api"].values, raw["absorbance"].values
    wavelength, squares = raw["wavelength"].values, []
    for name in names:
        out, train = batch == name, np.isin(batch, names) & (batch != name)
        steps = fit_treatment(wavelength, [], [{"step": "msc", "reference": "calibration"}], x[train])
        treat = Treatment(wavelength, [], steps)
        model = PLSRegression(2, scale=False).fit(treat(x[train]), y[train])
        squares.append((model.predict(treat(x[out])).ravel() - y[out]) ** 2)
    assert score.rmsecv[1] == pytest.approx(float(np.sqrt(np.mean(squares))), rel=1e-8)


def test_the_nested_estimate_chooses_without_the_fold_that_judges(method: Method, raw: xr.Dataset) -> None:
    found = search(method, SPACE, raw, n_outer=3)
    names = sorted(n for n in np.unique(_batch(raw)) if n.startswith("C"))
    chains, _ = SPACE.chains(method, raw["wavelength"].values)
    squares = 0.0
    for i in range(3):  # the groups are dealt out in turn
        outer = names[i::3]
        inner = [name for name in names if name not in outer]
        fits = [calibrate(chain.method, raw, inner) for chain in chains]
        best = min(fits, key=lambda c: c.cross_validation.rmsecv[c.model.n_components - 1])
        treat = best.method.treatment(raw["wavelength"].values)
        rows = np.isin(_batch(raw), outer)
        predicted = (treat(raw["absorbance"].values[rows]) - best.model.x_mean) @ best.model.coefficients[-1]
        squares += float(((predicted + float(best.model.y_mean) - raw["api"].values[rows]) ** 2).sum())
    assert found.nested is not None
    n = sum(int((_batch(raw) == name).sum()) for name in names)
    assert found.nested.rmse == pytest.approx(np.sqrt(squares / n), rel=1e-8)
    assert len(found.nested.chosen) == 3


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_the_same_answer_wherever_it_is_computed(method: Method, raw: xr.Dataset, scheduler: str) -> None:
    expected = search(method, SPACE, raw, n_outer=2)
    with compute.scheduler(scheduler):
        assert search(method, SPACE, raw, n_outer=2) == expected


def test_a_search_goes_on_where_it_was_interrupted(method: Method, raw: xr.Dataset, tmp_path: Path) -> None:
    whole = search(method, SPACE, raw, folder=tmp_path / "search", n_outer=2)
    kept = sorted((tmp_path / "search" / "chains").iterdir())
    assert len(kept) == len(whole.scores)
    # What is there is not computed again: a score that was altered comes back as it is found.
    document = json.loads(kept[0].read_bytes())
    document["label"] = "kept"
    kept[0].write_text(json.dumps(document), encoding="utf-8")
    kept[1].write_bytes(kept[1].read_bytes()[:40])  # as a crash outside our own writing could leave it
    again = search(method, SPACE, raw, folder=tmp_path / "search", n_outer=2)
    assert "kept" in {score.label for score in again.scores}
    assert {score.key for score in again.scores} == {score.key for score in whole.scores}


def test_a_folder_of_another_search_is_left_alone(method: Method, raw: xr.Dataset, tmp_path: Path) -> None:
    search(method, SPACE, raw, folder=tmp_path / "search", n_outer=0)
    with pytest.raises(InputError, match="another outer_folds"):
        search(method, SPACE, raw, folder=tmp_path / "search", n_outer=2)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="something else"):
        search(method, SPACE, raw, folder=tmp_path / "mine", n_outer=0)


def test_a_chain_that_cannot_be_calibrated_stops_no_other(method: Method, raw: xr.Dataset) -> None:
    # Two wavelengths hold no four components, but two.
    axis = raw["wavelength"].values
    ranges = [[[float(axis[0]), float(axis[1])]], [[float(axis[0]), float(axis[-1])]]]
    steps = [["none"], ["none", {"step": "snv"}]]
    found = search(method, Space.from_document({"ranges": ranges, "preprocessing": steps}), raw, n_outer=0)
    assert len(found.scores) == 4
    assert found.scores[-1].problem
    assert found.winner.n_components >= 1


def test_the_method_that_won_can_be_calibrated(method: Method, raw: xr.Dataset, tmp_path: Path) -> None:
    space = Space.from_document({"preprocessing": [[{"step": "msc", "reference": "calibration"}]]})
    found = search(method, space, raw, n_outer=0)
    chosen = chosen_method(found, method, space, raw)
    paths = write_search(tmp_path, found, chosen)
    assert [path.name for path in paths] == ["leaderboard.json", "leaderboard.svg", "method.yaml"]
    loaded = Method.load(tmp_path / "method.yaml")
    assert loaded == chosen
    assert loaded.version == method.version + 1
    assert calibrate(loaded, raw).figures["rmsecv"] < 1.0
    assert len(leaderboard(found)) == 1


def test_the_nested_estimate_by_hand() -> None:
    # Two chains, two outer folds: A wins inside the first (0.1 < 0.2), B inside the second (0.3 < 0.4).
    of_a = OuterFold(1, 0.1, (1.0, 3.0), (5, 5)), OuterFold(1, 0.4, (1.0,), (6,))
    of_b = OuterFold(1, 0.2, (9.0, 0.0), (5, 5)), OuterFold(1, 0.3, (12.0,), (6,))
    a, b = ChainScore("a", "A", (0.15,), (0.01,), 1, of_a), ChainScore("b", "B", (0.25,), (0.01,), 1, of_b)
    found = conclude([b, a], [])
    assert found.winner.label == "A"
    assert found.nested is not None
    assert found.nested.rmse == pytest.approx(np.sqrt((4.0 + 12.0) / 16))
    assert found.nested.chosen == ("A", "B")
    # Groups of 5, 5 and 6 spectra with squares 1, 3 and 12, mean square 1: residuals -4, -2 and 6.
    assert found.nested.standard_error == pytest.approx(np.sqrt(3 / 2 * 56 / 16**2) / 2)
    assert ChainScore.from_dict(json.loads(json.dumps(a.to_dict()))) == a


def test_nothing_that_can_be_calibrated_is_an_error() -> None:
    with pytest.raises(InputError, match="no chain could be calibrated: A: too few"):
        conclude([ChainScore("a", "A", problem="too few")], [])
