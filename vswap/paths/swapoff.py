# SPDX-License-Identifier: MIT
"""swapoff: empty a tier while tasks run, by any of three searches (docs/vswap/swapoff.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vswap.base.backing import IN_FOLIO, BackingType
from vswap.base.errors import AlreadyCached, OutOfMemory, SlotGone, SlotsExhausted, VswapError
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.pagetable import PageTable, PteState
from vswap.paths import large
from vswap.paths.evacuate import copy_to_dram
from vswap.paths.reclaim import Reclaim
from vswap.slots.layer import Search
from vswap.state import rmap, swapin
from vswap.state.machine import Machine
from vswap.tiers.base import Tier, TierError
from vswap.tiers.cram import CramTier

MAX_IDLE_ROUNDS = 32
"""Rounds without a page moved before a swapoff gives up."""


class SwapoffFailed(VswapError):  # noqa: N818 - the name of the condition
    """The tier could not be emptied: it is in use again, and nothing is lost. `__cause__` says why, where one page was
    the reason (EIO, ENOMEM); else it stayed busy (EBUSY)."""


@dataclass(frozen=True)
class SwapoffFigures:
    """What it took: entries looked at, pages moved, rounds over everything, simulated ns."""

    visited: int
    moved: int
    rounds: int
    ns: int


class Swapoff:
    """One swapoff."""

    def __init__(self, machine: Machine, reclaim: Reclaim, tier: Tier, search: Search) -> None:
        self.machine = machine
        self.tier = tier
        self._reclaim = reclaim
        self._key = machine.tiers.key(tier)
        self._search = search
        self._visited = 0
        self._moved = 0

    async def run(self) -> SwapoffFigures:
        """Stop allocations, empty the tier, wait for stores under way. The tier stays off.

        Raises:
            SwapoffFailed: a page could not be read, there is no memory for it, or pages keep being busy. The tier is on
                again; what has moved stays where it is.
            ValueError: these pages cannot be found by this search.
        """
        machine, tier = self.machine, self.tier
        if tier in machine.tiers.offline or tier.type is BackingType.ZERO:
            raise ValueError(f"{tier.type.name} cannot be switched off")
        if self._search not in machine.layer.searches:
            raise ValueError(f"pages are not found by {self._search.value} here: PTEs name places on devices")
        started = machine.clock.now
        machine.tiers.offline.add(tier)
        rounds = idle = 0
        try:
            while not self.is_empty():
                before = self._moved
                await self._round()
                rounds += 1
                idle = 0 if self._moved > before else idle + 1
                if idle:
                    await machine.clock.sleep(machine.costs.retry * idle)
                if idle > MAX_IDLE_ROUNDS:
                    raise SwapoffFailed(f"{tier.type.name} stays busy: {tier.usage().pages} pages do not move")
        except (TierError, OutOfMemory, SlotsExhausted) as error:
            machine.tiers.offline.discard(tier)
            raise SwapoffFailed(f"{tier.type.name}: {error}") from error
        except BaseException:
            machine.tiers.offline.discard(tier)
            raise
        await tier.flush()
        return SwapoffFigures(self._visited, self._moved, rounds, machine.clock.now - started)

    async def swap_in(self, count: int) -> int:
        """Bring up to `count` pages of the tier, a CRAM node, back into memory, as one walk of the page tables finds
        them; how many. It stays in use. A device page that was read since the last walk stays for another one, and so
        does what cannot be read.

        Reclaim would store the pages on the node again that is open, or is all there is: then only as many come back as
        memory has room for above its high watermark."""
        machine, tier, before = self.machine, self.tier, self.tier.usage().pages
        leave_for_good = not machine.tiers.takes(self._key) and machine.layer.has_place_besides(self._key)

        def enough() -> bool:
            short = not leave_for_good and machine.memory.free <= machine.memory.high
            return short or before - tier.usage().pages >= count

        try:
            await self._scan_page_tables(enough)
        except (OutOfMemory, SlotsExhausted):
            pass
        brought = max(0, before - self.tier.usage().pages)
        self.machine.counters.cram_swapped_in += brought
        return brought

    def is_empty(self) -> bool:
        """Nothing is there, nothing is on its way, and no slot is a place there."""
        if self.machine.tiers.storing[self.tier] or self.tier.usage().pages:
            return False
        return not any(True for _ in self.machine.layer.places_on(self._key))

    # Searches

    async def _round(self) -> None:
        machine = self.machine
        if self._search is Search.PAGE_TABLES:
            await self._scan_page_tables()
            for slot, folio in list(machine.cache.items()):  # copies of pages that are mapped, which no PTE names
                if isinstance(folio, Folio) and machine.cache.holds(slot, folio) and self._uses(slot):
                    await self._visit(1)
                    await self._keep_cached(slot, folio)
        elif self._search is Search.SLOTS:
            for slots in machine.slots.backed_by(*self._key):
                await self._visit(512)
                for slot in slots:
                    await self._unuse(slot)
        else:
            for handle, slot in self.tier.handles().items():
                await self._visit(1)
                if slot:
                    await self._unuse(slot)
                elif handle in self.tier.handles():
                    await self._evacuate_page(handle)
        for folio in machine.residents.of(self._key):  # device pages without a slot, and those that nobody names
            if not folio.slot or rmap.unreferenced(machine, folio):
                await self._evacuate(folio)
        await self._drop_cached()

    async def _scan_page_tables(self, enough: Callable[[], bool] | None = None) -> None:
        """Until the end, or with `enough` until it says so: then what is in use, or cannot be read, is passed over."""
        machine = self.machine
        for table in list(machine.tables):
            for vpn, pte in list(table.items()):
                if enough is not None and enough():
                    return
                await self._visit(1)
                try:
                    if pte.state is PteState.SOFTLEAF and machine.slots.alive(pte.slot) and self._uses(pte.slot):
                        await self._unuse(pte.slot)
                        if table.get(vpn) is pte:
                            await self._map(table, vpn)
                    elif pte.state is PteState.CRAM and machine.tiers.key(pte.cram.tier) == self._key:
                        await self._evacuate_unless_used(pte.cram, only_unused=enough is not None)
                except TierError:
                    if enough is None:
                        raise

    async def _evacuate_unless_used(self, folio: CramFolio, *, only_unused: bool) -> None:
        if not (only_unused and rmap.clear_accessed(self.machine, folio)):
            await self._evacuate(folio)

    async def _visit(self, entries: int) -> None:
        """The price of a look at so many entries."""
        machine = self.machine
        per_entry = machine.costs.fork_pte if self._search is Search.PAGE_TABLES else machine.costs.scan_entry
        self._visited += entries
        await machine.clock.sleep(entries * per_entry)

    def _uses(self, slot: int) -> bool:
        """The slot has its data on the tier, or is a place on it."""
        return self.machine.layer.uses(slot, self._key)

    # One page

    async def _unuse(self, slot: int) -> None:
        """Bring the page of one slot into the swap cache and drop the tier's copy. Raises TierError, OutOfMemory."""
        machine = self.machine
        if not machine.slots.alive(slot) or not self._uses(slot):
            return
        cached = machine.cache.lookup(slot)
        if isinstance(cached, CramFolio):
            await self._evacuate(cached)
        elif cached is not None:
            await self._keep_cached(slot, cached)
        elif machine.slots.backing(slot).type is not BackingType.FOLIO:
            await self._read_in(slot)

    async def _keep_cached(self, slot: int, folio: Folio) -> None:
        """The swap cache has the page: that becomes the only copy."""
        machine = self.machine
        await folio.lock.acquire()
        try:
            await machine.inflight.wait(folio)
            if machine.cache.holds(slot, folio) and machine.slots.backing(slot).tier == self._key:
                folio.dirty = True
                machine.layer.change_backing(slot, IN_FOLIO)
                self._moved += 1
        finally:
            rmap.unlock(machine, folio)

    async def _read_in(self, slot: int) -> None:
        machine = self.machine
        folio = await self._reclaim.allocate(machine.layer.memcg_of(slot).online_ancestor())
        try:
            backing = swapin.pin(machine, slot, folio)
        except (AlreadyCached, SlotGone):  # somebody was faster, or it is gone: the next round looks again
            machine.memory.release(folio)
            return
        try:
            if not self._uses(slot) or machine.layer.memcg_of(slot).online_ancestor() is not folio.memcg:
                swapin.abort(machine, folio)
                return
            folio.data = await machine.placement.load(backing, folio.memcg)
        except BaseException:
            swapin.abort(machine, folio)
            raise
        swapin.count(machine, folio, backing)
        rmap.refaulted(machine, folio, slot, in_fault=False)
        folio.dirty = True
        machine.layer.change_backing(slot, IN_FOLIO)
        self._moved += 1
        machine.memory.add(folio)
        rmap.unlock(machine, folio)

    async def _map(self, table: PageTable, vpn: int) -> None:
        """Map the page in the swap cache, as a fault would, but old, since nobody has accessed it (unuse_pte); with the
        last PTE that named it the slot is given up."""
        machine = self.machine
        pte = table.get(vpn)
        folio = machine.cache.lookup(pte.slot) if pte is not None and pte.slot else None
        if pte is None or not isinstance(folio, Folio):
            return
        await folio.lock.acquire()
        try:
            await machine.inflight.wait(folio)
            if table.get(vpn) is pte and machine.cache.holds(pte.slot, folio):
                index = pte.slot - folio.slot
                new = rmap.map_page(machine, table, vpn, folio, writable=False, exclusive=pte.exclusive, index=index)
                new.accessed = False
                machine.slots.put(pte.slot)
                if not rmap.named(machine, folio):
                    machine.cache.delete(folio)
                    folio.dirty = True
                self._moved += 1
        finally:
            rmap.unlock(machine, folio)

    async def _drop_cached(self) -> None:
        """Folios that are mapped give up the slots that are places on the tier (direct slots are)."""
        machine = self.machine
        for slot in list(machine.layer.places_on(self._key)):
            folio = machine.cache.lookup(slot)
            if not isinstance(folio, Folio):
                continue
            await folio.lock.acquire()
            try:
                await machine.inflight.wait(folio)
                if not machine.cache.holds(slot, folio) or not folio.mappers:
                    continue
                if folio.order and rmap.named(machine, folio):
                    if not folio.pins:
                        large.split(machine, folio)
                        self._moved += 1
                elif not rmap.named(machine, folio):
                    machine.cache.delete(folio)
                    folio.dirty = True
                    self._moved += 1
            finally:
                rmap.unlock(machine, folio)

    async def _evacuate_page(self, page: int) -> None:
        tier = self.tier
        folio = self.machine.residents.at(tier, page) if isinstance(tier, CramTier) else None
        if folio is not None:
            await self._evacuate(folio)

    async def _evacuate(self, folio: CramFolio) -> None:
        """Copy a device page to DRAM and give it up; its mappers become softleafs. Raises TierError, OutOfMemory."""
        machine = self.machine
        new = await self._reclaim.allocate(None)
        await folio.lock.acquire()
        moved = False
        try:
            await machine.inflight.wait(folio)
            if folio.dead:
                return
            if rmap.unreferenced(machine, folio):
                await machine.residents.release(folio)
                self._moved += 1
                return
            await copy_to_dram(machine, folio, new)
            moved = True
            self._moved += 1
        finally:
            rmap.unlock(machine, folio)
            if moved:
                rmap.unlock(machine, new)
            else:
                machine.memory.release(new)
