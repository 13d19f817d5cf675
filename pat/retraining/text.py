"""A comparison in a few lines, for the person who decides."""

from __future__ import annotations

from typing import Any

from pat.validation.endpoints import EndpointCase

_SIDES = ("champion", "challenger")


def summary(comparison: dict[str, Any]) -> str:
    """Return a comparison as lines of at most 80 characters.

    Parameters
    ----------
    comparison : dict
        The document of ``comparison.json``.
    """
    parts = [_head(comparison), _figures(comparison), _difference(comparison)]
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
    return (
        f"mean squared error, challenger less champion: {_number(found['difference'], 4)}\n"
        f"95 % interval {interval}, p {_number(found['p_value'])} ({n} batches): {comparison['verdict']}"
    )


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
