"""Figures of the operating characteristic of end-point rules."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pat.core.types import Array
from pat.homogeneity.study import Chance, Study
from pat.plots.style import BLUE, CYCLE, GREY, INK, ORANGE, WIDTH, beside, panels, styled

_MARKS = "os^Dvp*X"


@styled
def operating_characteristic(study: Study) -> Figure:
    """Chance to be declared against the true RSD, and the delay by course of mixing.

    Parameters
    ----------
    study : Study
        The chance is that of its first rule; delays are of all of them.
    """
    figure, (left, right) = panels(WIDTH, 3.6, 1, 2)
    first = study.rules[0]
    for chances, colour, mark, label in (
        (first.at_bounds, BLUE, "o", "at the method's bounds"),
        (first.at_estimates, ORANGE, "s", "at its estimates"),
    ):
        _chances(left, chances, colour, mark, label)
    left.axvline(study.max_rsd, color=INK, linewidth=0.9, linestyle="--")
    left.axhline(100.0 * study.risk, color=GREY, linewidth=0.9, linestyle=":")
    left.set(xlabel="true RSD (%), for the whole run", ylabel="declared uniform (%)", ylim=(-3.0, 103.0))
    left.set_title(f"{first.name}: limit {study.max_rsd:g} %, risk {100.0 * study.risk:g} %")
    left.legend(loc="lower left")
    _delays(right, study)
    figure.suptitle("SIMULATED blends", x=0.01, ha="left", fontsize=9, color=GREY)
    return figure


def _chances(ax: Axes, chances: tuple[Chance, ...], colour: str, mark: str, label: str) -> None:
    rsd = np.array([chance.true_rsd for chance in chances])
    share = np.array([100.0 * chance.declared / chance.blends for chance in chances])
    ends: Array = 100.0 * np.array([(chance.low, chance.high) for chance in chances]).T
    away = np.abs(ends - share)
    ax.errorbar(rsd, share, away, color=colour, marker=mark, markersize=4.5, capsize=2.0, elinewidth=1.0, label=label)


def _delays(ax: Axes, study: Study) -> None:
    """Draw medians, with a line up to the delay that nine in ten keep."""
    courses = [delay.course for delay in study.rules[0].delays]
    place, step = np.arange(len(courses)), 0.7 / len(study.rules)
    for i, rule in enumerate(study.rules):
        x = place + (i - (len(study.rules) - 1) / 2.0) * step
        median = np.array([delay.median for delay in rule.delays])
        up = np.array([delay.ninety_percent for delay in rule.delays]) - median
        ax.errorbar(
            x,
            median,
            np.array([np.zeros_like(up), up]),
            color=CYCLE[i % len(CYCLE)],
            marker=_MARKS[i % len(_MARKS)],
            markersize=5.0,
            linestyle="none",
            elinewidth=1.1,
            label=rule.name,
        )
    names = [f"{d.course}\n{100.0 * d.missed / d.blends:.0f} % never" for d in study.rules[0].delays]
    ax.set_xticks(place, names if len(study.rules) == 1 else courses)
    ax.set(ylabel="revolutions after the true end-point")
    ax.set_ylim(bottom=0.0)
    ax.set_title("Delay: median, and up to 90 %")
    if len(study.rules) > 1:
        beside(ax)
