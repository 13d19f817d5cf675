"""Figures of a method search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pat.calibration.folds import left_out
from pat.errors import InputError
from pat.plots.style import BLUE, GREY, HALF, INK, panels, styled

_COLUMNS = ("chain", "rmsecv", "standard_error", "n_components")
# Inches that a letter of 8.5 points takes, and a row.
_LETTER, _ROW = 0.072, 0.21


@styled
def search_landscape(table: pd.DataFrame, units: str, folds: str = "batch", shown: int = 30) -> Figure:
    """Chains of a method search, ranked by RMSECV, with standard errors and numbers of components.

    Parameters
    ----------
    table : DataFrame
        A row for each chain: ``chain`` (its name), ``rmsecv``, ``standard_error``, ``n_components``.
    units : str
        Of RMSECV.
    folds : str
        What cross-validation left out together, as the method's `calibration.folds` says.
    shown : int
        Most chains drawn, the best ones; the title says how many there are.

    Raises
    ------
    InputError
        If a column is missing, or no chain has an RMSECV.
    """
    if missing := [name for name in _COLUMNS if name not in table]:
        raise InputError(f"a search landscape needs the columns {', '.join(_COLUMNS)}; missing: {', '.join(missing)}")
    ranked = table[np.isfinite(table["rmsecv"])].sort_values("rmsecv", kind="stable")
    if not len(ranked):
        raise InputError(f"none of the {len(table)} chains has an RMSECV")
    top = ranked.head(shown)
    names = [str(name) for name in top["chain"]]
    figure, (ax,) = panels(HALF + _LETTER * max(map(len, names)), 1.4 + _ROW * len(top))
    _draw(ax, top)
    ax.set_yticks(np.arange(len(top)), names)
    ax.set(ylim=(len(top) - 0.4, -0.6), xlabel=f"RMSECV ({units}) and its standard error")
    of = f"{len(table)} chains" if len(top) == len(table) else f"The best {len(top)} of {len(table)} chains"
    figure.suptitle(f"{of} by RMSECV, {left_out(folds)}", x=0.01, ha="left", fontsize=10, weight="bold")
    figure.legend(loc="outside lower right", ncols=2)
    return figure


def _draw(ax: Axes, top: pd.DataFrame) -> None:
    """Draw ranked chains, those within one standard error of the first apart from the others."""
    rmsecv, error = top["rmsecv"].to_numpy(dtype=np.float64), top["standard_error"].to_numpy(dtype=np.float64)
    place, bound = np.arange(rmsecv.size), rmsecv[0] + error[0]
    ax.axvspan(rmsecv[0], bound, color=BLUE, alpha=0.10, linewidth=0)
    near = rmsecv <= bound
    for rows, colour, mark, label in ((near, BLUE, "o", "within one standard error of the best"),
                                      (~near, GREY, "s", "others")):  # fmt: skip
        if rows.any():
            ax.errorbar(rmsecv[rows], place[rows], xerr=error[rows], fmt=mark, color=colour, markersize=4.5,
                        elinewidth=1.1, capsize=2, label=label)  # fmt: skip
    beside: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center"}
    for row, count in enumerate(top["n_components"]):
        ax.annotate(f"{count}", (1.0, row), (8, 0), ha="center", fontsize=8, color=INK, **beside)
    ax.annotate("components", (1.0, -0.9), (8, 4), ha="center", fontsize=7.5, color=GREY, **beside)
