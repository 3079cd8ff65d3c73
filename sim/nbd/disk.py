# SPDX-License-Identifier: MIT
"""Disk: a compressed-RAM device as a disk of 512-byte sectors (docs/nbd.md)."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from driver import Capacity, CramDevice, CramError, DeviceFull, PagePoisoned
from hw.link import PAGE_BYTES, ZERO_PAGE
from sim.base.value import Value

SECTOR_BYTES = 512
_SAMPLE = 64  # stores between two looks at the capacity, if not fewer
_EXTENTS = 4096  # of one answer; a client asks again from where it ends


class RequestError(Exception):
    """A request that is answered with an error.

    Attributes:
        number: the errno.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"{errno.errorcode[number]}: {reason}")
        self.number = number


class Usage(Value):
    """The media at one moment: pages stored, bytes that they take, and their bytes per 1000 bytes taken (None while
    they take none)."""

    resident_pages: int
    used_bytes: int
    ratio_per_mille: int | None

    @classmethod
    def of(cls, capacity: Capacity) -> Usage:
        """From what the driver reports."""
        pages, used = capacity.resident_pages, capacity.used_bytes
        return cls(
            resident_pages=pages,
            used_bytes=used,
            ratio_per_mille=pages * PAGE_BYTES * 1000 // used if used else None,
        )


class Disk:
    """The first `size` bytes of the device's perceived pages. One request at a time.

    Attributes:
        size: bytes.
        counts: requests by kind, pages by what became of them, refusals by errno name.
        peak: the media when the most pages were seen on it.
    """

    def __init__(self, device: CramDevice, size: int) -> None:
        if size % PAGE_BYTES or not 0 < size <= device.geometry.perceived_pages * PAGE_BYTES:
            raise ValueError(f"size is {size}, expected whole pages, at most what the device shows")
        self.size = size
        self.counts = dict.fromkeys(
            ("reads", "writes", "zeroes", "trims", "flushes", "statuses", "pages_read", "pages_written",
             "pages_dropped", "partial_pages_written", "enospc", "eio", "einval"), 0
        )  # fmt: skip
        self.peak = Usage(resident_pages=0, used_bytes=0, ratio_per_mille=None)
        self._device = device
        self._room = 0  # stores that find room for certain
        self._holds = bytearray(size // PAGE_BYTES)  # 1 for each page that may read as something else than zeros

    @classmethod
    async def on(cls, device: CramDevice, size: int) -> Disk:
        """A disk whose device keeps room for rewriting: below it no new page is admitted (docs/driver.md, "Errors")."""
        geometry = device.geometry
        margin = min(geometry.raw_sectors * (geometry.cache_pages + 1), geometry.media_sectors // 2)
        await device.set_pressure_marks(margin, margin, margin)
        disk = cls(device, size)
        if (await device.capacity()).resident_pages:  # whatever they are
            disk._holds[:] = b"\1" * len(disk._holds)
        return disk

    async def read(self, offset: int, length: int) -> bytes:
        """Bytes of the disk; zeros where nothing was written. Raises RequestError (EINVAL, EIO)."""
        self._count("reads", offset, length)
        parts = []
        for page, start, count in _pages(offset, length):
            data = await self._load(page)
            parts.append(data if count == PAGE_BYTES else data[start : start + count])
            self.counts["pages_read"] += 1
        return b"".join(parts)

    async def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write to the disk.

        Raises RequestError: EINVAL; ENOSPC where the device has no room, EIO where part of a lost page is written.
        Pages before the refused one have been written, it and those behind it are as they were.
        """
        self._count("writes", offset, len(data))
        done = 0
        for page, start, count in _pages(offset, len(data)):
            part = bytes(data[done : done + count])
            done += count
            if count == PAGE_BYTES:
                await self._store(page, part)
            else:
                await self._patch(page, start, part)
            self.counts["pages_written"] += 1

    async def zero(self, offset: int, length: int) -> None:
        """Make bytes read as zeros. Whole pages are dropped: no page of zeros takes room, so none is kept for them.

        Raises RequestError as `write` does.
        """
        self._count("zeroes", offset, length)
        await self._drop(offset, length)
        for page, start, count in _pages(offset, length):
            if count < PAGE_BYTES:
                await self._patch(page, start, bytes(count))

    async def trim(self, offset: int, length: int) -> None:
        """Drop the pages that lie wholly inside; what lies at the edges stays. Raises RequestError (EINVAL, EIO)."""
        self._count("trims", offset, length)
        await self._drop(offset, length)

    async def flush(self) -> None:
        """Close every dirty page. Raises RequestError (EIO)."""
        self._count("flushes", 0, 0)
        try:
            await self._device.flush()
        except CramError as error:
            raise self._refuse(errno.EIO, str(error)) from error

    def extents(self, offset: int, length: int) -> list[tuple[int, bool]]:
        """What is where from `offset` on: (bytes, True for data), in turn; the rest is free and reads as zeros.

        The answer may end before the range does, where that would be long. Raises RequestError (EINVAL)."""
        self._count("statuses", offset, length)
        found: list[tuple[int, bool]] = []
        end = offset + length
        while offset < end and len(found) < _EXTENTS:
            page = offset // PAGE_BYTES
            holds = self._holds[page]
            other = self._holds.find(1 - holds, page)
            until = end if other < 0 else min(end, other * PAGE_BYTES)
            found.append((until - offset, bool(holds)))
            offset = until
        return found

    async def usage(self) -> Usage:
        """The media, once the device is at rest; `peak` takes notice."""
        await self._device.settle()
        usage = Usage.of(await self._device.capacity())
        if usage.resident_pages >= self.peak.resident_pages:
            self.peak = usage
        return usage

    # Inside

    async def _load(self, page: int) -> bytes:
        try:
            return await self._device.load(page)
        except CramError as error:
            raise self._refuse(errno.EIO, str(error)) from error

    async def _store(self, page: int, data: bytes) -> None:
        """Replace a page. One that is poison is replaced as a bad sector is by writing it."""
        try:
            await self._make_room(page)
            if data != ZERO_PAGE:
                self._holds[page] = 1
            try:
                await self._device.store(page, data)
            except PagePoisoned:
                await self._device.trim([page])
                await self._device.store(page, data)
        except DeviceFull as error:
            raise self._refuse(errno.ENOSPC, str(error)) from error
        except CramError as error:
            raise self._refuse(errno.EIO, str(error)) from error
        if data == ZERO_PAGE:
            self._holds[page] = 0

    async def _make_room(self, page: int) -> None:
        """Raise DeviceFull unless the device has the room that a store needs.

        A store that the device finds no room for makes its page poison; a disk that is full must keep what it has.
        Nobody else writes, and pages that are closed meanwhile only give room back.
        """
        if self._room:
            self._room -= 1
            return
        capacity = await self._device.capacity()
        raw = self._device.geometry.raw_sectors
        if capacity.available_sectors < raw:
            await self._device.flush()
            capacity = await self._device.capacity()
        if capacity.resident_pages > self.peak.resident_pages:
            self.peak = Usage.of(capacity)
        if capacity.available_sectors < raw:
            raise DeviceFull(page)
        self._room = min(capacity.available_sectors // raw, _SAMPLE) - 1

    async def _patch(self, page: int, start: int, data: bytes) -> None:
        """Replace part of a page."""
        before = await self._load(page)
        await self._store(page, before[:start] + data + before[start + len(data) :])
        self.counts["partial_pages_written"] += 1

    async def _drop(self, offset: int, length: int) -> None:
        first, last = -(-offset // PAGE_BYTES), (offset + length) // PAGE_BYTES
        if first >= last:
            return
        try:
            await self._device.trim(range(first, last))
        except CramError as error:
            raise self._refuse(errno.EIO, str(error)) from error
        self._holds[first:last] = bytes(last - first)
        self.counts["pages_dropped"] += last - first

    def _count(self, kind: str, offset: int, length: int) -> None:
        """Count a request, and refuse it unless it is whole sectors of the disk."""
        self.counts[kind] += 1
        if offset < 0 or length < 0 or offset + length > self.size:
            raise self._refuse(errno.EINVAL, f"{length} bytes at {offset}, the disk has {self.size}")
        if offset % SECTOR_BYTES or length % SECTOR_BYTES:
            raise self._refuse(errno.EINVAL, f"{length} bytes at {offset}, expected whole sectors of {SECTOR_BYTES}")

    def _refuse(self, number: int, reason: str) -> RequestError:
        self.counts[errno.errorcode[number].lower()] += 1
        return RequestError(number, reason)


def _pages(offset: int, length: int) -> Iterator[tuple[int, int, int]]:
    """(page, first byte in it, bytes of it) of each page that a range touches."""
    end = offset + length
    while offset < end:
        page, start = divmod(offset, PAGE_BYTES)
        count = min(PAGE_BYTES - start, end - offset)
        yield page, start, count
        offset += count
