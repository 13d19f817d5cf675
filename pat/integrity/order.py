"""Order of the spectra of a store: revolutions without gaps, clocks that go forward, nothing added late."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pat.core.types import Array, BoolArray, IntArray
from pat.integrity.checks import UNCOUNTED, Item, found
from pat.spectra.contract import run_codes

# A step this much above the usual one has left something out; a clock this far off was set, or the blender stood.
_GAP = 1.5
_JUMP = 5.0
_LEAST_STEPS = 3


class Rows:
    """The rows of a store, and how each is called.

    Parameters
    ----------
    ds : Dataset
        Spectra; nothing lazy is computed.
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self.batch: NDArray[np.str_] = np.asarray(ds["batch"].values)
        self.instrument: NDArray[np.str_] = np.asarray(ds["instrument"].values)
        self.time: IntArray = np.asarray(ds["time"].values, "datetime64[ns]").astype(np.int64)
        counted = "revolution" in ds.coords
        self.revolution: Array = np.asarray(ds["revolution"].values) if counted else np.full(self.batch.size, np.nan)
        self.runs = _runs(run_codes(ds))

    def called(self, row: int) -> str:
        """Return a row in words."""
        turn = self.revolution[row]
        at = "" if np.isnan(turn) else f" at revolution {turn:g}"
        return f"batch {self.batch[row]}{at} (row {row})"

    def item(self, check: str, rows: IntArray) -> Item:
        """Return the item of the rows that were found."""
        ordered = np.sort(rows).tolist()
        return found(check, self.batch.size, (str(self.batch[i]) for i in ordered), map(self.called, ordered))


def examine_order(rows: Rows) -> list[Item]:
    """Ask everything that times and revolutions can answer.

    Parameters
    ----------
    rows : Rows
        Of a store that may break the contract.

    Returns
    -------
    list of Item
        ``gaps``, ``repeated_revolutions``, ``clock_reversals``, ``clock_jumps``, ``simultaneous`` and ``late``.
    """
    reversed_ = [run[1:][np.diff(rows.time[run]) <= 0] for run in rows.runs]
    return [
        *_of_revolutions(rows),
        rows.item("clock_reversals", _joined(reversed_)),
        _simultaneous(rows),
        rows.item("late", _late(rows)),
    ]


def _of_revolutions(rows: Rows) -> list[Item]:
    if np.isnan(rows.revolution).all():
        return [Item(check, not_examined=UNCOUNTED) for check in ("gaps", "repeated_revolutions", "clock_jumps")]
    return [
        _gaps(rows),
        rows.item("repeated_revolutions", _joined([_repeated(rows, run) for run in rows.runs])),
        rows.item("clock_jumps", _joined([_jumps(rows, run) for run in rows.runs])),
    ]


def _runs(codes: IntArray) -> list[IntArray]:
    """Rows of each batch on each instrument, in their order."""
    order = np.argsort(codes, kind="stable")
    return list(np.split(order, np.flatnonzero(np.diff(codes[order])) + 1))


def _joined(parts: list[IntArray]) -> IntArray:
    return np.concatenate([np.empty(0, dtype=np.int64), *parts])


def _counted(rows: Rows, run: IntArray) -> IntArray:
    return run[~np.isnan(rows.revolution[run])]


def _usual(steps: Array) -> float:
    """Return the usual one of the steps that go forward; NaN where there are none."""
    forward = steps[steps > 0]
    return float(np.median(forward)) if forward.size else float("nan")


def _gaps(rows: Rows) -> Item:
    missing, places, batches, expected = 0, [], [], 0
    begun: set[str] = set()
    for run in rows.runs:
        counted = _counted(rows, run)
        if not counted.size:
            continue
        batch, turns = str(rows.batch[counted[0]]), rows.revolution[counted]
        usual = _usual(np.diff(turns))
        # The counter of a second instrument, which took over, need not begin with the first revolution.
        before = np.diff(turns, prepend=turns[0] - usual if batch in begun else 0.0)
        begun.add(batch)
        at = np.flatnonzero(before > _GAP * usual)
        lost = np.round(before[at] / usual).astype(int) - 1
        missing, expected = missing + int(lost.sum()), expected + counted.size + int(lost.sum())
        for i, n in zip(at.tolist(), lost.tolist(), strict=True):
            places.append(f"{n} before {rows.called(int(counted[i]))}")
            batches += [batch] * n
    return found("gaps", expected, batches, places, count=missing)


def _repeated(rows: Rows, run: IntArray) -> IntArray:
    counted = _counted(rows, run)
    return counted[1:][np.diff(rows.revolution[counted]) <= 0]


def _jumps(rows: Rows, run: IntArray) -> IntArray:
    counted = _counted(rows, run)
    turns, times = np.diff(rows.revolution[counted]), np.diff(rows.time[counted]).astype(np.float64)
    forward = (turns > 0) & (times > 0)
    if np.count_nonzero(forward) < _LEAST_STEPS:
        return counted[:0]
    pace = times[forward] / turns[forward]
    off: BoolArray = (pace > _JUMP * np.median(pace)) | (pace < np.median(pace) / _JUMP)
    steps: IntArray = counted[1:]
    return steps[forward][off]


def _simultaneous(rows: Rows) -> Item:
    """Rows with instrument and time of a row of another batch."""
    instrument, batch = (np.unique(names, return_inverse=True)[1] for names in (rows.instrument, rows.batch))
    order = np.lexsort((batch, rows.time, instrument))
    before, after = order[:-1], order[1:]
    same = (instrument[before] == instrument[after]) & (rows.time[before] == rows.time[after])
    at = np.flatnonzero(same & (batch[before] != batch[after])).tolist()
    places = (f"{rows.called(int(after[i]))}, beside {rows.called(int(before[i]))}" for i in at)
    return found("simultaneous", rows.batch.size, (str(rows.batch[after[i]]) for i in at), places)


def _late(rows: Rows) -> IntArray:
    """Rows with which a batch goes on after later spectra of other batches by the same instrument.

    A batch as a whole may stand anywhere: stores are put together from files, and those are read in any order.
    """
    late = []
    for name in np.unique(rows.instrument):
        mine = np.flatnonzero(rows.instrument == name)
        batch = np.unique(rows.batch[mine], return_inverse=True)[1]
        first = np.zeros(mine.size, dtype=bool)
        starts = np.flatnonzero(np.diff(batch, prepend=-1))  # where stretches of one batch begin
        first[starts[np.unique(batch[starts], return_index=True)[1]]] = True
        stretch = np.repeat(first[starts], np.diff(starts, append=mine.size))  # whether a row is in its batch's first
        latest = np.maximum.accumulate(rows.time[mine])
        late.append(mine[~stretch & (rows.time[mine] < latest)])
    return _joined(late)
