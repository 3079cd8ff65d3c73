# SPDX-License-Identifier: MIT
"""MADV_FREE: pages that nobody needs are marked, and reclaim drops those that were not written to since
(docs/vswap/spaces.md)."""

from __future__ import annotations

from vswap.mm.folio import Folio
from vswap.mm.pagetable import PageTable, PteState
from vswap.paths import large
from vswap.state import rmap
from vswap.state.machine import Machine


def mark(machine: Machine, table: PageTable, vpn: int, vpns: range) -> bool:
    """Mark the folio of a page of the range `vpns`, or drop the page at once where it is not in DRAM; False when it
    stays as it is, or there is none."""
    pte = table.get(vpn)
    if pte is None or pte.state is PteState.ZERO or pte.state is PteState.MIGRATION:
        return False
    if pte.state is not PteState.DRAM:
        return rmap.zap(machine, table, vpn)
    folio = large.split_unless_within(machine, table, vpn, vpns)
    if folio is None or folio.pins or not folio.lock.try_acquire():
        return False
    try:
        if folio.order and folio.lazyfree and pte.index:
            return False  # done with the first of its pages
        if (folio.slot or folio.was_cached) and rmap.mapped_by_others(folio):
            return False  # others may need what only the folio has; a page never swapped is dirty in their PTEs
        if rmap.named(machine, folio) or folio.writeback:
            return False
        if folio.slot:
            machine.cache.delete(folio)  # a copy on a tier is as useless as the page
        for page in range(vpn, vpn + len(folio.pages)):
            mapped = table.get(page)
            assert mapped is not None and mapped.folio is folio
            mapped.dirty = mapped.accessed = False
        machine.counters.pglazyfree += 0 if folio.lazyfree else len(folio.pages)
        folio.dirty = folio.lazyfree = True
        folio.was_cached = False
        folio.active = False
        machine.memory.add_oldest(folio)
        return True
    finally:
        rmap.unlock(machine, folio)


def discard(machine: Machine, folio: Folio) -> bool:
    """Unmap a locked lazyfree folio for good, PTE by PTE, until one has been written to since: from there on it stays
    mapped, and is an ordinary folio of theirs again, while those before have lost it (try_to_unmap_one). Whether a PTE
    is gone: its flush comes before the folio is unlocked, which frees it if no other PTE is left."""
    dropped = 0
    for table, vpn, pte in rmap.walk(machine, folio):
        if pte.dirty or folio.was_cached:  # in a PTE, or in the folio itself since a split
            folio.lazyfree = False
            folio.was_cached = True
            break
        table.clear(vpn)
        folio.mappers.discard((table, vpn))
        dropped += 1
    if not folio.mappers:
        machine.counters.pglazyfreed += len(folio.pages)
    return dropped > 0
