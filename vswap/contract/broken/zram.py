# SPDX-License-Identifier: MIT
"""Broken zrams, and a broken zero test."""

from __future__ import annotations

from typing import Any

from hw.link import PAGE_BYTES
from vswap.contract import backends
from vswap.contract.bench import Backend
from vswap.contract.broken.registry import tier
from vswap.tiers.zero import ZeroTier
from vswap.tiers.zram import ZramTier


@tier(lambda bench, kind: Backend(kind(bench.clock, bench.costs, bench.counters)))
class ZeroByItsStart(ZeroTier):
    """The zero test stops before the last word."""

    async def store(self, data: bytes, slot: int) -> int:
        return await super().store(data[:-8] + bytes(8), slot)


@tier(backends.zram)
class ZramTwoWritersLeakAHandle(ZramTier):
    """Two stores for one slot share the block that the second one overwrites: the first one's room is lost."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._by_slot: dict[int, int] = {}

    async def store(self, data: bytes, slot: int) -> int:
        place = self._by_slot.setdefault(slot, self.free_places[0]) if self.free_places else 0
        handle = await super().store(data, slot)
        if place in self.blocks and place != handle:
            self.blocks[place] = self.blocks.pop(handle)
            return place
        return handle

    def free(self, handle: int) -> None:
        self._by_slot = {slot: place for slot, place in self._by_slot.items() if place != handle}
        super().free(handle)


@tier(backends.zram)
class ZramRawPageCutOff(ZramTier):
    """A page that does not shrink is kept at its compressed size."""

    async def load(self, handle: int) -> bytes:
        data = await super().load(handle)
        return data[:-16] + bytes(16) if len(self.blocks[handle].data) == PAGE_BYTES else data


@tier(backends.zram)
class ZramDoubleFreeAccepted(ZramTier):
    """The free of a block that is free already passes, and the block is in the free list twice."""

    def free(self, handle: int) -> None:
        if handle in self.blocks:
            super().free(handle)
        else:
            self.free_places.append(handle)


@tier(backends.zram)
class ZramPlaceLostWithAKilledTask(ZramTier):
    """A task that is killed inside a store takes the block with it."""

    async def store(self, data: bytes, slot: int) -> int:
        place = self.free_places.popleft() if self.free_places else 0
        await self._clock.sleep(60)
        if place:
            self.free_places.appendleft(place)
        return await super().store(data, slot)
