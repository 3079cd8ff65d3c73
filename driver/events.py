# SPDX-License-Identifier: MIT
"""EventBook: what the device's event log has told, and what it says of single pages (docs/device/events.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from driver.access import Access, to_its_end
from driver.values import DeviceEvent
from hw.clock import Clock, Lock
from hw.codes import EventCode, Interrupt
from hw.registers import Register

EVENT_BACKLOG = 1024
_OF_SOUND_PAGES = {  # refusals that a page that is poison does not get
    EventCode.NOT_ADMITTED, EventCode.FENCED, EventCode.EXHAUSTED, EventCode.MEDIA_TIMEOUT,
}  # fmt: skip
_OF_SECTORS = {EventCode.SECTOR_RETIRED, EventCode.SECTORS_LOST}  # whatever became of their page


class EventBook:
    """The events of one device, taken out of its log and kept until somebody asks for them."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access = access
        self._clock = clock
        self._lock = Lock(clock)
        self._events: deque[DeviceEvent] = deque(maxlen=EVENT_BACKLOG)  # taken from the device, not yet asked for
        self._causes: dict[int, EventCode] = {}  # of pages that are poison
        self._refusals: dict[int, EventCode] = {}  # of accesses, until explained or the page's next one

    async def collect(self, acknowledge: bool = False) -> None:
        """Move the device's event log into ours; beyond EVENT_BACKLOG the oldest that nobody asked for are dropped.

        A caller that is cancelled loses no event: what has left the device is in our log.

        Args:
            acknowledge: lower the EVENT line first; an event logged meanwhile raises it again.
        """
        await to_its_end(self._clock, lambda: self._collect(acknowledge))

    async def _collect(self, acknowledge: bool) -> None:
        async with self._lock:
            if acknowledge:
                await self._access.write(Register.INTERRUPT_STATUS, [Interrupt.EVENT.mask])
            while True:
                count, code, page = await self._access.read(Register.EVENT_COUNT, 3)
                if count == 0:
                    return
                await self._access.write(Register.EVENT_POP, [1])
                event = DeviceEvent(EventCode(code), page)
                self._events.append(event)
                if event.code.is_loss:
                    self._causes[page] = event.code
                elif event.code not in _OF_SECTORS:
                    self._refusals[page] = event.code
                if event.code in _OF_SOUND_PAGES:  # it was poison once, and nobody waited for the end of its trim
                    self._causes.pop(page, None)

    def take(self) -> list[DeviceEvent]:
        """The events collected since the last call, oldest first."""
        events = list(self._events)
        self._events.clear()
        return events

    def cause(self, page: int) -> EventCode | None:
        """Why a page is poison, as far as an event has told."""
        return self._causes.get(page)

    def take_refusal(self, page: int) -> EventCode | None:
        """Why an access to a page was refused, as far as an event has told; once."""
        return self._refusals.pop(page, None)

    def forget(self, pages: Iterable[int] | None) -> None:
        """These pages, or with None all of them, are not poison any more."""
        if pages is None:
            self._causes.clear()
        elif self._causes:
            for page in pages:
                self._causes.pop(page, None)
