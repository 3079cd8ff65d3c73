# SPDX-License-Identifier: MIT
"""Changes of whole ranges: fork, unmap, exit (docs/vswap/spaces.md).

They go over a page table under its mmap_lock, some PTEs at a time (`Machine.ptes_a_step`), as the kernel does under the
page-table lock. In between others run that need no mmap_lock: reclaim, writeback, swapoff, faults of other spaces; and
of this one too where the lock is only read.
"""

from __future__ import annotations

from collections.abc import Iterator

from vswap.base.errors import SegmentationFault, TableWanted
from vswap.mm.folio import CramFolio, Folio
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.paths.reclaim import Reclaim
from vswap.state import rmap
from vswap.state.machine import Machine


async def fork(machine: Machine, reclaim: Reclaim, parent: PageTable, child: PageTable) -> None:
    """Share every page of `parent` with the empty table `child`, copy-on-write (dup_mmap).

    The child's mappings are there before its first PTE, so that whoever looks for the PTEs of a page finds all of them.
    Tasks of the parent that need no fault go on writing: of each page the child has what was there when it was copied.
    Stores into the device that are under way belong to the child, and are waited for (flush_tlb_mm).

    Raises:
        SegmentationFault: the parent has exited, or was killed meanwhile; the child has a part of the pages.
        OutOfMemory: there is no frame for the copy of a pinned page; the child has a part of the pages.
    """
    async with parent.mmap_lock.writing():
        if parent.dead:
            raise SegmentationFault(f"{parent.name} has exited")
        parent.vmas.fork(child.vmas)
        stored_into: list[CramFolio] = []
        left = len(parent)
        for step in _steps(machine, list(parent)):
            for vpn in step:
                await copy_pte(machine, reclaim, parent, child, vpn, stored_into)
            left -= len(step)
            if left:
                await machine.clock.sleep(machine.costs.fork_pte * len(step))
            else:
                await machine.clock.sleep(machine.costs.fork_pte * len(step) + machine.costs.tlb_shootdown)
        await rmap.settle_stores(stored_into)
        if parent.dead:  # a fatal signal: what was not copied yet may be gone
            raise SegmentationFault(f"{parent.name} has exited")


async def zap_range(machine: Machine, table: PageTable, vpn: int, count: int) -> None:
    """Drop the pages of a range; the caller holds mmap_lock."""
    await zap_ptes(machine, table, table.within(vpn, count), machine.costs.tlb_shootdown)


async def exit_mmap(machine: Machine, table: PageTable) -> None:
    """Drop all pages and mappings. From its first step on accesses raise SegmentationFault."""
    table.dead = True
    async with table.mmap_lock.writing():
        await zap_ptes(machine, table, list(table), 0)
        table.vmas.clear()


async def zap_ptes(machine: Machine, table: PageTable, vpns: list[int], last: int) -> None:
    """Drop pages, some at a time; `last`: ns that are due at the end."""
    due = 0
    for number, step in enumerate(_steps(machine, vpns)):
        if number:
            await machine.clock.sleep(due)
        due = machine.costs.fork_pte * sum(rmap.zap(machine, table, vpn) for vpn in step)
    await machine.clock.sleep(due + last)


def _steps(machine: Machine, vpns: list[int]) -> Iterator[list[int]]:
    for first in range(0, len(vpns), machine.ptes_a_step):
        yield vpns[first : first + machine.ptes_a_step]


async def copy_pte(
    machine: Machine, reclaim: Reclaim, parent: PageTable, child: PageTable, vpn: int, stored_into: list[CramFolio]
) -> None:
    """Copy one PTE, whatever it is by now (copy_pte_range)."""
    pte = parent.get(vpn)
    if pte is None or not parent.vmas.has_pages(vpn):
        return  # nobody has written there: the child reads the page of zeros anew
    rmap.note_accesses(machine, pte, stored_into)
    if pte.state is PteState.ZERO:
        child.set(vpn, Pte.page_of_zeros())
    elif pte.state is PteState.SOFTLEAF:
        _name_again(machine, pte.slot)
        for table in (parent, child):
            table.set(vpn, Pte.softleaf(pte.slot, exclusive=False))
    elif pte.state is PteState.MIGRATION:
        child.migrate_copy(vpn, pte)
        parent.set(vpn, Pte.migration(pte, shared=True))
    elif isinstance(pte.folio, Folio) and pte.folio.pins:
        new = await reclaim.allocate(child.memcg)
        if parent.get(vpn) is pte and pte.folio.pins:
            _copy_pinned(machine, child, vpn, pte, new)
        else:  # it has been unpinned, and may be anywhere
            machine.memory.release(new)
            await copy_pte(machine, reclaim, parent, child, vpn, stored_into)
    else:
        _share(machine, parent, child, vpn, pte)


def _share(machine: Machine, parent: PageTable, child: PageTable, vpn: int, pte: Pte) -> None:
    assert pte.folio is not None
    if isinstance(pte.folio, CramFolio):
        if pte.folio.slot:
            _name_again(machine, pte.folio.slot)
        machine.residents.make_read_only(pte.folio)
    for table in (parent, child):
        new = rmap.map_page(machine, table, vpn, pte.folio, writable=False, exclusive=False, index=pte.index)
        new.accessed, new.dirty = pte.accessed and table is parent, pte.dirty  # the child's are old


def _name_again(machine: Machine, slot: int) -> None:
    """One more PTE names the slot. Under the page-table lock nobody waits for memory: where the count needs an extend
    table that cannot be had, fork tries again without the lock (swap_retry_table_alloc)."""
    try:
        machine.slots.duplicate(slot, atomic=True)
    except TableWanted:
        machine.counters.extend_retries += 1
        machine.slots.duplicate(slot)


def _copy_pinned(machine: Machine, child: PageTable, vpn: int, pte: Pte, new: Folio) -> None:
    """A device writes to the parent's page, so the child gets a copy of its own (copy_present_page)."""
    new.data = pte.dram.pages[pte.index]
    rmap.map_new(machine, child, vpn, new).dirty = True
