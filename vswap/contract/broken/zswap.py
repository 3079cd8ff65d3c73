# SPDX-License-Identifier: MIT
"""Broken zswaps."""

from __future__ import annotations

import zlib
from typing import Any

import lz4.block

from hw.link import PAGE_BYTES
from vswap.contract import backends
from vswap.contract.broken.registry import tier
from vswap.mm.memcg import Memcg
from vswap.tiers.base import Full, Rejected
from vswap.tiers.compressors import LZ4
from vswap.tiers.lz4block import Block
from vswap.tiers.zswap import Entry, ZswapTier


@tier(backends.zswap)
class ZswapStaleCopyAfterFailedStore(ZswapTier):
    """A store that fails answers with the older copy of the same slot: the old bytes come back as if they were new."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept: dict[int, bytes] = {}

    async def store(self, data: bytes, slot: int) -> int:
        try:
            handle = await super().store(data, slot)
        except Rejected:
            if slot not in self._kept:
                raise
            return await super().store(self._kept[slot], slot)
        self._kept[slot] = data
        return handle


@tier(backends.zswap)
class ZswapExclusiveLoad(ZswapTier):
    """A load gives up the entry: whoever fails after it has lost the page."""

    async def load(self, handle: int) -> bytes:
        data = await super().load(handle)
        self.entries[handle].block = b""
        return data


@tier(backends.zswap)
class ZswapSharedDecompressBuffer(ZswapTier):
    """All loads decompress into one buffer, which another load overwrites before it is copied."""

    _buffer = b""

    async def load(self, handle: int) -> bytes:
        self._buffer = await super().load(handle)
        await self._clock.sleep(50)
        return self._buffer


@tier(backends.zswap)
class ZswapChargeLeak(ZswapTier):
    """A free forgets the frames of the pool."""

    def free(self, handle: int) -> None:
        if self.entries[handle].room is not None:
            del self.lru(self.root)[handle]
        del self.entries[handle]


@tier(backends.zswap)
class ZswapLruInversion(ZswapTier):
    """The newest entries are written back first."""

    def oldest(self, memcg: Memcg | None = None) -> tuple[int, int] | None:
        for handle in reversed(self.lru(memcg or self.root)):
            return handle, self.entries[handle].slot
        return None


@tier(backends.zswap)
class ZswapShrinkerOnADeadEntry(ZswapTier):
    """The shrinker's cursor stays on an entry that was freed."""

    _cursor: tuple[int, int] | None = None

    def oldest(self, memcg: Memcg | None = None) -> tuple[int, int] | None:
        if self._cursor is None:
            self._cursor = super().oldest(memcg)
            return self._cursor
        cursor, self._cursor = self._cursor, None
        return cursor


@tier(backends.zswap)
class ZswapIncompressibleStorm(ZswapTier):
    """Pages that do not shrink are kept in the pool as they are, at more than their size."""

    async def store(self, data: bytes, slot: int) -> int:
        try:
            return await super().store(data, slot)
        except Rejected:
            room = self.pool.allocate(PAGE_BYTES)
            if room is None:
                raise
            return self.insert(Entry(slot, data, room, self.memcg_of(slot)))

    async def load(self, handle: int) -> bytes:
        block = self.entries[handle].block
        return block if len(block) == PAGE_BYTES else await super().load(handle)


@tier(backends.zswap)
class ZswapLimitCheckedBeforeCompressing(ZswapTier):
    """The limit is looked at, then the page is compressed, then room is taken: several at once pass the limit."""

    async def store(self, data: bytes, slot: int) -> int:
        if data[8:] == data[:-8]:
            return await super().store(data, slot)
        if self.pool.pages >= self.limit_pages:
            self.hit_limit()
            raise Full("the zswap pool is at its limit")
        await self._clock.sleep(self._costs.zswap_compress)
        block = lz4.block.compress(data, store_size=False)
        room = self.pool.allocate(len(block)) if len(block) < PAGE_BYTES else None
        if room is None:
            raise Rejected("the page does not shrink")
        return self.insert(Entry(slot, block, room, self.memcg_of(slot), zlib.crc32(data)))


@tier(backends.zswap)
class ZswapBlockBelievedWithoutItsCrc(ZswapTier):
    """A block that was passed on is decompressed, and nobody looks whether the page is the one that it was."""

    async def load(self, handle: int) -> bytes:
        entry = self.entries[handle]
        return LZ4.page(entry.block, "an entry") if entry.room is not None else await super().load(handle)


@tier(backends.zswap)
class ZswapBlockCompressedTwice(ZswapTier):
    """A block that is passed in is kept as the beginning of a page."""

    async def store_block(self, block: Block, slot: int) -> int:
        return await self.store(block.data.ljust(PAGE_BYTES, b"\0"), slot)


@tier(backends.zswap)
class ZswapNoHysteresis(ZswapTier):
    """A full pool accepts again as soon as anything was freed, and the shrinker is not asked."""

    def accepting(self) -> bool:
        return self.pool.pages < self.limit_pages


@tier(backends.zswap)
class ZswapHalfBuiltEntry(ZswapTier):
    """The entry is in the lists before its page is compressed."""

    async def store(self, data: bytes, slot: int) -> int:
        handle = self.insert(Entry(slot, data[:8], None, self.memcg_of(slot)))
        await self._clock.sleep(100)
        del self.entries[handle]
        self._counters.zswpout -= 1
        return await super().store(data, slot)


@tier(backends.zswap)
class ZswapSameFilledByItsStart(ZswapTier):
    """A page counts as same-filled when its first half is."""

    async def store(self, data: bytes, slot: int) -> int:
        if data[8:2048] == data[:2040]:
            data = data[:8] * (PAGE_BYTES // 8)
        return await super().store(data, slot)
