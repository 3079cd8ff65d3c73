# SPDX-License-Identifier: MIT
"""zswap: pages compressed into a pool that is taken out of DRAM (docs/vswap/tiers.md, "zswap")."""

from __future__ import annotations

import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from hw.clock import Clock
from hw.link import PAGE_BYTES
from vswap.base.backing import BackingType
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.mm.memcg import Memcg, MemcgTree
from vswap.tiers.base import Full, IoError, Rejected, Usage
from vswap.tiers.compressors import LZ4, Compressor
from vswap.tiers.lz4block import Block
from vswap.tiers.zsmalloc import Allocation, Frames, ZsPool


@dataclass
class Entry:
    """A page in zswap."""

    slot: int
    block: bytes  # compressed, the page itself where it does not shrink, or the 8-byte word of a same-filled page
    room: Allocation | None  # None for a same-filled page: it takes nothing from the pool
    memcg: Memcg
    crc: int = 0  # of the page, where it is in the pool
    charged: int = 0  # bytes of the block while it is in the pool
    referenced: bool = True


class ZswapTier:
    """A compressed pool with a limit, an accept threshold and an LRU of its entries for each memory control group.

    Attributes:
        root: of the groups; the default of `oldest`.
        memcg_of: the group of a slot.
        entries: what is stored, by handle.
        pool: the room that blocks take.
        was_full: a store was refused at the limit, and the pool has not come down to the accept threshold since.
        limit_pages: most pages that the pool takes; at the limit it is full and refuses stores.
        accept_pages: once full, stores are accepted again when the pool is at or below this.
        keep_incompressible: a page that does not shrink is kept as it is, where its group may write it back later; else
            it is rejected (zswap_compress of kernels since 6.18; earlier ones always reject it).
        compressor: what makes blocks of pages.
        same_filled: a page of one word has an entry that takes nothing from the pool (before 6.12).
    """

    type = BackingType.ZSWAP

    def __init__(
        self,
        clock: Clock,
        costs: Costs,
        counters: Counters,
        frames: Frames,
        *,
        memory_pages: int,
        max_pool_percent: int,
        accept_threshold_percent: int,
        keep_incompressible: bool = False,
        same_filled: bool = True,
        compressor: Compressor = LZ4,
        memcgs: MemcgTree | None = None,
        memcg_of: Callable[[int], Memcg] | None = None,
    ) -> None:
        """`memcg_of` tells the group, out of `memcgs`, of a slot; without it all are the root's."""
        self._clock = clock
        self._costs = costs
        self._counters = counters
        self.keep_incompressible = keep_incompressible
        self.same_filled = same_filled
        self.compressor = compressor
        self.pool = ZsPool(frames)
        self.entries: dict[int, Entry] = {}
        self._lrus: dict[Memcg, OrderedDict[int, None]] = {}  # of each group the pool's entries, oldest first
        self.root = (memcgs or MemcgTree()).root
        self.memcg_of: Callable[[int], Memcg] = memcg_of or (lambda _: self.root)
        self._next_handle = 1
        self.was_full = False
        self._full_event = clock.event()
        self._accept_threshold_percent = accept_threshold_percent
        self.limit(memory_pages, max_pool_percent)

    def limit(self, memory_pages: int, max_pool_percent: int) -> None:
        """Let the pool take this share of the memory, whatever it takes now (max_pool_percent)."""
        self.limit_pages = memory_pages * max_pool_percent // 100
        self.accept_pages = self.limit_pages * self._accept_threshold_percent // 100

    async def store(self, data: bytes, slot: int) -> int:
        """See Tier. Full at the pool limit or without frames; Rejected when the page does not shrink."""
        if self.same_filled and data[8:] == data[:-8]:
            return self.insert(Entry(slot, data[:8], None, self.memcg_of(slot)))
        if not self.accepting():
            raise Full("the zswap pool is at its limit")
        await self._clock.sleep(self.compressor.compress_ns(self._costs))
        block = self.compressor.compress(data)
        if len(block) >= PAGE_BYTES:
            if not (self.keep_incompressible and self.memcg_of(slot).may_write_back()):
                self._counters.reject_compress_poor += 1
                raise Rejected("the page does not shrink")
            block = data
        return self._keep(block, zlib.crc32(data), slot)

    async def store_block(self, block: Block, slot: int) -> int:
        """See BlockTier."""
        if not self.accepting():
            raise Full("the zswap pool is at its limit")
        await self._clock.sleep(self._costs.page_copy)
        return self._keep(block.data, block.crc, slot)

    async def export_block(self, handle: int) -> Block | None:
        """See BlockTier; None for a same-filled page, and for one that is kept as it is."""
        entry = self.entries[handle]
        return None if entry.room is None or len(entry.block) == PAGE_BYTES else Block(entry.block, entry.crc)

    def _keep(self, block: bytes, crc: int, slot: int) -> int:
        if self.pool.pages + self.pool.pages_needed(len(block)) > self.limit_pages:
            self.hit_limit()
            raise Full("the zswap pool is at its limit")
        room = self.pool.allocate(len(block))
        if room is None:
            self._counters.reject_alloc_fail += 1
            raise Full("no frame for the zswap pool")
        return self.insert(Entry(slot, block, room, self.memcg_of(slot), crc))

    async def load(self, handle: int) -> bytes:
        """See Tier. Raises IoError when the block does not decompress to the page that it was."""
        entry = self.entries[handle]
        if entry.room is None:
            await self._clock.sleep(self._costs.page_zero)
            return entry.block * (PAGE_BYTES // len(entry.block))
        if len(entry.block) == PAGE_BYTES:
            await self._clock.sleep(self._costs.page_copy)
            if zlib.crc32(entry.block) != entry.crc:
                raise IoError(f"zswap entry {handle}: its CRC does not match")
            return entry.block
        await self._clock.sleep(self.compressor.decompress_ns(self._costs))
        page = self.compressor.page(entry.block, f"zswap entry {handle}")
        if zlib.crc32(page) != entry.crc:
            raise IoError(f"zswap entry {handle}: its CRC does not match")
        return page

    def free(self, handle: int) -> None:
        """See Tier."""
        entry = self.entries.pop(handle)
        if entry.room is not None:
            del self.lru(entry.memcg)[handle]
            self.pool.free(entry.room)
            entry.memcg.charge_zswap(-entry.charged)

    def reown(self, handle: int, slot: int) -> None:
        """See Tier."""
        self.entries[handle].slot = slot

    def handles(self) -> dict[int, int]:
        """See Tier."""
        return {handle: entry.slot for handle, entry in self.entries.items()}

    def usage(self) -> Usage:
        """See Tier."""
        return Usage(len(self.entries), None)

    async def flush(self) -> None:
        """See Tier; nothing is batched."""

    def close(self) -> None:
        """See Tier; nothing is held."""

    def damage(self, handle: int) -> None:
        """Fault injection: the entry's block loses its end."""
        entry = self.entries[handle]
        entry.block = entry.block[: len(entry.block) // 2]

    # The shrinker's view

    @property
    def pool_pages(self) -> int:
        """DRAM pages the pool takes now (zswap's pool_total_size / 4096)."""
        return self.pool.pages

    @property
    def same_filled_pages(self) -> int:
        """Entries outside the pool."""
        return len(self.entries) - sum(map(len, self._lrus.values()))

    @property
    def stored_incompressible_pages(self) -> int:
        """Entries kept as they are, by the name of zswap's debugfs."""
        return sum(len(entry.block) == PAGE_BYTES for entry in self.entries.values())

    def charges(self) -> Counter[Memcg]:
        """Compressed bytes of each group."""
        held: Counter[Memcg] = Counter()
        for entry in self.entries.values():
            held[entry.memcg] += entry.charged
        return held

    def oldest(self, memcg: Memcg | None = None) -> tuple[int, int] | None:
        """(handle, slot) of the entry of a group (by default the root) to write back next: the oldest one that was not
        referenced since it was last passed. A referenced one gets its second chance at the young end
        (shrink_memcg_cb)."""
        group = memcg or self.root
        lru = self.lru(group)
        while lru and self.give_second_chance(group):
            pass
        handle = next(iter(lru), None)
        return None if handle is None else (handle, self.entries[handle].slot)

    def give_second_chance(self, memcg: Memcg) -> bool:
        """Pass over the oldest entry of a group, which has some, if it was referenced since it was last passed."""
        lru = self.lru(memcg)
        handle = next(iter(lru))
        entry = self.entries[handle]
        if not entry.referenced:
            return False
        entry.referenced = False
        lru.move_to_end(handle)
        return True

    def rotate(self, handle: int) -> None:
        """The entry could not be written back now: let others go first."""
        entry = self.entries.get(handle)
        if entry is not None and entry.room is not None:
            self.lru(entry.memcg).move_to_end(handle)

    def reparent(self, memcg: Memcg) -> None:
        """A group was removed: its entries are its parent's to write back."""
        entries = self._lrus.pop(memcg, None)
        if entries:
            self.lru(memcg).update(entries)

    def lru(self, memcg: Memcg) -> OrderedDict[int, None]:
        """The handles that are written back in the turn of a group, oldest first."""
        return self._lrus.setdefault(memcg.online_ancestor(), OrderedDict())

    def over_threshold(self) -> bool:
        """The pool was full and has not come down to the accept threshold yet: the shrinker has work."""
        return self.was_full and self.pool.pages > self.accept_pages

    async def wait_full(self) -> None:
        """Wait until a store was refused at the limit."""
        await self._full_event.wait()
        self._full_event.clear()

    def accepting(self) -> bool:
        """Stores are accepted now (zswap_check_limits)."""
        if self.pool.pages >= self.limit_pages:
            self.hit_limit()
        elif self.pool.pages <= self.accept_pages:
            self.was_full = False
        if self.was_full:
            self._full_event.set()  # the shrinker is wanted
        return not self.was_full

    def hit_limit(self) -> None:
        """A store is refused at the limit. Linux lets the one that reaches it pass, and looks before the next."""
        self.was_full = True
        self._counters.pool_limit_hit += 1
        self._full_event.set()

    def insert(self, entry: Entry) -> int:
        """Join the LRU last and complete, so that the shrinker never sees a half-built entry."""
        handle = self._next_handle
        self._next_handle += 1
        self.entries[handle] = entry
        if entry.room is not None:
            self.lru(entry.memcg)[handle] = None
            entry.charged = len(entry.block)
            entry.memcg.charge_zswap(entry.charged)
        self._counters.zswpout += 1
        return handle
