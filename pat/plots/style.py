"""One look for every figure, and its way onto paper: SVG that repeats byte for byte.

The colours are those of Okabe and Ito (2008), which people with colour blindness tell apart; marks differ in shape
or line as well.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from pat.core.endpoint import State
from pat.core.types import Array

P = ParamSpec("P")

INK, GREY, SOFT, LIGHT = "#22303c", "#7b8794", "#b8c1ca", "#dfe3e8"
BLUE, SKY, GREEN, ORANGE, RED, PURPLE = "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#aa4499"
YELLOW = "#f0e442"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)

WIDTH, HALF = 9.4, 4.6
"""Width (inches) of a figure that fills the page, and of one that shares it with another."""

STATE_COLOURS = {
    State.LOADED: LIGHT,
    State.MIXING: SOFT,
    State.STEADY: SKY,
    State.UNIFORM: GREEN,
    State.HOLD: YELLOW,
    State.CONFIRM: GREEN,
    State.DISCHARGE: LIGHT,
    State.DONE: LIGHT,
    State.OVERMIXED: RED,
    State.OUT_OF_SCOPE: ORANGE,
    State.SENSOR_FAULT: PURPLE,
    State.TIMEOUT: "#4a5560",
}

# DejaVu Sans comes with matplotlib, so that text has one width everywhere.
_STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.titlepad": 8.0,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
    # The identifiers in an SVG are hashes of its parts; without a salt they are drawn at random.
    "svg.hashsalt": "pat",
    "svg.fonttype": "path",
}
# Resolution (dots per inch) of what is dense enough to be stored as pixels.
_DPI = 160
# More marks than this are stored as pixels.
_MANY = 2000


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a function draw in the style of this project, whatever the caller's settings."""

    @functools.wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return in_style


def panels(width: float, height: float, rows: int = 1, columns: int = 1, **grid: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure (inches) and its panels, row by row; no window is opened."""
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(rows, columns, squeeze=False, **grid).ravel().tolist()
    for ax in axes:
        # Said of each axis, because ticks are made when the figure is drawn, outside the style.
        ax.tick_params(which="both", labelsize=8.5, color=GREY, labelcolor=INK)
    return figure, axes


def beside(ax: Axes, **how: Any) -> None:
    """Put the legend to the right of its panel, where it covers nothing."""
    ax.legend(loc="upper left", bbox_to_anchor=(1.005, 1.03), handlelength=1.6, borderaxespad=0.2, **how)


def plain_log(axis: Axis) -> None:
    """Give a logarithmic axis plain numbers at 1, 2 and 5 of every decade; very small ones as 1e-5."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda tick, _: _plain(tick)))
    axis.set_minor_formatter(NullFormatter())


def _plain(tick: float) -> str:
    # Rounded, a tick of 1e-4 may lie on either side of it.
    return f"{tick:.0e}".replace("e-0", "e-") if 0.0 < tick < 1.5e-4 else f"{tick:g}"


def broken(axis: Array, values: Array) -> tuple[Array, Array]:
    """Put NaN where an axis (p,) has a gap, and in values (..., p), so that no line is drawn across it."""
    step = np.diff(axis)
    gaps = np.flatnonzero(step > 1.5 * np.median(step)) + 1
    return np.insert(axis, gaps, np.nan), np.insert(values, gaps, np.nan, axis=-1)


def marks(ax: Axes, x: Array, y: Array, marker: str, colour: str, size: float, **how: Any) -> None:
    """Draw marks, as pixels where there are many."""
    ax.plot(x, y, marker, color=colour, markersize=size, rasterized=x.size > _MANY, **how)


def note(ax: Axes, text: str, x: float, y: float) -> None:
    """Write a note on white, its upper left corner at a place given in shares of the panel."""
    box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": LIGHT, "alpha": 0.92}
    ax.text(x, y, text, transform=ax.transAxes, bbox=box, va="top", fontsize=8.0, linespacing=1.45, zorder=6)


def to_png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file; the same bytes for a figure drawn for the first time."""
    with mpl.rc_context(_STYLE), io.BytesIO() as out:
        figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
        return out.getvalue()


def to_svg(figure: Figure, prefix: str) -> str:
    """Return a figure as an SVG element for a page.

    Parameters
    ----------
    figure : Figure
    prefix : str
        Letters that make its identifiers differ from those of the page's other figures.

    Returns
    -------
    str
        ``<svg ...>...</svg>``; the same bytes for the same figure.
    """
    with mpl.rc_context(_STYLE), io.StringIO() as out:
        figure.savefig(out, format="svg", dpi=_DPI, metadata={"Date": None, "Creator": None})
        text = out.getvalue()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return re.sub(r'(?<=\bid=")|(?<=href="#)|(?<=url\(#)', f"{prefix}-", text).strip()
