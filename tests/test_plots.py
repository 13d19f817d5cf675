"""Every figure shows the numbers that it is about; its SVG repeats and is apart from the rest of a page."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from pat import plots
from pat.core.types import Array
from pat.errors import InputError
from pat.plots.style import GREEN, RED, broken
from pat.profiles import Profile
from tests.validated import Validated, validated


@pytest.fixture(scope="module")
def made() -> Validated:
    return validated()


@pytest.fixture(scope="module")
def found(made: Validated) -> Profile:
    return next(p for p in made.validation.profiles if p.found_endpoint is not None)


def lines(figure: Figure, axes: int = 0) -> list[Any]:
    return list(figure.axes[axes].lines)


def paths(figure: Figure, axes: int, collection: int = 0) -> list[Array]:
    """Vertices of each path of a collection."""
    return [np.asarray(path.vertices) for path in figure.axes[axes].collections[collection].get_paths()]


def line(figure: Figure, label: str, axes: int = 0) -> tuple[Any, Any]:
    """Points of the line with this label."""
    (chosen,) = [each for each in lines(figure, axes) if each.get_label() == label]
    return chosen.get_xdata(), chosen.get_ydata()


def declared(profile: Profile) -> int:
    assert profile.found_endpoint is not None
    return profile.found_endpoint


def text_of(figure: Figure) -> str:
    return "\n".join(item.get_text() for item in figure.findobj(mpl.text.Text))


def verticals(figure: Figure, axes: int = 0) -> dict[float, str]:
    """Colour of every vertical line, by where it stands."""
    upright = [each for each in lines(figure, axes) if len(set(each.get_xdata())) == 1 < len(each.get_xdata())]
    return {float(each.get_xdata()[0]): to_hex(each.get_color()) for each in upright}


def test_spectra_are_those_of_the_calibration_and_stop_at_gaps(made: Validated) -> None:
    figure = plots.spectra(made.calibration, made.raw, made.treated)
    raw, treated = paths(figure, 0), paths(figure, 1)
    inside = np.isin(made.raw["batch"].values.tolist(), made.calibration.batches)
    np.testing.assert_array_equal([s[:, 1] for s in raw], made.raw["absorbance"].values[inside])
    assert len(treated) == inside.sum()
    # The method leaves 1240 to 1300 nm out: no segment of a line may cross that.
    assert all(np.nanmax(np.diff(s[:, 0])) < 10.0 for s in treated)


def test_at_most_120_spectra_are_shown(made: Validated) -> None:
    many = made.raw.isel(spectrum=np.tile(np.arange(32), 10))
    treated = made.treated.isel(spectrum=np.tile(np.arange(32), 10))
    figure = plots.spectra(made.calibration, many, treated)
    assert len(paths(figure, 0)) == 120


def test_a_line_is_broken_at_gaps_alone() -> None:
    axis, values = broken(np.array([1.0, 2.0, 3.0, 7.0, 8.0]), np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]))
    np.testing.assert_array_equal(axis, [1.0, 2.0, 3.0, np.nan, 7.0, 8.0])
    np.testing.assert_array_equal(values, [[1.0, 2.0, 3.0, np.nan, 4.0, 5.0]])


def test_rmsecv_curve_marks_the_chosen_number(made: Validated) -> None:
    figure = plots.rmsecv_curve(made.calibration)
    curve, bound, mark = lines(figure)
    cv = made.calibration.cross_validation
    np.testing.assert_array_equal(curve.get_ydata(), cv.rmsecv)
    best = int(np.argmin(cv.rmsecv))
    assert bound.get_ydata()[0] == cv.rmsecv[best] + cv.rmsecv_se[best]
    chosen = made.calibration.model.n_components
    assert mark.get_xdata() == [chosen]
    assert f"{chosen} chosen" in text_of(figure)


def test_predictions_and_batch_means_are_shown(made: Validated) -> None:
    figure = plots.predicted_against_reference(made.calibration, made.validation)
    arrays = made.validation.predictions
    np.testing.assert_array_equal(line(figure, "validation spectra")[1], arrays["predicted"])
    means = [arrays["predicted"][arrays["batch"] == name].mean() for name in ("V0", "V1", "V2", "V3")]
    np.testing.assert_allclose(line(figure, "validation batch means")[1], means, rtol=1e-12)
    # RMSEP by its definition.
    rmsep = np.sqrt(np.mean((arrays["predicted"] - arrays["reference"]) ** 2))
    assert f"RMSEP  {rmsep:.3f}" in text_of(figure)


def test_scope_tells_spectra_beyond_a_limit(made: Validated) -> None:
    limit = float(np.sort(made.validation.predictions["q_residuals"])[-3:-1].mean())
    outside = made.validation.predictions["q_residuals"] > limit
    strict = replace(made.calibration, q_limit=limit)
    arrays = {**made.validation.predictions, "in_scope": ~outside}
    figure = plots.scope(strict, replace(made.validation, predictions=arrays))
    np.testing.assert_array_equal(
        line(figure, "validation, out of scope")[1], made.validation.predictions["q_residuals"][outside]
    )
    assert "14 of 16 validation spectra lie in scope" in text_of(figure)
    assert made.calibration.t2_limit in verticals(figure)
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"


def test_regression_vector_with_and_without_pure_components(made: Validated) -> None:
    alone, over = plots.regression_vector(made.calibration), plots.regression_vector(made.calibration, made.pure)
    assert len(alone.axes) == 1
    for figure in (alone, over):
        drawn = lines(figure)[1].get_ydata()
        np.testing.assert_array_equal(drawn[~np.isnan(drawn)], made.calibration.model.coefficients[-1])
    np.testing.assert_array_equal(line(over, "lactose", axes=1)[1], made.pure["lactose"])


def test_a_blend_shows_its_end_points_states_and_truth(made: Validated, found: Profile) -> None:
    figure = plots.blend_profile(found, made.method)
    for axes in range(3):
        assert {found.true_endpoint, found.found_endpoint} <= set(verticals(figure, axes))
    assert verticals(figure)[declared(found)] == GREEN
    np.testing.assert_array_equal(line(figure, "true RSD", axes=1)[1], found.columns["true_rsd"])
    assert line(figure, "limit 3 %", axes=1)[1][0] == 3.0
    # The bands of states and of truth cover the run without a hole: their lengths add up to it.
    for band in (0, 1):
        assert (
            sum(np.ptp(vertices[:, 0]) for vertices in paths(figure, len(figure.axes) - 1, band))
            == len(found.columns["state"]) - 1
        )
    assert f"declared uniform at revolution {found.found_endpoint}, was from {found.true_endpoint}" in text_of(figure)


def test_a_blend_shows_its_witnesses_against_their_limits(made: Validated, found: Profile) -> None:
    figure = plots.blend_profile(found, made.method)
    share = np.array(found.columns["q_residuals"], dtype=float) / found.limits["q_residuals"]
    np.testing.assert_allclose(line(figure, "Q", axes=4)[1], share, rtol=1e-12)
    np.testing.assert_array_equal(line(figure, "moving F", axes=3)[1], found.numbers("moving_f"))
    # A value out of scope by Q is drawn above 1.
    assert ((share > 1.0) <= np.isin(found.columns["status"], ["OUT_OF_SCOPE", "SATURATED"])).all()
    assert len(plots.blend_profile(replace(found, limits={}), made.method).axes) == len(figure.axes) - 2


def test_lines_of_a_panel_differ_without_colour_too(made: Validated, found: Profile) -> None:
    for ax in plots.blend_profile(found, made.method).axes:
        drawn = [
            (each.get_linestyle(), each.get_linewidth(), each.get_marker())
            for each in ax.lines
            if not str(each.get_label()).startswith("_")
        ]
        assert len(set(drawn)) == len(drawn)


def test_a_false_end_point_is_shown_as_such(made: Validated, found: Profile) -> None:
    wrong = replace(found, true_endpoint=None, columns=found.columns | {"uniform": [0] * len(found.columns["uniform"])})
    assert verticals(plots.blend_profile(wrong, made.method))[declared(found)] == RED
    assert "never was" in plots.endpoint_message(wrong)


def test_a_blend_of_unknown_truth_shows_none(made: Validated, found: Profile) -> None:
    columns = {name: values for name, values in found.columns.items() if not name.startswith(("true", "uniform"))}
    figure = plots.blend_profile(replace(found, true_endpoint=None, columns=columns), made.method)
    assert "tru" not in text_of(figure)
    assert len(figure.axes[-1].collections) == 1


def test_readings_beyond_the_panel_are_marked_at_its_edge(made: Validated, found: Profile) -> None:
    figure = plots.blend_profile(found, made.method)
    ax, value = figure.axes[0], found.numbers("value")
    low, high = ax.get_ylim()
    # Accepted or not: beyond the validated range no reading is.
    edge = {each.get_marker(): len(each.get_xdata()) for each in lines(figure) if each.get_marker() in "v^"}
    assert edge == {"v": (value < low).sum(), "^": (value > high).sum()}
    assert edge["v"] + edge["^"] > 0


def test_the_overview_has_a_cell_for_every_blend(made: Validated) -> None:
    profiles = [replace(made.validation.profiles[i % 3], batch=f"X{i}") for i in range(6)]
    figure = plots.blend_overview(profiles, made.method)
    assert len(figure.axes) == 18
    shown = text_of(figure)
    assert all(f"X{i} (" in shown for i in range(6))
    # One legend names every state that occurs.
    assert {text.get_text() for text in figure.legends[0].texts} >= {"mixing", "steady", "uniform", "sensor fault"}


def test_mbsd_has_its_limit_where_one_is_given(made: Validated, found: Profile) -> None:
    limit = made.homogeneity.rule.mbsd_limit
    figure = plots.mbsd_profile(found, limit)
    assert line(figure, f"limit {limit:.2g}")[1][0] == limit
    np.testing.assert_array_equal(line(figure, "MBSD")[1], found.numbers("mbsd"))
    assert "limit" not in text_of(plots.mbsd_profile(found))


def test_a_method_without_homogeneity_follows_no_blend(made: Validated, found: Profile) -> None:
    with pytest.raises(InputError, match="has no homogeneity section"):
        plots.blend_profile(found, made.method.model_copy(update={"homogeneity": None}))


def test_svg_repeats_whatever_the_callers_settings(made: Validated, found: Profile) -> None:
    first = plots.to_svg(plots.blend_profile(found, made.method), "a")
    with mpl.rc_context({"font.size": 30.0, "svg.hashsalt": "other", "lines.linewidth": 9.0}):
        second = plots.to_svg(plots.blend_profile(found, made.method), "a")
        assert mpl.rcParams["font.size"] == 30.0
    assert first == second


def test_svg_is_one_element_with_names_of_its_own(made: Validated) -> None:
    text = plots.to_svg(plots.spectra(made.calibration, made.raw, made.treated), "page")
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    names = [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
    assert all(name.startswith("page-") for name in names)
    links = [value for each in root.iter() for key, value in each.attrib.items() if key.endswith("href")]
    inside = [value for value in links if not value.startswith("data:image/png;base64,")]
    assert {value[1:] for value in inside} <= set(names)
    # The spectra are pixels: as outlines they would make up most of a report.
    assert len(inside) < len(links)
    assert "metadata" not in text


def test_a_profile_without_readings_beyond_its_window_keeps_its_panels(made: Validated) -> None:
    # An empty, unclipped line once reached to the figure's corner and pushed the panels together.
    profile = made.validation.profiles[0]
    held = profile.columns | {"value": [10.0] * len(profile.columns["value"])}
    figure = plots.blend_profile(replace(profile, columns=held), made.method)
    plots.to_svg(figure, "a")
    assert figure.axes[0].get_position().height > 0.2
