# SPDX-License-Identifier: MIT
"""The graph of imports of this tree, for tests/test_architecture.py: what each module imports, wherever in its text."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("hw", "driver", "vswap", "sim")
"""Lowest first."""
_DOTTED = re.compile(r"(?:hw|driver|vswap|sim|tests)(?:\.\w+)+")


def modules(*folders: str) -> dict[str, Path]:
    """Dotted name -> file of every module below these folders; a package is named without `__init__`."""
    found = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def module_of(name: str, known: Mapping[str, Path]) -> str | None:
    """The module that a dotted name is, or is a name of; None for one that is not of this tree."""
    while name not in known:
        name, dot, _ = name.rpartition(".")
        if not dot:
            return None
    return name


def imported(text: str, known: Mapping[str, Path]) -> set[str]:
    """The modules of `known` that a source text imports, under TYPE_CHECKING and inside functions as well, and those
    that it names in a string, as one does to have another process run them."""
    return {module for name in _named(text) if (module := module_of(name, known)) is not None}


def dangling(text: str, known: Mapping[str, Path]) -> list[str]:
    """Strings that look like the name of a module of this tree, or of something in one, and are not."""
    return [name for name in _strings(text) if not _exists(name, known)]


def names_tests(text: str) -> list[str]:
    """Strings of a source text, docstrings apart, that name the tests: a module, a path, a part of a command."""
    tree = ast.parse(text)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        f"line {node.lineno}: {node.value!r}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
        if node.value == "tests" or re.search(r"(?<![\w.])tests[./]", node.value)
    ]


def _named(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
    yield from _strings(text)


def _strings(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.replace(":", ".", 1)  # module:name, as entry points have it
            if _DOTTED.fullmatch(name) and not name.endswith("_"):  # which begins a name that is made up later
                yield name


def _exists(name: str, known: Mapping[str, Path]) -> bool:
    module = module_of(name, known)
    if module is None or name == module:
        return module is not None
    first = name.removeprefix(module + ".").partition(".")[0]
    return (
        re.search(rf"^\s*(?:def|class|async def)\s+{first}\b|^{first}\b", known[module].read_text(), re.M) is not None
    )


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other (strongly connected components of more than one node)."""
    found: list[list[str]] = []
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        path.append(node)
        for other in sorted(graph[node]):
            if other not in number:
                visit(other)
            if other in path:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == number[node]:
            group = path[path.index(node) :]
            del path[path.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return found


def foreign_private(text: str, allowed: Collection[str] = ()) -> list[str]:
    """Private names of other modules that a source text uses: imported ones, and attributes of objects that nothing in
    this text defines; `allowed` are those that their library means to be used."""
    tree = ast.parse(text)
    own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_self(node.value)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            own |= {target.id for target in targets if isinstance(target, ast.Name)}
    used = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in {*FLOORS, "tests"}:
            used += [f"line {node.lineno}: {alias.name}" for alias in node.names if _private(alias.name)]
        elif isinstance(node, ast.Attribute) and _private(node.attr) and not _is_self(node.value):
            used += [f"line {node.lineno}: .{node.attr}"] if node.attr not in {*own, *allowed} else []
    return used


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}
