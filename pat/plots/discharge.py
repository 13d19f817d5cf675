"""Figures of a discharge: the contents along it, and their variogram."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pat.core.discharge import thirds_of
from pat.plots.style import BLUE, GREEN, GREY, INK, ORANGE, RED, SKY, WIDTH, panels, styled

if TYPE_CHECKING:
    from pat.discharge import DischargeSummary


@styled
def discharge(summary: DischargeSummary, *, target: float, units: str, max_rsd: float, title: str = "") -> Figure:
    """Contents along a discharge with start, middle and end, and the variogram with nugget, sill and range.

    Parameters
    ----------
    summary : DischargeSummary
        From `pat.discharge.summarise`.
    target : float
        Target content (analyte units).
    units : str
        Of the content.
    max_rsd : float
        Largest allowed RSD (%), which the nugget is judged by.
    title : str
        What was discharged.
    """
    figure, (along, apart) = panels(WIDTH, 3.6, 1, 2, width_ratios=(3, 2))
    _along(along, summary, target)
    along.set(xlabel="Reading", ylabel=f"Content ({units})", title=title)
    _variogram(apart, summary, max_rsd)
    apart.set(xlabel="Lag (readings)", ylabel="v (% RSD, squared)")
    for ax in (along, apart):
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    return figure


def _along(ax: Axes, summary: DischargeSummary, target: float) -> None:
    values, turn = summary.values, np.arange(1, summary.values.size + 1)
    ax.axhline(target, color=GREEN, linestyle=":", linewidth=1, label="target")
    ax.plot(turn, values, ".", color=GREY, markersize=3, label="reading")
    for i, (place, part) in enumerate(zip(np.array_split(turn, 3), thirds_of(values), strict=True)):
        label = "mean of a third" if i == 0 else None
        ax.plot([place[0], place[-1]], [part.mean()] * 2, color=BLUE, linewidth=2.2, label=label)
    if summary.doses is not None:
        whole = summary.values[: turn.size // summary.doses.readings * summary.doses.readings]
        means = whole.reshape(-1, summary.doses.readings).mean(axis=1)
        middle = (np.arange(means.size) + 0.5) * summary.doses.readings + 0.5
        ax.plot(middle, means, color=ORANGE, linewidth=1, label="pseudo-dose")
    tail = math.ceil(0.95 * turn.size)
    ax.axvspan(tail + 0.5, turn[-1] + 0.5, color=SKY, alpha=0.25, linewidth=0, label="last 5 %")


def _variogram(ax: Axes, summary: DischargeSummary, max_rsd: float) -> None:
    found, percent = summary.variogram, 1e4
    lags = np.arange(1, len(found.v) + 1)
    ax.plot(lags, percent * np.array(found.v), ".-", color=BLUE, linewidth=1, markersize=3, label="v")
    ax.plot([0], [percent * found.nugget], "s", color=ORANGE, markersize=6, clip_on=False, label="nugget")
    ax.axhline(percent * found.sill, color=INK, linestyle="--", linewidth=1.1, label="sill")
    ax.axhline(max_rsd**2, color=RED, linestyle=(0, (4, 2)), linewidth=1.1, label=f"limit {max_rsd:g} % RSD")
    if found.range is not None:
        ax.axvline(found.range, color=GREY, linestyle=":", linewidth=1.1, label=f"range {found.range}")
    ax.set(xlim=(0, lags[-1]), ylim=(0, None))
