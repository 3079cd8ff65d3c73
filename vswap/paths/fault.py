# SPDX-License-Identifier: MIT
"""Page faults (docs/vswap/faults.md). One object per fault; each case is a method that ends with the PTE changed, or
with nothing done and the fault looked at again, because something else changed it meanwhile."""

from __future__ import annotations

from vswap.base.errors import AlreadyCached, OutOfMemory, SigBus
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.paths import large, protection, readahead
from vswap.paths.reclaim import Reclaim
from vswap.state import rmap, swapin
from vswap.state.machine import Machine
from vswap.tiers.base import Poisoned, TierError

MAX_FRAMES_PER_FAULT = 64
"""Frames that a fault may ask for: one whose page is reclaimed each time before it can be copied makes no progress."""


async def handle_fault(
    machine: Machine, reclaim: Reclaim, table: PageTable, vpn: int, *, write: bool, pin: bool = False
) -> Pte:
    """Make the PTE allow the access; the one that does. With `pin` it is a page of its own in DRAM. Raises SigBus,
    OutOfMemory, SegmentationFault."""
    machine.counters.pgfault += 1
    await machine.clock.sleep(machine.costs.fault)
    fault = Fault(machine, reclaim, table, vpn, write=write, pin=pin)
    try:
        async with table.mmap_lock.reading():
            pte = await fault.resolve()
            pte.dirty |= write
            return pte
    finally:
        fault.release_spare()


class Fault:
    """One access that the PTE does not allow."""

    def __init__(
        self, machine: Machine, reclaim: Reclaim, table: PageTable, vpn: int, *, write: bool, pin: bool = False
    ) -> None:
        """`pin`: the page is to be pinned for long; a device page that may be written to has to leave the device."""
        self.machine = machine
        self._reclaim = reclaim
        self._table = table
        self._vpn = vpn
        self._write = write
        self._pin = pin
        self._spare: Folio | None = None  # allocated before any folio lock is taken: reclaim may need those locks
        self._allocations = 0
        self._single = not machine.config.mthp_orders  # it has to be done with one page
        self._wanted: tuple[Memcg | None] | None = None  # a frame charged to this group, or to nobody yet

    async def resolve(self) -> Pte:
        """Handle cases until the access is allowed."""
        while True:
            pte = self.machine.walk(self._table, self._vpn, write=self._write)
            if self._wanted is not None:
                await self._allocate(*self._wanted)
                continue
            if pte is None:
                mapped = await self._zero_fill()
            elif pte.state is PteState.SOFTLEAF:
                mapped = await self._softleaf(pte)
            elif pte.state is PteState.MIGRATION:
                mapped = await self._wait_for_migration(pte)
            elif pte.hinted:
                mapped = protection.hint_fault(self.machine, self._table, self._vpn, pte)
            elif self._allowed(pte):
                return pte
            elif pte.state is PteState.ZERO:
                mapped = await self._write_to_zeros(pte)
            else:
                mapped = await (self._write_protected(pte) if pte.state is PteState.DRAM else self._write_to_cram(pte))
            if mapped is not None and self._allowed(mapped):
                return mapped

    def _allowed(self, pte: Pte) -> bool:
        return pte.allows(self._write) and not (self._pin and pte.state is PteState.CRAM)

    def release_spare(self) -> None:
        """Give back the frame that was not needed after all."""
        if self._spare is not None:
            self.machine.memory.release(self._spare)
            self._spare = None

    # Cases: each gives the PTE that it has made, None where the fault is to be looked at again

    async def _zero_fill(self) -> Pte | None:
        """First access to an anonymous page: a read finds the shared page of zeros, a write gets a page of its own."""
        if not self._write:
            pte = Pte.page_of_zeros()
            self._table.set(self._vpn, pte)
            return pte
        if not self._single:
            self._single = not await large.zero_fill(self.machine, self._table, self._vpn)
            return None
        if self._no_frame(self._table.memcg):
            return None
        await self.machine.clock.sleep(self.machine.costs.page_zero)
        if self._table.get(self._vpn) is not None or self._table.dead:
            return None
        return rmap.map_new(self.machine, self._table, self._vpn, self._take_spare())

    async def _write_to_zeros(self, pte: Pte) -> Pte | None:
        """A write to the shared page of zeros."""
        if self._no_frame(self._table.memcg):
            return None
        await self.machine.clock.sleep(self.machine.costs.page_zero + self.machine.costs.tlb_shootdown)
        if not rmap.pte_same(self._table, self._vpn, pte):
            return None
        return rmap.map_new(self.machine, self._table, self._vpn, self._take_spare())

    async def _softleaf(self, pte: Pte) -> Pte | None:
        """The PTE names a slot: use the swap cache's folio, or become the one who brings it in."""
        machine = self.machine
        folio = swapin.find(machine, pte.slot, self._table)
        if isinstance(folio, Memcg):
            return await self._swap_in(pte, folio)
        if isinstance(folio, Folio):
            readahead.found(machine, self._table, self._vpn, folio)
        await folio.lock.acquire()
        try:
            if not swapin.named_by(machine, folio, self._table, self._vpn, pte):
                return None
            if isinstance(folio, Folio):
                machine.counters.swap_cache_hits += 1
                return rmap.map_cached(machine, self._table, self._vpn, pte, folio, write=self._write)
            if self._write:
                return await self.write_to_device_page(pte, folio)
            return self._map_device_page(pte, folio)
        finally:
            rmap.unlock(machine, folio)

    def _map_device_page(self, pte: Pte, folio: CramFolio) -> Pte:
        """A read finds a device page in the swap cache: it is mapped as it is. On a node that is no swap it is there
        since it could not be swapped out: its slot goes with the last softleaf."""
        machine = self.machine
        mapped = rmap.map_page(machine, self._table, self._vpn, folio, writable=False, exclusive=pte.exclusive)
        if not machine.tiers.demotes:
            machine.counters.soft_faults += 1
            return mapped
        machine.counters.swap_cache_hits += 1
        if machine.residents.references(folio) == len(folio.mappers):
            machine.residents.reap_slot(folio)
        return mapped

    async def _wait_for_migration(self, pte: Pte) -> Pte | None:
        """The page is on its way to another node (migration_entry_wait)."""
        folio = pte.folio
        assert folio is not None
        self.machine.counters.migration_waits += 1
        await folio.lock.acquire()
        rmap.unlock(self.machine, folio)
        return None

    async def _swap_in(self, pte: Pte, memcg: Memcg) -> Pte | None:
        """Pin the slot with a folio of ours, charged to this group, and load it."""
        machine = self.machine
        if not self._single:
            self._single = not await large.swap_in(machine, self._table, self._vpn, pte)
            return None
        if self._no_frame(memcg):
            return None
        folio = self._spare
        assert folio is not None
        try:
            backing = swapin.pin(machine, pte.slot, folio)
        except AlreadyCached:
            return None  # SlotGone would be a lost reference: nothing can have come between the look and the pin
        self._spare = None
        machine.counters.pgmajfault += 1
        try:
            await machine.clock.sleep(machine.costs.major_fault + machine.costs.swap_machinery)
            data = await readahead.load(machine, self._table, self._vpn, folio, backing)
        except BaseException as error:
            swapin.abort(machine, folio)
            if not isinstance(error, TierError):
                raise
            self._failed(pte, error)
            return None
        return swapin.finish(machine, self._table, self._vpn, pte, folio, backing, data, write=self._write)

    async def _write_protected(self, pte: Pte) -> Pte | None:
        """A write to a read-only DRAM page (do_wp_page): reuse it if it is ours alone, else copy it; one under
        writeback cannot give its slot up."""
        machine, folio = self.machine, pte.dram
        await folio.lock.acquire()
        try:
            if not rmap.pte_same(self._table, self._vpn, pte):
                return None
            if pte.exclusive or self._reusable(pte, folio):
                return rmap.reuse(machine, self._table, self._vpn, pte, folio)
            if self._no_frame(self._table.memcg):
                return None
            # Under the lock: reclaim must not take the page again and again just before it is copied.
            await machine.clock.sleep(machine.costs.page_copy + machine.costs.tlb_shootdown)
            if not rmap.pte_same(self._table, self._vpn, pte):
                return None
            machine.counters.cow += 1
            new = self._take_spare()
            return rmap.map_copy(machine, self._table, self._vpn, pte, new, folio.pages[pte.index])
        finally:
            rmap.unlock(machine, folio)

    def _reusable(self, pte: Pte, folio: Folio) -> bool:
        """A locked folio is ours alone (wp_can_reuse_anon_folio): of a large one all pages have to be, and kernels
        before 6.15 copy a page of it in any case."""
        machine = self.machine
        if folio.writeback:
            return False
        if not folio.order:
            return not rmap.shared(machine, folio, pte.index)
        if machine.config.profile != "current" or folio.pins:
            return False
        return not (rmap.likely_shared(machine, folio) or rmap.named(machine, folio))

    async def _write_to_cram(self, pte: Pte) -> Pte | None:
        """A write to a present read-only CRAM page."""
        folio = pte.cram
        await folio.lock.acquire()
        try:
            same = rmap.pte_same(self._table, self._vpn, pte)
            return await self.write_to_device_page(pte, folio) if same else None
        finally:
            rmap.unlock(self.machine, folio)

    async def write_to_device_page(self, pte: Pte, folio: CramFolio) -> Pte | None:
        """Under the folio lock: writable in place within the budget, else promote.

        Accesses through PTEs that are gone by now may still be under way: a load that must not see what we are going to
        store in place, or a store from before a fork that our copy must contain.
        """
        machine, residents = self.machine, self.machine.residents
        if not await rmap.pte_same_after_drain(self._table, self._vpn, pte, folio):
            return None
        alone = pte.exclusive or residents.references(folio) == 1  # whoever adds a reference replaces our PTE
        if alone and not self._pin and residents.may_make_writable(folio):
            if folio.tier.fences and not await self._lift_fence(pte, folio):
                return None
            if folio.slot:
                residents.reap_slot(folio)
            mapped = rmap.map_page(machine, self._table, self._vpn, folio, writable=True, exclusive=True)
            if mapped.writable:
                machine.counters.made_writable += 1
            else:  # userfaultfd has protected it while the fence was lifted
                residents.fence_again(folio)
            return mapped
        if self._no_frame(None if alone else self._table.memcg):
            return None
        try:
            data = await folio.tier.load(folio.page)
        except TierError as error:
            folio.poisoned |= isinstance(error, Poisoned)
            self._failed(pte, error)
            return None
        shootdown = machine.costs.tlb_shootdown if pte.state is PteState.CRAM else 0
        await machine.clock.sleep(machine.costs.page_copy + shootdown)
        if not rmap.pte_same(self._table, self._vpn, pte):
            return None
        machine.counters.promotions += 1
        new = self._take_spare()
        mapped = rmap.map_promoted(machine, self._table, self._vpn, pte, folio, new, data)
        if folio.writeback or not rmap.unreferenced(machine, folio):
            return mapped
        await residents.release(folio)  # that may take a while
        return mapped if rmap.pte_same(self._table, self._vpn, mapped) else None

    # Helpers

    async def _lift_fence(self, pte: Pte, folio: CramFolio) -> bool:
        """Let the device take stores to the page; False where that was in vain."""
        residents = self.machine.residents
        try:
            await folio.tier.set_fence(folio.page, False)
        except TierError as error:
            self._failed(pte, error)
            return False
        if rmap.pte_same(self._table, self._vpn, pte) and residents.may_make_writable(folio):
            return True
        residents.fence_again(folio)
        return False

    async def _allocate(self, memcg: Memcg | None) -> None:
        """Get the frame that a case has asked for. Raises OutOfMemory."""
        self.release_spare()
        self._allocations += 1
        if self._allocations > MAX_FRAMES_PER_FAULT:
            group = memcg or self.machine.memory.memcgs.root
            group.meet("oom")
            raise OutOfMemory(f"page {self._vpn} of {self._table.name} thrashes: {group.name} is too small")
        self._spare = await self._reclaim.allocate(memcg)
        self._wanted = None

    def _no_frame(self, memcg: Memcg | None) -> bool:
        """True when the case needs a frame of this group (None: charged to nobody yet) first; it is run again with
        one."""
        if self._spare is not None and self._spare.memcg is memcg:
            return False
        self._wanted = (memcg,)
        return True

    def _take_spare(self) -> Folio:
        folio, self._spare = self._spare, None
        assert folio is not None
        return folio

    def _failed(self, pte: Pte, cause: TierError) -> None:
        """The page cannot be read: look again where the PTE does not need it any more. Raises SigBus."""
        if rmap.pte_same(self._table, self._vpn, pte):
            self.machine.counters.sigbus += 1
            raise SigBus(self._table.name, self._vpn, cause) from cause
