"""Figures of spectra as samples: coloured by what is known of them, in the space of scores, and against limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, to_rgba
from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from matplotlib.ticker import MaxNLocator

from pat.calibration import Calibration
from pat.core import pls
from pat.core.types import IntArray
from pat.errors import InputError
from pat.plots.style import BLUE, CYCLE, GREY, INK, RED, SOFT, WIDTH, broken, marks, panels, plain_log, styled

if TYPE_CHECKING:
    from pat.calibration.outliers import OutlierReport

# Enough spectra to see every batch, few enough to see through.
_SHOWN = 200
# Marks and lines of categories, so that they differ in grey as well; more categories share a scale of colours.
_MARKS, _LINES = "osD^vP", ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)))
# Names beside a scale of many categories, and spectra named beside their marks in one panel.
_TICKS, _NAMED = 12, 6
# Room that a letter of such a name needs, in shares of the panel.
_LETTER_WIDTH, _LETTER_HEIGHT = 0.015, 0.045


class _Colouring:
    """Colours of spectra by one thing that is known of them."""

    def __init__(self, ds: xr.Dataset, by: str) -> None:
        values = _known(ds, by)
        self.label = by if "units" not in ds[by].attrs else f"{by} ({ds[by].attrs['units']})"
        self.names: list[str] = []
        self.dates = values.dtype.kind == "M"
        if values.dtype.kind in "fiu":
            self.values = values.astype(np.float64)
        elif self.dates:
            self.values = np.asarray(date2num(values), dtype=np.float64)  # type: ignore[no-untyped-call]
        else:
            names = [str(value) for value in values.tolist()]
            self.names = sorted(set(names), key=_natural)
            self.values = np.array([self.names.index(name) for name in names], dtype=np.float64)
        finite = self.values[np.isfinite(self.values)]
        if not finite.size:
            raise InputError(f"`{by}` is known of no spectrum")
        self.scale = ScalarMappable(Normalize(float(finite.min()), float(finite.max())), "viridis")

    @property
    def few(self) -> bool:
        """Whether every category has a colour and mark of its own."""
        return 0 < len(self.names) <= len(CYCLE)

    def groups(self, shown: IntArray) -> list[tuple[str | None, IntArray]]:
        """Name and spectra of each category, or all spectra together."""
        if not self.few:
            return [(None, shown)]
        return [(name, shown[self.values[shown] == code]) for code, name in enumerate(self.names)]

    def colours(self, rows: IntArray) -> Any:
        if self.few:
            return [to_rgba(CYCLE[int(code)]) for code in self.values[rows]]
        colours = self.scale.to_rgba(self.values[rows])
        colours[~np.isfinite(self.values[rows])] = to_rgba(SOFT)
        return colours

    def explain(self, figure: Figure, ax: Axes, how: str) -> None:
        """Add a legend of few categories (``line`` or ``mark``), or a scale."""
        if self.few:
            styles: list[dict[str, Any]] = (
                [{"linestyle": line} for line in _LINES] if how == "line" else
                [{"linestyle": "", "marker": mark, "markersize": 5} for mark in _MARKS]
            )  # fmt: skip
            handles = [Line2D([], [], color=c, label=name, **style)
                       for name, c, style in zip(self.names, CYCLE, styles, strict=False)]  # fmt: skip
            ax.legend(handles=handles, title=self.label, title_fontsize=8.5, loc="upper left",
                      bbox_to_anchor=(1.005, 1.03), handlelength=2.4)  # fmt: skip
            return
        bar = figure.colorbar(self.scale, ax=ax, pad=0.015, aspect=30)
        bar.set_label(self.label)
        bar.outline.set_visible(False)
        if self.names:
            ticks = np.unique(np.linspace(0, len(self.names) - 1, _TICKS).round().astype(int))
            bar.set_ticks(ticks.tolist(), labels=[self.names[i] for i in ticks])
        if self.dates:
            # Whole dates: an offset above the bar would be that of one end of it.
            long = float(np.ptp(self.scale.get_clim())) > 6.0
            form = "%Y-%m-%d" if long else "%Y-%m-%d\n%H:%M"
            short: Any = AutoDateLocator(maxticks=6)  # type: ignore[no-untyped-call]
            bar.ax.yaxis.set_major_locator(MaxNLocator(7, integer=True) if long else short)
            bar.ax.yaxis.set_major_formatter(DateFormatter(form))  # type: ignore[no-untyped-call]


def _natural(name: str) -> list[tuple[int, str]]:
    """Order by which L2 stands before L10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _known(ds: xr.Dataset, by: str) -> Any:
    """Look up for every spectrum what has this name: a coordinate, a reference value, or a fact of its batch."""
    if by in ds and ds[by].dims == ("spectrum",):
        return np.asarray(ds[by].values)
    if by in ds and ds[by].dims == ("batch_id",):
        place = {name: i for i, name in enumerate(ds["batch_id"].values.tolist())}
        return np.asarray(ds[by].values)[[place[name] for name in ds["batch"].values.tolist()]]
    names = sorted(str(name) for name in ds.variables if ds[name].dims in (("spectrum",), ("batch_id",)))
    raise InputError(f"spectra can be coloured by one of {', '.join(names)}; got {by!r}")


def _spread(n: int) -> IntArray:
    return np.unique(np.linspace(0, n - 1, min(n, _SHOWN)).round().astype(np.int64))


@styled
def spectra_by(ds: xr.Dataset, by: str, title: str | None = None) -> Figure:
    """Spectra, raw or treated, coloured by any coordinate, reference value or fact of their batches.

    Parameters
    ----------
    ds : Dataset
        At most 200 of its spectra are shown, evenly spread; choose others by selecting them first.
    by : str
        Name of what colours them: up to six categories have lines of their own, more categories, numbers and times a
        scale.
    title : str, optional

    Raises
    ------
    InputError
        If nothing of that name is known of the spectra, or of none of them.
    """
    colouring, axis = _Colouring(ds, by), np.asarray(ds["wavelength"].values)
    shown = _spread(ds.sizes["spectrum"])
    figure, (ax,) = panels(WIDTH, 3.8)
    for i, (_, rows) in enumerate(colouring.groups(shown)):
        x = np.asarray(ds["absorbance"].isel(spectrum=rows).values)
        line_axis, x = broken(axis, x)
        segments = np.stack([np.broadcast_to(line_axis, x.shape), x], axis=-1)
        ax.add_collection(
            LineCollection(list(segments), colors=colouring.colours(rows), linewidths=0.8, alpha=0.8,
                           linestyles=[_LINES[i]], rasterized=True)
        )  # fmt: skip
    ax.autoscale_view()
    ax.margins(x=0.01)
    ax.set(xlabel="Wavelength (nm)", ylabel="Treated absorbance" if "treatment" in ds.attrs else "Absorbance (AU)")
    ax.set_title(title or f"{shown.size} of {ds.sizes['spectrum']} spectra by {by}")
    colouring.explain(figure, ax, "line")
    return figure


@styled
def scores(calibration: Calibration, treated: xr.Dataset, by: str, components: tuple[int, int] = (1, 2)) -> Figure:
    """Scores of spectra on two components, coloured by anything known of them.

    Parameters
    ----------
    calibration : Calibration
    treated : Dataset
        Spectra treated by its method: its own or others.
    by : str
        As for `spectra_by`.
    components : (int, int)
        Numbers of the components, from 1.

    Raises
    ------
    InputError
        If the model has no such components, or nothing is known under that name.
    """
    a, b = components
    most = calibration.model.n_components
    if not (1 <= a <= most and 1 <= b <= most and a != b):
        raise InputError(f"`components` must be two different ones from 1 to {most}, got {components}")
    colouring = _Colouring(treated, by)
    found = pls.scores(calibration.model, np.asarray(treated["absorbance"].values))[:, [a - 1, b - 1]]
    sd = np.sqrt(calibration.model.score_variance[[a - 1, b - 1]])
    figure, (ax,) = panels(0.62 * WIDTH, 4.6)
    for i, (_, rows) in enumerate(colouring.groups(np.arange(found.shape[0]))):
        ax.scatter(found[rows, 0], found[rows, 1], c=colouring.colours(rows), marker=_MARKS[i], s=20, edgecolors=INK,
                   linewidths=0.3, alpha=0.85, rasterized=rows.size > 2000)  # fmt: skip
    for k, line in ((1, ":"), (2, "--"), (3, "-")):
        ax.add_patch(Ellipse((0, 0), *(2 * k * sd), fill=False, edgecolor=INK, linestyle=line, linewidth=1.0, zorder=4))
    ax.annotate("3 SD of the calibration", (0.0, 3 * sd[1]), (0, 3), textcoords="offset points", ha="center",
                fontsize=8, zorder=5)  # fmt: skip
    ax.autoscale_view()
    ax.set(xlabel=f"Score on component {a}", ylabel=f"Score on component {b}")
    ax.set_title(f"Scores of {found.shape[0]} spectra by {by}")
    colouring.explain(figure, ax, "mark")
    return figure


@styled
def outliers(report: OutlierReport) -> Figure:
    """T2 against Q, and Studentised residual against leverage, with limits and the names of what lies farthest beyond.

    Parameters
    ----------
    report : OutlierReport
        What `pat.calibration.outliers.outlier_report` found.
    """
    figure, (left, right) = panels(WIDTH, 4.3, 1, 2)
    left.set(xlabel="T2 (cross-validated)", ylabel="Q (cross-validated)", xscale="log", yscale="log")
    for axis in (left.xaxis, left.yaxis):
        plain_log(axis)
    _against(left, report, ("T2", "t2"), ("Q", "q"))
    _against(right, report, ("leverage", "leverage"), ("residual", "residual"))
    right.set(xlabel="Leverage in the calibration", ylabel="Studentised cross-validated residual")
    right.axhline(0.0, color=GREY, linewidth=0.8)
    left.set_title(f"{len(report.flagged)} of {len(report.spectra)} spectra beyond a limit")
    right.set_title(f"Limits at {100.0 * report.confidence:g} %; solid: the largest of all")
    return figure


def _against(ax: Axes, report: OutlierReport, x: tuple[str, str], y: tuple[str, str]) -> None:
    """Draw one diagnostic against another, each a flag and a column, with the limits of both."""
    spectra = report.spectra
    names = ["|".join(filter(None, (flag.rstrip("!") for flag in flags.split()))) for flags in spectra["flags"]]
    beyond = np.array([bool({x[0], y[0]} & set(name.split("|"))) for name in names])
    marks(ax, spectra.loc[~beyond, x[1]].to_numpy(), spectra.loc[~beyond, y[1]].to_numpy(), "o", SOFT, 3.5)
    marks(ax, spectra.loc[beyond, x[1]].to_numpy(), spectra.loc[beyond, y[1]].to_numpy(), "D", RED, 5,
          markeredgecolor=INK, markeredgewidth=0.6)  # fmt: skip
    for (flag, _), line, both in ((x, ax.axvline, False), (y, ax.axhline, y[0] == "residual")):
        for column, style in (("limit", "--"), ("extreme", "-")):
            limit = float(report.limits.loc[flag, column])  # type: ignore[arg-type]
            for sign in (1.0, -1.0) if both else (1.0,):
                if np.isfinite(limit):
                    line(sign * limit, color=BLUE, linestyle=style, linewidth=1.0, zorder=1)
    excess = np.max([np.abs(spectra[column]) / report.limits.loc[flag, "limit"] for flag, column in (x, y)], axis=0)
    found = spectra.assign(excess=excess)[beyond].sort_values("excess", ascending=False, kind="stable")
    _name_worst(ax, found[["batch", "row", x[1], y[1]]])


def _name_worst(ax: Axes, found: pd.DataFrame) -> None:
    """Name the first few spectra (batch, row, x, y) whose names leave each other room, and say how many others are."""
    ax.autoscale_view()
    into_panel = ax.transScale + ax.transLimits
    taken: list[tuple[float, float, float]] = []
    for batch, row, at_x, at_y in found.itertuples(index=False):
        name = f"{batch}, {row}"
        width = _LETTER_WIDTH * (len(name) + 2)
        across, up = into_panel.transform((at_x, at_y))
        left = across + width > 1.0
        start = across - width if left else across
        if all(start + width < a or b < start or abs(up - y) > _LETTER_HEIGHT for a, b, y in taken):
            ax.annotate(name, (at_x, at_y), (-5 if left else 5, 3), textcoords="offset points", fontsize=7.5,
                        ha="right" if left else "left", zorder=4)  # fmt: skip
            taken.append((start, start + width, up))
        if len(taken) == _NAMED:
            break
    if more := len(found) - len(taken):
        ax.text(1.0, 1.005, f"{more} more not named", transform=ax.transAxes, ha="right", va="bottom", fontsize=7.5,
                color=GREY)  # fmt: skip
