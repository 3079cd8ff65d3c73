# SPDX-License-Identifier: MIT
"""The swapfile: a real file of 4 KiB slots (docs/vswap/tiers.md, "Swapfile").

page 0: header, "SWAPSPACE2" at byte 4086 as mkswap writes it     page 1 ..: slots 1 ..
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from hw.clock import Clock
from hw.link import PAGE_BYTES
from vswap.base.backing import BackingType
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.base.errors import VswapError
from vswap.slots.reverse import ReverseMap
from vswap.tiers.base import Full, IoError, Usage

SIGNATURE = b"SWAPSPACE2"
_SIGNATURE_AT = PAGE_BYTES - len(SIGNATURE)
_DISCARD_BATCH = 64
_KEEP_SIZE, _PUNCH_HOLE = 0x01, 0x02  # FALLOC_FL_*, linux/falloc.h


class SwapfileError(VswapError):
    """The file cannot serve as a swapfile."""


class SwapfileTier:
    """Slots 1 .. `pages` of a file. Freed slots are discarded in batches by punching holes, and only then used again.

    Attributes:
        owners: the slots in use, each with the virtual slot whose page it has.
        used: the map: 1 in use or waiting for its discard; `next` is where a search begins.
        discarding: freed slots whose discard is to come.
        can_discard: the file system makes holes, as far as is known.
    """

    type = BackingType.SWAPFILE
    stable_writes = False

    def __init__(
        self, clock: Clock, costs: Costs, counters: Counters, path: Path, *, pages: int, fsync: bool = False
    ) -> None:
        """Open `path`, or create it. An existing file is taken only when it carries a swap signature.

        Raises:
            SwapfileError: it is something else, or cannot be opened.
        """
        self._clock = clock
        self._costs = costs
        self._counters = counters
        self._fsync = fsync
        self._pages = pages
        self.used = bytearray(pages + 1)
        self.used[0] = 1  # the header
        self.next = 1
        self.owners = ReverseMap(pages + 1)
        self.discarding: list[int] = []
        self.can_discard = True
        self._bad: set[int] = set()  # damaged places
        self._written_at = 0  # when all that it was given to write so far has gone over its bus, ns
        self._read_at = 0  # the same of what it was to read: the bus has two directions
        self._fd = self._open(path)

    async def store(self, data: bytes, slot: int) -> int:
        """See Tier. Raises Full, IoError."""
        place = self._take()
        try:
            await self.write(place, [data])
        except BaseException:
            self.used[place] = 0
            raise
        self.owners[place] = slot
        self._counters.pswpout += 1
        return place

    def reserve(self, slot: int, count: int = 1) -> int:
        """See QueuedTier. Full without as many free slots in a row."""
        first = self._take() if count == 1 else self.take_run(count)
        for number in range(count):
            self.owners[first + number] = slot + number
        self._counters.pswpout += count
        return first

    async def write(self, handle: int, pages: Sequence[bytes]) -> None:
        """See QueuedTier. A request takes `swapfile_write`; those under way share the bus."""
        costs = self._costs
        now = self._clock.now
        self._written_at = max(now, self._written_at) + len(pages) * costs.swapfile_transfer
        await self._clock.sleep(self._written_at - now + max(0, costs.swapfile_write - costs.swapfile_transfer))
        try:
            for place, data in enumerate(pages, handle):
                self.write_place(place, data)
        except OSError as error:
            self._counters.io_errors += 1
            raise IoError(f"swapfile write, slots from {handle}: {error}") from error

    async def load(self, handle: int) -> bytes:
        """See Tier. Raises IoError."""
        await self._read_request(1)
        return self._page(handle)

    async def read(self, handle: int, count: int) -> list[bytes | IoError]:
        """See QueuedTier. A request takes `swapfile_read`, and `swapfile_transfer` for each page after the first."""
        await self._read_request(count)
        pages: list[bytes | IoError] = []
        for place in range(handle, handle + count):
            try:
                pages.append(self._page(place))
            except IoError as error:
                pages.append(error)
        return pages

    async def _read_request(self, count: int) -> None:
        costs, now = self._costs, self._clock.now
        begins = max(now, self._read_at)
        self._read_at = begins + count * costs.swapfile_transfer
        await self._clock.sleep(begins - now + costs.swapfile_read + (count - 1) * costs.swapfile_transfer)

    def _page(self, handle: int) -> bytes:
        try:
            data = self.read_place(handle)
        except OSError as error:
            self._counters.io_errors += 1
            raise IoError(f"swapfile read, slot {handle}: {error}") from error
        if len(data) != PAGE_BYTES:
            self._counters.io_errors += 1
            raise IoError(f"swapfile read, slot {handle}: the file ends after {len(data)} bytes of it")
        return data

    def free(self, handle: int) -> None:
        """See Tier."""
        del self.owners[handle]
        self.discarding.append(handle)
        if len(self.discarding) >= _DISCARD_BATCH:
            self._discard()

    def reown(self, handle: int, slot: int) -> None:
        """See Tier."""
        self.owners.reown(handle, slot)

    def handles(self) -> dict[int, int]:
        """See Tier."""
        return self.owners.copy()

    def usage(self) -> Usage:
        """See Tier."""
        return Usage(len(self.owners), self._pages)

    async def flush(self) -> None:
        """See Tier: discard what was freed."""
        self._discard()

    def close(self) -> None:
        """See Tier: discard, flush to stable storage when asked for, close the file."""
        if self._fd < 0:
            return
        self._discard()
        if self._fsync:
            os.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1

    @property
    def file_number(self) -> int:
        """Of the open file, -1 when closed."""
        return self._fd

    def damage(self, handle: int) -> None:
        """Fault injection: the slot cannot be read until it is written again."""
        self._bad.add(handle)

    # The file

    def _open(self, path: Path) -> int:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SwapfileError(f"{path}: {error.strerror}; name a file that can be created") from error
        try:
            if os.fstat(fd).st_size and os.pread(fd, len(SIGNATURE), _SIGNATURE_AT) != SIGNATURE:
                raise SwapfileError(f"{path}: exists and is not a swapfile; name another file")
            os.ftruncate(fd, PAGE_BYTES * (self._pages + 1))
            os.pwrite(fd, SIGNATURE, _SIGNATURE_AT)
        except OSError as error:
            os.close(fd)
            raise SwapfileError(f"{path}: {error.strerror}; name a file on a disk with room") from error
        except SwapfileError:
            os.close(fd)
            raise
        return fd

    def write_place(self, place: int, data: bytes) -> None:
        """Write one slot; OSError where the file fails."""
        self._bad.discard(place)
        if os.pwrite(self._fd, data, place * PAGE_BYTES) != PAGE_BYTES:
            raise OSError("short write")

    def read_place(self, place: int) -> bytes:
        """Read one slot; OSError where the file fails."""
        if place in self._bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return os.pread(self._fd, PAGE_BYTES, place * PAGE_BYTES)

    def _take(self) -> int:
        place = self.find_free()
        if place < 0:
            self._discard()
            place = self.find_free()
        if place < 0:
            raise Full("the swapfile has no free slot")
        self.used[place] = 1
        self.next = place + 1
        return place

    def take_run(self, count: int) -> int:
        """Take as many free slots in a row, aligned like the folio."""
        for attempt in range(2):
            if attempt:
                self._discard()
            for first in range(count, self._pages + 2 - count, count):
                if not any(self.used[first : first + count]):
                    self.used[first : first + count] = b"\1" * count
                    return first
        raise Full(f"the swapfile has no {count} free slots in a row")

    def find_free(self) -> int:
        """A slot that is free, -1 when there is none."""
        place = self.used.find(0, self.next)
        return place if place >= 0 else self.used.find(0)

    def _discard(self) -> None:
        """Punch out freed slots, runs at a time, and make them usable. A file system without holes only loses the
        punch."""
        places = sorted(self.discarding)
        self.discarding.clear()
        start = 0
        for i in range(1, len(places) + 1):
            if i == len(places) or places[i] != places[i - 1] + 1:
                self.punch(places[start], i - start)
                start = i
        for place in places:
            self.used[place] = 0

    def punch(self, place: int, count: int) -> None:
        """Make a hole of so many slots."""
        if not self.can_discard:
            return
        answer = _fallocate(self._fd, _KEEP_SIZE | _PUNCH_HOLE, place * PAGE_BYTES, count * PAGE_BYTES)
        if answer == 0:
            self._counters.discarded += count
        else:
            self.can_discard = False


_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def _fallocate(fd: int, mode: int, offset: int, length: int) -> int:
    return int(_libc.fallocate(fd, mode, offset, length))
