"""The trace matrix: which test shows which user requirement, read from the marks without running anything.

``make trace`` writes ``docs/trace.md``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pat.files import write_bytes

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS, MATRIX = ROOT / "docs" / "requirements.yaml", ROOT / "docs" / "trace.md"
_MARK = "pytest.mark.requirement"
_HEAD = """\
# Trace matrix

Made by `make trace` from [requirements.yaml](requirements.yaml) and the marks `@pytest.mark.requirement` of the tests;
`make test` fails where this page is out of date, a requirement has no test, or a mark names none.

{counts}
"""


@dataclass(frozen=True)
class Requirement:
    """A user requirement; `duty` says why it is for a procedure of the user's, and is empty where tests show it."""

    id: str
    group: str
    text: str
    source: str
    duty: str


@dataclass(frozen=True)
class Mark:
    """A test that says that it shows a requirement."""

    requirement: str
    path: str
    test: str


def requirements() -> list[Requirement]:
    """Return the user requirements in their order."""
    return [
        Requirement(one["id"], group["group"], one["text"], one["source"], one.get("duty", ""))
        for group in yaml.safe_load(REQUIREMENTS.read_text(encoding="utf-8"))
        for one in group["requirements"]
    ]


def marks() -> list[Mark]:
    """Return every mark of every test, files in the order of their names."""
    return [mark for path in sorted((ROOT / "tests").rglob("test_*.py")) for mark in marks_in(path)]


def marks_in(path: Path) -> Iterator[Mark]:
    """Give the marks of the functions of a test file."""
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            for requirement in _of(node.decorator_list):
                yield Mark(requirement, name, node.name)


def _of(decorators: list[Any]) -> Iterator[str]:
    for decorator in decorators:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == _MARK:
            yield from (str(ast.literal_eval(argument)) for argument in decorator.args)


def render(wanted: list[Requirement], found: list[Mark]) -> str:
    """Return the matrix as Markdown."""
    duties = sum(bool(one.duty) for one in wanted)
    tests = len({(mark.path, mark.test) for mark in found})
    shown = f"{len(wanted) - duties} shown by {tests} tests"
    counts = f"{len(wanted)} requirements: {shown}, {duties} for the user's procedures."
    parts = [_HEAD.format(counts=counts)]
    for group in dict.fromkeys(one.group for one in wanted):
        parts.append(f"\n## {group}\n\n| id | requirement | source | shown by |\n|---|---|---|---|\n")
        parts += [_row(one, found) for one in wanted if one.group == group]
    return "".join(parts)


def _row(one: Requirement, found: list[Mark]) -> str:
    by_file: dict[str, list[str]] = {}
    for mark in found:
        if mark.requirement == one.id:
            by_file.setdefault(mark.path, []).append(mark.test.removeprefix("test_"))
    tests = "<br>".join(f"`{path}`: {', '.join(sorted(names))}" for path, names in sorted(by_file.items()))
    shown = f"**user's duty (procedure)**: {one.duty}" if one.duty else tests
    return f"| {one.id} | {one.text} | {one.source} | {shown} |\n"


if __name__ == "__main__":
    write_bytes(MATRIX, render(requirements(), marks()).encode())
