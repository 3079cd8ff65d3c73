# SPDX-License-Identifier: MIT
"""mmap_lock: who reads an address space's mappings, and who changes them (docs/vswap/spaces.md, "Locks")."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hw.clock import Clock, Event


class MmapLock:
    """Any number of readers, or one writer; first come, first served, so that a writer is not passed by."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._readers = 0
        self._written = False
        self._waiting: deque[tuple[Event, bool]] = deque()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Hold it as one of its readers: faults and madvise."""
        await self._acquire(write=False)
        try:
            yield
        finally:
            self._release(write=False)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Hold it alone: fork, exit, munmap, mremap, mprotect."""
        await self._acquire(write=True)
        try:
            yield
        finally:
            self._release(write=True)

    async def _acquire(self, *, write: bool) -> None:
        if not self._waiting and self._grant(write=write):
            return
        turn = self._clock.event()
        entry = turn, write
        self._waiting.append(entry)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # it became ours while we were being cancelled
                self._release(write=write)
            else:
                self._waiting.remove(entry)
                self._hand_over()
            raise

    def _grant(self, *, write: bool) -> bool:
        if self._written or (write and self._readers):
            return False
        self._written = write
        self._readers += not write
        return True

    def _release(self, *, write: bool) -> None:
        if write:
            self._written = False
        else:
            self._readers -= 1
        self._hand_over()

    def _hand_over(self) -> None:
        while self._waiting and self._grant(write=self._waiting[0][1]):
            self._waiting.popleft()[0].set()
