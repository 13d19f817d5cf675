"""The numbers that a blend is judged by, under flat names, for a register."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_PARTS = ("rule", "claim", "statistics")


def figures(document: Mapping[str, Any]) -> dict[str, float]:
    """Return every number of the rule, the claim and the published statistics.

    Parameters
    ----------
    document : mapping
        Of an artefact's content; one that follows no blend has none.

    Returns
    -------
    dict of str to float
        By names such as ``claim/risk_at_limit/gaussian`` and ``statistics/limits/mbsd/high``, of letters, digits,
        spaces, dots, dashes, underscores and slashes alone.
    """
    return {name.replace(",", ""): value for part in _PARTS for name, value in _numbers(part, document.get(part))}


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(f"{name}/{key}", item)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _numbers(f"{name}/{i}", item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name, float(value)
