# SPDX-License-Identifier: MIT
"""Workload: the pages of a recorded program, written, read and trimmed by three tasks at once.

Which pages, in which order, and their bytes come from the trace; how much of a page an access takes is drawn. No two
tasks use a page at the same time, so what a read must give is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from driver import CramDevice, CramError
from hw.clock import Clock
from hw.link import LINE_BYTES, LINES_PER_PAGE, PAGE_BYTES, ZERO_PAGE, BusError, Link
from sim.trace.file import Kind, Trace
from tests.campaigns.faults.shadow import Shadow

WHOLE_PAGES = 0.6  # of the accesses; the others take some lines
_LONGEST_PAUSE_NS = 200


class WrongBytesError(Exception):
    """A read answered with OKAY gave bytes that nobody wrote there."""


class Workload:
    """Accesses to one device, checked against a Shadow.

    Attributes:
        refused: accesses and commands that were answered with an error.
        touched: pages written since `begin`.

    Args:
        pages: pages of the device that it uses, from 0 on.
    """

    def __init__(self, trace: Trace, pages: int, random: Random) -> None:
        self.shadow = Shadow()
        self.refused = 0
        self.touched: set[int] = set()
        self._random = random
        self._pages = pages
        self._busy: set[int] = set()
        events = [event for event in trace if event.kind in (Kind.READ, Kind.WRITE)]
        start = random.randrange(len(events))
        self._events = (events[(start + n) % len(events)] for n in range(1 << 60))
        self._trace = trace

    def begin(self) -> None:
        """A new stretch: nothing refused yet, no page touched."""
        self.refused = 0
        self.touched.clear()

    async def write(self, link: Link, count: int) -> None:
        """The task that writes: `count` accesses."""
        for _ in range(count):
            event = next(self._events)
            content = self._trace.page(event.content)
            with self._page(event.page % self._pages) as page:
                first, lines = self._extent()
                data = content[first * LINE_BYTES : (first + lines) * LINE_BYTES]
                self.touched.add(page)
                answered = False
                try:
                    await link.write(page * PAGE_BYTES + first * LINE_BYTES, data)
                    answered = True
                except BusError:
                    self.refused += 1
                finally:
                    self.shadow.wrote(page, first, data, answered)
            await self._pause(link.clock)

    async def read(self, link: Link, count: int) -> None:
        """The task that reads. Raises WrongBytesError."""
        for _ in range(count):
            with self._page(next(self._events).page % self._pages) as page:
                await self.check(link, page, *self._extent())
            await self._pause(link.clock)

    async def command(self, device: CramDevice, count: int) -> None:
        """The task at the mailbox: trims, looks, closes. Raises WrongBytesError."""
        actions: list[Callable[[CramDevice, int], object]] = [self._trim, self._look, self._look, self._flush]
        for _ in range(count):
            with self._page(self._random.randrange(self._pages)) as page:
                try:
                    await self._random.choice(actions)(device, page)  # type: ignore[misc]
                except CramError:
                    self.refused += 1
            await self._pause(device.clock)

    async def check(self, link: Link, page: int, first: int = 0, lines: int = LINES_PER_PAGE) -> bool:
        """Read lines and compare them; False if the read was refused. Raises WrongBytesError."""
        try:
            data = await link.read(page * PAGE_BYTES + first * LINE_BYTES, lines * LINE_BYTES)
        except BusError:
            self.refused += 1
            return False
        if wrong := self.shadow.wrong(page, first, data):
            raise WrongBytesError(f"page {page}, lines {wrong}: answered OKAY with bytes that were not written there")
        return True

    async def _trim(self, device: CramDevice, page: int) -> None:
        self.shadow.wrote(page, 0, ZERO_PAGE, False)  # as long as nobody knows whether it has been done
        await device.trim([page])
        self.shadow.forget(page)

    async def _look(self, device: CramDevice, page: int) -> None:
        await device.page_state(page)

    async def _flush(self, device: CramDevice, page: int) -> None:
        await device.flush()

    async def _pause(self, clock: Clock) -> None:
        await clock.sleep(self._random.randrange(_LONGEST_PAUSE_NS))

    def _extent(self) -> tuple[int, int]:
        """First line and number of lines of an access."""
        if self._random.random() < WHOLE_PAGES:
            return 0, LINES_PER_PAGE
        lines = self._random.choice((1, 1, 2, 4, 16))
        return self._random.randrange(LINES_PER_PAGE - lines + 1), lines

    @contextmanager
    def _page(self, wanted: int) -> Iterator[int]:
        """The page that is wanted, or the next one that no other task uses."""
        page = wanted
        while page in self._busy:
            page = (page + 1) % self._pages
        self._busy.add(page)
        try:
            yield page
        finally:
            self._busy.discard(page)
