# SPDX-License-Identifier: MIT
"""Device pages that leave their node for DRAM, or for nowhere (docs/vswap/nodes.md)."""

from __future__ import annotations

from vswap.base.backing import IN_FOLIO, Backing, BackingType
from vswap.base.errors import SlotsExhausted
from vswap.mm.folio import CramFolio, Folio
from vswap.paths import migrate
from vswap.state import rmap
from vswap.state.machine import Machine
from vswap.tiers.base import Poisoned, TierError
from vswap.tiers.cram import CramTier


async def copy_to_dram(machine: Machine, folio: CramFolio, new: Folio, *, map_again: bool = False) -> None:
    """Copy a locked device page that somebody names to the private folio `new`, which nobody is charged for, and give
    it up. `new` takes its place in the swap cache, locked, as the only copy, and its charge; mappers become softleafs,
    or with `map_again` map it, read-only. On a node that is no swap they map it in any case, without a slot.

    Raises:
        TierError: it cannot be read; it stays where it is.
        SlotsExhausted: it has no slot and gets none.
    """
    if not folio.slot and machine.tiers.demotes:
        await migrate.to_dram(machine, folio, new)
        return
    if not folio.slot:
        machine.residents.adopt_slot(folio)
    slot, mappers = folio.slot, list(folio.mappers)
    unmapped = rmap.try_to_unmap(machine, folio)
    softleafs = [(table, vpn, table.get(vpn)) for table, vpn in mappers] if map_again else []
    if unmapped:
        await machine.clock.sleep(machine.costs.tlb_shootdown + rmap.owed(machine))
    await folio.drain()
    new.data = await folio.tier.load(folio.page)
    await machine.clock.sleep(machine.costs.page_copy)
    new.lock.try_acquire()  # private, so free
    machine.layer.change_backing(slot, IN_FOLIO)
    machine.cache.replace(folio, new)
    machine.residents.hand_charge_to(folio, new)
    machine.residents.bury(folio)
    machine.memory.add(new)
    for table, vpn, pte in softleafs:
        if pte is not None and pte.slot == slot and table.get(vpn) is pte:
            table.map(vpn, new, writable=False, exclusive=pte.exclusive)
            machine.slots.put(slot)  # pinned, so it stays
    if map_again and machine.slots.swap_count(slot) == 0:
        machine.cache.delete(new)
        new.dirty = True


async def promote(machine: Machine, folio: CramFolio) -> bool:
    """Move a device page that is read often to DRAM, if there is room without reclaim; False when it stays."""
    if folio.dead or folio.poisoned or folio.writable or folio.writeback:
        return False
    new = machine.memory.allocate_politely()
    if new is None:
        return False
    moved = False
    if folio.lock.try_acquire():
        try:
            if not (folio.dead or folio.writeback or rmap.unreferenced(machine, folio)):
                await copy_to_dram(machine, folio, new, map_again=True)
                moved = True
        except (TierError, SlotsExhausted) as error:
            folio.poisoned |= isinstance(error, Poisoned)
        finally:
            rmap.unlock(machine, folio)
    if moved:
        rmap.unlock(machine, new)
    else:
        machine.memory.release(new)
    return moved


async def converge(machine: Machine, cram: CramTier) -> None:
    """Let a node's balloon reach its target, a step (`balloon_step_pages`) at a time: free pages first, then the
    coldest ones are moved to DRAM politely, where it is free without reclaim. What cannot be moved now stays; what is
    freed later goes into the balloon."""
    cram.resize_wanted.clear()
    while cram.inventory.balloon_lacks and not machine.stopping:
        await cram.flush()  # what was freed is the balloon's once it is trimmed
        moved = 0
        for folio in list(machine.residents.on[cram])[
            : min(cram.inventory.balloon_lacks, machine.config.balloon_step_pages)
        ]:
            moved += await promote(machine, folio)
        machine.counters.ballooned_out += moved
        if not moved:
            return


async def give_up(machine: Machine, cram: CramTier) -> None:
    """The device of a node is gone: whoever named a page of it gets SIGBUS from now on, and nothing of it is held.

    Mappers become softleafs, and slots that are named are backed by nothing (LOST) until their last PTE is dropped.
    """
    while machine.residents.on[cram] or machine.tiers.storing[cram]:
        for folio in list(machine.residents.on[cram]):
            await machine.inflight.wait(folio)  # a page that a later tier has by then is not lost
            await folio.lock.acquire()
            try:
                if not (folio.dead or folio.writeback):
                    await give_up_page(machine, folio)
            except SlotsExhausted:  # its mapper keeps it until there is a slot again
                pass
            finally:
                rmap.unlock(machine, folio)
        if (machine.residents.on[cram] or machine.tiers.storing[cram]) and machine.stopping:
            return
        await machine.clock.sleep(machine.costs.retry)


async def give_up_page(machine: Machine, folio: CramFolio) -> None:
    """A locked device page is lost: those who named it get SIGBUS. Raises SlotsExhausted."""
    if rmap.unreferenced(machine, folio):
        await machine.residents.release(folio)
        return
    if not folio.slot:
        machine.residents.adopt_slot(folio)
    if rmap.try_to_unmap(machine, folio):
        await machine.clock.sleep(machine.costs.tlb_shootdown + rmap.owed(machine))
    await folio.drain()
    machine.counters.pages_lost += 1
    machine.layer.change_backing(folio.slot, Backing(BackingType.LOST))
    machine.cache.delete(folio)
    machine.residents.bury(folio)
