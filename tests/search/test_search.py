"""A method search against calibrations made one by one, and against loops that share nothing (simulated spectra)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from sklearn.cross_decomposition import PLSRegression

from pat import compute
from pat.calibration import calibrate
from pat.cli.search import _text
from pat.core.preprocess import Treatment, fit_treatment
from pat.errors import InputError
from pat.method import Method
from pat.search import Space, evaluate, leaderboard, search, write_search
from pat.search.evaluate import outer_folds
from pat.search.results import ChainScore, OuterFold, conclude
from pat.search.writing import chosen_method
from pat.treatment import treat
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


def test_a_range_that_holds_few_wavelengths_is_tried_with_few_components(method: Method, raw: xr.Dataset) -> None:
    axis = raw["wavelength"].values
    gap = {"step": "gap_segment", "deriv": 1, "segment": 1, "gap": 1}
    space = Space.from_document(
        {"ranges": [[[float(axis[4]), float(axis[8])]]], "preprocessing": [["none", gap]], "max_components": 5}
    )
    found = search(method, space, raw, n_outer=2)
    by_key = {score.key: score for score in found.scores}
    chains, left_out = space.chains(method, axis)
    assert not left_out
    for chain, most in zip(chains, (5, 3), strict=True):
        alone = calibrate(chain.method, raw)
        assert len(by_key[chain.key].rmsecv) == most
        np.testing.assert_allclose(by_key[chain.key].rmsecv, alone.cross_validation.rmsecv, rtol=1e-7)
    assert chosen_method(found, method, space, raw).calibration.max_components == len(found.winner.rmsecv)


LEARNING: dict[str, list[dict[str, Any]]] = {
    "msc": [{"step": "msc"}, {"step": "detrend"}],
    "emsc, centre, scale": [{"step": "emsc", "degree": 1}, {"step": "centre"}, {"step": "scale"}],
    "osc": [{"step": "snv"}, {"step": "osc", "n_components": 1}, {"step": "select", "ranges": [[1010.0, 1200.0]]}],
    "epo": [{"step": "msc"}, {"step": "epo", "spectra": {"batches": ["N1", "N2"]}, "n_components": 1}],
    "epo alone": [{"step": "epo", "spectra": {"batches": ["N1", "N2"]}, "n_components": 1}, {"step": "detrend"}],
}


@pytest.mark.parametrize("steps", LEARNING.values(), ids=LEARNING.keys())
def test_what_learns_scores_what_its_own_calibration_gives(
    method: Method, steps: list[dict[str, Any]], tmp_path: Path
) -> None:
    raw = small_campaign.dataset(new_reference="interference")
    raw["api"][[2, 11]] = np.nan
    space = Space.from_document({"preprocessing": [[step] for step in steps]})
    found = search(method, space, raw, n_outer=0)
    write_search(tmp_path, found, chosen_method(found, method, space, raw))
    calibration = calibrate(Method.load(tmp_path / "method.yaml"), raw)
    np.testing.assert_allclose(found.winner.rmsecv, calibration.cross_validation.rmsecv, rtol=1e-8)
    assert found.winner.n_components == calibration.model.n_components
    assert found.winner.error == pytest.approx(calibration.figures["rmsecv"], rel=1e-8)


def test_treated_spectra_are_refused(method: Method, raw: xr.Dataset) -> None:
    with pytest.raises(InputError, match="steps that learn must learn anew .*: expected raw spectra, got treated ones"):
        search(Method.from_document({**method.document(), "preprocessing": []}), SPACE, treat(method, raw))


def test_treated_spectra_that_are_not_held_are_treated_anew(
    method: Method, raw: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = search(method, SPACE, raw, n_outer=2)
    monkeypatch.setattr(evaluate, "_HELD", 0)
    assert search(method, SPACE, raw, n_outer=2) == held


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
    # Two wavelengths do not tell a quadratic from a spectrum.
    axis = raw["wavelength"].values
    ranges = [[[float(axis[0]), float(axis[1])]], [[float(axis[0]), float(axis[-1])]]]
    steps = [["none", {"step": "emsc", "degree": 2}]]
    found = search(method, Space.from_document({"ranges": ranges, "preprocessing": steps}), raw, n_outer=0)
    assert len(found.scores) == 4
    assert [bool(score.problem) for score in found.scores] == [False, False, False, True]
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


def test_a_winner_with_few_components_proposes_no_more_of_them(method: Method, raw: xr.Dataset) -> None:
    # SNV leaves spectra of mean 0: five wavelengths after it have rank 4, and five components are asked for.
    axis = raw["wavelength"].values
    space = Space.from_document(
        {"ranges": [[[float(axis[0]), float(axis[4])]]], "preprocessing": [[{"step": "snv"}]], "max_components": 5}
    )
    found = search(method, space, raw, n_outer=0)
    chosen = chosen_method(found, method, space, raw)
    assert chosen.calibration.max_components == len(found.winner.rmsecv) == 4
    again = calibrate(chosen, raw)
    assert again.model.n_components == found.winner.n_components
    assert again.figures["rmsecv"] == pytest.approx(found.winner.error, rel=1e-8)


@pytest.mark.parametrize("n_outer", [-1, 1, 7, 9])
def test_outer_folds_without_groups_are_refused(n_outer: int) -> None:
    with pytest.raises(InputError, match=f"from 2 to 6 of 6 groups.*got {n_outer}"):
        outer_folds(6, n_outer)


def test_the_terminal_says_what_was_left_out_and_why(method: Method) -> None:
    scores = [ChainScore("a", "A", (0.15,), (0.01,), 1), *(ChainScore(k, k, problem=f"no {k}") for k in "pqrs")]
    text = _text(conclude(scores, ["B: too wide"]), method, Path("out"))
    assert "chains: 5\ncombinations left out as no method: 1\n  B: too wide\n" in text
    assert "could not be calibrated: 4\n  p: no p\n  q: no q\n  r: no r\n  ... and 1 more" in text
    assert " inf " not in text
    assert "RMSECV 0.15 % w/w with 1 component\n" in text


def test_the_best_of_one_is_not_called_the_best_of_many(method: Method) -> None:
    outer = OuterFold(2, 0.1, (1.0, 3.0), (5, 5)), OuterFold(2, 0.4, (1.0,), (6,))
    one = ChainScore("a", "A", (0.2, 0.1), (0.01, 0.01), 2, outer)
    text, both = (_text(conclude(s, []), method, Path("out")) for s in ([one], [one, replace(one, key="b")]))
    assert "with 2 components\nwith the choice made without the batches that judge it, 0.559" in text
    assert "the best of many is good partly by luck: with the choice made" in both


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
    # Groups of 5, 5 and 6 spectra with squares 1, 3 and 12, mean square 1. Their residuals -4, -2 and 6 give the root
    # mean square a standard error of sqrt(3 / 2 * 56) / 16 / 2 = 0.286; less than one error a group would give it,
    # sqrt((25 + 25 + 36) / 2) / 16 = 0.410. Student's t at 97.5 % and 2 degrees of freedom is 4.3027 (tables).
    np.testing.assert_allclose(np.log(found.nested.interval), [-4.3027 * 0.40984, 4.3027 * 0.40984], rtol=1e-4)
    assert found.nested.in_words("mg") == "1 mg, 95 % interval 0.17 to 5.8"
    assert ChainScore.from_dict(json.loads(json.dumps(a.to_dict()))) == a


def test_nothing_that_can_be_calibrated_is_an_error() -> None:
    with pytest.raises(InputError, match="no chain could be calibrated: A: too few"):
        conclude([ChainScore("a", "A", problem="too few")], [])
