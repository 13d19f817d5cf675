"""``pat search``: every chain of a search space under the same cross-validation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pat.cli.framework import Command, Outcome, table
from pat.files import place

if TYPE_CHECKING:
    from pat.method import Method
    from pat.search import Search

_SHOWN, _REASONS = 10, 3


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", type=Path, help="method.yaml that the search starts from")
    parser.add_argument("--space", metavar="FILE", required=True, type=Path, help="YAML of the alternatives")
    parser.add_argument("--data", metavar="STORE", required=True, type=place, help="store of raw spectra, or its URL")
    parser.add_argument("--out", metavar="DIR", required=True, type=Path, help="folder of the search")
    parser.add_argument(
        "--outer-folds", metavar="N", type=int, default=5, help="of the nested estimate (default 5; 0 leaves it out)"
    )


def _run(args: argparse.Namespace) -> Outcome:
    from pat.method import Method
    from pat.search import Space, chosen_method, search, write_search
    from pat.spectra import open_store

    method, space, raw = Method.load(args.method), Space.load(args.space), open_store(args.data)
    found = search(method, space, raw, folder=args.out, n_outer=args.outer_folds, progress="searching")
    chosen = chosen_method(found, method, space, raw)
    files = write_search(args.out, found, chosen)
    run = _log(method, found, str(raw.attrs["sha256"]), files)
    document = {"out": args.out, "mlflow_run": run, **found.to_dict()}
    return Outcome(document, _text(found, chosen, args.out))


def _log(method: Method, found: Search, data_sha256: str, files: list[Path]) -> str:
    from pat import tracking

    trials = [
        tracking.Trial(
            key=score.key,
            label=score.label,
            parameters={"chain": score.label, "problem": score.problem or "none"},
            metrics={"rmsecv": score.error, "rmsecv_se": score.standard_error, "n_components": score.n_components},
            curve=score.rmsecv,
        )
        for score in found.scores
    ]
    metrics = {"rmsecv": found.winner.error, "chains": float(len(found.scores))}
    if found.nested is not None:
        lower, upper = found.nested.interval
        metrics |= {"nested_rmse": found.nested.rmse, "nested_lower": lower, "nested_upper": upper}
    return tracking.log_search(method, trials, metrics=metrics, tags={"data_sha256": data_sha256}, files=files)


def _text(found: Search, chosen: Method, out: Path) -> str:
    from pat.calibration.choice import components_in_words

    units, winner = chosen.analyte.units, found.winner
    calibrated = [score for score in found.scores if not score.problem]
    rows = [[i, s.label, s.n_components, s.error, s.standard_error] for i, s in enumerate(calibrated[:_SHOWN], 1)]
    lines = [
        table(["", "chain", "LV", "RMSECV", "SE"], rows),
        "",
        f"chains: {len(found.scores)}",
        *_some("combinations left out as no method", found.left_out),
        *_some("chains that could not be calibrated", [f"{s.label}: {s.problem}" for s in found.scores if s.problem]),
        f"best: {winner.label}, RMSECV {winner.error:.4g} {units} with {components_in_words(winner.n_components)}",
    ]
    if found.nested is not None:
        luck = "the best of many is good partly by luck: " if len(calibrated) > 1 else ""
        lines.append(f"{luck}with the choice made without the batches that judge it, {found.nested.in_words(units)}")
    return "\n".join([*lines, f"method: {out / 'method.yaml'} (a proposal: calibrate and validate it)"])


def _some(what: str, reasons: list[str]) -> list[str]:
    """Say how many there are, and why of the first ones; nothing of none."""
    if not reasons:
        return []
    more = [f"  ... and {len(reasons) - _REASONS} more (leaderboard.json)"] if len(reasons) > _REASONS else []
    return [f"{what}: {len(reasons)}", *(f"  {reason}" for reason in reasons[:_REASONS]), *more]


COMMANDS = (
    Command(
        "search", "Try every chain of a search space by cross-validation", _arguments, _run, computes=True, records=True
    ),
)
