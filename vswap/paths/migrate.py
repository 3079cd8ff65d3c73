# SPDX-License-Identifier: MIT
"""Folios that change nodes and stay mapped, without a slot (docs/vswap/node-mode.md; mm/migrate.c)."""

from __future__ import annotations

from vswap.mm.folio import CramFolio, Folio
from vswap.state import migration, rmap
from vswap.state.machine import Machine
from vswap.tiers.cram import CramTier


async def demote(machine: Machine, folio: Folio, node: CramTier) -> bool:
    """Move a locked folio of one page, whose mappers are migration entries, to a node: they map the device page then,
    read-only, and the frame is free. False where the node has no room, or nobody needs the page any more: the folio is
    mapped again as it was. It is unlocked in any case."""
    try:
        handle = await machine.placement.store_on_node(node, folio.data)
        if handle is not None and not folio.mappers:
            node.free(handle)
            machine.reap_wanted.set()
        elif handle is not None:
            assert folio.memcg is not None
            resident = machine.residents.add(machine.tiers.place(node, handle), 0, folio.memcg)
            migration.restore(folio, resident)
            rmap.drop(machine, folio)
    finally:
        if not folio.dead:
            migration.restore(folio, folio)
        rmap.unlock(machine, folio)
    return folio.dead


async def to_dram(machine: Machine, folio: CramFolio, new: Folio) -> None:
    """Move a locked device page without a slot to the private folio `new`, which nobody is charged for: it takes over
    the mappers and the charge, and is locked. The device page is given up.

    Raises:
        TierError: it cannot be read; it stays where it is, mapped as before, and read-only.
    """
    if migration.unmap(machine, folio):
        await machine.clock.sleep(machine.costs.tlb_shootdown + rmap.owed(machine))
    moved = False
    try:
        await folio.drain()
        new.data = await folio.tier.load(folio.page)
        await machine.clock.sleep(machine.costs.page_copy)
        moved = True
    finally:
        if not moved:
            migration.restore(folio, folio)
    new.lock.try_acquire()  # private, so free
    new.was_cached = True  # only it has the bytes, whatever the dirty bits of PTEs that a migration has made say
    machine.residents.hand_charge_to(folio, new)
    migration.restore(folio, new)
    folio.tier.free(folio.page)
    machine.reap_wanted.set()
    machine.residents.bury(folio)
    machine.memory.add(new)
