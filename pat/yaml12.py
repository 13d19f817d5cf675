"""YAML 1.2 in, plain data out: ``1e5`` is a number, and ``no`` and ``2026-01-05`` are text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pat.errors import InputError


class _Yaml(yaml.SafeLoader):
    """The scalars of YAML 1.2, and no aliases: a controlled document says in place what it means."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not taken", mark)
        return super().compose_node(parent, index)


_NUMBER = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_Yaml.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", _NUMBER, "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Yaml.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def read_yaml(path: Path) -> tuple[Any, list[str]]:
    """Plain data of a YAML file, and a line for every key that stands twice in the same place.

    Raises
    ------
    InputError
        If the file cannot be read or is not YAML.
    """
    try:
        return _parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path} is not YAML: {error}") from error


def _parse(text: str) -> tuple[Any, list[str]]:
    """Plain data of a YAML text, and the keys that stand in it twice."""
    loader = _Yaml(text)
    try:
        node = loader.get_single_node()
        document = None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()
    return document, list(_duplicates(node, ()))


def _duplicates(node: yaml.Node | None, path: tuple[int | str, ...]) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here = (*path, str(key.value))
            if key.value in seen:
                yield f"{dotted(here)}: expected once, got again in line {key.start_mark.line + 1}"
            seen.add(key.value)
            yield from _duplicates(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield from _duplicates(value, (*path, i))


def dotted(path: tuple[int | str, ...]) -> str:
    """Name a place in a document, such as ``spectra.ranges.0``."""
    return ".".join(str(part) for part in path) or "document"
