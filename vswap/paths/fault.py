"""Page faults (docs/vswap/faults.md). One object per fault; each case is a method that ends with the PTE changed, or
with nothing done and the fault looked at again, because something else changed it meanwhile."""

from __future__ import annotations

from vswap.base.backing import IN_FOLIO, PHYSICAL, Backing, BackingType
from vswap.base.errors import AlreadyCached, OutOfMemory, SegmentationFault, SigBus, SlotGone
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.paths import large
from vswap.paths.reclaim import Reclaim
from vswap.state import rmap
from vswap.state.machine import Machine
from vswap.tiers.base import Poisoned, TierError

MAX_FRAMES_PER_FAULT = 64
"""Frames that a fault may ask for: one whose page is reclaimed each time before it can be copied makes no progress."""


async def handle_fault(machine: Machine, reclaim: Reclaim, table: PageTable, vpn: int, *, write: bool) -> None:
    """Make the PTE allow the access. Raises SigBus, OutOfMemory, SegmentationFault."""
    machine.counters.pgfault += 1
    await machine.clock.sleep(machine.costs.fault)
    fault = Fault(machine, reclaim, table, vpn, write=write)
    try:
        await fault.resolve()
    finally:
        fault.release_spare()


class Fault:
    """One access that the PTE does not allow."""

    def __init__(self, machine: Machine, reclaim: Reclaim, table: PageTable, vpn: int, *, write: bool) -> None:
        self.machine = machine
        self._reclaim = reclaim
        self._table = table
        self._vpn = vpn
        self._write = write
        self._spare: Folio | None = None  # allocated before any folio lock is taken: reclaim may need those locks
        self._allocations = 0
        self._single = not machine.config.mthp_orders  # it has to be done with one page
        self._wanted: Memcg | None = None  # a frame charged to this group

    async def resolve(self) -> None:
        """Handle cases until the access is allowed."""
        while True:
            self.machine.check()
            if self._table.dead:
                raise SegmentationFault(f"{self._table.name} has exited")
            if self._wanted is not None:
                await self._allocate(self._wanted)
                continue
            pte = self._table.get(self._vpn)
            if pte is None:
                await self._zero_fill()
            elif pte.allows(self._write):
                return
            elif pte.state is PteState.SOFTLEAF:
                await self._softleaf(pte)
            elif pte.state is PteState.DRAM:
                await self._write_protected(pte)
            else:
                await self._write_to_cram(pte)

    def release_spare(self) -> None:
        """Give back the frame that was not needed after all."""
        if self._spare is not None:
            self.machine.memory.release(self._spare)
            self._spare = None

    # Cases

    async def _zero_fill(self) -> None:
        """First access to an anonymous page."""
        if not self._single:
            if await large.zero_fill(self.machine, self._table, self._vpn):
                return
            self._single = True
        if self._no_frame(self._table.memcg):
            return
        await self.machine.clock.sleep(self.machine.costs.page_zero)
        if self._table.get(self._vpn) is None and not self._table.dead:
            rmap.map_new(self.machine, self._table, self._vpn, self._take_spare())

    async def _softleaf(self, pte: Pte) -> None:
        """The PTE names a slot: use the swap cache's folio, or become the one who brings it in."""
        machine = self.machine
        folio = machine.cache.lookup(pte.slot)
        if folio is None:
            await self._swap_in(pte)
            return
        await folio.lock.acquire()
        try:
            if not machine.cache.holds(pte.slot, folio) or self.pte_changed(pte):
                return
            if isinstance(folio, CramFolio):
                if self._write:
                    await self.write_to_device_page(pte, folio)
                else:
                    rmap.map_page(machine, self._table, self._vpn, folio, writable=False, exclusive=pte.exclusive)
                    machine.counters.soft_faults += 1
            else:
                machine.counters.swap_cache_hits += 1
                self.map_cached(pte, folio)
        finally:
            rmap.unlock(machine, folio)

    async def _swap_in(self, pte: Pte) -> None:
        """Pin the slot with a folio of ours and load it (do_swap_page)."""
        machine = self.machine
        if not self._single:
            if await large.swap_in(machine, self._table, self._vpn, pte):
                return
            self._single = True
            if self.pte_changed(pte):
                return
        memcg = machine.layer.memcg_of(pte.slot)
        if self._no_frame(memcg if memcg.online else self._table.memcg):
            return
        assert self._spare is not None
        folio = self._spare
        folio.lock.try_acquire()  # private, so free
        try:
            machine.cache.pin(pte.slot, folio)
        except AlreadyCached:
            folio.lock.release()
            return
        except SlotGone:  # nothing can have come between the look at the PTE and the pin: a lost reference
            folio.lock.release()
            raise
        self._spare = None
        machine.counters.pgmajfault += 1
        backing = machine.slots.backing(pte.slot)  # stable from here on: we hold the lock and the pin
        try:
            await machine.clock.sleep(machine.costs.swap_machinery)
            folio.data = await machine.placement.load(backing, folio.memcg)
        except BaseException as error:
            rmap.drop(machine, folio)
            folio.lock.release()
            if not isinstance(error, TierError):
                raise
            if not self.pte_changed(pte):
                raise self._sigbus(error) from error
            return
        self._loaded(folio, pte.slot, backing)
        if not self.pte_changed(pte):
            self.map_cached(pte, folio)
        rmap.unlock(machine, folio)

    def _loaded(self, folio: Folio, slot: int, backing: Backing) -> None:
        """A locked folio has the page of its slot: is the tier's copy kept, and did it leave too early?"""
        machine = self.machine
        assert folio.memcg is not None
        if backing.type is BackingType.ZSWAP:
            machine.counters.zswpin += 1
            folio.memcg.count("zswpin")
            machine.layer.change_backing(slot, IN_FOLIO)  # the compressed copy goes; only we have the data
        else:
            folio.dirty = False
            if backing.type in PHYSICAL:
                machine.counters.pswpin += 1
                folio.memcg.count("pswpin")
        rmap.refaulted(machine, folio, slot)
        machine.memory.add(folio)

    async def _write_protected(self, pte: Pte) -> None:
        """A write to a read-only DRAM page (do_wp_page): reuse it if it is ours alone, else copy it."""
        machine = self.machine
        folio = pte.dram
        await folio.lock.acquire()
        try:
            if self.pte_changed(pte):
                return
            shared = folio.mapped(pte.index) > 1 or (
                bool(folio.slot) and machine.slots.swap_count(folio.slot + pte.index) > 0
            )
            if pte.exclusive or not shared:
                self._reuse(pte, folio)
                return
            if self._no_frame(self._table.memcg):
                return
            # Under the lock: reclaim must not take the page again and again just before it is copied.
            await machine.clock.sleep(machine.costs.page_copy + machine.costs.tlb_shootdown)
            if not self.pte_changed(pte):
                machine.counters.cow += 1
                self._map_copy(pte, folio.pages[pte.index])
        finally:
            rmap.unlock(machine, folio)

    def _reuse(self, pte: Pte, folio: Folio) -> None:
        """Let the only user of a locked folio's page write to it (wp_page_reuse)."""
        machine = self.machine
        if folio.order and rmap.named(machine, folio):
            large.split(machine, folio)  # others need the slots of other pages: look again at this one's
            return
        if folio.slot:
            machine.cache.delete(folio)  # a copy on a tier would be stale in a moment
        folio.dirty = True
        folio.lazyfree = False
        rmap.map_page(machine, self._table, self._vpn, folio, writable=True, exclusive=True, index=pte.index)

    async def _write_to_cram(self, pte: Pte) -> None:
        """A write to a present read-only CRAM page."""
        folio = pte.cram
        await folio.lock.acquire()
        try:
            if not self.pte_changed(pte):
                await self.write_to_device_page(pte, folio)
        finally:
            rmap.unlock(self.machine, folio)

    # Steps, under the folio lock

    async def write_to_device_page(self, pte: Pte, folio: CramFolio) -> None:
        """Writable in place within the budget, else promote.

        Accesses through PTEs that are gone by now may still be under way: a load that must not see what we are going to
        store in place, or a store from before a fork that our copy must contain.
        """
        machine = self.machine
        await folio.drain()
        if self.pte_changed(pte):
            return
        residents = machine.residents
        if residents.may_make_writable(folio) and (pte.exclusive or residents.references(folio) == 1):
            if folio.slot:
                residents.reap_slot(folio)
            rmap.map_page(machine, self._table, self._vpn, folio, writable=True, exclusive=True)
            machine.counters.made_writable += 1
            return
        if self._no_frame(self._table.memcg):
            return
        try:
            data = await folio.tier.load(folio.page)
        except TierError as error:
            folio.poisoned |= isinstance(error, Poisoned)
            if self.pte_changed(pte):
                return
            raise self._sigbus(error) from error
        shootdown = machine.costs.tlb_shootdown if pte.state is PteState.CRAM else 0
        await machine.clock.sleep(machine.costs.page_copy + shootdown)
        if self.pte_changed(pte):
            return
        machine.counters.promotions += 1
        self._map_copy(pte, data, of=folio)
        if rmap.unreferenced(machine, folio):
            await residents.release(folio)

    def map_cached(self, pte: Pte, folio: Folio) -> None:
        """Map a locked folio of the swap cache."""
        rmap.map_cached(self.machine, self._table, self._vpn, pte, folio)

    def _map_copy(self, pte: Pte, data: bytes, of: CramFolio | None = None) -> None:
        """Map a copy of the page for this PTE alone; for a page that was on the device that is a refault."""
        new = self._take_spare()
        new.data = data
        if of is not None and of.slot:
            rmap.refaulted(self.machine, new, of.slot)
        rmap.map_new(self.machine, self._table, self._vpn, new)
        rmap.forget(self.machine, self._table, self._vpn, pte)

    # Helpers

    def pte_changed(self, pte: Pte) -> bool:
        """The PTE is not the one this case was chosen for (pte_same)."""
        return self._table.get(self._vpn) is not pte

    async def _allocate(self, memcg: Memcg) -> None:
        """Get the frame that a case has asked for. Raises OutOfMemory."""
        self.release_spare()
        self._allocations += 1
        if self._allocations > MAX_FRAMES_PER_FAULT:
            memcg.events["oom"] += 1
            raise OutOfMemory(f"page {self._vpn} of {self._table.name} thrashes: {memcg.name} is too small")
        self._spare = await self._reclaim.allocate(memcg)
        self._wanted = None

    def _no_frame(self, memcg: Memcg) -> bool:
        """True when the case needs a frame of this group first; it is run again with one."""
        if self._spare is not None and self._spare.memcg is memcg:
            return False
        self._wanted = memcg
        return True

    def _take_spare(self) -> Folio:
        folio, self._spare = self._spare, None
        assert folio is not None
        return folio

    def _sigbus(self, cause: TierError) -> SigBus:
        self.machine.counters.sigbus += 1
        return SigBus(self._table.name, self._vpn, cause)
