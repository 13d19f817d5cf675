"""``pat score --discharge``: a blender that is being emptied, followed spectrum by spectrum from a file."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pat.cli.framework import WIDTH, facts, table
from pat.errors import InputError

if TYPE_CHECKING:
    from pat.cli.wide_csv import Row
    from pat.core.discharge import Contrast
    from pat.core.types import Array
    from pat.scorer import Discharge, DischargeReading, Scorer

_READING = ("reading", "value", "dose", "mean sum", "spread sum", "status", "reason")


def discharged(scorer: Scorer, batch: str, rows: Sequence[Row]) -> tuple[dict[str, Any], str]:
    """Follow the discharge of one batch, and say what it leaves: the alarm, the variogram and the contrasts.

    Parameters
    ----------
    scorer : Scorer
    batch : str
    rows : sequence of Row
        Its spectra, in the order of the discharge.

    Returns
    -------
    document : dict
        Plain JSON.
    text : str
    """
    line = scorer.start_discharge(batch)
    readings = [line.update(row.absorbance) for row in rows]
    raised = next((reading for reading in readings if reading.segregated), None)
    figures, said = _figures(line, scorer.document["claim"].get("spectra_per_dose") is not None)
    text = "\n".join(
        [
            textwrap.fill(f"batch {batch}: {_alarm(scorer, raised)}", WIDTH),
            facts({"readings": _counted(line.values), **dict(said)}),
            table(_READING, map(_cells, readings)),
        ]
    )
    document = {
        "batch": batch,
        "segregated_at": raised.index if raised else None,
        "alarm": scorer.alarm.to_dict() if scorer.alarm else None,
        **figures,
        "readings": [reading.to_dict() for reading in readings],
    }
    return document, text


def _alarm(scorer: Scorer, raised: DischargeReading | None) -> str:
    if scorer.alarm is None:
        return "no segregation alarm: the method registers none"
    if raised is None:
        return "no segregation alarm"
    return f"SEGREGATION ALARM at reading {raised.index}: {raised.reason}"


def _counted(values: Array) -> str:
    bad = sum(value != value for value in values.tolist())
    return f"{values.size}, of which {bad} were not good"


def _figures(line: Discharge, dosed: bool) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return variogram, contrasts and pseudo-doses, plain and in words; why there are none where they are refused."""
    from pat.core.discharge import CONTRASTS, contrasts, contributions, variogram

    try:
        found, parts = variogram(contributions(line.values)), contrasts(line.values)
        doses = line.doses() if dosed else None
    except InputError as error:
        return {"variogram": None, "contrasts": None, "doses": None, "refused": str(error)}, [("figures", str(error))]
    said = [*found.rows(), *parts.rows({name: _statistic(getattr(parts, name)) for name in CONTRASTS})]
    said.append(("autocorrelation", f"makes the variance of a mean {parts.inflation:.2f} times as large"))
    document = {"variogram": asdict(found), "contrasts": asdict(parts), "doses": asdict(doses) if doses else None}
    return document | {"refused": None}, [*said, *(doses.rows() if doses else [])]


def _statistic(contrast: Contrast) -> str:
    degrees = ", ".join(f"{number:.0f}" for number in contrast.degrees)
    return f"{'F' if len(contrast.degrees) == 2 else 't'}({degrees}) = {contrast.statistic:.2f}"


def _cells(reading: DischargeReading) -> list[object]:
    sums = reading.mean_sum, reading.spread_sum
    return [reading.index, reading.value, reading.dose, *sums, reading.status, reading.reason]
