# SPDX-License-Identifier: MIT
"""The CRAM tier: a node's device pages handed out to slots, over the driver (docs/vswap/tiers.md, "CRAM tier")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from driver import (
    CramDevice,
    CramError,
    DeviceFull,
    DeviceLost,
    PagePoisoned,
)
from hw.clock import Clock, Lock
from hw.link import PAGE_BYTES
from vswap.base.backing import BackingType
from vswap.base.counters import Counters
from vswap.tiers.base import Full, Gone, IoError, Poisoned, Rejected, TierError, Usage
from vswap.tiers.cram_pages import DevicePages
from vswap.tiers.lz4block import Block

Books = type[DevicePages]


class CramTier:
    """Pages on one device. The handle is the device page number.

    While the node is closed it admits nothing new; what is there stays readable. When the device is gone, every call
    says so (Gone); the owner then gives up every page, and may `attach` another device, or the same one after a reset.

    Attributes:
        inventory: the books of the device.
        fences: see CramNode.
        no_alloc: the provider's gate is down.
        under_pressure: between the device's LOW and RECOVERED.
        recovered_mark: free sectors at which the device says RECOVERED.
        attached, lost: events: there is a device; it is gone.
        pressure: event: the node was closed, or a store found no room.
        resize_wanted: event: the balloon has another target.
        dropped_nominations: hot pages that were not promoted: no room in the ring, or stale.
        on_gate: told whenever the node closes to new pages or opens: closed or not, and when, ns; None for nobody.
    """

    type = BackingType.CRAM
    books: Books = DevicePages
    """What keeps the books of a device."""

    def __init__(
        self, clock: Clock, counters: Counters, device: CramDevice, *, trim_batch: int, fence: bool = False
    ) -> None:
        """`fence`: stored pages are fenced on the device, until a PTE may write to them."""
        self._clock = clock
        self._counters = counters
        self._trim_batch = trim_batch
        self.fences = fence
        self._marks = (0, 0, 0)  # low, recovered and critical, percent
        self._tracking = (0, 0)  # of hot pages: threshold and period
        self._flushing = Lock(clock)
        self.on_gate: Callable[[bool, int], None] | None = None
        self.pressure = clock.event()
        self.attached, self.lost = clock.event(), clock.event()
        self.resize_wanted = clock.event()
        self.start(device)

    def start(self, device: CramDevice) -> None:
        """Begin the books of an empty device."""
        self.inventory = self.books(self._clock, self._counters, device)
        self.recovered_mark = 0
        self.dropped_nominations = 0
        self.under_pressure = self.no_alloc = False
        self.lost.clear()
        self.attached.set()

    async def store(self, data: bytes, slot: int) -> int:
        """See Tier. Full while closed, without a free device page, or when the device has no sectors; IoError; Gone."""
        return await self._put(slot, lambda device, page: device.store(page, data))

    async def store_block(self, block: Block, slot: int) -> int:
        """See BlockTier: the device imports the block. Rejected when it is longer than the device keeps blocks."""
        geometry = self.inventory.device.geometry
        if len(block.data) > PAGE_BYTES - geometry.sector_bytes:
            raise Rejected("the block is too long to be kept as one")
        return await self._put(slot, lambda device, page: device.import_block(page, block.data, block.crc))

    async def export_block(self, handle: int) -> Block | None:
        """See BlockTier; None for a page that is zero, same-filled or raw. Raises Poisoned, IoError."""
        with self._explained() as device:
            block = await device.export(handle)
            return None if block is None else Block(block, (await device.page_state(handle)).crc)

    def admits(self) -> bool:
        """A page may be stored now; else it is counted as refused, and room is made where the node is merely full."""
        if not self.closed and (self.inventory.free or self.inventory.awaiting_trim):
            return True
        self._counters.cram_rejects += 1
        if not self.closed:
            self.pressure.set()
        return False

    async def _put(self, slot: int, store: Callable[[CramDevice, int], Awaitable[None]]) -> int:
        """Have the device keep something for a slot on a free page."""
        if self.gone is not None:
            raise Gone(str(self.gone))
        if self.closed:
            self._counters.cram_rejects += 1
            raise Full("the CRAM node is closed")
        if not self.inventory.free:
            await self.flush()
        inventory = self.inventory
        if not inventory.free:
            self._counters.cram_rejects += 1
            self.pressure.set()
            raise Full("the CRAM node has no free page")
        page = inventory.take()
        try:
            await store(inventory.device, page)
            if self.fences:
                await inventory.device.fence([page])
                inventory.fenced.add(page)
            if inventory is not self.inventory:
                raise DeviceLost("the device was replaced")
        except BaseException as error:
            if inventory is self.inventory:  # another device knows nothing of this page
                inventory.awaiting_trim.append(page)  # it is poison, or some of its lines were written
            if isinstance(error, CramError):
                raise self._explain(error, inventory) from error
            raise
        inventory.owners[page] = slot
        self._counters.stores += 1
        return page

    async def load(self, handle: int) -> bytes:
        """See Tier. Raises Poisoned, IoError."""
        with self._explained() as device:
            data = await device.load(handle)
        self._counters.loads += 1
        return data

    async def load_line(self, handle: int, line: int) -> bytes:
        """64 bytes of a page. Raises Poisoned, IoError."""
        with self._explained() as device:
            data = await device.load_line(handle, line)
        self._counters.line_loads += 1
        return data

    async def overwrite(self, handle: int, data: bytes) -> None:
        """A task's store of a whole page through a writable PTE. Raises Full, Poisoned, IoError.

        Full: the device has no sectors; the lines that it refused are as they were, and the page is not given up.
        """
        with self._explained() as device:
            await device.store(handle, data)
        self._counters.stores += 1
        self._counters.inplace_stores += 1

    def fenced(self, handle: int) -> bool:
        """See CramNode; also on one that has no fences, where there is nothing to fence again."""
        return not self.fences or handle in self.inventory.fenced

    async def set_fence(self, handle: int, on: bool) -> None:
        """See CramNode. Raises Gone, IoError."""
        if not self.fences or on == (handle in self.inventory.fenced):
            return
        inventory = self.inventory
        with self._explained() as device:
            await (device.fence if on else device.unfence)([handle])
        (inventory.fenced.add if on else inventory.fenced.discard)(handle)

    def free(self, handle: int) -> None:
        """See Tier. The page is used again only after its trim."""
        self.inventory.release(handle)

    def reown(self, handle: int, slot: int) -> None:
        """See Tier."""
        self.inventory.owners.reown(handle, slot)

    def handles(self) -> dict[int, int]:
        """See Tier."""
        return self.inventory.owners.copy()

    def usage(self) -> Usage:
        """See Tier."""
        return Usage(len(self.inventory.owners), self.pages - len(self.inventory.balloon))

    @property
    def trim_due(self) -> bool:
        """A whole batch waits for its trim."""
        return len(self.inventory.awaiting_trim) >= self._trim_batch

    async def audit(self) -> list[str]:
        """Compare our books with the device's, at quiescence: a sentence for each difference."""
        if self.gone is not None:
            held = len(self.inventory.owners)
            return [f"{held} pages are held on a device that is gone"] if held else []
        await self.flush()
        return await self.inventory.audit()

    async def flush(self) -> None:
        """See Tier: trim freed pages, and wait for trims that others have under way. What cannot be trimmed is zeroed
        by a store, which takes no sectors either."""
        async with self._flushing:
            while self.inventory.awaiting_trim and self.gone is None:
                inventory = self.inventory
                try:
                    await inventory.trim_awaiting()
                except DeviceLost as error:
                    self.lose(error, inventory)

    def close(self) -> None:
        """See Tier; the device belongs to whoever probed it."""

    # Watermarks

    @property
    def gone(self) -> DeviceLost | None:
        """Why the device is lost; None while it is there."""
        return self.inventory.lost

    @property
    def closed(self) -> bool:
        """Nothing new is admitted: the provider's gate is down, the device is under pressure, or it is gone."""
        return self.no_alloc or self.under_pressure or self.gone is not None

    def set_no_alloc(self, closed: bool) -> None:
        """The admission gate, as the provider sets it: sticky, and neither residents, the balloon nor frees notice."""
        before, self.no_alloc = self.closed, closed
        self._count_gate(before)

    def set_pressure(self, low: bool) -> None:
        """The device is low on media: admit nothing, and let the coldest pages be written back until it is not."""
        before, self.under_pressure = self.closed, low
        self._count_gate(before)
        if low:
            self.pressure.set()

    def _count_gate(self, before: bool) -> None:
        self._counters.node_closed += self.closed and not before
        self._counters.node_reopened += before and not self.closed
        self._tell_gate(before)

    def _tell_gate(self, before: bool) -> None:
        if self.on_gate is not None and self.closed != before:
            self.on_gate(self.closed, self._clock.now)

    async def set_watermarks(self, low_percent: int, recovered_percent: int, critical_percent: int = 0) -> None:
        """Where the device raises LOW and RECOVERED, and where it takes no new page any more (0: never), in percent of
        its media sectors."""
        self._marks = (low_percent, recovered_percent, critical_percent)
        await self.program_marks()

    async def program_marks(self) -> None:
        """Tell the device its watermarks."""
        device = self.inventory.device
        sectors = device.geometry.media_sectors
        self.recovered_mark = sectors * self._marks[1] // 100
        await device.set_watermarks(sectors * self._marks[0] // 100, self.recovered_mark)
        if self._marks[2]:
            critical = sectors * self._marks[2] // 100
            await device.set_pressure_marks(critical, critical, critical)

    # The provider's node

    @property
    def pages(self) -> int:
        """Perceived pages of the device."""
        return self.inventory.provider.pages

    async def attach(self, device: CramDevice) -> None:
        """Serve an empty device in the place of the one that is gone or was given up. Raises DeviceLost."""
        if self.inventory.owners or self.gone is None:
            raise ValueError("pages of the device before are still held")
        self.start(device)
        self._tell_gate(before=True)
        await self.program_marks()
        await device.track_hot_pages(*self._tracking)

    def detach(self) -> None:
        """The device is given up, or was removed: nothing is stored or trimmed any more."""
        self.lose(DeviceLost("the node was unregistered"), self.inventory)

    @property
    def balloon_target(self) -> int:
        """Pages that the provider cannot back, to be kept out of use."""
        return self.inventory.balloon_target

    @property
    def withdrawn(self) -> bool:
        """The provider can back nothing any more: no page is to stay."""
        return self.balloon_target == self.pages

    def resize_balloon(self, target: int) -> None:
        """What the provider cannot back, pages: the last value wins. Free pages are taken as far as there are some."""
        self.inventory.balloon_target = min(max(target, 0), self.pages)
        self.inventory.fill_balloon()
        self.resize_wanted.set()

    async def track_hot_pages(self, threshold: int, period: int) -> None:
        """Let the device nominate pages (CramDevice.track_hot_pages)."""
        self._tracking = threshold, period
        await self.inventory.device.track_hot_pages(threshold, period)

    async def nominations(self) -> list[int]:
        """The slots of the pages that are `nominated`, of those that have one."""
        pages = await self.nominated()
        return [slot for page in pages if (slot := self.inventory.owners[page])]

    async def nominated(self) -> list[int]:
        """The pages that the device has nominated and that are still what they were then.

        A page that was freed since the last call may have been used again: what was hot is not what is there now.
        """
        inventory = self.inventory
        freed, inventory.freed_lately = inventory.freed_lately, set()
        try:
            pages, overflow = await inventory.device.hot_pages()
        except DeviceLost as error:
            self.lose(error, inventory)
            return []
        if inventory is not self.inventory:
            return []
        stale = freed | inventory.freed_lately
        fresh = [page for page in pages if page in inventory.owners and page not in stale]
        self._counters.hot_nominated += len(pages)
        self._counters.hot_stale += len(pages) - len(fresh)
        self._counters.hot_dropped += max(0, overflow - self.dropped_nominations)
        self.dropped_nominations = overflow
        return fresh

    def lose(self, error: DeviceLost, inventory: DevicePages) -> None:
        """The device of these books is gone, unless there is another one by now."""
        if inventory is not self.inventory or self.gone is not None:
            return
        before = self.closed
        inventory.lose(error)
        self._counters.nodes_lost += 1
        self.under_pressure = False
        self._tell_gate(before)
        self.attached.clear()
        self.lost.set()

    # Inside

    @contextmanager
    def _explained(self) -> Iterator[CramDevice]:
        """The current device; what it raises, in the words of a tier."""
        inventory = self.inventory
        try:
            yield inventory.device
        except CramError as error:
            raise self._explain(error, inventory) from error

    def _explain(self, error: CramError, inventory: DevicePages) -> TierError:
        if isinstance(error, DeviceLost):
            self.lose(error, inventory)
            return Gone(str(error))
        if isinstance(error, DeviceFull):
            self._counters.cram_full += 1
            self.pressure.set()
            return Full(str(error))
        if isinstance(error, PagePoisoned):
            self._counters.cram_poisoned += 1
            return Poisoned(str(error))
        return IoError(str(error))
