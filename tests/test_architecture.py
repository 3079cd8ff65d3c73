# SPDX-License-Identifier: MIT
"""The house (docs/architecture.md): imports point down from floor to floor, sim -> vswap -> driver -> hw, and inside a
floor from room to room."""

from __future__ import annotations

import pytest

from tests.imports import FLOORS, circles, dangling, foreign_private, imported, modules, names_tests

LOOSE = ""
"""The files of a floor that lie in none of its folders."""
ROOMS = {  # lowest first
    "hw": (LOOSE, "regs", "verilated", "links", "formal"),
    "driver": (LOOSE,),
    "vswap": ("base", "mm", "slots", "tiers", "state", "paths", LOOSE, "contract", "races"),
    "sim": (
        *("base", "page", "trace", "corpus", "scenario", "run", "handle"),
        *(
            "contract",
            "follow",
            "capture",
            "data",
            "imported",
            "costs",
            "pager",
            "guest",
            "cxl",
            "nbd",
            "sweep",
            "experiment",
            "bench",
            "doctor",
            LOOSE,
        ),
    ),
}
PUBLIC_AFTER_ALL = {"_exit", "_log", "_name", "_path"}
"""os._exit is how a child ends after a fork; cocotb's handles have `_name`, `_path`
and `_log`, since a signal may be called `name`."""

KNOWN = modules(*FLOORS, "tests")
ARROWS = {module: imported(path.read_text(), KNOWN) - {module} for module, path in KNOWN.items()}


def room(module: str) -> str:
    """The room of a module below its floor: the first folder."""
    parts = module.split(".")
    return parts[1] if len(parts) > 2 or (len(parts) == 2 and KNOWN[module].name == "__init__.py") else LOOSE


def upward(module: str, other: str) -> bool:
    """Whether an import of `other` by `module` points up, from floor to floor or from room to room."""
    floor, below = module.partition(".")[0], other.partition(".")[0]
    if floor not in FLOORS:
        return False
    if below not in FLOORS:
        return True  # the tests
    if below != floor:
        return FLOORS.index(below) > FLOORS.index(floor)
    order = ROOMS[floor]
    return order.index(room(other)) > order.index(room(module))


@pytest.mark.parametrize("floor", FLOORS)
def test_no_import_points_up(floor: str) -> None:
    wrong = [
        f"{module}: {other}"
        for module in KNOWN if module.partition(".")[0] == floor
        for other in sorted(ARROWS[module]) if upward(module, other)
    ]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize("floor", FLOORS)
def test_every_room_has_its_place(floor: str) -> None:
    found = {room(module) for module in KNOWN if module.partition(".")[0] == floor and module != floor}
    assert found | {LOOSE} == set(ROOMS[floor])


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(ARROWS) == []


def test_every_string_that_looks_like_a_module_is_one() -> None:
    wrong = [
        f"{module}: {name}"
        for module, path in KNOWN.items() if not module.startswith("tests.") or "campaigns" in module
        for name in dangling(path.read_text(), KNOWN)
    ]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize("floor", FLOORS)
def test_no_string_names_the_tests(floor: str) -> None:
    """Neither as a module nor as a path: that would be an arrow up which no import shows."""
    wrong = [
        f"{module}: {name}"
        for module, path in KNOWN.items() if module.partition(".")[0] == floor
        for name in names_tests(path.read_text())
    ]  # fmt: skip
    assert wrong == []


def test_no_module_uses_the_private_names_of_another() -> None:
    wrong = [
        f"{module}: {use}"
        for module, path in KNOWN.items()
        for use in foreign_private(path.read_text(), PUBLIC_AFTER_ALL)
    ]  # fmt: skip
    assert wrong == []


# The checks themselves can fail


def test_an_import_is_seen_wherever_it_is() -> None:
    text = """
import hw.clock
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from vswap.mm import folio
def late():
    from driver import CramDevice
    return "sim.run.inside", "-m sim.cli", "nothing.at.all"
"""
    assert imported(text, KNOWN) == {"hw.clock", "vswap.mm.folio", "driver", "sim.run.inside"}


def test_an_arrow_that_points_up_is_seen() -> None:
    assert upward("driver.device", "vswap.system")
    assert upward("hw.lint", "tests.imports")
    assert upward("vswap.mm.folio", "vswap.tiers.cram")
    assert upward("sim.run.run", "sim.cli")
    assert not upward("sim.cli", "sim.run.run")
    assert not upward("vswap.tiers.cram", "vswap.tiers.base")
    assert not upward("tests.imports", "sim.cli")


def test_a_circle_is_seen() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"e", "d"}}
    assert circles(graph) == [["a", "b", "c"]]


def test_a_name_of_nothing_is_seen() -> None:
    text = """names = ["sim.cli:main", "sim.cli:nobody", "sim.nowhere", "hw.clock.Clock", "tests.hw.bench_"]"""
    assert dangling(text, KNOWN) == ["sim.cli.nobody", "sim.nowhere"]


def test_a_string_that_names_the_tests_is_seen() -> None:
    text = """
\'\'\'Prose may speak of tests/hw.\'\'\'
a = ROOT / "tests" / "hw"
b = f"tests.{name}"
c = "tests.hw.bench_" + name
d = "python -m tests.campaigns.mutation --count 3".split()
e = "tests/hw/pages.py", "the tests pass", "contests/x"
"""
    assert sorted(found.partition(":")[0] for found in names_tests(text)) == [f"line {n}" for n in (3, 4, 5, 6, 7)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from vswap.mm.folio import _hidden", ["line 1: _hidden"]),
        ("def f(other):\n    return other._hidden", ["line 2: ._hidden"]),
        ("class A:\n    def f(self, other):\n        self._own = other._own", []),
        ("import os\nos._exit(0)", []),
    ],
)
def test_a_private_name_of_another_module_is_seen(text: str, found: list[str]) -> None:
    assert foreign_private(text, PUBLIC_AFTER_ALL) == found
