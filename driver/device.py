# SPDX-License-Identifier: MIT
"""CramDevice: the host's driver of one compressed-RAM device (docs/driver.md)."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from driver.access import Access
from driver.cxl import CxlCommands
from driver.errors import (
    AccessRefused,
    AddressOutOfRange,
    AdmissionClosed,
    BlockRefused,
    CramError,
    DeviceFull,
    DeviceLost,
    DeviceNotFound,
    DeviceTimeout,
    MailboxError,
    PageFenced,
    PagePoisoned,
    UnexpectedResponse,
)
from driver.events import EventBook
from driver.hot import HotPages
from driver.mailbox import Mailbox
from driver.values import Capacity, Counters, DeviceEvent, Geometry, Identity, LoadCounters, PageInfo, Pressure
from hw.clock import Clock
from hw.codes import EventCode, Interrupt, Opcode, PageState, ReturnCode
from hw.link import LINE_BYTES, LINES_PER_PAGE, PAGE_BYTES, BusError, Link, LinkError, Response
from hw.registers import (
    COUNTERS,
    FIRST_COUNTER,
    ID_VALUE,
    LOADS,
    STATUS_CRITICAL,
    STATUS_HIGH,
    STATUS_IDLE,
    STATUS_LOW,
    STATUS_MEDIUM,
    STATUS_READY,
    VERSION_VALUE,
    Register,
)

MAILBOX_TIMEOUT_NS = 10_000_000
_SETTLE_POLL_NS = 100
_READY_NS_PER_PAGE = 20  # one clock cycle a page, at the slowest clock foreseen
_ZERO_CLASS, _ZERO_SUBCLASS = 1, 1
_BLOCK_BYTES = (Register.BLOCK_BYTES_LOW - FIRST_COUNTER) // 4  # among the counters

_T = TypeVar("_T")


class CramDevice:
    """One device, ready for use; made by `probe`.

    Any number of tasks may call at once. Every call may raise DeviceLost; calls that use the mailbox may raise
    DeviceTimeout and MailboxError as well.

    Attributes:
        link: the way to the device.
        clock: the clock it lives on.
        geometry: the parameters that the device was built with.
        cxl: commands of CXL that this class does not need itself: health, poison, event records, sanitize.
    """

    def __init__(self, link: Link, geometry: Geometry, access: Access) -> None:
        self.link = link
        self.clock: Clock = link.clock
        self.geometry = geometry
        self._access = access
        self._mailbox = Mailbox(access, link.clock, MAILBOX_TIMEOUT_NS)
        self._events = EventBook(access, link.clock)
        self._hot = HotPages(access, self._mailbox, link.clock)
        self.cxl = CxlCommands(self._mailbox, access, link.clock, geometry, self._events.forget)

    @classmethod
    async def probe(cls, link: Link) -> CramDevice:
        """Find the device, wait until it is ready, enable its interrupts.

        Raises:
            DeviceNotFound: the ID or the major version is not ours.
            DeviceTimeout: it does not become ready.
        """
        access = Access(link)
        try:
            identity, version = await access.read(Register.ID, 2)
        except UnexpectedResponse as error:
            raise DeviceNotFound(f"no device answers: {error}") from error
        if identity != ID_VALUE:
            raise DeviceNotFound(f"ID is 0x{identity:08x}, expected 0x{ID_VALUE:08x}")
        if version >> 16 != VERSION_VALUE >> 16:
            raise DeviceNotFound(f"version is 0x{version:08x}, this driver knows 0x{VERSION_VALUE:08x}")
        geometry = Geometry(*await access.read(Register.PERCEIVED_PAGES, 5))
        await cls._wait_ready(access, link.clock, geometry)
        await access.write(Register.INTERRUPT_ENABLE, [sum(line.mask for line in Interrupt)])
        return cls(link, geometry, access)

    @staticmethod
    async def _wait_ready(access: Access, clock: Clock, geometry: Geometry) -> None:
        limit = clock.now + 100_000 + _READY_NS_PER_PAGE * geometry.perceived_pages
        while not STATUS_READY.get((await access.read(Register.STATUS))[0]):
            if clock.now > limit:
                raise DeviceTimeout("the device does not become ready after reset")
            await clock.sleep(max(100, geometry.perceived_pages // 4))

    # Pages and lines

    async def store(self, page: int, data: bytes) -> None:
        """Write a whole page of 4096 bytes. Returns once the device has taken it.

        Raises:
            DeviceFull: no sectors; the page is as it was. Keep the data elsewhere.
            AdmissionClosed: a DeviceFull, too: the device is critically low and the page was free; it still is.
            PageFenced: the page is fenced; its content is as it was.
            PagePoisoned: the page was poison already, or was found damaged.
            AddressOutOfRange: no such page.
        """
        if len(data) != PAGE_BYTES:
            raise ValueError(f"a page is {PAGE_BYTES} bytes, got {len(data)}")
        await self._write(page, 0, data)

    async def settle(self) -> None:
        """Wait until the device has nothing under way (STATUS.idle).

        A page is closed after the store that completed it was answered, so live figures (free sectors, counters) may
        lag behind the last store; after this they do not. Raises DeviceTimeout.
        """
        limit = self.clock.now + MAILBOX_TIMEOUT_NS
        while not STATUS_IDLE.get((await self._access.read(Register.STATUS))[0]):
            if self.clock.now > limit:
                raise DeviceTimeout(f"the device is not idle after {MAILBOX_TIMEOUT_NS} ns")
            await self.clock.sleep(_SETTLE_POLL_NS)

    async def load(self, page: int) -> bytes:
        """Read a whole page of 4096 bytes; zeros if it is free. Raises PagePoisoned, AddressOutOfRange."""
        return await self._read(page, 0, PAGE_BYTES)

    async def store_line(self, page: int, line: int, data: bytes) -> None:
        """Write one line of 64 bytes. Raises as `store` does."""
        if len(data) != LINE_BYTES:
            raise ValueError(f"a line is {LINE_BYTES} bytes, got {len(data)}")
        await self._write(page, self._line_offset(line), data)

    async def load_line(self, page: int, line: int) -> bytes:
        """Read one line of 64 bytes. Raises PagePoisoned, AddressOutOfRange."""
        return await self._read(page, self._line_offset(line), LINE_BYTES)

    async def trim(self, pages: Iterable[int]) -> None:
        """Drop pages: they become free and read as zeros. Ranges are coalesced; poison and fences are cleared.

        More ranges than one command takes are several commands. Raises AddressOutOfRange before any page is dropped.
        """
        self._events.forget(await self._ranges(Opcode.MEDIA_OPERATIONS, (_ZERO_CLASS, _ZERO_SUBCLASS), pages))

    async def fence(self, pages: Iterable[int]) -> None:
        """Make pages read-only: stores to them raise PageFenced, until `unfence` or a trim. Dirty ones are closed.

        Raises AddressOutOfRange before any page is fenced.
        """
        await self._ranges(Opcode.SET_FENCE, (1, 0), pages)

    async def unfence(self, pages: Iterable[int]) -> None:
        """Make pages writable again. Raises AddressOutOfRange."""
        await self._ranges(Opcode.SET_FENCE, (0, 0), pages)

    async def _ranges(self, opcode: Opcode, head: tuple[int, int], pages: Iterable[int]) -> list[int]:
        """Run a command over pages; the pages in order. Raises AddressOutOfRange before the first is touched."""
        wanted = sorted(set(pages))
        for page in (wanted[0], wanted[-1]) if wanted else ():
            self.geometry.check_page(page)
        await self._mailbox.execute_on_pages(opcode, head, wanted)
        return wanted

    # Mailbox commands

    async def identify(self) -> Identity:
        """Identify Memory Device."""
        return Identity.of(await self._mailbox.execute(Opcode.IDENTIFY, expected_bytes=Identity.BYTES))

    async def page_state(self, page: int) -> PageInfo:
        """How a page is stored, and whether it is in the page cache. Raises AddressOutOfRange."""
        self.geometry.check_page(page)
        payload = struct.pack("<Q", page * PAGE_BYTES)
        return PageInfo.of(await self._mailbox.execute(Opcode.GET_PAGE_STATE, payload, expected_bytes=20))

    async def export(self, page: int) -> bytes | None:
        """The LZ4 block of a page, None for a page that is not stored as one. A dirty page is closed first.

        Raises:
            MailboxError: there is no room for a close that it needs (RESOURCES_EXHAUSTED), or the page cannot be read
                now (INTERNAL_ERROR), as when the media does not answer. The page is as it was.
            PagePoisoned, AddressOutOfRange.
        """
        self.geometry.check_page(page)
        try:
            block = await self._mailbox.execute(Opcode.EXPORT_BLOCK, struct.pack("<Q", page * PAGE_BYTES))
        except MailboxError as error:
            if error.return_code != ReturnCode.INTERNAL_ERROR:
                raise
            if (await self.page_state(page)).state != PageState.POISON:
                raise
            await self._events.collect()
            raise PagePoisoned(page, self._events.cause(page)) from error
        return block or None

    async def import_block(self, page: int, block: bytes, crc: int) -> None:
        """Store an LZ4 block, as `export` gives it, as the page's content; nothing is compressed again.

        The device decompresses it to check it. Whatever is raised, the page is as it was.

        Args:
            page: the page whose content it replaces.
            block: the LZ4 block, 1 to 4096 - sector_bytes bytes.
            crc: CRC-32 of the 4096 bytes that it stands for, as in `page_state`.

        Raises:
            BlockRefused: the block is malformed, or the CRC does not match.
            AdmissionClosed: no room, whatever the page holds; or the page is free and the device critically low.
            PageFenced, PagePoisoned, AddressOutOfRange, ValueError.
        """
        self.geometry.check_page(page)
        if not 0 < len(block) <= PAGE_BYTES - self.geometry.sector_bytes:
            raise ValueError(f"a block of {len(block)} bytes, expected 1 to {PAGE_BYTES - self.geometry.sector_bytes}")
        payload = struct.pack("<QI52x", page * PAGE_BYTES, crc) + block
        try:
            await self._mailbox.execute(Opcode.IMPORT_BLOCK, payload)
        except MailboxError as error:
            if error.return_code == ReturnCode.RESOURCES_EXHAUSTED:
                raise AdmissionClosed(page) from error
            info = await self.page_state(page)
            if error.return_code == ReturnCode.INVALID_INPUT:
                raise (PageFenced(page) if info.fenced else BlockRefused(page)) from error
            if info.state == PageState.POISON:
                await self._events.collect()
                raise PagePoisoned(page, self._events.cause(page)) from error
            raise

    async def flush(self) -> None:
        """Close every dirty page: what was stored so far has its final form.

        Raises MailboxError: there is no room for one (RESOURCES_EXHAUSTED), or the media does not answer
        (INTERNAL_ERROR). Pages that could not be closed stay dirty, and readable.
        """
        await self._mailbox.execute(Opcode.FLUSH)

    async def command(self, opcode: int, payload: bytes = b"") -> bytes:
        """Run any mailbox command and return its reply. Raises MailboxError when it is refused."""
        return await self._mailbox.execute(opcode, payload)

    # Capacity and counters

    async def free_sectors(self) -> int:
        """Sectors that are not in use, including those reserved for dirty pages."""
        return (await self._access.read(Register.FREE_SECTORS))[0]

    async def capacity(self) -> Capacity:
        """Use of the media now; one register transfer."""
        total, sector_bytes, _, _, free, reserved, resident = await self._access.read(Register.MEDIA_SECTORS, 7)
        return Capacity(total, free, reserved, resident, sector_bytes)

    async def counters(self) -> Counters:
        """All counters; one register transfer, except in the rare moment when a low word is about to wrap."""
        low, high = _BLOCK_BYTES, _BLOCK_BYTES + 1
        values = await self._access.read(FIRST_COUNTER, len(COUNTERS))
        while values[low] > 0xFFFF0000:  # unlike CYCLES, BLOCK_BYTES is not latched: read across the wrap again
            again = await self._access.read(FIRST_COUNTER, len(COUNTERS))
            if again[high] == values[high] and again[low] >= values[low]:
                break
            values = again
        return Counters.of(values)

    async def load_counters(self) -> LoadCounters:
        """What the device did under load, since reset (docs/device/load.md); one register transfer."""
        return LoadCounters(*await self._access.read(LOADS[0], len(LOADS)))

    async def set_watermarks(self, low: int, recovered: int) -> None:
        """Set the marks of the LOW and RECOVERED interrupts, in free sectors: 0 <= low <= recovered <= media."""
        if not 0 <= low <= recovered <= self.geometry.media_sectors:
            raise ValueError(
                f"watermarks {low} and {recovered}, expected 0 <= low <= recovered <= {self.geometry.media_sectors}"
            )
        await self._access.write(Register.LOW_WATERMARK, [low, recovered])

    async def set_pressure_marks(self, high: int, medium: int, critical: int, hysteresis: int = 0) -> None:
        """Set the marks of HIGH, MEDIUM and CRITICAL, in free sectors: 0 <= critical <= medium <= high <= media.

        Their states are left when `hysteresis` sectors more than the mark are free. In the critical state no free page
        can be written.
        """
        if not 0 <= critical <= medium <= high <= self.geometry.media_sectors or hysteresis < 0:
            raise ValueError(
                f"watermarks {high}, {medium}, {critical} and hysteresis {hysteresis}, expected"
                f" 0 <= critical <= medium <= high <= {self.geometry.media_sectors} and 0 <= hysteresis"
            )
        await self._access.write(Register.HIGH_WATERMARK, [high, medium, critical, hysteresis])

    async def pressure(self) -> Pressure:
        """Which of the watermarks' states hold now; one register transfer."""
        (status,) = await self._access.read(Register.STATUS)
        fields = (STATUS_HIGH, STATUS_MEDIUM, STATUS_LOW, STATUS_CRITICAL)
        return Pressure(*[bool(field.get(status)) for field in fields])

    async def ratio_per_mille(self) -> int:
        """Bytes of resident pages per 1000 bytes of used media, as the device computes it; one register transfer.

        1000 with no page resident, 2^32 - 1 with no sector used.
        """
        return (await self._access.read(Register.ACHIEVED_RATIO))[0]

    async def capacity_report(self) -> tuple[Capacity, int]:
        """Get Capacity: use of the media and the achieved ratio in per-mille, of one moment; a mailbox command."""
        return Capacity.report(await self._mailbox.execute(Opcode.GET_CAPACITY, expected_bytes=24))

    async def track_hot_pages(self, threshold: int, period: int = 0) -> None:
        """Nominate pages that the host reads often: those whose heat reaches `threshold` (1 .. 255; 0: none).

        A read burst adds 1 to its page's heat; all heat is halved after every `period` bursts (0: never). A nomination
        raises HOT.
        """
        if not 0 <= threshold <= 255 or not 0 <= period < 1 << 32:
            raise ValueError(f"threshold {threshold}, period {period}: expected 0 to 255, and 32 bits")
        await self._access.write(Register.HEAT_THRESHOLD, [threshold, period])

    async def hot_pages(self) -> tuple[list[int], int]:
        """Take the nominations, oldest first, and how many were dropped since reset (ring full); acknowledge HOT.

        A page may have been written, trimmed or stored anew since it was nominated. Each nomination goes to one caller;
        one that is cancelled leaves its nominations to the next call.
        """
        return await self._hot.take()

    # Events and interrupts

    async def events(self) -> list[DeviceEvent]:
        """Take every event logged since the last call, oldest first, and acknowledge the EVENT interrupt.

        Each event goes to one caller. A caller that is cancelled leaves its events to the next call, with the line low:
        who begins to wait for EVENT calls this once before.
        """
        await self._events.collect(acknowledge=True)
        return self._events.take()

    async def lost_events(self) -> int:
        """Events that the device dropped because its log was full."""
        return (await self._access.read(Register.EVENT_OVERFLOW))[0]

    async def wait_interrupt(self, *interrupts: Interrupt) -> set[Interrupt]:
        """Wait until one of the lines is high; return those that are. Leave MAILBOX to the mailbox."""
        high = await self._access.wait(_mask(interrupts))
        return {line for line in Interrupt if high & line.mask}

    async def acknowledge(self, *interrupts: Interrupt) -> None:
        """Lower the lines until their next cause."""
        await self._access.write(Register.INTERRUPT_STATUS, [_mask(interrupts)])

    # Inside

    async def _read(self, page: int, offset: int, length: int) -> bytes:
        return await self._twice(page, False, lambda: self.link.read(page * PAGE_BYTES + offset, length))

    async def _write(self, page: int, offset: int, data: bytes) -> None:
        await self._twice(page, True, lambda: self.link.write(page * PAGE_BYTES + offset, data))

    async def _twice(self, page: int, storing: bool, access: Callable[[], Awaitable[_T]]) -> _T:
        """An access to a page; what was refused though nothing is wrong with the page is tried a second time."""
        try:
            return await self._once(page, storing, access)
        except AccessRefused:
            return await self._once(page, storing, access)

    async def _once(self, page: int, storing: bool, access: Callable[[], Awaitable[_T]]) -> _T:
        self.geometry.check_page(page)
        self._access.check()
        self._events.take_refusal(page)  # of an earlier time
        try:
            result = await access()
            self._access.check()
            return result
        except BusError as error:
            raise await self._explain(error, page, storing) from error
        except LinkError as error:
            self._access.check()
            raise DeviceLost(str(error)) from error

    async def _explain(self, error: BusError, page: int, storing: bool) -> CramError:
        """What a bus error of a page access means.

        The event log tells why a write was refused. If events have overflowed it, page and sectors do.
        """
        self._access.check()
        if error.response == Response.DECERR:
            return AddressOutOfRange(f"page {page}: {error}")
        await self._events.collect()
        cause, refused = self._events.cause(page), self._events.take_refusal(page)
        if cause is None and storing and refused in _REFUSALS:
            return _REFUSALS[refused](page)
        # a loss that may be of another time, before a trim; no event, or one that says nothing of this access
        info = await self.page_state(page)
        if info.state == PageState.POISON:
            await self._events.collect()  # the access may have been refused before its loss was logged
            return PagePoisoned(page, self._events.cause(page))
        self._events.forget([page])
        if storing and info.fenced:
            return PageFenced(page)
        if storing and info.state == PageState.FREE and (await self.pressure()).critical:
            return AdmissionClosed(page)
        if storing and (await self.capacity()).available_sectors < self.geometry.raw_sectors:
            return DeviceFull(page)
        return AccessRefused(page, refused)

    @staticmethod
    def _line_offset(line: int) -> int:
        if not 0 <= line < LINES_PER_PAGE:
            raise AddressOutOfRange(f"line {line}, a page has {LINES_PER_PAGE}")
        return line * LINE_BYTES


_REFUSALS: dict[EventCode | None, Callable[[int], CramError]] = {
    EventCode.EXHAUSTED: DeviceFull,
    EventCode.FENCED: PageFenced,
    EventCode.NOT_ADMITTED: AdmissionClosed,
}


def _mask(interrupts: Iterable[Interrupt]) -> int:
    return sum(line.mask for line in set(interrupts))
