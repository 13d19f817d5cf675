"""What a search space stands for, counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pat.errors import MethodError
from pat.method import Method
from pat.search.space import Space

AXIS = np.linspace(1000.0, 1600.0, 61)
METHOD = Method.from_document(
    {
        "name": "small",
        "version": 1,
        "product": "Two powders (simulated)",
        "analyte": {"name": "api", "units": "% w/w", "target": 10.0, "low": 6.0, "high": 14.0},
        "spectra": {"ranges": [[1000.0, 1590.0]]},
        "preprocessing": [{"step": "snv"}],
        "calibration": {"max_components": 4, "component_rule": "first_minimum", "scope_confidence": 0.999},
        "acceptance": {"max_rmsep": 0.5},
    }
)
SG: dict[str, Any] = {
    "step": "savitzky_golay",
    "window": {"one_of": [7, 9]},
    "polyorder": 2,
    "deriv": {"one_of": [1, 2]},
}
# Differences of single points with 3 between them: the 2 first and the 2 last points of a range are lost.
GAP: dict[str, Any] = {"step": "gap_segment", "deriv": 1, "segment": 1, "gap": 3}


def test_every_combination_is_a_chain() -> None:
    space = Space.from_document({"preprocessing": [["none", {"step": "snv"}], ["none", SG]]})
    chains, left_out = space.chains(METHOD, AXIS)
    # 2 alternatives, times nothing or 2 windows of 2 derivatives.
    assert len(chains) == 2 * (1 + 4)
    assert not left_out
    assert len({chain.key for chain in chains}) == 10
    assert len({chain.label for chain in chains}) == 10


def test_what_the_space_leaves_open_stays_as_the_method_says() -> None:
    [chain], _ = Space.from_document({"max_components": 2}).chains(METHOD, AXIS)
    document = chain.method.document()
    assert document["preprocessing"] == METHOD.document()["preprocessing"]
    assert document["spectra"] == METHOD.document()["spectra"]
    assert document["calibration"]["max_components"] == 2
    assert document["acceptance"] == METHOD.document()["acceptance"]


def test_a_combination_that_cannot_be_is_named_and_left_out() -> None:
    step = {"step": "savitzky_golay", "window": {"one_of": [7, 99]}, "polyorder": 2, "deriv": 1}
    chains, left_out = Space.from_document({"preprocessing": [[step]]}).chains(METHOD, AXIS)
    assert len(chains) == 1
    [line] = left_out
    assert "99" in line


def test_values_that_do_not_go_together_are_left_out() -> None:
    step = SG | {"window": {"one_of": [3, 7]}, "polyorder": {"one_of": [2, 4]}, "deriv": 1}
    chains, left_out = Space.from_document({"preprocessing": [["none", step]]}).chains(METHOD, AXIS)
    # Degree 4 through 3 points is no polynomial fit.
    assert len(chains) == 1 + 3
    [line] = left_out
    assert "polyorder: expected less than the window (3), got 4" in line


def test_a_chain_tries_no_more_components_than_it_keeps_wavelengths() -> None:
    # 60 points in 30 intervals: 2 in each, and the method's own range, which holds all 4 components.
    chains, left_out = Space.from_document({"intervals": {"count": 30}}).chains(METHOD, AXIS)
    assert not left_out
    assert [chain.method.calibration.max_components for chain in chains] == [4, *[2] * 30]
    # What the steps leave counts: of 7 points in the range 3.
    narrow = {"ranges": [[[1000.0, 1060.0]]], "preprocessing": [[{"step": "msc"}], ["none", GAP]]}
    chains, _ = Space.from_document(narrow).chains(METHOD, AXIS)
    assert [chain.method.calibration.max_components for chain in chains] == [4, 3]


def test_intervals_cover_the_axis_once_and_join_neighbours() -> None:
    space = Space.from_document({"intervals": {"count": 6, "joined": 2}})
    chains, _ = space.chains(METHOD, AXIS)
    # The method's own range, 6 intervals, and 5 pairs of neighbours.
    assert len(chains) == 1 + 6 + 5
    axes = [chain.method.treatment(AXIS).wavelength for chain in chains]
    # The method keeps 60 points: 10 in each interval, every point in one of them.
    assert np.array_equal(np.concatenate(axes[1:7]), axes[0])
    assert [axis.size for axis in axes] == [60, *[10] * 6, *[20] * 5]


def test_the_same_chain_is_tried_once() -> None:
    ranges = [[[1000.0, 1590.0]], [[1000.0, 1590.0]]]
    chains, _ = Space.from_document({"ranges": ranges}).chains(METHOD, AXIS)
    assert len(chains) == 1


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, "must have some of the keys"),
        ({"range": []}, "range: expected one of"),
        ({"ranges": [[1000.0, 1200.0]]}, r"ranges\.0\.0: expected \[low, high\]"),
        ({"intervals": {"count": 1}}, "intervals: expected"),
        ({"intervals": {"count": 4, "joined": 4}}, "intervals: expected"),
        ({"preprocessing": [["snv"]]}, r"preprocessing\.0\.0: expected a step or `none`"),
        ({"preprocessing": [[]]}, r"preprocessing\.0: expected at least one"),
        ({"preprocessing": [[{"step": "snv", "x": {"one_of": []}}]]}, r"preprocessing\.0\.0\.x: expected"),
        ({"max_components": 0}, "max_components: expected"),
        ({"intervals": {"count": 31}}, "intervals: expected at most 30 of them, two wavelengths in each, got 31"),
        ({"preprocessing": [[SG | {"window": 99}]]}, "no chain of the search space fits the spectra:\n.*99"),
        ({"preprocessing": [["none", {"step": "snvv"}]]}, r'preprocessing\.0\.1\.step: expected one of .*, got "snvv"'),
        ({"preprocessing": [[{"step": {"one_of": ["snv", "mcs"]}}]]}, r'preprocessing\.0\.0\.step: .*, got "mcs"'),
        ({"preprocessing": [[{"stepp": "snv"}]]}, r"preprocessing\.0\.0: expected a key `step`, got"),
        ({"preprocessing": [["none", {"step": "snv", "weights": 3}]]}, r"\.0\.1\.weights: expected no such key, got 3"),
        ({"preprocessing": [[SG | {"window": {"oneof": [7]}}]]}, r"\.0\.0\.window: expected a valid integer, got"),
        ({"preprocessing": [["none"], ["none", SG | {"windows": 7}]]}, r"preprocessing\.1\.1\.windows: expected no"),
        ({"preprocessing": [[{"step": "savitzky_golay", "window": 7}]]}, r"\.0\.0\.polyorder: expected a value"),
        ({"preprocessing": [[SG | {"window": {"one_of": [1, 7]}}]]}, r"\.0\.0\.window: expected greater than or equal"),
        ({"preprocessing": [[SG | {"window": {"one_of": [8, 10]}}]]}, r"\.0\.0\.window: expected an odd number"),
        (
            {"preprocessing": [[{"step": "interpolate", "target": {"low": 1e3, "high": 1100.0, "spacings": 5.0}}]]},
            r"preprocessing\.0\.0\.target\.spacings: expected no such key, got 5",
        ),
    ],
)
def test_a_wrong_document_says_where(document: dict[str, Any], expected: str) -> None:
    with pytest.raises(MethodError, match=expected):
        Space.from_document(document).chains(METHOD, AXIS)


def test_a_file_is_named_in_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("ranges: 7\n", encoding="utf-8")
    with pytest.raises(MethodError, match="space.yaml: ranges: expected a list"):
        Space.load(path)
