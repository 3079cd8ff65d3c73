# SPDX-License-Identifier: MIT
"""Tables in Markdown, for the documents' measured figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Records = Mapping[str, Sequence[Mapping[str, Any]]]
"""The rows of each record: "hwbench", "loaded", "engines" and "asic" (sim/bench/hwbench.py), "fpga" (hw/fpga.py),
"mutation", "effects" and "faults" (tests/campaigns), "modes" (sim/bench/modes.py), "guest" (sim/bench/guest.py)."""


def number(value: float | None) -> str:
    """A whole number with its commas, a dash for None."""
    return "-" if value is None else f"{value:,.0f}"


def markdown(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """In Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
