# SPDX-License-Identifier: MIT
"""Tails: how many of each kind took longer than so long, as a plot, from whole histograms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sim.page import Lines, Series
from sim.run.histogram import lowest
from sim.run.metrics import Latency


def tails(title: str, caption: str, latencies: Mapping[str, Latency]) -> Lines:
    """A line for each kind, of which there is at least one; both axes are logarithmic."""
    edges = {edge for latency in latencies.values() for high, _ in latency.histogram for edge in (lowest(high), high)}
    x = sorted({max(1, edge) for edge in edges})
    floor = 10.0 ** math.floor(math.log10(0.5 / max(latency.count for latency in latencies.values())))
    return Lines(
        title,
        caption,
        x=x,
        series=[Series(kind, _tail(latency, x, floor)) for kind, latency in latencies.items()],
        y_unit="share",
        x_log=True,
        y_log=True,
        y_range=(floor, 1),
        steps=True,
    )


def _tail(latency: Latency, x: Sequence[int], floor: float) -> list[float | None]:
    """The share of a kind that took longer than each x; where nothing is left, the line ends at the floor."""
    buckets = dict(latency.histogram)
    first, last = max(1, lowest(latency.histogram[0][0])), latency.histogram[-1][0]
    left, values = latency.count, list[float | None]()
    for edge in x:
        left -= buckets.get(edge, 0)
        values.append(max(left / latency.count, floor) if first <= edge <= last else None)
    return values
