# SPDX-License-Identifier: MIT
"""zram: a compressed block device in DRAM, used as a swap device (docs/vswap/tiers.md, "zram")."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from hw.clock import Clock
from hw.link import PAGE_BYTES
from vswap.base.backing import BackingType
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.slots.reverse import ReverseMap
from vswap.tiers.base import Full, IoError, Usage
from vswap.tiers.compressors import LZ4, Compressor
from vswap.tiers.zram_backing import BackingDevice
from vswap.tiers.zsmalloc import Allocation, Frames, ZsPool

Mode = Literal["idle", "huge", "huge_idle", "incompressible"]
"""Which pages: those that nobody has used since they were marked, those that are kept raw, those that are both, those
that the second compressor makes no smaller."""


@dataclass(slots=True, eq=False)
class _Block:
    data: bytes  # compressed, raw when it does not shrink, the word of a same-filled page, nothing when written back
    room: Allocation | None  # None for a same-filled page, and for one on the backing device
    compressor: Compressor
    written: int | None = None  # its block on the backing device
    idle: bool = False
    incompressible: bool = False

    @property
    def huge(self) -> bool:
        """It is kept raw."""
        return len(self.data) == PAGE_BYTES

    def chosen(self, mode: Mode) -> bool:
        """It is one of those in DRAM that a mode names."""
        if self.room is None:
            return False
        if mode == "incompressible":
            return self.incompressible
        return (self.idle or mode == "huge") and (self.huge or mode == "idle")


class ZramTier:
    """Blocks 1 .. `pages` of a device whose content lies compressed in DRAM. Unlike zswap it keeps what does not shrink
    (raw), and keeps its copy when a page is read.

    Its administrator may mark pages as idle, write pages to a backing device, and compress them once more with another
    compressor; `upkeep` does all three.

    Attributes:
        blocks: what is stored, by place.
        free_places: places for the next stores.
        backing: the backing device, if there is one.
        writeback_limit: pages that may still be written there; None for no limit.
    """

    type = BackingType.ZRAM

    def __init__(
        self,
        clock: Clock,
        costs: Costs,
        counters: Counters,
        frames: Frames,
        *,
        pages: int,
        limit_pages: int | None = None,
        compressor: Compressor = LZ4,
        recompressor: Compressor | None = None,
        backing_pages: int = 0,
    ) -> None:
        """`pages`: its disksize. `limit_pages`: DRAM that it may take (mem_limit), None for no limit. `recompressor`:
        the second one (recomp_algorithm). `backing_pages`: size of the backing device, 0 for none."""
        self._clock = clock
        self._costs = costs
        self._counters = counters
        self._pool = ZsPool(frames)
        self._compressor = compressor
        self._recompressor = recompressor
        self.backing = BackingDevice(clock, costs, counters, backing_pages) if backing_pages else None
        self.writeback_limit: int | None = None
        self._pages = pages
        self._limit_pages = limit_pages
        self.free_places: deque[int] = deque(range(1, pages + 1))
        self.blocks: dict[int, _Block] = {}
        self._owners = ReverseMap(pages + 1)
        self._most_pages = 0
        self._raw_since = 0

    async def store(self, data: bytes, slot: int) -> int:
        """See Tier. Full without a free block, at the memory limit, or without frames."""
        if not self.free_places:
            raise Full("the zram device has no free block")
        place = self.free_places.popleft()
        try:
            block = await self._compress(bytes(data))
        except BaseException:
            self.free_places.append(place)
            raise
        self.blocks[place] = block
        self._owners[place] = slot
        self._counters.pswpout += 1
        return place

    async def load(self, handle: int) -> bytes:
        """See Tier. Raises IoError when the block does not decompress to a page."""
        block = self.blocks[handle]
        block.idle = False
        return await self._page(block, handle)

    async def _page(self, block: _Block, handle: int) -> bytes:
        if block.written is not None:
            assert self.backing is not None
            return await self.backing.read(block.written)
        if block.room is None:
            await self._clock.sleep(self._costs.page_zero)
            return block.data * (PAGE_BYTES // len(block.data))
        if block.huge:
            await self._clock.sleep(self._costs.page_copy)
            return block.data
        await self._clock.sleep(block.compressor.decompress_ns(self._costs))
        try:
            return block.compressor.page(block.data, f"zram block {handle}")
        except IoError:
            self._counters.io_errors += 1
            raise

    def free(self, handle: int) -> None:
        """See Tier (swap_slot_free_notify: the room comes back at once)."""
        del self._owners[handle]
        self._drop(self.blocks.pop(handle))
        self.free_places.append(handle)

    def reown(self, handle: int, slot: int) -> None:
        """See Tier."""
        self._owners.reown(handle, slot)

    def handles(self) -> dict[int, int]:
        """See Tier."""
        return self._owners.copy()

    def usage(self) -> Usage:
        """See Tier."""
        return Usage(len(self.blocks), self._pages)

    async def flush(self) -> None:
        """See Tier; nothing is batched."""

    def close(self) -> None:
        """See Tier."""
        if self.backing is not None:
            self.backing.close()

    @property
    def pool_pages(self) -> int:
        """DRAM pages it takes now."""
        return self._pool.pages

    def mm_stat(self) -> dict[str, int]:
        """zram's mm_stat under its names: sizes in bytes, the others in pages."""
        raw = sum(block.huge for block in self.blocks.values())
        return {
            "orig_data_size": len(self.blocks) * PAGE_BYTES,
            "compr_data_size": sum(len(block.data) for block in self.blocks.values() if block.room is not None),
            "mem_used_total": self._pool.pages * PAGE_BYTES,
            "mem_limit": (self._limit_pages or 0) * PAGE_BYTES,
            "mem_used_max": self._most_pages * PAGE_BYTES,
            "same_pages": sum(block.room is None and block.written is None for block in self.blocks.values()),
            "pages_compacted": 0,
            "huge_pages": raw,
            "huge_pages_since": self._raw_since,
        }

    def bd_stat(self) -> dict[str, int]:
        """zram's bd_stat under its names, pages; nothing without a backing device."""
        return self.backing.stat() if self.backing is not None else {}

    # What its administrator does (Documentation/admin-guide/blockdev/zram.rst)

    def mark_idle(self) -> None:
        """All pages count as idle, until each is read or replaced."""
        for block in self.blocks.values():
            block.idle = block.room is not None

    async def write_back(self, mode: Mode) -> int:
        """Write pages to the backing device, as far as its room and the limit go; how many left DRAM. A same-filled
        page takes nothing, and stays. Raises IoError."""
        written = 0
        for place, block in list(self.blocks.items()):
            if self.backing is None or self.writeback_limit == 0:
                break
            if self.blocks.get(place) is not block or not block.chosen(mode):
                continue
            page = await self._page(block, place)
            try:
                there = await self.backing.write(page)
            except Full:
                break
            if self.blocks.get(place) is not block or block.room is None:  # freed, or replaced, meanwhile
                self.backing.free(there)
                continue
            self.blocks[place] = _Block(b"", None, block.compressor, written=there)
            self._drop(block)
            written += 1
            if self.writeback_limit is not None:
                self.writeback_limit -= 1
        return written

    async def recompress(self, mode: Mode, threshold: int = 0) -> int:
        """Compress pages once more with the second compressor, those of at least `threshold` bytes; how many became
        smaller. One that it makes no smaller is incompressible."""
        smaller = 0
        for place, block in list(self.blocks.items()):
            again = self._recompressor
            if again is None or block.compressor is again or len(block.data) < threshold or block.incompressible:
                continue
            if self.blocks.get(place) is not block or not block.chosen(mode):
                continue
            page = await self._page(block, place)
            await self._clock.sleep(again.compress_ns(self._costs))
            data = min(again.compress(page), page, key=len)
            if self.blocks.get(place) is not block or block.room is None:
                continue
            block.idle = False
            block.incompressible = self._pool.size_class(len(data)).bytes >= block.room.size_class.bytes
            room = None if block.incompressible else self._pool.allocate(len(data))
            if room is None:
                continue
            self.blocks[place] = _Block(data, room, again)
            self._drop(block)
            smaller += 1
        return smaller

    async def upkeep(self) -> None:
        """What was not used since the last time is compressed once more; what that was done to before, or cannot be, is
        written back. All is idle then. After an I/O error the page stays where it is until the next time."""
        with suppress(IoError):
            await self.recompress("idle")
            await self.write_back("idle")
        self.mark_idle()

    def damage(self, handle: int) -> None:
        """Fault injection: the block loses its end."""
        block = self.blocks[handle]
        block.data = block.data[: len(block.data) // 2]

    # Inside

    def _drop(self, block: _Block) -> None:
        """Give up what a block takes that is in `blocks` no more."""
        if block.room is not None:
            self._pool.free(block.room)
        block.room = None
        if block.written is not None:
            assert self.backing is not None
            self.backing.free(block.written)

    async def _compress(self, data: bytes) -> _Block:
        if data[8:] == data[:-8]:
            return _Block(data[:8], None, self._compressor)
        await self._clock.sleep(self._compressor.compress_ns(self._costs))
        content = self._compressor.compress(data)
        if len(content) >= PAGE_BYTES:
            content = data
        needed = self._pool.pages + self._pool.pages_needed(len(content))
        if self._limit_pages is not None and needed > self._limit_pages:
            raise Full("the zram device is at its memory limit")
        room = self._pool.allocate(len(content))
        if room is None:
            raise Full("no frame for the zram device")
        self._most_pages = max(self._most_pages, self._pool.pages)
        self._raw_since += len(content) == PAGE_BYTES
        return _Block(content, room, self._compressor)
