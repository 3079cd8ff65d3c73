# SPDX-License-Identifier: MIT
"""The language: operations on memory, a line each, after the machine that they run on (docs/kerneldiff.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaigns.kerneldiff.contents import KINDS

PAGES, TASKS = 128, 6
MOST_SWAP_PAGES = 4096
"""Pages that a script has room for, tasks that it may have, and pages of the largest swap device."""
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "swap": ("zram", "disk"),
    "zswap": ("off", "on"),
    "mthp": ("0", "2", "3", "4"),
    "page-cluster": ("0", "3"),
    "backing": ("off", "on"),
    "shrinker": ("off", "on"),
    "lru": ("classic", "mglru"),
    "kernels": ("all", "6.1", "6.12"),
}
"""What a machine is: its swap device, whether zswap is in front of it, the order of large folios (0: none), readahead,
whether zram has a backing device, and zswap its dynamic shrinker, which pages are reclaimed first; and the kernels that
the script is for. The first value of each is the default."""
ZRAM_WORK = ("idle", "write-idle", "write-huge", "write-huge_idle")
DIALS = ("zswap.max_pool_percent", "memory.zswap.writeback")
LIMITS = ("memory.max", "memory.swap.max", "memory.zswap.max")
ARGUMENTS: Mapping[str, str] = {
    **dict.fromkeys(("map", "unmap", "read", "touch", "dontneed", "pageout", "free", "cold", "protect"), "range"),
    "write": "range kind seed",
    "mremap": "range page",
    "fork": "task",
    "exit": "",
}
"""Of a task's operations. `protect`: the pages are made read-only, then writable again."""
MACHINE: Mapping[str, str] = {
    "settle": "",
    "swapoff": "",
    "swapon": "",
    "zswap": "switch",
    "limit": "limit pages",
    "reclaim": "pages",
    "tune": "dial value",
    "zram": "work",
}
"""Operations on the machine. `settle`: clean swapped pages leave the swap cache, as they would under pressure.
`zram`: what its administrator does: mark all
pages as idle, write pages to the backing device."""


class ScriptError(Exception):
    """A script cannot be read: one line with the place."""


@dataclass(frozen=True)
class Step:
    """One operation. `task` is None for one on the machine; arguments are numbers and words as they were written."""

    op: str
    task: int | None = None
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([*([str(self.task)] if self.task is not None else []), self.op, *self.arguments])

    def number(self, index: int) -> int:
        """An argument that is a number."""
        return int(self.arguments[index])

    @property
    def pages(self) -> range:
        """The pages of an operation on a range."""
        return range(self.number(0), self.number(0) + self.number(1))


@dataclass(frozen=True)
class Script:
    """A machine and what happens on it."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    about: str = ""

    def setting(self, name: str) -> str:
        """A setting, or its default."""
        return self.settings.get(name, SETTINGS[name][0])

    @property
    def swap_pages(self) -> int:
        """Of the swap device, its header included: so few that the kernel sets no slots aside for a processor; a large
        folio needs clusters of 512."""
        return 256 if self.setting("mthp") == "0" else MOST_SWAP_PAGES

    @property
    def reclaims(self) -> bool:
        """It looks at which pages reclaim takes."""
        return any(step.op == "reclaim" for step in self.steps)

    @property
    def forks(self) -> bool:
        """It has more than one task."""
        return any(step.op == "fork" for step in self.steps)

    def concerns(self, profile: str) -> bool:
        """It is for the kernel of this profile."""
        return self.setting("kernels") in ("all", profile)

    def text(self) -> str:
        """As a file of it is written."""
        lines = [f"# {line}" for line in self.about.splitlines()]
        lines += [f"set {name} {value}" for name, value in sorted(self.settings.items())]
        return "\n".join([*lines, *map(str, self.steps)]) + "\n"


def parse(name: str, text: str) -> Script:
    """A script out of its file. Raises ScriptError."""
    settings: dict[str, str] = {}
    steps: list[Step] = []
    about: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            about.append(line.lstrip("# "))
            continue
        words = line.split()
        try:
            if words[:1] == ["set"]:
                setting, value = _setting(words[1:])
                settings[setting] = value
            elif words:
                steps.append(_step(words))
        except ValueError as error:
            raise ScriptError(f"{name}, line {number}: {line.strip()}: {error}") from error
    return Script(name, settings, tuple(steps), "\n".join(about))


def load(folder: Path) -> list[Script]:
    """The scripts of a folder. Raises ScriptError."""
    return [parse(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.script"))]


def _setting(words: list[str]) -> tuple[str, str]:
    if len(words) != 2 or words[0] not in SETTINGS:
        raise ValueError(f"expected set NAME VALUE, with one of {', '.join(SETTINGS)}")
    if words[1] not in SETTINGS[words[0]]:
        raise ValueError(f"{words[0]} is one of {', '.join(SETTINGS[words[0]])}")
    return words[0], words[1]


def _step(words: list[str]) -> Step:
    if words[0].isdigit():
        task, op, arguments = int(words[0]), "".join(words[1:2]), words[2:]
        if task >= TASKS:
            raise ValueError(f"expected a task below {TASKS}")
        step, kinds = Step(op, task, tuple(arguments)), _known(op, ARGUMENTS, "a task")
    else:
        step, kinds = Step(words[0], None, tuple(words[1:])), _known(words[0], MACHINE, "the machine")
    expected = kinds.replace("range", "first count").split()
    if len(step.arguments) != len(expected):
        raise ValueError(f"expected {step.op} {' '.join(expected)}".strip())
    for kind, argument in zip(expected, step.arguments, strict=True):
        if kind == "kind" and argument not in KINDS:
            raise ValueError(f"expected one of {', '.join(KINDS)}")
        if kind == "switch" and argument not in ("on", "off"):
            raise ValueError("expected on or off")
        if kind == "work" and argument not in ZRAM_WORK:
            raise ValueError(f"expected one of {', '.join(ZRAM_WORK)}")
        if kind == "dial" and argument not in DIALS:
            raise ValueError(f"expected one of {', '.join(DIALS)}")
        if kind == "limit" and argument not in LIMITS:
            raise ValueError(f"expected one of {', '.join(LIMITS)}")
        if kind in ("first", "count", "page", "task", "seed", "pages", "value") and not argument.isdigit():
            raise ValueError(f"{argument} is no number")
    if "range" in kinds and not 0 < step.number(1) <= PAGES - step.number(0):
        raise ValueError(f"expected pages below {PAGES}")
    return step


def _known(op: str, operations: Mapping[str, str], whose: str) -> str:
    if op not in operations:
        raise ValueError(f"no such operation of {whose}; expected one of {', '.join(operations)}")
    return operations[op]
