"""A batch in the terminal while it is being mixed: one panel that follows it, or plain lines in a log (rich)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pat.core.endpoint import IN_WORDS, in_words
from pat.scorer import Forecast, Reading, Scorer, State, Status, Verdict

_STATE_STYLE = {
    State.LOADED: "white on grey37",
    State.MIXING: "white on dark_blue",
    State.STEADY: "black on dark_cyan",
    State.UNIFORM: "black on green3",
    State.HOLD: "black on yellow3",
    State.CONFIRM: "black on green3",
    State.DISCHARGE: "white on grey37",
    State.DONE: "white on grey37",
    State.OVERMIXED: "white on red3",
    State.OUT_OF_SCOPE: "black on orange3",
    State.SENSOR_FAULT: "white on red3",
    State.TIMEOUT: "black on orange3",
}
_VERDICT_STYLE = {Verdict.PASS: "green3", Verdict.FAIL: "orange3", Verdict.NO_DECISION: "grey62"}
_VERDICT_MARK = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.NO_DECISION: "·"}
_BARS = "▁▂▃▄▅▆▇█"
_TRACE = 36
# In a log, one line every so many revolutions, and one at every change of state.
_LOG_EVERY = 20
# The forecast is made anew every so many readings.
_FORECAST_EVERY = 5


def _number(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def trace(values: list[float], limit: float) -> Text:
    """Draw values as bars, twice `limit` at full height; green at or below the limit."""
    drawn = Text()
    for value in values:
        if not math.isfinite(value):
            drawn.append(" ")
            continue
        height = min(len(_BARS) - 1, int(value / (2.0 * limit) * len(_BARS)))
        drawn.append(_BARS[height], "green3" if value <= limit else "orange3")
    return drawn


class BatchView:
    """What an operator sees of one batch.

    Parameters
    ----------
    scorer : Scorer
        The scorer that follows it; with a homogeneity rule.
    total : int
        Revolutions of the run.
    forecast : callable, optional
        `Blend.forecast` of the batch.
    """

    def __init__(self, scorer: Scorer, total: int, forecast: Callable[[], Forecast] | None = None) -> None:
        self._forecast, self._expected = forecast, ""
        self._rule, self._units = scorer.require_rule(), scorer.document["analyte"]["units"]
        self._upper: list[float] = []
        self._progress = Progress(
            TextColumn("revolution"), BarColumn(bar_width=36), MofNCompleteColumn(), TimeRemainingColumn()
        )
        self._task = self._progress.add_task("mixing", total=total)

    def render(self, reading: Reading) -> Panel:
        """Return the panel after a reading."""
        self._upper = [*self._upper, reading.blend_rsd_upper][-_TRACE:]
        if self._forecast is not None and reading.index % _FORECAST_EVERY == 0:
            self._expected = self._forecast().reason
        self._progress.update(self._task, completed=reading.index)
        state = Text(f"  {reading.state.value:^14}  ", f"bold {_STATE_STYLE[reading.state]}")
        found = "" if reading.endpoint is None else f"   end-point at revolution {reading.endpoint}"
        head = Text.assemble(state, Text(found, "bold green3"))
        parts = (self._numbers(reading), Text(), self._verdicts(reading), Text(), self._progress)
        expected = [Text(f"uniform: {self._expected}", "italic")] if self._expected else []
        body = Group(head, Text(reading.reason, "italic"), *expected, Text(), *parts)
        released = "NOT RELEASED · " if reading.unreleased else ""
        return Panel(
            body,
            title=f"batch {reading.batch}",
            subtitle=f"{released}artefact {reading.artefact[:12]}",
            width=78,
        )

    def _numbers(self, reading: Reading) -> Table:
        rule, table = self._rule, Table.grid(padding=(0, 2))
        table.add_column(width=22)
        table.add_column(justify="right", width=9)
        table.add_column()
        usable = "" if reading.status in (Status.OK, Status.WARM_UP) else f"[orange3]{in_words(reading.status)}"
        table.add_row("this spectrum", f"[bold]{_number(reading.value)}", f"{self._units} {usable}")
        low, high = (rule.target * (1 + s * rule.max_mean_deviation / 100) for s in (-1, 1))
        table.add_row("block mean", f"[bold]{_number(reading.block_mean)}", f"allowed {low:g} to {high:g}")
        table.add_row("block RSD", f"{_number(reading.block_rsd)} %", "as read, the method's noise included")
        table.add_row(
            "blend RSD, upper bound", f"[bold]{_number(reading.blend_rsd_upper)} %", f"limit {rule.max_rsd:g} %"
        )
        table.add_row("its trend", "", trace(self._upper, rule.max_rsd))
        table.add_row("evidence", f"{reading.evidence:.0%}", "of what the chosen risk asks for")
        return table

    def _verdicts(self, reading: Reading) -> Table:
        table = Table.grid(padding=(0, 3))
        cells = [
            Text(f"{_VERDICT_MARK[verdict]} {IN_WORDS[name]}", _VERDICT_STYLE[verdict])
            for name, verdict in vars(reading.verdicts).items()
        ]
        for row in range(0, len(cells), 4):
            table.add_row(*cells[row : row + 4])
        return table


def _log_line(reading: Reading) -> str:
    return (
        f"revolution {reading.revolution:4d}  value {_number(reading.value):>6}  "
        f"blend RSD upper {_number(reading.blend_rsd_upper):>6} %  {reading.state.value}"
    )


def show(
    readings: Iterable[Reading],
    scorer: Scorer,
    total: int,
    console: Console,
    forecast: Callable[[], Forecast] | None = None,
) -> Reading:
    """Follow readings to their end and return the last one.

    Parameters
    ----------
    readings : iterable of Reading
        At least one; taken one by one, as they come.
    scorer : Scorer
        The scorer that gives them.
    total : int
        How many readings there will be.
    console : Console
        A terminal gets a live panel, anything else lines.
    forecast : callable, optional
        `Blend.forecast` of the batch; a terminal shows it.
    """
    if not console.is_terminal:
        return _log(readings, console)
    view = BatchView(scorer, total, forecast)
    with Live(console=console, refresh_per_second=20) as live:
        for reading in readings:
            live.update(view.render(reading))
    return reading


def _log(readings: Iterable[Reading], console: Console) -> Reading:
    state = None
    for reading in readings:
        if reading.state is not state or reading.index % _LOG_EVERY == 0:
            console.print(_log_line(reading), highlight=False, soft_wrap=True)
        state = reading.state
    return reading
