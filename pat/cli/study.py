"""``pat study``: the operating characteristic of an end-point rule."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pat.cli.framework import Command, Outcome, table

if TYPE_CHECKING:
    from pat.core.evidence import Rule
    from pat.homogeneity.study import Chance, Characteristic, Study


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="ARTEFACT", type=Path, help="artefact, or working folder of pat calibrate")
    parser.add_argument("--blends", metavar="N", type=int, default=4000, help="simulated of each kind (default 4000)")
    parser.add_argument("--compare", action="store_true", help="with block rules and CUSUMs made for the same risks")
    parser.add_argument("--plot", metavar="FILE.png", type=Path, help="draw it as well")


def _study(args: argparse.Namespace) -> Outcome:
    from pat.homogeneity.follow import Evidence
    from pat.homogeneity.study import Contender, conditions_of, contenders, study

    rule, claim = _rule(args.source)
    bounds, estimates = conditions_of(rule, claim)
    risk = float(claim["risk_per_batch"])
    rules = [Contender("this rule", rule, Evidence())]
    if args.compare:
        guards = float(claim["pocket_risk_per_batch"]), float(claim["smallest_pocket_share"])
        rules += contenders(rule, bounds.phi, risk, *guards, progress="constants of the other rules")
    found = study(rules, bounds, estimates, risk, blends=args.blends, progress="simulated blends")
    if args.plot:
        _plot(found, args.plot)
    return Outcome(found.to_dict(), _text(found, str(claim.get("units", ""))))


def _rule(source: Path) -> tuple[Rule, dict[str, Any]]:
    """Rule and claim of an artefact, or of what `pat calibrate` left."""
    from pat import artefact
    from pat.core.evidence import Rule
    from pat.errors import InputError
    from pat.homogeneity import HomogeneityModel

    if (source / "homogeneity").exists():
        model = HomogeneityModel.load(source / "homogeneity")
        return model.rule, model.claim
    document = artefact.read(source).content.document
    if document["rule"] is None:
        raise InputError(f"{source}: expected an artefact with an end-point rule, got one without")
    return Rule.from_dict(document["rule"]), document["claim"]


def _plot(found: Study, file: Path) -> None:
    from pat.files import write_bytes
    from pat.plots import operating_characteristic, to_png

    write_bytes(file, to_png(operating_characteristic(found)))


def _text(found: Study, units: str) -> str:
    first, (bounds, estimates) = found.rules[0], (found.bounds, found.estimates)
    rows = [
        [f"{at.true_rsd:.2f} %", *_share(at), *_share(of)]
        for at, of in zip(first.at_bounds, first.at_estimates, strict=True)
    ]
    lines = [
        f"SIMULATED blends, {first.at_bounds[0].blends} of each kind, {found.revolutions} revolutions, "
        f"limit {found.max_rsd:g} % RSD",
        "",
        "Chance to be declared uniform, where the RSD stays the same for the whole run",
        table(["true RSD", "at bounds", "95 % interval", "at estimates", "95 % interval"], rows),
        f"promised: at most {100.0 * found.risk:g} % at {found.max_rsd:.2f} %, at the bounds",
        f"bounds: autocorrelation {bounds.phi:.2f}, repeatability {bounds.repeatability:.3g} {units}, "
        f"slope {bounds.slope:.3f}",
        f"estimates: {estimates.phi:.2f}, {estimates.repeatability:.3g} {units}, {estimates.slope:.3f}",
        "",
        "Revolutions from the true to the declared end-point, median and 90 %, and",
        "share never declared, at the estimates",
        table(["rule", *(delay.course for delay in first.delays)], [_delays(rule) for rule in found.rules]),
    ]
    if len(found.rules) > 1:
        lines += ["", "The other rules have the same guards and are made for the same risks."]
    return "\n".join(lines)


def _share(chance: Chance) -> tuple[str, str]:
    share = 100.0 * chance.declared / chance.blends
    return f"{share:.1f} %", f"{100.0 * chance.low:.1f} to {100.0 * chance.high:.1f}"


def _delays(rule: Characteristic) -> list[str]:
    return [rule.name] + [
        f"{d.median:.0f} / {d.ninety_percent:.0f}" + (f" ({100.0 * d.missed / d.blends:.1f} %)" if d.missed else "")
        for d in rule.delays
    ]


COMMANDS = (Command("study", "Say what an end-point rule declares, and when", _arguments, _study, computes=True),)
