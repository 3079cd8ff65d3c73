# SPDX-License-Identifier: MIT
"""Row: one point run to its end, as one row of the table: its values, whether it passed, and every figure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sim.run.execute import Sim, execute
from sim.run.report import verdict
from sim.scenario.scenario import Scenario
from sim.sweep.grid import Point

Row = dict[str, Any]
HISTOGRAM = "histogram"
_TEXT = {"scenario", "sim", "settings", "problems", "finished", "seed"}
"""Fields of a result that a row says in another way."""


@dataclass(frozen=True)
class Task:
    """What a worker is sent: a point's scenario, how it is called, what runs the device, and where the device alone is
    measured its load in percent."""

    name: str
    sim: Sim
    scenario: Scenario
    load: int | None = None


def execute_task(task: Task) -> Row:
    """Run it, in whatever process this is: "status" ("passed" or "failed"), "reason", "seconds", and the figures. An
    error of the run is a row like any other."""
    started = time.monotonic()
    try:
        result = execute(task.scenario, task.name, task.sim, lambda _: None)
    except Exception as error:
        said = " ".join(str(error).split())
        return failed(f"{type(error).__name__}: {said}") | {"seconds": round(time.monotonic() - started, 3)}
    figures = dict(flat(result.model_dump(exclude=_TEXT)))
    status = {"status": "passed" if result.ok else "failed", "reason": "" if result.ok else verdict(result)}
    return status | {"seconds": round(time.monotonic() - started, 3)} | figures


def failed(reason: str) -> Row:
    """The row of a point that came to no result."""
    return {"status": "failed", "reason": reason, "seconds": 0.0}


def whole(point: Point, row: Row) -> Row:
    """The row with the point's number and its values before it."""
    return {"point": point.number, **point.values} | row


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested figures under dotted names.

    Histograms are kept whole, by the highest duration of each bucket. Other lists, such as the timeline, are left out.
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif name == HISTOGRAM:
            yield prefix + name, [{"to_ns": high, "count": count} for high, count in value]
        elif not isinstance(value, list | tuple):
            yield prefix + name, value
