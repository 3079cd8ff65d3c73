"""Imports point down only: sim -> vswap -> driver -> hw. A folder uses itself and those below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ["hw", "driver", "vswap", "sim"]  # lowest first


def imported(text: str) -> Iterator[str]:
    """Names of the modules that a source text imports, wherever in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module


def upward(layer: str, text: str) -> list[str]:
    """The imports of a file of `layer` that lead up, or to the tests."""
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    return [
        name for name in imported(text)
        if (top := name.partition(".")[0]) in {*LAYERS, "tests"} and top not in allowed
    ]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS)
def test_no_import_points_up(layer: str) -> None:
    files = sorted((ROOT / layer).rglob("*.py"))
    assert files
    wrong = [f"{path.relative_to(ROOT)}: {name}" for path in files for name in upward(layer, path.read_text())]
    assert wrong == []


def test_an_upward_import_is_seen() -> None:
    assert upward("driver", "from hw.link import Link\nimport driver.errors") == []
    assert upward("driver", "def f():\n    from vswap.slots.table import Slots") == ["vswap.slots.table"]
    assert upward("hw", "import tests.hw.pages, numpy") == ["tests.hw.pages"]
    assert upward("sim", "import vswap, driver, hw") == []
