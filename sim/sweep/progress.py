# SPDX-License-Identifier: MIT
"""How far a sweep is, and how long it may yet take: a bar on a terminal, lines elsewhere; on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sim.base.terminal import redraws

_LINE_SECONDS = 5.0

Step = Callable[[bool], None]
"""Told that a run has ended, and whether it failed."""


def estimate(done: int, left: int, seconds: float) -> str:
    """How long `left` more runs take when `done` took so many seconds; empty before the first is done."""
    if not done or not left:
        return ""
    rest = seconds / done * left
    if rest < 90:
        return f", about {rest:.0f} s left"
    return f", about {rest / 60:.0f} min left" if rest < 5400 else f", about {rest / 3600:.1f} h left"


@contextmanager
def sweep_progress(console: Console, total: int, before: int) -> Iterator[Step]:
    """Gives what is told of each run. `before`: runs of the total that an earlier command has done."""
    started, counts = time.monotonic(), {"done": before, "failed": 0}
    if redraws(console):
        columns = (
            TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TextColumn("failed {task.fields[failed]}"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("", total=total, completed=before, failed=0)

            def advance(failed: bool) -> None:
                counts["failed"] += failed
                bar.update(task, advance=1, failed=counts["failed"])

            yield advance
        return
    said = 0.0

    def tell(failed: bool) -> None:
        nonlocal said
        counts["done"] += 1
        counts["failed"] += failed
        now, left = time.monotonic(), total - counts["done"]
        if left and now - said < _LINE_SECONDS:
            return
        said = now
        rest = estimate(counts["done"] - before, left, now - started)
        console.print(f"{counts['done']:,} of {total:,} runs, {counts['failed']:,} failed{rest}", highlight=False)

    yield tell
