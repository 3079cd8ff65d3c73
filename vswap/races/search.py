# SPDX-License-Identifier: MIT
"""The search: programs, each on many schedules; what fails is cut down to the fewest delays that still fail."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from vswap.races.program import execute
from vswap.races.schedule import Schedule, bounded_schedule, random_schedule

SCHEDULES_A_PROGRAM = 20


@dataclass(frozen=True)
class Finding:
    """A failure: the program's number, the schedule as found, and the smallest one that still fails; `race` names what
    was put in on purpose."""

    program: int
    found: Schedule
    minimal: Schedule
    error: str
    interleavings: int
    race: str | None = None

    def __str__(self) -> str:
        seeded = f"--seeded {self.race} " if self.race is not None else ""
        return (
            f"after {self.interleavings} interleavings: {self.error}\n"
            f"  program {self.program}, {self.minimal}\n"
            f"  again: python -m vswap.races {seeded}--program {self.program} --schedule '{encode(self.minimal)}'"
        )


def encode(schedule: Schedule) -> str:
    """A schedule as an argument."""
    delays = ",".join(f"{number}+{ns}" for number, ns in schedule.delays)
    return f"{'' if schedule.seed is None else schedule.seed}:{delays}"


def decode(text: str) -> Schedule:
    """What `encode` has made. Raises ValueError."""
    seed, colon, delays = text.partition(":")
    if not colon:
        raise ValueError(f"{text!r} is no schedule, expected SEED:SLEEP+NS,...")
    pairs = (pair.partition("+") for pair in delays.split(",") if pair)
    return Schedule(int(seed) if seed else None, tuple((int(number), int(ns)) for number, _, ns in pairs))


def attempt(program: int, schedule: Schedule) -> tuple[str | None, int]:
    """Run one interleaving: what went wrong in a line, None if nothing; and its sleeps."""
    with tempfile.TemporaryDirectory(prefix="race-") as folder:
        try:
            return None, execute(program, schedule, Path(folder))
        except Exception as error:
            return f"{type(error).__name__}: {error}".partition("\n")[0][:300], 0


def minimize(program: int, schedule: Schedule) -> Schedule:
    """Drop delays, and the shuffling, for as long as it still fails."""
    smallest = schedule
    for candidate in (Schedule(None, smallest.delays), Schedule(smallest.seed)):
        if attempt(program, candidate)[0] is not None:
            smallest = candidate
    size = max(1, len(smallest.delays) // 2)
    while smallest.delays:
        at = 0
        while at < len(smallest.delays):
            candidate = Schedule(smallest.seed, smallest.delays[:at] + smallest.delays[at + size :])
            if attempt(program, candidate)[0] is not None:
                smallest = candidate
            else:
                at += size
        if size == 1:
            break
        size //= 2
    return smallest


def search(first: int, count: int, progress: Callable[[int], None] = lambda _: None) -> Finding | None:
    """Run `count` interleavings from program `first` on; the first failure, None if there is none.

    Half of the schedules are shuffled with many delays, half are in order with at most three."""
    done = 0
    program = first
    while done < count:
        rng = Random(f"{program}.schedules")
        schedule = Schedule(None)
        sleeps = 0
        for number in range(SCHEDULES_A_PROGRAM):
            error, took = attempt(program, schedule)
            done += 1
            if error is not None:
                smallest = minimize(program, schedule)
                return Finding(program, schedule, smallest, attempt(program, smallest)[0] or error, done)
            sleeps = sleeps or took
            schedule = (random_schedule if number % 2 else bounded_schedule)(rng, sleeps)
            if done == count:
                break
        program += 1
        progress(done)
    return None
