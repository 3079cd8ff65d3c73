# SPDX-License-Identifier: MIT
"""Clock: simulated time and the tasks that live in it.

Everything above the device awaits only a Clock or a Link. Each await is a place where another task may run, as in a
kernel. Two implementations: `hw/links/cocotb.py` runs tasks on the simulator's scheduler, `hw/virtual_time.py` on a
deterministic loop in Python. Locks are built here once from events, so that both hand a lock over in the same order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Coroutine, Generator
from types import TracebackType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Task(Protocol[T_co]):
    """A spawned coroutine; awaiting it gives its result or raises its exception."""

    def __await__(self) -> Generator[Any, Any, T_co]: ...

    def done(self) -> bool:
        """True once the coroutine has returned, raised or been cancelled."""

    def cancel(self) -> None:
        """Stop the task at its current await. Awaiting a cancelled task raises."""


class Event(Protocol):
    """A flag that tasks can wait for."""

    def set(self) -> None:
        """Raise the flag and wake every waiter."""

    def clear(self) -> None:
        """Lower the flag."""

    def is_set(self) -> bool:
        """The flag."""

    def wait(self) -> Awaitable[object]:
        """Wait until the flag is up; returns at once if it is."""


class Clock(Protocol):
    """Simulated time in nanoseconds, and tasks."""

    @property
    def now(self) -> int:
        """Simulated time since start, ns."""

    async def sleep(self, ns: int) -> None:
        """Let `ns` nanoseconds pass; 0 only lets other ready tasks run."""

    def spawn(self, coroutine: Coroutine[Any, Any, T], name: str = "") -> Task[T]:
        """Start a task; it runs at the next await of the caller."""

    def event(self) -> Event:
        """A new event, not set."""


class Lock:
    """A mutual exclusion lock with first-come, first-served hand-over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held = False
        self._waiters: deque[Event] = deque()

    def locked(self) -> bool:
        """True while some task holds the lock."""
        return self._held

    def try_acquire(self) -> bool:
        """Take the lock if it is free; never waits."""
        if self._held:
            return False
        self._held = True
        return True

    async def acquire(self) -> None:
        """Take the lock, waiting in line."""
        if self.try_acquire():
            return
        turn = self._clock.event()
        self._waiters.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # handed over to us while we were being cancelled
                self.release()
            else:
                self._waiters.remove(turn)
            raise

    def release(self) -> None:
        """Give the lock to the longest waiter, or free it."""
        if not self._held:
            raise RuntimeError("release of a lock that nobody holds")
        if self._waiters:
            self._waiters.popleft().set()  # stays held: ownership passes on
        else:
            self._held = False

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
