"""Figures of a calibrated model: its spectra, its cross-validation, its predictions and its scope."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pat.calibration import Calibration
from pat.calibration.choice import components_in_words
from pat.calibration.folds import left_out
from pat.core.types import Array, IntArray
from pat.plots.style import (
    BLUE,
    CYCLE,
    GREY,
    HALF,
    INK,
    ORANGE,
    RED,
    SOFT,
    WIDTH,
    broken,
    marks,
    note,
    panels,
    plain_log,
    styled,
)
from pat.validation.figures import batch_means
from pat.validation.run import Validation

# Enough spectra to see every batch, few enough to see through.
_SHOWN = 120


def _spread(n: int) -> IntArray:
    """Positions of at most `_SHOWN` of n spectra, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, _SHOWN)).round().astype(np.int64))


@styled
def spectra(calibration: Calibration, raw: xr.Dataset, treated: xr.Dataset) -> Figure:
    """Calibration spectra before and after treatment, coloured by content.

    Parameters
    ----------
    calibration : Calibration
        Says which batches it was made from; at most 120 of their spectra are shown, evenly spread.
    raw, treated : Dataset
        The same spectra, raw and treated.
    """
    analyte = calibration.method.analyte
    used = set(calibration.batches)
    inside = np.array([name in used for name in raw["batch"].values.tolist()])
    rows = np.flatnonzero(inside & ~np.isnan(raw[analyte.name].values))
    shown = rows[_spread(rows.size)]
    content = np.asarray(raw[analyte.name].values)[shown]
    figure, axes = panels(WIDTH, 3.6, 1, 2)
    colours = ScalarMappable(Normalize(content.min(), content.max()), "viridis")
    for ax, ds, name in zip(axes, (raw, treated), ("Raw", "Treated"), strict=True):
        x = np.asarray(ds["absorbance"].isel(spectrum=shown).values)
        axis = np.asarray(ds["wavelength"].values)
        _lines(ax, axis, x, colours.to_rgba(content))
        ax.set_title(f"{name}: {_best_correlation(axis, x, content)}")
        ax.set_xlabel("Wavelength (nm)")
    axes[0].set_ylabel("Absorbance (AU)")
    axes[1].set_ylabel("Treated absorbance")
    bar = figure.colorbar(colours, ax=axes, pad=0.01, aspect=30)
    bar.set_label(f"Reference {analyte.name} ({analyte.units})")
    bar.outline.set_visible(False)
    return figure


def _lines(ax: Axes, axis: Array, x: Array, colours: Any) -> None:
    axis, x = broken(axis, x)
    segments = np.stack([np.broadcast_to(axis, x.shape), x], axis=-1)
    ax.add_collection(LineCollection(list(segments), colors=colours, linewidths=0.7, alpha=0.8, rasterized=True))
    ax.autoscale_view()
    ax.margins(x=0.01)


def _best_correlation(axis: Array, x: Array, content: Array) -> str:
    """Say where absorbance goes with content most closely."""
    dx, dy = x - x.mean(axis=0), content - content.mean()
    size = np.sqrt((dx**2).sum(axis=0) * (dy @ dy))
    r = np.divide(dy @ dx, size, out=np.zeros(axis.size), where=size > 0.0)
    best = int(np.argmax(np.abs(r)))
    return f"|r| with content up to {abs(r[best]):.2f}, at {axis[best]:.0f} nm"


@styled
def rmsecv_curve(calibration: Calibration) -> Figure:
    """RMSECV against the number of components, with its standard error and the number that was chosen."""
    cv, chosen, units = calibration.cross_validation, calibration.model.n_components, calibration.method.analyte.units
    a = np.arange(1, cv.rmsecv.size + 1)
    figure, (ax,) = panels(HALF, 3.8)
    ax.fill_between(a, cv.rmsecv - cv.rmsecv_se, cv.rmsecv + cv.rmsecv_se, color=BLUE, alpha=0.16, linewidth=0)
    ax.plot(a, cv.rmsecv, "o-", color=BLUE, markersize=4)
    best = int(np.argmin(cv.rmsecv))
    if calibration.method.calibration.component_rule == "one_standard_error":
        bound = cv.rmsecv[best] + cv.rmsecv_se[best]
        ax.axhline(bound, color=GREY, linestyle="--", linewidth=1, label="smallest + one standard error")
        ax.legend(loc="best")
    ax.plot(chosen, cv.rmsecv[chosen - 1], "o", markersize=11, markerfacecolor="none", color=RED, markeredgewidth=1.8)
    # Below the curve there is room, whatever the bound above it says.
    ax.annotate(f"{chosen} chosen", (chosen, cv.rmsecv[chosen - 1]), (0, -22), textcoords="offset points", color=RED,
                ha="center", fontweight="bold")  # fmt: skip
    ax.set_xticks(a)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("PLS components (latent variables)")
    ax.set_ylabel(f"RMSECV ({units}), {left_out(calibration.method.calibration.folds)}")
    ax.set_title(f"{components_in_words(chosen)}: RMSECV {cv.rmsecv[chosen - 1]:.3f} {units}")
    return figure


@styled
def predicted_against_reference(calibration: Calibration, validation: Validation) -> Figure:
    """Predictions against reference values: cross-validated ones, validation spectra, and validation batch means."""
    cv, found, analyte = calibration.cross_validation, validation.predictions, calibration.method.analyte
    figures = validation.document["figures"]
    cross = cv.predicted[:, calibration.model.n_components - 1]
    codes = np.unique(found["batch"], return_inverse=True)[1]
    figure, (ax,) = panels(HALF, 4.4)
    every = np.concatenate([cv.reference, cross, found["reference"], found["predicted"]])
    air = 0.03 * float(np.ptp(every))
    ends = [float(every.min()) - air, float(every.max()) + air]
    ax.plot(ends, ends, color=GREY, linewidth=1, zorder=1, label="predicted = reference")
    marks(ax, cv.reference, cross, "o", SOFT, 3.5, label="cross-validation", zorder=2)
    marks(ax, found["reference"], found["predicted"], "x", BLUE, 3.5, label="validation spectra", zorder=3,
          alpha=0.6)  # fmt: skip
    means = batch_means(found["reference"], codes), batch_means(found["predicted"], codes)
    marks(ax, *means, "D", ORANGE, 6, label="validation batch means", zorder=4, markeredgecolor=INK,
          markeredgewidth=0.8)  # fmt: skip
    ax.set(xlim=ends, ylim=ends, aspect="equal")
    ax.set_xlabel(f"Reference {analyte.name} ({analyte.units})")
    ax.set_ylabel(f"Predicted {analyte.name} ({analyte.units})")
    ax.legend(loc="lower right", handletextpad=0.4)
    lines = [f"RMSEP  {_figure(figures['rmsep'])}", f"bias  {_figure(figures['bias'], '+.3f')}"]
    note(ax, "\n".join([*lines, f"slope  {_figure(figures['slope'])}"]), 0.04, 0.97)
    ax.set_title(f"RMSEP {_figure(figures['rmsep'])} {analyte.units} on {figures['n_batches']} new batches")
    return figure


def _figure(value: float | None, form: str = ".3f") -> str:
    return "–" if value is None else format(value, form)


@styled
def scope(calibration: Calibration, validation: Validation) -> Figure:
    """T2 against Q of cross-validated and validation spectra, with the limits of what the method knows."""
    cv, found = calibration.cross_validation, validation.predictions
    inside = np.asarray(found["in_scope"], dtype=np.bool_)
    t2, q = np.asarray(found["hotelling_t2"]), np.asarray(found["q_residuals"])
    figure, (ax,) = panels(HALF, 4.4)
    marks(ax, cv.t2, cv.q, "o", SOFT, 3.5, label="cross-validation")
    marks(ax, t2[inside], q[inside], "x", BLUE, 3.5, label="validation, in scope", alpha=0.7)
    if not inside.all():
        marks(ax, t2[~inside], q[~inside], "s", RED, 5, label="validation, out of scope")
    ax.axvline(calibration.t2_limit, color=INK, linestyle="--", linewidth=1)
    ax.axhline(calibration.q_limit, color=INK, linestyle="--", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="Hotelling's T2", ylabel="Q residuals (treated absorbance, squared)")
    for axis in (ax.xaxis, ax.yaxis):
        plain_log(axis)
    _frame_limits(ax, calibration, np.concatenate([cv.t2, t2]), np.concatenate([cv.q, q]))
    ax.legend(loc="lower left", handletextpad=0.4)
    ax.set_title(f"{inside.sum()} of {inside.size} validation spectra lie in scope")
    return figure


def _frame_limits(ax: Axes, calibration: Calibration, t2: Array, q: Array) -> None:
    """Give both limits air above and a label, and the legend air below."""
    # A spectrum very near the centre may lie to the left of the panel, where nothing is at stake.
    low_t2, low_q = max(float(t2.min()), float(np.median(t2)) / 1e3), float(q.min())
    ax.set_xlim(low_t2 / 1.3, max(calibration.t2_limit, float(t2.max())) * 2.0)
    ax.set_ylim(low_q / 2.5, max(calibration.q_limit, float(q.max())) * 1.8)
    level = f"{100.0 * calibration.method.calibration.scope_confidence:g} % limit"
    ax.text(0.01, calibration.q_limit * 1.05, f"Q {level}", transform=ax.get_yaxis_transform(), va="bottom", fontsize=8)
    ax.text(calibration.t2_limit * 1.06, 0.02, f"T2 {level}", transform=ax.get_xaxis_transform(), rotation=90,
            fontsize=8)  # fmt: skip


@styled
def regression_vector(calibration: Calibration, pure: pd.DataFrame | None = None) -> Figure:
    """Regression vector, over the bands of the pure components where these are known.

    Parameters
    ----------
    calibration : Calibration
    pure : DataFrame, optional
        Column ``wavelength`` (nm) and one column of absorbance (AU) for each component; the one named after the
        analyte is emphasised.
    """
    model, analyte = calibration.model, calibration.method.analyte
    axis = calibration.learnt.treatment(calibration.wavelength).wavelength
    figure, axes = panels(WIDTH, 3.0 if pure is None else 4.8, 1 if pure is None else 2, 1, sharex=True)
    shown, vector = broken(axis, model.coefficients[-1])
    axes[0].axhline(0.0, color=GREY, linewidth=0.8)
    axes[0].plot(shown, vector, color=BLUE)
    axes[0].fill_between(shown, vector, 0.0, color=BLUE, alpha=0.12, linewidth=0)
    axes[0].set_ylabel(f"Coefficient\n({analyte.units} per unit of\ntreated absorbance)")
    bands = "" if pure is None else ", over the bands of the pure components"
    axes[0].set_title(f"Regression vector for {analyte.name}, {components_in_words(model.n_components)}{bands}")
    if pure is not None:
        pure_bands(axes[1], pure, analyte.name)
    axes[-1].set(xlabel="Wavelength (nm)", xlim=(axis[0], axis[-1]))
    return figure


def pure_bands(ax: Axes, pure: pd.DataFrame, analyte: str) -> None:
    """Draw the bands of the pure components, the analyte's emphasised."""
    wavelength = pure["wavelength"].to_numpy(dtype=np.float64)
    others = [str(name) for name in pure.columns if name not in ("wavelength", analyte)]
    for name, colour in zip(others, CYCLE[1:] * len(others), strict=False):
        ax.plot(wavelength, pure[name].to_numpy(dtype=np.float64), color=colour, linewidth=1.2, label=name)
    if analyte in pure:
        band = pure[analyte].to_numpy(dtype=np.float64)
        ax.plot(wavelength, band, color=INK, linewidth=1.8, label=analyte)
        ax.fill_between(wavelength, band, 0.0, color=INK, alpha=0.08, linewidth=0)
    ax.set_ylabel("Pure absorbance (AU)")
    ax.legend(ncols=3, loc="upper left")
