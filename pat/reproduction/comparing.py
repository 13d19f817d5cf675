"""Two artefacts side by side: the same bits, the same numbers, or what differs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pat.artefact import Arrays, Artefact, largest_errors
from pat.errors import PatError
from pat.scorer import Scorer

TOLERANCE = 1e-9
"""What another CPU kernel may change, relative to the largest number of an array."""
# Hashes that another kernel changes with the last bit of any number: the numbers themselves are compared.
_FOLLOWS = frozenset({"calibration_sha256", "digest", "report"})


@dataclass(frozen=True)
class Difference:
    """One part that did not come out bit for bit.

    Attributes
    ----------
    part : str
        Its name.
    off : float
        Relative difference; infinite where no numbers can be compared.
    what : str
        In words.
    """

    part: str
    off: float
    what: str

    @property
    def within(self) -> bool:
        """Whether another kernel explains it."""
        return self.off <= TOLERANCE

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self) | {"off": self.off if math.isfinite(self.off) else None, "within": self.within}


def differences(recorded: Artefact, rebuilt: Artefact) -> list[Difference]:
    """Compare two artefacts part by part.

    Returns
    -------
    list of Difference
        Empty if arrays, document, known answers, known blend, validation and source are the same bit for bit.
    """
    return [
        *_of_arrays("array", recorded.content.arrays, rebuilt.content.arrays),
        *_of_values("document", recorded.content.document, rebuilt.content.document),
        *_of_arrays("known answer", recorded.known_answers, rebuilt.known_answers),
        *_of_arrays("known blend", recorded.known_blend or {}, rebuilt.known_blend or {}),
        *_answers(recorded, rebuilt),
        *_of_values("validation", recorded.validation, rebuilt.validation),
        *_of_values("source", _compared(recorded), _compared(rebuilt)),
    ]


def _compared(found: Artefact) -> dict[str, Any]:
    """Return what an artefact says of its source, without the kernel, and the hash of its page."""
    source = {name: value for name, value in found.manifest["source"].items() if name != "kernel"}
    return source | {"report": found.manifest["files"]["report.html"]["sha256"]}


def _answers(recorded: Artefact, rebuilt: Artefact) -> Iterator[Difference]:
    """Let the rebuilt model answer the recorded questions: within the tolerance at every spectrum, as at each load."""
    try:
        got = Scorer(rebuilt.content).predict(recorded.known_answers["absorbance"])
    except PatError as error:
        yield Difference("answers of the rebuilt model", math.inf, str(error))
        return
    for name, off in largest_errors(got, recorded.known_answers).items():
        if not off <= TOLERANCE:
            yield Difference(f"{name} by the rebuilt model", off, _relative(off))


def _of_arrays(kind: str, a: Arrays, b: Arrays) -> Iterator[Difference]:
    for name in sorted(a.keys() | b.keys()):
        part = f"{kind} {name}"
        if name not in a or name not in b:
            yield Difference(part, math.inf, f"there is none in the {'recorded' if name not in a else 'rebuilt'} one")
        elif (a[name].dtype, a[name].shape) != (b[name].dtype, b[name].shape):
            kinds = (f"{x.dtype} of shape {x.shape}" for x in (a[name], b[name]))
            yield Difference(part, math.inf, " recorded, rebuilt ".join(kinds))
        elif a[name].tobytes() != b[name].tobytes():
            off = _off(a[name], b[name])
            yield Difference(part, off, _relative(off))


def _off(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the largest difference relative to the largest number; infinite where text or gaps differ."""
    if a.dtype.kind != "f":
        return 0.0 if np.array_equal(a, b) else math.inf
    known = np.isfinite(a)
    if not np.array_equal(a[~known], b[~known], equal_nan=True) or not np.isfinite(b[known]).all():
        return math.inf
    scale = float(np.max(np.abs(a[known]), initial=0.0))
    off = float(np.max(np.abs(a[known] - b[known]), initial=0.0))
    return off / scale if scale else (math.inf if off else 0.0)


def _of_values(part: str, a: Any, b: Any) -> Iterator[Difference]:
    """Walk two documents side by side."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            if key not in a or key not in b:
                side = "recorded" if key not in a else "rebuilt"
                yield Difference(f"{part}.{key}", math.inf, f"there is none in the {side} one")
            else:
                yield from _of_values(f"{part}.{key}", a[key], b[key])
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from _of_values(f"{part}[{i}]", one, other)
    elif type(a) is not type(b) or a != b:
        off = _off(np.array([a]), np.array([b])) if type(a) is type(b) is float else math.inf
        off = 0.0 if part.rpartition(".")[2] in _FOLLOWS else off
        yield Difference(part, off, f"{_short(a)} recorded, {_short(b)} rebuilt")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _relative(off: float) -> str:
    return f"off by {off:.3g} relative" if math.isfinite(off) else "cannot be compared"
