# SPDX-License-Identifier: MIT
"""khugepaged: pages that lie side by side become one large folio (docs/vswap/large-folios.md)."""

from __future__ import annotations

from vswap.mm.folio import Folio
from vswap.mm.pagetable import PageTable, Pte, PteState
from vswap.state import rmap
from vswap.state.machine import Machine


async def collapse(machine: Machine, table: PageTable, vpn: int, order: int) -> bool:
    """Make one folio of the 2^order pages around `vpn`; False where that cannot be now.

    Each of them must be in DRAM, this space's alone, and worked on by nobody. A page on a compressed device is not
    taken: the new folio is writable as a whole, so it has to be in DRAM, and to copy cold pages there is not what the
    device is for (docs/vswap/fences.md).
    """
    vpns = range(vpn >> order << order, (vpn >> order) + 1 << order)
    if not table.vmas.in_one(vpns) or not all(map(table.may_write, vpns)):
        return False
    large = machine.memory.try_allocate(table.memcg, order)
    if large is None:
        return False
    old = _isolate(machine, table, vpns)
    done = False
    try:
        if old is not None:
            await machine.clock.sleep((machine.costs.page_copy << order) + machine.costs.tlb_shootdown)
            same = all(rmap.pte_same(table, page, pte) for page, pte in zip(vpns, old, strict=True))
            if same and not any(pte.dram.pins for pte in old):  # to pin a page that is there takes no fault, no lock
                large.pages = [pte.dram.data for pte in old]
                for index, (page, pte) in enumerate(zip(vpns, old, strict=True)):
                    new = rmap.map_page(machine, table, page, large, writable=True, exclusive=True, index=index)
                    new.dirty, new.accessed = True, pte.accessed
                    pte.dram.mappers.discard((table, page))
                machine.memory.add(large)
                machine.counters.thp_collapse_alloc += 1
                done = True
    finally:
        for pte in old or ():
            rmap.unlock(machine, pte.dram)
        if not done:
            machine.memory.release(large)
    return done


def _isolate(machine: Machine, table: PageTable, vpns: range) -> list[Pte] | None:
    """The PTEs of the pages, their folios locked; None where one cannot be taken."""
    locked: list[Folio] = []
    found: list[Pte] = []
    for page in vpns:
        pte = table.get(page)
        if pte is None or pte.state is not PteState.DRAM:
            break
        folio = pte.dram
        taken = folio.order or folio.slot or folio.lazyfree or folio.pins or rmap.shared(machine, folio, 0)
        if taken or not folio.lock.try_acquire():
            break
        locked.append(folio)
        found.append(pte)
    if len(found) == len(vpns):
        return found
    for folio in locked:
        rmap.unlock(machine, folio)
    return None
