# SPDX-License-Identifier: MIT
"""Charts: the timeline of a run as a drawing (SVG) that stands in a page of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from sim.run.metrics import Sample

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 900, 260, 48, 24
_SERIES = (
    ("dram", "DRAM", "#555"),
    ("cram", "CRAM", "#0a6cc2"),
    ("zswap", "zswap", "#d98200"),
    ("swapfile", "swapfile", "#a32f80"),
)


def chart(samples: Sequence[Sample]) -> str:
    """Pages in each tier over simulated time; at least two samples."""
    end = samples[-1].simulated_ns or 1
    top = max(max(getattr(sample, name) for name, _, _ in _SERIES) for sample in samples) or 1

    def x(ns: int) -> float:
        return round(_LEFT + (_WIDTH - _LEFT) * ns / end, 1)

    def y(pages: int) -> float:
        return round((_HEIGHT - _BOTTOM) * (1 - pages / top * 0.95), 1)

    base = _HEIGHT - _BOTTOM
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" font-family="sans-serif" font-size="12">']
    for before, after in pairwise(samples):
        if before.node_closed:
            left, right = x(before.simulated_ns), x(after.simulated_ns)
            parts.append(f'<rect x="{left}" y="0" width="{round(right - left, 1)}" height="{base}" fill="#eee"/>')
    for pages in (0, top // 2, top):
        parts.append(f'<path d="M{_LEFT} {y(pages)}H{_WIDTH}" stroke="#ccc"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(pages) + 4}" text-anchor="end">{pages:,}</text>')
    for i, (name, label, colour) in enumerate(_SERIES):
        points = " ".join(f"{x(s.simulated_ns)},{y(getattr(s, name))}" for s in samples)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        # the names stand below the drawing: at the lines' ends they would cover each other
        parts.append(f'<text x="{_LEFT + 250 + 110 * i}" y="{_HEIGHT - 6}" fill="{colour}">&#9632; {label}</text>')
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 6}">0</text>')
    parts.append(f'<text x="{_WIDTH - 4}" y="{_HEIGHT - 6}" text-anchor="end">{end / 1e6:,.1f} ms</text></svg>')
    return "".join(parts)
