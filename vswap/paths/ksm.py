# SPDX-License-Identifier: MIT
"""KSM: equal pages of different places become one (docs/vswap/fences.md)."""

from __future__ import annotations

from vswap.mm.folio import Folio
from vswap.mm.pagetable import PageTable, PteState
from vswap.state import rmap
from vswap.state.machine import Machine


async def merge(machine: Machine, table: PageTable, vpn: int, other: PageTable, other_vpn: int) -> bool:
    """Let a page point to the equal page of another place, read-only on both sides; False where they differ or cannot
    be merged now. A write to either is copied.

    Pages on a compressed device are left alone: what maps them has to be read-only already, and to give one up here
    would take the device page from its slot.
    """
    await machine.clock.sleep(2 * machine.costs.zero_test)  # to compare is to read both
    kept, given_up = _candidate(machine, other, other_vpn), _candidate(machine, table, vpn)
    if kept is None or given_up is None or kept is given_up or kept.data != given_up.data:
        return False
    old = table.get(vpn)
    assert old is not None
    kept.merged = True
    kept.dirty = kept.was_cached = True  # SetPageDirty: its PTEs are clean from now on, and MADV_FREE asks the folio
    for each, page in ((other, other_vpn), (table, vpn)):
        rmap.map_page(machine, each, page, kept, writable=False, exclusive=False)
    rmap.forget(machine, table, vpn, old)
    machine.counters.ksm_merged += 1
    await machine.clock.sleep(machine.costs.tlb_shootdown)
    return True


def _candidate(machine: Machine, table: PageTable, vpn: int) -> Folio | None:
    """The folio of a page that may be merged: in DRAM, of one page, out of the swap cache, and nobody works on it."""
    pte = table.get(vpn)
    if pte is None or pte.state is not PteState.DRAM:
        return None
    folio = pte.dram
    taken = folio.order or folio.slot or folio.lazyfree or folio.pins or folio.lock.locked()
    return None if taken or (rmap.shared(machine, folio, 0) and not folio.merged) else folio
