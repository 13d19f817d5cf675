"""Figures of the validation dossier: the accuracy profile, and what perturbations do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from pat.errors import InputError
from pat.method import Method
from pat.plots.style import BLUE, GREEN, GREY, HALF, INK, ORANGE, RED, SKY, WIDTH, panels, plain_log, styled
from pat.validation.run import Validation

_COLUMNS = 4


@styled
def accuracy_profile(method: Method, validation: Validation) -> Figure:
    """Bias and tolerance limits of the error at each level of content, between the acceptance limits.

    Raises
    ------
    InputError
        If the validation has no accuracy profile.
    """
    values = _values(validation, "9.5")
    if not values:
        raise InputError("expected a validation with an accuracy profile, got one that could not make it")
    found, units = values[0], method.analyte.units
    figure, (ax,) = panels(HALF + 1.6, 3.4)
    x = np.array([level["content"] for level in found["levels"]])
    bias, lower, upper = (np.array([level[key] for level in found["levels"]]) for key in ("bias", "lower", "upper"))
    share = f"limits that {100 * found['beta']:g} % of future results are expected within"
    ax.fill_between(x, lower, upper, color=SKY, alpha=0.35, linewidth=0.0, label=share)
    for edge in (lower, upper):
        ax.plot(x, edge, color=BLUE, linewidth=1.2, marker="_", markersize=8.0)
    ax.plot(x, bias, color=INK, marker="o", markersize=4.5, label="mean error")
    ax.axhline(0.0, color=GREY, linewidth=0.8, linestyle=":")
    if found["limit"] is not None:
        for sign in (-1.0, 1.0):
            ax.axhline(sign * found["limit"], color=RED, linewidth=1.1, linestyle="--")
        ax.plot([], [], color=RED, linewidth=1.1, linestyle="--", label="acceptance limits")
    ax.set(xlabel=f"{method.analyte.name} by the reference ({units})", ylabel=f"predicted less reference ({units})")
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.2), borderaxespad=0.0)
    ax.set_title("Accuracy profile")
    return figure


@styled
def perturbations(validation: Validation) -> Figure:
    """Share of spectra refused, and accepted though wrong, as each perturbation grows.

    Raises
    ------
    InputError
        If the validation tried no perturbation.
    """
    tried = [values for values in _values(validation, "9.") if "perturbation" in values]
    if not tried:
        raise InputError("expected a validation with perturbed spectra, got one without")
    rows = math.ceil(len(tried) / _COLUMNS)
    figure, axes = panels(WIDTH, 2.1 * rows + 0.4, rows, _COLUMNS, sharey=True)
    for ax, values in zip(axes, tried, strict=False):
        _perturbation(ax, values)
    for ax in axes[len(tried) :]:
        ax.set_visible(False)
    for ax in axes[::_COLUMNS]:
        ax.set_ylabel("spectra (%)")
    axes[0].set_ylim(-4.0, 104.0)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2)
    return figure


def _perturbation(ax: Axes, values: dict[str, Any]) -> None:
    sizes = np.array(values["sizes"])
    ax.plot(sizes, 100.0 * np.array(values["refused"]), color=GREEN, marker="o", markersize=3.5, label="refused")
    wrong = 100.0 * np.array(values["wrong_accepted"])
    ax.plot(
        sizes, wrong, color=ORANGE, marker="s", markersize=3.5, linestyle="--", label="accepted, though moved too far"
    )
    ax.set_xscale("log")
    plain_log(ax.xaxis)
    if sizes[-1] >= 50.0 * sizes[0]:  # over so many decades, more numbers than these run into each other
        ax.xaxis.set_major_locator(LogLocator())
    ax.tick_params(axis="x", labelsize=7.0)
    ax.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.3)
    ax.set_title(values["perturbation"].capitalize(), fontsize=9.0)
    ax.set_xlabel(values["unit"], fontsize=8.0)


def _values(validation: Validation, number: str) -> list[dict[str, Any]]:
    """Figures of the dossier's items whose numbers begin so."""
    items = validation.document["dossier"]["items"]
    return [item["values"] for item in items if item["id"].startswith(number) and item["values"]]
