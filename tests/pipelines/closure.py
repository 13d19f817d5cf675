"""Which of the project's own files a module runs, found by reading its imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _file(module: str) -> Path | None:
    base = ROOT / Path(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imported(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _with_parents(module: str) -> Iterator[str]:
    parts = module.split(".")
    yield from (".".join(parts[: i + 1]) for i in range(len(parts)))


def closure(module: str) -> set[str]:
    """Return the paths, relative to the project, of every file of `pat` and `pipelines` that a module imports."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        for name in _with_parents(waiting.pop()):
            path = _file(name) if name.split(".")[0] in ("pat", "pipelines") else None
            if path is None or str(path.relative_to(ROOT)) in found:
                continue
            found.add(str(path.relative_to(ROOT)))
            waiting += _imported(path)
    return found
