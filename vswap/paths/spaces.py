# SPDX-License-Identifier: MIT
"""Address spaces (mm): a page table and the accesses of tasks to it (docs/vswap/spaces.md)."""

from __future__ import annotations

from hw.link import LINE_BYTES, LINES_PER_PAGE, PAGE_BYTES, ZERO_PAGE
from vswap.base.errors import SigBus
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.memcg import Memcg
from vswap.mm.mmap_lock import MmapLock
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.paths import ksm, large, lazyfree, mmap, pins, protection
from vswap.paths.collapse import collapse
from vswap.paths.evacuate import promote
from vswap.paths.fault import handle_fault
from vswap.paths.pins import Pin
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
        table.mmap_lock = MmapLock(machine.clock)

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
        async with self.table.mmap_lock.reading():
            await mmap.zap_range(self.machine, self.table, vpn, count)

    async def map(self, vpn: int, count: int) -> None:
        """Map anonymous memory where nothing is mapped (mmap(2)). A space begins with all of it mapped."""
        async with self.table.mmap_lock.writing():
            self.table.vmas.map(vpn, vpn + count)

    async def munmap(self, vpn: int, count: int) -> None:
        """Drop the pages, and their mapping: an access raises SegmentationFault afterwards."""
        async with self.table.mmap_lock.writing():
            await mmap.zap_range(self.machine, self.table, vpn, count)
            self.table.vmas.unmap(vpn, vpn + count)

    async def protect(self, vpn: int, count: int, *, write: bool) -> None:
        """Make pages read-only, or writable again (mprotect(2)). A write meanwhile raises SegmentationFault."""
        await protection.mprotect(self.machine, self.table, vpn, count, write=write)

    async def write_protect(self, vpn: int, count: int, *, on: bool) -> None:
        """userfaultfd's write-protection of the pages that are there; a write to one raises SigBus meanwhile."""
        await protection.write_protect(self.machine, self.table, vpn, count, on=on)

    async def hint(self, vpn: int, count: int) -> None:
        """NUMA balancing asks who uses these pages: the next access to each takes a fault."""
        await protection.hint(self.machine, self.table, vpn, count)

    async def pin(self, vpn: int) -> Pin:
        """Pin a page for long, for a device that reads and writes it past all PTEs. Raises as a write would."""
        return await pins.pin(self.machine, self._reclaim, self.table, vpn)

    def unpin(self, pinned: Pin) -> None:
        """The device is done with the page."""
        pins.unpin(self.machine, pinned)

    async def collapse(self, vpn: int, order: int) -> bool:
        """khugepaged: make one folio of 2^order pages around `vpn`; False where that cannot be now."""
        async with self.table.mmap_lock.writing():
            return await collapse(self.machine, self.table, vpn, order)

    async def merge(self, vpn: int, other: AddressSpace, other_vpn: int) -> bool:
        """KSM: make one page of two that are equal; False where that cannot be now."""
        return await ksm.merge(self.machine, self.table, vpn, other.table, other_vpn)

    async def fault(self, vpn: int, *, write: bool) -> Pte:
        """Make the page allow an access, and do no more; the entry that does. Raises as the access would."""
        pte = await handle_fault(self.machine, self._reclaim, self.table, vpn, write=write)
        pte.accessed = True
        return pte

    async def move(self, vpn: int, count: int, target: int) -> None:
        """Let the pages `vpn` .. `vpn + count - 1` be at `target` on; nothing is there. Where they were is mapped anew
        (mremap(2), MREMAP_DONTUNMAP)."""
        if vpn == target:
            return
        async with self.table.mmap_lock.writing():
            moved = self.table.within(vpn, count)
            self.table.vmas.move(vpn, vpn + count, target)
            for page in moved:
                self.table.rename(page, target + page - vpn)
        await self.machine.clock.sleep(self.machine.costs.fork_pte * len(moved) + self.machine.costs.tlb_shootdown)

    async def lazyfree(self, vpn: int, count: int = 1) -> None:
        """The content of these pages is not needed any more (madvise FREE). Until they are written to, they read as
        before or as zeros, and reclaim may drop them. What is not in DRAM is dropped at once; a page that others share,
        or that is being worked on, stays as it is."""
        vpns = range(vpn, vpn + count)
        async with self.table.mmap_lock.reading():
            freed = sum(lazyfree.mark(self.machine, self.table, page, vpns) for page in vpns)
        await self.machine.clock.sleep(self.machine.costs.fork_pte * freed + self.machine.costs.tlb_shootdown)

    async def cold(self, vpn: int, count: int = 1) -> None:
        """These pages are not needed soon (madvise COLD): reclaim takes them for unused ones. A page that others map as
        well is left alone. A large folio that is not wholly among them is split first."""
        vpns = range(vpn, vpn + count)
        for page in vpns:
            folio = large.split_unless_within(self.machine, self.table, page, vpns)
            pte = self.table.get(page)
            if folio is not None and pte is not None and not rmap.mapped_by_others(folio):
                pte.accessed = False
                self.machine.memory.deactivate(folio)
        await self.machine.clock.sleep(self.machine.costs.tlb_shootdown)

    async def pageout(self, vpn: int, count: int = 1) -> bool:
        """Reclaim pages now (madvise PAGEOUT). True when one left DRAM, or is on its way out. A page that others map as
        well is left alone. A large folio that is not wholly among them is split first."""
        vpns = range(vpn, vpn + count)
        folios: list[Folio] = []
        for page in vpns:
            folio = large.split_unless_within(self.machine, self.table, page, vpns)
            if folio is not None and folio not in folios and not rmap.mapped_by_others(folio):
                folios.append(folio)
        outcome = await self._reclaim.reclaim(map(self._isolate, folios), force=True)
        return outcome.freed + outcome.submitted > 0

    async def promote(self, vpn: int) -> bool:
        """Bring a page on the device back to DRAM, for all who map it, as one that was found hot. False where it is not
        mapped there, or DRAM has no room without reclaim."""
        pte = self.table.get(vpn)
        if pte is None or pte.state is not PteState.CRAM or not await promote(self.machine, pte.cram):
            return False
        self.machine.counters.promoted_hot += 1
        return True

    def _isolate(self, folio: Folio) -> Folio:
        self.machine.memory.remove(folio)
        return folio

    async def fork_into(self, child: AddressSpace) -> None:
        """Share every page with the empty space `child`, copy-on-write. Raises SegmentationFault, OutOfMemory."""
        await mmap.fork(self.machine, self._reclaim, self.table, child.table)

    async def exit(self) -> None:
        """Drop every page. Accesses raise SegmentationFault from now on. Idempotent."""
        await mmap.exit_mmap(self.machine, self.table)

    # Inside

    async def _access(self, vpn: int, *, write: bool) -> Pte:
        """The PTE that allows the access, with its accessed bit set, after a fault if need be."""
        pte = self.machine.walk(self.table, vpn)
        if pte is None or not pte.allows(write):
            pte = await handle_fault(self.machine, self._reclaim, self.table, vpn, write=write)
        pte.accessed = True
        return pte

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
