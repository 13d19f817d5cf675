"""Figures of blends: what the scorer said at every revolution, with the truth beside it where it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pat.core.endpoint import State, in_words
from pat.method import Method
from pat.plots.panels import (
    content_panel,
    endpoint_lines,
    evidence_panel,
    known,
    label_endpoints,
    rules_of,
    scope_panel,
    spread_panel,
    state_band,
    state_panel,
    steady_panel,
    turns,
)
from pat.plots.style import BLUE, GREY, RED, STATE_COLOURS, WIDTH, beside, panels, plain_log, styled
from pat.profiles import Profile

# Cells side by side in the overview.
_COLUMNS = 4


def _title(profile: Profile) -> str:
    return f"{profile.batch} ({in_words(profile.kind)})" if profile.kind else profile.batch


def endpoint_message(profile: Profile) -> str:
    """Say in a few words what was declared of a blend, and what was true where that is known."""
    found, true = profile.found_endpoint, profile.true_endpoint
    said = "not declared uniform" if found is None else f"declared uniform at revolution {found}"
    if known(profile):
        said += ", never was" if true is None else f", was from {true}"
    last = State(profile.columns["state"][-1])
    return said if last in (State.UNIFORM, State.MIXING, State.STEADY) else f"{said}; {in_words(last)} at the end"


@styled
def blend_profile(profile: Profile, method: Method) -> Figure:
    """One blend: predictions and their mean, RSD against its limit, evidence, moving F, T2 and Q, and states.

    Lines that share a panel differ in how they are drawn and not in colour alone, and states are named, so that the
    figure reads in grey print.

    Parameters
    ----------
    profile : Profile
    method : Method
        Gives target, limits and units.

    Raises
    ------
    InputError
        If the method has no homogeneity section.
    """
    witnesses = [steady_panel, scope_panel] if profile.limits else []
    heights = (3.0, 3.0, 0.8, *(1.1 for _ in witnesses), 0.66 if known(profile) else 0.36)
    figure, axes = panels(WIDTH, 5.9 + 0.9 * len(witnesses), len(heights), 1, sharex=True, height_ratios=heights)
    content, spread, evidence, *others, strip = axes
    content_panel(content, profile, method)
    content.set_ylabel(f"{method.analyte.name} ({method.analyte.units})")
    spread_panel(spread, profile, rules_of(method))
    spread.set_ylabel("RSD (% of mean)")
    evidence_panel(evidence, profile)
    for draw, ax in zip(witnesses, others, strict=True):
        draw(ax, profile)
    for ax in (content, spread, *others):
        beside(ax)
    for ax in (content, spread, evidence, *others):
        endpoint_lines(ax, profile)
    label_endpoints(content, profile)
    state_panel(strip, profile)
    strip.set_xlabel("Revolution")
    figure.suptitle(f"{_title(profile)}: {endpoint_message(profile)}", x=0.01, ha="left", fontsize=11, weight="bold")
    figure.text(0.995, 0.008, method.product, ha="right", va="bottom", fontsize=7.5, color=GREY)
    return figure


@styled
def blend_overview(profiles: Sequence[Profile], method: Method) -> Figure:
    """All blends as small multiples: block mean, RSD against its limit, states, and end-points found and true.

    Parameters
    ----------
    profiles : sequence of Profile
        At least one.
    method : Method

    Raises
    ------
    InputError
        If the method has no homogeneity section.
    """
    figure, cells = _grid(len(profiles))
    for cell, profile in zip(cells, profiles, strict=True):
        _cell(cell, profile, method, outer=cell in cells[::_COLUMNS])
    for content, spread, _ in cells[::_COLUMNS]:
        content.set_ylabel(f"{method.analyte.name} ({method.analyte.units})", fontsize=8)
        spread.set_ylabel("RSD (% of mean)", fontsize=8)
    _explain(figure, [ax for cell in cells for ax in cell], profiles)
    return figure


def _grid(n: int) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure with `n` cells of three panels, their places given in inches."""
    bands = -(-n // _COLUMNS)
    height = 2.9 * bands + 0.75
    figure = Figure(figsize=(WIDTH, height))
    figure.set_layout_engine("none")
    cells: list[list[Axes]] = []
    for i in range(n):
        top = height - 2.9 * (i // _COLUMNS) - 0.42
        grid = figure.add_gridspec(
            3, _COLUMNS, left=0.55 / WIDTH, right=1 - 0.08 / WIDTH, top=top / height, bottom=(top - 2.02) / height,
            height_ratios=(1.6, 2.4, 0.28), hspace=0.13, wspace=0.1,
        )  # fmt: skip
        cells.append([figure.add_subplot(grid[row, i % _COLUMNS]) for row in range(3)])
    return figure, cells


def _cell(axes: list[Axes], profile: Profile, method: Method, *, outer: bool) -> None:
    content, spread, strip = axes
    content_panel(content, profile, method, (method.analyte.low, method.analyte.high), size=2.0)
    spread_panel(spread, profile, rules_of(method))
    state_band(strip, profile, 0.0)
    strip.set(yticks=[], ylim=(0, 1), xlim=content.get_xlim())
    for ax in axes:
        ax.tick_params(which="both", labelsize=7.5, color=GREY, labelbottom=ax is strip, labelleft=outer)
        endpoint_lines(ax, profile)
    spread.set_xlim(content.get_xlim())
    found, true = profile.found_endpoint, profile.true_endpoint
    said = "not declared" if found is None else f"declared {found}"
    if known(profile):
        said += ", never uniform" if true is None else f", true {true}"
    content.set_title(_title(profile), fontsize=9, pad=15)
    content.text(0.0, 1.06, said, transform=content.transAxes, fontsize=8)
    strip.set_xlabel("Revolution", fontsize=8)


def _explain(figure: Figure, axes: list[Axes], profiles: Sequence[Profile]) -> None:
    """Put one legend for all blends, and for the states that occur, below them."""
    lines: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            lines.setdefault(label, handle)
    seen = {state for profile in profiles for state in profile.columns["state"]}
    lines |= {in_words(state): Patch(color=colour) for state, colour in STATE_COLOURS.items() if state in seen}
    figure.legend(list(lines.values()), list(lines), loc="lower center", ncols=6)


@styled
def mbsd_profile(profile: Profile, limit: float | None = None) -> Figure:
    """Moving-block standard deviation of one blend, with the limit that accepted batches gave.

    Parameters
    ----------
    profile : Profile
    limit : float, optional
        Largest MBSD of an accepted batch's plateau (treated absorbance).
    """
    figure, (ax, strip) = panels(WIDTH, 3.7, 2, 1, sharex=True, height_ratios=(3.0, 0.66 if known(profile) else 0.36))
    ax.plot(turns(profile), profile.numbers("mbsd"), color=BLUE, label="MBSD")
    if limit is not None:
        ax.axhline(limit, color=RED, linestyle="--", linewidth=1.2, label=f"limit {limit:.2g}")
    ax.set_yscale("log")
    plain_log(ax.yaxis)
    ax.set(xlim=(0, turns(profile)[-1] + 1), ylabel="MBSD (treated\nabsorbance)")
    beside(ax)
    state_panel(strip, profile)
    strip.set_xlabel("Revolution")
    endpoint_lines(ax, profile)
    label_endpoints(ax, profile)
    what = "moving-block standard deviation of the treated spectra"
    figure.suptitle(f"{_title(profile)}: {what}", x=0.01, ha="left", fontsize=10, weight="bold")
    return figure
