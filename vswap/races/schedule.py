# SPDX-License-Identifier: MIT
"""Schedules: which sleeps take longer than they say, and so, who meets whom."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any

from hw.virtual_time import VirtualClock

DELAYS = (200, 1_000, 3_000, 10_000, 40_000, 150_000)
"""ns; from less than a device access to more than a swapfile read."""


@dataclass(frozen=True)
class Schedule:
    """An interleaving: the order of ready tasks (`seed`, None for first come, first served), and delays: number of the
    sleep since the start, counted from 1 -> ns more."""

    seed: int | None
    delays: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        order = "in order" if self.seed is None else f"shuffled by {self.seed}"
        delays = ", ".join(f"sleep {number} takes {ns:,} ns more" for number, ns in self.delays)
        return f"ready tasks {order}; {delays or 'no delay'}"


class RaceClock(VirtualClock):
    """A clock that follows a schedule."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule.seed)
        self.sleeps = 0
        self._delays = dict(schedule.delays)

    def sleep(self, ns: int) -> Coroutine[Any, Any, None]:
        """See Clock."""
        self.sleeps += 1
        return super().sleep(ns + self._delays.get(self.sleeps, 0))


def random_schedule(rng: Random, sleeps: int) -> Schedule:
    """Shuffled, with a delay at one sleep in ten."""
    count = max(1, sleeps // 10)
    numbers = sorted(rng.sample(range(1, max(2, sleeps) + 1), min(count, sleeps or 1)))
    return Schedule(rng.getrandbits(32), tuple((number, rng.choice(DELAYS)) for number in numbers))


def bounded_schedule(rng: Random, sleeps: int, bound: int = 3) -> Schedule:
    """In order, with at most `bound` delays: most races need one or two."""
    numbers = sorted({rng.randint(1, max(1, sleeps)) for _ in range(rng.randint(1, bound))})
    return Schedule(None, tuple((number, rng.choice(DELAYS)) for number in numbers))
