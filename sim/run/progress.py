# SPDX-License-Identifier: MIT
"""Progress: a bar on a terminal, plain lines elsewhere; both on standard error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from sim.base.terminal import redraws
from sim.run.metrics import Progress
from sim.run.run import Report

_LINE_SECONDS = 5.0


@contextmanager
def progress_bar(console: Console, sim: str) -> Iterator[Report]:
    """Gives what a run reports its progress to."""
    if not redraws(console):
        yield _Lines(console, sim)
        return
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("faults {task.fields[faults]:,}  mismatches {task.fields[mismatches]:,}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console) as bar:
        yield _Tasks(bar, sim)


class _Tasks:
    """One bar a phase."""

    def __init__(self, bar: Bar, sim: str) -> None:
        self._bar = bar
        self._sim = sim
        self._phase = ""
        self._task = TaskID(0)

    def __call__(self, progress: Progress) -> None:
        if progress.phase != self._phase:
            if self._phase:
                self._bar.stop_task(self._task)
            self._phase = progress.phase
            self._task = self._bar.add_task(describe(progress.phase, self._sim), faults=0, mismatches=0)
        unknown = progress.phase == "compile" and not progress.done  # it says nothing until it is over
        self._bar.update(
            self._task,
            completed=progress.done,
            total=None if unknown else progress.total,
            faults=progress.faults,
            mismatches=progress.mismatches,
        )


class _Lines:
    """A line when a phase begins and ends, and every few seconds between."""

    def __init__(self, console: Console, sim: str) -> None:
        self._console = console
        self._sim = sim
        self._phase = ""
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        now, over = time.monotonic(), progress.done == progress.total
        if progress.phase == self._phase and now < self._next and not over:
            return
        self._phase, self._next = progress.phase, now + _LINE_SECONDS
        line = describe(progress.phase, self._sim)
        if progress.phase != "compile":
            line += (f": {progress.done:,} of {progress.total:,}, {progress.faults:,} faults, "
                     f"{progress.mismatches:,} mismatches")  # fmt: skip
        elif over:
            line += ": done"
        self._console.print(line, highlight=False)


def describe(phase: str, sim: str) -> str:
    """A phase in words."""
    return {"compile": f"compile for {sim}", "replay": "replay the trace", "verify": "verify every page"}[phase]
