"""``pat verify`` and ``pat score``: the commands of the line, with numpy and an artefact alone."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pat.cli.framework import WIDTH, Command, Outcome, facts, table
from pat.cli.signing import signed_by, trust_argument
from pat.errors import SpectraError

if TYPE_CHECKING:
    from pat.artefact import Artefact
    from pat.cli.wide_csv import Row
    from pat.scorer import Forecast, Reading, Scorer, Transition

    Follow = Callable[[Scorer, str, Sequence[Row]], tuple[dict[str, Any], str]]

READING = ("rev", "value", "mean", "RSD %", "blend upper", "evidence %", "left", "state", "status")
# A forecast of the end-point is made every so many readings.
_FORECAST_EVERY = 5
UNRELEASED = "This artefact has not been released: what follows is for exploration alone."


def _artefact_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artefact", metavar="ARTEFACT", type=Path, help="released folder, or an artefact's own")
    trust_argument(parser)
    parser.add_argument("--product", metavar="NAME", help="product that is scored: another one is refused")
    parser.add_argument("--instrument", metavar="NAME", help="instrument that it is scored with")


def _score_arguments(parser: argparse.ArgumentParser) -> None:
    _artefact_arguments(parser)
    parser.add_argument("spectra", metavar="SPECTRA", type=Path, help="wide CSV, one row a spectrum, in order")
    parser.add_argument(
        "--allow-unreleased",
        action="store_true",
        help="explore with an artefact that nobody has released; every reading carries that",
    )
    parser.add_argument(
        "--discharge",
        action="store_true",
        help="the spectra are of blenders being emptied: segregation alarm, variogram, start against end",
    )


def _verify(args: argparse.Namespace) -> Outcome:
    from pat.scorer.proof import require_known_blend

    found, scorer = _found(args)
    require_known_blend(scorer, found.known_blend, args.artefact)
    readings = 0 if found.known_blend is None else len(found.known_blend["revolution"])
    document = {
        "artefact": args.artefact,
        "digest": scorer.digest,
        **{key: scorer.document[key] for key in ("name", "version", "product", "analyte", "claim")},
        "format": found.manifest["format"],
        "files": sorted(found.manifest["files"]),
        "known_answers": len(found.known_answers["absorbance"]),
        "known_blend_readings": readings,
        "validation_passed": True,
        "released": not scorer.unreleased,
        "release": scorer.release.to_dict() if scorer.release else None,
    }
    text = {
        "artefact": args.artefact,
        "method": f"{document['name']}, version {document['version']}",
        "product": document["product"],
        "digest": scorer.digest,
        "files": f"{len(document['files'])} files have the hashes of the manifest",
        "known answers": f"{document['known_answers']} spectra give the laboratory's numbers here",
        "validation": "passed",
        "released": f"yes, for use until {scorer.release.valid_until}"
        if scorer.release
        else "no, for exploration alone",
        "follows blends": f"yes; {readings} readings of a known blend come out as in the laboratory"
        if scorer.rule
        else "no, it only predicts",
    }
    return Outcome(document, "\n\n".join([facts(text), *_said(scorer)]))


def _found(args: argparse.Namespace) -> tuple[Artefact, Scorer]:
    """Read what the argument names, with its release where it has one."""
    from pat import artefact, release
    from pat.scorer import Scorer

    if release.is_released(args.artefact):
        return Scorer.released(args.artefact, trust=args.trust, product=args.product, instrument=args.instrument)
    found = artefact.read(args.artefact)
    scorer = Scorer.proven(found, args.artefact)
    scorer.refuse_product(args.product, args.artefact)
    return found, scorer


def _said(scorer: Scorer) -> list[str]:
    """Who has signed an artefact, and what there is to beware of; nothing of an unreleased one."""
    if scorer.release is None:
        return []
    stale = scorer.release.stale
    return [signed_by(scorer.release.signatures), *([textwrap.fill(f"Beware: {stale}.", WIDTH)] if stale else [])]


def _score(args: argparse.Namespace) -> Outcome:
    from pat.audit import Trail
    from pat.cli.discharge import discharged
    from pat.cli.wide_csv import read_rows
    from pat.scorer import Scorer

    scorer = Scorer.load(
        args.artefact,
        trust=args.trust,
        product=args.product,
        instrument=args.instrument,
        allow_unreleased=args.allow_unreleased,
        trail=Trail.open(),
    )
    wavelength, rows = read_rows(args.spectra)
    _check_axis(scorer, wavelength, args.spectra)
    runs: dict[str, list[Row]] = {}
    for row in rows:
        runs.setdefault(row.batch, []).append(row)
    if not runs:
        raise SpectraError(f"{args.spectra}: expected at least one spectrum below the header, got none")
    whole = discharged if args.discharge else None if scorer.rule else _predicted
    follow = partial(_in_a_run, whole) if whole else _followed
    batches, texts = zip(*(follow(scorer, batch, run) for batch, run in runs.items()), strict=True)
    analyte = scorer.document["analyte"]
    head = [f"value and mean: {analyte['name']} in {analyte['units']}", *([UNRELEASED] if scorer.unreleased else [])]
    document = {
        "artefact": scorer.digest,
        "unreleased": scorer.unreleased,
        "release": scorer.release.to_dict() if scorer.release else None,
        "units": analyte["units"],
        "batches": batches,
    }
    return Outcome(document, "\n\n".join(["\n".join(head), *_said(scorer), *texts]))


def _in_a_run(follow: Follow, scorer: Scorer, batch: str, rows: Sequence[Row]) -> tuple[dict[str, Any], str]:
    """Open and close a batch in the audit trail around what has no states to record there."""
    from pat.audit import Trail

    with Trail.open().open_run(batch, artefact=scorer.digest):
        return follow(scorer, batch, rows)


def _check_axis(scorer: Scorer, wavelength: Any, path: Path) -> None:
    import numpy as np

    expected = scorer.wavelength
    if wavelength.shape == expected.shape and np.allclose(wavelength, expected, rtol=0.0, atol=1e-6):
        return
    raise SpectraError(f"{path}: the artefact expects {_axis(expected)}, got {_axis(wavelength)}")


def _axis(wavelength: Any) -> str:
    return f"{wavelength.size} wavelengths from {wavelength[0]:g} to {wavelength[-1]:g} nm"


def _followed(scorer: Scorer, batch: str, rows: Sequence[Row]) -> tuple[dict[str, Any], str]:
    """Follow one batch spectrum by spectrum, as on the line."""
    readings, forecasts = [], []
    with scorer.start(batch) as blend:
        for row in rows:
            readings.append(blend.update(row.absorbance, revolution=row.revolution))
            forecasts.append(blend.forecast() if len(readings) % _FORECAST_EVERY == 0 else None)
        transitions = blend.transitions  # without the end of the file, which is no act of the line
    last = readings[-1]
    end = "no end-point" if last.endpoint is None else f"end-point at revolution {last.endpoint}"
    text = "\n".join(
        [
            f"batch {batch}: {end}",
            textwrap.fill(f"{last.state.value} at the end: {last.reason}", WIDTH),
            textwrap.fill("states: " + ", ".join(map(_change, transitions)), WIDTH),
            table(READING, map(_cells, readings, forecasts)),
        ]
    )
    document = {
        "batch": batch,
        "endpoint": last.endpoint,
        "state": last.state,
        "transitions": [transition.to_dict() for transition in transitions],
        "readings": [reading.to_dict() for reading in readings],
        "forecasts": [
            {"revolution": reading.revolution, **forecast.to_dict()}
            for reading, forecast in zip(readings, forecasts, strict=True)
            if forecast is not None
        ],
    }
    return document, text


def _change(transition: Transition) -> str:
    return f"{transition.after.value} from {transition.revolution}"


def _left(forecast: Forecast | None) -> str:
    """Revolutions that are left until the blend is declared uniform, with their interval."""
    if forecast is None or forecast.remaining is None:
        return ""
    return f"{forecast.remaining} ({forecast.remaining_low}-{forecast.remaining_high})"


def _cells(reading: Reading, forecast: Forecast | None) -> list[object]:
    return [
        reading.revolution,
        reading.value,
        reading.block_mean,
        reading.block_rsd,
        reading.blend_rsd_upper,
        round(100 * reading.evidence),
        _left(forecast),
        reading.state,
        reading.status,
    ]


def _predicted(scorer: Scorer, batch: str, rows: Sequence[Row]) -> tuple[dict[str, Any], str]:
    """Predict one batch's spectra, each for itself: the method has no rule for blends."""
    result = scorer.predict([row.absorbance for row in rows])
    predictions = [
        {
            "revolution": row.revolution,
            "value": float(result.value[i]),
            "hotelling_t2": float(result.hotelling_t2[i]),
            "q_residuals": float(result.q_residuals[i]),
            "in_scope": bool(result.in_scope[i]),
        }
        for i, row in enumerate(rows)
    ]
    headers = ["rev", "value", "T2", "Q", "in scope"]
    text = f"batch {batch}\n{table(headers, [list(prediction.values()) for prediction in predictions])}"
    return {"batch": batch, "predictions": predictions}, text


COMMANDS = (
    Command("verify", "Prove that an artefact is whole and gives its known answers", _artefact_arguments, _verify),
    Command("score", "Score spectra by an artefact, batch by batch", _score_arguments, _score, records=True),
)
