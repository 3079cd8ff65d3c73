"""Device pages that leave their node for DRAM, or for nowhere (docs/vswap/nodes.md)."""

from __future__ import annotations

from vswap.base.errors import SlotsExhausted
from vswap.mm.folio import CramFolio, Folio
from vswap.slots.table import Backing, BackingType
from vswap.state.core import Core
from vswap.tiers.base import Poisoned, TierError
from vswap.tiers.cram import CramTier

STEP_PAGES = 2048
"""8 MiB: what a balloon grows by before the target is looked at again."""


async def copy_to_dram(core: Core, folio: CramFolio, new: Folio, *, map_again: bool = False) -> None:
    """Copy a locked device page that somebody names to the private folio `new`, and give it up. `new` takes its place
    in the swap cache, locked, as the only copy; mappers become softleafs, or with `map_again` map it, read-only.

    Raises:
        TierError: it cannot be read; it stays where it is.
        SlotsExhausted: it has no slot and gets none.
    """
    if not folio.slot:
        core.adopt_slot(folio)
    slot, mappers = folio.slot, list(folio.mappers)
    unmapped = core.unmap(folio)
    softleafs = [(table, vpn, table.get(vpn)) for table, vpn in mappers] if map_again else []
    if unmapped:
        await core.pause(core.costs.tlb_shootdown)
    await folio.drain()
    new.data = await folio.tier.load(folio.page)
    await core.pause(core.costs.page_copy)
    new.lock.try_acquire()  # private, so free
    core.change_backing(slot, Backing(BackingType.FOLIO))
    core.cache.replace(folio, new)
    core.bury(folio)
    core.memory.add(new)
    for table, vpn, pte in softleafs:
        if pte is not None and pte.slot == slot and table.get(vpn) is pte:
            core.map(table, vpn, new, writable=False, exclusive=pte.exclusive)
            core.slots.put(slot)  # pinned, so it stays
    if map_again and core.slots.swap_count(slot) == 0:
        core.uncache(new)
        new.dirty = True


async def promote(core: Core, folio: CramFolio) -> bool:
    """Move a device page that is read often to DRAM, if there is room without reclaim; False when it stays."""
    if folio.dead or folio.poisoned or folio.writable:
        return False
    new = core.memory.allocate_politely(folio.memcg.online_ancestor())
    if new is None:
        return False
    moved = False
    if folio.lock.try_acquire():
        try:
            if not folio.dead and not core.unreferenced(folio):
                await copy_to_dram(core, folio, new, map_again=True)
                moved = True
        except (TierError, SlotsExhausted) as error:
            folio.poisoned |= isinstance(error, Poisoned)
        finally:
            core.unlock(folio)
    if moved:
        core.unlock(new)
    else:
        core.memory.release(new)
    return moved


class HotPages:
    """Promotion of the pages that a node's device nominates, at most `budget` of them an `interval` (ns)."""

    def __init__(self, core: Core, budget: int, interval: int) -> None:
        self._core = core
        self._budget = budget
        self._interval = interval

    async def round(self, cram: CramTier) -> None:
        """Take the nominations and promote what is still there; what is over the budget is dropped: what stays hot is
        nominated again."""
        core = self._core
        folios = [core.cache.lookup(slot) for slot in await cram.nominations()]  # now: a slot may be used again later
        for number, folio in enumerate(folios):
            if number >= self._budget:
                core.counters.hot_dropped += len(folios) - number
                break
            if not isinstance(folio, CramFolio) or folio.tier is not cram or folio.dead:
                core.counters.hot_stale += 1
            elif await promote(core, folio):
                core.counters.promoted_hot += 1
        await core.pause(self._interval)


async def converge(core: Core, cram: CramTier) -> None:
    """Let a node's balloon reach its target, 8 MiB at a time: free pages first, then the coldest ones are moved to DRAM
    politely, where it is free without reclaim. What cannot be moved now stays; what is freed later goes into the
    balloon."""
    cram.resize_wanted.clear()
    while cram.balloon_lacks and not core.stopping:
        await cram.flush()  # what was freed is the balloon's once it is trimmed
        moved = 0
        for folio in list(core.residents[cram])[: min(cram.balloon_lacks, STEP_PAGES)]:
            moved += await promote(core, folio)
        core.counters.ballooned_out += moved
        if not moved:
            return


async def give_up(core: Core, cram: CramTier) -> None:
    """The device of a node is gone: whoever named a page of it gets SIGBUS from now on, and nothing of it is held.

    Mappers become softleafs, and slots that are named are backed by nothing (LOST) until their last PTE is dropped.
    """
    while core.residents[cram] or core.storing[cram]:
        for folio in list(core.residents[cram]):
            await folio.lock.acquire()
            try:
                if not folio.dead:
                    await _give_up_page(core, folio)
            except SlotsExhausted:  # its mapper keeps it until there is a slot again
                pass
            finally:
                core.unlock(folio)
        if (core.residents[cram] or core.storing[cram]) and core.stopping:
            return
        await core.pause(core.costs.retry)


async def _give_up_page(core: Core, folio: CramFolio) -> None:
    if core.unreferenced(folio):
        await core.release_cram(folio)
        return
    if not folio.slot:
        core.adopt_slot(folio)
    if core.unmap(folio):
        await core.pause(core.costs.tlb_shootdown)
    await folio.drain()
    core.counters.pages_lost += 1
    core.change_backing(folio.slot, Backing(BackingType.LOST))
    core.leave_cache(folio)
    core.bury(folio)
