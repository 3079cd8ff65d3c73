# SPDX-License-Identifier: MIT
"""Window: a part of a run, by simulated time or by the numbers of faults."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_UNITS = {"": 1, "ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@dataclass(frozen=True)
class Window:
    """From where to where: simulated ns, or with `faults` numbers of faults, from 1, both included."""

    start: int
    end: int
    faults: bool = False

    @classmethod
    def parse(cls, text: str) -> Window:
        """ "120us:140us", "120000:140000" (ns) or "f812:f815". Raises ValueError."""
        start, colon, end = text.replace("_", "").partition(":")
        found = [re.fullmatch(r"(f?)(\d+(?:\.\d+)?)(|ns|us|ms|s)", part) for part in (start, end)]
        if not colon or found[0] is None or found[1] is None or found[0][1] != found[1][1]:
            raise ValueError(f"{text}: expected FROM:TO as simulated times (120us:140us) or as faults (f812:f815)")
        faults = found[0][1] == "f"
        values = [round(float(match[2]) * _UNITS[match[3]]) for match in found if match is not None]
        if faults and not all(re.fullmatch(r"f[1-9]\d*", part) for part in (start, end)):
            raise ValueError(f"{text}: expected numbers of faults, which count from 1 (f812:f815)")
        if values[0] > values[1]:
            raise ValueError(f"{text}: expected the first not to be after the last")
        return cls(values[0], values[1], faults)

    def __str__(self) -> str:
        return f"f{self.start}:f{self.end}" if self.faults else f"{self.start}:{self.end}"


@dataclass
class Waves:
    """Waves that are wanted of a run.

    Attributes:
        window: of what part.
        file: where: .vcd, or .fst, which becomes .vcd where GTKWave's converter is not installed.
        files: what was written, views included; empty if the device did nothing in the window.
    """

    window: Window
    file: Path
    files: list[Path] = field(default_factory=list)
