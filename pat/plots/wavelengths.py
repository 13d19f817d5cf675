"""Figures along the wavelength axis: what a model looks at, and what in a spectrum is unusual."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pat.calibration import Calibration
from pat.calibration.choice import components_in_words
from pat.core import diagnostics
from pat.core.types import Array
from pat.errors import InputError
from pat.plots.model import pure_bands
from pat.plots.style import BLUE, CYCLE, GREY, INK, RED, WIDTH, beside, broken, note, panels, styled

# Lines of the components, so that they differ in grey as well.
_LINES = ("-", "--", "-.", ":")


def _axis(calibration: Calibration) -> Array:
    """Treated axis (nm) of a calibration's model."""
    return calibration.learnt.treatment(calibration.wavelength).wavelength


def _stack(calibration: Calibration, pure: pd.DataFrame | None, height: float, rows: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels above one wavelength axis, the last one for the pure components if there are any."""
    ratios = [1.3] * rows + [1.0] * (pure is not None)
    figure, axes = panels(
        WIDTH, height * rows + 1.9 * (pure is not None), len(ratios), 1, sharex=True, height_ratios=ratios
    )
    if pure is not None:
        pure_bands(axes[-1], pure, calibration.method.analyte.name)
    axis = _axis(calibration)
    axes[-1].set(xlabel="Wavelength (nm)", xlim=(axis[0], axis[-1]))
    return figure, axes


@styled
def loadings(calibration: Calibration, pure: pd.DataFrame | None = None) -> Figure:
    """Draw the loadings of every component, over the bands of the pure components where these are known.

    Parameters
    ----------
    calibration : Calibration
    pure : DataFrame, optional
        As for `pat.plots.regression_vector`.

    Notes
    -----
    Loadings are in the units of the treated spectra per unit of score; each is drawn over its largest size.
    """
    figure, axes = _stack(calibration, pure, 3.0, 1)
    axes[0].axhline(0.0, color=GREY, linewidth=0.8)
    for a, loading in enumerate(calibration.model.loadings.T):
        shown, values = broken(_axis(calibration), loading / np.abs(loading).max())
        line, colour = _LINES[a % len(_LINES)], CYCLE[a % len(CYCLE)]
        axes[0].plot(shown, values, line, color=colour, linewidth=1.4, label=f"component {a + 1}")
    axes[0].set_ylabel("Loading over its\nlargest size")
    beside(axes[0])
    bands = "" if pure is None else ", over the bands of the pure components"
    axes[0].set_title(f"Loadings of {components_in_words(calibration.model.n_components)}{bands}")
    return figure


@styled
def importance(calibration: Calibration, ratio: Array | None = None, pure: pd.DataFrame | None = None) -> Figure:
    """Variable importance in projection, and the selectivity ratio where it is given.

    Parameters
    ----------
    calibration : Calibration
    ratio : ndarray of shape (p,), optional
        Selectivity ratio of every treated wavelength; see `pat.core.diagnostics.selectivity_ratio`.
    pure : DataFrame, optional
        As for `pat.plots.regression_vector`.

    Raises
    ------
    InputError
        If the selectivity ratio is not of the treated wavelengths.
    """
    axis, vip = _axis(calibration), diagnostics.vip(calibration.model)
    if ratio is not None and ratio.shape != vip.shape:
        raise InputError(f"the selectivity ratio must have shape {vip.shape}, as the treated axis, got {ratio.shape}")
    figure, axes = _stack(calibration, pure, 2.6, 1 if ratio is None else 2)
    shown, values = broken(axis, vip)
    axes[0].plot(shown, values, color=BLUE)
    axes[0].fill_between(shown, values, 1.0, where=np.nan_to_num(values) > 1.0, color=BLUE, alpha=0.16, linewidth=0)
    axes[0].axhline(1.0, color=GREY, linestyle="--", linewidth=1)
    axes[0].text(axis[0], 1.03, " root mean square", fontsize=8, color=GREY)
    axes[0].set(ylabel="VIP", ylim=(0.0, None))
    axes[0].set_title(f"Importance of the wavelengths, VIP up to {vip.max():.1f} at {axis[np.argmax(vip)]:.0f} nm")
    if ratio is not None:
        axes[1].plot(*broken(axis, ratio), color=INK)
        axes[1].set(ylabel="Selectivity ratio\n(explained / residual)", ylim=(0.0, None))
    return figure


@styled
def contributions(calibration: Calibration, spectrum: Array, name: str) -> Figure:
    """Where one spectrum leaves the model: itself, and the contributions of the wavelengths to its T2 and Q.

    Parameters
    ----------
    calibration : Calibration
    spectrum : ndarray of shape (p,)
        Treated spectrum.
    name : str
        What it is called in the title.

    Raises
    ------
    InputError
        If the spectrum is not on the treated axis.

    Notes
    -----
    T2 and Q are those under the model of all batches, and the limits are those of scope, which the artefact holds. An
    outlier report of the calibration judges more strictly: T2 and Q under the model that did not see the batch, against
    limits from the quartiles, which outliers cannot widen.
    """
    model, axis = calibration.model, _axis(calibration)
    if spectrum.shape != axis.shape:
        raise InputError(f"a treated spectrum has shape {axis.shape}, got {spectrum.shape}")
    row = spectrum[None, :]
    _, t2, q = diagnostics.evaluate(model, row)
    figure, axes = panels(WIDTH, 6.0, 3, 1, sharex=True)
    axes[0].plot(*broken(axis, model.x_mean), color=GREY, linestyle="--", label="calibration mean")
    axes[0].plot(*broken(axis, spectrum), color=INK, label="spectrum")
    axes[0].set_ylabel("Treated\nabsorbance")
    axes[0].legend(ncols=2, loc="best")
    parts = (
        ("T2", float(t2[0]), calibration.t2_limit, diagnostics.t2_contributions(model, row)[0]),
        ("Q", float(q[0]), calibration.q_limit, diagnostics.q_contributions(model, row)[0]),
    )
    level = f"{100.0 * calibration.method.calibration.scope_confidence:g} %"
    for ax, (what, value, limit, shares) in zip(axes[1:], parts, strict=True):
        beyond = value > limit
        _bars(ax, axis, shares, RED if beyond else BLUE)
        ax.set_ylabel(f"Contribution\nto {what}")
        side = "beyond" if beyond else "within"
        note(ax, f"{what} {value:.4g}, {side} the limit of scope {limit:.4g} ({level})", 0.012, 0.95)
    axes[-1].set(xlabel="Wavelength (nm)", xlim=(axis[0], axis[-1]))
    axes[0].set_title(f"{name}: what each wavelength adds to T2 and Q")
    return figure


def _bars(ax: Axes, axis: Array, shares: Array, colour: str) -> None:
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    ax.vlines(axis, 0.0, shares, color=colour, linewidth=max(1.0, 315.0 / axis.size))
    # Room for the note.
    low, high = min(0.0, float(shares.min())), max(0.0, float(shares.max()))
    ax.set_ylim(low - 0.08 * (high - low), high + 0.45 * (high - low))
