# SPDX-License-Identifier: MIT
"""Engine: runs tasks on workers, some at a time, and gives a row for each, whatever becomes of the workers."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from hw.workers import WorkerPool
from sim.sweep.folder import SweepError
from sim.sweep.row import Row, failed

T = TypeVar("T")

STRIKES = 2
"""A task whose worker died so often has failed; with one death another task may have been to blame."""


@dataclass(frozen=True)
class Workers:
    """Where tasks run.

    Attributes:
        make: gives an executor. Called again when the one before is broken.
        count: tasks that are under way at once.
    """

    make: Callable[[], Executor]
    count: int


@contextmanager
def processes(count: int) -> Iterator[Workers]:
    """So many processes on this machine. They are gone at the end, whatever they were doing."""
    context = multiprocessing.get_context("spawn")
    pools: list[WorkerPool] = []

    def make() -> Executor:
        pools.append(WorkerPool(count, context))
        return pools[-1]

    try:
        yield Workers(make, count)
    finally:
        for pool in pools:
            pool.end()


def run_tasks(tasks: Sequence[T], workers: Workers, work: Callable[[T], Row]) -> Iterator[tuple[int, Row]]:
    """(number of the task, its row) as they end. `work` runs a task, in whatever process it is in.

    A worker that dies takes the pool with it: what was under way is run again by a new one, on its own from then on so
    that the task which kills is told from those beside it.
    """
    left = list(range(len(tasks)))[::-1]
    strikes: Counter[int] = Counter()
    suspects: set[int] = set()
    running: dict[Future[Row], int] = {}
    executor = workers.make()
    while left or running:
        broken = False
        while left and not broken and len(running) < (1 if suspects else workers.count):
            try:
                running[executor.submit(work, tasks[left[-1]])] = left[-1]
                left.pop()
            except BrokenExecutor:  # found out before any of its futures was looked at
                broken = True
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            number = running.pop(future)
            try:
                row = future.result()
            except BrokenExecutor:
                broken = True
                strikes[number] += 1
                if strikes[number] < STRIKES:
                    suspects.add(number)
                    left.append(number)
                    continue
                row = failed("the process that ran it died, twice")
            except CancelledError as error:
                raise SweepError("the cluster is gone; the same command goes on from here") from error
            except Exception as error:  # of a cluster: its workers died too often
                row = failed(f"{type(error).__name__}: {' '.join(str(error).split())}")
            suspects.discard(number)
            yield number, row
        if broken:
            strikes.update(running.values())
            suspects.update(running.values())
            left += running.values()
            running.clear()
            executor = workers.make()
