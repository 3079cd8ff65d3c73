# SPDX-License-Identifier: MIT
"""Holes: points that no test reaches, each with its reason, listed in holes.toml.

    [[hole]]
    reason = "counts what one run cannot reach"
    modules = ["cram_registers"]            # names, `*` allowed
    signals = ["pages_*_q"]                 # toggles of these signals, `*` allowed; or
    lines = ["default: next = IDLE;"]       # points on lines of the source that contain one of these texts
    bits = "24-31"                          # only these bits; also "24-" (optional)
    edges = "1->0"                          # only these edges (optional)
    sides = ["else"]                        # only these sides of branches (optional)

A hole that matches no unreached point is stale: an error, as an unreached point that is not listed is one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.campaigns.coverage.points import Point

FILE = Path(__file__).with_name("holes.toml")
_KEYS = {"reason", "modules", "signals", "lines", "bits", "edges", "sides"}


class HoleError(Exception):
    """holes.toml is wrong; the message is one line with file and key."""


@dataclass(frozen=True)
class Hole:
    """Points that may stay unreached, and why.

    Attributes:
        reason: why, a sentence.
        modules: names of modules, as patterns.
        signals: names of signals whose toggles are meant, as patterns; empty: none.
        lines: texts in the source whose points are meant; empty: none.
        bits: the lowest and the highest bit meant.
        edges: the edges meant; empty: both.
        sides: names of line points meant; empty: all.
    """

    reason: str
    modules: tuple[str, ...]
    signals: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    bits: tuple[int, int] = (0, 1 << 30)
    edges: str = ""
    sides: tuple[str, ...] = ()

    def patterns(self) -> list[tuple[str, str]]:
        """Each module with each signal or text: what must match for itself."""
        return [(module, what) for module in self.modules for what in (*self.signals, *self.lines)]

    def matches(self, point: Point) -> list[tuple[str, str]]:
        """The patterns of this hole that match `point`."""
        if point.kind == "toggle":
            if not self.bits[0] <= point.bit <= self.bits[1] or self.edges not in ("", point.edge):
                return []
            found = [signal for signal in self.signals if fnmatchcase(point.signal, signal)]
        else:
            if self.sides and point.name not in self.sides:
                return []
            found = [text for text in self.lines if text in point.text]
        return [(module, what) for module in self.modules if fnmatchcase(point.module, module) for what in found]


@dataclass(frozen=True)
class Sorted:
    """Unreached points, sorted.

    Attributes:
        listed: the points of each hole.
        unlisted: points that no hole speaks of.
        stale: holes' patterns that match no unreached point, in words.
    """

    listed: dict[Hole, list[Point]]
    unlisted: list[Point]
    stale: list[str]


def load(file: Path = FILE) -> list[Hole]:
    """The holes of a file. Raises HoleError."""
    try:
        entries = tomllib.loads(file.read_text()).get("hole", [])
    except tomllib.TOMLDecodeError as error:
        raise HoleError(f"{file}: {error}") from None
    return [_hole(file, entry) for entry in entries]


def _hole(file: Path, entry: dict[str, Any]) -> Hole:
    where = f"{file}: hole {entry.get('reason', '?')!r}"
    if unknown := entry.keys() - _KEYS:
        raise HoleError(f"{where}: unknown key {min(unknown)}: expected one of {', '.join(sorted(_KEYS))}")
    if not entry.get("reason") or not entry.get("modules") or not (entry.get("signals") or entry.get("lines")):
        raise HoleError(f"{where}: it needs a reason, modules, and signals or lines")
    low, dash, high = str(entry.get("bits", "0-")).partition("-")
    return Hole(
        reason=entry["reason"],
        modules=tuple(entry["modules"]),
        signals=tuple(entry.get("signals", ())),
        lines=tuple(entry.get("lines", ())),
        bits=(int(low), int(high) if high else 1 << 30 if dash else int(low)),
        edges=entry.get("edges", ""),
        sides=tuple(entry.get("sides", ())),
    )


def sort(unreached: Iterable[Point], holes: Iterable[Hole]) -> Sorted:
    """Which hole each unreached point belongs to: the first that matches."""
    listed: dict[Hole, list[Point]] = {hole: [] for hole in holes}
    used: set[tuple[Hole, str, str]] = set()
    unlisted = []
    for point in unreached:
        first = True
        for hole in listed:
            found = hole.matches(point)
            used.update((hole, *pattern) for pattern in found)
            if found and first:
                listed[hole].append(point)
                first = False
        if first:
            unlisted.append(point)
    stale = [
        f"{module}: {what} ({hole.reason})"
        for hole in listed
        for module, what in hole.patterns()
        if (hole, module, what) not in used
    ]
    return Sorted(listed, sorted(unlisted), stale)


def table(holes: Iterable[Hole]) -> str:
    """The holes as a table in Markdown."""
    rows = ["| modules | signals, lines | why no test reaches it |", "| --- | --- | --- |"]
    for hole in holes:
        bits = ""
        if hole.bits != (0, 1 << 30):
            low, high = hole.bits
            bits = f" from bit {low}" if high == 1 << 30 else f" bit {low}" if low == high else f" bits {low} to {high}"
        only = f", only {hole.edges}" if hole.edges else f", only {', '.join(hole.sides)}" if hole.sides else ""
        what = ", ".join(f"`{_cell(text)}`" for text in (*hole.signals, *hole.lines))
        modules = "all" if hole.modules == ("*",) else ", ".join(f"`{module}`" for module in hole.modules)
        rows.append(f"| {modules} | {what}{bits}{only} | {_cell(hole.reason)} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
