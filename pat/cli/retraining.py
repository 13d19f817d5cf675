"""``pat retrain``, ``pat promote`` and ``pat history``: a scheduler proposes, a person decides, the trail remembers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pat.cli.framework import Command, Outcome, facts, table
from pat.cli.signing import trust_argument
from pat.files import place

if TYPE_CHECKING:
    from pat import retraining
    from pat.retraining import history


def _method_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", type=Path, help="method.yaml, in the method's folder")


def _retrain_arguments(parser: argparse.ArgumentParser) -> None:
    _method_argument(parser)
    parser.add_argument("--data", metavar="STORE", required=True, type=place, help="store of raw spectra, old and new")
    parser.add_argument("--truth", metavar="FILE", type=Path, help="CSV with the truth of the validation blends")
    parser.add_argument(
        "--readings", metavar="STORE", type=place, help="store of spectra scored since, to look for drift in"
    )
    parser.add_argument(
        "--champion", metavar="ARTEFACT", type=Path, help="the champion's artefact, where MLflow does not know it"
    )
    parser.epilog = (
        "Exit codes: 0 a challenger is registered and waits for a person, 1 refused (its reason is in MLflow), "
        "2 wrong usage or input, 3 there are no new reference data, 4 nor are there any, but the readings show drift. "
        "Nothing is ever promoted."
    )


def _promote_arguments(parser: argparse.ArgumentParser) -> None:
    _method_argument(parser)
    parser.add_argument("version", metavar="VERSION", type=int, help="number of the registered version")
    parser.add_argument("--reason", metavar="TEXT", default="", help="why, for the audit trail")
    parser.add_argument(
        "--unreleased", action="store_true", help="to try things out: promote what is not released; all listings say so"
    )
    trust_argument(parser)
    parser.epilog = "Its artefact must be released: `pat approve` by author, reviewer and approver, `pat release`."


def _history_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the method's name")
    parser.add_argument("--on", metavar="DAY", help="who was champion on that day (UTC), such as 2026-11-24")
    parser.add_argument("--batch", metavar="BATCH", help="which artefact scored that batch")
    parser.add_argument("--trail", metavar="FILE", type=Path, help="the audit trail (default: PAT_TRAIL)")
    parser.epilog = "Read from the audit trail alone; exit code 1 where the trail does not hold."


def _retrain(args: argparse.Namespace) -> Outcome:
    from pat import retraining
    from pat.method import Method
    from pat.readers.truth import read_truth
    from pat.spectra import open_store

    method, folder = Method.load(args.method), args.method.parent
    outcome = retraining.retrain(
        method,
        args.champion or retraining.champion_folder(method, folder),
        open_store(args.data, verify=True),
        folder / retraining.CHALLENGERS,
        truth=read_truth(args.truth) if args.truth else None,
        readings=open_store(args.readings, verify=True) if args.readings else None,
    )
    return Outcome(outcome.to_dict(), _text(args.method, outcome), outcome.exit_code)


_STANDS = {
    "registered": "is registered as challenger",
    "compared_again": "was registered before and is compared again as challenger",
    "already_registered": "is already registered as challenger",
}


def _text(method: Path, outcome: retraining.Outcome) -> str:
    from pat.retraining import CHALLENGERS, drift_text, summary

    if outcome.comparison is not None:
        artefact = method.parent / CHALLENGERS / str(outcome.digest) / "artefact"
        return (
            f"{summary(outcome.comparison)}\n"
            f"version {outcome.version} {_STANDS[outcome.status.value]}, in {outcome.folder}\n"
            f"it waits for signatures: pat approve {artefact} --model {method.parent} --as author\n"
            f"and, once it is released, for a person: pat promote {method} {outcome.version}"
        )
    if outcome.status == "refused":
        return f"refused: {outcome.reason}"
    seen = f"{drift_text(outcome.drift)}\n\n" if outcome.drift else ""
    nothing = f"nothing new: the champion {outcome.champion} was made from all reference data that there are"
    called = "\nbut its readings show drift: measure references of new batches" if outcome.status == "drifted" else ""
    return f"{seen}{nothing}{called}"


def _promote(args: argparse.Namespace) -> Outcome:
    from pat import retraining
    from pat.method import Method

    promoted = retraining.promote(
        Method.load(args.method),
        args.version,
        args.method.parent,
        trust=args.trust,
        unreleased=args.unreleased,
        reason=args.reason,
    )
    document = {"champion": promoted.version, "digest": promoted.digest, "released": promoted.released}
    return Outcome(document, facts(document))


def _history(args: argparse.Namespace) -> Outcome:
    from pat import audit
    from pat.retraining.history import history, scoring_runs

    trail = audit.Trail.open(args.trail)
    report = audit.verify(trail.path)
    known = history(trail.entries(), args.name)
    document = known.to_dict() | {"trail": report.to_dict()}
    parts = [report.in_words()]
    if args.batch:
        runs = scoring_runs(trail.entries(), args.batch, known)
        document["runs"] = [{**vars(run), "champion": run.champion and vars(run.champion)} for run in runs]
        parts.append(_runs_text(args.batch, runs))
    else:
        shown = known.on(args.on) if args.on else list(known.champions)
        document["champions"] = [vars(term) for term in shown]
        parts.append(_terms_text(args.name, args.on, shown))
    return Outcome(document, "\n\n".join(parts), 0 if report.holds else 1)


def _terms_text(name: str, day: str | None, terms: list[history.Term]) -> str:
    if not terms:
        return f"{name} had no champion" + (f" on {day}" if day else " so far, that this trail knows of")
    rows = [
        [t.since[:19], t.until[:19] if t.until else "now", t.version, t.digest[:12], _released(t), t.who, t.reason]
        for t in terms
    ]
    return table(["champion since (UTC)", "until", "version", "artefact", "released", "by", "reason"], rows)


def _runs_text(batch: str, runs: list[history.ScoringRun]) -> str:
    if not runs:
        return f"no run of batch {batch} is in this trail"
    rows = [
        [r.run, r.opened[:19], r.ended, r.digest[:12], "yes" if r.by_champion else "NO", _released(r.champion)]
        for r in runs
    ]
    return table(["run", f"{batch} opened (UTC)", "ended", "artefact", "champion then", "released"], rows)


def _released(term: history.Term | None) -> str:
    return "-" if term is None else "yes" if term.released else "NO"


COMMANDS = (
    Command(
        "retrain",
        "Make a challenger from new reference data and compare it",
        _retrain_arguments,
        _retrain,
        computes=True,
        records=True,
    ),
    Command(
        "promote",
        "Make a released version the champion, as a person decided",
        _promote_arguments,
        _promote,
        records=True,
    ),
    Command("history", "Say which artefact was champion when, or scored a batch", _history_arguments, _history),
)
