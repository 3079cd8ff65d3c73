"""Page faults (docs/vswap/faults.md). One object per fault; each case is a method that ends with the PTE changed, or
with nothing done and the fault looked at again, because something else changed it meanwhile."""

from __future__ import annotations

from vswap.base.errors import AlreadyCached, OutOfMemory, SegmentationFault, SigBus, SlotGone
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.paths import large
from vswap.slots.table import Backing, BackingType
from vswap.state.core import Core
from vswap.tiers.base import PHYSICAL, Poisoned, TierError

_PATIENCE = 64
"""Frames that a fault may ask for: one whose page is reclaimed each time before it can be copied makes no progress."""


async def handle_fault(core: Core, table: PageTable, vpn: int, *, write: bool) -> None:
    """Make the PTE allow the access. Raises SigBus, OutOfMemory, SegmentationFault."""
    core.counters.pgfault += 1
    await core.pause(core.costs.fault)
    fault = _Fault(core, table, vpn, write)
    try:
        await fault.resolve()
    finally:
        fault.release_spare()


class _Fault:
    def __init__(self, core: Core, table: PageTable, vpn: int, write: bool) -> None:
        self._core = core
        self._table = table
        self._vpn = vpn
        self._write = write
        self._spare: Folio | None = None  # allocated before any folio lock is taken: reclaim may need those locks
        self._allocations = 0
        self._single = False  # it has to be done with one page
        self._wanted: Memcg | None = None  # a frame charged to this group

    async def resolve(self) -> None:
        """Handle cases until the access is allowed."""
        while True:
            self._core.check()
            if self._table.dead:
                raise SegmentationFault(f"{self._table.name} has exited")
            if self._wanted is not None:
                self.release_spare()
                self._allocations += 1
                if self._allocations > _PATIENCE:
                    self._wanted.events["oom"] += 1
                    raise OutOfMemory(
                        f"page {self._vpn} of {self._table.name} thrashes: {self._wanted.name} is too small"
                    )
                self._spare = await self._core.memory.allocate(self._wanted)
                self._wanted = None
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
            self._core.memory.release(self._spare)
            self._spare = None

    # Cases

    async def _zero_fill(self) -> None:
        """First access to an anonymous page."""
        if self._core.config.mthp_orders and not self._single:
            if await large.zero_fill(self._core, self._table, self._vpn):
                return
            self._single = True
        if self._no_frame(self._table.memcg):
            return
        await self._core.pause(self._core.costs.page_zero)
        if self._table.get(self._vpn) is None and not self._table.dead:
            self._map_new(self._take_spare())

    async def _softleaf(self, pte: Pte) -> None:
        """The PTE names a slot: use the swap cache's folio, or become the one who brings it in."""
        core = self._core
        folio = core.cache.lookup(pte.slot)
        if folio is None:
            await self._swap_in(pte)
            return
        await folio.lock.acquire()
        try:
            if not core.cache.holds(pte.slot, folio) or self._changed(pte):
                return
            if isinstance(folio, CramFolio):
                if self._write:
                    await self._write_fault_in_cram(pte, folio)
                else:
                    core.map(self._table, self._vpn, folio, writable=False, exclusive=pte.exclusive)
                    core.counters.soft_faults += 1
            else:
                core.counters.swap_cache_hits += 1
                self._map_cached(pte, folio)
        finally:
            core.unlock(folio)

    async def _swap_in(self, pte: Pte) -> None:
        """Pin the slot with a folio of ours and load it."""
        core = self._core
        if self._core.config.mthp_orders and not self._single:
            if await large.swap_in(core, self._table, self._vpn, pte):
                return
            self._single = True
            if self._changed(pte):
                return
        memcg = core.memcg_of(pte.slot)
        if self._no_frame(memcg if memcg.online else self._table.memcg):
            return
        assert self._spare is not None and self._spare.memcg is not None
        memcg = self._spare.memcg
        folio = self._spare
        folio.lock.try_acquire()  # private, so free
        try:
            core.cache.pin(pte.slot, folio)
        except AlreadyCached:
            folio.lock.release()
            return
        except SlotGone:  # nothing can have come between the look at the PTE and the pin: a lost reference
            folio.lock.release()
            raise
        self._spare = None
        core.counters.pgmajfault += 1
        backing = core.slots.backing(pte.slot)  # stable from here on: we hold the lock and the pin
        try:
            await core.pause(core.costs.swap_machinery)
            folio.data = await core.load(backing, memcg)
        except BaseException as error:
            core.drop(folio)
            folio.lock.release()
            if not isinstance(error, TierError):
                raise
            if not self._changed(pte):
                raise self._sigbus(error) from error
            return
        if backing.type is BackingType.ZSWAP:
            core.counters.zswpin += 1
            memcg.count("zswpin")
            core.change_backing(pte.slot, Backing(BackingType.FOLIO))  # the compressed copy goes; only we have the data
        else:
            folio.dirty = False
            if backing.type in PHYSICAL:
                core.counters.pswpin += 1
                memcg.count("pswpin")
        core.refaulted(folio, pte.slot)
        core.memory.add(folio)
        if not self._changed(pte):
            self._map_cached(pte, folio)
        core.unlock(folio)

    async def _write_protected(self, pte: Pte) -> None:
        """A write to a read-only DRAM page: reuse it if it is ours alone, else copy it."""
        core = self._core
        folio = pte.dram
        await folio.lock.acquire()
        try:
            if self._changed(pte):
                return
            named = bool(folio.slot) and core.slots.swap_count(folio.slot + pte.index) > 0
            if pte.exclusive or (folio.mapped(pte.index) == 1 and not named):
                if folio.order and core.named(folio):
                    large.split(core, folio)  # others need the slots of other pages: look again at this one's
                    return
                if folio.slot:
                    core.uncache(folio)  # a copy on a tier would be stale in a moment
                folio.dirty = True
                folio.lazyfree = False
                core.map(self._table, self._vpn, folio, writable=True, exclusive=True, index=pte.index)
                return
            if self._no_frame(self._table.memcg):
                return
            # Under the lock: reclaim must not take the page again and again just before it is copied.
            await core.pause(core.costs.page_copy + core.costs.tlb_shootdown)
            if not self._changed(pte):
                new = self._take_spare()
                new.data = folio.pages[pte.index]
                core.counters.cow += 1
                self._map_new(new)
                core.forget_mapper(self._table, self._vpn, pte)
        finally:
            core.unlock(folio)

    async def _write_to_cram(self, pte: Pte) -> None:
        """A write to a present read-only CRAM page."""
        folio = pte.cram
        await folio.lock.acquire()
        try:
            if not self._changed(pte):
                await self._write_fault_in_cram(pte, folio)
        finally:
            self._core.unlock(folio)

    # Steps, under the folio lock

    async def _write_fault_in_cram(self, pte: Pte, folio: CramFolio) -> None:
        """Writable in place within the budget, else promote.

        Accesses through PTEs that are gone by now may still be under way: a load that must not see what we are going to
        store in place, or a store from before a fork that our copy must contain.
        """
        core = self._core
        await folio.drain()
        if self._changed(pte):
            return
        if (
            core.writable_pages < core.config.writable_budget
            and (pte.exclusive or core.references(folio) == 1)
            and not folio.tier.closed
            and not folio.poisoned
        ):
            if folio.slot:
                core.reap_slot(folio)
            core.map(self._table, self._vpn, folio, writable=True, exclusive=True)
            core.counters.made_writable += 1
            return
        if self._no_frame(self._table.memcg):
            return
        try:
            data = await folio.tier.load(folio.page)
        except TierError as error:
            folio.poisoned |= isinstance(error, Poisoned)
            if self._changed(pte):
                return
            raise self._sigbus(error) from error
        shootdown = core.costs.tlb_shootdown if pte.state is PteState.CRAM else 0
        await core.pause(core.costs.page_copy + shootdown)
        if self._changed(pte):
            return
        new = self._take_spare()
        new.data = data
        core.counters.promotions += 1
        if folio.slot:
            core.refaulted(new, folio.slot)
        self._map_new(new)
        core.forget_mapper(self._table, self._vpn, pte)
        if core.unreferenced(folio):
            await core.release_cram(folio)

    def _map_cached(self, pte: Pte, folio: Folio) -> None:
        self._core.map_cached(self._table, self._vpn, pte, folio)

    def _map_new(self, folio: Folio) -> None:
        self._core.map(self._table, self._vpn, folio, writable=True, exclusive=True)
        self._core.memory.add(folio)

    # Helpers

    def _changed(self, pte: Pte) -> bool:
        """The PTE is not the one this case was chosen for (pte_same)."""
        return self._table.get(self._vpn) is not pte

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
        self._core.counters.sigbus += 1
        return SigBus(self._table.name, self._vpn, cause)
