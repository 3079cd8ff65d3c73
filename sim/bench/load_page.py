# SPDX-License-Identifier: MIT
"""A page of curves: how long a read takes over how much the device gives, one curve a media and percentile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sim.bench.dram import FIXED
from sim.bench.loaded import CURVES
from sim.page import Lines, Page, Section, Series, Table, render

_COLUMNS = {
    "width": "width", "workload": "workload", "p50": "p50", "p99": "p99", "bytes a cycle": "bytes_per_cycle",
    "media bytes for a host byte": "media_bytes_per_host_byte",
}  # fmt: skip


def load_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """HTML, of the rows `loaded` of build/hwbench.json. A curve of which a row is missing is left out."""
    widths = sorted({row["width"] for row in rows})
    sections = [
        Section(f"Compressor of {width} bytes a cycle", list(_plots([row for row in rows if row["width"] == width])))
        for width in widths
    ]
    cells = [[row[key] if key == "workload" else f"{row[key]:,}" for key in _COLUMNS.values()] for row in rows]
    table = Table(list(_COLUMNS), cells, numbers=[head for head in _COLUMNS if head != "workload"])
    return render(Page("The device under load", None, "", [*sections, Section("All workloads", [table])]))


def _plots(rows: Sequence[Mapping[str, Any]]) -> Iterator[Lines]:
    named = {row["workload"]: row for row in rows}
    for media, curve in CURVES.items():
        if any(workload.name not in named for workload in curve):
            continue
        points = sorted((named[workload.name] for workload in curve), key=lambda row: row["bytes_per_cycle"])
        behind = "a media of fixed latency" if media == FIXED else media
        depths = ", ".join(str(workload.reads) for workload in curve)
        yield Lines(
            f"Latency over bandwidth: {behind}",
            f"Random 64-byte reads, {depths} of them under way at a time: cycles from AR to R over bytes a cycle.",
            [point["bytes_per_cycle"] for point in points],
            [Series(name, [point[name] for point in points]) for name in ("p50", "p99")],
            x_unit="number",
            y_unit="number",
            y_log=True,
        )
