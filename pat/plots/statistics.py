"""The published statistics of blends, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pat.core.blocks import STATISTICS
from pat.core.endpoint import in_words
from pat.core.types import Array
from pat.core.witnesses import StatisticLimit
from pat.errors import InputError
from pat.plots.panels import endpoint_lines, known, turns
from pat.plots.style import BLUE, GREEN, INK, LIGHT, RED, WIDTH, panels, plain_log, styled
from pat.profiles import Profile

# Inches that a row of panels takes, and what title and legend take.
_ROW, _REST = 1.12, 1.1
# Share of the smallest and largest values that may lie beyond a panel: a blend begins far from anything.
_BEYOND = 0.02
# A range this many times wider than its smallest value is shown on a logarithmic scale.
_WIDE = 8.0


@styled
def statistics_profile(
    profiles: Sequence[Profile],
    statistics: Sequence[Sequence[Mapping[str, float]]],
    limits: Mapping[str, StatisticLimit],
    names: Sequence[str] | None = None,
) -> Figure:
    """Moving-block statistics as small multiples: a row for each statistic, a column for each blend.

    A row has one scale, so that blends compare. Beyond its limit a statistic is drawn thick, and where the truth is
    known the revolutions at which the blend was uniform have a grey ground: both can be read without colour.

    Parameters
    ----------
    profiles : sequence of Profile
    statistics : sequence of sequence of mapping
        Of each blend, what `pat.scorer.Blend.statistics` said after each of its readings.
    limits : mapping of str to StatisticLimit
        See `pat.scorer.Scorer`; a statistic without one is drawn without.
    names : sequence of str, optional
        Which statistics, by their names in `pat.core.blocks.STATISTICS`; all that there are by default.

    Raises
    ------
    InputError
        If blends and statistics are not of one number and length, or a name is none of theirs.
    """
    if not profiles:
        raise InputError("expected at least one blend, got none")
    if len(statistics) != len(profiles):
        raise InputError(
            f"{len(profiles)} blends need the statistics of {len(profiles)}, got those of {len(statistics)}"
        )
    columns = [_columns(profile, said) for profile, said in zip(profiles, statistics, strict=True)]
    shown = list(names or columns[0])
    if unknown := [name for name in shown if any(name not in found for found in columns)]:
        raise InputError(f"expected statistics out of {', '.join(columns[0])}, got {', '.join(unknown)}")
    height = _ROW * len(shown) + _REST
    figure, axes = panels(WIDTH, height, len(shown), len(profiles), sharex="col", sharey="row")
    for i, name in enumerate(shown):
        row, values = axes[i * len(profiles) : (i + 1) * len(profiles)], [found[name] for found in columns]
        for ax, profile, series in zip(row, profiles, values, strict=True):
            _panel(ax, profile, series, limits.get(name))
        _scale(row[0], values, limits.get(name), name)
    for ax, profile in zip(axes, profiles, strict=False):
        ax.set_title(f"{profile.batch} ({in_words(profile.kind)})" if profile.kind else profile.batch, fontsize=9)
    for ax in axes[-len(profiles) :]:
        ax.set_xlabel("Revolution")
    _explain(figure, profiles)
    return figure


def _columns(profile: Profile, said: Sequence[Mapping[str, float]]) -> dict[str, Array]:
    """Statistics of one blend by name, each of shape (m,)."""
    if len(said) != len(turns(profile)):
        raise InputError(f"{profile.batch}: expected statistics of {len(turns(profile))} readings, got {len(said)}")
    return {name: np.array([now[name] for now in said], dtype=np.float64) for name in STATISTICS if name in said[0]}


def _panel(ax: Axes, profile: Profile, values: Array, limit: StatisticLimit | None) -> None:
    turn = turns(profile)
    if known(profile):
        ax.fill_between(
            turn, 0.0, 1.0, where=profile.numbers("uniform") > 0.5, transform=ax.get_xaxis_transform(), color=LIGHT,
            linewidth=0, zorder=0, alpha=0.75,
        )  # fmt: skip
    ax.plot(turn, values, color=BLUE, linewidth=0.9)
    if limit is not None:
        beyond = np.where([limit.holds(value) for value in values.tolist()], np.nan, values)
        ax.plot(turn, beyond, color=INK, linewidth=2.2)
        for at in (limit.low, limit.high):
            if at is not None:
                ax.axhline(at, color=RED, linestyle="--", linewidth=1.0)
    endpoint_lines(ax, profile)
    ax.set_xlim(0, turn[-1] + 1)


def _scale(ax: Axes, values: Sequence[Array], limit: StatisticLimit | None, name: str) -> None:
    """Give a row the range of most of its values, with the limit in it; logarithmic where that is wide."""
    finite = np.concatenate([one[np.isfinite(one)] for one in values])
    marks = [] if limit is None else [at for at in (limit.low, limit.high) if at is not None]
    if finite.size:
        low, high = (float(v) for v in np.quantile(finite, [_BEYOND, 1.0 - _BEYOND]))
        low, high = min([low, *marks]), max([high, *marks])
        if low > 0.0 and high > _WIDE * low:
            ax.set_yscale("log")
            plain_log(ax.yaxis)
            ax.set_ylim(low / 1.3, high * 1.3)
        elif high > low:
            ax.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    percent = " (%)" if STATISTICS[name].unit == "%" else ""
    ax.set_ylabel(_folded(STATISTICS[name].label + percent), fontsize=7.5)


def _folded(label: str, width: int = 17) -> str:
    """Break a label into lines between words."""
    lines = [""]
    for word in label.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def _explain(figure: Figure, profiles: Sequence[Profile]) -> None:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=BLUE, linewidth=0.9, label="statistic of the last block"),
        Line2D([], [], color=INK, linewidth=2.2, label="beyond its limit"),
        Line2D([], [], color=RED, linestyle="--", linewidth=1.0, label="limit from accepted batches"),
        Line2D([], [], color=GREEN if any(map(known, profiles)) else BLUE, linewidth=2.0, label="declared uniform"),
    ]
    if any(map(known, profiles)):
        handles += [
            Line2D([], [], color=INK, linestyle=(0, (4, 2)), linewidth=1.2, label="true end-point"),
            Patch(color=LIGHT, label="truly uniform"),
        ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
