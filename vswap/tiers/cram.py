"""The CRAM tier: a node's device pages handed out to slots, over the driver (docs/vswap/tiers.md, "CRAM tier").

free --store--> in use --free--> awaiting trim --trim--> free <--> balloon
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from driver import (
    CramDevice,
    CramError,
    DeviceFull,
    DeviceLost,
    Interrupt,
    PagePoisoned,
    PageState,
    Provider,
    TrimAnswer,
)
from hw.clock import Clock, Lock
from hw.link import PAGE_BYTES
from vswap.base.backing import BackingType
from vswap.base.counters import Counters
from vswap.mm.folio import ZERO_PAGE
from vswap.slots.reverse import ReverseMap
from vswap.tiers.base import Full, Gone, IoError, Poisoned, Rejected, TierError, Usage
from vswap.tiers.lz4block import Block

TRIM_ROUNDS = 8
_TRIM_PAUSE = 1_000  # ns before pages whose trim is to be tried again are


class CramTier:
    """Pages on one device. The handle is the device page number.

    While the node is closed it admits nothing new; what is there stays readable. When the device is gone, every call
    says so (Gone); the owner then gives up every page, and may `attach` another device, or the same one after a reset.

    Attributes:
        under_pressure: between the device's LOW and RECOVERED.
        gone: the device is lost; None while it is there.
        balloon_target: pages that the provider cannot back, to be kept out of use.
        dropped_nominations: hot pages that were not promoted: no room in the ring, or stale.
    """

    type = BackingType.CRAM

    def __init__(self, clock: Clock, counters: Counters, device: CramDevice, *, trim_batch: int) -> None:
        self._clock = clock
        self._counters = counters
        self._trim_batch = trim_batch
        self._marks = (0, 0)  # low and recovered, percent
        self._tracking = (0, 0)  # of hot pages: threshold and period
        self._raised: set[Interrupt] = set()
        self._flushing = Lock(clock)
        self._pressure = clock.event()
        self._attached, self._lost = clock.event(), clock.event()
        self.resize_wanted = clock.event()
        self._start(device)

    def _start(self, device: CramDevice) -> None:
        """An empty device."""
        pages = device.geometry.perceived_pages
        self._device = device
        self._provider = Provider(device)
        self._free: deque[int] = deque(range(pages))
        self._owners = ReverseMap(pages)
        self._awaiting_trim: list[int] = []
        self._zeroed: set[int] = set()  # free, but resident as zeros because their trim failed
        self._balloon: list[int] = []
        self._freed_lately: set[int] = set()  # since the nominations were taken last
        self._recovered_mark = 0
        self.balloon_target = 0
        self.dropped_nominations = 0
        self.gone: DeviceLost | None = None
        self.under_pressure = self._no_alloc = False
        self._lost.clear()
        self._attached.set()

    async def store(self, data: bytes, slot: int) -> int:
        """See Tier. Full while closed, without a free device page, or when the device has no sectors; IoError; Gone."""
        return await self._put(slot, lambda device, page: device.store(page, data))

    async def store_block(self, block: Block, slot: int) -> int:
        """See BlockTier: the device imports the block. Rejected when it is longer than the device keeps blocks."""
        geometry = self._device.geometry
        if len(block.data) > PAGE_BYTES - geometry.sector_bytes:
            raise Rejected("the block is too long to be kept as one")
        return await self._put(slot, lambda device, page: device.import_block(page, block.data, block.crc))

    async def export_block(self, handle: int) -> Block | None:
        """See BlockTier; None for a page that is zero, same-filled or raw. Raises Poisoned, IoError."""
        with self._explained() as device:
            block = await device.export(handle)
            return None if block is None else Block(block, (await device.page_state(handle)).crc)

    async def _put(self, slot: int, store: Callable[[CramDevice, int], Awaitable[None]]) -> int:
        """Have the device keep something for a slot on a free page."""
        self._look()
        if self.closed:
            self._counters.cram_rejects += 1
            raise Full("the CRAM node is closed")
        if not self._free:
            await self.flush()
        if not self._free:
            self._counters.cram_rejects += 1
            self._pressure.set()
            raise Full("the CRAM node has no free page")
        page, device = self._free.popleft(), self._device
        self._zeroed.discard(page)
        try:
            await store(device, page)
            if device is not self._device:
                raise DeviceLost("the device was replaced")
        except BaseException as error:
            if device is self._device:  # another one knows nothing of this page
                self._awaiting_trim.append(page)  # it is poison, or its content is unknown
            if isinstance(error, DeviceFull):
                self._counters.cram_full += 1
                self._pressure.set()
                raise Full(str(error)) from error
            if isinstance(error, CramError):
                raise self._explain(error, device) from error
            raise
        self._owners[page] = slot
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
        """A task's store of a whole page through a writable PTE. Raises Poisoned, IoError.

        A device without sectors answers with poison and the page's content is gone: the risk that the budget bounds.
        """
        with self._explained() as device:
            await device.store(handle, data)
        self._counters.stores += 1
        self._counters.inplace_stores += 1

    def free(self, handle: int) -> None:
        """See Tier. The page is used again only after its trim."""
        del self._owners[handle]
        self._freed_lately.add(handle)
        if self.gone is None:
            self._awaiting_trim.append(handle)

    def reown(self, handle: int, slot: int) -> None:
        """See Tier."""
        self._owners.reown(handle, slot)

    def handles(self) -> dict[int, int]:
        """See Tier."""
        return self._owners.copy()

    def usage(self) -> Usage:
        """See Tier."""
        return Usage(len(self._owners), self._device.geometry.perceived_pages - len(self._balloon))

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
        if self.gone is not None:
            return [f"{len(self._owners)} pages are held on a device that is gone"] if self._owners else []
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
        """See Tier: trim freed pages, and wait for trims that others have under way. What cannot be trimmed is zeroed
        by a store, which takes no sectors either."""
        async with self._flushing:
            await self._flush()

    async def _flush(self) -> None:
        while self._awaiting_trim and self.gone is None:
            batch, self._awaiting_trim = self._awaiting_trim, []
            device = self._device
            try:
                await self._trim(batch)
            except BaseException as error:
                if device is self._device and self.gone is None:
                    self._awaiting_trim += batch
                if not isinstance(error, DeviceLost):
                    raise
                self._lose(error, device)
            else:
                if device is self._device:
                    self._free.extend(batch)
                    self._fill_balloon()

    def close(self) -> None:
        """See Tier; the device belongs to whoever probed it."""

    # Watermarks

    @property
    def closed(self) -> bool:
        """Nothing new is admitted: the provider's gate is down, the device is under pressure, or it is gone."""
        return self._no_alloc or self.under_pressure or self.gone is not None

    def set_no_alloc(self, closed: bool) -> None:
        """The admission gate, as the provider sets it: sticky, and neither residents, the balloon nor frees notice."""
        before, self._no_alloc = self.closed, closed
        self._count_gate(before)

    def set_pressure(self, low: bool) -> None:
        """The device is low on media: admit nothing, and let the coldest pages be written back until it is not."""
        before, self.under_pressure = self.closed, low
        self._count_gate(before)
        if low:
            self._pressure.set()

    def _count_gate(self, before: bool) -> None:
        self._counters.node_closed += self.closed and not before
        self._counters.node_reopened += before and not self.closed

    async def set_watermarks(self, low_percent: int, recovered_percent: int) -> None:
        """Where the device raises LOW and RECOVERED, in percent of its media sectors."""
        self._marks = (low_percent, recovered_percent)
        await self._program_marks()

    async def _program_marks(self) -> None:
        sectors = self._device.geometry.media_sectors
        self._recovered_mark = sectors * self._marks[1] // 100
        await self._device.set_watermarks(sectors * self._marks[0] // 100, self._recovered_mark)

    async def wait_watermark(self) -> None:
        """Wait for the device's LOW or RECOVERED interrupt, while there is a device; it may be gone then."""
        await self._attached.wait()
        device = self._device
        try:
            self._raised = await device.wait_interrupt(Interrupt.LOW, Interrupt.RECOVERED)
        except DeviceLost as error:
            self._raised = set()
            self._lose(error, device)

    async def follow_watermark(self) -> None:
        """After `wait_watermark`: close the node on LOW, open it again on RECOVERED."""
        lines, device = self._raised, self._device
        if not lines:
            return
        try:
            await device.acknowledge(*lines)
            low = Interrupt.LOW in lines
            if len(lines) == 2:  # which came last? the media tells
                low = await device.free_sectors() < self._recovered_mark
        except DeviceLost as error:
            self._lose(error, device)
        else:
            if self.gone is None:
                self.set_pressure(low)

    # The provider's node

    @property
    def pages(self) -> int:
        """Perceived pages of the device."""
        return self._provider.pages

    @property
    def configured_ratio(self) -> int:
        """Perceived bytes per 1000 bytes of media."""
        return self._provider.configured_ratio

    async def attach(self, device: CramDevice) -> None:
        """Serve an empty device in the place of the one that is gone or was given up. Raises DeviceLost."""
        if self._owners or self.gone is None:
            raise ValueError("pages of the device before are still held")
        self._start(device)
        await self._program_marks()
        await device.track_hot_pages(*self._tracking)

    def detach(self) -> None:
        """The device is given up, or was removed: nothing is stored or trimmed any more."""
        self._lose(DeviceLost("the node was unregistered"), self._device)

    async def wait_gone(self) -> None:
        """Wait until the device is gone."""
        await self._lost.wait()
        self._lost.clear()

    @property
    def balloon(self) -> int:
        """Pages that are kept out of use now."""
        return len(self._balloon)

    @property
    def balloon_lacks(self) -> int:
        """Pages that the balloon still has to take."""
        return max(0, self.balloon_target - len(self._balloon)) if self.gone is None else 0

    def resize_balloon(self, target: int) -> None:
        """What the provider cannot back, pages: the last value wins. Free pages are taken as far as there are some."""
        self.balloon_target = min(max(target, 0), self.pages)
        self._fill_balloon()
        self.resize_wanted.set()

    def _fill_balloon(self) -> None:
        while len(self._balloon) < self.balloon_target and self._free:
            self._balloon.append(self._free.pop())
        while len(self._balloon) > self.balloon_target:
            self._free.append(self._balloon.pop())

    async def achieved_ratio(self) -> int | None:
        """See Provider; None when the device is gone, too."""
        device = self._device
        try:
            return await self._provider.achieved_ratio() if self.gone is None else None
        except DeviceLost as error:
            self._lose(error, device)
            return None

    async def track_hot_pages(self, threshold: int, period: int) -> None:
        """Let the device nominate pages (CramDevice.track_hot_pages)."""
        self._tracking = threshold, period
        await self._device.track_hot_pages(threshold, period)

    async def wait_hot(self) -> None:
        """Wait for nominations, while there is a device."""
        await self._attached.wait()
        device = self._device
        try:
            await device.wait_interrupt(Interrupt.HOT)
        except DeviceLost as error:
            self._lose(error, device)

    async def nominations(self) -> list[int]:
        """The slots of the pages that the device has nominated and that are still what they were then.

        A page that was freed since the last call may have been used again: what was hot is not what is there now.
        """
        device, freed, self._freed_lately = self._device, self._freed_lately, set()
        try:
            pages, overflow = await device.hot_pages()
        except DeviceLost as error:
            self._lose(error, device)
            return []
        if device is not self._device:
            return []
        fresh = [page for page in pages if page in self._owners and page not in freed | self._freed_lately]
        self._counters.hot_nominated += len(pages)
        self._counters.hot_stale += len(pages) - len(fresh)
        self._counters.hot_dropped += max(0, overflow - self.dropped_nominations)
        self.dropped_nominations = overflow
        return [slot for page in fresh if (slot := self._owners[page])]

    def _look(self) -> None:
        if self.gone is not None:
            raise Gone(str(self.gone))

    def _lose(self, error: DeviceLost, device: CramDevice) -> None:
        """The device is gone, unless it is another one that is."""
        if device is not self._device or self.gone is not None:
            return
        self.gone = error
        self._counters.nodes_lost += 1
        self.under_pressure = False
        self._free.clear()
        self._awaiting_trim.clear()
        self._balloon.clear()
        self._attached.clear()
        self._lost.set()

    async def wait_pressure(self) -> None:
        """Wait until the node was closed or a store found no room."""
        await self._pressure.wait()
        self._pressure.clear()

    # Inside

    @contextmanager
    def _explained(self) -> Iterator[CramDevice]:
        """The device of now; what it raises, in the words of a tier."""
        device = self._device
        try:
            yield device
        except CramError as error:
            raise self._explain(error, device) from error

    def _explain(self, error: CramError, device: CramDevice) -> TierError:
        if isinstance(error, DeviceLost):
            self._lose(error, device)
            return Gone(str(error))
        if isinstance(error, PagePoisoned | DeviceFull):
            self._counters.cram_poisoned += 1
            return Poisoned(str(error))
        return IoError(str(error))

    async def _trim(self, pages: list[int]) -> None:
        """Trim pages: those that the provider asks for are tried again, a few times; what is left is zeroed here."""
        provider, left, busy = self._provider, pages, list[int]()
        for attempt in range(TRIM_ROUNDS):
            if attempt:
                self._counters.trim_retries += 1
                await self._clock.sleep(_TRIM_PAUSE)
            answers = dict(zip(left, await provider.trim(left), strict=True))
            self._counters.trimmed += sum(answer is TrimAnswer.DONE for answer in answers.values())
            busy += [page for page, answer in answers.items() if answer is TrimAnswer.BUSY]
            left = [page for page, answer in answers.items() if answer is TrimAnswer.AGAIN]
            if not left:
                break
        for page in busy + left:
            await self._zero(provider.device, page)

    async def _zero(self, device: CramDevice, page: int) -> None:
        self._counters.trim_fallbacks += 1
        try:
            await device.store(page, ZERO_PAGE)
            if device is self._device:
                self._zeroed.add(page)
        except DeviceLost:
            raise
        except CramError:
            pass  # poison takes no sectors; a later store on the page fails and it comes by here again
