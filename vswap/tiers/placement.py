# SPDX-License-Identifier: MIT
"""Placement: how a page gets onto a tier, and off it (docs/vswap/tiers.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from hw.clock import Clock
from vswap.base.backing import PHYSICAL, Backing, BackingType
from vswap.base.costs import Costs
from vswap.base.counters import Counters
from vswap.mm.folio import CramNode
from vswap.mm.memcg import Memcg
from vswap.slots.layer import Layer
from vswap.tiers.base import Full, Gone, IoError, QueuedTier, Tier, TierError
from vswap.tiers.cram import CramTier
from vswap.tiers.lz4block import Block, block_tier
from vswap.tiers.tierset import TierSet

_STORED = {
    BackingType.ZERO: "swpout_zero",
    BackingType.ZSWAP: "zswpout",
    BackingType.SWAPFILE: "pswpout",
    BackingType.ZRAM: "pswpout",
    BackingType.OTHER: "pswpout",
}  # what a store counts for its group, as the tiers do for the machine

MakeRoom = Callable[[Memcg], Awaitable[bool | None]]
"""Makes a group that is at its zswap.max write one of its entries back; true when it has."""


class Placement:
    """Stores pages on the first tier that takes them and that their group may use; loads them from there.

    Attributes:
        layer: says whose the slots are, and where their data may be.
        charging: swap charges of stores under way, by group.
    """

    def __init__(self, clock: Clock, costs: Costs, counters: Counters, tiers: TierSet, layer: Layer[Any]) -> None:
        self._clock = clock
        self._costs = costs
        self._counters = counters
        self._tiers = tiers
        self.layer = layer
        self.charging: Counter[Memcg] = Counter()

    async def load(self, backing: Backing, memcg: Memcg | None) -> bytes:
        """The page behind a backing on a tier, for a folio of this group. The caller holds the pin. Raises
        TierError."""
        if backing.type is BackingType.LOST:
            raise Gone("the device that had the page is gone")
        data = await self._tiers[backing.tier].load(backing.handle)
        self._counters.count_loaded(self._tiers.name(backing.tier))
        if backing.type is BackingType.ZERO and memcg is not None:
            memcg.count("swpin_zero")
        return data

    async def load_run(self, tier: QueuedTier, first: Backing, count: int) -> list[bytes | IoError]:
        """The pages of so many places on a swap device in one request, each or why it cannot be read. The caller holds
        the pins."""
        pages = await tier.read(first.handle, count)
        self._counters.count_loaded(self._tiers.name(first.tier), sum(isinstance(page, bytes) for page in pages))
        return pages

    async def write_out(
        self, page: bytes | Block, slot: int, order: Sequence[Tier], make_room: MakeRoom | None = None
    ) -> Backing | None:
        """Store a page on the first tier that takes it and that its group may use; None when there is none. A block is
        passed on as it is to a tier that takes blocks, and decompressed for the others.

        A swap device is charged before the store; the charge stays until the slot loses that backing. `make_room` is
        called where the group is at its zswap.max; without it zswap is passed over then.

        Raises:
            IoError: the block is damaged.
        """
        for tier in self._tiers.candidates(order):
            blocks = block_tier(tier) if isinstance(page, Block) else None
            if isinstance(page, Block) and blocks is not None:
                handle = await self.store_on(tier, slot, partial(blocks.store_block, page, slot), make_room)
            else:
                if isinstance(page, Block):
                    await self._clock.sleep(self._costs.zswap_decompress)
                    page = page.page(f"block of slot {slot}")
                handle = await self.store_on(tier, slot, partial(tier.store, page, slot), make_room)
            if handle is not None:
                self._counters.blocks_passed += blocks is not None
                return self._tiers.place(tier, handle)
        return None

    async def read_out(self, tier: Tier | CramNode, handle: int, order: Sequence[Tier]) -> bytes | Block:
        """A page that is to be moved to one of the tiers of `order`: as a block, where it is one and a tier takes
        blocks. Raises TierError."""
        blocks = block_tier(tier)
        if blocks is not None and any(block_tier(later) for later in order):
            block = await blocks.export_block(handle)
            if block is not None:
                return block
        return await tier.load(handle)

    async def store_on(
        self,
        tier: Tier,
        slot: int,
        store: Callable[[], Awaitable[int]],
        make_room: MakeRoom | None = None,
        pages: int = 1,
    ) -> int | None:
        """Let `store` put the pages of `slot` and those after it on a tier; its handle, None where the tier refuses or
        the group may not use it."""
        memcg = self.layer.memcg_of(slot)
        if not await self._admitted(memcg, tier, make_room):
            return None
        if tier in self._tiers.offline:  # since
            return None
        if not self.layer.may_hold(self._tiers.key(tier), slot):
            return None
        charge = pages if self.layer.charges_at_store(tier.type) else 0
        if charge and not memcg.try_charge_swap(charge):
            return None
        self._tiers.storing[tier] += 1
        self.charging[memcg] += charge
        stored = False
        try:
            handle = await store()
            stored = True
        except TierError:
            return None
        finally:
            self._tiers.storing[tier] -= 1
            self.charging[memcg] -= charge
            if not stored:
                memcg.uncharge_swap(charge)
        self._count_stored(tier, memcg, pages)
        return handle

    async def store_on_node(self, node: CramTier, data: bytes) -> int | None:
        """Store a page that is to have no slot on a node; the device page, None where the node refuses."""
        if node in self._tiers.offline:  # since
            return None
        self._tiers.storing[node] += 1
        try:
            page = await node.store(data, 0)
        except TierError:
            return None
        finally:
            self._tiers.storing[node] -= 1
        self._counters.count_stored(self._tiers.name(self._tiers.key(node)))
        return page

    def reserve(self, tier: QueuedTier, slot: int, pages: int = 1) -> Backing | None:
        """Places on a swap device for the pages of `slot` and those after it, charged to their group: the first one.
        None where the device has no room, or the group may not use it. The caller gives the slots that backing, in the
        same step, and writes there."""
        memcg = self.layer.memcg_of(slot)
        if not self._may_use_devices(memcg) or not self.layer.may_hold(self._tiers.key(tier), slot):
            return None
        charge = pages if self.layer.charges_at_store(tier.type) else 0
        if charge and not memcg.try_charge_swap(charge):
            return None
        try:
            handle = tier.reserve(slot, pages)
        except Full:
            memcg.uncharge_swap(charge)
            return None
        self._count_stored(tier, memcg, pages)
        return self._tiers.place(tier, handle)

    def _count_stored(self, tier: Tier, memcg: Memcg, pages: int) -> None:
        """Pages have gone to a tier. For the machine the tiers count them under the kernel's names, but for a swap
        device of one's own, which knows nothing of counters."""
        self._counters.count_stored(self._tiers.name(self._tiers.key(tier)), pages)
        self._counters.pswpout += pages if tier.type is BackingType.OTHER else 0
        if tier.type in _STORED:
            memcg.count(_STORED[tier.type], pages)

    def _may_use_devices(self, memcg: Memcg) -> bool:
        """zswap.writeback = 0 keeps a group off the swap devices, as long as there is zswap."""
        zswap = self._tiers.zswap
        return zswap is None or zswap in self._tiers.offline or memcg.may_write_back()

    async def _admitted(self, memcg: Memcg, tier: Tier, make_room: MakeRoom | None) -> bool:
        """The group may use the tier. At zswap.max its oldest entry has to go first."""
        zswap = self._tiers.zswap
        if tier.type in PHYSICAL:
            return self._may_use_devices(memcg)
        if tier is not zswap or memcg.may_zswap():
            return True
        return make_room is not None and bool(await make_room(memcg))
