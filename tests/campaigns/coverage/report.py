# SPDX-License-Identifier: MIT
"""Report: what the tests have reached, module by module, as a table and as JSON."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.campaigns.coverage.holes import Hole, Sorted, sort
from tests.campaigns.coverage.points import Point, file

TARGET_PERCENT = 95.0


@dataclass(frozen=True)
class Share:
    """Reached points of all; `listed` of the others are holes with a reason."""

    reached: int
    listed: int
    total: int

    @property
    def raw(self) -> float:
        """Per cent reached; 100 of nothing."""
        return 100 * self.reached / self.total if self.total else 100.0

    @property
    def explained(self) -> float:
        """Per cent reached of those that are no listed hole."""
        left = self.total - self.listed
        return 100 * self.reached / left if left else 100.0

    def __add__(self, other: Share) -> Share:
        return Share(self.reached + other.reached, self.listed + other.listed, self.total + other.total)


@dataclass(frozen=True)
class Report:
    """Coverage of all modules.

    Attributes:
        modules: shares by module and kind ("line", "toggle").
        holes: the unreached points, sorted.
    """

    modules: dict[str, dict[str, Share]]
    holes: Sorted

    @property
    def total(self) -> dict[str, Share]:
        """Shares over all modules."""
        none = Share(0, 0, 0)
        return {kind: sum((m[kind] for m in self.modules.values()), none) for kind in ("line", "toggle")}

    @property
    def complaints(self) -> list[str]:
        """Why this is not enough; empty: it is."""
        found = [f"unlisted hole: {place(point)}" for point in self.holes.unlisted]
        found += [
            f"stale hole, remove it from tests/campaigns/coverage/holes.toml: {what}" for what in self.holes.stale
        ]
        found += [
            f"{kind} coverage is {share.explained:.2f} %, below {TARGET_PERCENT:g} %"
            for kind, share in self.total.items()
            if share.explained < TARGET_PERCENT
        ]
        return found

    def json(self) -> dict[str, Any]:
        """What build/coverage.json holds."""
        return {
            "total": {kind: _json(share) for kind, share in self.total.items()},
            "modules": [
                {"module": name} | {kind: _json(share) for kind, share in kinds.items()}
                for name, kinds in self.modules.items()
            ],
            "holes": [
                {"reason": hole.reason, "points": len(points), "modules": sorted({point.module for point in points})}
                for hole, points in self.holes.listed.items()
            ],
            "unlisted": [place(point) for point in self.holes.unlisted],
            "stale": self.holes.stale,
        }

    def table(self) -> str:
        """For the terminal."""
        head = f"{'':<26}{'line %':>9}{'with holes':>12}{'holes':>8}{'toggle %':>11}{'with holes':>12}{'holes':>8}"
        rows = [head]
        for name, kinds in [*self.modules.items(), ("all", self.total)]:
            line, toggle = kinds["line"], kinds["toggle"]
            rows.append(
                f"{name:<26}{line.raw:>9.2f}{line.explained:>12.2f}{line.total - line.reached:>8}"
                f"{toggle.raw:>11.2f}{toggle.explained:>12.2f}{toggle.total - toggle.reached:>8}"
            )
        return "\n".join(rows)


def report(counts: Mapping[Point, int], holes: list[Hole]) -> Report:
    """The report of runs that reached each point `counts` times."""
    unreached = sorted(point for point, count in counts.items() if count == 0)
    sorted_holes = sort(unreached, holes)
    total = Counter((point.module, point.kind) for point in counts)
    missing = Counter((point.module, point.kind) for point in unreached)
    listed = Counter((point.module, point.kind) for points in sorted_holes.listed.values() for point in points)
    modules: dict[str, dict[str, Share]] = {
        module: {
            kind: Share(total[module, kind] - missing[module, kind], listed[module, kind], total[module, kind])
            for kind in ("line", "toggle")
        }
        for module in sorted({point.module for point in counts})
    }  # fmt: skip
    return Report(modules, sorted_holes)


def place(point: Point) -> str:
    """Where a point is, for people."""
    where = f"hw/rtl/{file(point.module).name}:{point.line}: {point.name}"
    return where if point.kind == "toggle" else f"{where} of {point.text!r}"


def grouped(points: list[Point]) -> list[str]:
    """Toggles of one signal as one line: a way to read many holes."""
    signals: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    lines = []
    for point in points:
        if point.kind == "toggle":
            signals[point.module, point.signal, point.edge].add(point.bit)
        else:
            lines.append(place(point))
    return lines + [f"hw/rtl/{m}.v: {s} {e} bits {_ranges(bits)}" for (m, s, e), bits in sorted(signals.items())]


def _ranges(bits: set[int]) -> str:
    starts = [bit for bit in sorted(bits) if bit - 1 not in bits]
    ends = [bit for bit in sorted(bits) if bit + 1 not in bits]
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def _json(share: Share) -> dict[str, float | int]:
    return {
        "points": share.total,
        "reached": share.reached,
        "listed": share.listed,
        "percent": round(share.raw, 3),
        "percent_without_listed": round(share.explained, 3),
    }
