# SPDX-License-Identifier: MIT
"""Points: what Verilator counts, read from the `coverage.dat` of runs and merged over all of them.

A point is a block of statements, one side of a branch, or one edge of one bit of a signal, by its place in the source.
The same place in builds of other parameters is the same point: a run of any build covers it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from hw.sources import RTL

Kind = Literal["line", "toggle"]

_FIELD = re.compile("\x01([^\x02]*)\x02([^\x01]*)")
_NAME = re.compile(r"(.*\.)?(?P<signal>[^\[:]+)(?P<index>(\[\d+\])*)(:(?P<edge>.*))?")


@dataclass(frozen=True, order=True)
class Point:
    """One thing to cover.

    Attributes:
        module: name of the module, which is that of its file; of the header if the point lies in one.
        kind: "line" (blocks of statements and sides of branches) or "toggle".
        line: of the source, from 1.
        column: of the source, from 1.
        name: of a line: what it is (`block`, `if`, `else`, `case`, `cond_then`, ...); of a toggle: signal, index
            and edge, as in `state_q[2]:0->1`.
    """

    module: str
    kind: Kind
    line: int
    column: int
    name: str

    @property
    def signal(self) -> str:
        """Name of the signal of a toggle, without index and without the generate blocks that it is in."""
        return self._parts()["signal"]

    @property
    def bit(self) -> int:
        """Bit of the signal of a toggle: the last index, 0 without any."""
        indices = re.findall(r"\d+", self._parts()["index"])
        return int(indices[-1]) if indices else 0

    @property
    def edge(self) -> str:
        """Of a toggle: `0->1` or `1->0`."""
        return self._parts()["edge"] or ""

    def _parts(self) -> re.Match[str]:
        match = _NAME.fullmatch(self.name)
        assert match is not None, self.name
        return match

    @property
    def text(self) -> str:
        """The line of the source, without the blanks around it."""
        return source(self.module)[self.line - 1].strip()


@cache
def source(module: str) -> list[str]:
    """The lines of a module's file."""
    return file(module).read_text().splitlines()


def file(module: str) -> Path:
    """A module's file, or that of a header that has points of its own."""
    path = RTL / f"{module}.v"
    return path if path.exists() else path.with_suffix(".vh")


def read(files: Iterable[Path]) -> Counter[Point]:
    """How often each point of the RTL was reached in all the runs that left `files`.

    Raises:
        ValueError: a file is not Verilator's.
    """
    merged: Counter[str] = Counter()
    for file in files:
        with file.open(errors="replace") as lines:
            if not next(lines, "").startswith("# SystemC::Coverage-3"):
                raise ValueError(f"{file}: no coverage of Verilator: remove it and run again")
            for line in lines:
                key, _, reached = line.rpartition("' ")
                merged[key] += int(reached)
    points: Counter[Point] = Counter()
    for key, count in merged.items():
        point = parse(key)
        if point is not None:
            points[point] += count
    return points


def parse(key: str) -> Point | None:
    """The point that a line of a `coverage.dat` speaks of; None outside `hw/rtl`, of this clone or of another one:
    builds are shared by what is in their sources, not by where they lie."""
    fields = dict(_FIELD.findall(key.partition("'")[2]))
    file = Path(fields["f"])
    if file.parts[-3:-1] != RTL.parts[-2:] or not (RTL / file.name).exists():
        return None
    kind: Kind = "toggle" if fields["t"] == "toggle" else "line"
    return Point(file.stem, kind, int(fields["l"]), int(fields["n"]), fields["o"])
