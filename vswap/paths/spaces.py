# SPDX-License-Identifier: MIT
"""Address spaces (mm): a page table and the accesses of tasks to it (docs/vswap/spaces.md)."""

from __future__ import annotations

from hw.link import LINE_BYTES, LINES_PER_PAGE, PAGE_BYTES, ZERO_PAGE
from vswap.base.errors import SegmentationFault, SigBus, TableWanted
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.memcg import Memcg
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.paths import large
from vswap.paths.fault import handle_fault
from vswap.paths.reclaim import Reclaim
from vswap.state import rmap
from vswap.state.machine import Machine
from vswap.tiers.base import Poisoned, TierError


class AddressSpace:
    """One task group's anonymous memory. Any number of tasks may access it at once.

    A read of a page on the device is a load from the device; everything else a task does ends in DRAM.
    """

    def __init__(self, machine: Machine, reclaim: Reclaim, table: PageTable) -> None:
        self.machine = machine
        self._reclaim = reclaim
        self.name = table.name
        self.table = table

    @property
    def memcg(self) -> Memcg:
        """The group that its new pages are charged to."""
        return self.table.memcg

    async def read(self, vpn: int, line: int | None = None) -> bytes:
        """The page's 4096 bytes, or the 64 bytes of `line` (0..63). Raises SigBus, OutOfMemory, SegmentationFault."""
        if line is not None and not 0 <= line < LINES_PER_PAGE:
            raise ValueError(f"line {line}, expected 0 to {LINES_PER_PAGE - 1}")
        pte = await self._access(vpn, write=False)
        if pte.state is PteState.CRAM:
            return await self._load(vpn, pte.cram, line)
        data = pte.dram.pages[pte.index] if pte.state is PteState.DRAM else ZERO_PAGE
        await self.machine.clock.sleep(self.machine.costs.dram_access)
        return data if line is None else data[line * LINE_BYTES : (line + 1) * LINE_BYTES]

    async def write(self, vpn: int, data: bytes) -> None:
        """Store a whole page of 4096 bytes. Raises SigBus, OutOfMemory, SegmentationFault."""
        if len(data) != PAGE_BYTES:
            raise ValueError(f"a page is {PAGE_BYTES} bytes, got {len(data)}")
        pte = await self._access(vpn, write=True)
        pte.dirty = True
        if pte.state is PteState.DRAM:
            pte.dram.pages[pte.index] = bytes(data)
            await self.machine.clock.sleep(self.machine.costs.dram_access)
        else:
            await self._store(vpn, pte.cram, data)

    async def unmap(self, vpn: int, count: int = 1) -> None:
        """Drop the pages `vpn` .. `vpn + count - 1`; they read as zeros afterwards."""
        dropped = [page for page in self.table.within(vpn, count) if rmap.zap(self.machine, self.table, page)]
        await self.machine.clock.sleep(self.machine.costs.fork_pte * len(dropped) + self.machine.costs.tlb_shootdown)

    async def fault(self, vpn: int, *, write: bool) -> Pte:
        """Make the page allow an access, and do no more; the entry that does. Raises as the access would."""
        pte = await handle_fault(self.machine, self._reclaim, self.table, vpn, write=write)
        pte.accessed = True
        return pte

    async def move(self, vpn: int, count: int, target: int) -> None:
        """Let the pages `vpn` .. `vpn + count - 1` be at `target` on; nothing is there (mremap(2))."""
        moved = self.table.within(vpn, count) if vpn != target else []
        for page in moved:
            self.table.rename(page, target + page - vpn)
        await self.machine.clock.sleep(self.machine.costs.fork_pte * len(moved) + self.machine.costs.tlb_shootdown)

    async def lazyfree(self, vpn: int, count: int = 1) -> None:
        """The content of these pages is not needed any more (madvise FREE). Until they are written to, they read as
        before or as zeros, and reclaim may drop them. What is not in DRAM is dropped at once; a page that others share,
        or that is being worked on, stays as it is."""
        vpns = range(vpn, vpn + count)
        freed = sum(self._free_lazily(page, vpns) for page in vpns)
        await self.machine.clock.sleep(self.machine.costs.fork_pte * freed + self.machine.costs.tlb_shootdown)

    async def cold(self, vpn: int, count: int = 1) -> None:
        """These pages are not needed soon (madvise COLD): reclaim takes them for unused ones. A page that others map as
        well is left alone."""
        for page in range(vpn, vpn + count):
            pte = self.table.get(page)
            if pte is not None and pte.state is PteState.DRAM and not rmap.mapped_by_others(pte.dram):
                pte.accessed = False
                self.machine.memory.deactivate(pte.dram)
        await self.machine.clock.sleep(self.machine.costs.tlb_shootdown)

    async def pageout(self, vpn: int, count: int = 1) -> bool:
        """Reclaim pages now (madvise PAGEOUT). True when one left DRAM. A page that others map as well is left alone. A
        large folio that is not wholly among them is split first."""
        vpns = range(vpn, vpn + count)
        freed = 0
        seen: set[Folio] = set()
        for page in vpns:
            pte = self.table.get(page)
            if pte is None or pte.state is not PteState.DRAM or rmap.mapped_by_others(pte.dram):
                continue
            folio = self._split_unless_within(page, vpns)
            if folio is not None and folio not in seen:
                seen.add(folio)
                self.machine.memory.remove(folio)
                freed += await self._reclaim.reclaim_folio(folio, force=True)
        return freed > 0

    async def fork_into(self, child: AddressSpace) -> None:
        """Share every page with the empty space `child`, copy-on-write. Raises SegmentationFault when this space is
        gone.

        All entries are copied in one step, so the child is a snapshot; stores under way through writable PTEs into the
        device belong to it, and are waited for.
        """
        if self.table.dead:
            raise SegmentationFault(f"{self.name} has exited")
        stored_into: list[CramFolio] = []
        for vpn, pte in list(self.table.items()):
            if pte.state is PteState.SOFTLEAF:
                self._name_again(pte.slot)
                for table in (self.table, child.table):
                    table.set(vpn, Pte.softleaf(pte.slot, exclusive=False))
                continue
            if pte.state is PteState.ZERO:
                child.table.set(vpn, Pte.page_of_zeros())
                continue
            assert pte.folio is not None
            if isinstance(pte.folio, CramFolio):
                if pte.folio.slot:
                    self._name_again(pte.folio.slot)
                if pte.folio.writable:
                    self.machine.residents.make_read_only(pte.folio)
                    stored_into.append(pte.folio)
            for table in (self.table, child.table):
                rmap.map_page(self.machine, table, vpn, pte.folio, writable=False, exclusive=False, index=pte.index)
                copy = table.get(vpn)
                assert copy is not None
                copy.accessed, copy.dirty = pte.accessed, pte.dirty
        await self.machine.clock.sleep(self.machine.costs.fork_pte * len(self.table) + self.machine.costs.tlb_shootdown)
        for folio in stored_into:
            await folio.drain()

    async def exit(self) -> None:
        """Drop every page. Accesses raise SegmentationFault afterwards. Idempotent."""
        dropped = rmap.zap_all(self.machine, self.table)
        await self.machine.clock.sleep(self.machine.costs.fork_pte * dropped)

    # Inside

    async def _access(self, vpn: int, *, write: bool) -> Pte:
        """The PTE that allows the access, with its accessed bit set, after a fault if need be."""
        pte = self.machine.walk(self.table, vpn)
        if pte is None or not pte.allows(write):
            pte = await handle_fault(self.machine, self._reclaim, self.table, vpn, write=write)
        pte.accessed = True
        return pte

    def _name_again(self, slot: int) -> None:
        """One more PTE names the slot. Under the page-table lock nobody waits for memory: where the count needs an
        extend table that cannot be had, fork tries again without the lock (swap_retry_table_alloc)."""
        try:
            self.machine.slots.duplicate(slot, atomic=True)
        except TableWanted:
            self.machine.counters.extend_retries += 1
            self.machine.slots.duplicate(slot)

    def _split_unless_within(self, vpn: int, vpns: range) -> Folio | None:
        """The DRAM folio of a page; a large one that reaches beyond `vpns`, or into another space, is split
        before. None when the page is not in DRAM, or its folio should be split and is being worked on."""
        pte = self.table.get(vpn)
        if pte is None or pte.state is not PteState.DRAM:
            return None
        folio = pte.dram
        if not folio.order or large.within(folio, self.table, vpns):
            return folio
        if not folio.lock.try_acquire():
            return None
        large.split(self.machine, folio)
        folio.lock.release()
        pte = self.table.get(vpn)
        assert pte is not None
        return pte.dram

    def _free_lazily(self, vpn: int, vpns: range) -> bool:
        machine, pte = self.machine, self.table.get(vpn)
        if pte is None or pte.state is PteState.ZERO:
            return False
        if pte.state is not PteState.DRAM:
            return rmap.zap(machine, self.table, vpn)
        folio = self._split_unless_within(vpn, vpns)
        if folio is None or not folio.lock.try_acquire():
            return False
        try:
            if (
                folio.order
                and folio.lazyfree
                and vpn > min(page for table, page in folio.mappers if table is self.table)
            ):
                return False  # done with the first of its pages
            if (folio.slot or folio.was_cached) and rmap.mapped_by_others(folio):
                return False  # others may need what only the folio has; a page never swapped is dirty in their PTEs
            if rmap.named(machine, folio):
                return False
            if folio.slot:
                machine.cache.delete(folio)  # a copy on a tier is as useless as the page
            for table, page in folio.mappers:
                mapped = table.get(page)
                assert mapped is not None
                if table is self.table:
                    mapped.dirty = mapped.accessed = False
            machine.counters.pglazyfree += 0 if folio.lazyfree else len(folio.pages)
            folio.dirty = folio.lazyfree = True
            folio.was_cached = False
            folio.active = False
            machine.memory.add_oldest(folio)
            return True
        finally:
            rmap.unlock(machine, folio)

    async def _load(self, vpn: int, folio: CramFolio, line: int | None) -> bytes:
        cram, access = folio.tier, folio.begin_access()
        try:
            return await (cram.load(folio.page) if line is None else cram.load_line(folio.page, line))
        except TierError as error:
            raise self._sigbus(vpn, folio, error) from error
        finally:
            folio.end_access(access)

    async def _store(self, vpn: int, folio: CramFolio, data: bytes) -> None:
        access = folio.begin_access()
        try:
            await folio.tier.overwrite(folio.page, data)
        except TierError as error:
            raise self._sigbus(vpn, folio, error) from error
        finally:
            folio.end_access(access)

    def _sigbus(self, vpn: int, folio: CramFolio, error: TierError) -> SigBus:
        folio.poisoned |= isinstance(error, Poisoned)
        self.machine.counters.sigbus += 1
        return SigBus(self.name, vpn, error)
