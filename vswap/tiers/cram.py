"""The CRAM tier: device pages handed out to slots, over the driver (docs/vswap.md, "CRAM tier").

free --store--> in use --free--> awaiting trim --trim--> free
"""

from __future__ import annotations

from collections import deque

from driver import CramDevice, CramError, DeviceFull, DeviceLost, Interrupt, PagePoisoned, PageState
from hw.clock import Clock
from vswap.counters import Counters
from vswap.folio import ZERO_PAGE
from vswap.reverse import ReverseMap
from vswap.slots import BackingType
from vswap.tiers.base import Full, IoError, Poisoned, TierError, Usage


class CramTier:
    """Pages on one device. The handle is the device page number.

    While the node is closed it admits nothing new; what is there stays readable. DeviceLost passes through every call:
    a device that is gone is nobody's single page.

    Attributes:
        closed: the admission gate.
    """

    type = BackingType.CRAM

    def __init__(self, clock: Clock, counters: Counters, device: CramDevice, *, trim_batch: int) -> None:
        self._clock = clock
        self._counters = counters
        self._device = device
        self._trim_batch = trim_batch
        self._free: deque[int] = deque(range(device.geometry.perceived_pages))
        self._owners = ReverseMap(device.geometry.perceived_pages)
        self._awaiting_trim: list[int] = []
        self._zeroed: set[int] = set()  # free, but resident as zeros because their trim failed
        self._recovered_mark = 0
        self._raised: set[Interrupt] = set()
        self._pressure = clock.event()
        self.closed = False

    async def store(self, data: bytes, slot: int) -> int:
        """See Tier. Full while closed, without a free device page, or when the device has no sectors; IoError."""
        if self.closed:
            self._counters.cram_rejects += 1
            raise Full("the CRAM node is closed")
        if not self._free:
            await self.flush()
        if not self._free:
            self._counters.cram_rejects += 1
            self._pressure.set()
            raise Full("the CRAM node has no free page")
        page = self._free.popleft()
        self._zeroed.discard(page)
        try:
            await self._device.store(page, data)
        except BaseException as error:
            self._awaiting_trim.append(page)  # it is poison, or its content is unknown
            if isinstance(error, DeviceFull):
                self._counters.cram_full += 1
                self._pressure.set()
                raise Full(str(error)) from error
            if isinstance(error, CramError) and not isinstance(error, DeviceLost):
                raise IoError(str(error)) from error
            raise
        self._owners[page] = slot
        self._counters.stores += 1
        return page

    async def load(self, handle: int) -> bytes:
        """See Tier. Raises Poisoned, IoError."""
        try:
            data = await self._device.load(handle)
        except CramError as error:
            raise self._explain(error) from error
        self._counters.loads += 1
        return data

    async def load_line(self, handle: int, line: int) -> bytes:
        """64 bytes of a page. Raises Poisoned, IoError."""
        try:
            data = await self._device.load_line(handle, line)
        except CramError as error:
            raise self._explain(error) from error
        self._counters.line_loads += 1
        return data

    async def overwrite(self, handle: int, data: bytes) -> None:
        """A task's store of a whole page through a writable PTE. Raises Poisoned, IoError.

        A device without sectors answers with poison and the page's content is gone: the risk that the budget bounds.
        """
        try:
            await self._device.store(handle, data)
        except CramError as error:
            raise self._explain(error) from error
        self._counters.stores += 1
        self._counters.inplace_stores += 1

    def free(self, handle: int) -> None:
        """See Tier. The page is used again only after its trim."""
        del self._owners[handle]
        self._awaiting_trim.append(handle)

    def reown(self, handle: int, slot: int) -> None:
        """See Tier."""
        self._owners.reown(handle, slot)

    def handles(self) -> dict[int, int]:
        """See Tier."""
        return self._owners.copy()

    def usage(self) -> Usage:
        """See Tier."""
        return Usage(len(self._owners), self._device.geometry.perceived_pages)

    @property
    def trim_due(self) -> bool:
        """A whole batch waits for its trim."""
        return len(self._awaiting_trim) >= self._trim_batch

    @property
    def trim_pending(self) -> bool:
        """Something waits for its trim."""
        return bool(self._awaiting_trim)

    async def audit(self) -> list[str]:
        """Compare our books with the device's, at quiescence: a sentence for each difference."""
        await self.flush()
        capacity = await self._device.capacity()
        findings: list[str] = []
        poisoned = sectors = 0
        for page in self._owners:
            info = await self._device.page_state(page)
            poisoned += info.state in (PageState.POISON, PageState.FREE)
            sectors += -(-info.length // capacity.sector_bytes)
            if info.state == PageState.FREE:
                findings.append(f"device page {page} is in use here and free on the device")
        expected = len(self._owners) + len(self._zeroed) - poisoned
        if capacity.resident_pages != expected:
            findings.append(f"the device holds {capacity.resident_pages} pages, we know of {expected}")
        if capacity.total_sectors - capacity.free_sectors != sectors:
            findings.append(
                f"{capacity.total_sectors - capacity.free_sectors} sectors in use, the pages we own take {sectors}"
            )
        return findings

    async def flush(self) -> None:
        """See Tier: trim freed pages. What cannot be trimmed is zeroed by a store, which takes no sectors either."""
        while self._awaiting_trim:
            batch, self._awaiting_trim = self._awaiting_trim, []
            try:
                await self._trim(batch)
            except BaseException:
                self._awaiting_trim += batch
                raise
            self._free.extend(batch)

    def close(self) -> None:
        """See Tier; the device belongs to whoever probed it."""

    # Watermarks

    def set_no_alloc(self, closed: bool) -> None:
        """The admission gate, as the provider sets it: sticky, and neither residents nor frees notice."""
        if closed and not self.closed:
            self._counters.node_closed += 1
            self._pressure.set()
        elif not closed and self.closed:
            self._counters.node_reopened += 1
        self.closed = closed

    async def set_watermarks(self, low_percent: int, recovered_percent: int) -> None:
        """Where the device raises LOW and RECOVERED, in percent of its media sectors."""
        sectors = self._device.geometry.media_sectors
        self._recovered_mark = sectors * recovered_percent // 100
        await self._device.set_watermarks(sectors * low_percent // 100, self._recovered_mark)

    async def wait_watermark(self) -> None:
        """Wait for the device's LOW or RECOVERED interrupt."""
        self._raised = await self._device.wait_interrupt(Interrupt.LOW, Interrupt.RECOVERED)

    async def follow_watermark(self) -> None:
        """After `wait_watermark`: close the node on LOW, open it again on RECOVERED."""
        lines = self._raised
        await self._device.acknowledge(*lines)
        low = Interrupt.LOW in lines
        if len(lines) == 2:  # which came last? the media tells
            low = await self._device.free_sectors() < self._recovered_mark
        self.set_no_alloc(low)

    async def wait_pressure(self) -> None:
        """Wait until the node was closed or a store found no room."""
        await self._pressure.wait()
        self._pressure.clear()

    # Inside

    def _explain(self, error: CramError) -> TierError | DeviceLost:
        if isinstance(error, DeviceLost):
            return error
        if isinstance(error, PagePoisoned | DeviceFull):
            self._counters.cram_poisoned += 1
            return Poisoned(str(error))
        return IoError(str(error))

    async def _trim(self, pages: list[int]) -> None:
        try:
            await self._device.trim(pages)
            self._counters.trimmed += len(pages)
        except DeviceLost:
            raise
        except CramError:
            for page in pages:
                await self._zero(page)

    async def _zero(self, page: int) -> None:
        self._counters.trim_fallbacks += 1
        try:
            await self._device.store(page, ZERO_PAGE)
            self._zeroed.add(page)
        except DeviceLost:
            raise
        except CramError:
            pass  # poison takes no sectors; a later store on the page fails and it comes by here again
