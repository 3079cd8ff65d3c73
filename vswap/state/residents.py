# SPDX-License-Identifier: MIT
"""Device pages that are folios: which each node has, and how many are writable (docs/vswap/faults.md)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from hw.clock import Clock, Event
from vswap.base.backing import NO_BACKING, Backing, TierKey
from vswap.base.errors import ContractViolation
from vswap.mm.cache import SwapCache
from vswap.mm.folio import CramFolio, CramNode, Folio
from vswap.mm.memcg import Memcg
from vswap.slots.layer import Layer
from vswap.tiers.base import TierError
from vswap.tiers.tierset import TierSet


class Residents:
    """CRAM folios, from the store that makes one to the moment that it is given up.

    Attributes:
        on: every live CRAM folio of each node, coldest first.
        writable: CRAM pages that are writable now.
        to_fence: pages that were writable and are to be fenced on the device again, by the reaper.
    """

    def __init__(
        self, clock: Clock, tiers: TierSet, layer: Layer[Any], cache: SwapCache, reap_wanted: Event, budget: int
    ) -> None:
        """`budget`: pages that may be writable at once. `reap_wanted` is raised for the trim of one that was given
        up."""
        self._clock = clock
        self._tiers = tiers
        self._layer = layer
        self._cache = cache
        self._reap_wanted = reap_wanted
        self._budget = budget
        self.on: dict[CramNode, OrderedDict[CramFolio, None]] = {tier: OrderedDict() for tier in tiers.crams}
        self._at: dict[CramNode, dict[int, CramFolio]] = {tier: {} for tier in tiers.crams}
        self.writable = 0
        self.to_fence: set[CramFolio] = set()

    @property
    def folios(self) -> list[CramFolio]:
        """Every live CRAM folio."""
        return [folio for folios in self.on.values() for folio in folios]

    def at(self, tier: CramNode, page: int) -> CramFolio | None:
        """The folio of a device page; None where it has none."""
        return self._at[tier].get(page)

    def of(self, key: TierKey) -> list[CramFolio]:
        """Those of one tier; none where it is no CRAM node."""
        return [folio for tier, folios in self.on.items() if self._tiers.key(tier) == key for folio in folios]

    def add(self, backing: Backing, slot: int, memcg: Memcg | None = None) -> CramFolio:
        """The folio of a device page that was just stored for `slot`, or without one for a group. It is charged in the
        place of the folio that the page was in: that one has to go in the same step."""
        tier = self._tiers.cram(backing.tier)
        folio = CramFolio(self._clock, tier, backing.handle, slot, memcg or self._layer.memcg_of(slot))
        folio.memcg.charge_device(self._tiers.node(tier), 1)
        folio.charged = True
        self.on[tier][folio] = None
        self._at[tier][folio.page] = folio
        return folio

    def bury(self, folio: CramFolio) -> None:
        """The device page is no longer this folio's. Raises ContractViolation while an access is under way."""
        if folio.busy:
            raise ContractViolation(f"CRAM page {folio.page} was given up under an access")
        folio.dead = True
        self.to_fence.discard(folio)
        del self.on[folio.tier][folio]
        del self._at[folio.tier][folio.page]
        self._uncharge(folio)

    def hand_charge_to(self, folio: CramFolio, new: Folio) -> None:
        """A page goes from a device folio that is about to be given up to a private folio that is charged to nobody:
        the charge goes with it (mem_cgroup_migrate)."""
        new.memcg = folio.memcg.online_ancestor()
        new.memcg.charge(len(new.pages))
        self._uncharge(folio)

    def _uncharge(self, folio: CramFolio) -> None:
        if folio.charged:
            folio.charged = False
            folio.memcg.charge_device(self._tiers.node(folio.tier), -1)

    async def release(self, folio: CramFolio) -> None:
        """Give up the device page of a locked, unreferenced CRAM folio, once the accesses under way have ended."""
        await folio.drain()
        if folio.slot:
            self._cache.delete(folio)
        else:
            folio.tier.free(folio.page)
            self._reap_wanted.set()
        self.bury(folio)

    # Slots

    def references(self, folio: CramFolio) -> int:
        """PTEs that map a CRAM folio or name its slot."""
        return self._layer.slots.swap_count(folio.slot) if folio.slot else len(folio.mappers)

    def adopt_slot(self, folio: CramFolio) -> None:
        """Give a locked CRAM folio without a slot one, named by its mappers. Raises SlotsExhausted."""
        assert not folio.slot
        slots = self._layer.slots
        cpu = min((table.cpu for table, _ in folio.mappers), default=0)
        slot = self._layer.allocate(folio.memcg, only=self._tiers.device_keys, cpu=cpu)
        self._cache.add(slot, folio)
        slots.set_backing(slot, self._tiers.place(folio.tier, folio.page))
        folio.tier.reown(folio.page, slot)
        for _ in folio.mappers:
            slots.duplicate(slot)

    def reap_slot(self, folio: CramFolio) -> None:
        """Drop the slot of a locked CRAM folio that one PTE names, or those that map it; the device page is the folio's
        own from now on."""
        slots = self._layer.slots
        slots.set_backing(folio.slot, NO_BACKING)
        for _ in range(slots.swap_count(folio.slot)):
            slots.put(folio.slot)  # pinned, so it stays until it leaves the swap cache
        self._cache.delete(folio)
        folio.tier.reown(folio.page, 0)

    # The budget

    def may_make_writable(self, folio: CramFolio) -> bool:
        """One more page may be writable, and a store into this one is as safe as the device can make it. One under
        writeback keeps its slot, and its bytes."""
        free = self.writable < self._budget
        return free and not (folio.tier.closed or folio.poisoned or folio.writeback)

    def make_writable(self, folio: CramFolio) -> None:
        """Count a CRAM folio among the writable ones; its PTE is the caller's to change."""
        folio.writable = True
        self.writable += 1

    def make_read_only(self, folio: CramFolio) -> None:
        """Count a CRAM folio out of the writable ones; its PTE is the caller's to change."""
        if folio.writable:
            folio.writable = False
            self.writable -= 1
            self.fence_again(folio)

    def fence_again(self, folio: CramFolio) -> None:
        """The device may refuse stores to the page again, if it is one that does; the reaper sees to it."""
        if not folio.tier.fenced(folio.page):
            self.to_fence.add(folio)
            self._reap_wanted.set()

    async def fence(self) -> None:
        """Fence what is to be fenced and is still read-only; what fails is tried again next time."""
        for folio in list(self.to_fence):
            await folio.lock.acquire()
            try:
                if not folio.dead and not folio.writable:
                    await folio.tier.set_fence(folio.page, True)
                self.to_fence.discard(folio)
            except TierError:
                pass  # the device says so at the next access
            finally:
                folio.lock.release()
