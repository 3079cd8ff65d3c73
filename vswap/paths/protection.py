# SPDX-License-Identifier: MIT
"""Changes of what PTEs allow: mprotect, userfaultfd's write-protection, NUMA hints (docs/vswap/fences.md).

Each of them takes the right to write away and gives it back later. What may be given back without a write fault is
asked in one place, so that the fence of device pages is in one place, too.
"""

from __future__ import annotations

from vswap.mm.folio import CramFolio
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.state import rmap
from vswap.state.machine import Machine


def may_be_writable(machine: Machine, table: PageTable, vpn: int, pte: Pte) -> bool:
    """A read-only PTE may become writable without a fault (can_change_pte_writable): its page is its own and in DRAM,
    and nobody waits for write faults. A device page may not: a store would reach it without promotion or budget."""
    if pte.state is not PteState.DRAM or not pte.exclusive or not table.may_write(vpn):
        return False
    return pte.dirty or machine.config.profile != "6.1"


async def mprotect(machine: Machine, table: PageTable, vpn: int, count: int, *, write: bool) -> None:
    """Pages may be written to from now on, or not (mprotect(2)). They are mapped."""
    async with table.mmap_lock.writing():
        table.vmas.protect(vpn, vpn + count, write=write)
        await _change(machine, table, table.within(vpn, count), write=write)


async def write_protect(machine: Machine, table: PageTable, vpn: int, count: int, *, on: bool) -> None:
    """Writes to the pages that are there now are userfaultfd's to answer, or not any more (UFFDIO_WRITEPROTECT)."""
    async with table.mmap_lock.reading():
        pages = table.within(vpn, count)
        if on:
            table.write_protected.update(pages)
        else:
            table.write_protected.difference_update(pages)
        await _change(machine, table, pages, write=not on)


async def hint(machine: Machine, table: PageTable, vpn: int, count: int) -> None:
    """Let the next access to each page that is present take a fault, which says which node uses it (change_prot_numa).
    The page of zeros is everybody's, and left alone."""
    hinted = 0
    for page in table.within(vpn, count):
        pte = table.get(page)
        if pte is not None and pte.is_present and pte.folio is not None and not pte.hinted:
            _replace(table, page, pte, writable=pte.writable).hinted = True
            hinted += 1
    machine.counters.numa_pte_updates += hinted
    await machine.clock.sleep(machine.costs.fork_pte * hinted + machine.costs.tlb_shootdown)


def hint_fault(machine: Machine, table: PageTable, vpn: int, pte: Pte) -> Pte:
    """An access to a hinted page (do_numa_page): the PTE is what it was, or writable where it may be."""
    machine.counters.numa_hint_faults += 1
    writable = pte.writable or may_be_writable(machine, table, vpn, pte)
    return _replace(table, vpn, pte, writable=writable)


async def _change(machine: Machine, table: PageTable, pages: list[int], *, write: bool) -> None:
    """Take the right to write from the PTEs of these pages, or give it back (change_protection). Stores under way into
    device pages are waited for."""
    stored_into: list[CramFolio] = []
    for page in pages:
        pte = table.get(page)
        if pte is not None and not write:
            rmap.note_accesses(machine, pte, stored_into)
        if pte is None or not pte.is_present or pte.folio is None or pte.writable == write:
            continue
        if write and not may_be_writable(machine, table, page, pte):
            continue
        _replace(table, page, pte, writable=write)
        if isinstance(pte.folio, CramFolio):
            machine.residents.make_read_only(pte.folio)
    await machine.clock.sleep(machine.costs.fork_pte * len(pages) + machine.costs.tlb_shootdown)
    await rmap.settle_stores(stored_into)


def _replace(table: PageTable, vpn: int, pte: Pte, *, writable: bool) -> Pte:
    assert pte.folio is not None
    new = table.map(vpn, pte.folio, writable=writable, exclusive=pte.exclusive, index=pte.index)
    new.accessed, new.dirty = pte.accessed, pte.dirty
    return new
