# SPDX-License-Identifier: MIT
"""Engine: runs tasks on workers, some at a time, and gives a row for each, whatever becomes of the workers."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sim.sweep.folder import SweepError
from sim.sweep.row import Row, failed

T = TypeVar("T")

_PR_SET_PDEATHSIG = 1
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
    pools: list[ProcessPoolExecutor] = []

    def make() -> Executor:
        pools.append(ProcessPoolExecutor(count, context, _begin, (os.getpid(),)))
        return pools[-1]

    before = set(multiprocessing.active_children())
    try:
        yield Workers(make, count)
    finally:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        for pool in pools:
            pool.shutdown(cancel_futures=True)


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


def _begin(parent: int) -> None:
    """A worker: Ctrl-C is for the program that started it, which ends it; and it dies with that program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # gone before that took effect
        os._exit(1)
