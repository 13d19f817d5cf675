"""Figures of diagnostics show the numbers that they are about, whatever colours them."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from pat import plots
from pat.calibration.outliers import outlier_report
from pat.core import diagnostics, pls
from pat.errors import InputError
from pat.plots.style import BLUE, CYCLE, RED
from pat.spectra import select_batches
from tests.validated import Validated, validated


@pytest.fixture(scope="module")
def made() -> Validated:
    return validated()


def text_of(figure: Figure) -> str:
    return "\n".join(item.get_text() for item in figure.findobj(mpl.text.Text))


def drawn(figure: Figure, axes: int = 0) -> list[Any]:
    """Values of every line, without the breaks at gaps."""
    found = [np.asarray(line.get_ydata(), dtype=np.float64) for line in figure.axes[axes].lines]
    return [values[~np.isnan(values)] for values in found]


def test_spectra_by_few_categories_have_a_line_and_colour_of_each(made: Validated) -> None:
    figure: Any = plots.spectra_by(made.raw, "role")
    roles = sorted(set(made.raw["role"].values.tolist()))
    groups = figure.axes[0].collections
    assert [text.get_text() for text in figure.axes[0].get_legend().texts] == roles
    for group, colour in zip(groups, CYCLE, strict=False):
        assert {tuple(each) for each in group.get_colors()} == {to_rgba(colour, 0.8)}
    assert len({str(group.get_linestyle()) for group in groups}) == len(roles)
    assert sum(len(group.get_paths()) for group in groups) == min(200, made.raw.sizes["spectrum"])


def test_spectra_by_number_time_and_many_categories_have_a_scale(made: Validated) -> None:
    inside = select_batches(made.raw, made.calibration.batches)
    for by, label in (("api", "api (% w/w)"), ("time", "time"), ("batch", "batch")):
        figure: Any = plots.spectra_by(inside, by)
        assert figure.axes[1].get_ylabel() == label
        segments = [np.asarray(path.vertices)[:, 1] for path in figure.axes[0].collections[0].get_paths()]
        np.testing.assert_array_equal(segments, inside["absorbance"].values)
    assert [text.get_text() for text in figure.axes[1].get_yticklabels()] == made.calibration.batches


def test_names_stand_in_their_natural_order(made: Validated) -> None:
    names = np.array([f"L{i}" for i in range(12, 0, -1)])
    few = made.raw.isel(spectrum=slice(0, 12)).assign_coords(lot=("spectrum", names))
    labels = [text.get_text() for text in plots.spectra_by(few, "lot").axes[1].get_yticklabels()]
    assert labels == [f"L{i}" for i in range(1, 13)]


def test_what_is_not_known_colours_nothing(made: Validated) -> None:
    with pytest.raises(InputError, match=r"one of api, batch, .*role.*; got 'colour'"):
        plots.spectra_by(made.raw, "colour")
    blends = made.raw.isel(spectrum=np.isnan(made.raw["api"].values))
    with pytest.raises(InputError, match="`api` is known of no spectrum"):
        plots.spectra_by(blends, "api")


def test_scores_and_their_ellipses(made: Validated) -> None:
    model = made.calibration.model
    inside = select_batches(made.treated, made.calibration.batches)
    figure: Any = plots.scores(made.calibration, inside, "api", (2, 1))
    expected = pls.scores(model, inside["absorbance"].values)[:, [1, 0]]
    np.testing.assert_allclose(figure.axes[0].collections[0].get_offsets(), expected, rtol=1e-12)
    ellipses = [patch for patch in figure.axes[0].patches if isinstance(patch, Ellipse)]
    assert [e.width for e in ellipses] == pytest.approx([2 * k * np.sqrt(model.score_variance[1]) for k in (1, 2, 3)])
    with pytest.raises(InputError, match=f"from 1 to {model.n_components}, got \\(1, 9\\)"):
        plots.scores(made.calibration, inside, "api", (1, 9))


def test_loadings_over_pure_components(made: Validated) -> None:
    figure: Any = plots.loadings(made.calibration, made.pure)
    for loading, shown in zip(made.calibration.model.loadings.T, drawn(figure)[1:], strict=True):
        np.testing.assert_allclose(shown, loading / np.abs(loading).max(), rtol=1e-12)
    assert len(figure.axes) == 2
    assert len(plots.loadings(made.calibration).axes) == 1


def test_importance_shows_vip_and_the_selectivity_ratio(made: Validated) -> None:
    vip = diagnostics.vip(made.calibration.model)
    ratio = np.linspace(0.0, 5.0, vip.size)
    figure: Any = plots.importance(made.calibration, ratio, made.pure)
    np.testing.assert_array_equal(drawn(figure)[0], vip)
    np.testing.assert_array_equal(drawn(figure, 1)[0], ratio)
    assert f"VIP up to {vip.max():.1f}" in text_of(figure)
    with pytest.raises(InputError, match=r"as the treated axis, got \(3,\)"):
        plots.importance(made.calibration, np.ones(3))


def test_contributions_of_a_spectrum_within_and_beyond_its_limits(made: Validated) -> None:
    inside = select_batches(made.treated, made.calibration.batches)["absorbance"].values[0]
    spiked = inside.copy()
    spiked[40] += 10.0 * np.sqrt(made.calibration.q_limit)
    for spectrum, words, colour in ((inside, "within", BLUE), (spiked, "beyond", RED)):
        figure: Any = plots.contributions(made.calibration, spectrum, "C0, row 1")
        bars = figure.axes[2].collections[0]
        heights = [segment[1, 1] for segment in bars.get_segments()]
        expected = diagnostics.q_contributions(made.calibration.model, spectrum[None, :])[0]
        np.testing.assert_allclose(heights, expected, rtol=1e-12)
        assert tuple(bars.get_colors()[0]) == to_rgba(colour)
        assert f"Q {expected.sum():.4g}, {words} the limit of scope {made.calibration.q_limit:.4g} (99.9 %)" in text_of(
            figure
        )
    with pytest.raises(InputError, match="a treated spectrum has shape"):
        plots.contributions(made.calibration, inside[:-1], "C0")


def test_outliers_are_named_and_limits_drawn(made: Validated) -> None:
    report = outlier_report(made.calibration, made.treated, confidence=0.8)
    figure: Any = plots.outliers(report)
    left, right = figure.axes
    beyond = report.spectra["flags"].str.contains("T2|Q")
    ordinary, flagged = left.lines[:2]
    np.testing.assert_array_equal(flagged.get_xdata(), report.spectra.loc[beyond, "t2"])
    np.testing.assert_array_equal(ordinary.get_ydata(), report.spectra.loc[~beyond, "q"])
    assert report.limits.loc["T2", "limit"] in [line.get_xdata()[0] for line in left.lines[2:]]
    # Both signs of the residual have a limit.
    limit = float(report.limits["limit"]["residual"])
    heights = [line.get_ydata()[0] for line in right.lines if len(line.get_ydata()) == 2]
    assert {limit, -limit} <= set(heights)
    first = report.flagged.iloc[0]
    assert f"{first['batch']}, {first['row']}" in text_of(figure)


def test_where_many_are_flagged_the_worst_are_named_and_the_others_counted(made: Validated) -> None:
    report = outlier_report(made.calibration, made.treated, confidence=0.5)
    figure: Any = plots.outliers(report)
    figure.draw_without_rendering()
    for ax, flags in zip(figure.axes, ("T2|Q", "leverage|residual"), strict=True):
        beyond = report.spectra[report.spectra["flags"].str.contains(flags)]
        columns = ["t2", "q"] if ax is figure.axes[0] else ["leverage", "residual"]
        limit = report.limits["limit"].rename({"T2": "t2", "Q": "q"})[columns]
        worst = beyond.iloc[int((beyond[columns].abs() / limit).max(axis=1).argmax())]
        names = [text for text in ax.texts if ", " in text.get_text()]
        assert names[0].get_text() == f"{worst['batch']}, {worst['row']}"
        assert f"{len(beyond) - len(names)} more not named" in [text.get_text() for text in ax.texts]
        boxes = [name.get_window_extent() for name in names]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_times_are_named_by_whole_dates(made: Validated) -> None:
    days = np.datetime64("2026-03-03", "ns") + np.arange(made.raw.sizes["spectrum"]) * np.timedelta64(1, "h")
    figure: Any = plots.spectra_by(made.raw.assign_coords(time=("spectrum", days)), "time")
    figure.draw_without_rendering()
    bar = figure.axes[1].yaxis
    names = [label.get_text() for label in bar.get_ticklabels()]
    assert len(names) >= 3
    assert all(name.startswith("2026-") for name in names)
    assert bar.get_offset_text().get_text() == ""
    # No name touches the bar's own label.
    label = bar.label.get_window_extent()
    assert not any(label.overlaps(name.get_window_extent()) for name in bar.get_ticklabels())


def leaderboard() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "chain": ["snv", "none", "snv + d1", "msc", "broken"],
            "rmsecv": [0.30, 0.50, 0.25, 0.26, np.nan],
            "standard_error": [0.02, 0.03, 0.02, 0.02, np.nan],
            "n_components": [4, 7, 3, 5, 0],
        }
    )


def test_the_search_landscape_is_ranked() -> None:
    figure: Any = plots.search_landscape(leaderboard(), "% w/w", "lot")
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["snv + d1", "msc", "snv", "none"]
    near, others = ax.containers
    np.testing.assert_array_equal(near.lines[0].get_xdata(), [0.25, 0.26])
    np.testing.assert_array_equal(others.lines[0].get_xdata(), [0.30, 0.50])
    counts = [text.get_text() for text in ax.texts if text.get_text().isdigit()]
    assert counts == ["3", "5", "4", "7"]
    assert "The best 4 of 5 chains by RMSECV, whole lots left out" in text_of(figure)
    assert "The best 2 of 5 chains" in text_of(plots.search_landscape(leaderboard(), "% w/w", shown=2))


def test_a_search_without_results_has_no_landscape() -> None:
    with pytest.raises(InputError, match="missing: standard_error"):
        plots.search_landscape(leaderboard().drop(columns="standard_error"), "% w/w")
    with pytest.raises(InputError, match="none of the 1 chains has an RMSECV"):
        plots.search_landscape(leaderboard().tail(1), "% w/w")


def test_figures_repeat_as_svg(made: Validated) -> None:
    for draw in (lambda: plots.search_landscape(leaderboard(), "% w/w"), lambda: plots.spectra_by(made.raw, "role")):
        assert plots.to_svg(draw(), "a") == plots.to_svg(draw(), "a")
