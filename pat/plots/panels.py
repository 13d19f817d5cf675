"""The panels that figures of blends are put together from."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pat.core.endpoint import GOOD, State, in_words
from pat.core.types import Array, BoolArray
from pat.errors import InputError
from pat.method import HomogeneityRules, Method
from pat.plots.style import BLUE, GREEN, GREY, INK, LIGHT, RED, SKY, STATE_COLOURS, plain_log
from pat.profiles import Profile

_DARK_STATES = {State.UNIFORM, State.OVERMIXED, State.SENSOR_FAULT, State.TIMEOUT}
# Readings beyond these shares of all good ones do not widen the panel of contents; they are marked at its edge.
_MOST = (0.06, 0.94)
# Range of the RSD's panel, as shares of the limit.
_RSD_RANGE = (0.2, 20.0)


def rules_of(method: Method) -> HomogeneityRules:
    """Return the homogeneity section of a method that has one; raises `InputError` otherwise."""
    if method.homogeneity is None:
        raise InputError(f"method {method.name} has no homogeneity section, so that it follows no blend")
    return method.homogeneity


def known(profile: Profile) -> bool:
    """Whether the truth of a blend is known."""
    return "uniform" in profile.columns


def turns(profile: Profile) -> Array:
    """Revolutions of a blend's readings, shape (n,)."""
    return profile.numbers("revolution")


def content_panel(
    ax: Axes, profile: Profile, method: Method, window: tuple[float, float] | None = None, size: float = 3.5
) -> None:
    """Draw predictions, their block mean and the true mean against the allowed mean, within a window of contents."""
    rules, target, turn = rules_of(method), method.analyte.target, turns(profile)
    room = target * rules.max_mean_deviation / 100.0
    ax.axhspan(target - room, target + room, color=GREEN, alpha=0.13, linewidth=0, label="allowed mean")
    ax.axhline(target, color=GREEN, linewidth=1, linestyle=":", label="target")
    value = profile.numbers("value")
    good: BoolArray = np.isin(profile.columns["status"], [status.value for status in GOOD])
    window = window or _window(value[good], method)
    _predictions(ax, turn, value, good, window, size)
    if "true_mean" in profile.columns:
        ax.plot(turn, profile.numbers("true_mean"), color=INK, linestyle="--", linewidth=1.1, label="true mean")
    ax.plot(turn, profile.numbers("block_mean"), color=BLUE, linewidth=1.8, label=f"block mean ({rules.block_size})")
    ax.set(xlim=(0, turn[-1] + 1), ylim=window)


def _window(value: Array, method: Method) -> tuple[float, float]:
    """Range of contents to show: that of most readings, within the range of the method."""
    a = method.analyte
    half = 2.0 * a.target * rules_of(method).max_mean_deviation / 100.0
    seen = value[np.isfinite(value)]
    low, high = np.quantile(seen, _MOST) if seen.size else (a.target, a.target)
    air = 0.1 * (high - low)
    return max(a.low, min(a.target - half, low - air)), min(a.high, max(a.target + half, high + air))


def _predictions(
    ax: Axes, turn: Array, value: Array, good: BoolArray, window: tuple[float, float], size: float
) -> None:
    """Draw predictions, at the edge those that lie beyond it, and crosses where a reading was not accepted."""
    low, high = window
    how: dict[str, Any] = {"color": GREY, "linestyle": "none", "clip_on": False}
    inside = (value >= low) & (value <= high)
    if (good & inside).any():
        ax.plot(turn[good & inside], value[good & inside], ".", markersize=size, label="prediction", **how)
    for beyond, edge, marker in ((value < low, low, "v"), (value > high, high, "^")):
        if beyond.any():  # a line without points, not clipped, would reach to the figure's corner
            ax.plot(turn[beyond], np.full(beyond.sum(), edge), marker, markersize=0.8 * size, alpha=0.6, **how)
    bad = ~good & inside
    if bad.any():
        ax.plot(turn[bad], value[bad], "x", color=RED, markersize=size, alpha=0.8, label="not accepted")


def spread_panel(ax: Axes, profile: Profile, rules: HomogeneityRules) -> None:
    """Draw the upper bound of the blend's RSD, which the rule goes by, beside the block's as read and the true one."""
    turn, limit = turns(profile), rules.max_rsd
    ax.axhline(limit, color=RED, linestyle="--", linewidth=1.2, label=f"limit {limit:g} %")
    ax.plot(turn, profile.numbers("block_rsd"), color=SKY, linewidth=1.1, label=f"block as read ({rules.block_size})")
    ax.plot(turn, profile.numbers("blend_rsd_upper"), color=BLUE, linewidth=1.8, label="blend, upper bound")
    if "true_rsd" in profile.columns:
        ax.plot(turn, profile.numbers("true_rsd"), color=INK, linestyle="--", linewidth=1.1, label="true RSD")
    ax.set_yscale("log")
    plain_log(ax.yaxis)
    ax.set_ylim(_RSD_RANGE[0] * limit, _RSD_RANGE[1] * limit)


def evidence_panel(ax: Axes, profile: Profile) -> None:
    """Draw the share of the evidence for homogeneity that has been gathered."""
    share = 100.0 * profile.numbers("evidence")
    ax.fill_between(turns(profile), np.nan_to_num(share), 0.0, color=BLUE, alpha=0.2, linewidth=0)
    ax.plot(turns(profile), share, color=BLUE, linewidth=1)
    ax.set(ylim=(0, 108), yticks=[0, 100], ylabel="Evidence\n(%)")


def steady_panel(ax: Axes, profile: Profile) -> None:
    """Draw the moving F of adjoining blocks, and the range in which they count as steady."""
    low, high = profile.limits["moving_f_low"], profile.limits["moving_f_high"]
    ax.axhspan(low, high, color=GREEN, alpha=0.13, linewidth=0, label="steady")
    ax.plot(turns(profile), profile.numbers("moving_f"), color=BLUE, linewidth=1.1, label="moving F")
    ax.set_yscale("log")
    ax.set(ylim=(0.1, 10.0), ylabel="Moving F")
    ax.set_yticks([0.2, 1.0, 5.0], ["0.2", "1", "5"])


def scope_panel(ax: Axes, profile: Profile) -> None:
    """Draw T2 and Q as shares of their limits."""
    ax.axhline(1.0, color=RED, linestyle="--", linewidth=1.2, label="limit of scope")
    for name, label, colour, dashes in (
        ("hotelling_t2", "T2", SKY, "solid"),
        ("q_residuals", "Q", INK, (0, (3, 1.2))),
    ):
        share = profile.numbers(name) / profile.limits[name]
        ax.plot(turns(profile), share, label=label, color=colour, linewidth=1.1, linestyle=dashes)
    ax.set_yscale("log")
    ax.set(ylim=(1e-3, 1e2), ylabel="T2, Q\n(share)")
    ax.set_yticks([0.01, 1.0, 100.0], ["0.01", "1", "100"])


def state_panel(ax: Axes, profile: Profile) -> None:
    """Draw the state of every revolution, and below it when the blend truly was uniform."""
    rows = 2 if known(profile) else 1
    state_band(ax, profile, rows - 1.0)
    _name(ax, turns(profile), profile.columns["state"], rows - 0.5, _DARK_STATES)
    if known(profile):
        truth = np.where(profile.numbers("uniform") > 0.5, "uniform", "not uniform").tolist()
        _blocks(ax, turns(profile), truth, 0.0, lambda value: "#8fd3bd" if value == "uniform" else LIGHT)
        _name(ax, turns(profile), truth, 0.5, set())
    ax.set(yticks=[1.5, 0.5][-rows:], ylim=(0, rows))
    ax.set_yticklabels(["state", "truth"][:rows])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def state_band(ax: Axes, profile: Profile, bottom: float) -> None:
    """Draw the states as a band of height 1, one colour each."""
    _blocks(ax, turns(profile), profile.columns["state"], bottom, lambda state: STATE_COLOURS[State(state)])


def _blocks(ax: Axes, turn: Array, values: list[str], bottom: float, colour: Callable[[str], str]) -> None:
    found = _stretches(turn, values)
    spans = [(first, last - first) for _, first, last in found]
    ax.broken_barh(spans, (bottom + 0.06, 0.88), facecolors=[colour(value) for value, *_ in found], linewidth=0)


def _name(ax: Axes, turn: Array, values: list[str], middle: float, dark: set[State]) -> None:
    """Write the name of a stretch where there is room for it."""
    for value, first, last in _stretches(turn, values):
        if last - first > 0.013 * len(value) * turn[-1]:
            ax.text((first + last) / 2, middle, in_words(value), ha="center", va="center_baseline",
                    color="white" if value in dark else INK, fontsize=7.5)  # fmt: skip


def _stretches(turn: Array, values: list[str]) -> list[tuple[str, float, float]]:
    """Stretches of one value: the value, and from where to where (revolutions)."""
    found, at = [], 0
    for value, run in groupby(values):
        first, at = at, at + sum(1 for _ in run)
        found.append((value, float(turn[first]), float(turn[min(at, turn.size - 1)])))
    return found


def endpoint_lines(ax: Axes, profile: Profile) -> None:
    """Draw the true end-point dashed, and the declared one full: green where the blend was uniform then."""
    if profile.true_endpoint is not None:
        ax.axvline(profile.true_endpoint, color=INK, linestyle=(0, (4, 2)), linewidth=1.2, zorder=5)
    if profile.found_endpoint is not None:
        ax.axvline(profile.found_endpoint, color=_endpoint_colour(profile), linewidth=2.0, zorder=5)


def _endpoint_colour(profile: Profile) -> str:
    if not known(profile) or profile.found_endpoint is None:
        return BLUE
    uniform = profile.numbers("uniform")[turns(profile) == profile.found_endpoint] > 0.5
    return GREEN if uniform.all() else RED


def label_endpoints(ax: Axes, profile: Profile) -> None:
    """Name the end-points above a panel: the first of two to its left, or where there is no room, one line higher."""
    found, true = profile.found_endpoint, profile.true_endpoint
    labels = [(true, "truly uniform from", INK), (found, "declared uniform at", _endpoint_colour(profile))]
    placed = sorted((at, words, ink) for at, words, ink in labels if at is not None)
    for at, words, ink in placed:
        first = len(placed) == 2 and at == placed[0][0]
        left = first and at > 0.2 * turns(profile)[-1]
        offset = (-4 if left else 4, 14 if first and not left else 3)
        style: dict[str, Any] = {"color": ink, "fontsize": 8.5, "weight": "bold", "annotation_clip": False}
        ax.annotate(f"{words} {at}", (at, 1.0), offset, xycoords=ax.get_xaxis_transform(),
                    textcoords="offset points", ha="right" if left else "left", **style)  # fmt: skip
