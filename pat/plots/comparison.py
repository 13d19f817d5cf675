"""Figures of a retraining: two models on the same batches, and the bias since the first was validated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pat.errors import InputError
from pat.plots.style import BLUE, GREEN, GREY, INK, LIGHT, ORANGE, RED, WIDTH, beside, panels, styled

# More names than this on an axis are turned.
_MANY_NAMES = 10


@styled
def errors_by_batch(by_batch: Sequence[Mapping[str, Any]], units: str) -> Figure:
    """Errors of champion and challenger in each batch that both were judged on, in order of content.

    Parameters
    ----------
    by_batch : sequence of mapping
        From `pat.retraining.comparison.by_batch`.
    units : str
        Of the analyte.

    Raises
    ------
    InputError
        If there is no batch.
    """
    if not by_batch:
        raise InputError("errors by batch need at least one batch, got none")
    rows = sorted(by_batch, key=lambda row: (row["reference"], row["batch"]))
    figure, axes = panels(WIDTH, 4.6, 2, 1, sharex=True)
    axes[0].axhline(0.0, color=GREY, linewidth=0.8)
    for ax, key in zip(axes, ("error", "rms_error"), strict=True):
        before, after = (np.array([row[side][key] for row in rows]) for side in ("champion", "challenger"))
        at = np.arange(len(rows))
        ax.vlines(at, before, after, color=LIGHT, linewidth=4, zorder=1)
        ax.plot(at, before, "o", color=INK, markersize=6, markerfacecolor="white", label="champion")
        ax.plot(at, after, "D", color=BLUE, markersize=5, label="challenger")
    axes[0].set_ylabel(f"Mean error\n({units})")
    axes[1].set_ylabel(f"Root mean squared\nerror ({units})")
    axes[1].set_ylim(bottom=0.0)
    axes[0].set_title("The same batches under both models")
    beside(axes[0])
    _name(axes[1], [f"{row['batch']}\n{row['reference']:.3g}" for row in rows])
    axes[1].set_xlabel(f"Batch, and its mean reference value ({units})")
    return figure


@styled
def bias_chart(bias: Mapping[str, Any], units: str) -> Figure:
    """Errors of the new reference batches in order, and the CUSUM that follows them.

    Parameters
    ----------
    bias : mapping
        Numbers of the finding ``bias`` of `pat.retraining.drift.drift`.
    units : str
        Of the analyte.
    """
    before, errors = np.array(bias["baseline_errors"]), np.array(bias["errors"])
    first, n = -before.size, errors.size
    figure, axes = panels(WIDTH, 4.6, 2, 1, sharex=True)
    axes[0].axhline(0.0, color=GREY, linewidth=0.8)
    axes[0].plot(np.arange(first, 0), before, "o", color=INK, markerfacecolor="white", label="validation batches")
    axes[0].plot(np.arange(n), errors, "D-", color=BLUE, markersize=5, label="new references")
    axes[0].set_ylabel(f"Mean error\n({units})")
    axes[0].set_title("Bias of the champion since its validation")
    limit = bias["decision_interval"]
    axes[1].axhline(limit, color=RED, linestyle="--", linewidth=1.1, label=f"decision interval {limit:.2f}")
    sides = (("upper", "^", ORANGE, "bias has risen"), ("lower", "v", GREEN, "bias has fallen"))
    for key, marker, colour, label in sides:
        axes[1].plot(np.arange(n), bias[f"{key}_sums"], f"{marker}-", color=colour, markersize=5, label=label)
    axes[1].set_ylabel("CUSUM\n(standard deviations)")
    axes[1].set_ylim(bottom=0.0)
    for ax in axes:
        ax.axvline(-0.5, color=GREY, linewidth=0.8, linestyle=":")
        beside(ax)
    _name(axes[1], bias["batches"])
    axes[1].set_xlabel("New reference batches in order of time; to the left, the validation's")
    return figure


def _name(ax: Axes, names: Sequence[str]) -> None:
    ax.set_xticks(np.arange(len(names)), names, rotation=90 if len(names) > _MANY_NAMES else 0)
