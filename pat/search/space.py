"""What a method search tries: a document of alternatives, and every chain that they make."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pat.core.preprocess import Treatment, learns
from pat.core.types import Array
from pat.errors import InputError, MethodError
from pat.files import canonical_json
from pat.method import Method, problems_of_step
from pat.yaml12 import read_yaml

_KEYS = ("ranges", "intervals", "preprocessing", "max_components")
_ONE_OF, _NONE = "one_of", "none"
Ranges = list[list[float]]
Steps = list[dict[str, Any]]


@dataclass(frozen=True)
class Chain:
    """One candidate: wavelength ranges and preprocessing steps, as a method that can be calibrated.

    Attributes
    ----------
    label : str
        What it does, in a few words that are the chain's own.
    method : Method
        The method of the search with this chain in it.
    """

    label: str
    method: Method

    @property
    def key(self) -> str:
        """Hash of all that decides what cross-validation of this chain gives, the data apart."""
        document = self.method.document()
        parts = [document["analyte"], document["spectra"], document["preprocessing"], document["calibration"]]
        return hashlib.sha256(canonical_json(parts)).hexdigest()


@dataclass(frozen=True)
class Space:
    """Alternatives for a method: every combination of one choice from each place is a chain.

    Attributes
    ----------
    ranges : list of list of [low, high]
        Alternatives for the wavelength ranges (nm); empty keeps those of the method.
    intervals : tuple of (int, int) or None
        Interval PLS: the axis of the method is cut into so many equal intervals, and runs of up to so many
        neighbours are tried alone, beside `ranges`.
    preprocessing : list of list of list of dict
        Places in order; each holds alternatives, each of them no step or one.
    max_components : int or None
        Most components that cross-validation tries; None keeps that of the method. A chain that keeps fewer
        wavelengths tries as many as it keeps.

    References
    ----------
    Interval PLS: Norgaard et al., *Appl. Spectrosc.* 54 (2000) 413.
    """

    ranges: list[Ranges]
    intervals: tuple[int, int] | None
    preprocessing: list[list[Steps]]
    max_components: int | None

    @classmethod
    def load(cls, path: str | Path) -> Space:
        """Read a search space.

        Raises
        ------
        MethodError
            If the file cannot be read or holds something else; the message names the place.
        """
        try:
            document, problems = read_yaml(Path(path))
        except InputError as error:
            raise MethodError(str(error)) from error
        if problems:
            raise MethodError(f"{path}: {'; '.join(problems)}")
        try:
            return cls.from_document(document)
        except MethodError as error:
            raise MethodError(f"{path}: {error}") from error

    @classmethod
    def from_document(cls, document: Any) -> Space:
        """Check a plain document, such as `load` reads; raises `MethodError`."""
        if not isinstance(document, dict) or not document:
            raise MethodError(f"a search space must have some of the keys {', '.join(_KEYS)}, got {document!r}")
        if unknown := sorted(set(document) - set(_KEYS)):
            raise MethodError(f"{', '.join(map(str, unknown))}: expected one of {', '.join(_KEYS)}")
        return cls(
            ranges=[_ranges(f"ranges.{i}", r) for i, r in enumerate(_list("ranges", document.get("ranges", [])))],
            intervals=_intervals(document.get("intervals")),
            preprocessing=[
                _place(f"preprocessing.{i}", place)
                for i, place in enumerate(_list("preprocessing", document.get("preprocessing", [])))
            ],
            max_components=_most(document.get("max_components")),
        )

    def chains(self, method: Method, wavelength: Array) -> tuple[list[Chain], list[str]]:
        """Every chain of the space that can be, and why the others cannot.

        Parameters
        ----------
        method : Method
            Everything that the space leaves open stays as this method says.
        wavelength : ndarray of shape (p,)
            Native axis of the spectra (nm).

        Returns
        -------
        chains : list of Chain
            Each once, in the order of the space.
        left_out : list of str
            A line for each combination that is no method on this axis.

        Raises
        ------
        MethodError
            If nothing is left.
        """
        chains: dict[str, Chain] = {}
        left_out: list[str] = []
        for ranges, steps in self._combinations(method, wavelength):
            label = _label(ranges, steps)
            try:
                chain = Chain(label, self._method(method, ranges, steps, wavelength))
            except InputError as error:
                left_out.append(f"{label}: {str(error).splitlines()[-1].strip()}")
            else:
                chains.setdefault(chain.key, chain)
        if not chains:
            raise MethodError("no chain of the search space fits the spectra:\n" + "\n".join(left_out[:5]))
        return list(chains.values()), left_out

    def _combinations(self, method: Method, wavelength: Array) -> Iterator[tuple[Ranges, Steps]]:
        document = method.document()
        ranges = self.ranges or [document["spectra"]["ranges"]]
        ranges = ranges + _runs(method, wavelength, self.intervals)
        places = self.preprocessing or [[document["preprocessing"]]]
        for kept, chosen in itertools.product(ranges, itertools.product(*places)):
            yield kept, [step for steps in chosen for step in steps]

    def _method(self, method: Method, ranges: Ranges, steps: Steps, wavelength: Array) -> Method:
        document = method.document()
        document["spectra"]["ranges"], document["preprocessing"] = ranges, steps
        document = Method.from_document(document).document()
        # Steps that have still to learn cannot be compiled yet, and leave the axis as it is.
        known = [step for step in document["preprocessing"] if not learns(step)]
        kept = Treatment(wavelength, ranges, known).wavelength.size
        rules = document["calibration"]
        rules["max_components"] = min(self.max_components or rules["max_components"], kept)
        return Method.from_document(document)


def _list(where: str, found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise MethodError(f"{where}: expected a list, got {found!r}")
    return found


def _ranges(where: str, found: Any) -> Ranges:
    ranges = _list(where, found)
    for i, pair in enumerate(ranges):
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(v, int | float) for v in pair)):
            raise MethodError(f"{where}.{i}: expected [low, high] in nm, got {pair!r}")
    return ranges


def _intervals(found: Any) -> tuple[int, int] | None:
    if found is None:
        return None
    expected = "{count: at least 2, joined: from 1 to count - 1}"
    if not isinstance(found, dict) or set(found) - {"count", "joined"} or "count" not in found:
        raise MethodError(f"intervals: expected {expected}, got {found!r}")
    count, joined = found["count"], found.get("joined", 1)
    if type(count) is not int or type(joined) is not int or not 1 <= joined < count:
        raise MethodError(f"intervals: expected {expected}, got {found!r}")
    return count, joined


def _most(found: Any) -> int | None:
    if found is not None and (type(found) is not int or found < 1):
        raise MethodError(f"max_components: expected a whole number from 1, got {found!r}")
    return found


def _place(where: str, found: Any) -> list[Steps]:
    """Return the alternatives of one place; a parameter that says ``one_of`` makes several of one."""
    alternatives: list[Steps] = []
    for i, alternative in enumerate(_list(where, found)):
        if alternative == _NONE:
            alternatives.append([])
        elif isinstance(alternative, dict):
            alternatives += [[step] for step in _known(f"{where}.{i}", _spread(f"{where}.{i}", alternative))]
        else:
            raise MethodError(f"{where}.{i}: expected a step or `{_NONE}`, got {alternative!r}")
    if not alternatives:
        raise MethodError(f"{where}: expected at least one alternative, got none")
    return alternatives


def _known(where: str, steps: Steps) -> Steps:
    """Refuse what can be no step: left out with the combinations that cannot be, a misspelt one would not be missed.

    Values that do not go together are left out there, unless those of every step are of this kind.
    """
    problems = [problems_of_step(where, step) for step in steps]
    wrong = [line for of_keys, _ in problems for line in of_keys]
    if all(together for _, together in problems):
        wrong += problems[0][1]
    if wrong:
        raise MethodError("; ".join(dict.fromkeys(wrong)))
    return steps


def _spread(where: str, value: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every document that the ``one_of`` in a document stands for."""
    choices: list[list[Any]] = []
    for key, item in value.items():
        if isinstance(item, dict) and _ONE_OF in item:
            if set(item) != {_ONE_OF} or not isinstance(item[_ONE_OF], list) or not item[_ONE_OF]:
                raise MethodError(f"{where}.{key}: expected {{{_ONE_OF}: [value, ...]}}, got {item!r}")
            choices.append(item[_ONE_OF])
        else:
            choices.append(list(_spread(f"{where}.{key}", item)) if isinstance(item, dict) else [item])
    return [dict(zip(value, chosen, strict=True)) for chosen in itertools.product(*choices)]


def _runs(method: Method, wavelength: Array, intervals: tuple[int, int] | None) -> list[Ranges]:
    """Return the runs of neighbouring intervals, each cut so that no wavelength lies in two of them."""
    if intervals is None:
        return []
    count, joined = intervals
    axis = Method.from_document({**method.document(), "preprocessing": []}).treatment(wavelength).wavelength
    if axis.size < 2 * count:
        raise MethodError(f"intervals: expected at most {axis.size // 2} of them, two wavelengths in each, got {count}")
    cuts = _equal_parts(axis, count)
    return [
        [[float(cuts[i][0]), float(cuts[i + length - 1][-1])]]
        for length in range(1, joined + 1)
        for i in range(count - length + 1)
    ]


def _equal_parts(axis: Array, count: int) -> list[Array]:
    edges = [round(i * axis.size / count) for i in range(count + 1)]
    return [axis[a:b] for a, b in itertools.pairwise(edges)]


def _label(ranges: Ranges, steps: Steps) -> str:
    kept = ", ".join(f"{low:g}-{high:g}" for low, high in ranges) or "whole axis"
    return f"{' + '.join(map(_step_label, steps)) or 'no treatment'} | {kept}"


def _step_label(step: dict[str, Any]) -> str:
    values = [value for key, value in step.items() if key != "step"]
    flat = [item for value in values for item in (value.values() if isinstance(value, dict) else [value])]
    shown = [f"{v:g}" if isinstance(v, float) else str(v) for v in flat if not isinstance(v, list)]
    return f"{step.get('step')}({', '.join(shown)})" if shown else str(step.get("step"))
