"""A calibration transfer before and after: what instruments differ by, in spectra and in predictions."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pat.plots.style import BLUE, GREY, INK, ORANGE, WIDTH, broken, panels, styled
from pat.transfer import Transferred


@styled
def transfer(found: Transferred) -> Figure:
    """Draw the transfer samples on the new instrument against the old one, before the transfer and after it.

    Parameters
    ----------
    found : Transferred
        Each sample after the transfer as the other transfer samples taught it.

    Returns
    -------
    Figure
        Left the root mean square, over the transfer samples, by which treated spectra differ, beside how much samples
        differ among themselves; right the differences of predictions.
    """
    figure, (left, right) = panels(WIDTH, 3.6, 1, 2, width_ratios=[1.45, 1.0])
    _spectra(left, found)
    _predictions(right, found)
    return figure


def _spectra(ax: Axes, found: Transferred) -> None:
    old, before, after = found.treated
    lines = (
        (old - old.mean(axis=0), GREY, ":", "samples, about their mean"),
        (before - old, ORANGE, "--", "instruments, before"),
        (after - old, BLUE, "-", "instruments, after (left out)"),
    )
    for difference, colour, line, label in lines:
        if np.isfinite(difference).all():
            axis, size = broken(found.wavelength, np.sqrt(np.mean(difference**2, axis=0)))
            ax.plot(axis, size, line, color=colour, label=label)
    ax.set(xlabel="wavelength (nm)", ylabel="RMS difference, treated")
    ax.set_title("Spectra")
    ax.set_ylim(bottom=0.0, top=1.28 * ax.get_ylim()[1])
    ax.legend(loc="upper left", ncols=1)


def _predictions(ax: Axes, found: Transferred) -> None:
    record, units = found.record, found.calibration.method.analyte.units
    for values, colour, marker, label, key in (
        (found.before, ORANGE, "^", "before", "rmse_before"),
        (found.after, BLUE, "o", "after (left out)", "rmse_left_out"),
    ):
        if np.isfinite(values).all():
            said = f"{label}: {record['figures'][key]:.3g} {units} RMS"
            ax.plot(found.wanted, values - found.wanted, marker, color=colour, markersize=4.5, label=said)
    ax.axhline(0.0, color=INK, linewidth=0.8, zorder=0)
    low, high = ax.get_ylim()
    # Room for the legend above what is drawn.
    ax.set_ylim(low, high + 0.28 * (high - low))
    ax.set(xlabel=f"predicted on {record['from']} ({units})", ylabel=f"{record['to']} less {record['from']} ({units})")
    ax.set_title("Predictions of the transfer samples")
    ax.legend(loc="upper left")
