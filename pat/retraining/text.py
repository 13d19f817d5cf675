"""A comparison in a few lines, for the person who decides."""

from __future__ import annotations

import textwrap
from typing import Any

from pat.validation.endpoints import EndpointCase

_SIDES = ("champion", "challenger")
_WIDTH = 80

NAMES = {
    "bias": "change of bias",
    "hotelling_t2": "more spectra beyond T2",
    "q_residuals": "more spectra beyond Q",
    "scores": "shift of scores",
}
"""What each finding of drift looks for, in words."""


def summary(comparison: dict[str, Any]) -> str:
    """Return a comparison as lines of at most 80 characters.

    Parameters
    ----------
    comparison : dict
        The document of ``comparison.json``.
    """
    parts = [_head(comparison), _figures(comparison), _difference(comparison), drift_text(comparison["drift"])]
    if comparison["challenger"]["endpoints"]:
        parts.append(_endpoints(comparison))
    return "\n\n".join(parts) + "\n"


def _head(comparison: dict[str, Any]) -> str:
    figures, new = comparison["challenger"]["figures"], comparison["new_batches"]
    simulated = " (simulated data)" if comparison["simulated"] else ""
    digests = [f"{side:10}  {comparison[side]['digest']}" for side in _SIDES]
    judged = f"judged on {figures['n']} spectra of {figures['n_batches']} batches that neither was made from"
    added = f"the challenger was made from {len(new)} more batches: {new[0]} to {new[-1]}"
    return "\n".join([f"{comparison['method']}{simulated}", *digests, added, judged])


def _figures(comparison: dict[str, Any]) -> str:
    units, figures = comparison["units"], [comparison[side]["figures"] for side in _SIDES]
    lines = [f"{'':20}{_SIDES[0]:>12}{_SIDES[1]:>12}"]
    for key, name in (("rmsep", "RMSEP"), ("bias", "bias"), ("sep", "SEP")):
        lines.append(f"{name + ', ' + units:20}" + "".join(f"{_number(side[key]):>12}" for side in figures))
    return "\n".join(lines)


def _difference(comparison: dict[str, Any]) -> str:
    found, n = comparison["squared_error_difference"], comparison["challenger"]["figures"]["n_batches"]
    interval = f"{_number(found['lower'], 4)} to {_number(found['upper'], 4)}"
    lines = [
        f"mean squared error, challenger less champion: {_number(found['difference'], 4)}",
        f"95 % interval {interval}, p {_number(found['p_value'])} ({n} batches): {comparison['verdict']}",
        *(line for sentence in conclusions(comparison) for line in textwrap.wrap(sentence, _WIDTH)),
    ]
    return "\n".join(lines)


def conclusions(comparison: dict[str, Any]) -> list[str]:
    """Say what the paired test could have shown, and whether the challenger is shown to be no worse; in sentences.

    Parameters
    ----------
    comparison : dict
        The document of ``comparison.json``.
    """
    n, judged = comparison["challenger"]["figures"]["n_batches"], comparison["non_inferiority"]
    said = [_could_find(comparison["detectable"], comparison["units"], n)]
    if comparison["verdict"] == "no difference shown":
        said.append("That no difference is shown does not mean that there is none.")
    margin = f"an RMSEP below {judged['margin']:g} times the champion's"
    if judged["verdict"] == "shown":
        said.append(f"The challenger is shown to have {margin}: {_ratio(judged)}.")
    else:
        said.append(f"The challenger is NOT shown to have {margin}: {_ratio(judged)}.")
    if judged["power_if_equal"] is not None:
        chance = 100 * judged["power_if_equal"]
        said.append(f"Two equally good models would be shown so in {chance:.0f} of 100 such cases.")
    return said


def _could_find(detectable: list[dict[str, Any]], units: str, n: int) -> str:
    """Say how large a difference the test finds; a ratio of which none is large enough says so."""
    if any(found["difference"] is None for found in detectable):
        return f"{n} batches without spread: how small a difference the test finds cannot be said."
    parts = []
    for found in detectable:
        ratio = found["rmsep_ratio"]
        larger = "errors larger by any factor may be missed" if ratio is None else f"errors {ratio:.2f} times as large"
        parts.append(f"with {100 * found['power']:.0f} % power {found['difference']:.2g} ({units})², {larger}")
    return f"The smallest difference that {n} batches of this spread show: {'; '.join(parts)}."


def _ratio(judged: dict[str, Any]) -> str:
    upper = "without bound" if judged["upper"] is None else f"at most {judged['upper']:.2f}"
    return f"ratio {_number(judged['ratio'], 2)}, {upper} with 95 % confidence"


def drift_text(drift: dict[str, Any]) -> str:
    """Return what was found of drift, one finding after the other, in lines of at most 80 characters.

    Parameters
    ----------
    drift : dict
        From `pat.retraining.drift.Drift.to_dict`.
    """
    called = "a retraining is called for" if drift["called_for"] else "no drift shown that calls for one"
    lines = [f"since the champion's validation ({len(drift['baseline'])} batches): {called}"]
    for finding in drift["findings"]:
        lines += textwrap.wrap(in_words(finding), _WIDTH, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)


def in_words(finding: dict[str, Any]) -> str:
    """Return a finding of drift as one line: what, where, the verdict, and what was found."""
    reported = "" if finding["calls"] else " (reported only)"
    return f"{NAMES[finding['name']]}, {finding['source']}: {finding['verdict']}{reported}; {finding['text']}"


def _endpoints(comparison: dict[str, Any]) -> str:
    """One line a blend: the true end-point, and what each found; more where the rest of the run was not right."""
    lines = [f"{'blend':12}{'true':>6}" + "".join(f"{side:>28}" for side in _SIDES)]
    sides = [[EndpointCase.from_dict(case) for case in comparison[side]["endpoints"]] for side in _SIDES]
    for pair in zip(*sides, strict=True):
        cells = (f"{_turn(case.found_endpoint)} {case.outcome.words}" for case in pair)
        lines.append(f"{pair[0].batch:12}{_turn(pair[0].true_endpoint):>6}" + "".join(f"{c:>28}" for c in cells))
        named = zip(_SIDES, pair, strict=True)
        lines += [f"{'':12}{side}: {case.verdict}" for side, case in named if case.verdict != case.outcome.words]
    return "\n".join(lines)


def _turn(revolution: int | None) -> str:
    return "-" if revolution is None else str(revolution)


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
