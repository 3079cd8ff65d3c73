# SPDX-License-Identifier: MIT
"""zram: a compressed block device in DRAM, used as a swap device (docs/vswap/tiers.md, "zram")."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from hw.clock import Clock
from hw.link import PAGE_BYTES
from vswap.base.backing import BackingType
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.slots.reverse import ReverseMap
from vswap.tiers.base import Full, IoError, Usage
from vswap.tiers.compressors import LZ4, Compressor
from vswap.tiers.zsmalloc import Allocation, Frames, ZsPool


@dataclass(slots=True)
class _Block:
    data: bytes  # compressed, the page itself when it does not shrink, or the 8-byte word of a same-filled page
    room: Allocation | None  # None for a same-filled page


class ZramTier:
    """Blocks 1 .. `pages` of a device whose content lies compressed in DRAM. Unlike zswap it keeps what does not shrink
    (raw), keeps its copy when a page is read, and writes nothing back.

    Attributes:
        blocks: what is stored, by place.
        free_places: places for the next stores.
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
    ) -> None:
        """`pages`: its disksize. `limit_pages`: DRAM that it may take (mem_limit), None for no limit."""
        self._clock = clock
        self._costs = costs
        self._counters = counters
        self._pool = ZsPool(frames)
        self._compressor = compressor
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
        if block.room is None:
            await self._clock.sleep(self._costs.page_zero)
            return block.data * (PAGE_BYTES // len(block.data))
        if len(block.data) == PAGE_BYTES:
            await self._clock.sleep(self._costs.page_copy)
            return block.data
        await self._clock.sleep(self._compressor.decompress_ns(self._costs))
        try:
            return self._compressor.page(block.data, f"zram block {handle}")
        except IoError:
            self._counters.io_errors += 1
            raise

    def free(self, handle: int) -> None:
        """See Tier (swap_slot_free_notify: the room comes back at once)."""
        del self._owners[handle]
        room = self.blocks.pop(handle).room
        if room is not None:
            self._pool.free(room)
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
        """See Tier; nothing is held."""

    @property
    def pool_pages(self) -> int:
        """DRAM pages it takes now."""
        return self._pool.pages

    def mm_stat(self) -> dict[str, int]:
        """zram's mm_stat under its names: sizes in bytes, the others in pages."""
        raw = sum(len(block.data) == PAGE_BYTES for block in self.blocks.values())
        return {
            "orig_data_size": len(self.blocks) * PAGE_BYTES,
            "compr_data_size": sum(len(block.data) for block in self.blocks.values() if block.room is not None),
            "mem_used_total": self._pool.pages * PAGE_BYTES,
            "mem_limit": (self._limit_pages or 0) * PAGE_BYTES,
            "mem_used_max": self._most_pages * PAGE_BYTES,
            "same_pages": sum(block.room is None for block in self.blocks.values()),
            "pages_compacted": 0,
            "huge_pages": raw,
            "huge_pages_since": self._raw_since,
        }

    def damage(self, handle: int) -> None:
        """Fault injection: the block loses its end."""
        block = self.blocks[handle]
        block.data = block.data[: len(block.data) // 2]

    # Inside

    async def _compress(self, data: bytes) -> _Block:
        if data[8:] == data[:-8]:
            return _Block(data[:8], None)
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
        return _Block(content, room)
