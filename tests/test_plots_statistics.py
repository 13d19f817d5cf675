"""The statistics of blends side by side: every number in its panel, on one scale a row, with limit and end-points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from pat import plots
from pat.core.witnesses import StatisticLimit
from pat.errors import InputError
from pat.profiles import Profile

M = 60
TURN = np.arange(1, M + 1)
LIMITS = {"mbsd": StatisticLimit(0.5, 0.02), "block_mean": StatisticLimit(10.0, 10.5, 9.5)}


def profile(batch: str, *, kind: str = "", found: int | None = None, true: int | None = None) -> Profile:
    columns: dict[str, list[Any]] = {"revolution": TURN.tolist()}
    if true is not None:
        columns["uniform"] = (true <= TURN).astype(float).tolist()
    return Profile(batch, kind, true, found, {}, columns)


def said(start: float = 1.0) -> list[dict[str, float]]:
    """MBSD that falls, a mean that wanders, and a share that is 0."""
    mbsd = start * np.exp(-0.1 * TURN)
    mbsd[:5] = math.nan
    mean = 10.0 + np.sin(TURN / 9.0)
    return [
        {"mbsd": float(a), "block_mean": float(b), "q_outside": 0.0} for a, b in zip(mbsd, mean, strict=True)
    ]  # fmt: skip


def drawn(figure: Figure, panel: int) -> tuple[Any, Any]:
    """Points of the statistic, and of what is beyond its limit."""
    statistic, beyond = figure.axes[panel].lines[:2]
    return statistic.get_ydata(), beyond.get_ydata()


def test_a_row_for_each_statistic_and_a_column_for_each_blend() -> None:
    blends = [profile("B1", kind="good", found=40, true=35), profile("B2", kind="low_assay")]
    figure = plots.statistics_profile(blends, [said(), said(3.0)], LIMITS)
    assert len(figure.axes) == 6
    assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["B1 (good)", "B2 (low assay)"]
    assert [ax.get_ylabel() for ax in figure.axes[::2]] == ["MBSD", "Block mean", "Share with Q\noutside"]
    np.testing.assert_array_equal(drawn(figure, 1)[0], [now["mbsd"] for now in said(3.0)])
    assert [ax.get_yscale() for ax in figure.axes] == ["log", "log", *["linear"] * 4]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_what_is_beyond_a_limit_on_either_side_is_drawn_thick() -> None:
    figure = plots.statistics_profile([profile("B1")], [said()], LIMITS)
    for panel, name in enumerate(("mbsd", "block_mean")):
        statistic, beyond = drawn(figure, panel)
        outside = [math.isfinite(v) and not LIMITS[name].holds(v) for v in statistic]
        np.testing.assert_array_equal(np.isfinite(beyond), outside)
        assert 0 < sum(outside) < M
        thin, thick = figure.axes[panel].lines[:2]
        assert thick.get_linewidth() > 2.0 * thin.get_linewidth()
    dashed = [np.asarray(line.get_ydata())[0] for line in figure.axes[1].lines if line.get_linestyle() == "--"]
    assert sorted(dashed) == [9.5, 10.5]
    # A statistic without a limit is drawn without.
    assert len(figure.axes[2].lines) == 1


def test_end_points_stand_in_every_panel_and_the_truth_lies_under_it_where_it_is_known() -> None:
    blends = [profile("B1", found=40, true=35), profile("B2")]
    figure = plots.statistics_profile(blends, [said(), said()], LIMITS, ["mbsd"])
    known, unknown = figure.axes
    places = [np.asarray(line.get_xdata(), dtype=np.float64) for line in known.lines]
    upright = {at[0] for at in places if np.ptp(at) == 0.0}
    assert upright == {35, 40}
    (ground,) = known.collections
    assert np.asarray(ground.get_paths()[0].vertices)[:, 0].min() == 35
    assert not unknown.collections
    (legend,) = figure.legends
    assert "truly uniform" in [text.get_text() for text in legend.get_texts()]


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(InputError, match="at least one blend, got none"):
        plots.statistics_profile([], [], LIMITS)
    with pytest.raises(InputError, match="statistics of 60 readings, got 59"):
        plots.statistics_profile([profile("B1")], [said()[1:]], LIMITS)
    with pytest.raises(InputError, match="out of mbsd, block_mean, q_outside, got entropy"):
        plots.statistics_profile([profile("B1")], [said()], LIMITS, ["mbsd", "entropy"])
    with pytest.raises(InputError, match="2 blends need the statistics of 2, got those of 1"):
        plots.statistics_profile([profile("B1"), profile("B2")], [said()], LIMITS)
