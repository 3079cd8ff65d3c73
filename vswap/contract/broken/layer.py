# SPDX-License-Identifier: MIT
"""Breakages of the layer around the tiers: patches, each on top of one of our own tiers."""

from __future__ import annotations

from vswap.base.backing import Backing
from vswap.base.errors import VswapError
from vswap.contract import backends
from vswap.contract.broken.registry import Patcher, layer
from vswap.mm.cache import SwapCache
from vswap.mm.folio import AnyFolio, CramFolio, Folio
from vswap.mm.inflight import InFlight
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PageTable, Pte
from vswap.paths import pageout
from vswap.paths.fault import Fault
from vswap.paths.pageout import Leaving, Pageout
from vswap.paths.writeback import Writeback
from vswap.paths.zswap_writeback import ZswapWriteback
from vswap.slots.direct import AnySlots
from vswap.slots.table import SlotTable
from vswap.state import rmap
from vswap.state.machine import Machine


@layer(backends.swapfile)
def swap_charge_leaked(patch: Patcher) -> None:
    """A slot that loses its physical backing stays charged to its group."""
    patch.replace(Memcg, "uncharge_swap", lambda *_: None)


@layer(backends.zswap)
def writeback_without_a_pin(patch: Patcher) -> None:
    """Writeback uses the backing it has read without a pin, while a swap-in or a free takes it away."""
    original = ZswapWriteback.write_back

    async def broken(self: ZswapWriteback, memcg: Memcg | None = None, *, may_reclaim: bool = False) -> bool:
        slots, zswap = self.machine.slots, self.machine.tiers.zswap
        assert zswap is not None
        victim = zswap.oldest(memcg)
        if victim is None or not slots.alive(victim[1]):
            return await original(self, memcg, may_reclaim=may_reclaim)
        handle, slot = victim
        data = await zswap.load(handle)
        backing = await self.machine.placement.write_out(data, slot, self.later)
        if backing is None or not slots.alive(slot):
            return False
        if slots.pinned(slot):
            slots.set_backing(slot, backing)
        else:
            _set_unpinned(slots, slot, backing)
        zswap.free(handle)
        return True

    patch.replace(ZswapWriteback, "write_back", broken)


def _set_unpinned(slots: AnySlots, slot: int, backing: Backing) -> None:
    slots.pin(slot)
    slots.set_backing(slot, backing)
    slots.unpin(slot)


@layer(backends.zswap)
def two_faults_skip_the_swap_cache(patch: Patcher) -> None:
    """A fault that finds the slot pinned by another one loads the page all the same, and maps a folio of its own."""
    patch.replace(SwapCache, "holds", lambda *_: True)


@layer(backends.zswap)
def lost_dirty_bit(patch: Patcher) -> None:
    """A page that came back from zswap is believed to be clean, so reclaim drops the only copy."""
    original = rmap.map_cached

    def broken(machine: Machine, table: PageTable, vpn: int, pte: Pte, folio: Folio, **how: bool) -> Pte:
        folio.dirty = False
        return original(machine, table, vpn, pte, folio, **how)

    patch.replace(rmap, "map_cached", broken)


@layer(backends.swapfile)
def stale_copy_after_a_rewrite(patch: Patcher) -> None:
    """A page in the swap cache is written to while its copy on the device stays valid."""

    original = SwapCache.delete

    def broken(self: SwapCache, folio: AnyFolio) -> None:
        if isinstance(folio, Folio):
            folio.dirty = False
        else:
            original(self, folio)

    patch.replace(SwapCache, "delete", broken)


@layer(backends.zram)
def failed_store_drops_the_folio(patch: Patcher) -> None:
    """No tier took the page, and reclaim frees it all the same."""
    original = Pageout.finish

    async def broken(self: Pageout) -> list[Leaving]:
        refused = await original(self)
        for folio in [leaving.folio for leaving in refused]:
            if folio.slot and not (folio.dead or folio.mappers) and folio.lock.try_acquire():
                rmap.drop(self.machine, folio)
                folio.lock.release()
        return refused

    patch.replace(Pageout, "finish", broken)


@layer(backends.swapfile)
def failed_request_taken_for_done(patch: Patcher) -> None:
    """The end of a request does not look at its error: the folio is clean, and the device has other bytes."""
    original = InFlight.end
    patch.replace(InFlight, "end", lambda self, folio, failed: original(self, folio, failed=False))


@layer(backends.swapfile)
def page_cleaned_at_the_end_of_its_write(patch: Patcher) -> None:
    """The end of a write cleans the folio and its PTEs, although somebody has written to it since the write began."""
    original = InFlight.end

    def broken(self: InFlight, folio: AnyFolio, *, failed: bool) -> None:
        original(self, folio, failed=failed)
        if isinstance(folio, Folio):
            folio.dirty = failed
            for table, vpn in folio.mappers:
                pte = table.get(vpn)
                assert pte is not None
                pte.dirty = False

    patch.replace(InFlight, "end", broken)


@layer(backends.cram)
def device_page_leaves_although_mapped_meanwhile(patch: Patcher) -> None:
    """At the end of its write to a later tier a page leaves the device, whoever has mapped it since."""
    original = Writeback.end

    def broken(self: Writeback, folio: CramFolio, backing: Backing) -> bool:
        held, folio.mappers = folio.mappers, set()
        try:
            return original(self, folio, backing)
        finally:
            folio.mappers = held

    patch.replace(Writeback, "end", broken)


@layer(backends.swapfile)
def slot_given_up_under_writeback(patch: Patcher) -> None:
    """A fault takes a page out of the swap cache while the device is writing it: its place is free too early."""
    original = rmap.map_cached

    def broken(machine: Machine, table: PageTable, vpn: int, pte: Pte, folio: Folio, **options: bool) -> Pte:
        under_way, folio.writeback = folio.writeback, False
        try:
            return original(machine, table, vpn, pte, folio, **options)
        finally:
            folio.writeback = under_way

    patch.replace(rmap, "map_cached", broken)


@layer(backends.zram)
def stable_page_changed_under_writeback(patch: Patcher) -> None:
    """A page is written to while a device that needs its bytes as they are takes them."""
    original = rmap.map_cached

    def broken(machine: Machine, table: PageTable, vpn: int, pte: Pte, folio: Folio, **options: bool) -> Pte:
        stable, folio.stable = folio.stable, False
        try:
            return original(machine, table, vpn, pte, folio, **options)
        finally:
            folio.stable = stable

    patch.replace(rmap, "map_cached", broken)


@layer(backends.cram)
def device_page_replaces_a_folio_in_use(patch: Patcher) -> None:
    """At the end of its write a device page takes the place of a folio that a fault has mapped meanwhile."""
    patch.replace(pageout, "unused", lambda folio: not folio.dead)


@layer(backends.cram)
def page_given_up_under_a_load(patch: Patcher) -> None:
    """A device page is trimmed while a task's load of it is under way."""

    async def broken(self: CramFolio) -> None:
        return

    patch.replace(CramFolio, "drain", broken)


@layer(backends.cram)
def writable_page_over_the_budget(patch: Patcher) -> None:
    """The budget is compared with the pages ever made writable, minus one."""
    original = Fault.write_to_device_page

    async def broken(self: Fault, pte: Pte, folio: CramFolio) -> Pte | None:
        self.machine.residents.writable -= 1
        try:
            return await original(self, pte, folio)
        finally:
            self.machine.residents.writable += 1

    patch.replace(Fault, "write_to_device_page", broken)


@layer(backends.cram)
def device_pages_are_nobodys_memory(patch: Patcher) -> None:
    """memory.max is compared with the folios in DRAM only: a group holds as much again on a device."""
    patch.replace(Memcg, "resident", property(lambda self: self.folio_pages))


@layer(backends.swapfile)
def reference_dropped_twice(patch: Patcher) -> None:
    """The slot of a page that is dropped loses two references, now and then."""
    original = SlotTable.put

    def broken(self: SlotTable, slot: int) -> Backing | None:
        backing = original(self, slot)
        if backing is None and slot % 3 == 0:
            try:
                return original(self, slot)
            except VswapError:
                return None
        return backing

    patch.replace(SlotTable, "put", broken)
